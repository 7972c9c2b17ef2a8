//! How far a snapshot is: counted per table, told by notifications, and in the log once in ten seconds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use raccord_cdc::{Notification, TableId};
use raccord_plugin::SourceBatch;
use tokio::time::Instant;
use tokio_postgres::Client;
use tracing::info;

use crate::emit::now;
use crate::metrics::{Metrics, SnapshotPhase, TableRows};
use crate::offset::{OffsetState, Positions};
use crate::settings::Settings;
use crate::wire::WireError;
use crate::wire::sql::sql_error;

/// Between reports in the log.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Rows of a table as PostgreSQL estimates: that of its last ANALYZE or VACUUM, for its size now. Negative without one.
const ROWS: &str = "\
    SELECT coalesce(sum(CASE WHEN c.reltuples < 0 OR c.relpages = 0 THEN NULL \
               ELSE c.reltuples::float8 / c.relpages * (pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int) END), -1)::bigint \
    FROM pg_catalog.pg_class c \
    WHERE c.relkind = 'r' AND c.oid IN ( \
        WITH RECURSIVE leaves(oid) AS (SELECT to_regclass($1)::oid \
            UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN leaves l ON i.inhparent = l.oid) \
        SELECT oid FROM leaves)";

/// The progress of one snapshot.
pub struct Progress {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    /// Tables that are read.
    read: Vec<TableId>,
    /// The same, and the table of signals, which is not read.
    captured: Vec<TableId>,
    tables: Vec<TableProgress>,
    /// Where their rows are shown, in the same order.
    shown: Vec<Arc<TableRows>>,
    /// Rows of all tables together, if PostgreSQL has an estimate of each.
    expected: Option<u64>,
    rows: u64,
    tables_left: usize,
    began: Instant,
    reported: Report,
}

#[derive(Clone, Copy, Debug, Default)]
struct TableProgress {
    began: bool,
    rows: u64,
}

/// What the last report said.
struct Report {
    at: Instant,
    rows: u64,
}

/// Where notifications go: the batch, with the tickets of positions.
pub struct Outlet<'a> {
    /// Gives tickets.
    pub positions: &'a mut Positions,
    /// Takes records.
    pub batch: &'a mut SourceBatch,
}

impl Outlet<'_> {
    /// Tells a notification. With a state its record carries that position, otherwise the one before.
    pub fn tell(&mut self, settings: &Settings, notification: &Notification, state: Option<&OffsetState>) {
        if !settings.notifications.are_enabled() {
            return;
        }
        let position = match state {
            Some(state) => self.positions.ticket(state),
            None => self.positions.last_ticket(),
        };
        let told = settings.notifications.tell(notification, now().nanos / 1_000_000, position);
        if let Some((record, bytes)) = told {
            self.batch.push(record, bytes);
        }
    }
}

impl Progress {
    /// A snapshot that begins to read these tables; asks how many rows they have.
    ///
    /// # Errors
    /// What the server says.
    pub async fn begin(
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
        client: &Client,
        read: Vec<TableId>,
        captured: Vec<TableId>,
    ) -> Result<Self, WireError> {
        let mut expected = Some(0u64);
        for id in &read {
            let name = crate::setup::qualified(id);
            let row = client.query_one(ROWS, &[&name]).await.map_err(sql_error)?;
            let rows: i64 = row.get(0);
            expected = expected.zip(u64::try_from(rows).ok()).map(|(sum, rows)| sum + rows);
        }
        // The table of signals is among them as well, and done.
        let others = captured.iter().filter(|id| !read.contains(id));
        let shown = metrics.snapshot_began(read.iter().chain(others).map(ToString::to_string), now_ms());
        shown.iter().skip(read.len()).for_each(|table| table.ended());
        metrics.rows_expected.set(expected);
        let began = Instant::now();
        Ok(Self {
            tables: vec![TableProgress::default(); read.len()],
            tables_left: read.len(),
            shown,
            rows: 0,
            reported: Report { at: began, rows: 0 },
            settings,
            metrics,
            read,
            captured,
            expected,
            began,
        })
    }

