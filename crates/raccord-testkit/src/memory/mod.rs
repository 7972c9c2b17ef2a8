//! A Kafka cluster in memory: topics, consumer groups, and what can go wrong with them.
//!
//! All clients made from one [`MemoryKafka`] (or its clones) see the same cluster. It is a model, not a broker: what is
//! appended can be read at once, groups rebalance eagerly with the range assignor, and time does not matter. Faults are
//! set from outside: the whole cluster away, answers that get lost, topics that refuse.

mod admin;
mod cluster;
mod consumer;
mod log;
mod producer;

use std::sync::Arc;

use async_trait::async_trait;
use raccord_plugin::{RawConfig, Result};
use raccord_runtime::ports::{
    Admin, CompactedLog, Consumer, Kafka, LogRecord, LogTopic, Producer, Subscription,
};
use tokio::sync::mpsc;

pub use cluster::{Cluster, Stored};

/// Makes clients of one cluster.
#[derive(Clone, Default)]
pub struct MemoryKafka {
    cluster: Arc<Cluster>,
}

impl MemoryKafka {
    /// A cluster without topics. Topics are made with one partition when something is produced to them.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cluster, to look at and to disturb.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }
}

#[async_trait]
impl Kafka for MemoryKafka {
    fn producer(&self, _properties: &RawConfig) -> Result<Box<dyn Producer>> {
        Ok(Box::new(producer::MemoryProducer::new(self.cluster.clone())))
    }

    fn consumer(&self, properties: &RawConfig, subscription: Subscription) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(consumer::MemoryConsumer::new(self.cluster.clone(), properties, subscription)?))
    }

    fn admin(&self, _properties: &RawConfig) -> Result<Arc<dyn Admin>> {
        Ok(Arc::new(admin::MemoryAdmin::new(self.cluster.clone())))
    }

    async fn open_log(
        &self,
        topic: LogTopic,
        _properties: &RawConfig,
        records: mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Box<dyn CompactedLog>> {
        Ok(Box::new(log::MemoryLog::open(self.cluster.clone(), topic, records).await?))
    }
}
