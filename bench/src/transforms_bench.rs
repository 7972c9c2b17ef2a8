//! What chains of transforms cost a record: CPU time of the thread, and allocations, in process and without Kafka.
//!
//! The records are those of a change stream: a row of ten fields, for the chain with unwrap inside Debezium's envelope.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use raccord_config::{Config, RawConfig};
use raccord_data::{Decimal, Position, Record, Schema, Struct, Text, Type, Value, logical};
use raccord_plugins::PLUGINS;
use raccord_runtime::chain::Chain;
use raccord_runtime::config::ConnectorCommon;

use crate::report::Report;

/// Records that are transformed between two looks at the clock.
const BATCH: usize = 1000;
/// What a chain of unwrap and three more may cost a record.
const LIMIT_US: f64 = 1.5;

const KAFKA: &str = "org.apache.kafka.connect.transforms.";
const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
const NO_KEYS: &[(&str, &str)] = &[];

/// The system's allocator, counting.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// CPU time of this thread.
#[allow(unsafe_code)]
fn thread_cpu() -> Duration {
    // SAFETY: clock_gettime fills the struct, whose fields are plain numbers.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now);
        now
    };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Measures the chains.
///
/// # Errors
/// When a chain cannot be made or refuses a record.
pub fn run(batches: usize, rounds: usize, report: &mut Report) -> Result<()> {
    let row = row_schema();
    let envelope = envelope_schema(&row);
    let three: &[(&str, &[(&str, &str)])] = &[
        ("ReplaceField$Value", &[("exclude", "comment"), ("renames", "id:order_id,paid:is_paid")]),
        (
            "InsertField$Value",
            &[("static.field", "source"), ("static.value", "shop"), ("timestamp.field", "at")],
        ),
        ("RegexRouter", &[("regex", "shop\\.public\\.(.*)"), ("replacement", "$1")]),
    ];
    let stock: Vec<_> = three.iter().map(|(class, keys)| (format!("{KAFKA}{class}"), *keys)).collect();
    for (class, keys) in &stock {
        let name = class.trim_start_matches(KAFKA);
        measure(name, &[(class.clone(), *keys)], &row_record(&row), batches, rounds, report)?;
    }
    measure("three stock transforms", &stock, &row_record(&row), batches, rounds, report)?;
    report.at_most("CPU us/record: three stock transforms", "raccord", LIMIT_US);
    if PLUGINS.iter().any(|plugin| plugin.class == UNWRAP) {
        let mut chain = vec![(UNWRAP.to_owned(), NO_KEYS)];
        chain.extend(stock);
        measure("unwrap and three more", &chain, &change_record(&envelope, &row), batches, rounds, report)?;
        report.at_most("CPU us/record: unwrap and three more", "raccord", LIMIT_US);
    }
    Ok(())
}

fn measure(
    name: &str,
    transforms: &[(String, &[(&str, &str)])],
    record: &Record,
    batches: usize,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    let mut chain = chain(transforms)?;
    for _ in 0..rounds {
        let (mut cpu, mut allocations) = (Duration::ZERO, 0);
        for _ in 0..batches {
            let records: Vec<Record> = (0..BATCH).map(|_| record.clone()).collect();
            let mut out = Vec::with_capacity(BATCH);
            let (start, before) = (thread_cpu(), ALLOCATIONS.load(Ordering::Relaxed));
            for record in records {
                let applied = chain.apply(record, 0, false);
                out.push(applied.map_err(|failed| anyhow!("{}", failed.failure.error.trace()))?);
            }
            cpu += thread_cpu() - start;
            allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
        }
        let count = (batches * BATCH) as f64;
        report.add(&format!("CPU us/record: {name}"), "raccord", cpu.as_secs_f64() * 1e6 / count);
        report.add(&format!("allocations/record: {name}"), "raccord", allocations as f64 / count);
    }
    Ok(())
}

