//! Numbers: integers, floats, `numeric`, `money`.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use num_bigint::BigInt;
use raccord_data::{Decimal, Schema, Struct, Text, Value, java_text};

use super::settings::DecimalMode;
use crate::raw::Raw;

/// Reads an integer in decimal digits.
pub fn integer<T: TryFrom<i64>>(text: &[u8]) -> Option<T> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    // Downwards, since the lowest number has no positive twin.
    let mut number = 0i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    let number = if negative { number } else { number.checked_neg()? };
    T::try_from(number).ok()
}

/// Reads a float as PostgreSQL writes it.
pub fn float<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How a `numeric` column is written.
#[derive(Clone, Debug)]
pub enum NumericForm {
    /// With the scale of the column, exact.
    Precise(i32),
    /// With the scale of each value, exact: a struct of this schema.
    Variable(Arc<Schema>),
    /// As a double.
    Double,
    /// As text, with the scale of the column if it has one.
    String(Option<i32>),
}

/// What a `numeric` is when it is no number.
enum Special {
    NotANumber,
    Infinity,
    NegativeInfinity,
}

/// A cell of a `numeric`, from its text. A special value has no place in the exact forms: then the cell is null, as
/// Debezium leaves it after logging the failure.
pub fn numeric_text(form: &NumericForm, bytes: Raw<'_>) -> Option<Value> {
    if let Some(special) = special(&bytes) {
        return Some(special_cell(form, special));
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    match form {
        NumericForm::Double => text.parse().ok().map(Value::Float64),
        NumericForm::Variable(schema) => {
            let text = match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.'),
                false => text,
            };
            Some(variable_cell(schema, decimal(text)?))
        }
        NumericForm::Precise(scale) => Some(match rescaled(decimal(text)?, *scale) {
            Some(decimal) => Value::Decimal(Box::new(decimal)),
            None => Value::Null,
        }),
        NumericForm::String(scale) if is_plain(text.as_bytes(), *scale) => bytes.text().map(Value::String),
        NumericForm::String(scale) => plain(decimal(text)?, *scale),
    }
}

/// Whether the text is as Java would write the number with that scale, or with its own.
fn is_plain(text: &[u8], scale: Option<i32>) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match unsigned.get(whole..) {
        Some([b'.', fraction @ ..]) if !fraction.is_empty() => fraction,
        Some([]) => &[],
        _ => return false,
    };
    let zero = || unsigned.iter().all(|byte| matches!(byte, b'0' | b'.'));
    (whole == 1 || whole > 1 && unsigned[0] != b'0')
        && fraction.iter().all(u8::is_ascii_digit)
        && scale.is_none_or(|scale| usize::try_from(scale) == Ok(fraction.len()))
        && (unsigned.len() == text.len() || !zero())
}

/// A cell of a `numeric`, from the binary form: digits of base 10,000 with the weight of the first, sign and scale
/// (PostgreSQL's `numeric_send`).
pub fn numeric_binary(form: &NumericForm, bytes: &[u8]) -> Option<Value> {
    let (digits, scale) = match numeric_parts(bytes)? {
        Ok(parts) => parts,
        Err(special) => return Some(special_cell(form, special)),
    };
    if let (NumericForm::String(wanted), Digits::Few(unscaled)) = (form, &digits)
        && wanted.is_none_or(|wanted| wanted == scale)
    {
        return Some(Value::String(plain_digits(*unscaled, scale)));
    }
    let decimal = match digits {
        Digits::Few(unscaled) => Decimal::new(BigInt::from(unscaled), scale),
        Digits::Many(unscaled) => Decimal::new(unscaled, scale),
    };
    Some(match form {
        NumericForm::Double => Value::Float64(decimal.to_f64()),
        NumericForm::Variable(schema) => variable_cell(schema, stripped(decimal)),
        NumericForm::Precise(scale) => {
            rescaled(decimal, *scale).map_or(Value::Null, |decimal| Value::Decimal(Box::new(decimal)))
        }
        NumericForm::String(scale) => plain(decimal, *scale)?,
    })
}

fn special(text: &[u8]) -> Option<Special> {
    match text {
        b"NaN" => Some(Special::NotANumber),
        b"Infinity" => Some(Special::Infinity),
        b"-Infinity" => Some(Special::NegativeInfinity),
        _ => None,
    }
}

fn special_cell(form: &NumericForm, special: Special) -> Value {
    match (form, special) {
        (NumericForm::Precise(_) | NumericForm::Variable(_), _) => Value::Null,
        (NumericForm::Double, Special::NotANumber) => Value::Float64(f64::NAN),
        (NumericForm::Double, Special::Infinity) => Value::Float64(f64::INFINITY),
        (NumericForm::Double, Special::NegativeInfinity) => Value::Float64(f64::NEG_INFINITY),
        (NumericForm::String(_), Special::NotANumber) => Value::from("NAN"),
        (NumericForm::String(_), Special::Infinity) => Value::from("POSITIVE_INFINITY"),
        (NumericForm::String(_), Special::NegativeInfinity) => Value::from("NEGATIVE_INFINITY"),
    }
}

