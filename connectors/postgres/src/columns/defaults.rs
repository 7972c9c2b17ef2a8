//! Defaults of columns: expressions of the catalog as values, where Debezium's `PostgresDefaultValueConverter` can read
//! them. It does not evaluate: a literal is read, a call of a function gives a placeholder of the type, anything else
//! gives no default.

use bytes::Bytes;
use raccord_cdc::Column;
use raccord_data::Value;

use super::kind::{Kind, Origin};
use super::numbers::numeric_default;
use super::temporal::{self, Bounded, Unit, Way};
use crate::raw::Raw;

/// Days since the epoch of the first and the last day that Java has.
const FIRST_DAY: i64 = -365_243_219_162;
const LAST_DAY: i64 = 365_241_780_471;

/// The end of the day, as PostgreSQL writes it.
const MIDNIGHT: &str = "24:00:00";

/// The default of a column as a cell; `None` when it has none that can be read.
pub fn default_value(column: &Column, kind: &Kind) -> Option<Value> {
    let expression = column.default_expression.as_deref()?;
    let name = &*column.type_name;
    let trimmed = match name {
        "bpchar" | "varchar" | "text" | "json" | "jsonb" | "xml" => expression,
        _ => expression.trim(),
    };
    let literal = |placeholder: &'static str| literal(trimmed, placeholder);
    // Types whose mapper looks for a null with a cast, and takes it for no default.
    let number = |placeholder| {
        if trimmed.starts_with("NULL::") { None } else { literal(placeholder) }
    };
    let text = |text: &str| kind.text(Raw::from(&Bytes::copy_from_slice(text.as_bytes())), Origin::Log);
    match name {
        "bit" => match (literal("00")?, kind) {
            ("1", Kind::Bit) => Some(Value::Boolean(true)),
            (digit, Kind::Bit) if digit.len() == 1 => Some(Value::Boolean(false)),
            (digits, Kind::Bit) => text(digits),
            // One digit becomes a truth value there, and that one byte.
            (digit, Kind::Bits) if digit.len() == 1 => {
                Some(Value::Bytes(Bytes::copy_from_slice(&[u8::from(digit == "1")])))
            }
            (digits, _) => text(digits),
        },
        "varbit" => text(literal("0")?),
        "bool" => Some(Value::Boolean(number("false")?.eq_ignore_ascii_case("true"))),
        "bpchar" | "varchar" | "text" | "xml" => text(literal("")?),
        "json" | "jsonb" => text(literal("{}")?),
        "numeric" => match kind {
            Kind::Numeric(form) => numeric_default(form, number("0.0")?),
            _ => None,
        },
        "float4" | "float8" => match (number("0.0")?.trim().parse::<f64>().ok()?, kind) {
            (number, Kind::Float64) => Some(Value::Float64(number)),
            (_, Kind::Float32) => number("0.0")?.trim().parse().ok().map(Value::Float32),
            _ => None,
        },
        "int2" | "int4" | "int8" | "smallserial" | "serial" | "bigserial" => {
            let digits = number("0")?;
            text(digits.strip_prefix('+').unwrap_or(digits))
        }
        "uuid" => text(literal("00000000-0000-0000-0000-000000000000")?).filter(is_uuid).map(lower_case),
        "date" => {
            let Kind::Date(mode) = kind else { return None };
            temporal::date_cell(*mode, Bounded::Finite(day(literal("1970-01-01")?)?), Way::Log)
        }
        "time" => {
            let Kind::Time(unit) = kind else { return None };
            time(*unit, literal("00:00")?)
        }
        "timestamp" => match kind {
            Kind::Timestamp(unit) => timestamp(*unit, literal("1970-01-01")?),
            _ => None,
        },
        "timestamptz" => match kind {
            Kind::ZonedTimestamp(digits) => {
                // Debezium's format for these has no infinity.
                let text = literal("1970-01-01").filter(|text| !text.contains("infinity"))?;
                let text = with_time(text);
                Some(temporal::zoned_timestamp_cell(
                    *digits,
                    temporal::timestamp_text(text.as_bytes())?,
                    Way::Log,
                ))
            }
            _ => None,
        },
        "interval" => match literal("epoch")? {
            "epoch" => text("00:00:00"),
            given => text(given),
        },
        // Text as well, but without a mapper.
        "citext" | "name" => None,
        _ => enum_label(expression, name)
            .filter(|_| matches!(kind, Kind::Text))
            .map(|label| Value::from(label.to_owned())),
    }
}

