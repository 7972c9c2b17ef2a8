//! A topic's configuration, compiled for its logs.

/// `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CleanupPolicy {
    pub(crate) delete: bool,
    pub(crate) compact: bool,
}

/// What logs need of a topic's configuration; the names are Kafka's topic settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogSettings {
    pub(crate) cleanup: CleanupPolicy,
    /// Codec to store with, or `None` to keep the producer's.
    pub(crate) compression: Option<i16>,
    pub(crate) delete_retention_ms: i64,
    pub(crate) index_interval_bytes: u64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) max_message_bytes: usize,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) append_time: bool,
    pub(crate) min_cleanable_dirty_ratio: f64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) min_insync_replicas: i32,
    pub(crate) retention_bytes: i64,
    pub(crate) retention_ms: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            cleanup: CleanupPolicy { delete: true, compact: false },
            compression: None,
            delete_retention_ms: 86_400_000,
            index_interval_bytes: 4096,
            max_compaction_lag_ms: i64::MAX,
            max_message_bytes: 1_048_588,
            timestamp_after_max_ms: 3_600_000,
            timestamp_before_max_ms: i64::MAX,
            append_time: false,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            min_insync_replicas: 1,
            retention_bytes: -1,
            retention_ms: 604_800_000,
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
        }
    }
}
