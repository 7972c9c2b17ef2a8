//! From a JSON tree to values, step by step as Connect does it.

use std::sync::Arc;

use bytes::Bytes;
use raccord_data::java_map::LinkedEntries;
use raccord_data::{Decimal, Field, Schema, Struct, Text, Type, Value, java_order, logical};
use raccord_plugin::{Error, Result};

use super::encode::decimal_scale;
use super::node::Node;
use super::{Settings, base64};
use raccord_data::java_text::DAY_MS;

/// Converts a node to a value of the schema. `None` stands for a field that is missing.
///
/// # Errors
/// When the node does not fit the schema, in Connect's words.
pub(super) fn to_value(
    schema: Option<&Arc<Schema>>,
    node: Option<&Node>,
    settings: &Settings,
) -> Result<Value> {
    let Some(schema) = schema else { return Ok(schemaless(node.unwrap_or(&Node::Null))) };
    let node = match node {
        Some(node) if !matches!(node, Node::Null) => node,
        _ => {
            return match &schema.default {
                Some(default) if settings.replace_null => Ok(default.clone()),
                _ if schema.optional => Ok(Value::Null),
                _ => Err(null_for_required(schema)),
            };
        }
    };
    match schema.name.as_deref() {
        Some(logical::DECIMAL) => return to_decimal(schema, node),
        Some(logical::DATE) => return to_date(node),
        Some(logical::TIME) => return to_time(node),
        Some(logical::TIMESTAMP) => return to_timestamp(node),
        _ => {}
    }
    Ok(match &schema.ty {
        Type::Boolean => Value::Boolean(matches!(node, Node::Boolean(true))),
        Type::Int8 => Value::Int8(node.long_value() as i8),
        Type::Int16 => Value::Int16(node.long_value() as i16),
        Type::Int32 => Value::Int32(node.long_value() as i32),
        Type::Int64 => Value::Int64(node.long_value()),
        Type::Float32 => Value::Float32(node.float_value()),
        Type::Float64 => Value::Float64(node.double_value()),
        Type::String => node.text().map_or(Value::Null, |text| Value::String(text.clone())),
        Type::Bytes => match node.text() {
            Some(text) => Value::Bytes(
                binary(text).map_err(|cause| Error::record("Invalid bytes field").caused_by(cause))?,
            ),
            None => Value::Null,
        },
        Type::Array(items) => Value::Array(
            node.children().map(|item| to_value(Some(items), Some(item), settings)).collect::<Result<_>>()?,
        ),
        Type::Map(key, value) => to_map(key, value, node, settings)?,
        Type::Struct(fields) => to_struct(schema, fields, node, settings)?,
    })
}

pub(super) fn null_for_required(schema: &Schema) -> Error {
    Error::record(format!("Invalid null value for required {} field", schema.ty.java_name()))
}

fn schemaless(node: &Node) -> Value {
    match node {
        Node::Missing | Node::Null => Value::Null,
        Node::Boolean(flag) => Value::Boolean(*flag),
        Node::Int(_) | Node::Long(_) | Node::Big(_) => Value::Int64(node.long_value()),
        Node::Decimal(_) => Value::Float64(node.double_value()),
        Node::Text(text) => Value::String(text.clone()),
        Node::Array(items) => Value::Array(items.iter().map(schemaless).collect()),
        Node::Object(fields) => {
            let entries = fields.iter().map(|(key, value)| (Value::String(key.clone()), schemaless(value)));
            Value::Map(in_hash_order(entries.collect()))
        }
    }
}

/// Orders unique entries as a `HashMap` that was filled in this order iterates over them.
pub(super) fn in_hash_order(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut hashed: Vec<_> =
        entries.into_iter().map(|entry| (java_order::value_hash(&entry.0), entry)).collect();
    java_order::sort_by_hash(&mut hashed, |(hash, _)| *hash, 16);
    hashed.into_iter().map(|(_, entry)| entry).collect()
}

