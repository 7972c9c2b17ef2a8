//! What the runtime needs of a Kafka cluster. Implemented once over a Kafka client and once in memory for tests.

mod admin;
mod data;
mod log;

use std::sync::Arc;

use async_trait::async_trait;
use raccord_plugin::{RawConfig, Result};

pub use admin::{Admin, GroupOffset, NewTopic, TopicDescription};
pub use data::{
    Acks, Consumer, ConsumerEvent, EncodedHeaders, Fetched, FetchedHeader, FetchedRecord, Outgoing, Producer,
    SendError, Subscription,
};
pub use log::{CompactedLog, LogRecord, LogTopic};

/// Makes clients. Every property bag has Kafka's Java client property names (`bootstrap.servers`,
/// `max.in.flight.requests.per.connection`, …); translating them is the implementation's work.
#[async_trait]
pub trait Kafka: Send + Sync {
    /// A producer for one task.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    fn producer(&self, properties: &RawConfig) -> Result<Box<dyn Producer>>;

    /// A consumer for one sink task, member of the group in `group.id`.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    fn consumer(&self, properties: &RawConfig, subscription: Subscription) -> Result<Box<dyn Consumer>>;

    /// An admin client.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    fn admin(&self, properties: &RawConfig) -> Result<Arc<dyn Admin>>;

    /// Opens a compacted topic, created when missing, and reads it to the end: everything that is in it has been passed
    /// to `records` (in order within each partition) when the call returns; later records follow through the same
    /// channel. The channel is bounded; a slow reader slows the consumer, nothing else.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be reached; fatal when the topic is not as it must be (cleanup.policy, number of
    /// partitions).
    async fn open_log(
        &self,
        topic: LogTopic,
        properties: &RawConfig,
        records: tokio::sync::mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Box<dyn CompactedLog>>;
}
