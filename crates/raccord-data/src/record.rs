//! Records: what flows between a connector and Kafka.

use std::sync::Arc;

use crate::{Schema, Value};

/// The place of a record in its source, as a ticket: cheap to carry, turned into an offset map at commit only.
///
/// For a source task, `stream` is a number that the task gave to one of its source partitions and `sequence` is the place
/// in it; only the task reads meaning into the number. For a sink task, `stream` indexes the topic partitions of the batch and `sequence` is the kafka_offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Which source partition (source) or topic partition of the batch (sink).
    pub stream: u32,
    /// The place in the stream: a byte, an LSN, a kafka_offset. Of the records of a stream, the one handed over later is
    /// the later one, whatever the number.
    pub sequence: u64,
}

/// A value with its schema, if it has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaAndValue {
    /// `None` for schemaless data.
    pub schema: Option<Arc<Schema>>,
    /// The value.
    pub value: Value,
}

/// A record header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Name; may occur several times in a record.
    pub key: Arc<str>,
    /// Schema of the value, if any.
    pub schema: Option<Arc<Schema>>,
    /// Value.
    pub value: Value,
}

/// A record on its way, in either direction.
#[derive(Clone, Debug)]
pub struct Record {
    /// Topic it goes to or comes from.
    pub topic: Arc<str>,
    /// Partition; `None` lets the producer choose.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; `None` lets the producer set it.
    pub timestamp: Option<i64>,
    /// Schema of the key; `None` for schemaless data.
    pub key_schema: Option<Arc<Schema>>,
    /// Key.
    pub key: Value,
    /// Schema of the value; `None` for schemaless data.
    pub value_schema: Option<Arc<Schema>>,
    /// Value; null with a null schema is a tombstone.
    pub value: Value,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// The offset in Kafka of a record that a sink gets; `None` for records of sources. Transforms look at it.
    pub kafka_offset: Option<i64>,
    /// Where it comes from.
    pub position: Position,
}

impl Record {
    /// A record without key, headers, partition and timestamp.
    pub fn new(topic: Arc<str>, value_schema: Option<Arc<Schema>>, value: Value, position: Position) -> Self {
        Self {
            topic,
            partition: None,
            timestamp: None,
            key_schema: None,
            key: Value::Null,
            value_schema,
            value,
            headers: Vec::new(),
            kafka_offset: None,
            position,
        }
    }
}
