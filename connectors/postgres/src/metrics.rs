//! What a task counts: read by whoever shows metrics ([`crate::exposition`]), written by the task alone. The names are those
//! of Debezium's metrics where it has them.
//!
//! Nothing here is shared for a record: rows of a snapshot are counted beside the snapshot and told per chunk, events of
//! the stream in [`Seen`] and told per batch.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use raccord_cdc::{Operation, SnapshotEvent, SnapshotEventKind};

use crate::offset::OffsetState;

/// How a snapshot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPhase {
    /// There was none yet.
    None,
    /// It runs.
    Running,
    /// It is complete.
    Completed,
    /// It failed, and is taken again.
    Aborted,
    /// It was not needed.
    Skipped,
    /// It is incremental and was asked to pause.
    Paused,
}

impl SnapshotPhase {
    const ALL: [Self; 6] =
        [Self::None, Self::Running, Self::Completed, Self::Aborted, Self::Skipped, Self::Paused];
}

/// A number that may not be known.
#[derive(Debug)]
pub struct Known(AtomicU64);

impl Default for Known {
    fn default() -> Self {
        Self(AtomicU64::new(Self::UNKNOWN))
    }
}

impl Known {
    const UNKNOWN: u64 = u64::MAX;

    /// The number.
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number != Self::UNKNOWN)
    }

    /// Takes note of it.
    pub fn set(&self, number: Option<u64>) {
        self.0.store(number.unwrap_or(Self::UNKNOWN), Ordering::Relaxed);
    }
}

/// Rows of a table that a snapshot has read.
#[derive(Debug)]
pub struct TableRows {
    /// `schema.table`.
    pub table: String,
    /// How many.
    rows: AtomicU64,
    /// Whether there are more.
    remaining: AtomicBool,
}

impl TableRows {
    /// How many rows have been read.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether the table is not read to its end.
    pub fn is_remaining(&self) -> bool {
        self.remaining.load(Ordering::Relaxed)
    }

    /// It is read to its end.
    pub fn ended(&self) {
        self.remaining.store(false, Ordering::Relaxed);
    }
}

/// Counters of one task. Numbers are the latest known.
#[derive(Debug, Default)]
pub struct Metrics {
    snapshot_phase: AtomicU8,
    /// When the snapshot began and ended, in milliseconds since the epoch.
    snapshot_began_ms: Known,
    snapshot_ended_ms: Known,
    /// The tables of all snapshots since the task began.
    tables: Mutex<Vec<Arc<TableRows>>>,
    /// Rows that the snapshot has read.
    pub rows_read: AtomicU64,
    /// Rows of snapshots that have become records since the task began.
    pub snapshot_events: AtomicU64,
    /// When the last of them did, in milliseconds since the epoch.
    pub snapshot_event_ms: Known,
    /// How many rows the tables have, as PostgreSQL estimates.
    pub rows_expected: Known,
    /// Rows that the snapshot reads in a second, over the last report.
    pub rows_per_second: Known,
    /// `Connected`: whether it streams.
    pub connected: AtomicBool,
    /// `TotalNumberOfEventsSeen`, with those that are filtered out.
    pub events: AtomicU64,
    /// `TotalNumberOfCreateEventsSeen`.
    pub created: AtomicU64,
    /// `TotalNumberOfUpdateEventsSeen`.
    pub updated: AtomicU64,
    /// `TotalNumberOfDeleteEventsSeen`.
    pub deleted: AtomicU64,
    /// `NumberOfEventsFiltered`.
    pub filtered: AtomicU64,
    /// `NumberOfCommittedTransactions`.
    pub transactions: AtomicU64,
    /// When the last event was seen, in milliseconds since the epoch.
    pub event_ms: Known,
    /// `MilliSecondsBehindSource`, of the last event.
    pub behind_ms: Known,
    /// Bytes of log between what the slot has confirmed and the end of the log.
    pub slot_lag_bytes: Known,
    /// Bytes of log that the server keeps for the slot.
    pub slot_retained_bytes: Known,
    /// Bytes of log that may still be written before the server gives the slot up; not known without a limit.
    pub slot_safe_bytes: Known,
    /// How long that takes at the speed at which the log grows.
    pub slot_seconds_to_full: Known,
}

impl Metrics {
    /// How the snapshot stands.
    pub fn snapshot_phase(&self) -> SnapshotPhase {
        let phase = self.snapshot_phase.load(Ordering::Relaxed);
        SnapshotPhase::ALL.get(usize::from(phase)).copied().unwrap_or(SnapshotPhase::None)
    }

    /// No snapshot was needed.
    pub fn snapshot_skipped(&self) {
        self.set_phase(SnapshotPhase::Skipped);
    }

