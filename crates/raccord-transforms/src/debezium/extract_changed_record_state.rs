//! `io.debezium.transforms.ExtractChangedRecordState`: lists in headers which columns a change touched.

use std::sync::{Arc, LazyLock};

use raccord_config::{Importance, RawConfig, Type as KeyType, Width};
use raccord_data::java_equals::java_equals;
use raccord_data::{Header, Record, Schema, Text, Type, Value};
use raccord_plugin::{Result, Transform};

use super::envelope::{AFTER, BEFORE, is_envelope};
use super::field::{Field, Settings, definition, is_blank};
use super::plugin;
use super::structs::{get, lookup};
use crate::part::require_struct;
use crate::schema_cache::SchemaCache;

plugin! {
    /// `io.debezium.transforms.ExtractChangedRecordState`.
    EXTRACT_CHANGED_RECORD_STATE,
    "io.debezium.transforms.ExtractChangedRecordState",
    definition(&[(None, &[CHANGED, UNCHANGED])]),
    ExtractChangedRecordState::new
}

const CHANGED: Field = Field::new(
    "header.changed.name",
    KeyType::String,
    "Header change name.",
    "The header that lists the columns that changed; without it there is none.",
)
.width(Width::Long)
.importance(Importance::Low);

const UNCHANGED: Field = Field::new(
    "header.unchanged.name",
    KeyType::String,
    "Header unchanged name.",
    "The header that lists the columns that did not change; without it there is none.",
)
.width(Width::Long)
.importance(Importance::Low);

static OPTIONAL_STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).optional().build());

struct ExtractChangedRecordState {
    changed: Option<List>,
    unchanged: Option<List>,
    events: SchemaCache<Event>,
    columns: SchemaCache<Columns>,
}

/// A header to be added.
struct List {
    name: Arc<str>,
    schema: Arc<Schema>,
}

/// Where the rows of an event are.
struct Event {
    after: usize,
    before: usize,
}

/// The columns of rows of one schema.
struct Columns {
    /// The schema of the row before for which the places were looked up.
    before: Arc<Schema>,
    columns: Vec<(Text, usize)>,
}

impl ExtractChangedRecordState {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        let list = |field: &Field| settings.text(field).filter(|name| !is_blank(name)).map(List::new);
        Ok(Self {
            changed: list(&CHANGED),
            unchanged: list(&UNCHANGED),
            events: SchemaCache::default(),
            columns: SchemaCache::default(),
        })
    }
}

impl List {
    fn new(name: &str) -> Self {
        let schema = Schema::of(Type::Array(Arc::clone(&OPTIONAL_STRING))).optional().name(name).build();
        Self { name: name.into(), schema }
    }

    fn header(&self, columns: Vec<Value>) -> Header {
        let (key, schema) = (Arc::clone(&self.name), Some(Arc::clone(&self.schema)));
        Header { key, schema, value: Value::Array(columns) }
    }
}

impl Transform for ExtractChangedRecordState {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        let event = require_struct(&record.value, "Record value should be struct.")?;
        let known = self.events.get(event.schema(), |schema| {
            let (after, before) = (lookup(schema, AFTER)?, lookup(schema, BEFORE)?);
            Ok(Event { after, before })
        })?;
        let row = |place: usize| get(&event.schema().fields()[place].schema, &event.cells()[place]);
        let (after, before) = (row(known.after), row(known.before));
        let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
        if !after.is_null() && !before.is_null() {
            let after = require_struct(after, "After value should be struct.")?;
            let before = require_struct(before, "Before value should be struct.")?;
            let columns = self.columns.get(after.schema(), |after| Columns::pair(after, before.schema()))?;
            let other;
            let columns = if Arc::ptr_eq(&columns.before, before.schema()) {
                columns
            } else {
                other = Columns::pair(after.schema(), before.schema())?;
                &other
            };
            for ((name, place), cell) in columns.columns.iter().zip(after.cells()) {
                let (list, wanted) = match java_equals(cell, &before.cells()[*place]) {
                    true => (&mut unchanged, self.unchanged.is_some()),
                    false => (&mut changed, self.changed.is_some()),
                };
                if wanted {
                    list.push(Value::String(name.clone()));
                }
            }
        }
        // Other transforms may count on the headers, so they come with creates, reads and deletes as well.
        record.headers.to_mut().extend(self.changed.as_ref().map(|list| list.header(changed)));
        record.headers.to_mut().extend(self.unchanged.as_ref().map(|list| list.header(unchanged)));
        Ok(Some(record))
    }
}

impl Columns {
    fn pair(after: &Schema, before: &Arc<Schema>) -> Result<Self> {
        let columns = after
            .fields()
            .iter()
            .map(|field| Ok((Text::from(&*field.name), lookup(before, &field.name)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { before: Arc::clone(before), columns })
    }
}