/// Reads digits with a point somewhere, without exponent, which PostgreSQL never writes for a `numeric`.
fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = i32::try_from(fraction.len()).ok()?;
    if whole.len() + fraction.len() > 18 {
        return text.parse().ok();
    }
    let whole: i64 = integer(whole.as_bytes()).or_else(|| (whole == "-" || whole.is_empty()).then_some(0))?;
    let fraction: i64 = if fraction.is_empty() { 0 } else { integer(fraction.as_bytes())? };
    let magnitude = whole.abs() * 10i64.pow(scale.unsigned_abs()) + fraction;
    let unscaled = if text.starts_with('-') { -magnitude } else { magnitude };
    Some(Decimal::new(BigInt::from(unscaled), scale))
}

/// The digits of a number, without its point.
enum Digits {
    Few(i128),
    Many(BigInt),
}

/// The digits and the scale, which is not negative.
fn numeric_parts(bytes: &[u8]) -> Option<Result<(Digits, i32), Special>> {
    let (head, digits) = bytes.split_first_chunk::<8>()?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign, scale) = (usize::from(word(0)), word(2) as i16, word(4), i32::from(word(6)));
    match sign {
        0 | 0x4000 => {}
        0xc000 => return Some(Err(Special::NotANumber)),
        0xd000 => return Some(Err(Special::Infinity)),
        0xf000 => return Some(Err(Special::NegativeInfinity)),
        _ => return None,
    }
    if digits.len() != count * 2 || scale > 16_383 {
        return None;
    }
    // All digits that the scale shows, four at a time, then those too many cut off.
    let groups = (i32::from(weight) + 1 + scale.div_euclid(4) + i32::from(scale % 4 != 0)).max(0) as usize;
    let mut small = 0i128;
    let mut large = None;
    for group in 0..groups {
        let digit =
            digits.get(group * 2..group * 2 + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
        if digit > 9_999 {
            return None;
        }
        match (&mut large, small.checked_mul(10_000)) {
            (None, Some(shifted)) => small = shifted + i128::from(digit),
            (None, None) => large = Some(BigInt::from(small) * 10_000 + digit),
            (Some(number), _) => *number = &*number * 10_000 + digit,
        }
    }
    let too_many = (4 - scale % 4) % 4;
    let divisor = 10i64.pow(too_many.unsigned_abs());
    let negative = sign == 0x4000;
    let digits = match large {
        None => {
            // Most numbers fit, and are divided in one step.
            let number = match i64::try_from(small) {
                Ok(small) => i128::from(small / divisor),
                Err(_) => small / i128::from(divisor),
            };
            Digits::Few(if negative { -number } else { number })
        }
        Some(number) => {
            let number: BigInt = number / divisor;
            Digits::Many(if negative { -number } else { number })
        }
    };
    Some(Ok((digits, scale)))
}

/// As Java's `toPlainString`, with a scale that is not negative.
fn plain_digits(unscaled: i128, scale: i32) -> Text {
    let mut buffer = itoa::Buffer::new();
    let digits = match u64::try_from(unscaled.unsigned_abs()) {
        Ok(short) => buffer.format(short),
        Err(_) => buffer.format(unscaled.unsigned_abs()),
    };
    let sign = if unscaled < 0 { "-" } else { "" };
    let scale = scale.unsigned_abs() as usize;
    match digits.len().checked_sub(scale) {
        _ if scale == 0 => Text::concat(&[sign, digits]),
        Some(whole @ 1..) => Text::concat(&[sign, &digits[..whole], ".", &digits[whole..]]),
        _ => Text::concat(&[sign, "0.", &"0".repeat(scale - digits.len()), digits]),
    }
}

/// Without zeros behind the last digit that counts; never with a negative scale.
fn stripped(mut decimal: Decimal) -> Decimal {
    let ten = BigInt::from(10);
    while decimal.scale > 0 {
        let quotient = &decimal.unscaled / &ten;
        if &quotient * &ten != decimal.unscaled {
            break;
        }
        decimal = Decimal::new(quotient, decimal.scale - 1);
    }
    decimal
}

/// With another scale; `None` when digits would be lost.
fn rescaled(decimal: Decimal, scale: i32) -> Option<Decimal> {
    match scale.checked_sub(decimal.scale)? {
        0 => Some(decimal),
        more @ 1.. => {
            let factor = BigInt::from(10).pow(more.unsigned_abs());
            Some(Decimal::new(decimal.unscaled * factor, scale))
        }
        less => {
            let factor = BigInt::from(10).pow(less.unsigned_abs());
            let quotient = &decimal.unscaled / &factor;
            (&quotient * &factor == decimal.unscaled).then(|| Decimal::new(quotient, scale))
        }
    }
}

