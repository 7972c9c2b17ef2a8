//! A struct value: a schema and its cells in field order.

use std::sync::Arc;

use crate::{Schema, Value};

/// A value of a struct schema. Cells stand in field order; nothing is looked up by name per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Struct {
    schema: Arc<Schema>,
    cells: Box<[Value]>,
}

impl Struct {
    /// A struct of these cells.
    ///
    /// # Panics
    /// When the number of cells is not the number of fields: a fault of the caller, who compiled the cells for
    /// this schema.
    pub fn new(schema: Arc<Schema>, cells: impl Into<Box<[Value]>>) -> Self {
        let cells = cells.into();
        assert_eq!(cells.len(), schema.fields().len(), "a struct has one cell for each field");
        Self { schema, cells }
    }

    /// A struct whose cells are all null.
    pub fn empty(schema: Arc<Schema>) -> Self {
        let cells = schema.fields().iter().map(|_| Value::Null).collect();
        Self { schema, cells }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The cells in field order.
    pub fn cells(&self) -> &[Value] {
        &self.cells
    }

    /// The cells in field order, to change.
    pub fn cells_mut(&mut self) -> &mut [Value] {
        &mut self.cells
    }

    /// The cell of the field with that name. Linear: for tests and for code that runs once per schema.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema.index_of(field).map(|index| &self.cells[index])
    }

    /// Makes this another struct, in place: `change` gets the cells and gives those of the new schema.
    ///
    /// # Panics
    /// As [`Struct::new`].
    pub fn reshape(&mut self, schema: Arc<Schema>, change: impl FnOnce(Box<[Value]>) -> Box<[Value]>) {
        let cells = change(std::mem::take(&mut self.cells));
        *self = Self::new(schema, cells);
    }

    /// Schema and cells, to build another struct of them.
    pub fn into_parts(self) -> (Arc<Schema>, Box<[Value]>) {
        (self.schema, self.cells)
    }
}
