//! The fields that columns become.

use std::sync::Arc;

use raccord_data::{Schema, Value};

use crate::{Column, ColumnMappings, NameAdjustment, TableId};

/// What a connector says of a column: the schema of its values, and the default.
#[derive(Clone, Debug)]
pub struct ColumnField {
    /// The schema of its values, required and without default; `None` leaves the column out.
    pub schema: Option<Arc<Schema>>,
    /// The default of the catalog as a value, in the form that the schema's values have.
    pub default: Option<Value>,
}

/// Turns columns into fields: the same rules for keys and for values.
#[derive(Clone, Debug)]
pub struct ColumnSchemas {
    /// How names are adjusted.
    pub field_names: NameAdjustment,
}

impl ColumnSchemas {
    /// The field of a column: its name and schema. `mappings` are given for values, not for keys.
    pub fn field(
        &self,
        id: &TableId,
        column: &Column,
        field: &ColumnField,
        mappings: Option<&ColumnMappings>,
    ) -> Option<(Arc<str>, Arc<Schema>)> {
        let mut schema = (**field.schema.as_ref()?).clone();
        if let Some(mappings) = mappings {
            mappings.annotate(id, column, &mut schema);
        }
        schema.optional = column.optional;
        schema.doc = column.comment.clone().or(schema.doc);
        schema.default.clone_from(&field.default);
        let name = self.field_names.field_name(&column.name);
        let name = if *name == *column.name { Arc::clone(&column.name) } else { name.into() };
        Some((name, schema.shared()))
    }
}
