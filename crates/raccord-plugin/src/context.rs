//! What a running task may know and ask.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{MetricsRegistry, OffsetReader, TopicPartition, TopicReaders};

/// Given to a source task when it opens.
#[derive(Clone)]
pub struct SourceContext {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The task's number.
    pub task: u32,
    /// Committed offsets.
    pub offsets: Arc<dyn OffsetReader>,
    /// Topics that the task reads itself.
    pub topics: Arc<dyn TopicReaders>,
    /// Where the task says what it counts.
    pub metrics: Arc<dyn MetricsRegistry>,
    /// Cancelled when the task is to stop; long work outside `poll` watches it.
    pub cancel: CancellationToken,
}

/// What a sink task may ask of the runtime between calls. Taking effect after the current call returns.
pub trait SinkRequests: Send + Sync {
    /// Waits this long before a batch is put again after a retriable error, and at most this long between puts.
    fn set_timeout(&self, timeout: Duration);

    /// Asks for a commit of offsets soon.
    fn request_commit(&self);

    /// Stops fetching these partitions until resumed.
    fn pause(&self, partitions: &[TopicPartition]);

    /// Fetches these partitions again.
    fn resume(&self, partitions: &[TopicPartition]);

    /// Goes on reading at these kafka_offsets.
    fn rewind(&self, offsets: &[(TopicPartition, i64)]);
}

/// Given to a sink task when it opens.
#[derive(Clone)]
pub struct SinkContext {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The task's number.
    pub task: u32,
    /// What the task may ask.
    pub requests: Arc<dyn SinkRequests>,
    /// Where the task says what it counts.
    pub metrics: Arc<dyn MetricsRegistry>,
    /// Cancelled when the task is to stop.
    pub cancel: CancellationToken,
}
