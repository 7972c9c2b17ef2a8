//! Records to bytes: encoders compiled per topic and schema, run per record into reused buffers.

use std::collections::HashMap;
use std::sync::Arc;

use raccord_plugin::data::{Header, Headers, Record, Schema, Value};
use raccord_plugin::{Converter, Encoded, Encoder, Error, HeaderConverter, Result};

use crate::chain::{Converters, NamedConverter};
use crate::ports::{EncodedHeaders, Outgoing};
use crate::tolerance::{Failure, Stage};

/// How many encoders are kept. A source that makes a new schema for each record would fill the memory otherwise.
const ENCODERS_MAX: usize = 4096;

/// Turns one record after the other into bytes.
pub(super) struct Encoding {
    key: Side,
    value: Side,
    header: Arc<dyn HeaderConverter>,
    header_class: &'static str,
    headers: EncodedHeaders,
    /// What `headers` were encoded from, and for which topic: a connector often gives every record the same.
    headers_of: (Option<Arc<str>>, Headers),
}

/// The encoders of keys, or of values.
struct Side {
    stage: Stage,
    class: &'static str,
    converter: Arc<dyn Converter>,
    encoders: Vec<CachedEncoder>,
    /// By addresses of topic and schema, which the cached encoders keep alive.
    by_address: HashMap<(usize, usize), usize>,
    /// The encoder used last.
    recent: usize,
    buffer: Vec<u8>,
    encoded: Encoded,
}

struct CachedEncoder {
    topic: Arc<str>,
    schema: Option<Arc<Schema>>,
    encoder: Box<dyn Encoder>,
}

impl CachedEncoder {
    #[inline]
    fn fits(&self, topic: &Arc<str>, schema: Option<&Arc<Schema>>) -> bool {
        let same_schema = match (&self.schema, schema) {
            (Some(own), Some(schema)) => Arc::ptr_eq(own, schema),
            (None, None) => true,
            _ => false,
        };
        same_schema && (Arc::ptr_eq(&self.topic, topic) || self.topic == *topic)
    }
}

impl Side {
    fn new(stage: Stage, named: NamedConverter) -> Self {
        Self {
            stage,
            class: named.class,
            converter: named.converter,
            encoders: Vec::new(),
            by_address: HashMap::new(),
            recent: 0,
            buffer: Vec::new(),
            encoded: Encoded::Null,
        }
    }

    #[inline]
    fn encode(&mut self, topic: &Arc<str>, schema: Option<&Arc<Schema>>, value: &Value) -> Result<()> {
        match self.encoders.get(self.recent) {
            Some(cached) if cached.fits(topic, schema) => {}
            _ => self.find(topic, schema)?,
        }
        self.buffer.clear();
        self.encoded = self.encoders[self.recent].encoder.encode(value, &mut self.buffer)?;
        Ok(())
    }

    fn find(&mut self, topic: &Arc<str>, schema: Option<&Arc<Schema>>) -> Result<()> {
        let address = (topic.as_ptr() as usize, schema.map_or(0, |schema| Arc::as_ptr(schema) as usize));
        if let Some(index) = self.by_address.get(&address) {
            self.recent = *index;
            return Ok(());
        }
        let encoder = self.converter.encoder(topic, schema)?;
        if self.encoders.len() == ENCODERS_MAX {
            self.encoders.clear();
            self.by_address.clear();
        }
        self.recent = self.encoders.len();
        self.encoders.push(CachedEncoder { topic: topic.clone(), schema: schema.cloned(), encoder });
        self.by_address.insert(address, self.recent);
        Ok(())
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self.encoded {
            Encoded::Bytes => Some(&self.buffer),
            Encoded::Null => None,
        }
    }

    fn failure(&self, error: Error) -> Failure {
        Failure { stage: self.stage, class: self.class, error }
    }
}

