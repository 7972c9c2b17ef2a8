//! Types of keys, parsed values, and the rules and texts of Kafka's `ConfigDef.parseType` and `convertToString`.

use std::fmt;

use crate::{Class, Classes, HIDDEN, Secret, invalid_value};

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A double.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a class.
    Class,
    /// Text that is not shown.
    Password,
}

impl Type {
    /// As REST shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// A parsed value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// See [`Type::Boolean`].
    Boolean(bool),
    /// See [`Type::String`].
    String(String),
    /// See [`Type::Int`].
    Int(i32),
    /// See [`Type::Short`].
    Short(i16),
    /// See [`Type::Long`].
    Long(i64),
    /// See [`Type::Double`].
    Double(f64),
    /// See [`Type::List`].
    List(Vec<String>),
    /// See [`Type::Class`].
    Class(Class),
    /// See [`Type::Password`].
    Password(Secret),
}

impl Value {
    /// Parses text as Kafka does; null stays null.
    ///
    /// # Errors
    /// The text of Kafka's ConfigException.
    pub fn parse(name: &str, text: Option<&str>, kind: Type, classes: &dyn Classes) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self::Null) };
        let trimmed = java_trim(text);
        let number = || invalid_value(name, text, &format!("Not a number of type {}", kind.as_str()));
        Ok(match kind {
            Type::Boolean if trimmed.eq_ignore_ascii_case("true") => Self::Boolean(true),
            Type::Boolean if trimmed.eq_ignore_ascii_case("false") => Self::Boolean(false),
            Type::Boolean => {
                return Err(invalid_value(name, text, "Expected value to be either true or false"));
            }
            Type::String => Self::String(trimmed.to_owned()),
            Type::Int => Self::Int(trimmed.parse().map_err(|_| number())?),
            Type::Short => Self::Short(trimmed.parse().map_err(|_| number())?),
            Type::Long => Self::Long(trimmed.parse().map_err(|_| number())?),
            Type::Double => Self::Double(parse_double(trimmed).ok_or_else(number)?),
            Type::List => Self::List(split_list(trimmed)),
            Type::Class => match classes.resolve(trimmed) {
                Some(full) => Self::Class(Class::new(full)),
                None => {
                    return Err(invalid_value(name, text, &format!("Class {text} could not be found.")));
                }
            },
            Type::Password => Self::Password(Secret::new(trimmed)),
        })
    }

    /// The text that REST shows, `None` for null: Kafka's `convertToString`. Secrets are hidden.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::List(items) => items.join(","),
            other => other.to_string(),
        })
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a list.
    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The class.
    pub fn as_class(&self) -> Option<&Class> {
        match self {
            Self::Class(class) => Some(class),
            _ => None,
        }
    }

    /// Any number.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Int(number) => Some(number.into()),
            Self::Short(number) => Some(number.into()),
            // As Java's Number.doubleValue, which the comparisons of ranges go by.
            Self::Long(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            _ => None,
        }
    }
}

/// As Java's string concatenation shows the value in messages.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(flag) => write!(f, "{flag}"),
            Self::String(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Short(number) => write!(f, "{number}"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Double(number) => f.write_str(&double_text(*number)),
            Self::List(items) => write!(f, "[{}]", items.join(", ")),
            Self::Class(class) => f.write_str(class.as_str()),
            Self::Password(_) => f.write_str(HIDDEN),
        }
    }
}

/// `String.trim`: cuts everything up to the space character, control characters included, and no other white space.
pub(crate) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// Splits at commas with the white space (that of Java's `\s`) around them; empty text has no entries, but an entry may
/// be empty. The text is trimmed already.
fn split_list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let space = [' ', '\t', '\n', '\x0b', '\x0c', '\r'];
    text.split(',').map(|entry| entry.trim_matches(space).to_owned()).collect()
}

