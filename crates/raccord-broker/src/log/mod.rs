//! One partition's log: batches appended as the client sent them, read back as they are.
//!
//! # What survives what
//! An append is acknowledged once `write` returned, that is when the bytes are in the operating system's page cache,
//! as with Apache Kafka's defaults. So `kill -9` or a panic of the broker loses nothing acknowledged. Losing *power*
//! may lose what the system had not yet written back (Linux: some 30 s at most); a partition is synced to disk at
//! checkpoints (every 64 MB or minute of appends, see `checkpoint`) and on a clean shutdown. After either accident
//! opening the log checks the CRC of every batch behind the last checkpoint and cuts the file before the first one
//! that is not whole; what lies before the checkpoint is known good and not read, so a start is fast.
//!
//! # Locks
//! `writer` serialises appends, `view` is what readers see and is held for moments only. Order: `maintenance`, then
//! `writer`, then `view`. Readers read files without a lock: bytes below a segment's length never change, and a
//! segment replaced by compaction or deleted by retention lives on until its last reader lets go.
//!
//! # For the coordinators
//! [`append_records`](PartitionLog::append_records), [`append_records_as`](PartitionLog::append_records_as),
//! [`append_control_batch`](PartitionLog::append_control_batch) and [`replay`](PartitionLog::replay). All are short
//! and blocking (a write into the page cache), to be called without holding a lock that readers need.

mod append;
mod batch;
mod compact;
mod producers;
mod read;
mod recovery;
mod retention;
mod segment;
mod settings;
mod waiters;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

pub use append::ControlMarker;
pub(crate) use append::{Appended, Origin};
pub(crate) use batch::Header;
pub use batch::{NewRecord, ProducerTag};
pub(crate) use producers::{Aborted, Producers};
pub(crate) use read::{Isolation, ReadResult, TimeQuery};
pub(crate) use settings::{CleanupPolicy, LogSettings};
pub(crate) use waiters::{Waiter, Waiters};

pub(crate) use recovery::write_atomically;
use segment::Segment;

