//! Structs of a column have the schema of its field, which the table's plan makes: Connect compares the two.

use std::sync::Arc;

use raccord_data::Schema;

use super::ColumnPlan;
use super::kind::Kind;
use super::numbers::NumericForm;

impl ColumnPlan {
    /// Takes the schema of the field that the column's values go to.
    pub fn bind(&mut self, field: &Arc<Schema>) {
        match &mut self.kind {
            Kind::Point(schema)
            | Kind::SparseVector(schema)
            | Kind::Numeric(NumericForm::Variable(schema)) => schema.clone_from(field),
            _ => {}
        }
    }
}
