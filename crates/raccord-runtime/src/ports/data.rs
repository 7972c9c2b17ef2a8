//! The data plane: one producer for each source task, one consumer for each sink task.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use raccord_plugin::{Error, Result, TopicPartition};

/// A record to produce; all bytes are borrowed and copied by the client.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Topic.
    pub topic: &'a Arc<str>,
    /// Partition; `None` lets the client choose as Kafka's default partitioner does.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` for now.
    pub timestamp: Option<i64>,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(Arc<str>, Option<Vec<u8>>)],
    /// Comes back in the [`Ack`].
    pub ticket: u64,
}

/// Why a record was not taken.
#[derive(Debug)]
pub enum SendError {
    /// The client's budget is used up: wait with [`Producer::progress`], then send the same record again.
    Full,
    /// The record itself is refused (too large, unknown topic).
    Rejected(ProduceError),
}

/// Why a record was not written.
#[derive(Debug)]
pub struct ProduceError {
    /// The kind and the text, with the Java class users know.
    pub error: Error,
}

/// The fate of a sent record.
#[derive(Debug)]
pub struct Ack {
    /// The ticket it was sent with.
    pub ticket: u64,
    /// Partition and kafka_offset, or why it failed.
    pub outcome: std::result::Result<(i32, i64), ProduceError>,
}

/// A producer that keeps the order of records within a partition.
#[async_trait]
pub trait Producer: Send {
    /// Hands a record over without waiting.
    ///
    /// # Errors
    /// See [`SendError`].
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError>;

    /// Moves the acks that have arrived into `acks`, without waiting.
    fn drain_acks(&mut self, acks: &mut Vec<Ack>);

    /// Waits until an ack has arrived. Cancel-safe. Never returns while nothing is outstanding.
    async fn progress(&mut self);

    /// Number of records sent and not yet acknowledged.
    fn outstanding(&self) -> usize;

    /// Sends what is queued now instead of lingering. Does not wait.
    fn flush_hint(&mut self) {}
}

/// What a consumer subscribes to.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// These topics.
    Topics(Vec<String>),
    /// All topics whose whole name matches this Java regex.
    Regex(String),
}

/// A header of a fetched record.
#[derive(Clone, Debug)]
pub struct FetchedHeader {
    /// Name.
    pub key: Arc<str>,
    /// Value bytes in [`Fetched::buffer`]; `None` for null.
    pub value: Option<Range<u32>>,
}

/// A fetched record; its bytes are ranges of [`Fetched::buffer`].
#[derive(Clone, Debug)]
pub struct FetchedRecord {
    /// Index into [`Fetched::partitions`].
    pub stream: u32,
    /// kafka_offset.
    pub offset: i64,
    /// Milliseconds since the epoch, if the record has a timestamp.
    pub timestamp: Option<i64>,
    /// Key bytes; `None` for null.
    pub key: Option<Range<u32>>,
    /// Value bytes; `None` for null.
    pub value: Option<Range<u32>>,
    /// Its headers in [`Fetched::headers`].
    pub headers: Range<u32>,
}

/// A batch of fetched records. Reused from poll to poll but for the buffer, which records may keep slices of.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The partitions that records refer to.
    pub partitions: Vec<TopicPartition>,
    /// All key, value and header bytes.
    pub buffer: Bytes,
    /// The records, in order within each partition.
    pub records: Vec<FetchedRecord>,
    /// Headers of all records.
    pub headers: Vec<FetchedHeader>,
}

/// What a poll of a consumer brought.
#[derive(Debug)]
pub enum ConsumerEvent {
    /// The batch holds records, or nothing came within the time.
    Records,
    /// These partitions were added to the assignment. Fetching starts when the next poll is called.
    Assigned(Vec<TopicPartition>),
    /// These partitions are going away when the next poll is called: commit for them before. When `lost` is true they
    /// are gone already and a commit would be refused.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// Whether they are gone already.
        lost: bool,
    },
}

/// A consumer in a group, with manual commits.
#[async_trait]
pub trait Consumer: Send {
    /// Waits up to `timeout` for records or a rebalance, filling `batch` (cleared first), bounded by the client's count
    /// and byte limits. Cancel-safe.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be reached; fatal when it refuses (authorization, unknown group).
    async fn poll(&mut self, timeout: Duration, batch: &mut Fetched) -> Result<ConsumerEvent>;

    /// Commits the next kafka_offset to read of each partition and waits for the answer.
    ///
    /// # Errors
    /// Retriable, or record-independent fatal when the member was fenced.
    async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<()>;

    /// The committed offset of each partition, `None` where there is none.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be reached.
    async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>>;

    /// Goes on reading a partition at that kafka_offset.
    ///
    /// # Errors
    /// When the partition is not assigned.
    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()>;

    /// Stops fetching these partitions.
    ///
    /// # Errors
    /// When one is not assigned.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Fetches these partitions again.
    ///
    /// # Errors
    /// When one is not assigned.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Leaves the group and closes.
    async fn close(&mut self);
}
