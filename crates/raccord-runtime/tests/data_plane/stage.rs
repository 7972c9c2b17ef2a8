//! What both simulations stand on: seeds, a converter, the worker's config, a Kafka whose clients fail, and a task's life.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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
use raccord_runtime::metrics::TaskMetrics;
use raccord_runtime::ports::{
    Acks, Admin, CompactedLog, Consumer, Kafka, LogRecord, LogTopic, Outgoing, Producer, SendError,
    Subscription,
};
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

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

/// Makes a producer; is told the client id.
type MakeProducer = Box<dyn Fn(&str) -> Box<dyn Producer> + Send + Sync>;
/// Is told what became of a record: written or given up.
type Fate = Box<dyn FnMut(&[u8], bool) + Send>;

/// Makes the clients of a simulation.
pub struct Clients {
    pub producer: Option<MakeProducer>,
    pub consumer: Option<Box<dyn Fn() -> Box<dyn Consumer> + Send + Sync>>,
}

#[async_trait]
impl Kafka for Clients {
    fn producer(&self, properties: &RawConfig) -> Result<Box<dyn Producer>> {
        let client_id = properties.get("client.id").unwrap_or_default();
        self.producer.as_ref().map(|make| make(client_id)).ok_or_else(|| Error::fatal("no producer here"))
    }

    fn consumer(&self, _: &RawConfig, _: Subscription) -> Result<Box<dyn Consumer>> {
        self.consumer.as_ref().map(|make| make()).ok_or_else(|| Error::fatal("no consumer here"))
    }

    fn admin(&self, properties: &RawConfig) -> Result<Arc<dyn Admin>> {
        // All topics are there already.
        let admin = raccord_testkit::MemoryKafka::new();
        admin.cluster().create_topic("letters", 1);
        admin.admin(properties)
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

/// A producer that takes its time, is full, refuses, and sometimes gives a record up.
pub struct FlakyProducer {
    dice: Dice,
    /// Of a thousand records, how many are given up.
    given_up: u64,
    /// Held back: ticket, value.
    held: Vec<(u64, Vec<u8>)>,
    /// In order: when, ticket, value.
    on_their_way: VecDeque<(Instant, u64, Vec<u8>)>,
    fate: Fate,
}

impl FlakyProducer {
    pub fn new(dice: Dice, given_up: u64, fate: impl FnMut(&[u8], bool) + Send + 'static) -> Self {
        Self { dice, given_up, held: Vec::new(), on_their_way: VecDeque::new(), fate: Box::new(fate) }
    }
}

#[async_trait]
impl Producer for FlakyProducer {
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError> {
        if self.outstanding() > 30 || (self.outstanding() > 0 && self.dice.chance(5)) {
            return Err(SendError::Full);
        }
        if self.dice.chance(1) {
            return Err(SendError::Rejected(Error::retriable("not now")));
        }
        self.held.push((record.ticket, record.value.unwrap().to_vec()));
        if self.dice.chance(30) {
            self.hand_over();
        }
        Ok(())
    }

    fn hand_over(&mut self) {
        for (ticket, value) in self.held.drain(..) {
            let last = self.on_their_way.back().map_or_else(Instant::now, |last| last.0);
            let when = last.max(Instant::now()) + Duration::from_millis(self.dice.below(8));
            self.on_their_way.push_back((when, ticket, value));
        }
    }

    fn drain_acks(&mut self, acks: &mut Acks) {
        self.hand_over();
        while let Some((when, ..)) = self.on_their_way.front() {
            if *when > Instant::now() {
                break;
            }
            let (_, ticket, value) = self.on_their_way.pop_front().unwrap();
            let written = self.dice.below(1000) >= self.given_up;
            (self.fate)(&value, written);
            match written {
                true => acks.delivered.push(ticket),
                false => acks.failed.push((ticket, Error::record("given up"))),
            }
        }
    }

    async fn progress(&mut self) {
        self.hand_over();
        match self.on_their_way.front() {
            Some((when, ..)) => sleep_until(*when).await,
            None => std::future::pending().await,
        }
    }

    fn outstanding(&self) -> usize {
        self.held.len() + self.on_their_way.len()
    }
}

/// What a simulation's task is made of.
#[derive(Clone)]
pub struct Stage {
    pub plugin: &'static Plugin,
    pub plugins: &'static [Plugin],
    pub config: RawConfig,
    pub kafka: Arc<Clients>,
    pub offsets: Arc<dyn OffsetStore>,
}

impl Stage {
    /// Runs the task once, pausing, resuming and stopping it at random, and says what it told last.
    pub async fn run(&self, dice: &Dice) -> TaskEvent {
        let (events, mut news) = mpsc::channel(1000);
        let mut handle = spawn(TaskSpec {
            id: TaskId { connector: "c".into(), task: 0 },
            plugin: self.plugin,
            plugins: self.plugins,
            connector_config: self.config.clone(),
            task_config: self.config.clone(),
            worker: Arc::new(worker()),
            kafka: self.kafka.clone(),
            offsets: self.offsets.clone(),
            metrics: TaskMetrics::default(),
            target: if dice.chance(10) { TaskTarget::Paused } else { TaskTarget::Started },
            events,
        });
        for _ in 0..dice.below(8) {
            let _ = timeout(Duration::from_millis(dice.below(700)), handle.ended()).await;
            handle.set_target(if dice.chance(30) { TaskTarget::Paused } else { TaskTarget::Started });
        }
        handle.set_target(TaskTarget::Started);
        let _ = timeout(Duration::from_millis(dice.below(5000)), handle.ended()).await;
        handle.stop();
        timeout(Duration::from_secs(2), handle.ended()).await.expect("stops in time");
        let mut last = None;
        while let Some((_, event)) = news.recv().await {
            last = Some(event);
        }
        match last {
            Some(event @ (TaskEvent::Stopped | TaskEvent::Failed(_) | TaskEvent::NotMade(_))) => event,
            last => panic!("the task told last: {last:?}"),
        }
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

/// Under the name of the converter that writes what others cannot: writes every text.
pub const FALLBACK: Plugin = Plugin {
    class: "org.apache.kafka.connect.json.JsonConverter",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Converter(|_, _| Ok(Arc::new(Fallback))),
};

struct Fallback;

impl Converter for Fallback {
    fn encoder(&self, _: &str, _: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self, _: &str) -> Result<Box<dyn Decoder>> {
        Err(Error::fatal("writes only"))
    }
}

impl Encoder for Fallback {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        out.extend_from_slice(value.as_str().unwrap_or_default().as_bytes());
        Ok(Encoded::Bytes)
    }
}

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
