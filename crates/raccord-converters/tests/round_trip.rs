//! What is written is read back the same, by both ways of reading.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it did"
)]

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use raccord_converters::json::{DecimalFormat, JsonConverter, Settings};
use raccord_data::{Decimal, Schema, Struct, Text, Type, Value, java_order, logical};
use raccord_plugin::{Converter, Encoded};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 1 => any::<String>(), 1 => "[\"\\\\\u{0}-\u{1f}é€😀/]{0,12}"]
}

/// A schema with a strategy for its values.
fn typed(depth: u32) -> BoxedStrategy<(Arc<Schema>, BoxedStrategy<Value>)> {
    let leaf = prop_oneof![
        Just(primitive(Type::Boolean, any::<bool>().prop_map(Value::Boolean))),
        Just(primitive(Type::Int8, any::<i8>().prop_map(Value::Int8))),
        Just(primitive(Type::Int16, any::<i16>().prop_map(Value::Int16))),
        Just(primitive(Type::Int32, any::<i32>().prop_map(Value::Int32))),
        Just(primitive(Type::Int64, any::<i64>().prop_map(Value::Int64))),
        Just(primitive(Type::Float32, number().prop_map(|number| Value::Float32(number as f32)))),
        Just(primitive(Type::Float64, number().prop_map(Value::Float64))),
        Just(primitive(Type::String, text().prop_map(Value::from))),
        Just(primitive(Type::Bytes, vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())))),
        (-3..10i32).prop_map(decimal),
        Just(date(logical::DATE, Type::Int32, (-100_000..100_000i64).prop_map(|days| days * 86_400_000))),
        Just(date(logical::TIME, Type::Int32, 0..=86_400_000i64)),
        Just(date(logical::TIMESTAMP, Type::Int64, any::<i64>())),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let field = || typed(depth - 1);
    prop_oneof![
        3 => leaf,
        1 => (field(), any::<bool>()).prop_map(|((items, values), optional)| {
            let schema = with_optional(Schema::of(Type::Array(items)), optional);
            (schema, vec(values, 0..5).prop_map(Value::Array).boxed())
        }),
        1 => field().prop_map(|(values_schema, values)| {
            let schema = Schema::of(Type::Map(Schema::of(Type::String).build(), values_schema)).build();
            (schema, vec((text(), values), 0..9).prop_map(hash_map).boxed())
        }),
        2 => vec((text(), field(), any::<bool>()), 0..6).prop_map(structure),
    ]
    .boxed()
}

fn with_optional(builder: raccord_data::SchemaBuilder, optional: bool) -> Arc<Schema> {
    if optional { builder.optional().build() } else { builder.build() }
}

fn primitive(
    ty: Type,
    values: impl Strategy<Value = Value> + 'static,
) -> (Arc<Schema>, BoxedStrategy<Value>) {
    (Schema::of(ty).build(), values.boxed())
}

/// Finite, since Connect writes others as text that it cannot read, and not the zero that decimals do not have.
fn number() -> impl Strategy<Value = f64> {
    let finite = |number: &f64| number.is_finite() && (*number as f32).is_finite();
    any::<f64>()
        .prop_filter("finite", finite)
        .prop_map(|number| if number == 0.0 || number as f32 == 0.0 { 0.0 } else { number })
}

fn decimal(scale: i32) -> (Arc<Schema>, BoxedStrategy<Value>) {
    let schema =
        Schema::of(Type::Bytes).name(logical::DECIMAL).version(1).parameter("scale", scale.to_string());
    let values = any::<i128>()
        .prop_map(move |unscaled| Value::Decimal(Box::new(Decimal::new(unscaled.into(), scale))));
    (schema.build(), values.boxed())
}

fn date(
    name: &'static str,
    ty: Type,
    values: impl Strategy<Value = i64> + 'static,
) -> (Arc<Schema>, BoxedStrategy<Value>) {
    (Schema::of(ty).name(name).version(1).build(), values.prop_map(Value::Date).boxed())
}

