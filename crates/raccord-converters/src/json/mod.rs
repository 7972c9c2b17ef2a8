//! `JsonConverter`: values as JSON, with or without the envelope that carries the schema.
//!
//! Writing is compiled: [`Plan`](plan::Plan)s know the escaped names and where nulls go. Reading has two ways. The
//! fast one ([`fast`]) parses well-formed input of the common shape straight into values and gives up on anything
//! else. The other ([`reader`], [`convert`]) builds a tree and does, step by step, what Jackson and Connect do, so all
//! quirks and all errors come from there. Tests hold the two against each other.

mod base64;
mod convert;
mod decode;
mod encode;
mod fast;
mod node;
mod plan;
mod reader;
mod schema_in;
mod schema_out;
mod text;
mod unicode;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use raccord_data::{Header, Schema};
use raccord_plugin::{Converter, Decoder, Encoded, Encoder, Error, HeaderConverter, Result, SchemaAndValue};

pub use decode::JsonDecoder;
pub use encode::JsonEncoder;

use crate::config::JsonConfig;

/// How decimals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalFormat {
    /// As the base64 of their unscaled bytes.
    Base64,
    /// As JSON numbers.
    Numeric,
}

/// What the config says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether values are wrapped in an envelope with their schema.
    pub schemas_enable: bool,
    /// How many schemas a decoder remembers.
    pub cache_size: usize,
    /// How decimals are written.
    pub decimal_format: DecimalFormat,
    /// Whether nulls become the schema's default.
    pub replace_null: bool,
    /// The schema of everything that is read, where the messages carry none.
    pub schema: Option<Arc<Schema>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schemas_enable: true,
            cache_size: 1000,
            decimal_format: DecimalFormat::Base64,
            replace_null: true,
            schema: None,
        }
    }
}

/// The converter.
#[derive(Debug)]
pub struct JsonConverter {
    settings: Arc<Settings>,
    headers: Mutex<HeaderState>,
}

/// What header conversion, which is not called with an encoder or decoder of its own, keeps between calls.
#[derive(Debug)]
struct HeaderState {
    decoder: JsonDecoder,
    /// Encoders of the schemas seen last, the latest first.
    encoders: Vec<(Option<Arc<Schema>>, JsonEncoder)>,
}

/// A record has few different header schemas.
const HEADER_ENCODERS: usize = 16;

impl JsonConverter {
    /// A converter of that config.
    pub(crate) fn new(config: &JsonConfig) -> Result<Self> {
        let mut settings = Settings {
            schemas_enable: config.schemas_enable,
            cache_size: usize::try_from(config.schemas_cache_size).unwrap_or(0),
            decimal_format: if config.decimal_format.eq_ignore_ascii_case("NUMERIC") {
                DecimalFormat::Numeric
            } else {
                DecimalFormat::Base64
            },
            replace_null: config.replace_null_with_default,
            schema: None,
        };
        if let Some(content) = config.schema_content.as_deref().filter(|content| !content.is_empty()) {
            let bytes = Bytes::copy_from_slice(content.as_bytes());
            let node = reader::parse(&bytes).map_err(|error| {
                let message = "Failed to parse schema in converter config due to serialization error: ";
                Error::config(message).class(DATA_EXCEPTION).caused_by(error.into_error())
            })?;
            settings.schema = schema_in::to_schema(&node, &settings).map_err(|error| {
                Error::config(error.message())
                    .class(error.java_class())
                    .hint("schema.content holds a schema as JsonConverter writes it into its envelopes.")
            })?;
        }
        Ok(Self::with_settings(settings))
    }

    /// A converter of those settings.
    pub fn with_settings(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let decoder = JsonDecoder::new(Arc::clone(&settings));
        Self { settings, headers: Mutex::new(HeaderState { decoder, encoders: Vec::new() }) }
    }
}

const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";
const SCHEMA_BUILDER_EXCEPTION: &str = "org.apache.kafka.connect.errors.SchemaBuilderException";
const SERIALIZATION_EXCEPTION: &str = "org.apache.kafka.common.errors.SerializationException";

impl Converter for JsonConverter {
    fn encoder(&self, _topic: &str, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(JsonEncoder::new(schema, &self.settings)?))
    }

    fn decoder(&self, _topic: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(JsonDecoder::new(Arc::clone(&self.settings))))
    }
}

impl HeaderConverter for JsonConverter {
    fn encode(&self, _topic: &str, header: &Header, out: &mut Vec<u8>) -> Result<Encoded> {
        let mut state = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |schema: &Option<Arc<Schema>>| match (schema, &header.schema) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let at = match state.encoders.iter().position(|(schema, _)| same(schema)) {
            Some(at) => at,
            None => {
                let encoder = JsonEncoder::new(header.schema.as_ref(), &self.settings)?;
                state.encoders.truncate(HEADER_ENCODERS - 1);
                state.encoders.insert(0, (header.schema.clone(), encoder));
                0
            }
        };
        state.encoders[at].1.encode(&header.value, out)
    }

    fn decode(&self, _topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner).decoder.decode(bytes)
    }
}
