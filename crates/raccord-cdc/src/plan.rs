//! What depends on a table only, compiled once.

use std::sync::Arc;

use raccord_data::{Schema, Struct, Text, Type, Value};

use crate::{
    CellMapping, ColumnField, ColumnFilter, ColumnMappings, ColumnSchemas, Envelope, KeyColumns,
    NameAdjustment, Table, TableId, TopicNaming, TransactionRecords,
};

/// The settings that plans are made with.
#[derive(Clone, Debug)]
pub struct PlanSettings {
    /// Names of topics and of schemas.
    pub naming: TopicNaming,
    /// How names of schemas are adjusted.
    pub schema_names: NameAdjustment,
    /// How names of fields are adjusted.
    pub field_names: NameAdjustment,
    /// Which columns are captured.
    pub columns: ColumnFilter,
    /// What is done to single columns.
    pub mappings: ColumnMappings,
    /// Which columns form the key.
    pub keys: KeyColumns,
    /// The schema of the source block.
    pub source: Arc<Schema>,
}

/// Where a cell of the key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCell {
    /// The place of the column in the table.
    pub column: usize,
    /// The place of the same cell in the value; `None` when the value lacks it, or has it masked.
    pub value_field: Option<usize>,
}

/// The cells of a row and of its key, in field order.
///
/// A thread that gives rows to another gives them like this: counting the users of a schema costs much when two threads
/// do so at once.
#[derive(Debug)]
pub struct RowCells {
    key: Option<Vec<Value>>,
    value: Vec<Value>,
}

/// How many fields there is room for behind those of a row: transforms like `ExtractNewRecordState` add some.
const ROOM: usize = 4;

/// A table, compiled: rows go in as cells, keys and values come out.
#[derive(Debug)]
pub struct TablePlan {
    id: TableId,
    topic: Arc<str>,
    key_schema: Option<Arc<Schema>>,
    key_cells: Box<[KeyCell]>,
    /// The cell that the naming strategy adds to the key.
    key_extra: Option<Text>,
    value_schema: Arc<Schema>,
    value_columns: Box<[usize]>,
    mappings: Box<[CellMapping]>,
    envelope: Envelope,
}

impl TablePlan {
    /// Compiles a table. `fields` says for each of its columns what its values are.
    ///
    /// # Panics
    /// When there is not one entry in `fields` for each column.
    pub fn new(table: &Table, fields: &[ColumnField], settings: &PlanSettings) -> Self {
        assert_eq!(fields.len(), table.columns.len(), "one entry for each column");
        let id = &table.id;
        let schemas = ColumnSchemas { field_names: settings.field_names };
        let topic = settings.naming.data_topic(id);
        let named = |suffix: &str| settings.schema_names.schema_name(&format!("{topic}.{suffix}"));

        let (mut value_columns, mut value_fields, mut mappings) = (Vec::new(), Vec::new(), Vec::new());
        for (index, column) in table.columns.iter().enumerate() {
            if !settings.columns.includes(id, &column.name) {
                continue;
            }
            if let Some(field) = schemas.field(id, column, &fields[index], Some(&settings.mappings)) {
                value_columns.push(index);
                value_fields.push(field);
                mappings.push(settings.mappings.mapping(id, column));
            }
        }
        let value_schema = Schema::structure(value_fields).name(named("Value")).optional().build();

        let (mut key_cells, mut key_fields) = (Vec::new(), Vec::new());
        let key_columns = settings.keys.of_table(table);
        for &index in &key_columns {
            let Some(field) = schemas.field(id, &table.columns[index], &fields[index], None) else {
                continue;
            };
            let value_field = value_columns.iter().position(|column| *column == index);
            let value_field = value_field.filter(|field| mappings[*field].is_none());
            key_cells.push(KeyCell { column: index, value_field });
            key_fields.push(field);
        }
        let extra = settings.naming.key_field(id);
        if let Some((name, _)) = &extra {
            key_fields.push(((*name).into(), Schema::of(Type::String).build()));
        }
        // A key whose columns have no mapping is a struct without fields.
        let has_key = !key_columns.is_empty() || !key_fields.is_empty();
        let key_schema = has_key.then(|| Schema::structure(key_fields).name(named("Key")).build());
        let envelope = Envelope::new(
            &named("Envelope"),
            &value_schema,
            &settings.source,
            &TransactionRecords::block_schema(),
        );
        Self {
            id: id.clone(),
            topic,
            key_schema,
            key_cells: key_cells.into(),
            key_extra: extra.map(|(_, value)| Text::from(value)),
            value_schema,
            value_columns: value_columns.into(),
            mappings: mappings.into(),
            envelope,
        }
    }