impl Encoding {
    pub(super) fn new(converters: Converters) -> Self {
        Self {
            key: Side::new(Stage::KeyConverter, converters.key),
            value: Side::new(Stage::ValueConverter, converters.value),
            header: converters.header,
            header_class: converters.header_class,
            headers: Vec::new(),
            headers_of: (None, Headers::default()),
        }
    }

    /// Encodes headers, key and value; [`outgoing`](Self::outgoing) gives them until the next call.
    #[inline]
    pub(super) fn encode(&mut self, record: &Record) -> Result<(), Failure> {
        let known = record.headers.is_empty() && self.headers.is_empty() || self.has_headers_of(record);
        if !known {
            self.encode_headers(record)?;
        }
        let schema = record.key_schema.as_ref();
        self.key.encode(&record.topic, schema, &record.key).map_err(|error| self.key.failure(error))?;
        let schema = record.value_schema.as_ref();
        self.value.encode(&record.topic, schema, &record.value).map_err(|error| self.value.failure(error))
    }

    /// Whether the headers that were encoded last are those of this record.
    fn has_headers_of(&self, record: &Record) -> bool {
        let (topic, headers) = &self.headers_of;
        topic.as_ref().is_some_and(|topic| Arc::ptr_eq(topic, &record.topic))
            && (headers.is_shared_with(&record.headers)
                || headers.len() == record.headers.len()
                    && headers.iter().zip(&record.headers).all(|(known, header)| is_same_text(known, header)))
    }

    fn encode_headers(&mut self, record: &Record) -> Result<(), Failure> {
        self.headers_of.0 = None;
        self.headers.clear();
        for header in &record.headers {
            let mut bytes = Vec::new();
            let encoded = self.header.encode(&record.topic, header, &mut bytes);
            let encoded = encoded.map_err(|error| Failure {
                stage: Stage::HeaderConverter,
                class: self.header_class,
                error,
            })?;
            self.headers.push((header.key.clone(), (encoded == Encoded::Bytes).then_some(bytes)));
        }
        self.headers_of.0 = Some(record.topic.clone());
        self.headers_of.1.clone_from(&record.headers);
        Ok(())
    }

    /// The parts of a record each for itself, the key first; which of them can be encoded.
    pub(super) fn parts(&mut self, record: &Record) -> [Result<Option<Vec<u8>>>; 2] {
        let key = self.key.encode(&record.topic, record.key_schema.as_ref(), &record.key);
        let value = self.value.encode(&record.topic, record.value_schema.as_ref(), &record.value);
        [
            key.map(|()| self.key.bytes().map(<[u8]>::to_vec)),
            value.map(|()| self.value.bytes().map(<[u8]>::to_vec)),
        ]
    }

    /// The record's headers.
    ///
    /// # Errors
    /// When one cannot be encoded.
    pub(super) fn headers(&mut self, record: &Record) -> Result<EncodedHeaders, Failure> {
        self.encode_headers(record)?;
        self.headers_of.0 = None;
        Ok(std::mem::take(&mut self.headers))
    }

    /// The record that was encoded last, as the producer takes it.
    #[inline]
    pub(super) fn outgoing<'a>(&'a self, record: &'a Record, ticket: u64) -> Outgoing<'a> {
        Outgoing {
            topic: &record.topic,
            partition: record.partition,
            timestamp: record.timestamp,
            key: self.key.bytes(),
            value: self.value.bytes(),
            headers: &self.headers,
            ticket,
        }
    }
}

/// Whether two headers are the same; only said of texts, whose equality is that of their bytes.
fn is_same_text(known: &Header, header: &Header) -> bool {
    let same_schema = match (&known.schema, &header.schema) {
        (Some(known), Some(schema)) => Arc::ptr_eq(known, schema),
        (None, None) => true,
        _ => false,
    };
    let same_value = match (&known.value, &header.value) {
        (Value::String(known), Value::String(text)) => known == text,
        _ => false,
    };
    same_schema && same_value && known.key == header.key
}