fn plain(decimal: Decimal, scale: Option<i32>) -> Option<Value> {
    let decimal = match scale {
        Some(scale) => match rescaled(decimal, scale) {
            Some(decimal) => decimal,
            None => return Some(Value::Null),
        },
        None => decimal,
    };
    Some(Value::from(decimal.to_plain_string()))
}

/// A struct of the scale and the digits.
pub fn variable_cell(schema: &Arc<Schema>, decimal: Decimal) -> Value {
    let digits = Value::Bytes(Bytes::from(decimal.to_be_bytes()));
    Struct::new(Arc::clone(schema), [Value::Int32(decimal.scale), digits]).into()
}

/// The default of a `numeric` column as a cell; `None` when it has none in that form.
pub fn numeric_default(form: &NumericForm, text: &str) -> Option<Value> {
    let decimal: Decimal = text.parse().ok()?;
    match form {
        // Debezium leaves out defaults that are structs.
        NumericForm::Variable(_) => None,
        NumericForm::Double => Some(Value::Float64(decimal.to_f64())),
        NumericForm::Precise(scale) => {
            rescaled(decimal, *scale).map(|decimal| Value::Decimal(Box::new(decimal)))
        }
        NumericForm::String(scale) => plain(decimal, *scale).filter(|cell| !cell.is_null()),
    }
}

/// What stands for a missing number.
pub fn numeric_zero(form: &NumericForm) -> Value {
    let zero = Decimal::new(BigInt::ZERO, 0);
    match form {
        NumericForm::Variable(schema) => variable_cell(schema, zero),
        NumericForm::Double => Value::Float64(0.0),
        NumericForm::Precise(scale) => Value::Decimal(Box::new(Decimal::new(BigInt::ZERO, *scale))),
        NumericForm::String(scale) => {
            Value::from(Decimal::new(BigInt::ZERO, scale.unwrap_or(0)).to_plain_string())
        }
    }
}

/// How `money` is written.
#[derive(Clone, Copy, Debug)]
pub struct MoneyForm {
    /// In which form.
    pub mode: DecimalMode,
    /// With how many digits behind the point, for the exact form.
    pub fraction_digits: i32,
}

impl MoneyForm {
    /// A cell, from the text with a currency sign before it (`-$1,234.56`). `rounded` for rows of a snapshot, whose
    /// amounts pass through a double in the JDBC driver.
    pub fn cell(self, text: &[u8], rounded: bool) -> Option<Value> {
        let text = std::str::from_utf8(text).ok()?;
        let (sign, amount) = match text.strip_prefix('-') {
            Some(amount) => ("-", amount),
            None => ("", text),
        };
        let mut chars = amount.chars();
        chars.next()?;
        let digits: String = sign.chars().chain(chars.filter(|c| *c != ',')).collect();
        let double: f64 = digits.parse().ok()?;
        let exact: Decimal = if rounded { java_double(double).parse().ok()? } else { digits.parse().ok()? };
        Some(match self.mode {
            DecimalMode::Double => Value::Float64(double),
            DecimalMode::String if rounded => Value::from(java_double(double)),
            DecimalMode::String => Value::from(exact.to_plain_string()),
            DecimalMode::Precise => Value::Decimal(Box::new(half_up(exact, self.fraction_digits))),
        })
    }

    /// What stands for a missing amount.
    pub fn zero(self) -> Value {
        let zero = Decimal::new(BigInt::ZERO, self.fraction_digits);
        match self.mode {
            DecimalMode::Double => Value::Float64(0.0),
            DecimalMode::String => Value::from(zero.to_plain_string()),
            DecimalMode::Precise => Value::Decimal(Box::new(zero)),
        }
    }
}