    /// A snapshot begins to read these tables; gives where their rows are counted. Those of earlier snapshots stay.
    pub fn snapshot_began(
        &self,
        names: impl IntoIterator<Item = String>,
        now_ms: u64,
    ) -> Vec<Arc<TableRows>> {
        let new = |table| TableRows { table, rows: AtomicU64::new(0), remaining: AtomicBool::new(true) };
        let begun: Vec<_> = names.into_iter().map(|table| Arc::new(new(table))).collect();
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let again: HashSet<&str> = begun.iter().map(|begun| begun.table.as_str()).collect();
        tables.retain(|known| !again.contains(known.table.as_str()));
        tables.extend(begun.iter().cloned());
        self.rows_read.store(0, Ordering::Relaxed);
        self.rows_expected.set(None);
        self.rows_per_second.set(None);
        self.snapshot_began_ms.set(Some(now_ms));
        self.snapshot_ended_ms.set(None);
        self.set_phase(SnapshotPhase::Running);
        begun
    }

    /// So many rows of a table have been read until now; gives how many that are more.
    pub fn scanned(&self, table: &TableRows, rows: u64) -> u64 {
        let more = rows.saturating_sub(table.rows.swap(rows, Ordering::Relaxed));
        self.rows_read.fetch_add(more, Ordering::Relaxed);
        more
    }

    /// So many rows of a snapshot have become records.
    pub fn add_snapshot_events(&self, rows: u64, now_ms: u64) {
        if rows > 0 {
            self.snapshot_events.fetch_add(rows, Ordering::Relaxed);
            self.snapshot_event_ms.set(Some(now_ms));
        }
    }

    /// So many rows of an incremental snapshot have become records. Debezium counts them for the stream as well.
    pub fn add_incremental_events(&self, rows: u64, now_ms: u64) {
        self.add_snapshot_events(rows, now_ms);
        if rows > 0 {
            self.events.fetch_add(rows, Ordering::Relaxed);
            self.event_ms.set(Some(now_ms));
        }
    }

    /// An incremental snapshot has come further; so many rows of the table at hand have been read.
    pub fn incremental(&self, event: &SnapshotEvent, rows: u64, now_ms: u64) {
        let table = |name: &str| self.tables().into_iter().find(|known| known.table == name);
        match &event.kind {
            SnapshotEventKind::Started => drop(self.snapshot_began(event.tables.iter().cloned(), now_ms)),
            SnapshotEventKind::InProgress { table: name, .. } => {
                table(name).map(|table| self.scanned(&table, rows));
            }
            SnapshotEventKind::TableScanCompleted { table: name, rows, .. } => {
                if let Some(table) = table(name) {
                    self.scanned(&table, *rows);
                    table.ended();
                }
            }
            SnapshotEventKind::Paused => self.set_phase(SnapshotPhase::Paused),
            SnapshotEventKind::Resumed => self.set_phase(SnapshotPhase::Running),
            SnapshotEventKind::Completed => self.snapshot_ended(SnapshotPhase::Completed, now_ms),
            // Debezium takes a snapshot without its last tables for a complete one.
            SnapshotEventKind::Aborted { stopped } => {
                stopped.iter().filter_map(|name| table(name)).for_each(|table| table.ended());
            }
        }
    }

    /// The snapshot ends as completed or aborted.
    pub fn snapshot_ended(&self, phase: SnapshotPhase, now_ms: u64) {
        self.snapshot_ended_ms.set(Some(now_ms));
        self.set_phase(phase);
    }

    /// How long the snapshot takes or took.
    pub fn snapshot_duration_ms(&self, now_ms: u64) -> u64 {
        let ended = self.snapshot_ended_ms.get().unwrap_or(now_ms);
        self.snapshot_began_ms.get().map_or(0, |began| ended.saturating_sub(began))
    }

    /// The tables of all snapshots.
    pub fn tables(&self) -> Vec<Arc<TableRows>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds what has come through the stream.
    pub fn streamed(&self, seen: Seen, now_ms: u64) {
        if seen.events == 0 {
            return;
        }
        let counters = [
            (&self.events, seen.events),
            (&self.created, seen.created),
            (&self.updated, seen.updated),
            (&self.deleted, seen.deleted),
            (&self.filtered, seen.filtered),
            (&self.transactions, seen.transactions),
        ];
        for (counter, count) in counters {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        self.event_ms.set(Some(now_ms));
        let source_ms = seen.source_us.and_then(|us| u64::try_from(us / 1000).ok());
        self.behind_ms.set(source_ms.map(|source_ms| now_ms.saturating_sub(source_ms)));
    }

    fn set_phase(&self, phase: SnapshotPhase) {
        self.snapshot_phase.store(phase as u8, Ordering::Relaxed);
    }
}

/// What has come through the stream since the last time that it was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    events: u64,
    created: u64,
    updated: u64,
    deleted: u64,
    filtered: u64,
    transactions: u64,
    /// The transaction of the last event.
    transaction: Option<i64>,
    /// The time of the last event.
    source_us: Option<i64>,
}

impl Seen {
    /// Counts an event that has a record.
    #[inline]
    pub fn event(&mut self, operation: Operation, state: &OffsetState) {
        self.count(operation);
        if self.transaction != state.tx_id {
            self.transaction = state.tx_id;
            self.transactions += u64::from(state.tx_id.is_some());
        }
        self.source_us = state.ts_us;
    }