/// Leader epoch of every batch: a single node never loses an election to anyone.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// Why a log refused.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The offset asked for is not in the log.
    #[error("offset {offset} is outside of {start}..={end}")]
    OffsetOutOfRange {
        /// Offset asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// The bytes are not a batch whose check sum matches.
    #[error("corrupt batch: {0}")]
    Corrupt(String),
    /// The batch is well-formed but breaks a rule.
    #[error("{0}")]
    InvalidRecord(String),
    /// Records of a compacted topic lack keys; their indexes in the batch.
    #[error("compacted topic cannot accept message without key")]
    MissingKeys(Vec<i32>),
    /// A timestamp is outside of what the topic allows.
    #[error("{0}")]
    InvalidTimestamp(String),
    /// The batch is larger than `max.message.bytes`.
    #[error("the record batch size is {size} bytes, more than the topic's max.message.bytes of {max}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// `max.message.bytes`.
        max: usize,
    },
    /// The codec is not one of Kafka's, or not allowed in this request version.
    #[error("{0}")]
    UnsupportedCompression(String),
    /// A sequence number was left out or came twice.
    #[error("out of order sequence number for producer {producer_id}: {offered}, expected {expected}")]
    Sequence {
        /// Producer id.
        producer_id: i64,
        /// Sequence sent.
        offered: i32,
        /// Sequence that was due.
        expected: i32,
    },
    /// A newer instance of the producer has written already.
    #[error("producer epoch {offered} is older than {current}")]
    ProducerEpoch {
        /// Epoch sent.
        offered: i16,
        /// Epoch known.
        current: i16,
    },
    /// A newer transaction coordinator has written a marker already.
    #[error("coordinator epoch {offered} is older than {current}")]
    CoordinatorFenced {
        /// Epoch sent.
        offered: i32,
        /// Epoch known.
        current: i32,
    },
    /// The batch does not fit the producer's transaction.
    #[error("{0}")]
    TransactionState(&'static str),
    /// `acks` is none of -1, 0, 1.
    #[error("acks cannot be {0}: only -1, 0 and 1")]
    RequiredAcks(i16),
    /// `min.insync.replicas` asks for more than the one replica there is.
    #[error("min.insync.replicas is above 1, and this broker keeps one replica")]
    NotEnoughReplicas,
    /// The topic has been deleted.
    #[error("the topic has been deleted")]
    Deleted,
    /// The disk refused.
    #[error("storage error: {0}")]
    Storage(#[from] std::io::Error),
}

impl LogError {
    /// Kafka's error code for it.
    pub fn code(&self) -> kafka_protocol::ResponseError {
        use kafka_protocol::ResponseError as E;
        match self {
            LogError::OffsetOutOfRange { .. } => E::OffsetOutOfRange,
            LogError::Corrupt(_) => E::CorruptMessage,
            LogError::InvalidRecord(_) | LogError::MissingKeys(_) => E::InvalidRecord,
            LogError::InvalidTimestamp(_) => E::InvalidTimestamp,
            LogError::TooLarge { .. } => E::MessageTooLarge,
            LogError::UnsupportedCompression(_) => E::UnsupportedCompressionType,
            LogError::Sequence { .. } => E::OutOfOrderSequenceNumber,
            LogError::ProducerEpoch { .. } => E::InvalidProducerEpoch,
            LogError::CoordinatorFenced { .. } => E::TransactionCoordinatorFenced,
            LogError::TransactionState(_) => E::InvalidTxnState,
            LogError::RequiredAcks(_) => E::InvalidRequiredAcks,
            LogError::NotEnoughReplicas => E::NotEnoughReplicas,
            LogError::Deleted => E::UnknownTopicOrPartition,
            LogError::Storage(_) => E::KafkaStorageError,
        }
    }
}

/// What appends need; behind the writer lock.
struct Writer {
    active: Arc<Segment>,
    next_offset: i64,
    producers: Producers,
    /// Time of the first append to the active segment, for `segment.ms`.
    segment_since_ms: Option<i64>,
    /// Bytes and moment of the first append since the last checkpoint.
    dirty_bytes: u64,
    dirty_since_ms: Option<i64>,
    closed: bool,
}

/// What readers see.
struct View {
    /// By base offset; the last one is active. Never empty.
    segments: Vec<Arc<Segment>>,
    log_start: i64,
    end: i64,
    /// Last stable offset: everything before it is decided.
    stable: i64,
    /// By marker offset.
    aborted: Vec<Aborted>,
}

/// What only maintenance needs; its lock also keeps retention, compaction and checkpoints apart.
struct Maintenance {
    /// Compaction has cleaned everything before this offset.
    clean_to: i64,
}

/// One partition's log.
pub struct PartitionLog {
    dir: PathBuf,
    settings: RwLock<Arc<LogSettings>>,
    writer: Mutex<Writer>,
    view: RwLock<View>,
    maintenance: Mutex<Maintenance>,
    waiters: Waiters,
}

impl PartitionLog {
    /// First offset that can be read.
    pub fn log_start_offset(&self) -> i64 {
        self.view.read().log_start
    }

    /// Offset that the next record gets. On a single node the high watermark and the log end are the same.
    pub fn high_watermark(&self) -> i64 {
        self.view.read().end
    }

    /// Offset before which every transaction is decided.
    #[cfg(test)]
    pub fn last_stable_offset(&self) -> i64 {
        self.view.read().stable
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.view.read().segments.iter().map(|s| s.len()).sum()
    }

    /// Folder of the log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Those who wait for appends.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Takes over changed topic settings.
    pub(crate) fn set_settings(&self, settings: Arc<LogSettings>) {
        *self.settings.write() = settings;
    }

    pub(crate) fn settings(&self) -> Arc<LogSettings> {
        self.settings.read().clone()
    }

    /// Producers as they are now.
    pub(crate) fn producers(&self) -> Producers {
        self.writer.lock().producers.clone()
    }

    /// Refuses appends from now on and wakes all waiters: the topic is gone, or the broker stops.
    pub(crate) fn close(&self) {
        self.writer.lock().closed = true;
        self.waiters.wake();
    }
}

#[cfg(test)]
mod tests;