    /// Rows of a table are at hand, or its end: says so when they are the first.
    pub fn reached(&mut self, table: usize, state: &OffsetState, outlet: &mut Outlet<'_>) {
        if !std::mem::replace(&mut self.tables[table].began, true) {
            let notification = Notification::table_in_progress(&self.read[table], &self.read);
            outlet.tell(&self.settings, &notification, Some(state));
        }
        self.show(table);
        if self.reported.at.elapsed() >= REPORT_INTERVAL {
            self.report();
        }
    }

    /// A row of a table.
    #[inline]
    pub fn row(&mut self, table: usize) {
        self.tables[table].rows += 1;
        self.rows += 1;
    }

    /// A table is read to its end.
    pub fn table_ended(&mut self, table: usize, state: &OffsetState, outlet: &mut Outlet<'_>) {
        self.tables_left -= 1;
        let (id, rows) = (&self.read[table], self.tables[table].rows);
        info!(table = %id, rows, left = self.tables_left, "Finished exporting a table");
        let notification = Notification::table_scan_completed(id, rows, &self.captured);
        outlet.tell(&self.settings, &notification, Some(state));
        self.show(table);
        self.shown[table].ended();
    }

    /// All is read. `state` is the position behind the snapshot.
    pub fn completed(&mut self, state: &OffsetState, outlet: &mut Outlet<'_>) {
        self.metrics.snapshot_ended(SnapshotPhase::Completed, now_ms());
        let took = self.began.elapsed();
        info!(rows = self.rows, tables = self.read.len(), seconds = took.as_secs_f64(), "Snapshot completed");
        outlet.tell(&self.settings, &Notification::initial_snapshot("COMPLETED"), Some(state));
    }

    /// It failed, perhaps while it read a table.
    pub fn aborted(&mut self, table: Option<usize>, outlet: &mut Outlet<'_>) {
        self.metrics.snapshot_ended(SnapshotPhase::Aborted, now_ms());
        if let Some((table, id)) = table.and_then(|table| Some((table, self.read.get(table)?))) {
            if !std::mem::replace(&mut self.tables[table].began, true) {
                outlet.tell(&self.settings, &Notification::table_in_progress(id, &self.read), None);
            }
            outlet.tell(&self.settings, &Notification::table_scan_failed(id), None);
        }
        outlet.tell(&self.settings, &Notification::initial_snapshot("ABORTED"), None);
    }

    /// Shows how many rows of a table have been read.
    fn show(&self, table: usize) {
        let more = self.metrics.scanned(&self.shown[table], self.tables[table].rows);
        self.metrics.add_snapshot_events(more, now_ms());
    }

    fn report(&mut self) {
        let now = Instant::now();
        let since = now - self.reported.at;
        let per_second = (self.rows - self.reported.rows) as f64 / since.as_secs_f64().max(0.001);
        self.reported = Report { at: now, rows: self.rows };
        self.metrics.rows_per_second.set(Some(per_second as u64));
        info!(
            rows = self.rows,
            tables_left = self.tables_left,
            rows_per_second = per_second as u64,
            remaining = %Remaining { rows: self.rows, expected: self.expected, per_second },
            "Snapshot in progress"
        );
    }
}

/// Milliseconds since the epoch.
pub fn now_ms() -> u64 {
    u64::try_from(now().nanos / 1_000_000).unwrap_or(0)
}

/// How long the rest may take.
struct Remaining {
    rows: u64,
    expected: Option<u64>,
    per_second: f64,
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(expected) =
            self.expected.filter(|expected| *expected >= self.rows && self.per_second >= 1.0)
        else {
            return f.write_str("unknown: ANALYZE tells PostgreSQL how many rows there are");
        };
        let seconds = ((expected - self.rows) as f64 / self.per_second).ceil() as u64;
        write!(f, "about {}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_is_what_is_expected_at_the_present_speed() {
        let check = |rows, expected, per_second, text: &str| {
            assert_eq!(Remaining { rows, expected, per_second }.to_string(), text);
        };
        check(1000, Some(4_000_000), 1000.0, "about 1:06:39");
        check(1000, Some(1000), 1000.0, "about 0:00:00");
        check(1000, Some(999), 1000.0, "unknown: ANALYZE tells PostgreSQL how many rows there are");
        check(1000, None, 1000.0, "unknown: ANALYZE tells PostgreSQL how many rows there are");
        check(0, Some(10), 0.0, "unknown: ANALYZE tells PostgreSQL how many rows there are");
    }
}