/// The day of a date, or of a timestamp. Infinity is the end of Java's dates here.
fn day(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let era = if rest.ends_with("BC") { " BC" } else { "" };
    match temporal::date_text(format!("{date}{era}").as_bytes())? {
        Bounded::Finite(day) => Some(day),
        Bounded::Infinity => Some(LAST_DAY),
        Bounded::NegativeInfinity => Some(FIRST_DAY),
    }
}

/// The first and the last moment of Java's `LocalDateTime`. `None` where Java finds that the number does not fit.
fn end_of_time(unit: Unit, is_last: bool) -> Option<Value> {
    const NANOS_PER_DAY: i64 = 86_400_000_000_000;
    let (day, nanos) = if is_last { (LAST_DAY, NANOS_PER_DAY - 1) } else { (FIRST_DAY, 0) };
    let seconds = day * 86_400 + nanos / 1_000_000_000;
    match unit {
        Unit::Millis | Unit::Connect => None,
        Unit::Micros => {
            let micros = seconds.saturating_mul(1_000_000);
            Some(Value::Int64(micros.wrapping_add(nanos % 1_000_000_000 / 1_000)))
        }
        Unit::Nanos => Some(Value::Int64(day.wrapping_mul(NANOS_PER_DAY).wrapping_add(nanos))),
        Unit::Iso if is_last => Some(Value::from("+999999999-12-31T23:59:59.999999999Z")),
        Unit::Iso => Some(Value::from("-999999999-01-01T00:00:00Z")),
    }
}

fn time(unit: Unit, text: &str) -> Option<Value> {
    const LAST_NANO: i64 = 86_399_999_999_999;
    // The driver makes the last moment of the day of it.
    match unit {
        Unit::Nanos if text == MIDNIGHT => return Some(Value::Int64(LAST_NANO)),
        Unit::Iso if text == MIDNIGHT => return Some(Value::from("23:59:59.999999999Z")),
        _ => {}
    }
    let seconds = if text.matches(':').count() == 1 { ":00" } else { "" };
    let micros = match text {
        MIDNIGHT => LAST_NANO / 1_000,
        _ => temporal::time_text(format!("{text}{seconds}").as_bytes())?,
    };
    Some(temporal::time_cell(unit, micros, false))
}

fn timestamp(unit: Unit, text: &str) -> Option<Value> {
    if let "infinity" | "-infinity" = text {
        return end_of_time(unit, text == "infinity");
    }
    let text = with_time(text);
    Some(temporal::timestamp_cell(unit, temporal::timestamp_text(text.as_bytes())?, Way::Log))
}

fn with_time(text: &str) -> String {
    if text.contains(':') { text.to_owned() } else { format!("{text} 00:00:00") }
}

/// The literal in an expression: what stands between the first two quotes of one line, or the whole of it when there are
/// none.
/// A call, or one of the words for the current time, gives the placeholder.
fn literal<'a>(expression: &'a str, placeholder: &'static str) -> Option<&'a str> {
    const CURRENT: &[&str] =
        &["current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"];
    if is_call(expression) || CURRENT.contains(&expression.to_lowercase().as_str()) {
        return Some(placeholder);
    }
    if !expression.contains('\'') {
        return (!expression.starts_with("NULL::")).then_some(expression);
    }
    let mut between = expression.split('\'').skip(1).peekable();
    while let Some(text) = between.next() {
        if between.peek().is_some() && !text.contains(ends_line) {
            return Some(text);
        }
    }
    None
}

/// Debezium's regular expressions do not go beyond the end of a line, of which Java knows these.
fn ends_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the expression begins with a call: a name, then parentheses that are closed on the same line.
fn is_call(expression: &str) -> bool {
    let start = expression.strip_prefix('(').unwrap_or(expression);
    let name =
        start.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count();
    match start[name..].strip_prefix('(') {
        Some(arguments) if name > 0 => {
            arguments.split(ends_line).next().is_some_and(|line| line.contains(')'))
        }
        _ => false,
    }
}

/// The label in `'label'::name`.
fn enum_label<'a>(expression: &'a str, name: &str) -> Option<&'a str> {
    expression.strip_suffix(name)?.strip_suffix("::")?.strip_prefix('\'')?.strip_suffix('\'')
}

fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    })
}

