//! `MaskField`: puts zero, empty text and the like, or a replacement, in the place of what must not be seen.

use std::sync::Arc;

use raccord_config::{Config, Validator};
use raccord_data::java_map::HashEntries;
use raccord_data::{Decimal, Record, Schema, Text, Value, java_order};
use raccord_plugin::{Error, Result, Transform};

use super::numbers::parse_decimal;
use crate::part::{Part, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(MaskField, MaskFieldConfig, "MaskField");

const PURPOSE: &str = "mask fields";

#[derive(Debug, Config)]
struct MaskFieldConfig {
    /// The names of the fields to mask.
    #[config(importance = High, validator = Validator::list_without_duplicates(false, false))]
    fields: Vec<String>,
    /// What stands in the place of numbers and texts. Not set: 0, false, empty text, an empty list.
    #[config(importance = Low, validator = Validator::non_empty())]
    replacement: Option<String>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

struct MaskField {
    part: Part,
    /// In the order of a `HashSet`.
    fields: Vec<String>,
    mask: Mask,
    with_default: bool,
    places: SchemaCache<Vec<usize>>,
}

/// What a value becomes.
enum Mask {
    Zero,
    Replacement { text: Text, number: Result<Decimal, Error> },
}

impl MaskField {
    fn new(config: MaskFieldConfig, part: Part) -> Result<Self> {
        let mut fields = config.fields;
        // HashSet(Collection) makes room for the entries at a load of three quarters.
        let slots = ((fields.len() as f32 / 0.75) as usize + 1).max(16);
        java_order::sort_with_capacity(&mut fields, |name| name, slots);
        let mask = match config.replacement {
            None => Mask::Zero,
            Some(text) => Mask::Replacement { number: parse_decimal(&text), text: text.into() },
        };
        let with_default = config.replace_null_with_default;
        Ok(Self { part, fields, mask, with_default, places: SchemaCache::default() })
    }
}

impl Transform for MaskField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let (schema, value) = self.part.both(&mut record);
        if schema.is_none() {
            let mut entries = HashEntries::copy_of(take_map(value, PURPOSE)?);
            for field in &self.fields {
                let masked = self.mask.of(entries.get(field).unwrap_or(&Value::Null))?;
                entries.put(field, masked);
            }
            *value = entries.into_map();
            return Ok(Some(record));
        }
        let value = require_struct_mut(value, PURPOSE)?;
        let schema = Arc::clone(value.schema());
        let fields = &self.fields;
        let places = self.places.get(&schema, |schema| Ok(places(schema, fields)))?;
        let mut next = places.iter().peekable();
        for (place, (field, cell)) in schema.fields().iter().zip(value.cells_mut()).enumerate() {
            if self.with_default {
                fit::fill_default(&field.schema, cell);
            }
            if next.next_if_eq(&&place).is_some() {
                *cell = self.mask.of(cell)?;
            }
            fit::check_field(field, cell)?;
        }
        Ok(Some(record))
    }
}

/// The places of the fields to mask, in the order of the schema.
fn places(schema: &Schema, names: &[String]) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    fields
        .filter(|(_, field)| names.iter().any(|name| **name == *field.name))
        .map(|(place, _)| place)
        .collect()
}

impl Mask {
    fn of(&self, value: &Value) -> Result<Value> {
        match self {
            _ if value.is_null() => Ok(Value::Null),
            Self::Zero => zero(value),
            Self::Replacement { text, number } => replacement(value, text, number),
        }
    }
}

fn zero(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Boolean(_) => Value::Boolean(false),
        Value::Int8(_) => Value::Int8(0),
        Value::Int16(_) => Value::Int16(0),
        Value::Int32(_) => Value::Int32(0),
        Value::Int64(_) => Value::Int64(0),
        Value::Float32(_) => Value::Float32(0.0),
        Value::Float64(_) => Value::Float64(0.0),
        Value::String(_) => Value::String(Text::from_static("")),
        Value::Decimal(_) => Value::Decimal(Box::new(Decimal::new(0.into(), 0))),
        Value::Date(_) => Value::Date(0),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Map(_) => Value::Map(Vec::new()),
        Value::Bytes(_) | Value::Struct(_) => {
            return Err(exception::data(format!("Cannot mask value of type: class {}", value.java_class())));
        }
    })
}

/// The replacement in the type of the value. Numbers are cut to that type, as Java's casts do it.
fn replacement(value: &Value, text: &Text, number: &Result<Decimal, Error>) -> Result<Value> {
    if let Value::String(_) = value {
        return Ok(Value::String(text.clone()));
    }
    let number = || match number {
        Ok(number) => Ok(number),
        Err(reason) => Err(exception::number_format(reason.message())),
    };
    // Integers and floats are read by one function in Connect, decimals by another: so are the messages.
    let plain = || {
        number().map_err(|reason| {
            let message = format!("Unable to convert {text} (class java.lang.String) to a number");
            exception::data(message).caused_by(reason)
        })
    };
    Ok(match value {
        Value::Int8(_) => Value::Int8(plain()?.to_i64_wrapping() as i8),
        Value::Int16(_) => Value::Int16(plain()?.to_i64_wrapping() as i16),
        Value::Int32(_) => Value::Int32(plain()?.to_i64_wrapping() as i32),
        Value::Int64(_) => Value::Int64(plain()?.to_i64_wrapping()),
        Value::Float32(_) => Value::Float32(plain()?.to_f64() as f32),
        Value::Float64(_) => Value::Float64(plain()?.to_f64()),
        Value::Decimal(_) => Value::Decimal(Box::new(
            number()
                .map_err(|reason| {
                    let message = format!("Unable to convert {text} (class java.lang.String) to number");
                    exception::data(message).caused_by(reason)
                })?
                .clone(),
        )),
        _ => {
            let class = value.java_class();
            return Err(exception::data(format!(
                "Cannot mask value of type class {class} with custom replacement."
            )));
        }
    })
}
