//! Small plugins whose behaviour is part of their config.
//!
//! [`COUNTER`] is a source that counts: task `n` of connector `c` produces `c-n:0`, `c-n:1`, … up to `count`. [`KEEPER`] is a
//! sink that keeps what it gets in memory, where [`kept`] finds it. Both fail when and where their config says.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use raccord_data::{Header, Position, Record, Schema, Text, Value};
use raccord_plugin::{
    CommitOffsets, ConfigDef, ConnectorContext, Converter, Decoder, Encoded, Encoder, Error, HeaderConverter,
    Make, OffsetMap, Plugin, RawConfig, Rejected, Result, SchemaAndValue, SinkBatch, SinkConnector,
    SinkContext, SinkTask, SourceBatch, SourceConnector, SourceContext, SourceOffset, SourceTask,
    TopicPartition,
};

/// Class of the counting source. Its keys: `topic`; `count` (-1 for ever, the default); `tasks` (default 1); `fail` with
/// `start`, `panic`, `generate`, `open` or `poll`; `fail.at`, the number at which `poll` fails; `reconfigure`, tasks that
/// there are after the connector asked to be reconfigured, which it does once.
pub const COUNTER: &str = "org.raccord.test.CounterSourceConnector";
/// Class of the keeping sink. Its keys: `topics`, `tasks`, `fail` with `start` or `put`.
pub const KEEPER: &str = "org.raccord.test.KeeperSinkConnector";
/// Class of a converter of text.
pub const TEXT: &str = "org.raccord.test.TextConverter";
/// Class of a header converter that knows no headers.
pub const NO_HEADERS: &str = "org.raccord.test.NoHeaderConverter";

static NO_KEYS: LazyLock<ConfigDef> = LazyLock::new(ConfigDef::new);

fn no_keys() -> &'static ConfigDef {
    &NO_KEYS
}

/// All of them.
pub static PLUGINS: &[Plugin] = &[
    Plugin {
        class: COUNTER,
        aliases: &[],
        version: "1.0",
        config: no_keys,
        make: Make::Source {
            connector: || Box::new(Counter::default()),
            task: || Box::new(CounterTask::default()),
        },
    },
    Plugin {
        class: KEEPER,
        aliases: &[],
        version: "2.0",
        config: no_keys,
        make: Make::Sink {
            connector: || Box::new(Keeper::default()),
            task: || Box::new(KeeperTask::default()),
        },
    },
    Plugin {
        class: TEXT,
        aliases: &[],
        version: "1.0",
        config: no_keys,
        make: Make::Converter(|_, _| Ok(Arc::new(TextConverter))),
    },
    Plugin {
        class: NO_HEADERS,
        aliases: &[],
        version: "1.0",
        config: no_keys,
        make: Make::HeaderConverter(|_| Ok(Arc::new(NoHeaders))),
    },
];

