//! Values: one cell of a record.

use bytes::Bytes;

use crate::{Decimal, Struct, Text};

/// A value with or without a schema. Each variant stands for the Java class that Connect would hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `java.lang.Boolean`.
    Boolean(bool),
    /// `java.lang.Byte`.
    Int8(i8),
    /// `java.lang.Short`.
    Int16(i16),
    /// `java.lang.Integer`.
    Int32(i32),
    /// `java.lang.Long`.
    Int64(i64),
    /// `java.lang.Float`.
    Float32(f32),
    /// `java.lang.Double`.
    Float64(f64),
    /// `java.lang.String`.
    String(Text),
    /// `byte[]` or `ByteBuffer`.
    Bytes(Bytes),
    /// `java.math.BigDecimal`.
    Decimal(Box<Decimal>),
    /// `java.util.Date`, milliseconds since the epoch in UTC: the in-memory form of the logical types Date, Time
    /// and Timestamp.
    Date(i64),
    /// `java.util.List`.
    Array(Vec<Value>),
    /// `java.util.Map`, entries in iteration order (see [`java_order`](crate::java_order) where that order is Java's).
    Map(Vec<(Value, Value)>),
    /// `org.apache.kafka.connect.data.Struct`.
    Struct(Struct),
}

impl Value {
    /// Whether this is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a [`Value::String`].
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The full name of the Java class that Connect would hold, which error messages show.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::Date(_) => "java.util.Date",
            Self::Array(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::String(Text::from_static(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(Text::from(text))
    }
}

impl From<Struct> for Value {
    fn from(value: Struct) -> Self {
        Self::Struct(value)
    }
}

const _: () = assert!(size_of::<Value>() <= 40, "a cell stays small: rows are arrays of cells");
