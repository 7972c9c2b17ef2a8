//! `SimpleHeaderConverter`: header values as text, and back by guessing what the text is.

use bytes::Bytes;
use raccord_data::values::{append, bytes_schema, parse_string};
use raccord_data::{Header, Text, Value};
use raccord_plugin::{Encoded, HeaderConverter, Result, SchemaAndValue};

/// The converter. It has nothing to configure and keeps nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimpleHeaderConverter;

impl HeaderConverter for SimpleHeaderConverter {
    fn encode(&self, _topic: &str, header: &Header, out: &mut Vec<u8>) -> Result<Encoded> {
        if header.value.is_null() {
            return Ok(Encoded::Null);
        }
        append(&header.value, false, out);
        Ok(Encoded::Bytes)
    }

    fn decode(&self, _topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let Some(bytes) = bytes else { return Ok(SchemaAndValue::default()) };
        let text = Text::from_utf8_lossy(bytes.clone());
        // Connect falls back to bytes when its parser runs out of stack.
        Ok(parse_string(&text).unwrap_or_else(|| SchemaAndValue {
            schema: Some(bytes_schema()),
            value: Value::Bytes(bytes.clone()),
        }))
    }
}
