//! Points, and pgvector's types.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use raccord_data::{Schema, Struct, Value, java_order, java_text};

/// Reads a `point`: `(1.5,-2)`.
pub fn point_text(schema: &Arc<Schema>, text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    Some(point(schema, x.parse().ok()?, y.parse().ok()?))
}

/// Reads a `point` in binary: two doubles.
pub fn point_binary(schema: &Arc<Schema>, bytes: &[u8]) -> Option<Value> {
    let (x, y) = bytes.split_first_chunk::<8>()?;
    let y = <[u8; 8]>::try_from(y).ok()?;
    Some(point(schema, f64::from_be_bytes(*x), f64::from_be_bytes(y)))
}

/// The struct of a point, with its well-known binary form in little-endian order.
pub fn point(schema: &Arc<Schema>, x: f64, y: f64) -> Value {
    let mut wkb = BytesMut::with_capacity(21);
    wkb.put_u8(1);
    wkb.put_u32_le(1);
    wkb.put_f64_le(x);
    wkb.put_f64_le(y);
    let cells = [Value::Float64(x), Value::Float64(y), Value::Bytes(wkb.freeze()), Value::Null];
    Struct::new(Arc::clone(schema), cells).into()
}

/// Reads `[1,2.5]` into numbers.
pub fn dense(text: &[u8], number: impl Fn(&str) -> Option<Value>) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.split(',').map(|part| number(part.trim())).collect::<Option<_>>().map(Value::Array)
}

/// Reads `{1:0.5,3:2}/5`; entries in the order of a Java `HashMap` made for their number.
pub fn sparse(schema: &Arc<Schema>, text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (entries, dimensions) = text.split_once('/')?;
    let inner = entries.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut numbers = Vec::new();
    for entry in inner.split(',') {
        let (index, number) = entry.split_once(':')?;
        numbers.push((index.trim().parse::<i16>().ok()?, number.trim().parse::<f64>().ok()?));
    }
    let slots = numbers.len().next_power_of_two();
    java_order::sort_by_hash(&mut numbers, |(index, _)| i32::from(*index), slots);
    let entries = numbers.into_iter().map(|(index, number)| (Value::Int16(index), Value::Float64(number)));
    let cells = [Value::Int16(dimensions.trim().parse().ok()?), Value::Map(entries.collect())];
    Some(Struct::new(Arc::clone(schema), cells).into())
}

/// Text of a geometric type with its numbers as `Double.toString` writes them.
pub fn with_java_numbers(text: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.first() {
        let mark = matches!(first, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b',');
        if mark {
            out.push(*first);
            rest = &rest[1..];
            continue;
        }
        let length = rest.iter().take_while(|byte| !matches!(byte, b')' | b']' | b'}' | b'>' | b',')).count();
        let (number, after) = rest.split_at(length);
        java_text::append_f64(std::str::from_utf8(number).ok()?.parse().ok()?, &mut out);
        rest = after;
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_as_java_does() {
        let check = |text: &str, expect: &str| {
            assert_eq!(with_java_numbers(text.as_bytes()).unwrap(), expect.as_bytes());
        };
        check("{1,2.5,-3}", "{1.0,2.5,-3.0}");
        check("[(0,0),(1e10,1)]", "[(0.0,0.0),(1.0E10,1.0)]");
        check("<(0,0),1>", "<(0.0,0.0),1.0>");
        assert_eq!(with_java_numbers(b"(a,1)"), None);
    }

    #[test]
    fn reads_vectors() {
        let double = |text: &str| text.parse().ok().map(Value::Float64);
        let expect = Value::Array(vec![Value::Float64(1.0), Value::Float64(-2.5)]);
        assert_eq!(dense(b"[1,-2.5]", double), Some(expect));
        assert_eq!(dense(b"1,2", double), None);
        let sparse = sparse(&super::super::schemas::sparse_vector(), b"{1:0.5,3:2}/5").unwrap();
        let Value::Struct(sparse) = sparse else { panic!("a struct") };
        assert_eq!(sparse.cells()[0], Value::Int16(5));
        let entries = vec![(Value::Int16(1), Value::Float64(0.5)), (Value::Int16(3), Value::Float64(2.0))];
        assert_eq!(sparse.cells()[1], Value::Map(entries));
    }
}
