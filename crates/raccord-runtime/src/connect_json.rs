//! JSON exactly as Connect's JsonConverter leaves it in the internal topics: Jackson's compact form.
//!
//! The bytes matter because keys of the offsets topic are JSON and compaction compares bytes. Jackson differs from
//! other writers in its escapes: control characters have upper-case hexadecimal digits.

use raccord_data::java_order;
use raccord_plugin::RawConfig;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        let escape = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escape]);
    }
    out.push(b'"');
}

/// Appends a JSON string, or null.
pub fn write_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a JSON object of text values in the order of the config.
pub fn write_config(out: &mut Vec<u8>, config: &RawConfig) {
    out.push(b'{');
    for (index, (key, value)) in config.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_optional(out, value);
    }
    out.push(b'}');
}

/// Appends any JSON value. Numbers keep the text they were read with; those made from a `f64` are printed as
/// `Double.toString` does for the usual magnitudes.
pub fn write_value(out: &mut Vec<u8>, value: &serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => write_object(out, map),
    }
}

/// Appends a JSON object in the order of the map.
pub fn write_object(out: &mut Vec<u8>, map: &serde_json::Map<String, serde_json::Value>) {
    out.push(b'{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

/// A config in the order of a `HashMap` that was filled in the config's order.
pub fn java_map(config: RawConfig) -> RawConfig {
    let mut entries: Vec<_> = config.into_iter().collect();
    java_order::sort_by_key(&mut entries, |(key, _)| key);
    entries.into_iter().collect()
}

/// A config in the order of `new HashMap<>(config)`, which makes room before it copies.
pub fn java_copy(config: RawConfig) -> RawConfig {
    let mut entries: Vec<_> = config.into_iter().collect();
    let slots = copy_slots(entries.len());
    java_order::sort_with_capacity(&mut entries, |(key, _)| key, slots);
    entries.into_iter().collect()
}

/// A config in the order of a `HashMap` that was made with so many slots and filled in the config's order.
pub fn java_map_of(config: RawConfig, slots: usize) -> RawConfig {
    let mut entries: Vec<_> = config.into_iter().collect();
    java_order::sort_with_capacity(&mut entries, |(key, _)| key, slots);
    entries.into_iter().collect()
}

/// Table slots of `new HashMap<>(map)` for a map of that size, from the documentation of `HashMap`: room for
/// `size / 0.75 + 1` entries, rounded up to a power of two.
pub fn copy_slots(size: usize) -> usize {
    ((size as f32 / 0.75) + 1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_jackson_does() {
        let check = |text: &str, expect: &str| {
            let mut out = Vec::new();
            write_string(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check("a/b", r#""a/b""#);
        check("\"\\\n\r\t\u{8}\u{c}", r#""\"\\\n\r\t\b\f""#);
        check("\u{1f}\u{0}\u{7f}é😀", "\"\\u001F\\u0000\u{7f}é😀\"");
    }

    #[test]
    fn values_keep_their_form() {
        let text = r#"["c",{"b":1.50,"a":-7,"n":null,"t":true,"x":"\u001F"}]"#;
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut out = Vec::new();
        write_value(&mut out, &value);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_copied_map_may_have_a_larger_table_than_a_grown_one() {
        assert_eq!(copy_slots(12).next_power_of_two(), 32);
        assert_eq!(copy_slots(11).next_power_of_two(), 16);
    }
}
