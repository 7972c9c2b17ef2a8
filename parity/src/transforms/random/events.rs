//! Random rows of outbox tables, logical messages, tables with described columns, and conditions about events: what
//! Debezium's more particular transforms are for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json, json};

use super::conditions;
use super::data::pick;

/// A key, how often it is given (in percent), and its values.
type Key = (&'static str, u32, &'static [&'static str]);

const FLAG: &[&str] = &["true", "false"];

const EVENT_ROUTER: &[Key] = &[
    ("table.field.event.id", 15, &["eid", "type", "nothing"]),
    ("table.field.event.key", 20, &["type", "version", "nothing"]),
    ("table.field.event.payload", 15, &["payload2", "type", "nothing"]),
    ("table.field.event.timestamp", 30, &["ts", "ts", "version", "nothing"]),
    ("table.field.event.schema.version", 20, &["version"]),
    (
        "table.fields.additional.placement",
        60,
        &[
            "type:header",
            "type:envelope",
            "version:header:v,type:header:eventType",
            "type:envelope:kind, version:envelope",
            "version:partition",
            "type:header,nothing:header",
            "payload2:envelope:more",
            "type",
            "type:Header:x:y",
        ],
    ),
    ("table.fields.additional.error.on.missing", 30, FLAG),
    ("table.op.invalid.behavior", 30, &["warn", "error", "fatal", "WARN"]),
    ("table.expand.json.payload", 50, FLAG),
    ("table.json.payload.null.behavior", 40, &["ignore", "optional_bytes"]),
    ("route.by.field", 20, &["type", "nothing", "version"]),
    ("route.topic.regex", 30, &["(?<routedByValue>.*)", "(?<first>[a-z]+)(.*)", "o(.*)", "none"]),
    (
        "route.topic.replacement",
        30,
        &["out.${routedByValue}", "x-$1", "${first}s", "fixed", "$0.$0", "${nothing}"],
    ),
    ("route.tombstone.on.empty.payload", 40, FLAG),
];

const PARTITION_ROUTING: &[Key] = &[
    (
        "partition.payload.fields",
        99,
        &[
            "change.id",
            "change.name,op",
            "source.table",
            "after.n",
            "op",
            "before.id,after.flag",
            "nothing",
            "change.f, change.n",
        ],
    ),
    ("partition.topic.num", 99, &["1", "3", "5", "100", "2147483647", "0"]),
    ("partition.hash.function", 50, &["java", "murmur", "MURMUR", "other"]),
];

const MESSAGES: &[Key] = &[("fields.null.include", 60, FLAG)];

const NAMES: &[Key] = &[("schema.name.adjustment.mode", 40, &["none", "avro", "avro_unicode"])];

/// Gives one of the transforms and the records another meaning.
pub(super) fn replace(
    rng: &mut StdRng,
    aliases: &[String],
    config: &mut Map<String, Json>,
    records: &mut Vec<Json>,
) {
    // Scripts in JavaScript take structs only, which other transforms may turn into something else.
    let first = aliases.first().map_or("t0", String::as_str);
    let alias = aliases[rng.random_range(0..aliases.len())].as_str();
    let count = rng.random_range(1..6);
    let table = row_schema(rng);
    match rng.random_range(0..10) {
        0..=2 => {
            set(rng, alias, "io.debezium.transforms.outbox.EventRouter", EVENT_ROUTER, config);
            let outbox = outbox_schema(rng);
            *records = (0..count).map(|_| change(rng, "outbox", &outbox, outbox_row)).collect();
        }
        3 | 4 => {
            let class = "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent";
            set(rng, alias, class, MESSAGES, config);
            *records = (0..count).map(|_| message(rng)).collect();
        }
        5 => {
            set(rng, alias, "io.debezium.transforms.ExtractSchemaToNewRecord", NAMES, config);
            let described = described(rng, &table);
            *records = (0..count).map(|_| change(rng, "orders", &described, row)).collect();
        }
        6 => {
            let class = "io.debezium.transforms.partitions.PartitionRouting";
            set(rng, alias, class, PARTITION_ROUTING, config);
            *records = (0..count).map(|_| change(rng, "orders", &table, row)).collect();
        }
        drawn => {
            let script = conditions::script(rng);
            let alias = if script.is_java_script { first } else { alias };
            set(rng, alias, script.class, &[], config);
            for (key, value) in script.keys {
                config.insert(format!("transforms.{alias}.{key}"), value.into());
            }
            // Groovy also takes whatever the records are.
            if script.is_java_script || drawn < 9 {
                *records = (0..count).map(|_| change(rng, "orders", &table, row)).collect();
            }
        }
    }
}

fn set(rng: &mut StdRng, alias: &str, class: &str, keys: &[Key], config: &mut Map<String, Json>) {
    let prefix = format!("transforms.{alias}.");
    config
        .retain(|key, _| !key.starts_with(&prefix) || key.ends_with("predicate") || key.ends_with("negate"));
    config.insert(format!("{prefix}type"), class.into());
    for (key, percent, values) in keys {
        if rng.random_range(0..100) < *percent {
            config.insert(format!("{prefix}{key}"), (*pick(rng, values)).into());
        }
    }
}

/// A change of a row, now and then a tombstone or something that is no change.
fn change(rng: &mut StdRng, table: &str, row_schema: &Json, row: fn(&mut StdRng) -> Json) -> Json {
    let mut record =
        json!({ "topic": format!("srv.s.{table}"), "timestamp": rng.random_range(0..1i64 << 41) });
    if rng.random_bool(0.6) {
        let schema = json!({ "type": "struct", "name": format!("srv.s.{table}.Key"), "fields": [{ "type": "int64", "field": "id" }] });
        record["key"] = json!({ "schema": schema, "payload": { "id": rng.random_range(0..4) } });
    }
    if rng.random_bool(0.4) {
        let text = json!({ "schema": { "type": "string" }, "payload": pick(rng, &["bulk", "one"]) });
        let number = json!({ "schema": { "type": "int32" }, "payload": rng.random_range(0..4) });
        record["headers"] = json!([{ "key": "kind", "value": text }, { "key": "n", "value": number }]);
    }
    match rng.random_range(0..20) {
        0 | 1 => {}
        2 => {
            let schema = json!({ "type": "struct", "fields": [{ "type": "int64", "field": "ts_ms" }] });
            record["value"] = json!({ "schema": schema, "payload": { "ts_ms": 7 } });
        }
        _ => record["value"] = envelope(rng, table, row_schema, row),
    }
    record
}

fn envelope(rng: &mut StdRng, table: &str, row_schema: &Json, row: fn(&mut StdRng) -> Json) -> Json {
    let image = |name: &str| {
        let mut schema = row_schema.clone();
        schema["field"] = name.into();
        schema
    };
    let schema = json!({ "type": "struct", "name": format!("srv.s.{table}.Envelope"), "version": 1, "fields": [
        image("before"),
        image("after"),
        { "type": "struct", "name": "src", "field": "source", "fields": [
            { "type": "string", "field": "table" }, { "type": "int64", "field": "ts_ms" }] },
        { "type": "string", "field": "op" },
        { "type": "int64", "optional": true, "field": "ts_ms" },
    ] });
    let op = *pick(rng, &["c", "c", "c", "r", "u", "d"]);
    let before = if "ud".contains(op) { row(rng) } else { Json::Null };
    let after = if op == "d" { Json::Null } else { row(rng) };
    let ts_ms = if rng.random_bool(0.9) { json!(99) } else { Json::Null };
    json!({ "schema": schema, "payload": { "before": before, "after": after,
        "source": { "table": table, "ts_ms": 1_700_000_000_123i64 }, "op": op, "ts_ms": ts_ms } })
}

// ---- a table -----------------------------------------------------------------------------------------------------

/// Columns of types whose hash and text Java has from their content.
fn row_schema(rng: &mut StdRng) -> Json {
    let qty = match rng.random_bool(0.5) {
        true => json!({ "type": "int32", "optional": true, "default": 7, "field": "n" }),
        false => json!({ "type": "int32", "optional": true, "field": "n" }),
    };
    json!({ "type": "struct", "optional": true, "name": "srv.s.orders.Value", "fields": [
        { "type": "int64", "field": "id" },
        { "type": "string", "optional": true, "field": "name" },
        qty,
        { "type": "double", "optional": true, "field": "f" },
        { "type": "boolean", "optional": true, "field": "flag" },
        { "type": "array", "optional": true, "items": { "type": "string" }, "field": "tags" },
    ] })
}

fn row(rng: &mut StdRng) -> Json {
    let mut or_null = |value: Json| if rng.random_bool(0.25) { Json::Null } else { value };
    let (name, n, f) = (or_null(json!("x")), or_null(json!(3)), or_null(json!(1.5)));
    let (flag, tags) = (or_null(json!(true)), or_null(json!(["a", "b"])));
    let name = if name.is_null() { name } else { json!(pick(rng, &["x", "New name", "", "12"])) };
    let n = if n.is_null() { n } else { json!(rng.random_range(-3..5)) };
    let flag = if flag.is_null() { flag } else { json!(rng.random_bool(0.5)) };
    json!({ "id": rng.random_range(0..4), "name": name, "n": n, "f": f, "flag": flag, "tags": tags })
}

/// The table with what the connector says of its columns; now and then it lacks something.
fn described(rng: &mut StdRng, table: &Json) -> Json {
    let mut table = table.clone();
    for column in table["fields"].as_array_mut().into_iter().flatten() {
        let mut parameters = json!({ "__debezium.source.column.name": column["field"].clone() });
        for (name, percent, values) in [
            ("type", 95, &["INT4", "VARCHAR", "NUMERIC"]),
            ("length", 50, &["20", "5", "x"]),
            ("scale", 30, &["2", "0", "-1"]),
            ("comment", 30, &["c", "", "a column"]),
        ] {
            // A length that is no number is rare.
            let value = *pick(rng, values);
            if rng.random_range(0..100) < percent && (value != "x" || rng.random_bool(0.1)) {
                parameters[format!("__debezium.source.column.{name}")] = value.into();
            }
        }
        if rng.random_bool(0.97) {
            column["parameters"] = parameters;
        }
    }
    table
}

// ---- an outbox ---------------------------------------------------------------------------------------------------

fn outbox_schema(rng: &mut StdRng) -> Json {
    let unit = *pick(rng, &["Timestamp", "MicroTimestamp", "NanoTimestamp", "Interval"]);
    json!({ "type": "struct", "optional": true, "name": "srv.s.outbox.Value", "fields": [
        { "type": "string", "field": "id" },
        { "type": "string", "field": "eid" },
        { "type": "string", "optional": true, "field": "aggregatetype" },
        { "type": "string", "optional": true, "field": "aggregateid" },
        { "type": "string", "optional": true, "field": "type" },
        { "type": "string", "optional": true, "field": "payload" },
        { "type": "string", "optional": true, "field": "payload2" },
        { "type": "int32", "optional": true, "field": "version" },
        { "type": "int64", "optional": true, "name": format!("io.debezium.time.{unit}"), "version": 1, "field": "ts" },
    ] })
}

fn outbox_row(rng: &mut StdRng) -> Json {
    let mut or_null = |value: Json| if rng.random_bool(0.15) { Json::Null } else { value };
    let mut row = json!({ "aggregatetype": or_null(json!("order")), "aggregateid": or_null(json!("10")),
        "type": or_null(json!("Created")), "version": or_null(json!(2)), "ts": or_null(json!(1_700_000_000_123_456i64)) });
    row["id"] = json!(format!("e{}", rng.random_range(0..5)));
    row["eid"] = json!("other");
    row["payload"] = payload(rng);
    row["payload2"] = payload(rng);
    row
}

fn payload(rng: &mut StdRng) -> Json {
    match rng.random_range(0..10) {
        0 => Json::Null,
        1 => json!(pick(rng, &["", " ", "text", "{", "null", "5", "[]", "{}", "\"x\"", "[1,2]", "{'a':1}"])),
        _ => document(rng, 2).to_string().into(),
    }
}

/// A JSON document whose arrays hold values of one kind: those of objects that differ come in the order of a hash.
fn document(rng: &mut StdRng, depth: u32) -> Json {
    let fields =
        ["a", "b", "c", "d-e", "1x"].iter().filter(|_| rng.random_bool(0.5)).map(|name| (*name).to_owned());
    let fields: Vec<String> = fields.collect();
    Json::Object(fields.into_iter().map(|name| (name, document_value(rng, depth))).collect())
}

fn document_value(rng: &mut StdRng, depth: u32) -> Json {
    match rng.random_range(0..9) {
        0 => Json::Null,
        1 => json!(rng.random_bool(0.5)),
        2 => json!(rng.random_range(-5..5)),
        3 => json!(pick(rng, &[i64::MAX, i64::from(i32::MAX) + 1, -9_000_000_000])),
        4 => json!(pick(rng, &[0.5, -2.25, 1e300])),
        5 if depth > 0 => document(rng, depth - 1),
        6 => match rng.random_range(0..4) {
            0 => json!([]),
            1 => json!([1, 2]),
            2 => json!(["x", null]),
            _ => json!([{ "k": 1 }, { "k": 2 }]),
        },
        _ => json!(pick(rng, &["text", "", "é"])),
    }
}

// ---- logical messages --------------------------------------------------------------------------------------------

fn message(rng: &mut StdRng) -> Json {
    let schema = json!({ "type": "struct", "name": "io.debezium.connector.postgresql.MessageValue", "version": 1, "fields": [
        { "type": "string", "field": "op" },
        { "type": "int64", "optional": true, "field": "ts_ms" },
        { "type": "struct", "name": "src", "field": "source", "fields": [{ "type": "int64", "field": "ts_ms" }] },
        { "type": "struct", "name": "io.debezium.connector.postgresql.Message", "field": "message", "fields": [
            { "type": "string", "optional": true, "field": "prefix" }, { "type": "bytes", "optional": true, "field": "content" }] },
    ] });
    let content = match rng.random_range(0..12) {
        0 => Json::Null,
        1 => json!(STANDARD.encode(pick(rng, &["", "text", "[1]", "{", "null", "5", "{}"]))),
        _ => json!(STANDARD.encode(document(rng, 2).to_string())),
    };
    let op = if rng.random_bool(0.9) { "m" } else { "c" };
    let value = json!({ "op": op, "ts_ms": 9, "source": { "ts_ms": 11 }, "message": { "prefix": "p", "content": content } });
    let mut record =
        json!({ "topic": "srv.message", "timestamp": 5, "value": { "schema": schema, "payload": value } });
    if rng.random_bool(0.5) {
        let schema = json!({ "type": "struct", "name": "io.debezium.connector.postgresql.MessageKey",
            "fields": [{ "type": "string", "optional": true, "field": "prefix" }] });
        record["key"] = json!({ "schema": schema, "payload": { "prefix": "p" } });
    }
    record
}
