//! A struct value: a schema and its cells in field order.

use std::sync::Arc;

use crate::{Schema, Value};

/// A value of a struct schema. Cells stand in field order; nothing is looked up by name per row.
///
/// Who makes a struct that is likely to be given more fields leaves room for them in the cells, so that they are not moved.
#[derive(Clone, Debug)]
pub struct Struct {
    schema: Arc<Schema>,
    cells: Cells,
}

#[derive(Clone, Debug)]
enum Cells {
    Own(Vec<Value>),
    Shared(Arc<[Value]>),
}

impl Struct {
    /// A struct of these cells.
    ///
    /// # Panics
    /// When the number of cells is not the number of fields: a fault of the caller, who compiled the cells for
    /// this schema.
    pub fn new(schema: Arc<Schema>, cells: impl Into<Vec<Value>>) -> Self {
        let cells = cells.into();
        assert_eq!(cells.len(), schema.fields().len(), "a struct has one cell for each field");
        Self { schema, cells: Cells::Own(cells) }
    }

    /// The same struct, to be cloned often: the clones share its cells. Who changes one has cells of its own.
    pub fn shared(self) -> Self {
        let cells = match self.cells {
            Cells::Own(cells) => cells.into(),
            Cells::Shared(cells) => cells,
        };
        Self { schema: self.schema, cells: Cells::Shared(cells) }
    }

    /// A struct whose cells are all null.
    pub fn empty(schema: Arc<Schema>) -> Self {
        let cells = schema.fields().iter().map(|_| Value::Null).collect();
        Self { schema, cells: Cells::Own(cells) }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The cells in field order.
    pub fn cells(&self) -> &[Value] {
        match &self.cells {
            Cells::Own(cells) => cells,
            Cells::Shared(cells) => cells,
        }
    }

    /// The cells in field order, to change.
    pub fn cells_mut(&mut self) -> &mut [Value] {
        match &mut self.cells {
            Cells::Own(cells) => cells,
            Cells::Shared(cells) => Arc::make_mut(cells),
        }
    }

    /// The cell of the field with that name. Linear: for tests and for code that runs once per schema.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema.index_of(field).map(|index| &self.cells()[index])
    }

    /// Makes this another struct, in place: `change` gets the cells and gives those of the new schema.
    ///
    /// # Panics
    /// As [`Struct::new`].
    pub fn reshape(&mut self, schema: Arc<Schema>, change: impl FnOnce(Vec<Value>) -> Vec<Value>) {
        let cells = change(std::mem::replace(&mut self.cells, Cells::Own(Vec::new())).into_vec());
        *self = Self::new(schema, cells);
    }

    /// Schema and cells, to build another struct of them.
    pub fn into_parts(self) -> (Arc<Schema>, Vec<Value>) {
        (self.schema, self.cells.into_vec())
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        Schema::same(&self.schema, &other.schema) && self.cells() == other.cells()
    }
}

impl Cells {
    fn into_vec(self) -> Vec<Value> {
        match self {
            Self::Own(cells) => cells,
            Self::Shared(cells) => cells.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Type;

    #[test]
    fn clones_of_a_shared_struct_are_changed_each_for_itself() {
        let schema = Schema::structure([("a", Schema::of(Type::Int32).build())]).build();
        let own = Struct::new(schema, [Value::Int32(1)]);
        let shared = own.clone().shared();
        let mut changed = shared.clone();
        assert!(std::ptr::eq(shared.cells(), changed.cells()));
        changed.cells_mut()[0] = Value::Int32(2);
        assert_eq!((&shared, changed.get("a")), (&own, Some(&Value::Int32(2))));
        assert_eq!(shared.into_parts().1, [Value::Int32(1)]);
    }
}
