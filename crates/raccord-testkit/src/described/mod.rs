//! Values, schemas and errors as JSON that says everything about them, as the programs that ask the real Kafka Connect
//! write and read them; the form is explained in `parity/java/Description.java`.

#![allow(
    clippy::unwrap_used,
    reason = "a recording or a scenario in another form fails the test that reads it"
)]

mod settle;

use std::error::Error as _;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use raccord_data::java_text::{append_f32, append_f64};
use raccord_data::{Decimal, Schema, Struct, Text, Type, Value};
use raccord_plugin::{Error, SchemaAndValue};
use serde_json::{Map, Value as Json, json};

pub use settle::{byte_arrays, collections, each_object, each_text, numbers, rounded};

/// Reads `{"text": …}`, `{"base64": …}` or null.
pub fn read_bytes(json: &Json) -> Option<Bytes> {
    if let Some(text) = json.get("text") {
        return Some(Bytes::from(text.as_str().unwrap().to_owned()));
    }
    json.get("base64").map(|text| Bytes::from(STANDARD.decode(text.as_str().unwrap()).unwrap()))
}

/// Bytes as text when they are UTF-8, else as base64.
pub fn show_bytes(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// `{"class", "message", "cause"}`.
pub fn show_error(error: &Error) -> Json {
    let mut shown = json!({ "class": error.java_class(), "message": error.message() });
    if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<Error>()) {
        shown["cause"] = show_error(cause);
    }
    shown
}

/// Reads `{"schema", "value"}`.
pub fn read_pair(json: &Json) -> SchemaAndValue {
    let schema = read_schema(&json["schema"]);
    let value = read_value(&json["value"], schema.as_ref());
    SchemaAndValue { schema, value }
}

fn read_schema(json: &Json) -> Option<Arc<Schema>> {
    let json = json.as_object()?;
    let inner = |key: &str| read_schema(&json[key]).unwrap_or_else(Schema::unknown);
    let ty = match json["type"].as_str().unwrap() {
        "boolean" => Type::Boolean,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float32" => Type::Float32,
        "float64" => Type::Float64,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "array" => Type::Array(inner("items")),
        "map" => Type::Map(inner("keys"), inner("values")),
        "struct" => {
            let fields = json["fields"].as_array().unwrap().iter();
            let field = |field: &Json| {
                (field["name"].as_str().unwrap().to_owned(), read_schema(&field["schema"]).unwrap())
            };
            return Some(annotate(Schema::structure(fields.map(field)), json));
        }
        other => panic!("unknown type {other}"),
    };
    Some(annotate(Schema::of(ty), json))
}

fn annotate(mut builder: raccord_data::SchemaBuilder, json: &Map<String, Json>) -> Arc<Schema> {
    if json.contains_key("optional") {
        builder = builder.optional();
    }
    if let Some(name) = json.get("name") {
        builder = builder.name(name.as_str().unwrap());
    }
    if let Some(version) = json.get("version") {
        builder = builder.version(version.as_i64().unwrap() as i32);
    }
    if let Some(doc) = json.get("doc") {
        builder = builder.doc(doc.as_str().unwrap());
    }
    if let Some(parameters) = json.get("parameters") {
        for (key, value) in parameters.as_object().unwrap() {
            builder = builder.parameter(key.as_str(), value.as_str().unwrap());
        }
    }
    let Some(default) = json.get("default").filter(|default| !default.is_null()) else {
        return builder.build();
    };
    let schema = builder.build();
    let default = read_value(default, Some(&schema));
    Arc::new(Schema { default: Some(default), ..Arc::unwrap_or_clone(schema) })
}

fn read_value(json: &Json, schema: Option<&Arc<Schema>>) -> Value {
    let Some((kind, json)) = json.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    let (items, keys, values) = match schema.map(|schema| &schema.ty) {
        Some(Type::Array(items)) => (Some(items), None, None),
        Some(Type::Map(keys, values)) => (None, Some(keys), Some(values)),
        _ => (None, None, None),
    };
    let array = || json.as_array().unwrap().iter();
    let text = || json.as_str().unwrap();
    let number = || json.as_i64().unwrap();
    match kind.as_str() {
        "boolean" => Value::Boolean(json.as_bool().unwrap()),
        "int8" => Value::Int8(number() as i8),
        "int16" => Value::Int16(number() as i16),
        "int32" => Value::Int32(number() as i32),
        "int64" => Value::Int64(number()),
        "float32" => Value::Float32(read_number(text()) as f32),
        "float64" => Value::Float64(read_number(text())),
        "string" => Value::String(Text::from(text())),
        "bytes" | "buffer" => Value::Bytes(STANDARD.decode(text()).unwrap().into()),
        "decimal" => {
            let unscaled = json["unscaled"].as_str().unwrap().parse().unwrap();
            Value::Decimal(Box::new(Decimal::new(unscaled, json["scale"].as_i64().unwrap() as i32)))
        }
        "date_ms" => Value::Date(number()),
        "array" => Value::Array(array().map(|item| read_value(item, items)).collect()),
        "map" => Value::Map(
            array().map(|pair| (read_value(&pair[0], keys), read_value(&pair[1], values))).collect(),
        ),
        "struct" => read_struct(json, schema),
        other => panic!("unknown kind of value {other}"),
    }
}

