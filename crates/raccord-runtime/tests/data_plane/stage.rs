//! What both simulations stand on: seeds, a converter, the worker's config, a Kafka that has one kind of client.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use raccord_config::{Class, Config};
use raccord_plugin::data::{Header, Schema, Text, Value};
use raccord_plugin::{
    ConfigDef, Converter, Decoder, Encoded, Encoder, Error, HeaderConverter, Make, Plugin, RawConfig, Result,
    SchemaAndValue,
};
use raccord_runtime::config::WorkerConfig;
use raccord_runtime::ports::{
    Admin, CompactedLog, Consumer, Kafka, LogRecord, LogTopic, Producer, Subscription,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Random numbers shared by all that fails.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<StdRng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    pub fn chance(&self, percent: u32) -> bool {
        self.0.lock().random_range(0..100) < percent
    }

    pub fn below(&self, end: u64) -> u64 {
        self.0.lock().random_range(0..end.max(1))
    }
}

/// The seeds to try.
pub fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SEEDS").unwrap_or(150)).collect(),
    }
}

/// Runs a simulation for each seed, in virtual time, naming the seed that failed.
pub fn for_each_seed<F: Future<Output = ()>>(simulate: impl Fn(u64) -> F) {
    for seed in seeds() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(simulate(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("the simulation failed with SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Makes the clients of a simulation.
pub struct Clients {
    pub producer: Option<Box<dyn Fn() -> Box<dyn Producer> + Send + Sync>>,
    pub consumer: Option<Box<dyn Fn() -> Box<dyn Consumer> + Send + Sync>>,
}

#[async_trait]
impl Kafka for Clients {
    fn producer(&self, _: &RawConfig) -> Result<Box<dyn Producer>> {
        self.producer.as_ref().map(|make| make()).ok_or_else(|| Error::fatal("no producer here"))
    }

    fn consumer(&self, _: &RawConfig, _: Subscription) -> Result<Box<dyn Consumer>> {
        self.consumer.as_ref().map(|make| make()).ok_or_else(|| Error::fatal("no consumer here"))
    }

    fn admin(&self, _: &RawConfig) -> Result<Arc<dyn Admin>> {
        Err(Error::fatal("no admin here"))
    }

    async fn open_log(
        &self,
        _: LogTopic,
        _: &RawConfig,
        _: tokio::sync::mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Box<dyn CompactedLog>> {
        Err(Error::fatal("no logs here"))
    }
}

pub fn worker() -> WorkerConfig {
    WorkerConfig {
        bootstrap_servers: vec!["none:1".to_owned()],
        key_converter: Class::new("Text"),
        value_converter: Class::new("Text"),
        header_converter: Class::new("TextHeader"),
        offset_flush_interval_ms: 300,
        offset_flush_timeout_ms: 200,
        task_shutdown_graceful_timeout_ms: 1000,
        topic_tracking_enable: true,
        ..WorkerConfig::default()
    }
}

#[derive(Config)]
struct NoKeys {}

pub fn no_keys() -> &'static ConfigDef {
    NoKeys::def()
}

pub const CONVERTER: Plugin = Plugin {
    class: "Text",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Converter(|_, _| Ok(Arc::new(TextConverter))),
};

pub const HEADER_CONVERTER: Plugin = Plugin {
    class: "TextHeader",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::HeaderConverter(|_| Ok(Arc::new(TextConverter))),
};

struct TextConverter;

impl Converter for TextConverter {
    fn encoder(&self, _: &str, _: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self, _: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Self))
    }
}

impl Encoder for TextConverter {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match value.as_str() {
            // What cannot be encoded: errors.tolerance decides.
            Some(text) if text.ends_with("bad") => Err(Error::record("bad text")),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(Encoded::Bytes)
            }
            None => Ok(Encoded::Null),
        }
    }
}

impl Decoder for TextConverter {
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = match bytes {
            Some(bytes) => {
                Value::String(Text::from_utf8(bytes.clone()).map_err(|_| Error::record("no text"))?)
            }
            None => Value::Null,
        };
        Ok(SchemaAndValue { schema: None, value })
    }
}

impl HeaderConverter for TextConverter {
    fn encode(&self, _: &str, _: &Header, _: &mut Vec<u8>) -> Result<Encoded> {
        Ok(Encoded::Null)
    }

    fn decode(&self, _: &str, _: &str, _: Option<&Bytes>) -> Result<SchemaAndValue> {
        Ok(SchemaAndValue::default())
    }
}
