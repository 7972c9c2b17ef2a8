//! A JSON tree with the distinctions that Jackson's makes.

use indexmap::IndexMap;
use num_bigint::BigInt;
use raccord_data::{Decimal, Text, low_bits};

/// A value of JSON. Numbers are as Jackson classes them when floats are read as `BigDecimal`.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// Empty input.
    Missing,
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Big(Box<BigInt>),
    Decimal(Box<Decimal>),
    Text(Text),
    Array(Vec<Node>),
    /// A repeated key keeps its first place and its last value.
    Object(IndexMap<Text, Node>),
}

impl Node {
    /// The field of an object; `None` for anything else.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    /// Jackson's `JsonNodeType`, which error messages show.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::Int(_) | Self::Long(_) | Self::Big(_) | Self::Decimal(_) => "NUMBER",
            Self::Text(_) => "STRING",
            Self::Array(_) => "ARRAY",
            Self::Object(_) => "OBJECT",
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `longValue`: wraps around, cuts fractions off, is 0 for what is not a number. Smaller types take its low bits.
    pub fn long_value(&self) -> i64 {
        match self {
            Self::Int(number) => i64::from(*number),
            Self::Long(number) => *number,
            Self::Big(number) => low_bits(number),
            Self::Decimal(decimal) => decimal.to_i64_wrapping(),
            _ => 0,
        }
    }

    /// `doubleValue`.
    pub fn double_value(&self) -> f64 {
        match self {
            Self::Int(number) => f64::from(*number),
            Self::Long(number) => *number as f64,
            Self::Big(number) => number.to_string().parse().unwrap_or(f64::NAN),
            Self::Decimal(decimal) => decimal.to_f64(),
            _ => 0.0,
        }
    }

    /// `floatValue`.
    pub fn float_value(&self) -> f32 {
        match self {
            Self::Int(number) => *number as f32,
            Self::Long(number) => *number as f32,
            Self::Big(number) => number.to_string().parse().unwrap_or(f32::NAN),
            Self::Decimal(decimal) => decimal.to_f32(),
            _ => 0.0,
        }
    }

    /// `decimalValue` of a number; `None` for anything else.
    pub fn decimal_value(&self) -> Option<Decimal> {
        Some(match self {
            Self::Int(number) => Decimal::new(BigInt::from(*number), 0),
            Self::Long(number) => Decimal::new(BigInt::from(*number), 0),
            Self::Big(number) => Decimal::new((**number).clone(), 0),
            Self::Decimal(decimal) => (**decimal).clone(),
            _ => return None,
        })
    }

    /// What iterating over the node gives: items of an array, values of an object, nothing else.
    pub fn children(&self) -> Box<dyn ExactSizeIterator<Item = &Node> + '_> {
        match self {
            Self::Array(items) => Box::new(items.iter()),
            Self::Object(fields) => Box::new(fields.values()),
            _ => Box::new(std::iter::empty()),
        }
    }
}
