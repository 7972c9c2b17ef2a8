//! Converters that treat every value alike, whatever its schema: what they share.

use std::sync::Arc;

use bytes::Bytes;
use raccord_data::{Header, Schema, Value};
use raccord_plugin::{Converter, Decoder, Encoded, Encoder, HeaderConverter, Result, SchemaAndValue};

/// A conversion that needs nothing compiled. Copied into each encoder and decoder.
pub(crate) trait Conversion: Copy + Send + Sync + 'static {
    /// Refuses schemas whose values cannot be written.
    fn check_schema(self, _schema: Option<&Schema>) -> Result<()> {
        Ok(())
    }

    /// Appends the bytes of the value.
    fn encode(self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded>;

    /// Reads a value.
    fn decode(self, bytes: Option<&Bytes>) -> Result<SchemaAndValue>;
}

/// Makes a converter and a header converter of a conversion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain<C>(pub C);

impl<C: Conversion> Converter for Plain<C> {
    fn encoder(&self, _topic: &str, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        self.0.check_schema(schema.map(|schema| &**schema))?;
        Ok(Box::new(*self))
    }

    fn decoder(&self, _topic: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(*self))
    }
}

impl<C: Conversion> Encoder for Plain<C> {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        self.0.encode(value, out)
    }
}

impl<C: Conversion> Decoder for Plain<C> {
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        self.0.decode(bytes)
    }
}

impl<C: Conversion> HeaderConverter for Plain<C> {
    fn encode(&self, _topic: &str, header: &Header, out: &mut Vec<u8>) -> Result<Encoded> {
        self.0.check_schema(header.schema.as_deref())?;
        self.0.encode(&header.value, out)
    }

    fn decode(&self, _topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        self.0.decode(bytes)
    }
}
