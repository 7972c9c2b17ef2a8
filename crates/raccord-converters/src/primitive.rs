//! The converters of single values: raw bytes, booleans and numbers in Kafka's big-endian forms.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use raccord_data::{Schema, Type, Value};
use raccord_plugin::{Encoded, Error, Result, SchemaAndValue};

use crate::plain::Conversion;

/// What such a converter reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Bytes,
    Boolean,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
}

/// One converter: what its messages call it, the size on the wire, the class it takes and the schema it gives.
struct Facts {
    /// As messages name the type, or the converter where they name that.
    name: &'static str,
    /// As messages name Kafka's deserializer.
    deserializer: &'static str,
    /// The Java class of the values.
    class: &'static str,
    /// Bytes on the wire.
    size: usize,
    /// The schema of what is read.
    schema: LazyLock<Arc<Schema>>,
}

macro_rules! facts {
    ($name:literal, $deserializer:literal, $class:literal, $size:literal, $type:ident) => {
        Facts {
            name: $name,
            deserializer: $deserializer,
            class: $class,
            size: $size,
            schema: LazyLock::new(|| Schema::of(Type::$type).optional().build()),
        }
    };
}

static BYTES: Facts = facts!("ByteArrayConverter", "ByteArrayDeserializer", "[B", 0, Bytes);
static BOOLEAN: Facts = facts!("BooleanConverter", "BooleanDeserializer", "java.lang.Boolean", 1, Boolean);
static INT16: Facts = facts!("short", "ShortDeserializer", "java.lang.Short", 2, Int16);
static INT32: Facts = facts!("integer", "IntegerDeserializer", "java.lang.Integer", 4, Int32);
static INT64: Facts = facts!("long", "LongDeserializer", "java.lang.Long", 8, Int64);
static FLOAT32: Facts = facts!("float", "Deserializer", "java.lang.Float", 4, Float32);
static FLOAT64: Facts = facts!("double", "Deserializer", "java.lang.Double", 8, Float64);

impl Primitive {
    fn facts(self) -> &'static Facts {
        match self {
            Self::Bytes => &BYTES,
            Self::Boolean => &BOOLEAN,
            Self::Int16 => &INT16,
            Self::Int32 => &INT32,
            Self::Int64 => &INT64,
            Self::Float32 => &FLOAT32,
            Self::Float64 => &FLOAT64,
        }
    }

    fn wrong_class(self, value: &Value) -> Error {
        let (facts, class) = (self.facts(), value.java_class());
        match self {
            Self::Bytes | Self::Boolean => {
                Error::record(format!("{} is not compatible with objects of type class {class}", facts.name))
            }
            _ => Error::record(format!("Failed to serialize to {} (was class {class}): ", facts.name))
                .caused_by(cast_failure(value, facts.class)),
        }
    }

    fn unreadable(self, message: String) -> Error {
        let name = if self == Self::Boolean { "boolean" } else { self.facts().name };
        Error::record(format!("Failed to deserialize {name}: "))
            .caused_by(Error::record(message).class("org.apache.kafka.common.errors.SerializationException"))
    }

    fn read(self, bytes: &Bytes) -> Result<Value> {
        let facts = self.facts();
        if self != Self::Bytes && bytes.len() != facts.size {
            let message = format!("Size of data received by {} is not {}", facts.deserializer, facts.size);
            return Err(self.unreadable(message));
        }
        let number = bytes.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        Ok(match self {
            Self::Bytes => Value::Bytes(bytes.clone()),
            Self::Boolean if number > 1 => {
                let message = format!("Unexpected byte received by BooleanDeserializer: {}", number as i8);
                return Err(self.unreadable(message));
            }
            Self::Boolean => Value::Boolean(number == 1),
            Self::Int16 => Value::Int16(number as i16),
            Self::Int32 => Value::Int32(number as i32),
            Self::Int64 => Value::Int64(number as i64),
            Self::Float32 => Value::Float32(f32::from_bits(number as u32)),
            Self::Float64 => Value::Float64(f64::from_bits(number)),
        })
    }
}

/// Java's refusal of a cast. What is no number at all fails at a cast to `Number` already.
fn cast_failure(value: &Value, to: &str) -> Error {
    let from = value.java_class();
    let is_number = matches!(
        value,
        Value::Int8(_)
            | Value::Int16(_)
            | Value::Int32(_)
            | Value::Int64(_)
            | Value::Float32(_)
            | Value::Float64(_)
            | Value::Decimal(_)
    );
    let to = if is_number { to } else { "java.lang.Number" };
    let places = if matches!(value, Value::Struct(_)) {
        format!(
            "{from} is in unnamed module of loader 'app'; {to} is in module java.base of loader 'bootstrap'"
        )
    } else {
        format!("{from} and {to} are in module java.base of loader 'bootstrap'")
    };
    Error::record(format!("class {from} cannot be cast to class {to} ({places})"))
        .class("java.lang.ClassCastException")
}

impl Conversion for Primitive {
    fn check_schema(self, schema: Option<&Schema>) -> Result<()> {
        let Some(schema) = schema else { return Ok(()) };
        let fits = match self {
            Self::Bytes => matches!(schema.ty, Type::Bytes),
            Self::Boolean => matches!(schema.ty, Type::Boolean),
            _ => true,
        };
        if fits {
            return Ok(());
        }
        let message = format!("Invalid schema type for {}: {}", self.facts().name, schema.ty.java_name());
        Err(Error::record(message))
    }

    fn encode(self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match (self, value) {
            (_, Value::Null) => return Ok(Encoded::Null),
            (Self::Bytes, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
            (Self::Boolean, Value::Boolean(flag)) => out.push(u8::from(*flag)),
            (Self::Int16, Value::Int16(number)) => out.extend_from_slice(&number.to_be_bytes()),
            (Self::Int32, Value::Int32(number)) => out.extend_from_slice(&number.to_be_bytes()),
            (Self::Int64, Value::Int64(number)) => out.extend_from_slice(&number.to_be_bytes()),
            (Self::Float32, Value::Float32(number)) => out.extend_from_slice(&number.to_be_bytes()),
            (Self::Float64, Value::Float64(number)) => {
                // `doubleToLongBits` knows one NaN only; `floatToRawIntBits`, which floats go through, knows all.
                let bits = if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
                out.extend_from_slice(&bits.to_be_bytes());
            }
            (_, value) => return Err(self.wrong_class(value)),
        }
        Ok(Encoded::Bytes)
    }

    fn decode(self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = bytes.map_or(Ok(Value::Null), |bytes| self.read(bytes))?;
        Ok(SchemaAndValue { schema: Some(Arc::clone(&self.facts().schema)), value })
    }
}
