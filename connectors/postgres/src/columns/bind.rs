//! Structs of a column have the schema of its field, which the table's plan makes: Connect compares the two.

use std::sync::Arc;

use raccord_data::{Schema, Type};

use super::ColumnPlan;
use super::kind::Kind;
use super::numbers::NumericForm;

impl ColumnPlan {
    /// Takes the schema of the field that the column's values go to.
    pub fn bind(&mut self, field: &Arc<Schema>) {
        bind(&mut self.kind, field);
    }
}

fn bind(kind: &mut Kind, field: &Arc<Schema>) {
    match (kind, &field.ty) {
        (
            Kind::Point(schema) | Kind::SparseVector(schema) | Kind::Numeric(NumericForm::Variable(schema)),
            _,
        ) => schema.clone_from(field),
        (Kind::Array(elements), Type::Array(element)) => bind(&mut elements.kind, element),
        _ => {}
    }
}
