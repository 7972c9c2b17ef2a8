//! The metrics of a task as they are shown: Debezium's attributes of its contexts `snapshot` and `streaming` under the names
//! that the Prometheus exporter gives them with the rules of Debezium's examples, and what is only here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raccord_plugin::{Metric, ReadMetrics, Samples};

use crate::metrics::{Known, Metrics, SnapshotPhase};
use crate::progress::now_ms;
use crate::settings::Settings;

/// What a row of a table of metrics reads.
struct Reading<'a> {
    metrics: &'a Metrics,
    now_ms: u64,
}

/// A metric, and its value if there is one.
type Row = (Metric, fn(&Reading<'_>) -> Option<f64>);

const EVENTS: Metric = Metric::counter(
    "debezium_metrics_TotalNumberOfEventsSeen",
    "Events that the connector has seen since it began: rows of snapshots, changes of the stream.",
);
const CREATES: Metric =
    Metric::counter("debezium_metrics_TotalNumberOfCreateEventsSeen", "Inserts that the connector has seen.");
const UPDATES: Metric =
    Metric::counter("debezium_metrics_TotalNumberOfUpdateEventsSeen", "Updates that the connector has seen.");
const DELETES: Metric =
    Metric::counter("debezium_metrics_TotalNumberOfDeleteEventsSeen", "Deletes that the connector has seen.");
const SINCE_LAST_EVENT: Metric = Metric::gauge(
    "debezium_metrics_MilliSecondsSinceLastEvent",
    "Milliseconds since the connector saw an event last; -1 before the first.",
);
const ROWS_SCANNED: Metric =
    Metric::gauge("debezium_metrics_RowsScanned", "Rows of a table that the snapshot has read.");

const SNAPSHOT: &[Row] = &[
    (Metric::gauge("debezium_metrics_TotalTableCount", "Tables that the snapshot reads."), |reading| {
        Some(reading.metrics.tables().len() as f64)
    }),
    (
        Metric::gauge(
            "debezium_metrics_RemainingTableCount",
            "Tables that the snapshot has not read to their end.",
        ),
        |reading| Some(reading.metrics.tables().iter().filter(|table| table.is_remaining()).count() as f64),
    ),
    (Metric::gauge("debezium_metrics_SnapshotRunning", "Whether a snapshot runs."), |reading| {
        reading.is(SnapshotPhase::Running)
    }),
    (
        Metric::gauge("debezium_metrics_SnapshotPaused", "Whether an incremental snapshot is paused."),
        |reading| reading.is(SnapshotPhase::Paused),
    ),
    (
        Metric::gauge("debezium_metrics_SnapshotCompleted", "Whether the last snapshot is complete."),
        |reading| reading.is(SnapshotPhase::Completed),
    ),
    (Metric::gauge("debezium_metrics_SnapshotAborted", "Whether the last snapshot failed."), |reading| {
        reading.is(SnapshotPhase::Aborted)
    }),
    (Metric::gauge("debezium_metrics_SnapshotSkipped", "Whether no snapshot was needed."), |reading| {
        reading.is(SnapshotPhase::Skipped)
    }),
    (
        Metric::gauge("debezium_metrics_SnapshotDurationInSeconds", "How long the snapshot takes or took."),
        |reading| Some((reading.metrics.snapshot_duration_ms(reading.now_ms) / 1000) as f64),
    ),
    (EVENTS, |reading| count(&reading.metrics.snapshot_events)),
    // A snapshot reads rows: it creates, changes and deletes none.
    (CREATES, |_| Some(0.0)),
    (UPDATES, |_| Some(0.0)),
    (DELETES, |_| Some(0.0)),
    (SINCE_LAST_EVENT, |reading| reading.since(&reading.metrics.snapshot_event_ms)),
];

const STREAMING: &[Row] = &[
    (Metric::gauge("debezium_metrics_Connected", "Whether the connector streams changes."), |reading| {
        Some(f64::from(u8::from(reading.metrics.connected.load(Ordering::Relaxed))))
    }),
    (
        Metric::gauge(
            "debezium_metrics_MilliSecondsBehindSource",
            "Milliseconds between the last event's commit and its record; -1 before the first.",
        ),
        |reading| Some(reading.metrics.behind_ms.get().map_or(-1.0, |ms| ms as f64)),
    ),
    (EVENTS, |reading| count(&reading.metrics.events)),
    (CREATES, |reading| count(&reading.metrics.created)),
    (UPDATES, |reading| count(&reading.metrics.updated)),
    (DELETES, |reading| count(&reading.metrics.deleted)),
    (
        Metric::counter("debezium_metrics_NumberOfEventsFiltered", "Events of tables that are not captured."),
        |reading| count(&reading.metrics.filtered),
    ),
    (
        Metric::counter(
            "debezium_metrics_NumberOfCommittedTransactions",
            "Transactions with events of captured tables.",
        ),
        |reading| count(&reading.metrics.transactions),
    ),
    (SINCE_LAST_EVENT, |reading| reading.since(&reading.metrics.event_ms)),
];

const OWN: &[Row] = &[
    (
        Metric::gauge(
            "raccord_postgres_slot_lag_bytes",
            "Bytes of log between what the slot has confirmed and the end of the log.",
        ),
        |reading| known(&reading.metrics.slot_lag_bytes),
    ),
    (
        Metric::gauge(
            "raccord_postgres_slot_retained_wal_bytes",
            "Bytes of log that the server keeps for the slot.",
        ),
        |reading| known(&reading.metrics.slot_retained_bytes),
    ),
    (
        Metric::gauge(
            "raccord_postgres_slot_safe_wal_bytes",
            "Bytes of log that may still be written before the server gives the slot up; absent without a limit.",
        ),
        |reading| known(&reading.metrics.slot_safe_bytes),
    ),
    (
        Metric::gauge(
            "raccord_postgres_slot_time_to_full_seconds",
            "Seconds until the server gives a slot that does not move up, as fast as the log grows; absent without a limit.",
        ),
        |reading| known(&reading.metrics.slot_seconds_to_full),
    ),
    (
        Metric::gauge(
            "raccord_postgres_snapshot_expected_rows",
            "Rows that the tables of the snapshot have, as PostgreSQL estimates; absent without an estimate.",
        ),
        |reading| known(&reading.metrics.rows_expected),
    ),
    (
        Metric::gauge(
            "raccord_postgres_snapshot_rows_per_second",
            "Rows that the snapshot reads in a second; absent when none runs.",
        ),
        |reading| reading.rows_per_second(),
    ),
    (
        Metric::gauge(
            "raccord_postgres_snapshot_remaining_seconds",
            "How long the snapshot takes from now on; absent when none runs or there is no estimate of rows.",
        ),
        |reading| reading.remaining_seconds(),
    ),
];

impl Reading<'_> {
    fn is(&self, phase: SnapshotPhase) -> Option<f64> {
        Some(f64::from(u8::from(self.metrics.snapshot_phase() == phase)))
    }

    fn since(&self, at_ms: &Known) -> Option<f64> {
        Some(at_ms.get().map_or(-1.0, |at_ms| self.now_ms.saturating_sub(at_ms) as f64))
    }

    fn rows(&self) -> u64 {
        self.metrics.rows_read.load(Ordering::Relaxed)
    }

    /// That of the last report; before the first, the average.
    fn rows_per_second(&self) -> Option<f64> {
        if self.metrics.snapshot_phase() != SnapshotPhase::Running {
            return None;
        }
        let average = || {
            let duration_ms = self.metrics.snapshot_duration_ms(self.now_ms);
            (duration_ms > 0).then(|| (self.rows() as f64 * 1000.0 / duration_ms as f64).floor())
        };
        known(&self.metrics.rows_per_second).or_else(average)
    }

    fn remaining_seconds(&self) -> Option<f64> {
        let per_second = self.rows_per_second().filter(|per_second| *per_second >= 1.0)?;
        let left = self.metrics.rows_expected.get()?.checked_sub(self.rows())?;
        Some((left as f64 / per_second).ceil())
    }
}

fn count(counter: &AtomicU64) -> Option<f64> {
    Some(counter.load(Ordering::Relaxed) as f64)
}

fn known(number: &Known) -> Option<f64> {
    number.get().map(|number| number as f64)
}

/// Reads the metrics of a task.
pub fn reader(metrics: Arc<Metrics>, settings: &Settings) -> ReadMetrics {
    let prefix = settings.config.topic_prefix().to_owned();
    let slot = settings.config.keys.postgres.slot_name.clone();
    Box::new(move |samples| {
        read(&metrics, now_ms(), &prefix, &slot, samples);
    })
}

fn read(metrics: &Metrics, now_ms: u64, prefix: &str, slot: &str, samples: &mut dyn Samples) {
    let tables = metrics.tables();
    let reading = Reading { metrics, now_ms };
    let mut add = |table: &[Row], labels: &[(&'static str, &str)]| {
        for (metric, value) in table {
            if let Some(value) = value(&reading) {
                samples.add(*metric, labels, value);
            }
        }
    };
    let snapshot = [("plugin", "postgres"), ("name", prefix), ("context", "snapshot")];
    add(SNAPSHOT, &snapshot);
    add(STREAMING, &[("plugin", "postgres"), ("name", prefix), ("context", "streaming")]);
    add(OWN, &[("name", prefix), ("slot", slot)]);
    let [plugin, name, context] = snapshot;
    for table in tables.iter() {
        let labels = [plugin, name, context, ("table", table.table.as_str())];
        samples.add(ROWS_SCANNED, &labels, table.rows() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lines(Vec<String>);

    impl Samples for Lines {
        fn add(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64) {
            let labels: Vec<&str> = labels.iter().map(|(_, value)| *value).collect();
            self.0.push(format!("{} {} {value}", metric.name, labels.join(",")));
        }
    }

    fn lines(metrics: &Metrics, now_ms: u64) -> Vec<String> {
        let mut lines = Lines::default();
        read(metrics, now_ms, "lab", "s", &mut lines);
        lines.0
    }

    #[test]
    fn a_snapshot_shows_what_it_has_read_and_how_long_it_takes() {
        let metrics = Metrics::default();
        let tables = metrics.snapshot_began(["public.a", "public.b"].map(str::to_owned), 1_000);
        metrics.rows_expected.set(Some(5_000));
        assert_eq!([metrics.scanned(&tables[0], 800), metrics.scanned(&tables[1], 200)], [800, 200]);
        let shown = lines(&metrics, 3_000);
        let has = |line: &str| assert!(shown.iter().any(|shown| shown == line), "{line}\n{shown:#?}");
        has("debezium_metrics_TotalTableCount postgres,lab,snapshot 2");
        has("debezium_metrics_SnapshotRunning postgres,lab,snapshot 1");
        has("debezium_metrics_SnapshotCompleted postgres,lab,snapshot 0");
        has("debezium_metrics_SnapshotDurationInSeconds postgres,lab,snapshot 2");
        has("debezium_metrics_RowsScanned postgres,lab,snapshot,public.a 800");
        has("debezium_metrics_MilliSecondsSinceLastEvent postgres,lab,streaming -1");
        has("raccord_postgres_snapshot_rows_per_second lab,s 500");
        has("raccord_postgres_snapshot_remaining_seconds lab,s 8");

        metrics.rows_per_second.set(Some(1_000));
        assert!(
            lines(&metrics, 3_000)
                .contains(&"raccord_postgres_snapshot_remaining_seconds lab,s 4".to_owned())
        );
        metrics.snapshot_ended(SnapshotPhase::Completed, 4_000);
        let shown = lines(&metrics, 3_000);
        assert!(shown.contains(&"debezium_metrics_SnapshotCompleted postgres,lab,snapshot 1".to_owned()));
        assert!(!shown.iter().any(|line| line.starts_with("raccord_postgres_snapshot_re")), "{shown:#?}");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let metrics = Metrics::default();
        assert!(!lines(&metrics, 1).iter().any(|line| line.starts_with("raccord_")));
        metrics.slot_lag_bytes.set(Some(0));
        metrics.slot_safe_bytes.set(None);
        let shown = lines(&metrics, 1);
        let own: Vec<_> = shown.iter().filter(|line| line.starts_with("raccord_")).collect();
        assert_eq!(own, ["raccord_postgres_slot_lag_bytes lab,s 0"]);
    }
}
