//! Structs as Connect's `Struct` gives and takes them, where Debezium's transforms need more than Kafka's.

use std::sync::Arc;

use raccord_data::{Field, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result};

use crate::building::{copy_basics, field_of};
use crate::exception;
use crate::part::require_struct;

/// The cell of a field as `Struct.get` gives it: the default of the schema where there is no value.
pub(crate) fn get<'a>(schema: &'a Schema, cell: &'a Value) -> &'a Value {
    match (cell, &schema.default) {
        (Value::Null, Some(default)) => default,
        _ => cell,
    }
}

/// Takes a cell out as `Struct.get` gives it.
pub(crate) fn take(schema: &Schema, cell: &mut Value) -> Value {
    match (std::mem::take(cell), &schema.default) {
        (Value::Null, Some(default)) => default.clone(),
        (value, _) => value,
    }
}

/// The place of a field.
///
/// # Errors
/// The `DataException` of `Struct.get(String)`.
pub(crate) fn lookup(schema: &Schema, name: &str) -> Result<usize> {
    field_of(schema, name)?.ok_or_else(|| exception::data(format!("{name} is not a valid field name")))
}

/// The place of a field of that type, as `getString`, `getStruct` and the like look it up.
///
/// # Errors
/// Their `DataException`.
pub(crate) fn lookup_typed(schema: &Schema, name: &str, java_type: &str) -> Result<usize> {
    let place = lookup(schema, name)?;
    if schema.fields()[place].schema.ty.java_name() != java_type {
        return Err(Error::record(format!("Field '{name}' is not of type {java_type}")));
    }
    Ok(place)
}

/// The field of a struct schema, where Java goes on with the schema of the field whether there is one or not.
///
/// # Errors
/// The exception of `schema.field(name).schema()`.
pub(crate) fn field_or_null_pointer<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field> {
    let place = field_of(schema, name)?.ok_or_else(|| {
        exception::null_pointer(
            "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
             \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
        )
    })?;
    Ok(&schema.fields()[place])
}

/// The value as a struct; `purpose` is what it is needed for.
///
/// # Errors
/// In Connect's words when it is none.
pub(crate) fn into_struct(value: Value, purpose: &str) -> Result<Struct> {
    match value {
        Value::Struct(value) => Ok(value),
        other => Err(require_struct(&other, purpose).err().unwrap_or_else(Error::cancelled)),
    }
}

/// The schema's name, version, documentation and parameters around other fields: a required struct without a default.
/// Kafka's `SchemaUtil.copySchemaBasics` with `SchemaBuilder.struct()`.
pub(crate) fn struct_like(schema: &Schema, fields: Vec<Field>) -> Schema {
    copy_basics(schema, Type::Struct(fields.into()))
}

/// `SchemaUtil.copySchemaBasics(schema)`: no default, required, and of structs and maps only the outside.
pub(crate) fn basics(schema: &Schema) -> Schema {
    let ty = match &schema.ty {
        Type::Struct(_) => Type::Struct(Box::default()),
        Type::Map(..) => Type::Map(Schema::unknown(), Schema::unknown()),
        other => other.clone(),
    };
    copy_basics(schema, ty)
}

/// Adds a field as `SchemaBuilder.field` does.
///
/// # Errors
/// The `SchemaBuilderException` when there is one of that name, or no name or schema.
pub(crate) fn add_field(
    fields: &mut Vec<Field>,
    name: &Arc<str>,
    schema: Option<&Arc<Schema>>,
) -> Result<()> {
    if name.is_empty() {
        return Err(exception::schema_builder("fieldName cannot be null."));
    }
    let schema = schema
        .ok_or_else(|| exception::schema_builder(format!("fieldSchema for field {name} cannot be null.")))?;
    if fields.iter().any(|field| field.name == *name) {
        return Err(exception::schema_builder(format!(
            "Cannot create field because of field name duplication {name}"
        )));
    }
    fields.push(Field { name: Arc::clone(name), schema: Arc::clone(schema) });
    Ok(())
}

/// Debezium's `DebeziumException` about a record.
pub(crate) fn debezium_exception(message: impl Into<String>) -> Error {
    Error::record(message).class("io.debezium.DebeziumException")
}
