//! Topics that a task reads itself, besides what the runtime moves for it: commands to a connector.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, RawConfig, Result};

/// A record of such a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Key bytes; `None` for null.
    pub key: Option<Bytes>,
    /// Value bytes; `None` for null.
    pub value: Option<Bytes>,
    /// kafka_offset.
    pub kafka_offset: i64,
}

/// Reads the first partition of a topic, without joining a group.
#[async_trait]
pub trait TopicReader: Send {
    /// Waits for records, from the kafka_offset on that the group has committed. Cancel-safe.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be reached; fatal when it refuses.
    async fn next(&mut self) -> Result<Vec<TopicRecord>>;

    /// Commits that everything up to this kafka_offset is done.
    ///
    /// # Errors
    /// When Kafka does not take it.
    async fn commit(&mut self, kafka_offset: i64) -> Result<()>;
}

/// Opens topics. Given to tasks by the runtime.
pub trait TopicReaders: Send + Sync {
    /// A reader with these properties of a Java consumer (`bootstrap.servers`, `group.id`, …).
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    fn open(&self, topic: &str, properties: &RawConfig) -> Result<Box<dyn TopicReader>>;
}

/// Opens nothing: for tasks outside of a worker.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTopics;

impl TopicReaders for NoTopics {
    fn open(&self, topic: &str, _properties: &RawConfig) -> Result<Box<dyn TopicReader>> {
        Err(Error::fatal(format!("there is no Kafka to read the topic '{topic}' from")))
    }
}
