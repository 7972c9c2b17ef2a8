//! The part of a record that a transform works on: `$Key` or `$Value`.

use std::sync::Arc;

use raccord_data::{Record, Schema, Struct, Value};
use raccord_plugin::Result;

use crate::exception;

/// Key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

impl Part {
    /// The schema, if there is one.
    pub fn schema(self, record: &Record) -> Option<&Arc<Schema>> {
        match self {
            Self::Key => record.key_schema.as_ref(),
            Self::Value => record.value_schema.as_ref(),
        }
    }

    /// The value.
    pub fn value(self, record: &Record) -> &Value {
        match self {
            Self::Key => &record.key,
            Self::Value => &record.value,
        }
    }

    /// Schema and value, to change.
    pub fn both(self, record: &mut Record) -> (&mut Option<Arc<Schema>>, &mut Value) {
        match self {
            Self::Key => (&mut record.key_schema, &mut record.key),
            Self::Value => (&mut record.value_schema, &mut record.value),
        }
    }
}

/// The value as a struct; `purpose` is what it is needed for.
///
/// # Errors
/// In Connect's words when it is none.
pub(crate) fn require_struct<'a>(value: &'a Value, purpose: &str) -> Result<&'a Struct> {
    match value {
        Value::Struct(found) => Ok(found),
        other => Err(no_struct(other, purpose)),
    }
}

/// As [`require_struct`], to change it.
pub(crate) fn require_struct_mut<'a>(value: &'a mut Value, purpose: &str) -> Result<&'a mut Struct> {
    match value {
        Value::Struct(found) => Ok(found),
        other => Err(no_struct(other, purpose)),
    }
}

fn no_struct(value: &Value, purpose: &str) -> raccord_plugin::Error {
    let class = value.java_class();
    exception::data(format!("Only Struct objects supported for [{purpose}], found: {class}"))
}

/// The entries of a map without a schema; `purpose` is what it is needed for.
///
/// # Errors
/// In Connect's words when it is none.
pub(crate) fn require_map<'a>(value: &'a Value, purpose: &str) -> Result<&'a [(Value, Value)]> {
    match value {
        Value::Map(entries) => Ok(entries),
        other => Err(no_map(other, purpose)),
    }
}

/// As [`require_map`], taking the entries out.
pub(crate) fn take_map(value: &mut Value, purpose: &str) -> Result<Vec<(Value, Value)>> {
    match value {
        Value::Map(entries) => Ok(std::mem::take(entries)),
        other => Err(no_map(other, purpose)),
    }
}

fn no_map(value: &Value, purpose: &str) -> raccord_plugin::Error {
    let class = value.java_class();
    exception::data(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {class}"
    ))
}

/// The value of a text key in a map's entries.
pub(crate) fn entry<'a>(entries: &'a [(Value, Value)], key: &str) -> Option<&'a Value> {
    entries.iter().find(|(found, _)| found.as_str() == Some(key)).map(|(_, value)| value)
}
