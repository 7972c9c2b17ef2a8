//! Random change events, and configs of Debezium's transforms for them.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value as Json, json};

use super::data::{NAMES, pick, struct_schema, value};

/// A key, how often it is given (in percent), and its values.
type Key = (&'static str, u32, &'static [&'static str]);

const FLAG: &[&str] = &["true", "false"];
const FIELDS: &[&str] = &[
    "op",
    "op,table",
    "source.ts_ms,lsn",
    "a",
    "before.a",
    "after.b,op",
    "id:tx,total_order",
    "source.nothing",
    "name",
    "source",
    "op,op",
    "transaction",
    "nothing.a",
    "op:o:p",
];
const COLUMNS: &[&str] = &["a", "b", "id", "name", "op", "nothing", "ts"];
const LIST_HEADER: &[&str] = &["h0", "list", "changed"];

const TRANSFORMS: &[(&str, u32, &[Key])] = &[
    (
        "ExtractNewRecordState",
        8,
        &[
            (
                "delete.tombstone.handling.mode",
                70,
                &["drop", "tombstone", "rewrite", "rewrite-with-tombstone", "delete-to-tombstone", "REWRITE"],
            ),
            ("route.by.field", 20, COLUMNS),
            ("add.fields", 60, FIELDS),
            ("add.fields.prefix", 20, &["", "p_"]),
            ("add.headers", 40, FIELDS),
            ("add.headers.prefix", 20, &["", "h"]),
            ("replace.null.with.default", 30, FLAG),
            ("drop.fields.header.name", 30, LIST_HEADER),
            ("drop.fields.from.key", 30, FLAG),
            ("drop.fields.keep.schema.compatible", 30, FLAG),
        ],
    ),
    (
        "ExtractChangedRecordState",
        3,
        &[("header.changed.name", 80, LIST_HEADER), ("header.unchanged.name", 50, &["unchanged", "list"])],
    ),
    (
        "HeaderToValue",
        2,
        &[
            ("headers", 99, &["list", "changed,unchanged", "a,b", "list,a"]),
            ("fields", 99, &["n1", "n1,n2", "after.n,n2", "source.n", "a"]),
            ("operation", 99, &["copy", "copy", "move"]),
        ],
    ),
    (
        "ByLogicalTableRouter",
        2,
        &[
            ("topic.regex", 99, &["(.*)", "(.*)t(\\d*)", "srv\\.(.*)", "none"]),
            ("topic.replacement", 99, &["$1", "all", "$1-x"]),
            ("key.enforce.uniqueness", 40, FLAG),
            ("key.field.name", 30, &["shard", "a"]),
            ("key.field.regex", 30, &["srv\\.(.*)"]),
            ("key.field.replacement", 60, &["k-$1"]),
            ("logical.table.cache.size", 20, &["1", "4"]),
        ],
    ),
    (
        "TimezoneConverter",
        1,
        &[
            ("converted.timezone", 99, &["+02:00", "Europe/Berlin", "America/Los_Angeles"]),
            ("include.list", 40, &["source:t", "source:t:ts", "topic:srv.t1", "t:a"]),
        ],
    ),
    ("SchemaChangeEventFilter", 1, &[("schema.change.event.exclude.list", 99, &["CREATE", "DROP,ALTER"])]),
    ("VectorToJsonConverter", 1, &[]),
];

/// Adds the keys of one of Debezium's transforms.
pub(super) fn transform(rng: &mut StdRng, prefix: &str, config: &mut Map<String, Json>) {
    let total = TRANSFORMS.iter().map(|(_, weight, _)| weight).sum::<u32>();
    let mut drawn = rng.random_range(0..total);
    let drawn = TRANSFORMS.iter().find(|(_, weight, _)| {
        let here = drawn < *weight;
        drawn = drawn.saturating_sub(*weight);
        here
    });
    let Some((class, _, keys)) = drawn else { return };
    config.retain(|key, _| !key.starts_with(prefix) || key.ends_with("predicate") || key.ends_with("negate"));
    config.insert(format!("{prefix}type"), format!("io.debezium.transforms.{class}").into());
    for (key, percent, values) in *keys {
        if rng.random_range(0..100) < *percent {
            config.insert(format!("{prefix}{key}"), (*pick(rng, values)).into());
        }
    }
}

/// Some change events of one or two tables, with the tombstones and other records that come among them.
pub(super) fn records(rng: &mut StdRng) -> Vec<Json> {
    let rows: Vec<Json> = (0..2).map(|table| row_schema(rng, table)).collect();
    (0..rng.random_range(1..6))
        .map(|_| {
            let table = rng.random_range(0..2);
            let mut record = json!({ "topic": format!("srv.t{table}"), "timestamp": rng.random_range(0..1i64 << 41) });
            if rng.random_bool(0.5) {
                let key = json!({ "type": "struct", "name": format!("srv.t{table}.Key"),
                    "fields": [{ "name": "a", "schema": { "type": "int32" } }, { "name": "b", "schema": { "type": "string", "optional": true } }] });
                record["key"] = typed(rng, &key);
            }
            match rng.random_range(0..20) {
                0 | 1 => {}
                2 => record["value"] = json!({ "a": 1 }),
                3 => record["value"] = typed(rng, &rows[table]),
                _ => record["value"] = event(rng, &rows[table], table),
            }
            if rng.random_bool(0.3) {
                record["headers"] = json!([list_header(rng)]);
            }
            record
        })
        .collect()
}

fn row_schema(rng: &mut StdRng, table: usize) -> Json {
    let mut row = struct_schema(rng, 1);
    row["optional"] = json!(true);
    row["name"] = json!(format!("srv.t{table}.Value"));
    if let Some(row) = row.as_object_mut() {
        row.remove("default");
    }
    row
}

fn typed(rng: &mut StdRng, schema: &Json) -> Json {
    json!({ "typed": { "schema": schema, "value": value(rng, schema) } })
}

fn event(rng: &mut StdRng, row: &Json, table: usize) -> Json {
    let text = json!({ "type": "string" });
    let source = json!({ "type": "struct", "name": "source", "fields": [
        { "name": "connector", "schema": text },
        { "name": "table", "schema": { "type": "string", "optional": true, "default": { "string": "d" } } },
        { "name": "ts_ms", "schema": { "type": "int64" } },
        { "name": "lsn", "schema": { "type": "int64", "optional": true } },
    ] });
    let transaction = json!({ "type": "struct", "name": "event.block", "optional": true, "fields": [
        { "name": "id", "schema": text },
        { "name": "total_order", "schema": { "type": "int64" } },
    ] });
    let schema = json!({ "type": "struct", "name": format!("srv.t{table}.Envelope"), "version": 2, "fields": [
        { "name": "before", "schema": row },
        { "name": "after", "schema": row },
        { "name": "source", "schema": source },
        { "name": "transaction", "schema": transaction },
        { "name": "op", "schema": text },
        { "name": "ts_ms", "schema": { "type": "int64", "optional": true } },
    ] });
    let op = *pick(rng, &["c", "r", "u", "u", "d", "d", "t"]);
    let (before, after) = ("ud".contains(op), "cru".contains(op));
    let mut row_if = |there: bool| if there { value(rng, row) } else { Json::Null };
    let (before, after) = (row_if(before), row_if(after));
    let table = if rng.random_bool(0.8) { json!({ "string": "t" }) } else { Json::Null };
    let lsn = if rng.random_bool(0.5) { json!({ "int64": 7 }) } else { Json::Null };
    let transaction = match rng.random_bool(0.5) {
        true => json!({ "struct": [["id", { "string": "x" }], ["total_order", { "int64": 4 }]] }),
        false => Json::Null,
    };
    let source = json!({ "struct": [["connector", { "string": "postgresql" }], ["table", table], ["ts_ms", { "int64": 5 }], ["lsn", lsn]] });
    json!({ "typed": { "schema": schema, "value": { "struct": [
        ["before", before],
        ["after", after],
        ["source", source],
        ["transaction", transaction],
        ["op", { "string": op }],
        ["ts_ms", { "int64": 9 }],
    ] } } })
}

fn list_header(rng: &mut StdRng) -> Json {
    let names: Vec<Json> =
        (0..rng.random_range(0..3)).map(|_| json!({ "string": pick(rng, NAMES) })).collect();
    let schema =
        json!({ "type": "array", "optional": true, "items": { "type": "string", "optional": true } });
    json!({ "key": pick(rng, LIST_HEADER), "value": { "typed": { "schema": schema, "value": { "array": names } } } })
}
