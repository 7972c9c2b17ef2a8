//! Entries of `add.fields` and `add.headers`: where in the event a field is, and what it is called in the result.

use std::sync::Arc;

use raccord_data::{Schema, Struct, Value};
use raccord_plugin::{Error, Result};

use crate::building::field_of;
use crate::debezium::envelope::{OPERATION, SOURCE, TRANSACTION};
use crate::debezium::field::{java_split, trim};
use crate::debezium::structs::{basics, field_or_null_pointer};
use crate::exception::illegal_argument;

/// An entry as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldReference {
    /// The struct of the event that holds the field; `None` for the event itself.
    parent: Option<String>,
    field: String,
    /// The name in the result, prefix included.
    pub name: Arc<str>,
}

/// Reads a list of entries.
///
/// # Errors
/// The exceptions of Debezium for entries that are none.
pub(super) fn parse(prefix: &str, list: &str) -> Result<Vec<FieldReference>> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    java_split(list, ',').into_iter().map(|entry| FieldReference::parse(prefix, trim(entry))).collect()
}

impl FieldReference {
    fn parse(prefix: &str, entry: &str) -> Result<Self> {
        let nothing = || {
            Error::config("Index 0 out of bounds for length 0")
                .class("java.lang.ArrayIndexOutOfBoundsException")
        };
        let parts = java_split(entry, ':');
        let path = java_split(parts.first().ok_or_else(nothing)?, '.');
        let (parent, field) = match path.as_slice() {
            [] => return Err(nothing()),
            [field] => (parent_of(field).map(str::to_owned), (*field).to_owned()),
            [parent, field, ..] => (Some((*parent).to_owned()), (*field).to_owned()),
        };
        let name = match (parts.as_slice(), path.as_slice()) {
            ([_], [field]) => format!("{prefix}{field}"),
            ([_], [parent, field, ..]) => format!("{prefix}{parent}_{field}"),
            ([_, name], _) => format!("{prefix}{name}"),
            _ => return Err(illegal_argument(format!("Unexpected field name: {entry}"))),
        };
        Ok(Self { parent, field, name: name.into() })
    }

    /// Whether a tombstone gets this as a header: the operation, wherever it is said to be.
    pub fn is_operation(&self) -> bool {
        self.field == OPERATION
    }

    /// Finds the field in an event of this schema; `None` when the event has no such field. `row` is the place of the
    /// struct that becomes the new value, whose cells will have moved there when the field is read.
    ///
    /// # Errors
    /// The exceptions of Debezium when there is no such struct in the event.
    pub fn resolve(&self, event: &Schema, row: Option<usize>) -> Result<Option<Added>> {
        let in_event = event.index_of(&self.field);
        let Some(parent) = &self.parent else {
            return Ok(in_event.map(|field| self.in_event(event, field, None, row)));
        };
        let parent_schema = &field_or_null_pointer(event, parent)?.schema;
        let in_parent = field_of(parent_schema, &self.field)?;
        let parent = event.index_of(parent);
        Ok(match (in_parent, in_event) {
            (Some(field), _) if parent == row => {
                Some(Added::new(self, parent_schema, field, Place::Row(field)))
            }
            (Some(field), _) => {
                let place = Place::Parent { parent: parent.unwrap_or_default(), field };
                Some(Added::new(self, parent_schema, field, place))
            }
            (None, Some(field)) => Some(self.in_event(event, field, parent, row)),
            (None, None) => None,
        })
    }

    fn in_event(&self, event: &Schema, field: usize, parent: Option<usize>, row: Option<usize>) -> Added {
        let place = match Some(field) == row {
            true => Place::WholeRow,
            // The row is never null where it is read.
            false => Place::Event { parent: parent.filter(|_| parent != row), field },
        };
        Added::new(self, event, field, place)
    }
}

/// The struct in which a field without a path is looked for first.
fn parent_of(field: &str) -> Option<&'static str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some(TRANSACTION),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        // Of MongoDB's events.
        "updateDescription" => Some("updateDescription"),
        _ => Some(SOURCE),
    }
}

/// An entry found in the events of one schema.
#[derive(Debug)]
pub(super) struct Added {
    pub name: Arc<str>,
    pub schema: Arc<Schema>,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the event itself. Nothing is added where the struct is null that was looked into first.
    Event { parent: Option<usize>, field: usize },
    /// In a struct of the event.
    Parent { parent: usize, field: usize },
    /// In the struct that becomes the value.
    Row(usize),
    /// That struct itself. It does not fit the schema that is made for it, of which only the outside is copied.
    WholeRow,
}

impl Added {
    fn new(reference: &FieldReference, holder: &Schema, field: usize, place: Place) -> Self {
        let mut schema = basics(&holder.fields()[field].schema);
        schema.optional = true;
        Self { name: Arc::clone(&reference.name), schema: schema.shared(), place }
    }

    /// The value in an event. `row` holds the cells of the row, where they were moved out of the event.
    pub fn value(&self, event: &[Value], row: &[Value]) -> Value {
        let cell = |cells: &[Value], place: usize| cells.get(place).cloned().unwrap_or_default();
        let is_null = |place: usize| event.get(place).is_none_or(Value::is_null);
        match self.place {
            Place::Event { parent: Some(parent), .. } if is_null(parent) => Value::Null,
            Place::Event { field, .. } => cell(event, field),
            Place::Parent { parent, field } => match event.get(parent) {
                Some(Value::Struct(holder)) => cell(Struct::cells(holder), field),
                _ => Value::Null,
            },
            Place::Row(field) => cell(row, field),
            Place::WholeRow => {
                Value::from(Struct::empty(Schema::structure([("", Schema::unknown())]).build()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_entries_as_debezium_does() {
        let check = |list: &str, expect: &[(Option<&str>, &str, &str)]| {
            let expect: Vec<_> = expect
                .iter()
                .map(|(parent, field, name)| FieldReference {
                    parent: parent.map(str::to_owned),
                    field: (*field).to_owned(),
                    name: (*name).into(),
                })
                .collect();
            assert_eq!(parse("__", list).unwrap(), expect, "{list}");
        };
        check("", &[]);
        check(",", &[]);
        check("op, table,", &[(None, "op", "__op"), (Some("source"), "table", "__table")]);
        check("source.ts_ms", &[(Some("source"), "ts_ms", "__source_ts_ms")]);
        check("id:TX", &[(Some("transaction"), "id", "__TX")]);
        check("op:", &[(None, "op", "__op")]);
        check("a.b.c:d", &[(Some("a"), "b", "__d")]);
        check("op, ", &[(None, "op", "__op"), (Some("source"), "", "__")]);
        for bad in ["a:b:c", ":", "."] {
            assert!(parse("__", bad).is_err(), "{bad}");
        }
    }
}
