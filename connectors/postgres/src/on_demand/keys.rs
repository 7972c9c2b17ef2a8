//! Keys of rows between PostgreSQL's text and the objects that the JDBC driver makes of them, which is how Debezium stores
//! the key of an incremental snapshot.
//!
//! Dates and times have no zone in the database and one in Java: that of the JVM, which is taken to be UTC.

use num_bigint::BigInt;
use raccord_cdc::java_objects::{JavaObject, date_text as day_text, decimal_text, uuid_text};

use crate::catalog::{CatalogColumn, TypeRegistry};
use crate::columns::{Bounded, date_text, oids as oid, timestamp_text};

/// Milliseconds by which the driver tells the two ends of time.
const INFINITY_MILLIS: i64 = 9_223_372_036_825_200_000;
const NEGATIVE_INFINITY_MILLIS: i64 = -9_223_372_036_832_400_000;

/// The object of a column's text. Text that the type does not have stays text.
pub fn object(column: &CatalogColumn, types: &TypeRegistry, text: Option<&str>) -> JavaObject {
    let Some(text) = text else { return JavaObject::Null };
    let root = types.root(column.type_oid);
    typed(root, column.type_modifier, text).unwrap_or_else(|| match types.get(root) {
        Some(ty) if ty.enum_labels.is_none() && !is_text(root) => {
            JavaObject::PgObject { ty: ty.name.to_string(), value: Some(text.to_owned()) }
        }
        _ => JavaObject::String(text.to_owned()),
    })
}

/// Types that the driver gives as a string.
fn is_text(root: u32) -> bool {
    matches!(
        root,
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::BIT | oid::TIME | oid::TIMETZ
    )
}

fn typed(root: u32, modifier: i32, text: &str) -> Option<JavaObject> {
    Some(match root {
        oid::INT2 | oid::INT4 => JavaObject::Integer(text.parse().ok()?),
        oid::INT8 | oid::OID => JavaObject::Long(text.parse().ok()?),
        oid::FLOAT4 => JavaObject::Float(text.parse().ok()?),
        oid::FLOAT8 => JavaObject::Double(text.parse().ok()?),
        oid::BOOL => JavaObject::Boolean(matches!(text, "t" | "true")),
        oid::NUMERIC => decimal(text)?,
        oid::UUID => JavaObject::Uuid(u128::from_str_radix(&text.replace('-', ""), 16).ok()?),
        oid::BYTEA => JavaObject::Bytes(crate::columns::binary::bytea_text(text.as_bytes())?.to_vec()),
        oid::DATE => JavaObject::Date(match date_text(text.as_bytes())? {
            Bounded::Finite(day) => day.checked_mul(86_400_000)?,
            Bounded::Infinity => INFINITY_MILLIS,
            Bounded::NegativeInfinity => NEGATIVE_INFINITY_MILLIS,
        }),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => match timestamp_text(text.as_bytes())? {
            Bounded::Finite(moment) => {
                let (seconds, micros) = moment.parts();
                JavaObject::Timestamp { seconds, nanos: i32::try_from(micros * 1_000).ok()? }
            }
            Bounded::Infinity => JavaObject::Timestamp { seconds: INFINITY_MILLIS / 1_000, nanos: 0 },
            Bounded::NegativeInfinity => {
                JavaObject::Timestamp { seconds: NEGATIVE_INFINITY_MILLIS / 1_000, nanos: 0 }
            }
        },
        // The cast to text takes the blanks away with which the type fills up.
        oid::BPCHAR if modifier > 4 => {
            JavaObject::String(format!("{text:<width$}", width = usize::try_from(modifier - 4).ok()?))
        }
        _ => return None,
    })
}

fn decimal(text: &str) -> Option<JavaObject> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unscaled: BigInt = format!("{whole}{fraction}").parse().ok()?;
    Some(JavaObject::Decimal { unscaled, scale: i32::try_from(fraction.len()).ok()? })
}

