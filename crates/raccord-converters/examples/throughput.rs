//! Prints how long the converters take for a record.
//!
//!     cargo run --release -p raccord-converters --example throughput

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raccord_config::RawConfig;
use raccord_converters::plugins::{JSON, STRING};
use raccord_data::{Decimal, Schema, Struct, Text, Type, Value, logical};
use raccord_plugin::{Converter, Make, Plugin, Role};

/// How long each measurement runs at least; the best of several rounds is shown.
const ROUND: Duration = Duration::from_millis(10);
const ROUNDS: usize = 100;

fn main() {
    let text = Value::String(Text::from("x".repeat(100)));
    measure_encode("String encode, 100 bytes of text", &make(STRING, &[]), None, &text);
    let schema = row_schema();
    let row: Value = row(&schema).into();
    for (name, enable) in [("with", "true"), ("without", "false")] {
        let converter = make(JSON, &[("schemas.enable", enable)]);
        let bytes = measure_encode(
            &format!("JSON encode, 10 fields, {name} schemas"),
            &converter,
            Some(&schema),
            &row,
        );
        measure_decode(&format!("JSON decode, 10 fields, {name} schemas"), &converter, &bytes);
    }
}

fn make(plugin: Plugin, config: &[(&str, &str)]) -> Arc<dyn Converter> {
    let Make::Converter(make) = plugin.make else { unreachable!("a converter was asked for") };
    let config: RawConfig =
        config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    make(&config, Role::Value).expect("the config is valid")
}

/// A row as a database table has it.
fn row_schema() -> Arc<Schema> {
    let plain = |ty| Schema::of(ty).build();
    let optional = |ty| Schema::of(ty).optional().build();
    Schema::structure([
        ("id", plain(Type::Int64)),
        ("customer_id", plain(Type::Int32)),
        ("status", plain(Type::String)),
        ("email", optional(Type::String)),
        ("comment", optional(Type::String)),
        ("paid", plain(Type::Boolean)),
        ("weight", plain(Type::Float64)),
        ("amount", Schema::of(Type::Bytes).name(logical::DECIMAL).version(1).parameter("scale", "2").build()),
        ("created_at", Schema::of(Type::Int64).name(logical::TIMESTAMP).version(1).build()),
        ("deleted_at", Schema::of(Type::Int64).optional().name(logical::TIMESTAMP).version(1).build()),
    ])
    .name("shop.public.orders.Value")
    .build()
}

fn row(schema: &Arc<Schema>) -> Struct {
    Struct::new(
        Arc::clone(schema),
        [
            Value::Int64(1_234_567_890),
            Value::Int32(4711),
            Value::from("shipped"),
            Value::from("someone@example.com"),
            Value::from("leave it at the \"blue\" door"),
            Value::Boolean(true),
            Value::Float64(12.75),
            Value::Decimal(Box::new(Decimal::new(1_999_900.into(), 2))),
            Value::Date(1_700_000_000_123),
            Value::Null,
        ],
    )
}

fn measure_encode(
    name: &str,
    converter: &Arc<dyn Converter>,
    schema: Option<&Arc<Schema>>,
    value: &Value,
) -> Bytes {
    let mut encoder = converter.encoder("topic", schema).expect("the schema can be written");
    let mut out = Vec::with_capacity(64 << 10);
    measure(name, || {
        out.clear();
        encoder.encode(black_box(value), &mut out).expect("the value fits");
    });
    Bytes::from(out)
}

fn measure_decode(name: &str, converter: &Arc<dyn Converter>, bytes: &Bytes) {
    let mut decoder = converter.decoder("topic").expect("JSON can be read");
    measure(name, || {
        black_box(decoder.decode(Some(black_box(bytes))).expect("it was written so"));
    });
}

#[expect(clippy::print_stdout, reason = "the output is the purpose")]
fn measure(name: &str, mut once: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (start, mut count) = (Instant::now(), 0u32);
        while start.elapsed() < ROUND {
            for _ in 0..100 {
                once();
            }
            count += 100;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    println!("{name:45} {best:8.1} ns/record");
}
