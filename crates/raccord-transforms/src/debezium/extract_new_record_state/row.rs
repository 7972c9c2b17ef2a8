//! Rows: what a struct of the event becomes, compiled for one schema of rows in one schema of events.

use std::sync::{Arc, LazyLock};

use raccord_data::{Field, Schema, Struct, Text, Type, Value};
use raccord_plugin::{Error, Result};

use super::reference::{Added, FieldReference};
use crate::debezium::envelope::OPERATION;
use crate::debezium::structs::{add_field, lookup_typed, struct_like};
use crate::fit::check_field;

/// The field that says whether the row was deleted.
const DELETED: &str = "__deleted";

static OPTIONAL_STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).optional().build());

/// What is asked of rows.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Adds `__deleted` with this text.
    pub deleted: Option<&'static str>,
    /// Fills nulls with defaults, which only happens along with `__deleted`.
    pub fill_defaults: bool,
    /// Names the topic.
    pub route_by_field: Option<&'a str>,
    /// Fields of the event to add.
    pub fields: &'a [FieldReference],
    /// The place of the row in the event, when it is moved out of it.
    pub place: Option<usize>,
}

pub(super) struct Row {
    schema: Arc<Schema>,
    width: usize,
    /// Fields in which a null becomes a default, or is refused when there is none.
    nulls: Vec<(usize, Option<Value>)>,
    deleted: Option<Text>,
    /// The field that names the topic.
    pub route: Option<usize>,
    added: Vec<Added>,
}

impl Row {
    /// Compiles what is wanted.
    ///
    /// # Errors
    /// The exceptions of Debezium about fields that are there twice or not at all.
    pub fn compile(row: &Schema, event: &Schema, wanted: Wanted<'_>) -> Result<Self> {
        let mut fields = row.fields().to_vec();
        if wanted.deleted.is_some() {
            add_field(&mut fields, &Arc::from(DELETED), Some(&OPTIONAL_STRING))?;
        }
        let route = match wanted.route_by_field {
            Some(name) => Some(lookup_typed(&struct_like(row, fields.clone()), name, "STRING")?),
            None => None,
        };
        lookup_typed(event, OPERATION, "STRING")?;
        let mut added = Vec::new();
        for reference in wanted.fields {
            if let Some(found) = reference.resolve(event, wanted.place)? {
                add_field(&mut fields, &found.name, Some(&found.schema))?;
                added.push(found);
            }
        }
        Ok(Self {
            nulls: row
                .fields()
                .iter()
                .enumerate()
                .filter_map(|(place, field)| null_rule(place, field, wanted))
                .collect(),
            schema: Arc::new(struct_like(row, fields)),
            width: row.fields().len(),
            deleted: wanted.deleted.map(Text::from_static),
            route,
            added,
        })
    }

    /// The new value, made of the cells of a row, in place where there is room behind them; `event` holds the cells of the event it is from.
    ///
    /// # Errors
    /// The `DataException` of nulls in required fields.
    pub fn build(&self, mut cells: Vec<Value>, event: &[Value]) -> Result<Struct> {
        if cells.len() != self.width {
            return Err(Error::record("Struct schemas do not match."));
        }
        let mut lacks_defaults = false;
        for (place, default) in &self.nulls {
            if cells[*place].is_null() {
                lacks_defaults = true;
                if default.is_none() {
                    check_field(&self.schema.fields()[*place], &Value::Null)?;
                }
            }
        }
        cells.reserve_exact(self.schema.fields().len() - self.width);
        cells.extend(self.deleted.clone().map(Value::String));
        for field in &self.added {
            let value = field.value(event, &cells);
            if matches!(value, Value::Struct(_) | Value::Map(_)) {
                // Only the outside of their schema was copied.
                check_field(&self.schema.fields()[cells.len()], &value)?;
            }
            cells.push(value);
        }
        // Fields that are added are read as they were before.
        if lacks_defaults {
            for (place, default) in &self.nulls {
                if let (Value::Null, Some(default)) = (&cells[*place], default) {
                    cells[*place] = default.clone();
                }
            }
        }
        Ok(Struct::new(Arc::clone(&self.schema), cells))
    }
}

fn null_rule(place: usize, field: &Field, wanted: Wanted<'_>) -> Option<(usize, Option<Value>)> {
    let default = field.schema.default.clone().filter(|_| wanted.deleted.is_some() && wanted.fill_defaults);
    (default.is_some() || !field.schema.optional).then_some((place, default))
}
