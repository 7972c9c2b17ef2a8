//! Records and offsets as the broker has them, read and written beside the workers.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Map, Value, json};

use crate::scenario::{CreateTopic, Describe, Names, ProduceRecord};

/// A record read from a topic, with its parts as bytes.
#[derive(Clone, Debug)]
pub struct Raw {
    /// The partition.
    pub partition: i32,
    /// The Kafka offset.
    pub kafka_offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A client of the run's broker.
pub struct Kafka {
    bootstrap: String,
}

impl Kafka {
    /// A client of the broker at `host:port`.
    pub fn new(bootstrap: &str) -> Kafka {
        Kafka { bootstrap: bootstrap.to_owned() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("allow.auto.create.topics", "false");
        config
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn create_topic(&self, topic: &CreateTopic) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1));
        for (key, value) in &topic.config {
            new = new.set(key, value);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let results = runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))?;
        for result in results {
            result.map_err(|(name, code)| anyhow!("topic {name}: {code}"))?;
        }
        Ok(())
    }

    /// How a topic is: its partitions and some of its settings; null when there is none.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn describe(&self, describe: &Describe) -> Result<Value> {
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let limit = Duration::from_secs(10);
        let metadata = admin.inner().fetch_metadata(Some(&describe.topic), limit)?;
        let partitions: usize = metadata.topics().iter().map(|topic| topic.partitions().len()).sum();
        if partitions == 0 {
            return Ok(Value::Null);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = [ResourceSpecifier::Topic(&describe.topic)];
        let answers = runtime.block_on(admin.describe_configs(&asked, &AdminOptions::new()))?;
        let mut config = Map::new();
        for answer in answers {
            let resource = answer.map_err(|code| anyhow!("topic {}: {code}", describe.topic))?;
            for key in &describe.config {
                let value = resource.get(key).and_then(|entry| entry.value.clone());
                config.insert(key.clone(), json!(value));
            }
        }
        Ok(json!({"partitions": partitions, "config": config}))
    }

    /// Writes records in order and waits until all are acknowledged.
    ///
    /// # Errors
    /// When a record is not JSON-decodable base64 or the broker refuses it.
    pub fn produce(&self, topic: &str, records: &[ProduceRecord], names: &Names) -> Result<()> {
        let mut config = self.config();
        config.set("message.timeout.ms", "15000").set("message.max.bytes", "10000000").set("acks", "all");
        let producer: BaseProducer = config.create()?;
        for record in records {
            let key = part(record.key.as_deref(), record.key_base64.as_deref(), names)?;
            let value = part(record.value.as_deref(), record.value_base64.as_deref(), names)?;
            let headers = record.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
                all.insert(Header { key, value: value.as_deref() })
            });
            let mut out = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition).headers(headers);
            out.key = key.as_deref();
            out.payload = value.as_deref();
            out.timestamp = record.timestamp_ms;
            producer.send(out).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(20)).context("the records were not acknowledged")
    }

    /// Reads a topic from its start to its end of now; an unknown topic is empty.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn read(&self, topic: &str) -> Result<Vec<Raw>> {
        Ok(self.read_all(&[topic.to_owned()])?.swap_remove(topic).unwrap_or_default())
    }

    /// Reads topics from their starts to their ends of now.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn read_all(&self, topics: &[String]) -> Result<IndexMap<String, Vec<Raw>>> {
        let limit = Duration::from_secs(10);
        let mut config = self.config();
        config
            .set("group.id", "parity-reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true").set("fetch.message.max.bytes", "20000000");
        let consumer: BaseConsumer = config.create()?;
        let (mut assignment, mut partitions) = (TopicPartitionList::new(), 0);
        for topic in topics {
            let metadata = consumer.fetch_metadata(Some(topic), limit)?;
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
                partitions += 1;
            }
        }
        consumer.assign(&assignment)?;
        let mut records: IndexMap<String, Vec<Raw>> =
            topics.iter().map(|topic| (topic.clone(), Vec::new())).collect();
        let (mut ended, mut end) = (0, Instant::now() + limit);
        while ended < partitions {
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    end = Instant::now() + limit;
                    records.entry(message.topic().to_owned()).or_default().push(raw(&message));
                }
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => return Err(error.into()),
                None if Instant::now() > end => {
                    bail!("the end of {} was not reached within {limit:?}", topics.join(", "))
                }
                None => {}
            }
        }
        for records in records.values_mut() {
            records.sort_by_key(|r| (r.partition, r.kafka_offset));
        }
        Ok(records)
    }

    /// The names of all topics.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn topics(&self) -> Result<Vec<String>> {
        let consumer: BaseConsumer = self.config().create()?;
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(10))?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// How many records a topic with one partition has.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn count(&self, topic: &str) -> Result<usize> {
        let consumer: BaseConsumer = self.config().create()?;
        let (low, high) = consumer.fetch_watermarks(topic, 0, Duration::from_secs(10))?;
        Ok(usize::try_from(high - low)?)
    }

    /// The committed offsets of a group in the partitions 0 to `partitions`, -1 where there is none.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn committed(&self, group: &str, topic: &str, partitions: usize) -> Result<Vec<i64>> {
        let consumer: BaseConsumer = self.config().set("group.id", group).create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(topic, i32::try_from(partition)?);
        }
        let committed = consumer.committed_offsets(list, Duration::from_secs(10))?;
        Ok(committed
            .elements()
            .iter()
            .map(|e| e.offset().to_raw().filter(|o| *o >= 0).unwrap_or(-1))
            .collect())
    }
}

fn raw(message: &BorrowedMessage<'_>) -> Raw {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect::<Vec<_>>()
    });
    Raw {
        partition: message.partition(),
        kafka_offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

fn part(text: Option<&str>, base64: Option<&str>, names: &Names) -> Result<Option<Vec<u8>>> {
    match (text, base64) {
        (Some(text), None) => Ok(Some(names.fill(text).into_bytes())),
        (None, Some(text)) => Ok(Some(STANDARD.decode(text)?)),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => bail!("text and base64 of the same part"),
    }
}

/// The longest part shown byte for byte; of longer ones the length and the ends are shown.
const SHOWN_BYTES: usize = 4096;

/// Bytes for a recording: `null`, a string if they are UTF-8, else `{"base64": …}`, shortened if they are long.
pub fn show(bytes: Option<&[u8]>, names: &Names) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    if bytes.len() > SHOWN_BYTES {
        let (head, tail) = (&bytes[..64], &bytes[bytes.len() - 64..]);
        return json!({"bytes": bytes.len(), "head": String::from_utf8_lossy(head), "tail": String::from_utf8_lossy(tail)});
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(names.unfill(text)),
        Err(_) => json!({"base64": STANDARD.encode(bytes)}),
    }
}

/// A record for a recording.
pub fn show_record(record: &Raw, names: &Names) -> Value {
    let mut map = Map::new();
    map.insert("partition".into(), json!(record.partition));
    map.insert("offset".into(), json!(record.kafka_offset));
    map.insert("key".into(), show(record.key.as_deref(), names));
    map.insert("value".into(), show(record.value.as_deref(), names));
    let headers = record.headers.iter().map(|(name, value)| json!([name, show(value.as_deref(), names)]));
    map.insert("headers".into(), Value::Array(headers.collect()));
    Value::Object(map)
}
