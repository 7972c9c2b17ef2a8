//! Converters: between values and the bytes in Kafka. Compiled per schema, run per record.

use std::sync::Arc;

use bytes::Bytes;
use raccord_data::{Header, Schema, SchemaAndValue, Value};

use crate::Result;

/// What an encoder left in the output buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// The bytes that were appended, possibly none.
    Bytes,
    /// Kafka's null: a tombstone as a value, no key as a key.
    Null,
}

/// A configured converter of keys or of values. Shared between the tasks of a connector.
pub trait Converter: Send + Sync {
    /// Makes the encoder for values of this schema going to this topic. The runtime keeps one per (topic, schema
    /// pointer), so this may be slow.
    ///
    /// # Errors
    /// `Error::record` when values of this schema cannot be written.
    fn encoder(&self, topic: &str, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>>;

    /// Makes the decoder for this topic. The runtime keeps one per topic.
    ///
    /// # Errors
    /// `Error::config` when the topic cannot be read at all.
    fn decoder(&self, topic: &str) -> Result<Box<dyn Decoder>>;
}

/// Writes values of one schema.
pub trait Encoder: Send {
    /// Appends the bytes of the value. Nothing already in `out` is touched; what a failed call appended is cut off by
    /// the caller.
    ///
    /// # Errors
    /// `Error::record` when the value does not fit the schema.
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded>;
}

/// Reads values.
pub trait Decoder: Send {
    /// Reads a value; `None` is Kafka's null. Text and bytes cells share the buffer of `bytes`. Where the input repeats
    /// the same schema, the same `Arc` should come back, since later stages compile per schema pointer.
    ///
    /// # Errors
    /// `Error::record` when the bytes are not what this converter reads.
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue>;
}

/// A configured converter of header values.
pub trait HeaderConverter: Send + Sync {
    /// Appends the bytes of a header's value.
    ///
    /// # Errors
    /// `Error::record` when the value cannot be written.
    fn encode(&self, topic: &str, header: &Header, out: &mut Vec<u8>) -> Result<Encoded>;

    /// Reads a header's value.
    ///
    /// # Errors
    /// `Error::record` when the bytes cannot be read.
    fn decode(&self, topic: &str, key: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue>;
}
