//! `StringConverter`: any value as the text of its Java object, bytes as text.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use raccord_data::{Schema, Type, Value};
use raccord_plugin::{Encoded, Error, RawConfig, Result, SchemaAndValue};

use crate::charset::Charset;
use crate::config::{StringConfig, Use, parse};
use crate::plain::{Conversion, Plain};
use raccord_data::java_text::append_value;

static OPTIONAL_STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).optional().build());

/// The conversion with the two character sets, which users may set apart by the keys of Kafka's serializers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringConversion {
    write: Charset,
    read: Charset,
}

/// Makes the converter.
pub(crate) fn make(raw: &RawConfig, used_as: Use) -> Result<Plain<StringConversion>> {
    let config: StringConfig = parse(raw, used_as)?;
    let side = if used_as == Use::Key { "key" } else { "value" };
    let charset = |kind: &str| {
        let name = raw.get(&format!("{side}.{kind}.encoding")).unwrap_or(&config.converter_encoding);
        Charset::for_name(name).ok_or_else(|| {
            let legal = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+.:_".contains(&byte));
            let cause = if legal && name.starts_with(|char: char| char.is_ascii_alphanumeric()) {
                "java.nio.charset.UnsupportedCharsetException"
            } else {
                "java.nio.charset.IllegalCharsetNameException"
            };
            Error::config(format!("Unsupported encoding {name}"))
                .class("org.apache.kafka.common.errors.SerializationException")
                .caused_by(Error::config(name).class(cause))
                .hint("Name a character set of Java, such as UTF-8, ISO-8859-1 or windows-1252.")
        })
    };
    Ok(Plain(StringConversion { write: charset("serializer")?, read: charset("deserializer")? }))
}

impl Conversion for StringConversion {
    fn encode(self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match value {
            Value::Null => return Ok(Encoded::Null),
            Value::String(text) if self.write == Charset::Utf8 => out.extend_from_slice(text.as_bytes()),
            Value::String(text) => self.write.encode(text, out),
            value if self.write == Charset::Utf8 => append_value(value, out),
            value => {
                let mut text = Vec::new();
                append_value(value, &mut text);
                self.write.encode(&String::from_utf8_lossy(&text), out);
            }
        }
        Ok(Encoded::Bytes)
    }

    fn decode(self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = bytes.map_or(Value::Null, |bytes| Value::String(self.read.decode(bytes)));
        Ok(SchemaAndValue { schema: Some(Arc::clone(&OPTIONAL_STRING)), value })
    }
}
