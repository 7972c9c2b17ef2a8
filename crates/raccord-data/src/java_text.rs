//! The text that Java gives to numbers, dates and any other object.
//!
//! Numbers follow `Double.toString` as it is specified and as Java 19 and later print it: the shortest digits that
//! read back as the same number. Java 17 prints some numbers with a digit too many (JDK-4511638).

use crate::calendar::{self, FIRST_GREGORIAN_DAY};
use crate::{Value, java_order};

/// Appends `Double.toString`: `NaN`, `Infinity`, `1.0`, `1.0E7`.
pub fn append_f64(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        append_non_finite(number.is_nan(), number < 0.0, out);
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        out.extend_from_slice(shortest.as_bytes());
    } else if magnitude < 1e-320 {
        append_scientific(
            &two_digits(shortest, format!("{number:.1e}"), |text| text.parse() == Ok(number)),
            out,
        );
    } else {
        append_scientific(shortest, out);
    }
}

/// Appends `Float.toString`.
pub fn append_f32(number: f32, out: &mut Vec<u8>) {
    if !number.is_finite() {
        append_non_finite(number.is_nan(), number < 0.0, out);
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        out.extend_from_slice(shortest.as_bytes());
    } else if magnitude < 1e-42 {
        append_scientific(
            &two_digits(shortest, format!("{number:.1e}"), |text| text.parse() == Ok(number)),
            out,
        );
    } else {
        append_scientific(shortest, out);
    }
}

/// Among the smallest numbers one digit may be enough to tell them apart. Java prints two always, the closest two.
fn two_digits(shortest: &str, closest: String, reads_back: impl Fn(&str) -> bool) -> String {
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits == 1 && reads_back(&closest) { closest } else { shortest.to_owned() }
}

fn append_non_finite(is_nan: bool, is_negative: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(match (is_nan, is_negative) {
        (true, _) => b"NaN",
        (false, true) => b"-Infinity",
        (false, false) => b"Infinity",
    });
}

/// Rewrites `12345678.9`, `1e16` or `0.00012` as `1.23456789E7`, `1.0E16`, `1.2E-4`.
fn append_scientific(text: &str, out: &mut Vec<u8>) {
    let unsigned = match text.strip_prefix('-') {
        Some(rest) => {
            out.push(b'-');
            rest
        }
        None => text,
    };
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [0u8; 32];
    let mut count = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        digits[count] = digit;
        count += 1;
    }
    let leading = digits[..count].iter().take_while(|digit| **digit == b'0').count();
    let mut digits = &digits[leading..count];
    while let [head @ .., b'0'] = digits {
        if head.is_empty() {
            break;
        }
        digits = head;
    }
    let exponent = exponent.parse::<i32>().unwrap_or(0) + whole.len() as i32 - 1 - leading as i32;
    let (first, rest) = digits.split_at(1.min(digits.len()));
    out.extend_from_slice(first);
    out.push(b'.');
    out.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
    out.push(b'E');
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

