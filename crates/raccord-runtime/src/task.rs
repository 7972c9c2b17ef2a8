//! Starting, pausing and stopping a task: what the coordinator's shell uses of the source and sink loops.

use std::fmt;
use std::sync::Arc;

use raccord_plugin::{Error, OffsetReader, Plugin, RawConfig, SourceOffset};
use tokio::sync::mpsc;

use crate::config::WorkerConfig;
use crate::ports::Kafka;

/// A task's identity: `<connector>-<task>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Connector name.
    pub connector: Arc<str>,
    /// Task number.
    pub task: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// Whether a task should move records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskTarget {
    /// Move records.
    Started,
    /// Keep everything, move nothing.
    Paused,
}

/// Stores source offsets, one implementation over the offsets topic and one over a file.
#[async_trait::async_trait]
pub trait OffsetStore: OffsetReader {
    /// Writes the offsets and waits until they are durable.
    ///
    /// # Errors
    /// Retriable when they may not be durable; the same or later offsets are written again at the next interval.
    async fn write(&self, offsets: Vec<SourceOffset>) -> raccord_plugin::Result<()>;
}

/// All that a task needs.
pub struct TaskSpec {
    /// Its identity.
    pub id: TaskId,
    /// The connector's plugin.
    pub plugin: &'static Plugin,
    /// All plugins, to find converters, header converters, transforms and predicates.
    pub plugins: &'static [Plugin],
    /// The connector's config, placeholders resolved.
    pub connector_config: RawConfig,
    /// The task's config, placeholders resolved.
    pub task_config: RawConfig,
    /// The worker's config.
    pub worker: Arc<WorkerConfig>,
    /// Makes clients.
    pub kafka: Arc<dyn Kafka>,
    /// This connector's offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// What it should do first.
    pub target: TaskTarget,
    /// Tells the herder; the sender of the channel it listens to. Bounded; a task waits when the herder is behind.
    pub events: mpsc::Sender<(TaskId, TaskEvent)>,
}

/// What a task tells the herder.
#[derive(Debug)]
pub enum TaskEvent {
    /// It has opened and moves records.
    Running,
    /// It has paused.
    Paused,
    /// It failed; clients and plugin are closed already. Nothing else follows.
    Failed(Error),
    /// It stopped because it was told to, or (a source) had nothing more to do. Nothing else follows.
    Stopped,
    /// A record went to or came from this topic for the first time (`topic.tracking`).
    Topic(Arc<str>),
}
