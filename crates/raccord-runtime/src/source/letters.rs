//! The dead letters of a source: records in the form in which they failed, as bytes.
//!
//! A source's record has no bytes of its own. Its parts are encoded by the task's converters; a part that they fail on is
//! written as JSON with its schema, and a header says so: `__connect.errors.key.converter` or `….value.converter`. A part
//! that cannot be written at all is null, and the header says `none`.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use raccord_config::Config;
use raccord_plugin::data::{Record, Schema, Value};
use raccord_plugin::{Converter, Encoded, Error, Make, Plugin, RawConfig, Result, Role, SourceTask};

use super::encode::Encoding;
use crate::ack_tracker::AckTracker;
use crate::chain::Converters;
use crate::config::SourceCommon;
use crate::dead_letters::{Context, DeadLetters, Letter, Settings};
use crate::task::TaskSpec;
use crate::tolerance::Failure;

/// What writes parts that the task's converters cannot write.
const FALLBACK: &str = "org.apache.kafka.connect.json.JsonConverter";
/// What the header says when nothing can.
const NOTHING: &str = "none";

/// The dead letter queue of a source task.
pub(super) struct SourceLetters {
    pub(super) queue: DeadLetters,
    encoding: Encoding,
    fallback: [Option<Arc<dyn Converter>>; 2],
    /// Records on their way to Kafka, by ticket: the producer does not give them back. As many as the producer holds.
    on_their_way: HashMap<u64, Record>,
}

impl SourceLetters {
    /// Opens the queue.
    ///
    /// # Errors
    /// When its topic can be neither found nor made.
    pub(super) async fn open(spec: &TaskSpec, settings: Settings) -> Result<Self> {
        let config = &spec.connector_config;
        let common =
            SourceCommon::parse(config).map_err(|findings| Error::config(findings.first().to_owned()))?;
        // Converters keep what they have compiled: these see records that fail only.
        let converters = Converters::new(spec.plugins, &common.common, config, &spec.worker)?;
        Ok(Self {
            queue: DeadLetters::open(spec, settings).await?,
            encoding: Encoding::new(converters),
            fallback: [Role::Key, Role::Value].map(|role| fallback(spec.plugins, role)),
            on_their_way: HashMap::new(),
        })
    }

    /// Keeps a record that goes on its way.
    pub(super) fn keep(&mut self, ticket: u64, record: Record) {
        self.on_their_way.insert(ticket, record);
    }

    /// Gives back a record that Kafka did not take.
    pub(super) fn kept(&mut self, ticket: u64) -> Option<Record> {
        self.on_their_way.remove(&ticket)
    }

    /// Forgets records that have arrived, and acknowledges those whose letters have.
    pub(super) fn take_acks(&mut self, delivered: &[u64], tracker: &mut AckTracker) {
        for ticket in delivered {
            self.on_their_way.remove(ticket);
        }
        self.queue.take_acks();
        for ticket in self.queue.take_written() {
            tracker.ack(ticket);
        }
    }

    /// Writes a record that is given up; `ticket` is acknowledged when its letter is written.
    pub(super) fn post(&mut self, record: &Record, failure: &Failure, ticket: u64, task: &dyn SourceTask) {
        let offset = task.offset(record.position);
        let text = |map| serde_json::Value::Object(map).to_string();
        let place = [
            ("source.partition", text(offset.partition)),
            ("source.offset", offset.offset.map_or_else(|| "null".to_owned(), text)),
        ];
        let mut context = Context::of_source(&record.topic, record.partition, place);
        let [key, value] = self.encoding.parts(record);
        let key = key.unwrap_or_else(|_| {
            let (bytes, by) = self.as_json(0, &record.topic, record.key_schema.as_ref(), &record.key);
            context.add("key.converter", by);
            bytes
        });
        let value = value.unwrap_or_else(|_| {
            let (bytes, by) = self.as_json(1, &record.topic, record.value_schema.as_ref(), &record.value);
            context.add("value.converter", by);
            bytes
        });
        let headers = self.encoding.headers(record).unwrap_or_else(|_| {
            context.add("header.converter", NOTHING);
            Vec::new()
        });
        let (key, value) = (key.map(Bytes::from), value.map(Bytes::from));
        let letter = Letter { key, value, headers, timestamp: record.timestamp, context, ticket };
        self.queue.post(letter, failure);
    }

    fn as_json(
        &self,
        part: usize,
        topic: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> (Option<Vec<u8>>, &'static str) {
        let mut bytes = Vec::new();
        let encoded = self.fallback[part].as_ref().and_then(|converter| {
            let mut encoder = converter.encoder(topic, schema).ok()?;
            encoder.encode(value, &mut bytes).ok()
        });
        match encoded {
            Some(Encoded::Bytes) => (Some(bytes), FALLBACK),
            Some(Encoded::Null) => (None, FALLBACK),
            None => (None, NOTHING),
        }
    }
}

fn fallback(plugins: &'static [Plugin], role: Role) -> Option<Arc<dyn Converter>> {
    let plugin = plugins.iter().find(|plugin| plugin.class == FALLBACK)?;
    match plugin.make {
        Make::Converter(make) => make(&RawConfig::from([("schemas.enable", "true")]), role).ok(),
        _ => None,
    }
}