/// A map as it will be read: unique keys in the order of Java's `HashMap`.
fn hash_map(entries: Vec<(String, Value)>) -> Value {
    let mut unique: Vec<(String, Value)> = Vec::new();
    for (key, value) in entries {
        if unique.iter().all(|(other, _)| *other != key) {
            unique.push((key, value));
        }
    }
    java_order::sort_by_key(&mut unique, |(key, _)| key);
    Value::Map(unique.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

type FieldStrategy = (String, (Arc<Schema>, BoxedStrategy<Value>), bool);

fn structure(fields: Vec<FieldStrategy>) -> (Arc<Schema>, BoxedStrategy<Value>) {
    let mut seen: Vec<(String, Arc<Schema>)> = Vec::new();
    let mut cells = Vec::new();
    for (name, (schema, values), optional) in fields {
        if name.is_empty() || seen.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let (schema, values) = if optional {
            let schema = Arc::new(Schema { optional: true, ..(*schema).clone() });
            let of = Arc::clone(&schema);
            let values = values.prop_map(move |value| match value {
                Value::Struct(value) => Struct::new(Arc::clone(&of), value.into_parts().1).into(),
                value => value,
            });
            (schema, prop_oneof![1 => Just(Value::Null), 3 => values].boxed())
        } else {
            (schema, values)
        };
        seen.push((name, schema));
        cells.push(values);
    }
    let schema = Schema::structure(seen).name("Row").build();
    let of = Arc::clone(&schema);
    (schema, cells.prop_map(move |cells| Struct::new(Arc::clone(&of), cells).into()).boxed())
}

fn with_value() -> impl Strategy<Value = (Arc<Schema>, Value)> {
    typed(3).prop_flat_map(|(schema, values)| (Just(schema), values))
}

fn encode(converter: &JsonConverter, schema: Option<&Arc<Schema>>, value: &Value) -> Bytes {
    let mut out = Vec::new();
    let encoded = converter.encoder("t", schema).unwrap().encode(value, &mut out).unwrap();
    assert_eq!(encoded, Encoded::Bytes);
    out.into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_with_its_schema_comes_back((schema, value) in with_value(), numeric: bool) {
        let decimal_format = if numeric { DecimalFormat::Numeric } else { DecimalFormat::Base64 };
        let converter = JsonConverter::with_settings(Settings { decimal_format, ..Settings::default() });
        let bytes = encode(&converter, Some(&schema), &value);
        let mut decoder = converter.decoder("t").unwrap();
        // The first reading builds the schema by the slow way; the second knows it and takes the fast one.
        for _ in 0..2 {
            let read = decoder.decode(Some(&bytes)).unwrap();
            prop_assert_eq!(read.schema.as_deref(), Some(&*schema));
            prop_assert_eq!(&read.value, &value);
        }
    }

    #[test]
    fn white_space_and_order_change_nothing((schema, value) in with_value()) {
        let converter = JsonConverter::with_settings(Settings::default());
        let bytes = encode(&converter, Some(&schema), &value);
        let envelope: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let turned = format!(
            " {{ \"payload\" :\n{} ,\t\"schema\" : {} }} ",
            serde_json::to_string_pretty(&envelope["payload"]).unwrap(),
            serde_json::to_string_pretty(&envelope["schema"]).unwrap()
        );
        let turned = Bytes::from(turned);
        let mut decoder = converter.decoder("t").unwrap();
        for _ in 0..2 {
            prop_assert_eq!(&decoder.decode(Some(&turned)).unwrap().value, &value);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_alike_twice(bytes in vec(any::<u8>(), 0..60), schemas_enable: bool) {
        let converter = JsonConverter::with_settings(Settings { schemas_enable, ..Settings::default() });
        let bytes = Bytes::from(bytes);
        let mut decoder = converter.decoder("t").unwrap();
        let (first, second) = (decoder.decode(Some(&bytes)), decoder.decode(Some(&bytes)));
        prop_assert_eq!(first.ok(), second.ok());
    }

    #[test]
    fn header_text_is_always_read(text in "[\\[\\]{},:\"\\\\ a1.\\-eTZé]{0,40}") {
        prop_assert!(raccord_data::values::parse_string(&Text::from(text)).is_some());
    }
}

#[test]
fn deep_input_neither_overflows_the_stack_nor_is_read_differently() {
    let check = |depth: usize, readable: bool| {
        let settings = Settings { schemas_enable: false, ..Settings::default() };
        let converter = JsonConverter::with_settings(settings);
        let bytes = Bytes::from("[".repeat(depth) + &"]".repeat(depth));
        let read = converter.decoder("t").unwrap().decode(Some(&bytes));
        assert_eq!(read.is_ok(), readable, "{depth}");
        if let Ok(read) = read {
            assert_eq!(encode(&converter, None, &read.value), bytes);
        }
        let text = Text::from("[".repeat(depth) + &"]".repeat(depth));
        assert_eq!(raccord_data::values::parse_string(&text).is_some(), depth <= 500, "{depth}");
    };
    for depth in [1, 63, 64, 65, 500] {
        check(depth, true);
    }
    check(1000, true);
    check(1001, false);
    check(1_000_000, false);
}
