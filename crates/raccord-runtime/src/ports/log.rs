//! A compacted topic used as a table: configs, offsets, statuses.

use async_trait::async_trait;
use bytes::Bytes;
use raccord_plugin::{RawConfig, Result};

/// How a compacted topic is created and checked.
#[derive(Clone, Debug)]
pub struct LogTopic {
    /// Topic name.
    pub name: String,
    /// Which setting names it (`config.storage.topic`), for error messages.
    pub setting: &'static str,
    /// Partitions when it is created; -1 for the broker's default.
    pub partitions: i32,
    /// Whether an existing topic must have exactly that many partitions (the config topic).
    pub partitions_exact: bool,
    /// Replication factor when it is created; -1 for the broker's default.
    pub replication_factor: i16,
    /// Further topic configs when it is created; `cleanup.policy=compact` is always set.
    pub settings: RawConfig,
}

/// A record of a compacted topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Partition it stands in.
    pub partition: i32,
    /// Its kafka_offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` deletes the key.
    pub value: Option<Bytes>,
}

/// An open compacted topic.
#[async_trait]
pub trait CompactedLog: Send + Sync {
    /// Appends records in order, partitioned by key as Kafka's default partitioner does, and waits until all are
    /// acknowledged by all in-sync replicas.
    ///
    /// # Errors
    /// Retriable when Kafka did not acknowledge in time: the records may or may not be there.
    async fn append(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()>;

    /// Appends as [`append`](Self::append) does and waits until the reader has been passed what was appended, and all that
    /// came before it.
    ///
    /// # Errors
    /// As [`append`](Self::append); the records may or may not be there.
    async fn append_and_read(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        self.append(records).await?;
        self.read_to_end().await
    }

    /// Waits until everything that was in the topic when the call began has been passed to the reader.
    ///
    /// # Errors
    /// Retriable when that takes too long.
    async fn read_to_end(&self) -> Result<()>;
}