/// The text that PostgreSQL reads a key's part from; `None` for null.
pub fn text(object: &JavaObject) -> Option<String> {
    Some(match object {
        JavaObject::Null | JavaObject::PgObject { value: None, .. } => return None,
        JavaObject::Bytes(bytes) => {
            bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        }
        JavaObject::Timestamp { seconds, .. } if *seconds == INFINITY_MILLIS / 1_000 => "infinity".to_owned(),
        JavaObject::Timestamp { seconds, .. } if *seconds == NEGATIVE_INFINITY_MILLIS / 1_000 => {
            "-infinity".to_owned()
        }
        JavaObject::Timestamp { seconds, nanos } => {
            let (date, era) = era(seconds.div_euclid(86_400));
            let second = seconds.rem_euclid(86_400);
            let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
            format!("{date} {hour:02}:{minute:02}:{second:02}.{nanos:09}{era}")
        }
        JavaObject::Date(INFINITY_MILLIS) => "infinity".to_owned(),
        JavaObject::Date(NEGATIVE_INFINITY_MILLIS) => "-infinity".to_owned(),
        JavaObject::Date(millis) => {
            let (date, era) = era(millis.div_euclid(86_400_000));
            format!("{date}{era}")
        }
        JavaObject::Float(number) => float(f64::from(*number), number.to_string()),
        JavaObject::Double(number) => float(*number, number.to_string()),
        JavaObject::Decimal { unscaled, scale } => decimal_text(unscaled, *scale),
        JavaObject::Uuid(bits) => uuid_text(*bits),
        JavaObject::PgObject { value: Some(value), .. } => value.clone(),
        other => other.to_string(),
    })
}

fn float(number: f64, text: String) -> String {
    match () {
        () if number.is_nan() => "NaN".to_owned(),
        () if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        () => text,
    }
}

/// A day as PostgreSQL writes it, in two parts: years before the first are counted backwards.
fn era(day: i64) -> (String, &'static str) {
    let text = day_text(day);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let Some((year, rest)) = digits.split_once('-') else { return (text.clone(), "") };
    match (negative, year.parse::<i64>()) {
        (true, Ok(year)) => (format!("{:04}-{rest}", year + 1), " BC"),
        (false, Ok(0)) => (format!("0001-{rest}"), " BC"),
        _ => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_postgres_reads_them() {
        let check = |root: u32, modifier: i32, given: &str, expect: &str| {
            let object = typed(root, modifier, given).unwrap();
            assert_eq!(text(&object).as_deref(), Some(expect), "{root} {given}");
        };
        for same in ["1", "-5"] {
            check(oid::INT4, -1, same, same);
            check(oid::INT8, -1, same, same);
        }
        for same in ["0.00", "-12.25", "123456789012345678901234567890.5", "7"] {
            check(oid::NUMERIC, -1, same, same);
        }
        check(oid::FLOAT8, -1, "NaN", "NaN");
        check(oid::FLOAT8, -1, "-Infinity", "-Infinity");
        check(oid::FLOAT4, -1, "0.1", "0.1");
        check(oid::BOOL, -1, "true", "true");
        check(oid::UUID, -1, "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001");
        check(oid::BYTEA, -1, "\\x01ff", "\\x01ff");
        check(oid::DATE, -1, "2024-02-29", "2024-02-29");
        check(oid::DATE, -1, "0044-03-15 BC", "0044-03-15 BC");
        check(oid::DATE, -1, "-infinity", "-infinity");
        check(oid::TIMESTAMP, -1, "2024-01-02 10:00:00.123456", "2024-01-02 10:00:00.123456000");
        check(oid::TIMESTAMPTZ, -1, "2024-01-02 10:00:00.5+00", "2024-01-02 10:00:00.500000000");
        check(oid::TIMESTAMP, -1, "0001-12-31 23:59:59 BC", "0001-12-31 23:59:59.000000000 BC");
        check(oid::TIMESTAMP, -1, "infinity", "infinity");
        check(oid::BPCHAR, 9, "ab", "ab   ");
    }
}
