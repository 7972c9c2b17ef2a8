//! Measures what transforms cost for each record: `cargo run --release -p raccord-transforms --example cost`.
//!
//! Records are rows of ten fields in Debezium's envelopes. Making and dropping them is measured by itself and taken off.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use raccord_config::RawConfig;
use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value};
use raccord_plugin::{Make, Transform};
use raccord_transforms::debezium;

const RECORDS: u32 = 1_000_000;
const ROUNDS: usize = 5;

fn main() {
    let unwrap = [
        ("drop.tombstones", "false"),
        ("delete.handling.mode", "rewrite"),
        ("add.fields", "op,table,source.ts_ms"),
    ];
    let event = event();
    let bare = best(&event, &mut []);
    println!("a record made and dropped   {bare:7.1} ns");
    for (name, class, config) in [
        ("unwrap", "ExtractNewRecordState", &[][..]),
        ("unwrap, rewrite, 3 fields", "ExtractNewRecordState", &unwrap[..]),
        ("changed columns", "ExtractChangedRecordState", &[("header.changed.name", "c")][..]),
        (
            "partition",
            "partitions.PartitionRouting",
            &[("partition.payload.fields", "change.c1"), ("partition.topic.num", "5")][..],
        ),
        (
            "logical table",
            "ByLogicalTableRouter",
            &[("topic.regex", "(.*)_[0-9]+"), ("topic.replacement", "$1")][..],
        ),
    ] {
        let cost = best(&event, &mut [transform(class, config)]) - bare;
        println!("{name:27} {cost:7.1} ns");
    }
}

fn transform(class: &str, config: &[(&str, &str)]) -> Box<dyn Transform> {
    let class = format!("io.debezium.transforms.{class}");
    let plugin = debezium::TRANSFORMS.iter().find(|plugin| plugin.class == class).expect("the class is ours");
    let raw: RawConfig =
        config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    match plugin.make {
        Make::Transformation(make) => make(&raw).expect("the config is right"),
        _ => unreachable!("it is a transform"),
    }
}

/// Nanoseconds for each record, in the best of some rounds.
fn best(event: &Record, chain: &mut [Box<dyn Transform>]) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..RECORDS {
            let mut record = Some(black_box(event.clone()));
            for transform in chain.iter_mut() {
                record = record.and_then(|record| transform.apply(record).expect("the record is right"));
            }
            black_box(&record);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(RECORDS));
    }
    best
}

/// An update of a row of ten columns.
fn event() -> Record {
    let of = |ty: Type| Schema::of(ty).build();
    let optional = |ty: Type| Schema::of(ty).optional().build();
    let columns: Vec<(String, Arc<Schema>)> = (0..10)
        .map(|n| (format!("c{n}"), if n % 2 == 0 { of(Type::Int64) } else { optional(Type::String) }))
        .collect();
    let row = Schema::structure(columns).optional().name("srv.public.t.Value").build();
    let source = Schema::structure([
        ("version", of(Type::String)),
        ("connector", of(Type::String)),
        ("name", of(Type::String)),
        ("ts_ms", of(Type::Int64)),
        ("snapshot", optional(Type::String)),
        ("db", of(Type::String)),
        ("sequence", optional(Type::String)),
        ("schema", of(Type::String)),
        ("table", of(Type::String)),
        ("txId", optional(Type::Int64)),
        ("lsn", optional(Type::Int64)),
    ]);
    let source = source.name("io.debezium.connector.postgresql.Source").build();
    let envelope = Schema::structure([
        ("before", Arc::clone(&row)),
        ("after", Arc::clone(&row)),
        ("source", Arc::clone(&source)),
        ("op", of(Type::String)),
        ("ts_ms", optional(Type::Int64)),
    ]);
    let envelope = envelope.name("srv.public.t.Envelope").build();
    let text = |text: &str| Value::String(Text::from(text));
    let cells = |n: i64| -> Vec<Value> {
        (0..10)
            .map(|c| if c % 2 == 0 { Value::Int64(n + c) } else { text("some text of a column") })
            .collect()
    };
    let source = Struct::new(
        source,
        vec![
            text("3.3.2.Final"),
            text("postgresql"),
            text("srv"),
            Value::Int64(1),
            text("false"),
            text("db"),
            text("[\"1\",\"2\"]"),
            text("public"),
            text("t"),
            Value::Int64(7),
            Value::Int64(8),
        ],
    );
    let before = Struct::new(Arc::clone(&row), cells(1));
    let after = Struct::new(Arc::clone(&row), cells(2));
    let value = Struct::new(
        Arc::clone(&envelope),
        vec![before.into(), after.into(), source.into(), text("u"), Value::Int64(9)],
    );
    let key = Schema::structure([("c0", of(Type::Int64))]).name("srv.public.t.Key").build();
    let mut record = Record::new("srv.public.t_1".into(), Some(envelope), value.into(), Position::default());
    record.key = Struct::new(Arc::clone(&key), vec![Value::Int64(1)]).into();
    record.key_schema = Some(key);
    record
}
