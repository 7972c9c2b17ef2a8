//! Records of an offsets topic: key `["<connector>",{<partition>}]`, value a JSON object, both as Connect's JsonConverter
//! writes them without schemas.

use bytes::Bytes;
use raccord_data::java_order;
use raccord_plugin::{Error, OffsetMap, Result};
use serde_json::{Number, Value};

use crate::connect_json::{write_object, write_string};

/// The bytes of a key, in the order of the partition's map.
pub fn encode_key(connector: &str, partition: &OffsetMap) -> Bytes {
    let mut out = vec![b'['];
    write_string(&mut out, connector);
    out.push(b',');
    write_object(&mut out, partition);
    out.push(b']');
    Bytes::from(out)
}

/// The bytes of a value.
pub fn encode_value(offset: &OffsetMap) -> Bytes {
    let mut out = Vec::new();
    write_object(&mut out, offset);
    Bytes::from(out)
}

/// Reads a key; `None` when it is not of the form above.
pub fn decode_key(key: &[u8]) -> Option<(String, OffsetMap)> {
    let Value::Array(parts) = serde_json::from_slice(key).ok()? else { return None };
    match <[Value; 2]>::try_from(parts) {
        Ok([Value::String(connector), Value::Object(partition)]) => Some((connector, partition)),
        _ => None,
    }
}

/// Reads a value; `None` when it is not an object.
pub fn decode_value(value: &[u8]) -> Option<OffsetMap> {
    match serde_json::from_slice(value).ok()? {
        Value::Object(offset) => Some(offset),
        _ => None,
    }
}

/// A text that is equal for equal partitions, whatever the order of their fields and the form of their numbers:
/// whole numbers are one kind, all others are doubles, as they are to a Java worker.
pub fn canonical(partition: &OffsetMap) -> String {
    let mut fields: Vec<_> = partition.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let fields = fields.into_iter().map(|(name, value)| (name.clone(), canonical_value(value)));
    Value::Object(fields.collect()).to_string()
}

fn canonical_value(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::Object(map) => {
            let text = canonical(map);
            serde_json::from_str(&text).unwrap_or(Value::Null)
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical_value).collect()),
        other => other.clone(),
    }
}

fn canonical_number(number: &Number) -> Number {
    if number.as_i64().is_some() || number.as_u64().is_some() {
        return number.clone();
    }
    number.as_f64().and_then(Number::from_f64).unwrap_or_else(|| number.clone())
}

/// The map that a Java worker makes of an offset or a partition that a user wrote: in the order of a `HashMap`.
///
/// # Errors
/// When a value is not a primitive, worded as Connect words it.
pub fn normalised(map: &OffsetMap) -> Result<OffsetMap> {
    let mut fields: Vec<(String, Value)> = Vec::with_capacity(map.len());
    for (name, value) in map {
        let kind = match value {
            Value::Array(_) => "class java.util.ArrayList",
            Value::Object(_) => "class java.util.LinkedHashMap",
            _ => {
                fields.push((name.clone(), value.clone()));
                continue;
            }
        };
        // A list maps to a type of Connect's schemas and is named by it, as is a map.
        let kind = if kind.ends_with("ArrayList") { "ARRAY" } else { "MAP" };
        return Err(Error::record(format!(
            "Offsets may only contain primitive types as values, but field {name} contains {kind}"
        )));
    }
    java_order::sort_by_key(&mut fields, |(name, _)| name);
    Ok(fields.into_iter().collect())
}

/// `Map.hashCode` of a partition as a Java worker holds it: whole numbers are `Long`, others `Double`.
pub fn java_hash(partition: &OffsetMap) -> i32 {
    let entry = |(name, value): (&String, &Value)| java_order::string_hash(name) ^ value_hash(value);
    partition.iter().map(entry).fold(0, i32::wrapping_add)
}

fn value_hash(value: &Value) -> i32 {
    let folded = |bits: u64| (bits ^ (bits >> 32)) as i32;
    match value {
        Value::Null => 0,
        Value::Bool(value) => {
            if *value {
                1231
            } else {
                1237
            }
        }
        Value::String(text) => java_order::string_hash(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => folded(whole as u64),
            (None, Some(double)) => folded(double.to_bits()),
            (None, None) => 0,
        },
        // No partition has such values.
        Value::Array(_) | Value::Object(_) => 0,
    }
}

/// `TopicPartition.hashCode`.
pub fn topic_partition_hash(topic: &str, partition: i32) -> i32 {
    31i32.wrapping_add(partition).wrapping_mul(31).wrapping_add(java_order::string_hash(topic))
}

/// Sorts entries as a `HashMap` that was filled in this order iterates over them, given the hashes of their keys.
pub fn sort_like_java<T>(entries: &mut [T], hash: impl Fn(&T) -> i32) {
    let mut slots = 16;
    while entries.len() > slots * 3 / 4 {
        slots *= 2;
    }
    let mask = slots as u32 - 1;
    entries.sort_by_key(|entry| {
        let hash = hash(entry) as u32;
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(text: &str) -> OffsetMap {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn writes_the_bytes_of_connect() {
        let key = encode_key("local-file-source", &map(r#"{"filename":"/tmp/ü \"in\".txt"}"#));
        assert_eq!(key, r#"["local-file-source",{"filename":"/tmp/ü \"in\".txt"}]"#);
        assert_eq!(encode_value(&map(r#"{"position":30}"#)), r#"{"position":30}"#);
    }

    #[test]
    fn partitions_are_equal_by_value() {
        let check = |left, right, equal| {
            assert_eq!(canonical(&map(left)) == canonical(&map(right)), equal, "{left} {right}");
        };
        check(r#"{"a":1,"b":"x"}"#, r#"{"b":"x","a":1}"#, true);
        check(r#"{"a":1.50}"#, r#"{"a":1.5}"#, true);
        check(r#"{"a":1}"#, r#"{"a":1.0}"#, false);
        check(r#"{"a":1}"#, r#"{"a":"1"}"#, false);
        check(r#"{"a":null}"#, r#"{}"#, false);
    }

    #[test]
    fn keys_that_are_none() {
        for key in ["", "{}", "[]", r#"["c"]"#, r#"[1,{}]"#, r#"["c",null]"#, r#"["c",{},1]"#] {
            assert_eq!(decode_key(key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn only_primitives_are_offsets() {
        let message = |text| normalised(&map(text)).unwrap_err().message().to_owned();
        assert_eq!(
            message(r#"{"a":[1]}"#),
            "Offsets may only contain primitive types as values, but field a contains ARRAY"
        );
        assert_eq!(
            message(r#"{"a":{}}"#),
            "Offsets may only contain primitive types as values, but field a contains MAP"
        );
        let order: Vec<_> =
            normalised(&map(r#"{"server":"s","database":"d"}"#)).unwrap().into_iter().collect();
        let mut expect = vec!["server", "database"];
        java_order::sort_by_key(&mut expect, |name| name);
        assert_eq!(order.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expect);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(
            connector in ".{0,9}",
            fields in proptest::collection::vec((".{0,5}", any::<i64>(), ".{0,5}"), 0..5),
        ) {
            let mut partition = OffsetMap::new();
            for (name, number, text) in fields {
                partition.insert(name.clone(), number.into());
                partition.insert(format!("{name}."), text.into());
            }
            let key = encode_key(&connector, &partition);
            prop_assert_eq!(decode_key(&key), Some((connector, partition.clone())));
            prop_assert_eq!(decode_value(&encode_value(&partition)), Some(partition));
        }
    }
}
