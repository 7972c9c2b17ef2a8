//! Whether a value may stand in a field: Connect's `ConnectSchema.validateValue`, by which `Struct.put` goes.
//!
//! The answer for a cell of the right kind is a few comparisons; words are made only for what does not fit.

use std::sync::Arc;

use raccord_data::{Field, Schema, Struct, Type, Value, logical};
use raccord_plugin::{Error, Result};

use crate::exception;

/// Checks the value of a field.
///
/// # Errors
/// `DataException` in Connect's words.
#[inline]
pub(crate) fn check_field(field: &Field, value: &Value) -> Result<()> {
    if is_plain(&field.schema, value) {
        return Ok(());
    }
    check(&field.schema, value, &|| format!("field: \"{}\"", field.name))
}

/// Checks all cells of a struct that was just filled, in order.
///
/// # Errors
/// `DataException` for the first that does not fit.
pub(crate) fn check_cells(schema: &Schema, cells: &[Value]) -> Result<()> {
    schema.fields().iter().zip(cells).try_for_each(|(field, cell)| check_field(field, cell))
}

/// Checks a value that stands by itself.
///
/// # Errors
/// `DataException` in Connect's words.
pub(crate) fn check_value(schema: &Schema, value: &Value) -> Result<()> {
    check(schema, value, &|| "value".to_owned())
}

/// Checks a header's value: Connect's `ConnectHeaders.add`. A value of a wrong class does not occur.
///
/// # Errors
/// `DataException` for null without an optional schema.
pub(crate) fn check_header(schema: &Schema, value: &Value) -> Result<()> {
    if value.is_null() && !schema.optional {
        let schema = schema_text(schema);
        return Err(exception::data(format!("A null value requires an optional schema but was {schema}")));
    }
    Ok(())
}

/// `ConnectSchema.toString`.
pub(crate) fn schema_text(schema: &Schema) -> String {
    match &schema.name {
        Some(name) => format!("Schema{{{name}:{}}}", schema.ty.java_name()),
        None => format!("Schema{{{}}}", schema.ty.java_name()),
    }
}

/// Puts the defaults of fields where cells are null.
pub(crate) fn fill_defaults(schema: &Schema, cells: &mut [Value]) {
    for (field, cell) in schema.fields().iter().zip(cells) {
        fill_default(&field.schema, cell);
    }
}

/// Puts the schema's default where the value is null.
#[inline]
pub(crate) fn fill_default(schema: &Schema, value: &mut Value) {
    if let (Value::Null, Some(default)) = (&value, &schema.default) {
        *value = default.clone();
    }
}

/// A value of a type that needs no further look, in a schema that stands for nothing else.
#[inline]
fn is_plain(schema: &Schema, value: &Value) -> bool {
    schema.name.is_none()
        && matches!(
            (&schema.ty, value),
            (Type::String, Value::String(_))
                | (Type::Int64, Value::Int64(_))
                | (Type::Int32, Value::Int32(_))
                | (Type::Boolean, Value::Boolean(_))
                | (Type::Float64, Value::Float64(_))
                | (Type::Int16, Value::Int16(_))
                | (Type::Float32, Value::Float32(_))
                | (Type::Int8, Value::Int8(_))
                | (Type::Bytes, Value::Bytes(_))
        )
}

fn check(schema: &Schema, value: &Value, place: &dyn Fn() -> String) -> Result<()> {
    if value.is_null() {
        if schema.optional {
            return Ok(());
        }
        let (place, ty) = (place(), schema.ty.java_name());
        return Err(exception::data(format!(
            "Invalid value: null used for required {place}, schema type: {ty}"
        )));
    }
    if !is_of(schema, value) {
        return Err(wrong_class(schema, value, &place()));
    }
    match (&schema.ty, value) {
        (Type::Struct(_), Value::Struct(inner)) => {
            if !std::ptr::eq(Arc::as_ptr(inner.schema()), schema) && **inner.schema() != *schema {
                return Err(exception::data("Struct schemas do not match."));
            }
            check_struct(inner)
        }
        (Type::Array(items), Value::Array(values)) => {
            let place = || format!("element of array {}", place());
            let items = known(items, &place)?;
            values.iter().try_for_each(|value| check(items, value, &place))
        }
        (Type::Map(keys, values), Value::Map(entries)) => {
            let key_place = || format!("key of map {}", place());
            let value_place = || format!("value of map {}", place());
            let (keys, values) = (known(keys, &key_place)?, known(values, &value_place)?);
            entries.iter().try_for_each(|(key, value)| {
                check(keys, key, &key_place).and_then(|()| check(values, value, &value_place))
            })
        }
        _ => Ok(()),
    }
}

/// `Struct.validate`: every field has a value that fits, or may do without one.
fn check_struct(value: &Struct) -> Result<()> {
    for (field, cell) in value.schema().fields().iter().zip(value.cells()) {
        if cell.is_null() && field.schema.default.is_some() {
            continue;
        }
        check_field(field, cell)?;
    }
    Ok(())
}

fn known<'a>(schema: &'a Arc<Schema>, place: &dyn Fn() -> String) -> Result<&'a Schema> {
    if schema.is_unknown() {
        return Err(exception::data(format!("No schema defined for {}", place())));
    }
    Ok(schema)
}

/// Whether the value is of a class that stands for the schema.
fn is_of(schema: &Schema, value: &Value) -> bool {
    match schema.name.as_deref() {
        Some(logical::DECIMAL) => return matches!(value, Value::Decimal(_)),
        Some(logical::DATE | logical::TIME | logical::TIMESTAMP) => return matches!(value, Value::Date(_)),
        _ => {}
    }
    matches!(
        (&schema.ty, value),
        (Type::Int8, Value::Int8(_))
            | (Type::Int16, Value::Int16(_))
            | (Type::Int32, Value::Int32(_))
            | (Type::Int64, Value::Int64(_))
            | (Type::Float32, Value::Float32(_))
            | (Type::Float64, Value::Float64(_))
            | (Type::Boolean, Value::Boolean(_))
            | (Type::String, Value::String(_))
            | (Type::Bytes, Value::Bytes(_))
            | (Type::Array(_), Value::Array(_))
            | (Type::Map(..), Value::Map(_))
            | (Type::Struct(_), Value::Struct(_))
    )
}

fn wrong_class(schema: &Schema, value: &Value, place: &str) -> Error {
    let name = schema.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
    exception::data(format!(
        "Invalid Java object for schema{name} with type {}: class {} for {place}",
        schema.ty.java_name(),
        value.java_class()
    ))
}
