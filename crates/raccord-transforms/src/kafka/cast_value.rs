//! Casting one value: Java's narrowing of numbers, its reading of text, and Connect's text of everything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use raccord_data::java_text::{DAY_MS, append_value};
use raccord_data::values::append_date;
use raccord_data::{Schema, Text, Type, Value, logical};
use raccord_plugin::{Error, Result};

use super::numbers::{Integer, parse_f32, parse_f64, parse_integer};
use crate::exception;

/// The types that can be cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

impl Target {
    /// By the name of the type in capitals.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "INT8" => Self::Int8,
            "INT16" => Self::Int16,
            "INT32" => Self::Int32,
            "INT64" => Self::Int64,
            "FLOAT32" => Self::Float32,
            "FLOAT64" => Self::Float64,
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::String,
            _ => return None,
        })
    }

    /// The type of a schema.
    pub fn schema_type(self) -> Type {
        match self {
            Self::Int8 => Type::Int8,
            Self::Int16 => Type::Int16,
            Self::Int32 => Type::Int32,
            Self::Int64 => Type::Int64,
            Self::Float32 => Type::Float32,
            Self::Float64 => Type::Float64,
            Self::Boolean => Type::Boolean,
            Self::String => Type::String,
        }
    }
}

/// Casts a value of that schema, or of none. Null stays null.
///
/// # Errors
/// `DataException` when a value of its type, or this value, cannot be cast so.
pub(super) fn cast(schema: Option<&Schema>, value: &Value, target: Target) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    check_input(schema, value)?;
    let encoded = match schema {
        Some(schema) if target != Target::String => encode_logical(schema, value)?,
        _ => None,
    };
    let value = encoded.as_ref().unwrap_or(value);
    convert(value, target).map_err(|error| match error.java_class() {
        "java.lang.NumberFormatException" => {
            let message = format!("Value ({}) was out of range for requested data type", text_of(value));
            exception::data(message).caused_by(error)
        }
        _ => error,
    })
}

/// Only plain values can be cast. What a value without a schema is follows from its class.
fn check_input(schema: Option<&Schema>, value: &Value) -> Result<()> {
    let refused = match (schema, value) {
        (Some(schema), _) => match &schema.ty {
            Type::Array(_) | Type::Map(..) | Type::Struct(_) => schema.ty.java_name(),
            _ => return Ok(()),
        },
        (None, Value::Array(_)) => "ARRAY",
        (None, Value::Map(_)) => "MAP",
        (None, Value::Struct(_)) => "STRUCT",
        (None, Value::Date(_) | Value::Decimal(_)) => {
            let class = value.java_class();
            return Err(exception::data(format!(
                "Cast transformation was passed a value of type class {class} which is not supported by Connect's \
                 data API"
            )));
        }
        _ => return Ok(()),
    };
    Err(exception::data(format!(
        "Cast transformation does not support casting from {refused}; supported types are \
         [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]"
    )))
}

/// The number that a date or time is kept as.
fn encode_logical(schema: &Schema, value: &Value) -> Result<Option<Value>> {
    let Value::Date(millis) = *value else { return Ok(None) };
    Ok(Some(match schema.name.as_deref() {
        Some(logical::TIMESTAMP) => Value::Int64(millis),
        Some(logical::TIME) if (0..=DAY_MS).contains(&millis) => Value::Int32(millis as i32),
        Some(logical::TIME) => {
            return Err(exception::data(
                "Kafka Connect Time type should not have any date fields set to non-zero values.",
            ));
        }
        Some(logical::DATE) if millis % DAY_MS == 0 => Value::Int32((millis / DAY_MS) as i32),
        Some(logical::DATE) => {
            return Err(exception::data(
                "Kafka Connect Date type should not have any time fields set to non-zero values.",
            ));
        }
        _ => return Ok(None),
    }))
}

fn convert(value: &Value, target: Target) -> Result<Value> {
    Ok(match target {
        Target::Int8 => Value::Int8(integer(value, Integer::Int8)? as i8),
        Target::Int16 => Value::Int16(integer(value, Integer::Int16)? as i16),
        Target::Int32 => Value::Int32(integer(value, Integer::Int32)? as i32),
        Target::Int64 => Value::Int64(integer(value, Integer::Int64)?),
        Target::Float32 => Value::Float32(match value {
            Value::Float32(number) => *number,
            Value::Decimal(number) => number.to_f32(),
            Value::String(text) => parse_f32(text)?,
            Value::Float64(number) => *number as f32,
            other => whole(other)? as f32,
        }),
        Target::Float64 => Value::Float64(match value {
            Value::Float32(number) => f64::from(*number),
            Value::Decimal(number) => number.to_f64(),
            Value::String(text) => parse_f64(text)?,
            Value::Float64(number) => *number,
            other => whole(other)? as f64,
        }),
        Target::Boolean => Value::Boolean(match value {
            Value::String(text) => text.eq_ignore_ascii_case("true"),
            other => integer(other, Integer::Int64)? != 0,
        }),
        Target::String => Value::String(text_of(value)),
    })
}

/// The number as an integer that is still to be cut to its type. Floats go by way of int to the smaller types, as Java's
/// `Double.byteValue` does.
fn integer(value: &Value, kind: Integer) -> Result<i64> {
    let narrow = kind != Integer::Int64;
    Ok(match value {
        Value::Float32(number) if narrow => i64::from(*number as i32),
        Value::Float32(number) => *number as i64,
        Value::Float64(number) if narrow => i64::from(*number as i32),
        Value::Float64(number) => *number as i64,
        Value::Decimal(number) => number.to_i64_wrapping(),
        Value::String(text) => parse_integer(text, kind)?,
        other => whole(other)?,
    })
}

fn whole(value: &Value) -> Result<i64> {
    Ok(match value {
        Value::Boolean(flag) => i64::from(*flag),
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        other => return Err(unexpected(other)),
    })
}

fn unexpected(value: &Value) -> Error {
    exception::data(format!("Unexpected type in Cast transformation: class {}", value.java_class()))
}

/// The text of a value: ISO 8601 for dates, base64 for bytes, else Java's.
fn text_of(value: &Value) -> Text {
    let mut out = Vec::new();
    match value {
        Value::String(text) => return text.clone(),
        Value::Date(millis) => append_date(*millis, &mut out),
        Value::Bytes(bytes) => return Text::from(STANDARD.encode(bytes)),
        other => append_value(other, &mut out),
    }
    Text::from_utf8_lossy(out.into())
}
