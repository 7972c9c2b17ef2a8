//! `io.debezium.converters.ByteArrayConverter` and `BinaryDataConverter`: bytes as they are, anything else by another
//! converter.
//!
//! The two differ in Debezium only in Java classes that hold bytes (`byte[]`, `ByteBuffer`), which are one here.

use std::sync::Arc;

use bytes::Bytes;
use raccord_config::RawConfig;
use raccord_data::{Header, Schema, Type, Value};
use raccord_plugin::{
    Converter, Decoder, Encoded, Encoder, Error, HeaderConverter, Make, Result, Role, SchemaAndValue,
};

use crate::config::{DelegateConfig, Use, parse};
use crate::plain::{Conversion, Plain};
use crate::plugins::CONVERTERS;
use crate::primitive::Primitive;

const KEY: &str = "delegate.converter.type";

/// Bytes, and another converter for the rest.
pub(crate) struct Delegating {
    other: Option<Arc<dyn Converter>>,
}

impl Delegating {
    /// Makes the converter and the one that the config names, whose keys stand behind `delegate.converter.type.`.
    ///
    /// # Errors
    /// A class that is no converter here, or keys that it refuses.
    pub(crate) fn new(raw: &RawConfig, role: Role) -> Result<Self> {
        let config: DelegateConfig = parse(raw, role.into())?;
        let Some(class) = config.delegate_converter_type else { return Ok(Self { other: None }) };
        let make = CONVERTERS.iter().find_map(|plugin| match plugin.make {
            Make::Converter(make) if plugin.class == class => Some(make),
            _ => None,
        });
        let Some(make) = make else {
            return Err(Error::config(format!("Unable to find class {class}"))
                .class("java.lang.IllegalArgumentException")
                .hint(format!("{KEY} takes the full class name of one of Kafka's converters")));
        };
        Ok(Self { other: Some(make(&raw.with_prefix(&format!("{KEY}.")), role)?) })
    }

    /// As a header converter it has no other: Debezium does not read the key there.
    ///
    /// # Errors
    /// Keys that are refused.
    pub(crate) fn header(raw: &RawConfig) -> Result<Self> {
        let _: DelegateConfig = parse(raw, Use::Header)?;
        Ok(Self { other: None })
    }
}

struct DelegatingEncoder {
    /// Whether the schema lets values be written as they are.
    plain: bool,
    other: Option<Box<dyn Encoder>>,
}

impl Encoder for DelegatingEncoder {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match (value, &mut self.other) {
            (Value::Null, _) if self.plain => Ok(Encoded::Null),
            (Value::Bytes(bytes), _) if self.plain => {
                out.extend_from_slice(bytes);
                Ok(Encoded::Bytes)
            }
            (value, Some(other)) => other.encode(value, out),
            (value, None) => Err(Error::record(format!(
                "A value of {} requires a {KEY} to be configured",
                value.java_class()
            ))),
        }
    }
}

impl Converter for Delegating {
    fn encoder(&self, topic: &str, schema: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        let plain = schema.is_none_or(|schema| schema.ty == Type::Bytes);
        let other = self.other.as_ref().map(|other| other.encoder(topic, schema)).transpose();
        // A schema of bytes needs the other one only for values that are none.
        let other = if plain { other.ok().flatten() } else { other? };
        Ok(Box::new(DelegatingEncoder { plain, other }))
    }

    fn decoder(&self, _topic: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Plain(Primitive::Bytes)))
    }
}

impl HeaderConverter for Delegating {
    fn encode(&self, topic: &str, header: &Header, out: &mut Vec<u8>) -> Result<Encoded> {
        self.encoder(topic, header.schema.as_ref())?.encode(&header.value, out)
    }

    fn decode(&self, _topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        Primitive::Bytes.decode(bytes)
    }
}