    /// Counts an event of a table that is not captured.
    #[inline]
    pub fn filtered(&mut self, operation: Operation) {
        self.filtered += 1;
        self.count(operation);
    }

    #[inline]
    fn count(&mut self, operation: Operation) {
        self.events += 1;
        match operation {
            Operation::Create => self.created += 1,
            Operation::Update => self.updated += 1,
            Operation::Delete => self.deleted += 1,
            _ => {}
        }
    }

    /// Takes the counts, and begins again at zero.
    pub fn take(&mut self) -> Self {
        let Self { transaction, source_us, .. } = *self;
        std::mem::replace(self, Self { transaction, source_us, ..Self::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_back() {
        let metrics = Metrics::default();
        for phase in SnapshotPhase::ALL {
            metrics.set_phase(phase);
            assert_eq!(metrics.snapshot_phase(), phase);
        }
    }

    #[test]
    fn a_snapshots_time_goes_on_until_it_ends() {
        let metrics = Metrics::default();
        assert_eq!(metrics.snapshot_duration_ms(5_000), 0);
        metrics.snapshot_began(["a".to_owned()], 1_000);
        assert_eq!(metrics.snapshot_duration_ms(5_000), 4_000);
        metrics.snapshot_ended(SnapshotPhase::Completed, 6_000);
        assert_eq!(metrics.snapshot_duration_ms(9_000), 5_000);
    }

    #[test]
    fn incremental_snapshots_are_told_by_their_events() {
        let metrics = Metrics::default();
        metrics.snapshot_began(["s.a", "s.b"].map(str::to_owned), 1_000);
        metrics.snapshot_ended(SnapshotPhase::Completed, 2_000);
        let tell = |kind, tables: &[&str], rows| {
            let tables = tables.iter().map(|&table| table.to_owned()).collect();
            metrics.incremental(&SnapshotEvent { kind, tables, correlation_id: None }, rows, 5_000);
            let shown =
                |table: &Arc<TableRows>| format!("{} {} {}", table.table, table.rows(), table.is_remaining());
            (metrics.snapshot_phase(), metrics.tables().iter().map(shown).collect::<Vec<_>>().join(", "))
        };
        let read = |table: &str| SnapshotEventKind::InProgress {
            table: table.to_owned(),
            maximum_key: Vec::new(),
            last_key: Vec::new(),
        };
        let check = |told: (SnapshotPhase, String), phase, tables: &str| {
            assert_eq!((told.0, told.1.as_str()), (phase, tables));
        };
        use SnapshotPhase::{Completed, Paused, Running};
        let both = ["s.b", "s.c"];
        check(tell(SnapshotEventKind::Started, &both, 0), Running, "s.a 0 true, s.b 0 true, s.c 0 true");
        check(tell(read("s.b"), &both, 10), Running, "s.a 0 true, s.b 10 true, s.c 0 true");
        check(tell(SnapshotEventKind::Paused, &both, 10), Paused, "s.a 0 true, s.b 10 true, s.c 0 true");
        check(tell(SnapshotEventKind::Resumed, &both, 10), Running, "s.a 0 true, s.b 10 true, s.c 0 true");
        let done = SnapshotEventKind::TableScanCompleted {
            table: "s.b".to_owned(),
            rows: 12,
            status: raccord_cdc::ScanStatus::Succeeded,
        };
        check(tell(done, &both, 12), Running, "s.a 0 true, s.b 12 false, s.c 0 true");
        let stopped = SnapshotEventKind::Aborted { stopped: vec!["s.c".to_owned()] };
        check(tell(SnapshotEventKind::Completed, &[], 0), Completed, "s.a 0 true, s.b 12 false, s.c 0 true");
        check(tell(stopped, &[], 0), Completed, "s.a 0 true, s.b 12 false, s.c 0 false");
        assert_eq!(metrics.rows_read.load(Ordering::Relaxed), 12);
    }

    #[test]
    fn events_and_their_transactions_are_counted_across_batches() {
        let (metrics, mut seen) = (Metrics::default(), Seen::default());
        let at = |tx_id| OffsetState { tx_id, ts_us: Some(7_000_000), ..OffsetState::default() };
        metrics.streamed(seen.take(), 1);
        assert_eq!(metrics.event_ms.get(), None, "nothing has come");
        seen.event(Operation::Create, &at(Some(1)));
        seen.event(Operation::Update, &at(Some(1)));
        metrics.streamed(seen.take(), 7_250);
        seen.event(Operation::Delete, &at(Some(1)));
        seen.event(Operation::Truncate, &at(Some(2)));
        seen.filtered(Operation::Create);
        metrics.streamed(seen.take(), 8_000);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!(read(&metrics.events), 5);
        assert_eq!([&metrics.created, &metrics.updated, &metrics.deleted].map(read), [2, 1, 1]);
        assert_eq!([&metrics.filtered, &metrics.transactions].map(read), [1, 2]);
        assert_eq!((metrics.event_ms.get(), metrics.behind_ms.get()), (Some(8_000), Some(1_000)));
    }
}
