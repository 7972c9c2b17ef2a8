//! Building schemas as Connect's `SchemaBuilder` does, with its refusals.

use std::sync::Arc;

use raccord_data::{Field, Schema, Type, Value};
use raccord_plugin::Result;

use crate::{exception, fit};

/// The fields of a struct schema that is being built.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    /// Adds a field.
    ///
    /// # Errors
    /// `SchemaBuilderException` when it has no name or one that is taken.
    pub fn add(&mut self, name: impl Into<Arc<str>>, schema: Arc<Schema>) -> Result<()> {
        let name = name.into();
        if name.is_empty() {
            return Err(exception::schema_builder("fieldName cannot be null."));
        }
        if self.0.iter().any(|field| field.name == name) {
            return Err(exception::schema_builder(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        }
        self.0.push(Field { name, schema });
        Ok(())
    }

    /// The struct type of these fields.
    pub fn into_type(self) -> Type {
        Type::Struct(self.0.into())
    }
}

/// `SchemaUtil.copySchemaBasics`: a required schema of another type without a default that has the name, version,
/// documentation and parameters of this one.
pub(crate) fn copy_basics(source: &Schema, ty: Type) -> Schema {
    Schema {
        ty,
        optional: false,
        name: source.name.clone(),
        version: source.version,
        doc: source.doc.clone(),
        parameters: source.parameters.clone(),
        default: None,
    }
}

/// `SchemaBuilder.defaultValue`.
///
/// # Errors
/// `SchemaBuilderException` when the value does not fit the schema.
pub(crate) fn set_default(schema: &mut Schema, value: Value) -> Result<()> {
    fit::check_value(schema, &value)
        .map_err(|error| exception::schema_builder("Invalid default value").caused_by(error))?;
    schema.default = Some(value);
    Ok(())
}

/// The fields of a schema.
///
/// # Errors
/// `DataException` when it is not a struct's.
pub(crate) fn fields_of(schema: &Schema) -> Result<&[Field]> {
    match &schema.ty {
        Type::Struct(fields) => Ok(fields),
        _ => Err(exception::data("Cannot list fields on non-struct type")),
    }
}

/// The place of a field in a schema.
///
/// # Errors
/// `DataException` when it is not a struct's.
pub(crate) fn field_of(schema: &Schema, name: &str) -> Result<Option<usize>> {
    match &schema.ty {
        Type::Struct(_) => Ok(schema.index_of(name)),
        _ => Err(exception::data("Cannot look up fields on non-struct type")),
    }
}
