//! Random records: schemas of all types, values that fit them (and sometimes lack what is required), maps without schemas.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json, json};

/// Names of fields: few, so that transforms meet them.
pub(super) const NAMES: &[&str] = &["a", "b", "c", "id", "name", "ts", "x.y", "é"];

const DAY_MS: i64 = 86_400_000;
const LOGICAL: &str = "org.apache.kafka.connect.data.";

/// One of several.
pub(super) fn pick<'a, T>(rng: &mut StdRng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

/// Some records, of one or two schemas.
pub(super) fn records(rng: &mut StdRng) -> Vec<Json> {
    let (value_schemas, key_schemas) = ([side(rng), side(rng)], [side(rng), side(rng)]);
    let count = rng.random_range(1..5);
    let record = |_| {
        let mut record = Map::new();
        if rng.random_bool(0.7) {
            record.insert("topic".to_owned(), json!(pick(rng, &["topic", "topic-12", "db.public.t", "a"])));
        }
        if rng.random_bool(0.4) {
            record.insert("partition".to_owned(), json!(rng.random_range(0..3)));
        }
        if rng.random_bool(0.7) {
            record.insert("timestamp".to_owned(), json!(millis(rng)));
        }
        if rng.random_bool(0.2) {
            record.insert("kafka_offset".to_owned(), json!(rng.random_range(0..1i64 << 40)));
        }
        if rng.random_bool(0.6) {
            let side = pick(rng, &key_schemas).clone();
            record.insert("key".to_owned(), data(rng, &side));
        }
        if rng.random_bool(0.95) {
            let side = pick(rng, &value_schemas).clone();
            record.insert("value".to_owned(), data(rng, &side));
        }
        let headers: Vec<Json> = (0..rng.random_range(0..3)).map(|_| header(rng)).collect();
        if !headers.is_empty() {
            record.insert("headers".to_owned(), headers.into());
        }
        Json::Object(record)
    };
    (0..count).map(record).collect()
}

fn header(rng: &mut StdRng) -> Json {
    let side = if rng.random_bool(0.5) { Side::Schema(scalar_schema(rng)) } else { Side::Json };
    json!({ "key": pick(rng, NAMES), "value": data(rng, &side) })
}

/// What keys or values of a topic are.
#[derive(Clone)]
enum Side {
    Schema(Json),
    /// Values of any class without a schema.
    Typed,
    /// What comes of JSON without schemas.
    Json,
}

fn side(rng: &mut StdRng) -> Side {
    match rng.random_range(0..10) {
        0..=5 => Side::Schema(struct_schema(rng, 2)),
        6 => Side::Schema(schema(rng, 1)),
        7 => Side::Typed,
        _ => Side::Json,
    }
}

fn data(rng: &mut StdRng, side: &Side) -> Json {
    match side {
        Side::Schema(schema) => {
            let optional = schema["optional"] == true;
            let value = if optional && rng.random_bool(0.2) { Json::Null } else { value(rng, schema) };
            json!({ "typed": { "schema": schema, "value": value } })
        }
        Side::Typed => {
            let value = if rng.random_bool(0.8) { any_map(rng, 2) } else { any(rng, 1) };
            json!({ "typed": { "schema": null, "value": value } })
        }
        Side::Json if rng.random_bool(0.8) => plain_object(rng, 2),
        Side::Json => plain(rng, 1),
    }
}

// ---- schemas -----------------------------------------------------------------------------------------------------

const SCALARS: &[&str] =
    &["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string", "string", "bytes"];

fn scalar_schema(rng: &mut StdRng) -> Json {
    let schema = match rng.random_range(0..14) {
        0 => logical("int32", "Date"),
        1 => logical("int32", "Time"),
        2 | 3 => logical("int64", "Timestamp"),
        4 => {
            let mut schema = logical("bytes", "Decimal");
            schema["parameters"] = json!({ "scale": "2" });
            schema
        }
        _ => json!({ "type": pick(rng, SCALARS) }),
    };
    decorated(rng, schema)
}

