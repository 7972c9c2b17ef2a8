//! A captured table, compiled: its plan and what each of its columns decodes to. Built when a table is seen, used per row.

use std::sync::Arc;

use raccord_cdc::{ColumnField, TablePlan};
use raccord_data::{Text, Value};
use raccord_plugin::{Error, Result};

use crate::catalog::{CatalogTable, TypeRegistry};
use crate::columns::{ColumnPlan, ColumnSettings};
use crate::conversion::ConversionFailures;
use crate::pgoutput::{Cell, Tuple};
use crate::reselect::TableReselect;
use crate::settings::Settings;

/// A version of a table: a change of its columns makes another one.
#[derive(Debug)]
pub struct CapturedTable {
    /// Topic, schemas, and which columns go where.
    pub plan: TablePlan,
    /// One for each column of the table.
    pub columns: Vec<ColumnPlan>,
    conversion_failures: ConversionFailures,
    /// What is read again of its rows.
    pub reselect: Option<TableReselect>,
    /// As the catalog or the stream describes it.
    pub table: CatalogTable,
    /// `schema.table`.
    pub name: String,
    /// The schema's name as a cell.
    pub schema_name: Text,
    /// The table's name as a cell.
    pub table_name: Text,
}

impl CapturedTable {
    /// Compiles a table.
    pub fn new(
        table: CatalogTable,
        types: &TypeRegistry,
        settings: &Settings,
        columns: &ColumnSettings,
    ) -> Arc<Self> {
        let mut plans: Vec<ColumnPlan> =
            table.columns.iter().map(|column| ColumnPlan::new(column, types, columns)).collect();
        let fields: Vec<ColumnField> = plans.iter().map(ColumnPlan::field).collect();
        let plan = TablePlan::new(&table.table(), &fields, &settings.plans);
        for (field, column) in plan.value_schema().fields().iter().zip(plan.value_columns()) {
            plans[*column].bind(&field.schema);
        }
        let mut captured = Self {
            reselect: None,
            plan,
            columns: plans,
            conversion_failures: settings.conversion_failures,
            name: table.id.to_string(),
            schema_name: Text::from(table.id.schema.as_deref().unwrap_or_default()),
            table_name: Text::from(&*table.id.table),
            table,
        };
        captured.reselect = TableReselect::new(&captured, settings);
        Arc::new(captured)
    }

    /// What becomes of a value that could or could not be converted: `event.converting.failure.handling.mode`.
    ///
    /// # Errors
    /// The failure, unless null stands for it, and the column may be null.
    #[inline]
    pub fn converted(&self, column: usize, value: Result<Value>) -> Result<Value> {
        value.or_else(|error| self.unconverted(column, error))
    }

    #[cold]
    fn unconverted(&self, column: usize, error: Error) -> Result<Value> {
        let column = &self.columns[column];
        self.conversion_failures.judge(&self.name, column.name(), column.type_name(), error)?;
        column.unconverted()
    }

    /// The value of a cell of the stream. A column that the message lacks is as null.
    ///
    /// # Errors
    /// When the text is not of the column's type.
    #[inline]
    pub fn value(&self, column: usize, cell: Option<&Cell>, tuple: &Tuple) -> Result<Value> {
        let plan = &self.columns[column];
        match cell {
            Some(Cell::Text(part)) => self.converted(column, plan.decode_text(tuple.raw(*part))),
            Some(Cell::Unchanged) => plan.unavailable(),
            Some(Cell::Null) | None => Ok(plan.null()),
        }
    }
}
