//! What a task counts: read by whoever shows metrics ([`crate::exposition`]), written by the task alone. The names are those
//! of Debezium's metrics where it has them.
//!
//! Nothing here is shared for a record: rows of a snapshot are counted beside the snapshot and told per chunk, events of
//! the stream in [`Seen`] and told per batch.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use raccord_cdc::Operation;

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
}

impl SnapshotPhase {
    const ALL: [Self; 5] = [Self::None, Self::Running, Self::Completed, Self::Aborted, Self::Skipped];
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
    pub rows: AtomicU64,
}

/// Counters of one task. Numbers are the latest known.
#[derive(Debug, Default)]
pub struct Metrics {
    snapshot_phase: AtomicU8,
    /// When the snapshot began and ended, in milliseconds since the epoch.
    snapshot_began_ms: Known,
    snapshot_ended_ms: Known,
    tables: Mutex<Arc<[TableRows]>>,
    /// `RemainingTableCount`: tables that are not read to their end.
    pub remaining_table_count: AtomicU64,
    /// Rows that snapshots have read since the task began.
    pub snapshot_events: AtomicU64,
    /// When the last of them was read, in milliseconds since the epoch.
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

    /// A snapshot begins to read these tables; gives where their rows are counted.
    pub fn snapshot_began(&self, tables: impl Iterator<Item = String>, now_ms: u64) -> Arc<[TableRows]> {
        let tables: Arc<[_]> = tables.map(|table| TableRows { table, rows: AtomicU64::new(0) }).collect();
        *self.tables.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&tables);
        set(&self.remaining_table_count, tables.len() as u64);
        self.rows_per_second.set(None);
        self.snapshot_began_ms.set(Some(now_ms));
        self.snapshot_ended_ms.set(None);
        self.set_phase(SnapshotPhase::Running);
        tables
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

    /// The tables of the snapshot.
    pub fn tables(&self) -> Arc<[TableRows]> {
        Arc::clone(&self.tables.lock().unwrap_or_else(PoisonError::into_inner))
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

/// Sets a counter.
pub fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
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
        metrics.snapshot_began(["a".to_owned()].into_iter(), 1_000);
        assert_eq!(metrics.snapshot_duration_ms(5_000), 4_000);
        metrics.snapshot_ended(SnapshotPhase::Completed, 6_000);
        assert_eq!(metrics.snapshot_duration_ms(9_000), 5_000);
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
