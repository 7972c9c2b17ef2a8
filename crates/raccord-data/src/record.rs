//! Records: what flows between a connector and Kafka.

use std::ops::Deref;
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

/// The headers of a record in order. A connector often gives every record the same ones: a clone shares them, and who
/// changes them has a copy of its own.
#[derive(Clone, Debug, Default)]
pub struct Headers(Option<Arc<Vec<Header>>>);

impl Headers {
    /// Whether both are the same list, not only equal ones. Of lists that are not empty.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Some(own), Some(other)) if Arc::ptr_eq(own, other))
    }

    /// The headers, to change.
    pub fn to_mut(&mut self) -> &mut Vec<Header> {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl Deref for Headers {
    type Target = [Header];

    fn deref(&self) -> &[Header] {
        self.0.as_ref().map_or(&[], |headers| headers.as_slice())
    }
}

impl From<Vec<Header>> for Headers {
    fn from(headers: Vec<Header>) -> Self {
        Self((!headers.is_empty()).then(|| Arc::new(headers)))
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        headers.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
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
    pub headers: Headers,
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
            headers: Headers::default(),
            kafka_offset: None,
            position,
        }
    }
}
