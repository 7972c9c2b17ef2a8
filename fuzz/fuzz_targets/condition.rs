//! Whatever the text: reading it as a condition never panics, and neither does asking it about records; asked again it
//! says the same.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use raccord_data::{Decimal, Header, Position, Record, Schema, Struct, Type, Value};
use raccord_transforms::debezium::condition::{Condition, Language};

static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(records);

fuzz_target!(|text: &str| {
    if text.len() > 400 {
        return;
    }
    for language in [Language::Groovy, Language::JavaScript] {
        let Ok(condition) = Condition::new(text, language) else { continue };
        for record in RECORDS.iter() {
            let first = condition.evaluate(record);
            assert_eq!(first, condition.evaluate(record));
        }
    }
});

fn records() -> Vec<Record> {
    let row = Schema::structure([
        ("id", Schema::of(Type::Int64).build()),
        ("n", Schema::of(Type::Int32).optional().build()),
        ("name", Schema::of(Type::String).optional().default(Value::from("none")).build()),
        ("price", Schema::of(Type::Bytes).optional().build()),
        ("tags", Schema::of(Type::Array(Schema::of(Type::String).build())).build()),
    ])
    .optional()
    .build();
    let envelope = Schema::structure([
        ("before", Arc::clone(&row)),
        ("after", Arc::clone(&row)),
        ("op", Schema::of(Type::String).build()),
    ])
    .name("s.Envelope")
    .build();
    let cells = |id: i64, name: Value| {
        let price = Value::Decimal(Box::new(Decimal::new(id.into(), 2)));
        let tags = Value::Array(vec!["a".into(), "b".into()]);
        Value::from(Struct::new(Arc::clone(&row), vec![Value::Int64(id), Value::Int32(-7), name, price, tags]))
    };
    let update = Struct::new(
        Arc::clone(&envelope),
        vec![cells(1, "old".into()), cells(i64::MAX, Value::Null), "u".into()],
    );
    let delete = Struct::new(Arc::clone(&envelope), vec![cells(1, "old".into()), Value::Null, "d".into()]);
    let map = Value::Map(vec![("op".into(), "c".into()), ("after".into(), Value::Int64(1)), (Value::Int32(1), "x".into())]);
    let make = |schema: Option<&Arc<Schema>>, value: Value| {
        let mut record = Record::new("server1.public.orders".into(), schema.cloned(), value, Position::default());
        record.headers.to_mut().push(Header { key: "idh".into(), schema: None, value: Value::Int32(1) });
        record
    };
    vec![
        make(Some(&envelope), update.into()),
        make(Some(&envelope), delete.into()),
        make(None, map),
        make(None, "text".into()),
        make(None, Value::Null),
    ]
}