fn to_map(key: &Arc<Schema>, value: &Arc<Schema>, node: &Node, settings: &Settings) -> Result<Value> {
    if matches!(key.ty, Type::String) {
        let Node::Object(fields) = node else {
            return Err(Error::record(format!(
                "Maps with string fields should be encoded as JSON objects, but found {}",
                node.kind()
            )));
        };
        let mut entries = Vec::with_capacity(fields.len());
        for (name, node) in fields {
            entries.push((Value::String(name.clone()), to_value(Some(value), Some(node), settings)?));
        }
        return Ok(Value::Map(in_hash_order(entries)));
    }
    let Node::Array(pairs) = node else {
        return Err(Error::record(format!(
            "Maps with non-string fields should be encoded as JSON array of tuples, but found {}",
            node.kind()
        )));
    };
    let mut entries = LinkedEntries::default();
    for pair in pairs {
        let Node::Array(pair) = pair else {
            let kind = pair.kind();
            return Err(Error::record(format!("Found invalid map entry instead of array tuple: {kind}")));
        };
        let [key_node, value_node] = &pair[..] else {
            return Err(Error::record(format!(
                "Found invalid map entry, expected length 2 but found :{}",
                pair.len()
            )));
        };
        let key = to_value(Some(key), Some(key_node), settings)?;
        let value = to_value(Some(value), Some(value_node), settings)?;
        entries.put(key, value);
    }
    Ok(Value::Map(in_hash_order(entries.into_vec())))
}

fn to_struct(schema: &Arc<Schema>, fields: &[Field], node: &Node, settings: &Settings) -> Result<Value> {
    let Node::Object(_) = node else {
        let kind = node.kind();
        return Err(Error::record(format!("Structs should be encoded as JSON objects, but found {kind}")));
    };
    let mut cells = Vec::with_capacity(fields.len());
    for field in fields {
        let cell = to_value(Some(&field.schema), node.get(&field.name), settings)?;
        check_value(&field.schema, &cell, &|| format!("field: \"{}\"", field.name))?;
        cells.push(cell);
    }
    Ok(Struct::new(Arc::clone(schema), cells).into())
}

/// Checks a converted value as Connect does before it puts it into a struct. What conversion gives is of the right
/// class, so only nulls can be wrong.
pub(super) fn check_value(schema: &Schema, value: &Value, place: &dyn Fn() -> String) -> Result<()> {
    match (&schema.ty, value) {
        (_, Value::Null) if !schema.optional => Err(Error::record(format!(
            "Invalid value: null used for required {}, schema type: {}",
            place(),
            schema.ty.java_name()
        ))),
        (Type::Array(items), Value::Array(values)) => values
            .iter()
            .try_for_each(|value| check_value(items, value, &|| format!("element of array {}", place()))),
        (Type::Map(key_schema, value_schema), Value::Map(entries)) => {
            entries.iter().try_for_each(|(key, value)| {
                check_value(key_schema, key, &|| format!("key of map {}", place()))?;
                check_value(value_schema, value, &|| format!("value of map {}", place()))
            })
        }
        _ => Ok(()),
    }
}

fn binary(text: &Text) -> Result<Bytes> {
    base64::decode(text).map(Bytes::from).map_err(|reason| {
        Error::record(format!(
            "Cannot access contents of TextNode as binary due to broken Base64 encoding: {reason}"
        ))
        .class("com.fasterxml.jackson.databind.exc.InvalidFormatException")
    })
}

fn to_decimal(schema: &Schema, node: &Node) -> Result<Value> {
    if let Some(decimal) = node.decimal_value() {
        return Ok(Value::Decimal(Box::new(decimal)));
    }
    let Some(text) = node.text() else {
        return Err(Error::record(format!(
            "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
            node.kind()
        )));
    };
    let unscaled = || {
        let bytes = binary(text)?;
        if bytes.is_empty() {
            return Err(Error::record("Zero length BigInteger").class("java.lang.NumberFormatException"));
        }
        Ok(Decimal::from_be_bytes(&bytes, decimal_scale(schema)?))
    };
    let decimal =
        unscaled().map_err(|cause| Error::record("Invalid bytes for Decimal field").caused_by(cause))?;
    Ok(Value::Decimal(Box::new(decimal)))
}

fn to_date(node: &Node) -> Result<Value> {
    match node {
        Node::Int(days) => Ok(Value::Date(i64::from(*days) * DAY_MS)),
        _ => Err(not_integer("Date", "integer", node)),
    }
}

fn to_time(node: &Node) -> Result<Value> {
    let Node::Int(millis) = node else { return Err(not_integer("Time", "integer", node)) };
    if !(0..=DAY_MS).contains(&i64::from(*millis)) {
        return Err(Error::record(
            "Time values must use number of milliseconds greater than 0 and less than 86400000",
        ));
    }
    Ok(Value::Date(i64::from(*millis)))
}

fn to_timestamp(node: &Node) -> Result<Value> {
    match node {
        Node::Int(_) | Node::Long(_) | Node::Big(_) => Ok(Value::Date(node.long_value())),
        _ => Err(not_integer("Timestamp", "integral", node)),
    }
}

fn not_integer(name: &str, expected: &str, node: &Node) -> Error {
    Error::record(format!(
        "Invalid type for {name}, underlying representation should be {expected} but was {}",
        node.kind()
    ))
}
