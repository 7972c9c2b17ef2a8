//! Debezium's converters of bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use raccord_config::RawConfig;
use raccord_converters::DEBEZIUM_CONVERTERS;
use raccord_data::{Schema, Type, Value};
use raccord_plugin::{Converter, Encoded, Make, Result, Role};

fn make(config: &[(&'static str, &'static str)]) -> Result<Arc<dyn Converter>> {
    let Make::Converter(make) = DEBEZIUM_CONVERTERS[0].make else { panic!("the first one is a converter") };
    let raw: RawConfig =
        config.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
    make(&raw, Role::Value)
}

fn encode(
    config: &[(&'static str, &'static str)],
    schema: Option<Type>,
    value: &Value,
) -> Result<Option<String>> {
    let schema = schema.map(|ty| Schema::of(ty).optional().build());
    let mut out = Vec::new();
    let encoded = make(config)?.encoder("t", schema.as_ref())?.encode(value, &mut out)?;
    Ok((encoded == Encoded::Bytes).then(|| String::from_utf8(out).unwrap()))
}

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

#[test]
fn bytes_stay_and_the_rest_is_delegated() {
    let bytes = Value::Bytes(Bytes::from_static(b"raw"));
    let json = [("delegate.converter.type", JSON), ("delegate.converter.type.schemas.enable", "false")];
    for config in [&json[..0], &json] {
        assert_eq!(encode(config, Some(Type::Bytes), &bytes).unwrap().as_deref(), Some("raw"));
        assert_eq!(encode(config, None, &bytes).unwrap().as_deref(), Some("raw"));
        assert_eq!(encode(config, Some(Type::Bytes), &Value::Null).unwrap(), None);
        assert_eq!(encode(config, None, &Value::Null).unwrap(), None);
    }
    assert_eq!(encode(&json, Some(Type::Int32), &Value::Int32(5)).unwrap().as_deref(), Some("5"));
    assert_eq!(encode(&json, None, &"a".into()).unwrap().as_deref(), Some("\"a\""));
    assert_eq!(
        encode(&json[..1], Some(Type::Int32), &Value::Int32(5)).unwrap().as_deref(),
        Some("{\"schema\":{\"type\":\"int32\",\"optional\":true},\"payload\":5}")
    );
}

#[test]
fn without_a_delegate_only_bytes_are_taken() {
    let error = encode(&[], Some(Type::Int32), &Value::Int32(5)).unwrap_err();
    assert_eq!(
        error.message(),
        "A value of java.lang.Integer requires a delegate.converter.type to be configured"
    );
    let error = make(&[("delegate.converter.type", "x.Y")]).err().unwrap();
    assert_eq!(error.message(), "Unable to find class x.Y");
}

#[test]
fn reads_bytes() {
    let read = make(&[]).unwrap().decoder("t").unwrap().decode(Some(&Bytes::from_static(b"x"))).unwrap();
    assert_eq!(read.value, Value::Bytes(Bytes::from_static(b"x")));
    assert_eq!(read.schema.unwrap().ty, Type::Bytes);
}