/// `Double.parseDouble` but for hexadecimal numbers.
fn parse_double(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        "NaN" => return Some(f64::NAN),
        "Infinity" if text.len() <= 9 => {
            return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ => {}
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let plain = digits.chars().all(|c| matches!(c, '0'..='9' | '.' | '+' | '-' | 'e' | 'E'));
    if plain { digits.parse().ok() } else { None }
}

/// `Double.toString` for the magnitudes that configs have.
fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AnyClass;

    #[test]
    fn parses_as_kafka_does() {
        let check = |kind, text: &str, expect: Value| {
            assert_eq!(Value::parse("k", Some(text), kind, &AnyClass), Ok(expect), "{text:?}");
        };
        check(Type::Boolean, " TRUE\t", Value::Boolean(true));
        check(Type::Boolean, "False", Value::Boolean(false));
        check(Type::String, "  a b \n", Value::String("a b".into()));
        check(Type::String, "\u{a0}a", Value::String("\u{a0}a".into()));
        check(Type::Int, "+7", Value::Int(7));
        check(Type::Int, " -2147483648 ", Value::Int(i32::MIN));
        check(Type::Short, "32767", Value::Short(i16::MAX));
        check(Type::Long, "9223372036854775807", Value::Long(i64::MAX));
        check(Type::Double, "1", Value::Double(1.0));
        check(Type::Double, ".5d", Value::Double(0.5));
        check(Type::Double, "-Infinity", Value::Double(f64::NEG_INFINITY));
        check(Type::List, "", Value::List(vec![]));
        check(Type::List, "  ", Value::List(vec![]));
        check(Type::List, " a ,b\t,\n c ", Value::List(vec!["a".into(), "b".into(), "c".into()]));
        check(Type::List, "a,,b,", Value::List(vec!["a".into(), String::new(), "b".into(), String::new()]));
        check(Type::Password, " x ", Value::Password(Secret::new("x")));
        check(Type::Class, " a.B ", Value::Class(Class::new("a.B")));
        assert_eq!(Value::parse("k", None, Type::Int, &AnyClass), Ok(Value::Null));
    }

    #[test]
    fn refuses_in_kafkas_words() {
        struct NoClass;
        impl Classes for NoClass {
            fn resolve(&self, _name: &str) -> Option<String> {
                None
            }
        }
        let check = |kind, text: &str, expect: &str| {
            let expect = format!("Invalid value {text} for configuration k: {expect}");
            assert_eq!(Value::parse("k", Some(text), kind, &NoClass), Err(expect));
        };
        check(Type::Boolean, " yes ", "Expected value to be either true or false");
        check(Type::Int, "", "Not a number of type INT");
        check(Type::Int, "2147483648", "Not a number of type INT");
        check(Type::Short, "1.0", "Not a number of type SHORT");
        check(Type::Long, "1L", "Not a number of type LONG");
        check(Type::Double, "nan", "Not a number of type DOUBLE");
        check(Type::Double, "inf", "Not a number of type DOUBLE");
        check(Type::Double, "+-1", "Not a number of type DOUBLE");
        check(Type::Class, " x ", "Class  x  could not be found.");
    }

    #[test]
    fn shows_values_as_java_does() {
        let check = |value: Value, text: Option<&str>, message: &str| {
            assert_eq!(value.to_text().as_deref(), text);
            assert_eq!(value.to_string(), message);
        };
        check(Value::Null, None, "null");
        check(Value::Double(0.05), Some("0.05"), "0.05");
        check(Value::Double(1.0), Some("1.0"), "1.0");
        check(Value::Double(1e7), Some("1.0E7"), "1.0E7");
        check(Value::Double(1.5e-4), Some("1.5E-4"), "1.5E-4");
        check(Value::List(vec!["a".into(), "b".into()]), Some("a,b"), "[a, b]");
        check(Value::List(vec![]), Some(""), "[]");
        check(Value::Password(Secret::new("x")), Some("[hidden]"), "[hidden]");
    }
}
