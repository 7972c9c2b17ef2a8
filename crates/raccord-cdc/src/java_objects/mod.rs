//! Arrays of objects in Java's serialisation: Debezium stores the keys between which an incremental snapshot stands as
//! the hex digits of a serialised `Object[]`.
//!
//! The format is that of the Java Object Serialization Specification (chapter 6), the classes are those that the JDBC
//! drivers make of the columns of keys. `read` understands the grammar and any order of fields, `write` gives the bytes
//! that a JVM gives, down to the back references for objects that Java keeps one instance of.

mod read;
mod write;

use std::fmt;

use num_bigint::BigInt;
use raccord_data::{Decimal, calendar, java_text};

/// An element of the array.
#[derive(Clone, Debug, PartialEq)]
pub enum JavaObject {
    /// `null`.
    Null,
    /// `java.lang.Boolean`.
    Boolean(bool),
    /// `java.lang.Byte`.
    Byte(i8),
    /// `java.lang.Short`.
    Short(i16),
    /// `java.lang.Integer`.
    Integer(i32),
    /// `java.lang.Long`.
    Long(i64),
    /// `java.lang.Float`.
    Float(f32),
    /// `java.lang.Double`.
    Double(f64),
    /// `java.lang.String`.
    String(String),
    /// `java.math.BigInteger`.
    BigInteger(BigInt),
    /// `java.math.BigDecimal`: `unscaled` times ten to the power of minus `scale`.
    Decimal {
        /// The digits.
        unscaled: BigInt,
        /// How many of them are behind the point.
        scale: i32,
    },
    /// `java.sql.Timestamp`: seconds since 1970 and nanoseconds of the second.
    Timestamp {
        /// Whole seconds.
        seconds: i64,
        /// 0 to 999,999,999.
        nanos: i32,
    },
    /// `java.sql.Date`: milliseconds since 1970 of the day's beginning.
    Date(i64),
    /// `java.sql.Time`: milliseconds since 1970 of that time on its first day.
    Time(i64),
    /// `java.util.UUID`.
    Uuid(u128),
    /// `byte[]`.
    Bytes(Vec<u8>),
    /// `org.postgresql.util.PGobject`: a value of a type that the driver has no class for.
    PgObject {
        /// The type's name.
        ty: String,
        /// The value as text.
        value: Option<String>,
    },
}

/// Bytes that are no such array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaObjectError(String);

impl fmt::Display for JavaObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JavaObjectError {}

/// The hex digits of an array, or of null.
pub fn to_hex(array: Option<&[JavaObject]>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = write::array(array);
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Reads what [`to_hex`] or a JVM wrote.
///
/// # Errors
/// When the text is no hex, its bytes are no serialised array, or an element is of a class that keys do not have.
pub fn from_hex(text: &str) -> Result<Option<Vec<JavaObject>>, JavaObjectError> {
    let wrong = || JavaObjectError("an odd number of hex digits, or something else".to_owned());
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or_else(wrong)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    read::array(&bytes)
}

impl fmt::Display for JavaObject {
    /// As `toString` in Java, in UTC; bytes, of which Java shows the identity, as their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<null>"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::Byte(number) => write!(f, "{number}"),
            Self::Short(number) => write!(f, "{number}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Float(number) => f.write_str(&ascii(|out| java_text::append_f32(*number, out))),
            Self::Double(number) => f.write_str(&ascii(|out| java_text::append_f64(*number, out))),
            Self::String(text) => f.write_str(text),
            Self::BigInteger(number) => write!(f, "{number}"),
            Self::Decimal { unscaled, scale } => write!(f, "{}", Decimal::new(unscaled.clone(), *scale)),
            Self::Timestamp { seconds, nanos } => {
                let (date, time) =
                    (date_text(seconds.div_euclid(86_400)), time_text(seconds.rem_euclid(86_400)));
                let fraction = format!("{nanos:09}");
                let fraction = fraction.trim_end_matches('0');
                write!(f, "{date} {time}.{}", if fraction.is_empty() { "0" } else { fraction })
            }
            Self::Date(millis) => f.write_str(&date_text(millis.div_euclid(86_400_000))),
            Self::Time(millis) => f.write_str(&time_text(millis.div_euclid(1_000).rem_euclid(86_400))),
            Self::Uuid(bits) => f.write_str(&uuid_text(*bits)),
            Self::Bytes(bytes) => write!(f, "[{} bytes]", bytes.len()),
            Self::PgObject { value, .. } => f.write_str(value.as_deref().unwrap_or("<null>")),
        }
    }
}

fn ascii(append: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    append(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// A decimal number in plain digits, for any scale.
pub fn decimal_text(unscaled: &BigInt, scale: i32) -> String {
    let digits = unscaled.magnitude().to_string();
    let sign = if unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}e{}", -i64::from(scale)),
    }
}

/// A UUID in its usual form.
pub fn uuid_text(bits: u128) -> String {
    let digits = format!("{bits:032x}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// A day, counted from 1970-01-01, as `yyyy-mm-dd`; years before the first with a minus sign.
pub fn date_text(day: i64) -> String {
    let (year, month, day) = calendar::date_of(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time_text(second: i64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests;