fn logical(ty: &str, name: &str) -> Json {
    json!({ "type": ty, "name": format!("{LOGICAL}{name}"), "version": 1 })
}

fn schema(rng: &mut StdRng, depth: u32) -> Json {
    match rng.random_range(0..10) {
        0 if depth > 0 => {
            let items = schema(rng, depth - 1);
            decorated(rng, json!({ "type": "array", "items": items }))
        }
        1 if depth > 0 => {
            let values = schema(rng, depth - 1);
            decorated(rng, json!({ "type": "map", "keys": { "type": "string" }, "values": values }))
        }
        2 | 3 if depth > 0 => struct_schema(rng, depth - 1),
        _ => scalar_schema(rng),
    }
}

pub(super) fn struct_schema(rng: &mut StdRng, depth: u32) -> Json {
    let start = rng.random_range(0..NAMES.len());
    let count = rng.random_range(1..6);
    let fields: Vec<Json> = (0..count)
        .map(|index| json!({ "name": NAMES[(start + index) % NAMES.len()], "schema": schema(rng, depth) }))
        .collect();
    decorated(rng, json!({ "type": "struct", "fields": fields }))
}

/// Adds what any schema may have.
fn decorated(rng: &mut StdRng, mut schema: Json) -> Json {
    if rng.random_bool(0.4) {
        schema["optional"] = json!(true);
    }
    if schema.get("name").is_none() && rng.random_bool(0.2) {
        schema["name"] = json!("com.example.Thing");
        schema["version"] = json!(3);
    }
    if rng.random_bool(0.1) {
        schema["doc"] = json!("what it is");
    }
    if schema.get("parameters").is_none() && rng.random_bool(0.1) {
        schema["parameters"] = json!({ "z": "1", "p": "2" });
    }
    // A struct as a default has a schema that is not quite the field's in Java.
    if schema["type"] != "struct" && rng.random_bool(0.25) {
        schema["default"] = value(rng, &schema);
    }
    schema
}

// ---- values ------------------------------------------------------------------------------------------------------

pub(super) fn value(rng: &mut StdRng, schema: &Json) -> Json {
    match schema["name"].as_str().and_then(|name| name.strip_prefix(LOGICAL)) {
        Some("Date") => return json!({ "date_ms": rng.random_range(-20_000..40_000) * DAY_MS }),
        Some("Time") => return json!({ "date_ms": rng.random_range(0..DAY_MS) }),
        Some("Timestamp") => return json!({ "date_ms": millis(rng) }),
        Some(_) => {
            return json!({ "decimal": { "unscaled": rng.random_range(-99_999..99_999i64).to_string(), "scale": 2 } });
        }
        None => {}
    }
    match schema["type"].as_str().unwrap_or_default() {
        "array" => {
            let items = (0..rng.random_range(0..3)).map(|_| field_value(rng, &schema["items"], 0.05));
            json!({ "array": items.collect::<Vec<_>>() })
        }
        "map" => {
            let entries = (0..rng.random_range(0..3))
                .map(|index| json!([{ "string": NAMES[index] }, field_value(rng, &schema["values"], 0.05)]));
            json!({ "map": entries.collect::<Vec<_>>() })
        }
        "struct" => {
            let fields = schema["fields"].as_array().into_iter().flatten();
            let cells = fields.map(|field| json!([field["name"], field_value(rng, &field["schema"], 0.03)]));
            json!({ "struct": cells.collect::<Vec<_>>() })
        }
        ty => scalar(rng, ty),
    }
}