fn number(config: &RawConfig, key: &str, default: i64) -> i64 {
    config.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn fails(config: &RawConfig, place: &str) -> bool {
    config.get("fail") == Some(place)
}

fn failure(place: &str) -> Error {
    Error::fatal(format!("told to fail at {place}"))
}

fn one_config_each(config: &RawConfig, tasks: i64, max_tasks: u32) -> Vec<RawConfig> {
    let tasks = match tasks {
        0 => i64::from(max_tasks),
        tasks => tasks,
    };
    (0..tasks)
        .map(|task| {
            let mut config = config.clone();
            config.insert("number", task.to_string());
            config
        })
        .collect()
}

#[derive(Default)]
struct Counter {
    config: RawConfig,
    reconfigured: bool,
    context: Option<ConnectorContext>,
}

#[async_trait]
impl SourceConnector for Counter {
    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()> {
        self.config = config.clone();
        if fails(config, "start") {
            return Err(failure("start"));
        }
        assert!(!fails(config, "panic"), "told to panic");
        self.context = Some(context);
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        if fails(&self.config, "generate") {
            return Err(Error::retriable("told to fail at generate"));
        }
        let mut tasks = number(&self.config, "tasks", 1);
        let later = number(&self.config, "reconfigure", 0);
        if later > 0 && self.reconfigured {
            tasks = later;
        } else if later > 0 {
            self.reconfigured = true;
            if let Some(context) = &self.context {
                context.events.request_task_reconfiguration();
            }
        }
        Ok(one_config_each(&self.config, tasks, max_tasks))
    }

    async fn alter_offsets(&mut self, _config: &RawConfig, offsets: &[SourceOffset]) -> Result<bool> {
        let known = |offset: &SourceOffset| offset.partition.contains_key("task");
        if offsets.iter().all(known) {
            Ok(true)
        } else {
            Err(Error::fatal("Partition objects should contain the key 'task'"))
        }
    }
}

#[derive(Default)]
struct CounterTask {
    name: String,
    number: i64,
    next: i64,
    count: i64,
    fail_at: Option<i64>,
    topic: Arc<str>,
}

#[async_trait]
impl SourceTask for CounterTask {
    async fn open(&mut self, context: SourceContext, config: &RawConfig) -> Result<()> {
        if fails(config, "open") {
            return Err(failure("open"));
        }
        self.name = context.connector.to_string();
        self.number = number(config, "number", 0);
        self.count = number(config, "count", -1);
        self.fail_at = fails(config, "poll").then(|| number(config, "fail.at", 0));
        self.topic = config.get("topic").unwrap_or("counted").into();
        let committed = context.offsets.offsets(&[self.partition()]).await?.remove(0);
        self.next = committed.and_then(|offset| offset.get("next")?.as_i64()).unwrap_or(0);
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        if self.count >= 0 && self.next >= self.count {
            std::future::pending::<()>().await;
        }
        if self.count < 0 && self.next > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        while !batch.is_full() && (self.count < 0 || self.next < self.count) {
            if self.fail_at == Some(self.next) {
                return Err(failure("poll"));
            }
            let text = format!("{}-{}:{}", self.name, self.number, self.next);
            let bytes = text.len();
            self.next += 1;
            let position = Position { stream: 0, sequence: self.next as u64 };
            let value = Value::String(Text::from(text.as_str()));
            batch.push(Record::new(self.topic.clone(), None, value, position), bytes);
            if self.count < 0 && self.next % 10 == 0 {
                break;
            }
        }
        Ok(())
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let mut offset = OffsetMap::new();
        offset.insert("next".to_owned(), position.sequence.into());
        SourceOffset { partition: self.partition(), offset: Some(offset) }
    }
}

impl CounterTask {
    fn partition(&self) -> OffsetMap {
        let mut partition = OffsetMap::new();
        partition.insert("task".to_owned(), self.number.into());
        partition
    }
}

static KEPT: LazyLock<Mutex<BTreeMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// What the sink connector of that name was given, in order of arrival.
pub fn kept(connector: &str) -> Vec<String> {
    KEPT.lock().get(connector).cloned().unwrap_or_default()
}

#[derive(Default)]
struct Keeper {
    config: RawConfig,
}

#[async_trait]
impl SinkConnector for Keeper {
    async fn start(&mut self, _context: ConnectorContext, config: &RawConfig) -> Result<()> {
        self.config = config.clone();
        if fails(config, "start") {
            return Err(failure("start"));
        }
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        Ok(one_config_each(&self.config, number(&self.config, "tasks", 0), max_tasks))
    }

    async fn alter_offsets(
        &mut self,
        _config: &RawConfig,
        _offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<bool> {
        Ok(false)
    }
}

#[derive(Default)]
struct KeeperTask {
    name: String,
    failing: bool,
}

#[async_trait]
impl SinkTask for KeeperTask {
    async fn open(&mut self, context: SinkContext, config: &RawConfig) -> Result<()> {
        self.name = context.connector.to_string();
        self.failing = fails(config, "put");
        Ok(())
    }

    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>> {
        if self.failing && !batch.records.is_empty() {
            return Err(failure("put"));
        }
        let mut kept = KEPT.lock();
        let mine = kept.entry(self.name.clone()).or_default();
        mine.extend(batch.records.iter().map(|record| record.value.as_str().unwrap_or("null").to_owned()));
        Ok(Vec::new())
    }

    async fn flush(&mut self, _offsets: &mut CommitOffsets) -> Result<()> {
        Ok(())
    }
}

struct TextConverter;

impl Converter for TextConverter {
    fn encoder(&self, _topic: &str, _schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self, _topic: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Self))
    }
}

impl Encoder for TextConverter {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match value {
            Value::Null => Ok(Encoded::Null),
            Value::String(text) => {
                out.extend_from_slice(text.as_str().as_bytes());
                Ok(Encoded::Bytes)
            }
            other => Err(Error::record(format!("not a text but a {}", other.java_class()))),
        }
    }
}

impl Decoder for TextConverter {
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = match bytes {
            Some(bytes) => Value::String(Text::from_utf8_lossy(bytes.clone())),
            None => Value::Null,
        };
        Ok(SchemaAndValue { schema: None, value })
    }
}

struct NoHeaders;

impl HeaderConverter for NoHeaders {
    fn encode(&self, _topic: &str, _header: &Header, _out: &mut Vec<u8>) -> Result<Encoded> {
        Ok(Encoded::Null)
    }

    fn decode(&self, _topic: &str, _key: &str, _bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        Ok(SchemaAndValue::default())
    }
}
