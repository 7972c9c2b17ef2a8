//! Counters of a task's records: of Connect's groups `source-task-metrics` and `sink-task-metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a task takes records to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// To Kafka.
    FromSource,
    /// From Kafka.
    ToSink,
}

/// The counters of one task. Each is written once for a batch.
#[derive(Debug, Default)]
pub struct RecordMetrics {
    /// Taken from where they come from.
    taken: AtomicU64,
    /// Given to where they go.
    given: AtomicU64,
}

impl RecordMetrics {
    /// Records that a source gave, or that were consumed for a sink: `source-record-poll-total`, `sink-record-read-total`.
    pub(crate) fn take(&self, records: usize) {
        self.taken.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// Records that Kafka acknowledged, or that a sink took: `source-record-write-total`, `sink-record-send-total`.
    pub(crate) fn give(&self, records: usize) {
        self.given.fetch_add(records as u64, Ordering::Relaxed);
    }

    /// How many were taken from where they come from, and how many given to where they go.
    pub(crate) fn taken_and_given(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.given.load(Ordering::Relaxed))
    }
}
