//! What a part of a condition is worth: a value of the record or one that was computed.

use std::borrow::Cow;
use std::sync::Arc;

use raccord_data::java_text::append_value;
use raccord_data::{Decimal, Field, Header, Schema, Struct, Text, Value};

use super::number::Number;

#[derive(Clone, Debug)]
pub(super) enum Item<'r> {
    Null,
    /// What JavaScript finds where there is nothing.
    Undefined,
    /// The object that JavaScript is given for a record's value or key that is null.
    Hollow,
    Boolean(bool),
    Number(Number),
    Text(Cow<'r, str>),
    /// A text that Groovy put together with `${..}`: no `String` to those who ask for one.
    Interpolated(String),
    List(Vec<Item<'r>>),
    Struct(&'r Struct),
    Array(&'r [Value]),
    Map(&'r [(Value, Value)]),
    /// Bytes and dates.
    Other(&'r Value),
    Headers(&'r [Header]),
    Header(&'r Header),
    Schema(&'r Arc<Schema>),
    Field(&'r Field),
    /// Whether `=~` found something.
    Found(bool),
}

impl<'r> Item<'r> {
    /// A value; `numbers_are_double` as JavaScript has them.
    pub(super) fn of(value: &'r Value, numbers_are_double: bool) -> Self {
        let number = match value {
            Value::Null => return Self::Null,
            Value::Boolean(flag) => return Self::Boolean(*flag),
            Value::String(text) => return Self::Text(Cow::Borrowed(Text::as_str(text))),
            Value::Struct(value) => return Self::Struct(value),
            Value::Array(items) => return Self::Array(items),
            Value::Map(entries) => return Self::Map(entries),
            Value::Bytes(_) | Value::Date(_) => return Self::Other(value),
            Value::Decimal(decimal) => return Self::Number(Number::Decimal(Decimal::clone(decimal))),
            Value::Int8(number) => Number::Narrow((*number).into(), value.java_class()),
            Value::Int16(number) => Number::Narrow((*number).into(), value.java_class()),
            Value::Int32(number) => Number::Int(*number),
            Value::Int64(number) => Number::Long(*number),
            Value::Float32(number) => Number::Float(*number),
            Value::Float64(number) => Number::Double(*number),
        };
        Self::Number(if numbers_are_double { Number::Double(number.to_f64()) } else { number })
    }

    pub(super) fn text(text: impl Into<Cow<'r, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn optional_text(text: Option<&'r Arc<str>>) -> Self {
        text.map_or(Self::Null, |text| Self::text(&**text))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::Undefined)
    }

    /// The characters of a text of either kind.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Interpolated(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list.
    pub(super) fn elements(&self, numbers_are_double: bool) -> Option<Vec<Item<'r>>> {
        match self {
            Self::List(items) => Some(items.clone()),
            Self::Array(values) => {
                Some(values.iter().map(|value| Item::of(value, numbers_are_double)).collect())
            }
            _ => None,
        }
    }

    /// The Java class, for messages.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::Hollow => "io.debezium.transforms.scripting.GraalJsEngine$1",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Number(number) => number.class(),
            Self::Text(_) => "java.lang.String",
            Self::Interpolated(_) => "org.codehaus.groovy.runtime.GStringImpl",
            Self::List(_) | Self::Array(_) => "java.util.ArrayList",
            Self::Struct(_) => "org.apache.kafka.connect.data.Struct",
            Self::Map(_) | Self::Headers(_) => "java.util.HashMap",
            Self::Other(value) => value.java_class(),
            Self::Header(_) => "io.debezium.transforms.scripting.RecordHeader",
            Self::Schema(_) => "org.apache.kafka.connect.data.ConnectSchema",
            Self::Field(_) => "org.apache.kafka.connect.data.Field",
            Self::Found(_) => "java.util.regex.Matcher",
        }
    }

    /// As `String.valueOf`.
    pub(super) fn append_to(&self, out: &mut String) {
        let value = |value: &Value, out: &mut String| {
            let mut text = Vec::new();
            append_value(value, &mut text);
            out.push_str(&String::from_utf8_lossy(&text));
        };
        match self {
            Self::Null => out.push_str("null"),
            Self::Undefined => out.push_str("undefined"),
            Self::Hollow => out.push_str("[object Object]"),
            Self::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Text(text) => out.push_str(text),
            Self::Interpolated(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.append_to(out);
                }
                out.push(']');
            }
            Self::Struct(found) => value(&Value::Struct(Struct::clone(found)), out),
            Self::Array(items) => {
                let items = items.iter().map(|item| Item::of(item, false)).collect();
                Self::List(items).append_to(out);
            }
            // As Groovy shows maps.
            Self::Map([]) => out.push_str("[:]"),
            Self::Map(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "[" } else { ", " });
                    Item::of(key, false).append_to(out);
                    out.push(':');
                    Item::of(value, false).append_to(out);
                }
                out.push(']');
            }
            Self::Other(found) => value(found, out),
            Self::Schema(schema) => match &schema.name {
                Some(name) => out.push_str(&format!("Schema{{{name}:{}}}", schema.ty.java_name())),
                None => out.push_str(&format!("Schema{{{}}}", schema.ty.java_name())),
            },
            Self::Headers(_) | Self::Header(_) | Self::Field(_) | Self::Found(_) => {
                out.push_str(self.class())
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.append_to(&mut out);
        out
    }

    /// Groovy's truth.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Null | Self::Undefined => false,
            Self::Boolean(flag) | Self::Found(flag) => *flag,
            Self::Number(number) => !number.is_zero(),
            Self::Text(text) => !text.is_empty(),
            Self::Interpolated(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Headers(headers) => !headers.is_empty(),
            Self::Other(Value::Bytes(bytes)) => !bytes.is_empty(),
            Self::Hollow
            | Self::Struct(_)
            | Self::Other(_)
            | Self::Header(_)
            | Self::Schema(_)
            | Self::Field(_) => true,
        }
    }

    /// JavaScript's: objects are true, empty or not.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Self::Null | Self::Undefined | Self::Boolean(_) | Self::Text(_) => self.is_true(),
            Self::Number(Number::Double(number)) => *number != 0.0 && !number.is_nan(),
            _ => true,
        }
    }
}