fn chain(transforms: &[(String, &[(&str, &str)])]) -> Result<Chain> {
    let mut raw = RawConfig::from([("name", "bench"), ("connector.class", "FileStreamSource")]);
    let aliases: Vec<String> = (0..transforms.len()).map(|index| format!("t{index}")).collect();
    raw.insert("transforms", Some(aliases.join(",")));
    for (alias, (class, keys)) in aliases.iter().zip(transforms) {
        raw.insert(format!("transforms.{alias}.type"), Some(class.clone()));
        for (key, value) in *keys {
            raw.insert(format!("transforms.{alias}.{key}"), Some((*value).to_owned()));
        }
    }
    let names = ConnectorCommon::parse(&raw)?;
    Chain::new(PLUGINS, &names, &raw).map_err(|error| anyhow!("{}", error.trace()))
}

fn row_schema() -> Arc<Schema> {
    let plain = |ty| Schema::of(ty).build();
    let optional = |ty| Schema::of(ty).optional().build();
    let timestamp = Schema::of(Type::Int64).name(logical::TIMESTAMP).version(1).build();
    let amount = Schema::of(Type::Bytes).name(logical::DECIMAL).version(1).parameter("scale", "2").build();
    let schema = Schema::structure([
        ("id", plain(Type::Int64)),
        ("customer_id", plain(Type::Int32)),
        ("status", plain(Type::String)),
        ("email", optional(Type::String)),
        ("comment", optional(Type::String)),
        ("paid", plain(Type::Boolean)),
        ("weight", plain(Type::Float64)),
        ("amount", amount),
        ("created_at", timestamp),
        ("deleted_at", optional(Type::Int64)),
    ]);
    schema.name("shop.public.orders.Value").optional().build()
}

fn row(schema: &Arc<Schema>) -> Value {
    let text = |text: &str| Value::String(Text::from(text));
    Value::from(Struct::new(
        Arc::clone(schema),
        [
            Value::Int64(4711),
            Value::Int32(42),
            text("shipped"),
            text("somebody@example.com"),
            Value::Null,
            Value::Boolean(true),
            Value::Float64(1.25),
            Value::Decimal(Box::new(Decimal::new(12345.into(), 2))),
            Value::Date(1_700_000_000_000),
            Value::Null,
        ],
    ))
}

fn row_record(schema: &Arc<Schema>) -> Record {
    record(schema, row(schema))
}

fn record(schema: &Arc<Schema>, value: Value) -> Record {
    let topic = "shop.public.orders".into();
    Record {
        timestamp: Some(1_700_000_000_000),
        ..Record::new(topic, Some(Arc::clone(schema)), value, Position::default())
    }
}

fn envelope_schema(row: &Arc<Schema>) -> Arc<Schema> {
    let text = || Schema::of(Type::String).build();
    let number = || Schema::of(Type::Int64).optional().build();
    let source = Schema::structure([
        ("version", text()),
        ("connector", text()),
        ("name", text()),
        ("ts_ms", Schema::of(Type::Int64).build()),
        ("db", text()),
        ("schema", text()),
        ("table", text()),
        ("txId", number()),
        ("lsn", number()),
    ]);
    let source = source.name("io.debezium.connector.postgresql.Source").build();
    let fields = [
        ("before", Arc::clone(row)),
        ("after", Arc::clone(row)),
        ("source", source),
        ("op", text()),
        ("ts_ms", number()),
    ];
    Schema::structure(fields).name("shop.public.orders.Envelope").version(2).build()
}

fn change_record(envelope: &Arc<Schema>, schema: &Arc<Schema>) -> Record {
    let text = |text: &'static str| Value::from(text);
    let source_schema = Arc::clone(&envelope.fields()[2].schema);
    let source = Struct::new(
        source_schema,
        [
            text("3.3.2.Final"),
            text("postgresql"),
            text("shop"),
            Value::Int64(1_700_000_000_000),
            text("shop"),
            text("public"),
            text("orders"),
            Value::Int64(1234),
            Value::Int64(98_765_432),
        ],
    );
    let cells = [Value::Null, row(schema), source.into(), text("c"), Value::Int64(1_700_000_000_001)];
    record(envelope, Struct::new(Arc::clone(envelope), cells).into())
}