fn java_double(number: f64) -> String {
    let mut out = Vec::new();
    java_text::append_f64(number, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn half_up(decimal: Decimal, scale: i32) -> Decimal {
    let less = decimal.scale - scale;
    if less <= 0 {
        let factor = BigInt::from(10).pow(less.unsigned_abs());
        return Decimal::new(decimal.unscaled * factor, scale);
    }
    let factor = BigInt::from(10).pow(less.unsigned_abs());
    let half = &factor / 2;
    let sign = if decimal.unscaled < BigInt::ZERO { -1 } else { 1 };
    let magnitude = decimal.unscaled * sign;
    Decimal::new((magnitude + half) / factor * sign, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_integers() {
        assert_eq!(integer::<i64>(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer::<i64>(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer::<i64>(b"9223372036854775808"), None);
        assert_eq!(integer::<i16>(b"32768"), None);
        for bad in [&b""[..], b"-", b"1a", b"+1", b"99999999999999999999"] {
            assert_eq!(integer::<i32>(bad), None);
        }
    }

    fn check(form: &NumericForm, text: &'static str, binary: &[u8], expect: Option<&str>) {
        let shown = |value: Option<Value>| match value {
            Some(Value::Decimal(decimal)) => Some(decimal.to_string()),
            Some(Value::String(text)) => Some(text.to_string()),
            Some(Value::Float64(number)) => Some(java_double(number)),
            Some(Value::Struct(value)) => Some(format!("{:?}", value.cells())),
            _ => None,
        };
        assert_eq!(
            shown(numeric_text(form, (&Bytes::from_static(text.as_bytes())).into())).as_deref(),
            expect,
            "{text}"
        );
        assert_eq!(shown(numeric_binary(form, binary)).as_deref(), expect, "{text} in binary");
    }

    #[test]
    fn reads_numerics_from_both_forms() {
        let binary = |weight: i16, sign: u16, scale: u16, digits: &[u16]| {
            let head = [digits.len() as u16, weight as u16, sign, scale];
            head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
        };
        let number = binary(0, 0x4000, 2, &[123, 4500]);
        check(&NumericForm::Precise(2), "-123.45", &number, Some("-123.45"));
        check(&NumericForm::Precise(4), "-123.45", &number, Some("-123.4500"));
        check(&NumericForm::Precise(1), "-123.45", &number, None);
        check(&NumericForm::String(None), "-123.45", &number, Some("-123.45"));
        check(&NumericForm::Double, "-123.45", &number, Some("-123.45"));
        check(&NumericForm::String(None), "0.000012", &binary(-2, 0, 6, &[1200]), Some("0.000012"));
        check(&NumericForm::String(None), "100000000", &binary(2, 0, 0, &[1]), Some("100000000"));
        check(&NumericForm::String(None), "0", &binary(0, 0, 0, &[]), Some("0"));
        check(&NumericForm::String(None), "0.00", &binary(0, 0, 2, &[]), Some("0.00"));
        check(&NumericForm::String(Some(2)), "0.05", &binary(-1, 0, 2, &[500]), Some("0.05"));
        check(&NumericForm::String(Some(2)), "-0.05", &binary(-1, 0x4000, 2, &[500]), Some("-0.05"));
        check(
            &NumericForm::String(Some(3)),
            "-12345.60",
            &binary(1, 0x4000, 2, &[1, 2345, 6000]),
            Some("-12345.600"),
        );
        check(&NumericForm::String(Some(0)), "7", &binary(0, 0, 0, &[7]), Some("7"));
        let long = binary(9, 0, 1, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 5000]);
        check(
            &NumericForm::String(None),
            "1000200030004000500060007000800090010.5",
            &long,
            Some("1000200030004000500060007000800090010.5"),
        );
        let not_a_number = binary(0, 0xc000, 0, &[]);
        check(&NumericForm::String(None), "NaN", &not_a_number, Some("NAN"));
        check(&NumericForm::Precise(2), "NaN", &not_a_number, None);
        let variable = NumericForm::Variable(super::super::schemas::variable_scale_decimal());
        check(&variable, "123.4500", &binary(0, 0, 4, &[123, 4500]), Some("[Int32(2), Bytes(b\"09\")]"));
        check(&variable, "100", &binary(0, 0, 0, &[100]), Some("[Int32(0), Bytes(b\"d\")]"));
        check(&variable, "0.00", &binary(0, 0, 2, &[]), Some("[Int32(0), Bytes(b\"\\0\")]"));
    }

    #[test]
    fn reads_money() {
        let check = |mode, rounded, text: &str, expect: &str| {
            let form = MoneyForm { mode, fraction_digits: 2 };
            let shown = match form.cell(text.as_bytes(), rounded).unwrap() {
                Value::Decimal(decimal) => decimal.to_string(),
                Value::String(text) => text.to_string(),
                Value::Float64(number) => java_double(number),
                other => format!("{other:?}"),
            };
            assert_eq!(shown, expect, "{text}");
        };
        check(DecimalMode::Precise, false, "$1,234.56", "1234.56");
        check(DecimalMode::Precise, true, "-$0.05", "-0.05");
        check(DecimalMode::Precise, false, "$92,233,720,368,547,758.07", "92233720368547758.07");
        check(DecimalMode::Precise, true, "$92,233,720,368,547,758.07", "92233720368547760.00");
        check(DecimalMode::String, false, "$1,234.50", "1234.50");
        check(DecimalMode::String, true, "$1,234.50", "1234.5");
        check(DecimalMode::Double, true, "-$12,345.67", "-12345.67");
    }
}