fn lower_case(value: Value) -> Value {
    value.as_str().map_or(Value::Null, |text| Value::from(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use raccord_cdc::JdbcType;

    use super::*;
    use crate::columns::numbers::NumericForm;
    use crate::columns::settings::{IntervalMode, TimePrecision};

    fn read(type_name: &str, kind: &Kind, expression: &str) -> Option<Value> {
        let column = Column {
            name: "c".into(),
            type_name: type_name.into(),
            jdbc_type: JdbcType::Other,
            length: 10,
            scale: Some(0),
            optional: true,
            comment: None,
            default_expression: Some(expression.into()),
        };
        default_value(&column, kind)
    }

    #[test]
    fn reads_defaults_as_debezium_does() {
        let text = |text: &str| Some(Value::from(text.to_owned()));
        assert_eq!(read("int4", &Kind::Int32, "5"), Some(Value::Int32(5)));
        assert_eq!(read("int4", &Kind::Int32, "'-1'::integer"), Some(Value::Int32(-1)));
        assert_eq!(read("int4", &Kind::Int32, "(2 * 3)"), None);
        assert_eq!(read("serial", &Kind::Int32, "nextval('s.t_id_seq'::regclass)"), Some(Value::Int32(0)));
        assert_eq!(read("int8", &Kind::Int64, "NULL::bigint"), None);
        assert_eq!(read("text", &Kind::Text, "'it''s'::text"), text("it"));
        assert_eq!(read("text", &Kind::Text, "'a\u{2028}b'::text"), None);
        assert_eq!(read("text", &Kind::Text, "('a\n'::text || 'b'::text)"), text("::text || "));
        assert_eq!(read("text", &Kind::Text, "CURRENT_USER"), text("CURRENT_USER"));
        assert_eq!(read("text", &Kind::Text, "upper('a'::text)"), text(""));
        assert_eq!(read("bool", &Kind::Boolean, "true"), Some(Value::Boolean(true)));
        assert_eq!(read("mood", &Kind::Text, "'ok'::mood"), text("ok"));
        assert_eq!(read("mood", &Kind::Text, "'ok'::types.mood"), None);
        assert_eq!(read("bit", &Kind::Bit, "'1'::\"bit\""), Some(Value::Boolean(true)));
        assert_eq!(read("bit", &Kind::Bits, "'101'::\"bit\""), Some(Value::Bytes(Bytes::from_static(&[5]))));
        let uuid = "76019d1a-ad2e-4b22-96e9-1a6d6543c818";
        assert_eq!(read("uuid", &Kind::Uuid, &format!("'{}'::uuid", uuid.to_uppercase())), text(uuid));
        assert_eq!(
            read("uuid", &Kind::Uuid, "gen_random_uuid()"),
            text("00000000-0000-0000-0000-000000000000")
        );
        let date = Kind::Date(TimePrecision::Adaptive);
        assert_eq!(read("date", &date, "'2024-02-29'::date"), Some(Value::Int32(19_782)));
        assert_eq!(read("date", &date, "CURRENT_DATE"), Some(Value::Int32(0)));
        assert_eq!(read("date", &date, "'0044-03-15 BC'::date"), Some(Value::Int32(-735_160)));
        // The days of Java's ends of time, cut to 32 bits.
        assert_eq!(read("date", &date, "'infinity'::date"), Some(Value::Int32(169_560_311)));
        assert_eq!(read("date", &date, "'-infinity'::date"), Some(Value::Int32(-170_999_002)));
        let micros = Kind::Timestamp(Unit::Micros);
        assert_eq!(read("timestamp", &micros, "now()"), Some(Value::Int64(0)));
        let expression = "'2024-02-29 13:14:15.123456'::timestamp without time zone";
        assert_eq!(read("timestamp", &micros, expression), Some(Value::Int64(1_709_212_455_123_456)));
        let infinity = "'infinity'::timestamp without time zone";
        assert_eq!(read("timestamp", &micros, infinity), Some(Value::Int64(i64::MIN + 999_998)));
        assert_eq!(read("timestamp", &Kind::Timestamp(Unit::Millis), infinity), None);
        assert_eq!(
            read("timestamptz", &Kind::ZonedTimestamp(6), "now()"),
            text("1970-01-01T00:00:00.000000Z")
        );
        assert_eq!(read("time", &Kind::Time(Unit::Micros), "CURRENT_TIME"), Some(Value::Int64(0)));
        let midnight = "'24:00:00'::time without time zone";
        assert_eq!(read("time", &Kind::Time(Unit::Micros), midnight), Some(Value::Int64(86_399_999_999)));
        assert_eq!(read("time", &Kind::Time(Unit::Nanos), midnight), Some(Value::Int64(86_399_999_999_999)));
        assert_eq!(
            read("interval", &Kind::Interval(IntervalMode::Numeric), "'1 day'::interval"),
            Some(Value::Int64(86_400_000_000))
        );
        assert_eq!(read("numeric", &Kind::Numeric(NumericForm::Precise(1)), "1.25"), None);
        assert_eq!(read("citext", &Kind::Text, "'a'::citext"), None);
        assert_eq!(read("name", &Kind::Text, "'a'::name"), None);
    }
}
