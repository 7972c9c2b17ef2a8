//! Looks at the slot from its making on, also while a snapshot is taken, on a session of its own: `xmin` for records, where `xmin.fetch.interval.ms` asks for
//! it, and how much log the server keeps for us.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::setup::{self, literal};
use crate::wal_growth::WalGrowth;
use crate::wire::WireError;
use crate::wire::sql::{SqlSession, sql_error};

/// The name by which the server knows the session.
const APPLICATION: &str = "Debezium Slot Info";
/// Between looks when nobody asks for them more often.
const INTERVAL: Duration = Duration::from_secs(10);
/// Stands for "not known yet".
const UNKNOWN: i64 = -1;

/// A watch that ends when it is dropped.
pub struct SlotWatch {
    xmin: Arc<AtomicI64>,
    metrics: Arc<Metrics>,
    _task: Option<AbortOnDropHandle<()>>,
}

/// What one look finds.
struct Look {
    xmin: i64,
    /// Where the log ends, in bytes.
    end: i64,
    lag_bytes: i64,
    retained_bytes: i64,
    /// Bytes until the server gives the slot up, if it may.
    safe_bytes: Option<i64>,
    status: String,
}

impl SlotWatch {
    /// Begins to watch. When records need `xmin`, it is known when this returns.
    ///
    /// # Errors
    /// What the server or the network says to the first look, if that is needed.
    pub async fn begin(settings: &Arc<Settings>, metrics: &Arc<Metrics>) -> Result<Self, WireError> {
        // Without streaming there need not be a slot.
        let streams = settings.snapshot_mode.streams();
        let asked = u64::try_from(settings.config.keys.postgres.xmin_fetch_interval_ms).unwrap_or(0);
        let asked = if streams { asked } else { 0 };
        let xmin = Arc::new(AtomicI64::new(UNKNOWN));
        let mut session = None;
        if asked > 0 {
            let first = look(settings, &mut session).await?;
            xmin.store(first.map_or(0, |look| look.xmin), Ordering::Relaxed);
        }
        let watch = Watch {
            settings: Arc::clone(settings),
            metrics: Arc::clone(metrics),
            xmin: (asked > 0).then(|| Arc::clone(&xmin)),
            session,
            status: String::new(),
            growth: WalGrowth::default(),
        };
        let interval = if asked > 0 { INTERVAL.min(Duration::from_millis(asked)) } else { INTERVAL };
        Ok(Self {
            xmin,
            metrics: Arc::clone(metrics),
            _task: streams.then(|| AbortOnDropHandle::new(tokio::spawn(watch.run(interval)))),
        })
    }

    /// The counters of the task.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The slot's xmin, if records need it.
    #[inline]
    pub fn xmin(&self) -> Option<i64> {
        match self.xmin.load(Ordering::Relaxed) {
            UNKNOWN => None,
            xmin => Some(xmin),
        }
    }
}

struct Watch {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    xmin: Option<Arc<AtomicI64>>,
    session: Option<SqlSession>,
    /// `wal_status`, as it was last.
    status: String,
    growth: WalGrowth,
}

impl Watch {
    async fn run(mut self, interval: Duration) {
        loop {
            match look(&self.settings, &mut self.session).await {
                Ok(Some(look)) => self.found(look),
                Ok(None) => {}
                // The stream tells of what matters; this comes again by itself.
                Err(error) => {
                    debug!(%error, "cannot look at the replication slot");
                    self.session = None;
                }
            }
            tokio::time::sleep(interval).await;
        }
    }

    fn found(&mut self, look: Look) {
        let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
        let safe_bytes = look.safe_bytes.map(bytes);
        self.growth.look(Instant::now(), bytes(look.end), safe_bytes);
        self.metrics.slot_lag_bytes.set(Some(bytes(look.lag_bytes)));
        self.metrics.slot_retained_bytes.set(Some(bytes(look.retained_bytes)));
        self.metrics.slot_safe_bytes.set(safe_bytes);
        self.metrics.slot_seconds_to_full.set(self.growth.seconds_to_full());
        if let Some(xmin) = &self.xmin {
            xmin.store(look.xmin, Ordering::Relaxed);
        }
        if look.status != self.status && matches!(look.status.as_str(), "unreserved" | "lost") {
            warn!(
                slot = self.settings.config.keys.postgres.slot_name,
                status = look.status,
                retained_bytes = look.retained_bytes,
                "the server is about to give the replication slot up, because it keeps too much log: see \
                 max_slot_wal_keep_size"
            );
        }
        self.status = look.status;
        if let Some(seconds) = self.growth.warning() {
            warn!(
                slot = self.settings.config.keys.postgres.slot_name,
                seconds,
                safe_bytes,
                lag_bytes = look.lag_bytes,
                "the server gives the replication slot up in about {seconds} seconds if its log goes on to grow like this: \
                 see what holds the connector or Kafka up, or raise max_slot_wal_keep_size"
            );
        }
    }
}

async fn look(settings: &Arc<Settings>, session: &mut Option<SqlSession>) -> Result<Option<Look>, WireError> {
    let sql = match session {
        Some(sql) => sql,
        None => session.insert(setup::connect(settings, APPLICATION).await?),
    };
    // What older servers have not is looked up in the row as a whole.
    let statement = format!(
        "SELECT coalesce(catalog_xmin::text::bigint, 0), \
                coalesce(pg_wal_lsn_diff(log.position, '0/0')::bigint, 0), \
                coalesce(pg_wal_lsn_diff(log.position, confirmed_flush_lsn)::bigint, 0), \
                coalesce(pg_wal_lsn_diff(log.position, restart_lsn)::bigint, 0), \
                (to_jsonb(s)->>'safe_wal_size')::bigint, coalesce(to_jsonb(s)->>'wal_status', '') \
         FROM pg_catalog.pg_replication_slots s, \
              (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS position) log \
         WHERE slot_name = {}",
        literal(&settings.config.keys.postgres.slot_name)
    );
    let row = sql.client.query_opt(&statement, &[]).await.map_err(sql_error)?;
    Ok(row.map(|row| Look {
        xmin: row.get(0),
        end: row.get(1),
        lag_bytes: row.get(2),
        retained_bytes: row.get(3),
        safe_bytes: row.get(4),
        status: row.get(5),
    }))
}