fn read_number(text: &str) -> f64 {
    match text {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

/// A struct of the schema, or of one that is made up where the fields are others.
fn read_struct(json: &Json, schema: Option<&Arc<Schema>>) -> Value {
    let pairs = json.as_array().unwrap();
    let names: Vec<_> = pairs.iter().map(|pair| pair[0].as_str().unwrap()).collect();
    let has_these = |schema: &&Arc<Schema>| {
        let fields = schema.fields();
        fields.len() == names.len() && fields.iter().zip(&names).all(|(field, name)| *field.name == **name)
    };
    let schema = schema.filter(has_these).cloned().unwrap_or_else(|| {
        Schema::structure(names.iter().map(|name| (*name, Schema::of(Type::Int32).build()))).build()
    });
    let fields = schema.fields().iter();
    let cells: Vec<_> =
        fields.zip(pairs).map(|(field, pair)| read_value(&pair[1], Some(&field.schema))).collect();
    Struct::new(schema, cells).into()
}

/// The value with its schema.
pub fn show_pair(pair: &SchemaAndValue) -> Json {
    let schema = pair.schema.as_ref().map_or(Json::Null, show_schema);
    let mut depth = 0;
    let mut inner = Some(&pair.value);
    while let Some(Value::Array(items)) = inner {
        depth += 1;
        inner = items.first();
    }
    let value = if depth > 40 { json!({ "array_depth": depth }) } else { show_value(&pair.value) };
    json!({ "schema": schema, "value": value })
}

fn show_schema(schema: &Arc<Schema>) -> Json {
    if schema.is_unknown() {
        return Json::Null;
    }
    let mut shown = Map::new();
    shown.insert("type".to_owned(), json!(schema.ty.java_name().to_lowercase()));
    if schema.optional {
        shown.insert("optional".to_owned(), json!(true));
    }
    if let Some(name) = &schema.name {
        shown.insert("name".to_owned(), json!(&**name));
    }
    if let Some(version) = schema.version {
        shown.insert("version".to_owned(), json!(version));
    }
    if let Some(doc) = &schema.doc {
        shown.insert("doc".to_owned(), json!(&**doc));
    }
    if !schema.parameters.is_empty() {
        let parameters: Map<_, _> =
            schema.parameters.iter().map(|(key, value)| (key.to_string(), json!(&**value))).collect();
        shown.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(default) = &schema.default {
        shown.insert("default".to_owned(), show_value(default));
    }
    match &schema.ty {
        Type::Array(items) => {
            shown.insert("items".to_owned(), show_schema(items));
        }
        Type::Map(keys, values) => {
            shown.insert("keys".to_owned(), show_schema(keys));
            shown.insert("values".to_owned(), show_schema(values));
        }
        Type::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| json!({ "name": &*field.name, "schema": show_schema(&field.schema) }));
            shown.insert("fields".to_owned(), fields.collect());
        }
        _ => {}
    }
    shown.into()
}

fn show_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(flag) => json!({ "boolean": flag }),
        Value::Int8(number) => json!({ "int8": number }),
        Value::Int16(number) => json!({ "int16": number }),
        Value::Int32(number) => json!({ "int32": number }),
        Value::Int64(number) => json!({ "int64": number }),
        Value::Float32(number) => json!({ "float32": java_text(|out| append_f32(*number, out)) }),
        Value::Float64(number) => json!({ "float64": java_text(|out| append_f64(*number, out)) }),
        Value::String(text) => json!({ "string": text.as_str() }),
        Value::Bytes(bytes) => json!({ "bytes": STANDARD.encode(bytes) }),
        Value::Decimal(decimal) => {
            json!({ "decimal": { "unscaled": decimal.unscaled.to_string(), "scale": decimal.scale } })
        }
        Value::Date(millis) => json!({ "date_ms": millis }),
        Value::Array(items) => json!({ "array": items.iter().map(show_value).collect::<Vec<_>>() }),
        Value::Map(entries) => {
            let show = |(key, value): &(Value, Value)| json!([show_value(key), show_value(value)]);
            json!({ "map": entries.iter().map(show).collect::<Vec<_>>() })
        }
        Value::Struct(value) => {
            let cells = value.schema().fields().iter().zip(value.cells());
            let show =
                |(field, cell): (&raccord_data::Field, &Value)| json!([&*field.name, show_value(cell)]);
            json!({ "struct": cells.map(show).collect::<Vec<_>>() })
        }
    }
}

/// What one of the appending functions of `java_text` appends.
pub fn java_text(append: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    append(&mut out);
    String::from_utf8(out).unwrap()
}