    /// The table.
    pub fn id(&self) -> &TableId {
        &self.id
    }

    /// The topic of its changes.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The schema of its keys; `None` for a table without key.
    pub fn key_schema(&self) -> Option<&Arc<Schema>> {
        self.key_schema.as_ref()
    }

    /// Where the cells of a key come from, in field order.
    pub fn key_cells(&self) -> &[KeyCell] {
        &self.key_cells
    }

    /// The schema of its rows, optional.
    pub fn value_schema(&self) -> &Arc<Schema> {
        &self.value_schema
    }

    /// The places in the table of the columns that rows have, in field order.
    pub fn value_columns(&self) -> &[usize] {
        &self.value_columns
    }

    /// The envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// A row as key and value. `decode` gives the cell of a column, by its place in the table; it is called in the
    /// order of the columns, and once more for cells of the key that the value lacks or has masked.
    ///
    /// # Errors
    /// The first error of `decode`.
    pub fn row<E>(
        &self,
        decode: impl FnMut(usize) -> Result<Value, E>,
    ) -> Result<(Option<Struct>, Struct), E> {
        self.cells(decode).map(|cells| self.structs(cells))
    }

    /// The first half of [`row`](Self::row): the cells, without their schemas.
    ///
    /// # Errors
    /// The first error of `decode`.
    pub fn cells<E>(&self, mut decode: impl FnMut(usize) -> Result<Value, E>) -> Result<RowCells, E> {
        let mut value = Vec::with_capacity(self.value_columns.len() + ROOM);
        for (column, mapping) in self.value_columns.iter().zip(&self.mappings) {
            let cell = decode(*column)?;
            value.push(if mapping.is_none() { cell } else { mapping.apply(cell) });
        }
        let key = match &self.key_schema {
            Some(schema) => Some(self.key_of(schema, |cell| match cell.value_field {
                Some(field) => Ok(value[field].clone()),
                None => decode(cell.column),
            })?),
            None => None,
        };
        Ok(RowCells { key, value })
    }

    /// The second half of [`row`](Self::row): key and value of cells of this table.
    pub fn structs(&self, RowCells { key, value }: RowCells) -> (Option<Struct>, Struct) {
        let key = self.key_schema.as_ref().zip(key).map(|(schema, key)| Struct::new(Arc::clone(schema), key));
        (key, Struct::new(Arc::clone(&self.value_schema), value))
    }

    /// The key of a row, alone.
    ///
    /// # Errors
    /// The first error of `decode`.
    pub fn key<E>(&self, mut decode: impl FnMut(usize) -> Result<Value, E>) -> Result<Option<Struct>, E> {
        let Some(schema) = &self.key_schema else { return Ok(None) };
        let key = self.key_of(schema, |cell| decode(cell.column))?;
        Ok(Some(Struct::new(Arc::clone(schema), key)))
    }

    fn key_of<E>(
        &self,
        schema: &Arc<Schema>,
        mut cell: impl FnMut(&KeyCell) -> Result<Value, E>,
    ) -> Result<Vec<Value>, E> {
        let mut cells = Vec::with_capacity(schema.fields().len());
        for (key_cell, field) in self.key_cells.iter().zip(schema.fields()) {
            let mut value = cell(key_cell)?;
            // The field of the value may tell more of the column than that of the key; Connect compares the two.
            if let Value::Struct(value) = &mut value
                && !Arc::ptr_eq(value.schema(), &field.schema)
            {
                value.reshape(Arc::clone(&field.schema), |cells| cells);
            }
            cells.push(value);
        }
        cells.extend(self.key_extra.clone().map(Value::String));
        Ok(cells)
    }
}
