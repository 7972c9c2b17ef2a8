//! Numbers from text as Java reads them, with the messages of its `NumberFormatException`s.

use raccord_data::Decimal;
use raccord_plugin::{Error, Result};

use crate::exception;

/// `Byte.parseByte` and its like: a sign and decimal digits, from `min` to `max`.
///
/// # Errors
/// `NumberFormatException`.
pub(super) fn parse_integer(text: &str, kind: Integer) -> Result<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut number: i128 = 0;
    let mut any = false;
    for char in digits.chars() {
        let digit = digit(char).ok_or_else(|| not_for(text))?;
        number = number * 10 + i128::from(digit);
        any = true;
        if number > i128::from(u64::MAX) {
            return Err(not_for(text));
        }
    }
    if !any {
        return Err(not_for(text));
    }
    let number = if text.starts_with('-') { -number } else { number };
    let in_int = i32::try_from(number).is_ok();
    match kind {
        Integer::Int8 | Integer::Int16 if in_int => {
            let fits = match kind {
                Integer::Int8 => i8::try_from(number).is_ok(),
                _ => i16::try_from(number).is_ok(),
            };
            if fits {
                Ok(number as i64)
            } else {
                Err(exception::number_format(format!("Value out of range. Value:\"{text}\" Radix:10")))
            }
        }
        Integer::Int32 if in_int => Ok(number as i64),
        Integer::Int64 => i64::try_from(number).map_err(|_| not_for(text)),
        _ => Err(not_for(text)),
    }
}

/// The integers of Java.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    Int8,
    Int16,
    Int32,
    Int64,
}

fn not_for(text: &str) -> Error {
    exception::number_format(format!("For input string: \"{text}\""))
}

/// `Character.digit(char, 10)` for characters of the basic plane.
fn digit(char: char) -> Option<u32> {
    char.to_digit(10).or_else(|| raccord_data::values::decimal_digit(char))
}

/// `Double.parseDouble`: white space around it, a sign, digits with a point and an exponent, `NaN`, `Infinity`, a suffix
/// `d` or `f`, or hexadecimal digits with a binary exponent.
///
/// # Errors
/// `NumberFormatException`.
pub(super) fn parse_f64(text: &str) -> Result<f64> {
    let number = trimmed(text)?;
    match word(number) {
        Some(word) => Ok(word),
        None if is_decimal(number) => without_suffix(number).parse().map_err(|_| not_for(text)),
        None => hexadecimal(number)
            .map(|(mantissa, exponent)| scale_f64(mantissa, exponent))
            .ok_or_else(|| not_for(text)),
    }
}

/// `Float.parseFloat`; see [`parse_f64`].
///
/// # Errors
/// `NumberFormatException`.
pub(super) fn parse_f32(text: &str) -> Result<f32> {
    let number = trimmed(text)?;
    match word(number) {
        Some(word) => Ok(word as f32),
        None if is_decimal(number) => without_suffix(number).parse().map_err(|_| not_for(text)),
        None => hexadecimal(number)
            .map(|(mantissa, exponent)| scale_f64(mantissa, exponent) as f32)
            .ok_or_else(|| not_for(text)),
    }
}

fn trimmed(text: &str) -> Result<&str> {
    let number = text.trim_matches(|char| char <= ' ');
    if number.is_empty() { Err(exception::number_format("empty String")) } else { Ok(number) }
}

fn word(number: &str) -> Option<f64> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    match unsigned {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => None,
    }
}

fn without_suffix(number: &str) -> &str {
    number.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(number)
}

/// Whether Rust's parser, which takes a few words more, may be asked.
fn is_decimal(number: &str) -> bool {
    let number = without_suffix(number);
    number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'))
}

/// `0x1.8p3` as mantissa and binary exponent. Digits beyond the 60 bits that are kept only round.
fn hexadecimal(number: &str) -> Option<(f64, i32)> {
    let number = without_suffix(number);
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, number.strip_prefix('+').unwrap_or(number)),
    };
    let digits = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"))?;
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut bits: u64 = 0;
    let mut shift: i32 = 0;
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(digit.to_digit(16)?);
        let behind_point = index >= whole.chars().count();
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            shift -= i32::from(behind_point) * 4;
        } else {
            bits |= u64::from(digit != 0);
            shift += i32::from(!behind_point) * 4;
        }
    }
    let exponent: i32 = exponent.parse().ok()?;
    Some((sign * bits as f64, exponent.saturating_add(shift)))
}

/// Multiplied by a power of two in steps that do not overflow on the way.
fn scale_f64(mut number: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && number != 0.0 && number.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        number *= 2f64.powi(step);
        exponent -= step;
    }
    number
}

/// `new BigDecimal(text)`.
///
/// # Errors
/// `NumberFormatException`.
pub(super) fn parse_decimal(text: &str) -> Result<Decimal> {
    text.parse::<Decimal>().map_err(|reason| {
        exception::number_format(not_in_a_decimal(text).unwrap_or_else(|| reason.0.to_owned()))
    })
}

/// What Java says about the first character that cannot be where it is; nothing when it is the exponent that is wrong.
fn not_in_a_decimal(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mut digits, mut points) = (0, 0);
    for char in unsigned.chars() {
        match char {
            '.' if points == 1 => {
                return Some("Character array contains more than one decimal point.".to_owned());
            }
            '.' => points += 1,
            '0'..='9' => digits += 1,
            'e' | 'E' => break,
            // Longer texts go another way in Java.
            _ if unsigned.len() > 18 => {
                return Some("Character array is missing \"e\" notation exponential mark.".to_owned());
            }
            char => {
                return Some(format!(
                    "Character {char} is neither a decimal digit number, decimal point, nor \"e\" notation \
                     exponential mark."
                ));
            }
        }
    }
    (digits == 0).then(|| "No digits found.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers_as_java_does() {
        let check = |text: &str, kind, expect: Result<i64, &str>| {
            let parsed = parse_integer(text, kind).map_err(|error| error.message().to_owned());
            assert_eq!(parsed, expect.map_err(str::to_owned), "{text}");
        };
        check("+7", Integer::Int8, Ok(7));
        check("-128", Integer::Int8, Ok(-128));
        check("128", Integer::Int8, Err("Value out of range. Value:\"128\" Radix:10"));
        check("99999999999", Integer::Int16, Err("For input string: \"99999999999\""));
        check("2147483648", Integer::Int32, Err("For input string: \"2147483648\""));
        check("-9223372036854775808", Integer::Int64, Ok(i64::MIN));
        check(
            "99999999999999999999999",
            Integer::Int64,
            Err("For input string: \"99999999999999999999999\""),
        );
        check("", Integer::Int32, Err("For input string: \"\""));
        check("-", Integer::Int32, Err("For input string: \"-\""));
        check(" 1", Integer::Int32, Err("For input string: \" 1\""));
        check("١٢", Integer::Int32, Ok(12));
    }

    #[test]
    fn reads_doubles_as_java_does() {
        let check = |text: &str, expect: f64| {
            assert_eq!(parse_f64(text).unwrap().to_bits(), expect.to_bits(), "{text}");
        };
        check(" 1.5\n", 1.5);
        check("1e3d", 1000.0);
        check(".5f", 0.5);
        check("5.", 5.0);
        check("-Infinity", f64::NEG_INFINITY);
        check("0x1.8p1", 3.0);
        check("-0x10p-4", -1.0);
        check("0x1p-1074", f64::from_bits(1));
        for bad in ["", "inf", "nan", "1,5", "0x1", "e5", "1e", "--1", "infinity"] {
            assert!(parse_f64(bad).is_err(), "{bad}");
        }
    }
}
