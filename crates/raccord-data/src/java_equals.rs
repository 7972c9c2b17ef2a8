//! When Java takes two values for the same: `Objects.equals` of what Connect would hold.

use crate::{Schema, Value};

/// Whether two values are equal in Java: NaN equals itself, and zeros differ by sign. Byte arrays are compared by content,
/// as the `ByteBuffer`s are that Debezium's connectors give.
pub fn java_equals(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float32(a), Value::Float32(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Float64(a), Value::Float64(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Array(a), Value::Array(b)) => all_java_equal(a, b),
        (Value::Struct(a), Value::Struct(b)) => {
            Schema::same(a.schema(), b.schema()) && all_java_equal(a.cells(), b.cells())
        }
        (Value::Map(a), Value::Map(b)) => {
            let find = |key: &Value| b.iter().find(|(other, _)| java_equals(key, other));
            a.len() == b.len()
                && a.iter().all(|(key, value)| find(key).is_some_and(|(_, other)| java_equals(value, other)))
        }
        _ => a == b,
    }
}

/// Whether two rows or lists have [equal](java_equals) values at the same places.
pub fn all_java_equal(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| java_equals(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_as_java_does() {
        let check = |a: Value, b: Value, expect: bool| assert_eq!(java_equals(&a, &b), expect, "{a:?} {b:?}");
        let nan = || Value::Float64(f64::NAN);
        check(nan(), nan(), true);
        check(Value::Float64(0.0), Value::Float64(-0.0), false);
        check(Value::Int32(1), Value::Int64(1), false);
        check(Value::Null, Value::Null, true);
        check(Value::Array(vec![nan(), Value::Null]), Value::Array(vec![nan(), Value::Null]), true);
        check(Value::Array(vec![nan()]), Value::Array(vec![nan(), nan()]), false);
        let map = |key: &'static str, value| Value::Map(vec![(key.into(), value)]);
        check(map("a", nan()), map("a", nan()), true);
        check(map("a", nan()), map("b", nan()), false);
    }
}