/// A value, or null: often where it is allowed, rarely where it is not.
fn field_value(rng: &mut StdRng, schema: &Json, missing: f64) -> Json {
    let nullable = schema["optional"] == true || schema.get("default").is_some();
    // A list or map does not take what its schema does not allow.
    let missing = if missing < 0.05 { missing } else { 0.0 };
    if rng.random_bool(if nullable && (missing > 0.0 || schema["optional"] == true) { 0.3 } else { missing })
    {
        return Json::Null;
    }
    value(rng, schema)
}

fn scalar(rng: &mut StdRng, ty: &str) -> Json {
    const DOUBLES: &[&str] = &["0.1", "1.0E10", "-0.0", "3.4E38", "123456.789", "NaN", "1.5", "-300.75"];
    const TEXTS: &[&str] =
        &["", "text", "12", "true", "-1.5", "2026-01-31", "2026-01-31 12:34:56", "é€", "a.b", "999"];
    match ty {
        "boolean" => json!({ "boolean": rng.random_bool(0.5) }),
        "int8" => json!({ "int8": rng.random::<i8>() }),
        "int16" => json!({ "int16": rng.random::<i16>() }),
        "int32" => json!({ "int32": rng.random::<i32>() }),
        "int64" => json!({ "int64": millis(rng) }),
        "float32" => json!({ "float32": pick(rng, &["0.1", "1.0E10", "-0.0", "1.5", "-300.75", "NaN"]) }),
        "float64" => json!({ "float64": pick(rng, DOUBLES) }),
        "bytes" => {
            let bytes: Vec<u8> = (0..rng.random_range(0..4)).map(|_| rng.random()).collect();
            json!({ "bytes": STANDARD.encode(bytes) })
        }
        _ => json!({ "string": pick(rng, TEXTS) }),
    }
}

fn millis(rng: &mut StdRng) -> i64 {
    match rng.random_range(0..5) {
        0 => rng.random_range(-10..10),
        1 => rng.random_range(-30_000..60_000) * DAY_MS,
        2 => -rng.random_range(0..1i64 << 45),
        _ => rng.random_range(0..1i64 << 41),
    }
}

/// A value of any class.
fn any(rng: &mut StdRng, depth: u32) -> Json {
    match rng.random_range(0..12) {
        0 => Json::Null,
        1 if depth > 0 => any_map(rng, depth - 1),
        2 if depth > 0 => {
            let items = (0..rng.random_range(0..3)).map(|_| any(rng, depth - 1));
            json!({ "array": items.collect::<Vec<_>>() })
        }
        3 => json!({ "date_ms": millis(rng) }),
        4 => json!({ "decimal": { "unscaled": "12345", "scale": 3 } }),
        _ => {
            let ty = pick(rng, SCALARS);
            scalar(rng, ty)
        }
    }
}

fn any_map(rng: &mut StdRng, depth: u32) -> Json {
    let start = rng.random_range(0..NAMES.len());
    let entries = (0..rng.random_range(0..6))
        .map(|index| json!([{ "string": NAMES[(start + index) % NAMES.len()] }, any(rng, depth)]));
    json!({ "map": entries.collect::<Vec<_>>() })
}

fn plain(rng: &mut StdRng, depth: u32) -> Json {
    match rng.random_range(0..8) {
        0 => Json::Null,
        1 => json!(rng.random_bool(0.5)),
        2 => json!(pick(rng, &[0.5, -2.25, 1e10])),
        3 if depth > 0 => plain_object(rng, depth - 1),
        4 if depth > 0 => (0..rng.random_range(0..3)).map(|_| plain(rng, depth - 1)).collect(),
        5 => json!(pick(rng, &["text", "12", "2026-01-31", ""])),
        _ => json!(millis(rng)),
    }
}

/// An object that is not taken for anything else.
fn plain_object(rng: &mut StdRng, depth: u32) -> Json {
    let start = rng.random_range(0..NAMES.len());
    let entries = (0..rng.random_range(0..8))
        .map(|index| (NAMES[(start + index) % NAMES.len()].to_owned(), plain(rng, depth)));
    Json::Object(entries.collect())
}
