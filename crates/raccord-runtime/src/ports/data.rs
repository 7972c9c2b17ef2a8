//! The data plane: one producer for each source task, one consumer for each sink task.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use raccord_plugin::{Error, Result, TopicPartition};

/// Headers as Kafka holds them: name and bytes, `None` for null.
pub type EncodedHeaders = Vec<(Arc<str>, Option<Vec<u8>>)>;

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
    /// Comes back in [`Acks`].
    pub ticket: u64,
}

/// Why a record was not taken.
#[derive(Debug)]
pub enum SendError {
    /// The client's budget is used up: wait with [`Producer::progress`], then send the same record again.
    Full,
    /// The record itself is refused (too large, unknown topic). A retriable error means that sending it again may work.
    Rejected(Error),
}

/// The fates of sent records since the last call. Reused from call to call.
#[derive(Debug, Default)]
pub struct Acks {
    /// Tickets of records that are written as `acks` asks for.
    pub delivered: Vec<u64>,
    /// Tickets of records that the client has given up, with the reason. Later records of the same partition may be
    /// written all the same.
    pub failed: Vec<(u64, Error)>,
}

impl Acks {
    /// Forgets all, keeping the room.
    pub fn clear(&mut self) {
        self.delivered.clear();
        self.failed.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.delivered.is_empty() && self.failed.is_empty()
    }
}

/// A producer that keeps the order of records within a partition.
///
/// It sends by itself, records wait for others no longer than `linger.ms`. It repeats what may succeed when repeated, in
/// order, for as long as `delivery.timeout.ms` allows.
#[async_trait]
pub trait Producer: Send {
    /// Takes a record without waiting. It may be held back until the next call of anything else, to go with others.
    ///
    /// # Errors
    /// See [`SendError`].
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError>;

    /// Sends what [`send`](Self::send) holds back. To be called before waiting for anything but [`progress`](Self::progress).
    fn hand_over(&mut self);

    /// Adds the fates that have become known to `acks`, without waiting.
    fn drain_acks(&mut self, acks: &mut Acks);

    /// Waits until [`drain_acks`](Self::drain_acks) may have something. Cancel-safe; may wake for nothing. Never returns
    /// while nothing is outstanding.
    async fn progress(&mut self);

    /// Number of records sent whose fate was not drained yet.
    fn outstanding(&self) -> usize;
}

/// What a consumer subscribes to.
#[derive(Clone, Debug)]
pub enum Subscription {
    /// These topics.
    Topics(Vec<String>),
    /// All topics whose whole name matches this Java regex.
    Regex(String),
    /// This partition, without joining a group; the group only keeps what is committed.
    Partition(TopicPartition),
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
    /// Whether the timestamp is the time of the broker, not of the producer.
    pub log_append_time: bool,
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
    /// The partitions that records refer to; only those that have records in this batch.
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
    /// These partitions were added to the assignment. Fetching starts when the next poll is called, at the committed
    /// kafka_offset or where `seek` says meanwhile; partitions that `pause` names meanwhile bring nothing.
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
    /// and byte limits. Records that were fetched before a rebalance come before its event. Cancel-safe. To stay a member
    /// of the group it must be called at least every `max.poll.interval.ms`.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be reached; fatal when it refuses (authorization, unknown group).
    async fn poll(&mut self, timeout: Duration, batch: &mut Fetched) -> Result<ConsumerEvent>;

    /// Commits the next kafka_offset to read of each partition and waits for the answer.
    ///
    /// # Errors
    /// Retriable, or record-independent fatal when the member was fenced.
    async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<()>;

    /// Goes on reading a partition at that kafka_offset.
    ///
    /// # Errors
    /// When the partition is not assigned.
    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()>;

    /// Stops fetching these partitions. What was fetched of them and not polled yet comes again after `resume`.
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
