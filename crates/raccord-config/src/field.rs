//! Types that fields of a config struct may have.

use crate::{Class, Secret, Type, Value};

/// A type for fields with `#[derive(Config)]`.
pub trait Field: Sized {
    /// How its default is written in the attribute.
    type Literal;
    /// The type of the key.
    const TYPE: Type;
    /// Whether a missing key without default is null instead of wrong.
    const OPTIONAL: bool = false;

    /// The default as a value.
    fn default_value(literal: Self::Literal) -> Value;

    /// The field for a value; `None` for null or another type.
    fn from_value(value: Value) -> Option<Self>;

    /// The field when there is neither value nor default.
    fn empty() -> Self;
}

macro_rules! number_field {
    ($($rust:ty => $variant:ident),*) => {$(
        impl Field for $rust {
            type Literal = $rust;
            const TYPE: Type = Type::$variant;

            fn default_value(literal: Self) -> Value {
                Value::$variant(literal)
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn empty() -> Self {
                Self::default()
            }
        }
    )*};
}

number_field!(bool => Boolean, i16 => Short, i32 => Int, i64 => Long, f64 => Double);

impl Field for String {
    type Literal = &'static str;
    const TYPE: Type = Type::String;

    fn default_value(literal: &'static str) -> Value {
        Value::String(literal.to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn empty() -> Self {
        Self::new()
    }
}

impl Field for Vec<String> {
    type Literal = &'static [&'static str];
    const TYPE: Type = Type::List;

    fn default_value(literal: Self::Literal) -> Value {
        Value::List(literal.iter().map(|item| (*item).to_owned()).collect())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    fn empty() -> Self {
        Self::new()
    }
}

impl Field for Class {
    type Literal = &'static str;
    const TYPE: Type = Type::Class;

    fn default_value(literal: &'static str) -> Value {
        Value::Class(Self::new(literal))
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Class(class) => Some(class),
            _ => None,
        }
    }

    fn empty() -> Self {
        Self::default()
    }
}

impl Field for Secret {
    type Literal = &'static str;
    const TYPE: Type = Type::Password;

    fn default_value(literal: &'static str) -> Value {
        Value::Password(Self::new(literal))
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Password(secret) => Some(secret),
            _ => None,
        }
    }

    fn empty() -> Self {
        Self::default()
    }
}

impl<T: Field> Field for Option<T> {
    type Literal = T::Literal;
    const TYPE: Type = T::TYPE;
    const OPTIONAL: bool = true;

    fn default_value(literal: T::Literal) -> Value {
        T::default_value(literal)
    }

    fn from_value(value: Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_value(value).map(Some) }
    }

    fn empty() -> Self {
        None
    }
}