/// Appends `String.valueOf(object)`: `null`, `[1, 2]`, `{a=b}`, `Struct{a=1}`.
///
/// A `byte[]` has no text in Java but `[B@` and a number that differs from run to run; here the number follows from
/// the contents.
pub fn append_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int8(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Int16(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Int32(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Int64(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Float32(number) => append_f32(*number, out),
        Value::Float64(number) => append_f64(*number, out),
        Value::String(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(_) => {
            out.extend_from_slice(format!("[B@{:x}", java_order::value_hash(value)).as_bytes());
        }
        Value::Decimal(decimal) => out.extend_from_slice(decimal.to_string().as_bytes()),
        Value::Date(millis) => out.extend_from_slice(date_text(*millis).as_bytes()),
        Value::Array(items) => append_list(b"[", items, b"]", out, append_value),
        Value::Map(entries) => append_list(b"{", entries, b"}", out, |(key, value), out| {
            append_value(key, out);
            out.push(b'=');
            append_value(value, out);
        }),
        Value::Struct(value) => {
            out.extend_from_slice(b"Struct{");
            let mut first = true;
            for (field, cell) in value.schema().fields().iter().zip(value.cells()) {
                if cell.is_null() {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(field.name.as_bytes());
                out.push(b'=');
                append_value(cell, out);
            }
            out.push(b'}');
        }
    }
}

fn append_list<T>(open: &[u8], items: &[T], close: &[u8], out: &mut Vec<u8>, one: impl Fn(&T, &mut Vec<u8>)) {
    out.extend_from_slice(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        one(item, out);
    }
    out.extend_from_slice(close);
}

/// A moment in UTC, split up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilTime {
    /// Astronomical year.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 is Sunday.
    pub weekday: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999.
    pub milli: u32,
}

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

impl CivilTime {
    /// Splits milliseconds since the epoch as Java's calendar does: Julian before 15 October 1582, Gregorian from then.
    pub fn of(millis: i64) -> Self {
        let days = millis.div_euclid(DAY_MS);
        let in_day = millis.rem_euclid(DAY_MS) as u32;
        let date = if days < FIRST_GREGORIAN_DAY { calendar::julian_date_of } else { calendar::date_of };
        let (year, month, day) = date(days);
        Self {
            year,
            month: month as u32,
            day: day as u32,
            weekday: (days + 4).rem_euclid(7) as u32,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            milli: in_day % 1000,
        }
    }

    /// Days since the epoch of a date whose month and day may lie out of range, as a lenient Java calendar counts.
    pub fn lenient_days(year: i64, month: i64, day: i64) -> i64 {
        let year = year + (month - 1).div_euclid(12);
        let month = (month - 1).rem_euclid(12) + 1;
        let gregorian = calendar::day_of(year, month, day);
        match gregorian >= FIRST_GREGORIAN_DAY {
            true => gregorian,
            false => calendar::julian_day_of(year, month, day),
        }
    }
}

/// `Date.toString` in UTC: `Thu Jan 01 00:00:00 UTC 1970`.
fn date_text(millis: i64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = CivilTime::of(millis);
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} UTC {}",
        DAYS[time.weekday as usize],
        MONTHS[time.month as usize - 1],
        time.day,
        time.hour,
        time.minute,
        time.second,
        // Years before the first are counted backwards, without a sign.
        if time.year > 0 { time.year } else { 1 - time.year }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_doubles_as_java_does() {
        let check = |number: f64, expect: &str| {
            let mut out = Vec::new();
            append_f64(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(123.456, "123.456");
        check(0.001, "0.001");
        check(0.000_999, "9.99E-4");
        check(9_999_999.0, "9999999.0");
        check(1e7, "1.0E7");
        check(12_345_678.9, "1.23456789E7");
        check(-1e21, "-1.0E21");
        check(1e16, "1.0E16");
        check(1.5e300, "1.5E300");
        check(f64::MAX, "1.7976931348623157E308");
        check(f64::MIN_POSITIVE, "2.2250738585072014E-308");
        check(f64::from_bits(1), "4.9E-324");
        check(f64::from_bits(2), "9.9E-324");
        check(2e-323, "2.0E-323");
        check(2e23, "2.0E23");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
    }

    #[test]
    fn prints_floats_as_java_does() {
        let check = |number: f32, expect: &str| {
            let mut out = Vec::new();
            append_f32(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(1.1, "1.1");
        check(0.1, "0.1");
        check(1e10, "1.0E10");
        check(3.402_823_5e38, "3.4028235E38");
        check(f32::from_bits(1), "1.4E-45");
        check(16_777_216.0, "1.6777216E7");
        check(f32::INFINITY, "Infinity");
    }

    #[test]
    fn prints_dates_as_java_does() {
        assert_eq!(date_text(0), "Thu Jan 01 00:00:00 UTC 1970");
        assert_eq!(date_text(1_566_570_894_346), "Fri Aug 23 14:34:54 UTC 2019");
        assert_eq!(date_text(-62_135_596_800_000), "Mon Jan 03 00:00:00 UTC 1");
        assert_eq!(date_text(-1), "Wed Dec 31 23:59:59 UTC 1969");
    }

    #[test]
    fn civil_time_and_days_are_inverse() {
        for days in (-800_000..800_000).step_by(37) {
            let time = CivilTime::of(days * DAY_MS);
            assert_eq!(CivilTime::lenient_days(time.year, i64::from(time.month), i64::from(time.day)), days);
        }
    }
}
