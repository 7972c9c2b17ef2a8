//! What a task counts: read by whoever shows metrics, written by the task alone. The names are those of Debezium's
//! metrics where it has them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

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

/// Counters of one task. Numbers are the latest known.
#[derive(Debug, Default)]
pub struct Metrics {
    snapshot_phase: AtomicU8,
    /// `TotalTableCount`: tables that the snapshot reads.
    pub total_table_count: AtomicU64,
    /// `RemainingTableCount`: those of them that are not read to their end.
    pub remaining_table_count: AtomicU64,
    /// The sum of `RowsScanned`.
    pub rows_scanned: AtomicU64,
    /// How many rows the tables have, as PostgreSQL estimates.
    pub rows_expected: AtomicU64,
    /// `SnapshotDurationInSeconds`, in milliseconds.
    pub snapshot_duration_ms: AtomicU64,
    /// Rows that the snapshot reads in a second, over the last report.
    pub rows_per_second: AtomicU64,
    /// Bytes of log between what the slot has confirmed and the end of the log.
    pub slot_lag_bytes: AtomicU64,
    /// Bytes of log that the server keeps for the slot.
    pub slot_retained_bytes: AtomicU64,
    /// Bytes of log that may still be written before the server gives the slot up; `u64::MAX` without a limit.
    pub slot_safe_bytes: AtomicU64,
}

impl Metrics {
    /// How the snapshot stands.
    pub fn snapshot_phase(&self) -> SnapshotPhase {
        let phase = self.snapshot_phase.load(Ordering::Relaxed);
        SnapshotPhase::ALL.get(usize::from(phase)).copied().unwrap_or(SnapshotPhase::None)
    }

    /// Takes note of how the snapshot stands.
    pub fn set_snapshot_phase(&self, phase: SnapshotPhase) {
        self.snapshot_phase.store(phase as u8, Ordering::Relaxed);
    }
}

/// Sets a counter.
pub fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_come_back() {
        let metrics = Metrics::default();
        for phase in SnapshotPhase::ALL {
            metrics.set_snapshot_phase(phase);
            assert_eq!(metrics.snapshot_phase(), phase);
        }
    }
}
