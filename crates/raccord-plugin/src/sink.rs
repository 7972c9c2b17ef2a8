//! Sink tasks: they write to an external system.

use std::sync::Arc;

use async_trait::async_trait;
use raccord_data::Record;

use crate::{Error, RawConfig, Result, SinkContext};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
}

/// Records for a sink, in order within each partition.
#[derive(Debug, Default)]
pub struct SinkBatch {
    /// The partitions that `record.position.stream` indexes. These are the partitions consumed from, whatever
    /// transforms made of `record.topic`.
    pub partitions: Vec<TopicPartition>,
    /// The records; `position.sequence` is the kafka_offset.
    pub records: Vec<Record>,
}

/// A record that the sink could not write while it wrote the others.
#[derive(Debug)]
pub struct Rejected {
    /// Index into [`SinkBatch::records`].
    pub index: usize,
    /// Why.
    pub error: Error,
}

/// The kafka_offset to commit for each partition: the next one to read. The runtime fills in what has been put; the
/// sink lowers or removes entries whose records are not durable yet.
pub type CommitOffsets = Vec<(TopicPartition, i64)>;

/// A sink task. One instance per running task; its methods are called one at a time: `open`, `assign`, then `put` and
/// `flush`, `revoke` when partitions go, `close` at the end.
#[async_trait]
pub trait SinkTask: Send {
    /// Called once before everything else.
    ///
    /// # Errors
    /// Any error makes the task FAILED.
    async fn open(&mut self, context: SinkContext, config: &RawConfig) -> Result<()>;

    /// These partitions were added to the assignment. Called before any record of them is put.
    ///
    /// # Errors
    /// Any error makes the task FAILED.
    async fn assign(&mut self, _partitions: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    /// These partitions are going away; `flush` has been called for them. After a failed or lost assignment `lost` is
    /// true and no commit is possible any more.
    ///
    /// # Errors
    /// Any error makes the task FAILED.
    async fn revoke(&mut self, _partitions: &[TopicPartition], _lost: bool) -> Result<()> {
        Ok(())
    }

    /// Writes (or buffers) the batch. Rejected records go to the dead letter queue or fail the task, as
    /// `errors.tolerance` says; all others count as accepted.
    ///
    /// # Errors
    /// Retriable: the same batch is put again after a back-off, so be idempotent or keep nothing of it. Every other
    /// error makes the task FAILED.
    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>>;

    /// Makes accepted records durable. `offsets` holds what would be committed; lower or remove entries whose records
    /// are not durable. Called before each commit of offsets and before partitions are revoked.
    ///
    /// # Errors
    /// The commit does not happen; the consumer rewinds to the last committed offsets. Fatal errors fail the task.
    async fn flush(&mut self, offsets: &mut CommitOffsets) -> Result<()>;

    /// Called once at the end, also after a failed `open`.
    async fn close(&mut self) {}
}
