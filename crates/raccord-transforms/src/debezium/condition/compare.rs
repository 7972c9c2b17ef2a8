//! When two values are equal, and which is the lesser.

use std::cmp::Ordering;

use raccord_data::Value;

use super::Failure;
use super::item::Item;
use super::number::Number;

/// Groovy's `==`, which asks for the worth of numbers, not for their types.
pub(super) fn equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.elements(false), right.elements(false)) {
        return left.len() == right.len() && left.iter().zip(&right).all(|(left, right)| equal(left, right));
    }
    match (left, right) {
        (Item::Null, Item::Null) => true,
        (Item::Boolean(left), Item::Boolean(right)) => left == right,
        (Item::Number(left), Item::Number(right)) => left.compare(right) == Some(Ordering::Equal),
        (Item::Number(number), text) | (text, Item::Number(number)) => {
            character(text).is_some_and(|c| number.compare(&c) == Some(Ordering::Equal))
        }
        (Item::Struct(left), Item::Struct(right)) => left == right,
        (Item::Map(left), Item::Map(right)) => {
            left.len() == right.len() && left.iter().all(|entry| right.contains(entry))
        }
        (Item::Other(left), Item::Other(right)) => left == right,
        _ => match (left.as_text(), right.as_text()) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        },
    }
}

/// Java's `equals`, which lists ask for what they contain: types count.
pub(super) fn same(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Number(left), Item::Number(right)) => left.class() == right.class() && left == right,
        (Item::Interpolated(_), Item::Text(_)) | (Item::Text(_), Item::Interpolated(_)) => false,
        _ => equal(left, right),
    }
}

/// A text of one character stands for the number of that character when it meets a number.
fn character(item: &Item<'_>) -> Option<Number> {
    let mut units = item.as_text()?.encode_utf16();
    let first = units.next()?;
    units.next().is_none().then_some(Number::Int(first.into()))
}

/// Groovy's order; none when a number is no number.
///
/// # Errors
/// When the two cannot be compared.
pub(super) fn order(left: &Item<'_>, right: &Item<'_>) -> Result<Option<Ordering>, Failure> {
    let texts = (left.as_text(), right.as_text());
    match (left, right) {
        (Item::Null, Item::Null) => return Ok(Some(Ordering::Equal)),
        (Item::Null, _) => return Ok(Some(Ordering::Less)),
        (_, Item::Null) => return Ok(Some(Ordering::Greater)),
        (Item::Boolean(left), Item::Boolean(right)) => return Ok(Some(left.cmp(right))),
        (Item::Number(left), Item::Number(right)) => return Ok(left.compare(right)),
        (Item::Number(number), text) => {
            if let Some(c) = character(text) {
                return Ok(number.compare(&c));
            }
        }
        (text, Item::Number(number)) => {
            if let Some(c) = character(text) {
                return Ok(c.compare(number));
            }
        }
        (Item::Other(Value::Date(left)), Item::Other(Value::Date(right))) => {
            return Ok(Some(left.cmp(right)));
        }
        _ => {}
    }
    match texts {
        (Some(left), Some(right)) => Ok(Some(order_texts(left, right))),
        // They have an order, but not with each other.
        _ if matches!(left, Item::Text(_) | Item::Number(_) | Item::Boolean(_)) => Err(Failure::new(
            "java.lang.ClassCastException",
            format!("class {} cannot be cast to class {}", right.class(), left.class()),
        )),
        _ => Err(Failure::new(
            "java.lang.IllegalArgumentException",
            format!("Cannot compare {} with {}", left.class(), right.class()),
        )),
    }
}

/// As `String.compareTo`: by units of UTF-16.
fn order_texts(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// JavaScript's `==`.
pub(super) fn loosely_equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Null | Item::Undefined, other) | (other, Item::Null | Item::Undefined) => other.is_null(),
        (Item::Text(left), Item::Text(right)) => left == right,
        (Item::Boolean(left), Item::Boolean(right)) => left == right,
        (
            Item::Number(_) | Item::Text(_) | Item::Boolean(_),
            Item::Number(_) | Item::Text(_) | Item::Boolean(_),
        ) => to_number(left) == to_number(right),
        _ => strictly_equal(left, right),
    }
}

/// JavaScript's `===`.
pub(super) fn strictly_equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Null, Item::Null) | (Item::Undefined, Item::Undefined) => true,
        (Item::Text(left), Item::Text(right)) => left == right,
        (Item::Boolean(left), Item::Boolean(right)) => left == right,
        (Item::Number(left), Item::Number(right)) => left.to_f64() == right.to_f64(),
        (Item::Struct(left), Item::Struct(right)) => std::ptr::eq(*left, *right),
        (Item::Other(left), Item::Other(right)) => std::ptr::eq(*left, *right),
        _ => false,
    }
}

/// JavaScript's order; none when one is no number.
pub(super) fn order_loosely(left: &Item<'_>, right: &Item<'_>) -> Option<Ordering> {
    match (left, right) {
        (Item::Text(left), Item::Text(right)) => Some(order_texts(left, right)),
        _ => to_number(left).partial_cmp(&to_number(right)),
    }
}

/// JavaScript's `Number(..)`.
pub(super) fn to_number(item: &Item<'_>) -> f64 {
    match item {
        Item::Null => 0.0,
        Item::Boolean(flag) => f64::from(u8::from(*flag)),
        Item::Number(number) => number.to_f64(),
        Item::Text(text) => match text.trim() {
            "" => 0.0,
            text => text.parse().unwrap_or(f64::NAN),
        },
        _ => f64::NAN,
    }
}
