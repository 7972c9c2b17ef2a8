//! Transactions that are in the log and not shown yet.
//!
//! A server writes a commit to the log, where the stream sees it at once, and shows its effects to other sessions a moment
//! later. Asked in between, the catalog does not know a table that the transaction made, whose records would lack their
//! key, and a row that is read again is what it was before. So the transaction at hand is waited for.

use std::time::Duration;

use tokio_postgres::Client;
use tracing::warn;

use crate::wire::WireError;
use crate::wire::sql::sql_error;

/// How long to wait for a transaction. It may take long where a commit waits for a synchronous standby, which may be
/// this very stream.
const LIMIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// Waits for transactions; remembers the last one.
#[derive(Debug, Default)]
pub struct Shown(Option<i64>);

impl Shown {
    /// Waits until a transaction of the stream is shown, a second at most. Cancel-safe.
    ///
    /// # Errors
    /// What the server says.
    pub async fn wait(&mut self, client: &Client, transaction: Option<i64>) -> Result<(), WireError> {
        let Some(id) = transaction.filter(|id| self.0 != Some(*id)) else { return Ok(()) };
        match tokio::time::timeout(LIMIT, until_shown(client, id)).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                warn!("the server does not show transaction {id}, which it has committed, within {LIMIT:?}")
            }
        }
        self.0 = Some(id);
        Ok(())
    }
}

async fn until_shown(client: &Client, id: i64) -> Result<(), WireError> {
    loop {
        let row = client.query_one("SELECT txid_current_snapshot()::text", &[]).await.map_err(sql_error)?;
        if shows(row.get(0), id) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a snapshot (`xmin:xmax:xip,xip`) shows what a transaction has done. The stream's ids are 32 bits wide and wrap.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "ids are compared as they wrap"
)]
fn shows(snapshot: &str, id: i64) -> bool {
    let low = |number: &str| number.parse::<u64>().ok().map(|number| number as u32);
    let mut parts = snapshot.splitn(3, ':').skip(1);
    let end = parts.next().and_then(low).unwrap_or_default();
    let is_over = (end.wrapping_sub(id as u32) as i32) > 0;
    is_over && !parts.next().unwrap_or_default().split(',').any(|running| low(running) == Some(id as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_is_over() {
        let check = |snapshot, id, expect| assert_eq!(shows(snapshot, id), expect, "{snapshot} {id}");
        check("740:740:", 739, true);
        check("740:740:", 740, false);
        check("740:745:740,742", 741, true);
        check("740:745:740,742", 742, false);
        check("740:745:740,742", 745, false);
        // Ids that have wrapped.
        check("4294967290:4294967298:4294967297", 4_294_967_295, true);
        check("4294967290:4294967298:4294967297", 1, false);
        check("4294967290:4294967299:4294967297", 2, true);
    }
}
