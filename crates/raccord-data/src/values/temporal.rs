//! Dates and times in header text, read as leniently as Java's `SimpleDateFormat` reads them.

use super::parser::Known;
use crate::Value;
use crate::java_text::{CivilTime, DAY_MS};

/// What a date format consists of.
enum Part {
    Number,
    Literal(u8),
}

use Part::{Literal, Number};

const DATE: &[Part] = &[Number, Literal(b'-'), Number, Literal(b'-'), Number];
const TIME: &[Part] =
    &[Number, Literal(b':'), Number, Literal(b':'), Number, Literal(b'.'), Number, Literal(b'Z')];

/// Reads a token as a time, timestamp or date; which one follows from its length.
pub(super) fn parse(token: &str) -> Option<(Known, Value)> {
    let token = token.replace("\\:", ":");
    let (known, parts): (_, &[&[Part]]) = match token.encode_utf16().count() {
        13 => (Known::Time, &[TIME]),
        24 => (Known::Timestamp, &[DATE, &[Literal(b'T')], TIME]),
        10 => (Known::Date, &[DATE]),
        _ => return None,
    };
    let mut numbers = Vec::with_capacity(7);
    let mut rest = token.as_bytes();
    for part in parts.iter().copied().flatten() {
        match part {
            Number => numbers.push(number(&mut rest)?),
            Literal(literal) => rest = rest.strip_prefix(&[*literal])?,
        }
    }
    let (days, clock) = match (known, &numbers[..]) {
        (Known::Time, clock) => (0, clock),
        (_, [year, month, day, clock @ ..]) => (CivilTime::lenient_days(*year, *month, *day), clock),
        _ => return None,
    };
    let scales = [3_600_000, 60_000, 1000, 1];
    let in_day: i64 = clock.iter().zip(scales).map(|(number, scale)| number * scale).sum();
    Some((known, Value::Date(days * DAY_MS + in_day)))
}

/// Reads a number with blanks and a minus sign before it.
fn number(rest: &mut &[u8]) -> Option<i64> {
    while let [b' ' | b'\t', tail @ ..] = *rest {
        *rest = tail;
    }
    let negative = matches!(rest, [b'-', ..]);
    let digits = &rest[usize::from(negative)..];
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let number = digits[..count]
        .iter()
        .fold(0i64, |number, digit| number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
    *rest = &digits[count..];
    Some(i64::from((if negative { -number } else { number }) as i32))
}
