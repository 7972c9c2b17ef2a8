//! The runtime's ports to Kafka, over librdkafka. The only crate that sees a Kafka client.

mod admin;
mod cipher_suites;
mod classify;
mod client;
mod client_end;
mod client_native;
mod consumer;
mod consumer_native;
mod creations;
mod hurry_native;
mod log;
mod native;
mod oauth;
mod oauth_token;
mod produce;
mod producer;
mod producer_native;
mod properties;
#[cfg(test)]
mod properties_reference;
mod properties_security;
mod properties_table;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::{RawConfig, Result};
use raccord_runtime::ports::{
    Admin, CompactedLog, Consumer, Kafka, LogRecord, LogTopic, Producer, Subscription,
};
use tokio::sync::mpsc;

use crate::admin::RdAdmin;
use crate::consumer::RdConsumer;
use crate::log::{LogProducer, LogReader, RdLog};
use crate::oauth::Login;
use crate::produce::BatchProducer;
use crate::producer::RdProducer;
use crate::properties::{ClientKind, client_config, translate};

/// Makes clients of the cluster that their properties name.
#[derive(Default)]
pub struct RdKafka {
    /// The worker's own admin client and producer, which its internal topics share. Found by their properties.
    shared: Mutex<Vec<(RawConfig, Shared)>>,
}

#[derive(Clone)]
struct Shared {
    admin: RdAdmin,
    producer: Arc<LogProducer>,
}

/// How long the first request may wait for a broker to be found before it is made all the same.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

impl RdKafka {
    /// The clients for these properties, whatever purpose the client id names.
    fn shared(&self, properties: &RawConfig) -> Result<Shared> {
        let key = without_client_id(properties);
        let mut all = self.shared.lock();
        if let Some((_, shared)) = all.iter().find(|(known, _)| *known == key) {
            return Ok(shared.clone());
        }
        let login = Login::of(properties)?;
        let admin = RdAdmin::new(&client_config(properties, ClientKind::Admin)?, login.as_ref())?;
        let mut producer = client_config(properties, ClientKind::Producer)?;
        producer.set("acks", "all").set("linger.ms", "0").set("max.in.flight.requests.per.connection", "1");
        producer.set("delivery.timeout.ms", "30000");
        let producer = Arc::new(LogProducer::new(&producer, login.as_ref())?);
        let shared = Shared { admin, producer };
        all.push((key, shared.clone()));
        Ok(shared)
    }
}

#[async_trait]
impl Kafka for RdKafka {
    fn producer(&self, properties: &RawConfig) -> Result<Box<dyn Producer>> {
        let settings = translate(properties, ClientKind::Producer)?;
        match BatchProducer::new(&settings) {
            Some(producer) => Ok(Box::new(producer)),
            None => Ok(Box::new(RdProducer::new(properties)?)),
        }
    }

    fn consumer(&self, properties: &RawConfig, subscription: Subscription) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(RdConsumer::new(properties, subscription)?))
    }

    fn admin(&self, properties: &RawConfig) -> Result<Arc<dyn Admin>> {
        // Most are the worker's own; what a connector overrides gets a client of its own.
        match self.shared.lock().iter().find(|(known, _)| *known == without_client_id(properties)) {
            Some((_, shared)) => Ok(Arc::new(shared.admin.clone())),
            None => {
                let config = client_config(properties, ClientKind::Admin)?;
                Ok(Arc::new(RdAdmin::new(&config, Login::of(properties)?.as_ref())?))
            }
        }
    }

    async fn open_log(
        &self,
        topic: LogTopic,
        properties: &RawConfig,
        records: mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Box<dyn CompactedLog>> {
        let Shared { admin, producer } = self.shared(properties)?;
        let mut consumer = client_config(properties, ClientKind::Consumer)?;
        // A few small records at a time; the end of a partition is reported even where no record stands at it.
        consumer.set("enable.partition.eof", "true");
        consumer.set("queued.max.messages.kbytes", "1024").set("queued.min.messages", "1000");
        admin.connect(CONNECT_PATIENCE).await;
        let login = Login::of(properties)?;
        Ok(Box::new(
            RdLog::open(topic, admin, LogReader { config: consumer, login }, producer, records).await?,
        ))
    }
}

/// What clients of the same cluster and user have in common.
fn without_client_id(properties: &RawConfig) -> RawConfig {
    let mut properties = properties.clone();
    properties.remove("client.id");
    properties
}
