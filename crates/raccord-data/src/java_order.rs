//! The iteration order of `java.util.HashMap`.
//!
//! Connect keeps configs, offset partitions and schemaless maps in `HashMap`s and writes them out in the map's
//! order, so a byte-equal topic needs that order. It follows from `String.hashCode`, the spreading of the upper
//! half into the lower, and a table that doubles when it is three quarters full (all in the documentation of the
//! two classes). Within a bucket entries keep the order of insertion; buckets of more than eight entries, which
//! Java turns into trees, keep it as well for iteration.

use std::hash::{DefaultHasher, Hash, Hasher};

use num_bigint::{BigInt, Sign};

use crate::Value;

/// `String.hashCode`: over UTF-16 code units.
pub fn string_hash(text: &str) -> i32 {
    if text.is_ascii() {
        return text.bytes().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    }
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Sorts entries as a `HashMap` that was filled in this order (default capacity) iterates over them. Keys are unique.
pub fn sort_by_key<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    sort_with_capacity(entries, key, 16);
}

/// As [`sort_by_key`], for a map that was created with room for that many table slots (a power of two).
pub fn sort_with_capacity<T>(entries: &mut [T], key: impl Fn(&T) -> &str, slots: usize) {
    sort_by_hash(entries, |entry| string_hash(key(entry)), slots);
}

/// As [`sort_with_capacity`], for keys of any class whose `hashCode` is given.
pub fn sort_by_hash<T>(entries: &mut [T], hash: impl Fn(&T) -> i32, slots: usize) {
    let mut slots = slots.max(1).next_power_of_two();
    while entries.len() > slots * 3 / 4 {
        slots *= 2;
    }
    let mask = slots as u32 - 1;
    entries.sort_by_key(|entry| {
        let hash = hash(entry) as u32;
        (hash ^ (hash >> 16)) & mask
    });
}

/// `hashCode` of the Java object that a value stands for.
///
/// Java takes the hash of a `byte[]` from its address, so two runs of Connect disagree about it; here it follows from
/// the contents. So does that of a struct, whose Java hash covers its schema.
pub fn value_hash(value: &Value) -> i32 {
    let long = |number: i64| (number ^ ((number as u64) >> 32) as i64) as i32;
    match value {
        Value::Null => 0,
        Value::Boolean(flag) => {
            if *flag {
                1231
            } else {
                1237
            }
        }
        Value::Int8(number) => i32::from(*number),
        Value::Int16(number) => i32::from(*number),
        Value::Int32(number) => *number,
        Value::Int64(number) | Value::Date(number) => long(*number),
        Value::Float32(number) => {
            (if number.is_nan() { f32::NAN.to_bits() } else { number.to_bits() }) as i32
        }
        Value::Float64(number) => {
            long((if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() }) as i64)
        }
        Value::String(text) => string_hash(text),
        Value::Bytes(bytes) => content_hash(&bytes[..]),
        Value::Decimal(decimal) => {
            big_integer_hash(&decimal.unscaled).wrapping_mul(31).wrapping_add(decimal.scale)
        }
        Value::Array(items) => {
            items.iter().fold(1i32, |hash, item| hash.wrapping_mul(31).wrapping_add(value_hash(item)))
        }
        Value::Map(entries) => entries
            .iter()
            .fold(0i32, |hash, (key, value)| hash.wrapping_add(value_hash(key) ^ value_hash(value))),
        Value::Struct(value) => {
            value.cells().iter().fold(1i32, |hash, item| hash.wrapping_mul(31).wrapping_add(value_hash(item)))
        }
    }
}

fn content_hash(content: impl Hash) -> i32 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish() as i32
}

/// `BigInteger.hashCode`: over the 32-bit digits of the magnitude from the highest, with the sign.
fn big_integer_hash(number: &BigInt) -> i32 {
    let hash = number
        .magnitude()
        .to_u32_digits()
        .iter()
        .rev()
        .fold(0i32, |hash, digit| hash.wrapping_mul(31).wrapping_add(*digit as i32));
    if number.sign() == Sign::Minus { hash.wrapping_neg() } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("name"), 3_373_707);
        assert_eq!(
            string_hash("connector.class"),
            "connector.class".chars().fold(0i32, |h, c| h.wrapping_mul(31).wrapping_add(c as i32))
        );
        assert_eq!(
            string_hash("é😀"),
            (0xe9_i32.wrapping_mul(31).wrapping_add(0xd83d)).wrapping_mul(31).wrapping_add(0xde00)
        );
    }

    #[test]
    fn orders_as_a_hash_map_iterates() {
        // As printed by `HashMap.keySet()` after puts in the order of the second argument.
        let check = |expect: &[&str], mut keys: Vec<&str>| {
            sort_by_key(&mut keys, |key| key);
            assert_eq!(keys, expect);
        };
        check(
            &["connector.class", "file", "tasks.max", "name", "topic"],
            vec!["name", "connector.class", "tasks.max", "file", "topic"],
        );
        let names: Vec<String> = (0..14).map(|n| format!("key{n}")).collect();
        check(
            &[
                "key1", "key2", "key0", "key5", "key6", "key3", "key4", "key9", "key7", "key8", "key11",
                "key10", "key13", "key12",
            ],
            names.iter().map(String::as_str).collect(),
        );
    }
}
