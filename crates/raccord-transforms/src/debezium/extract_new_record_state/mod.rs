//! `io.debezium.transforms.ExtractNewRecordState`: leaves of a change event the row as it is now.
//!
//! A row is moved out of the event, not copied: per record there is at most one allocation, for the cells, and only when
//! more fields are added than the row has room for.

mod config;
mod drop_fields;
mod reference;
mod row;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock, OnceLock};

use raccord_config::RawConfig;
use raccord_data::{Header, Record, Schema, Struct, Type, Value};
use raccord_plugin::{Result, Transform};

use super::envelope::{AFTER, BEFORE, is_envelope};
use super::field::is_blank;
use super::structs::{into_struct, lookup_typed};
use super::{Topics, plugin};
use crate::exception::illegal_argument;
use crate::fit::check_header;
use crate::schema_cache::SchemaCache;
use config::{Deletes, Options, config_def};
use drop_fields::DropFields;
use reference::{Added, FieldReference};
use row::{Row, Wanted};

plugin! {
    /// `io.debezium.transforms.ExtractNewRecordState`.
    EXTRACT_NEW_RECORD_STATE, "io.debezium.transforms.ExtractNewRecordState", config_def(), ExtractNewRecordState::new
}

/// How Debezium names itself in messages about rows.
const PURPOSE: &str = "source field insertion";

static STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).build());

struct ExtractNewRecordState {
    options: Options,
    events: SchemaCache<Event>,
    topics: Topics,
    drop_fields: Option<DropFields>,
    /// Rows to which fields are added after others were dropped, which is the order for deletes.
    dropped: SchemaCache<Row>,
}

/// What was found out about events of one schema.
struct Event {
    headers: Vec<Added>,
    after: Part,
    before: Option<Part>,
    /// The rows of events that are no deletes, and of deletes: compiled when the first comes.
    live: OnceLock<Row>,
    deleted: OnceLock<Row>,
}

/// A row in the event.
struct Part {
    place: usize,
    schema: Arc<Schema>,
}

impl ExtractNewRecordState {
    fn new(raw: &RawConfig) -> Result<Self> {
        let options = Options::read(raw)?;
        let drop_fields = options
            .drop_header
            .clone()
            .map(|header| DropFields::new(header, options.drop_from_key, options.drop_optional_only));
        Ok(Self {
            options,
            events: SchemaCache::default(),
            topics: Topics::default(),
            drop_fields,
            dropped: SchemaCache::default(),
        })
    }
}

impl Transform for ExtractNewRecordState {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(self.tombstone(record));
        }
        if !is_envelope(&record) {
            return Ok(Some(record));
        }
        let event = into_struct(std::mem::take(&mut record.value), PURPOSE)?;
        let schema = Arc::clone(event.schema());
        let known = self.events.get(&schema, |schema| Event::compile(schema, &self.options.headers))?;
        for header in &known.headers {
            let value = header.value(event.cells(), &[]);
            check_header(&header.schema, &value)?;
            let (key, schema) = (Arc::clone(&header.name), Some(Arc::clone(&header.schema)));
            record.headers.to_mut().push(Header { key, schema, value });
        }
        let (_, mut cells) = event.into_parts();
        match known.after.take(&mut cells) {
            Value::Null => self.delete(record, &schema, cells),
            row => self.live(record, &schema, row, &cells).map(Some),
        }
    }
}

impl ExtractNewRecordState {
    fn tombstone(&self, mut record: Record) -> Option<Record> {
        for header in self.options.headers.iter().filter(|header| header.is_operation()) {
            let (key, schema) = (Arc::clone(&header.name), Some(Arc::clone(&STRING)));
            record.headers.to_mut().push(Header { key, schema, value: Value::from("d") });
        }
        self.options.handling.keep_tombstones.then_some(record)
    }

    /// Creates, updates and reads.
    fn live(
        &mut self,
        mut record: Record,
        schema: &Arc<Schema>,
        row: Value,
        event: &[Value],
    ) -> Result<Record> {
        let options = &self.options;
        let known = self.events.get(schema, |schema| Event::compile(schema, &options.headers))?;
        let (_, cells) = into_struct(row, PURPOSE)?.into_parts();
        let plan = match known.live.get() {
            Some(plan) => plan,
            None => {
                let wanted = Wanted {
                    deleted: (options.handling.deletes == Deletes::Rewrite).then_some("false"),
                    place: Some(known.after.place),
                    ..options.wanted()
                };
                let plan = Row::compile(&known.after.schema, schema, wanted)?;
                known.live.get_or_init(|| plan)
            }
        };
        let value = plan.build(cells, event)?;
        if let Some(topic) = plan.route.and_then(|place| value.cells()[place].as_str()) {
            route(&mut self.topics, &mut record, topic);
        }
        set_value(&mut record, value);
        if let Some(drop_fields) = &mut self.drop_fields {
            drop_fields.apply(&mut record)?;
        }
        Ok(record)
    }

    /// Deletes, and truncates, which have neither row and are dropped.
    fn delete(
        &mut self,
        mut record: Record,
        schema: &Arc<Schema>,
        mut cells: Vec<Value>,
    ) -> Result<Option<Record>> {
        let options = &self.options;
        let known = self.events.get(schema, |schema| Event::compile(schema, &options.headers))?;
        let before = known.before.as_ref().ok_or_else(|| illegal_argument("Unknown field: before"))?;
        let row = before.take(&mut cells);
        if row.is_null() || options.handling.deletes == Deletes::Drop {
            return Ok(None);
        }
        let row = into_struct(row, PURPOSE)?;
        if let Some(name) = &options.route_by_field {
            lookup_typed(schema, BEFORE, "STRUCT")?;
            let place = lookup_typed(row.schema(), name, "STRING")?;
            if let Some(topic) = row.cells()[place].as_str() {
                route(&mut self.topics, &mut record, topic);
            }
        }
        match options.handling.deletes {
            Deletes::Null => record.value_schema = Some(Arc::clone(&known.after.schema)),
            Deletes::Tombstone => record.value_schema = None,
            Deletes::Drop | Deletes::Rewrite => {
                let kept_row = self.drop_fields.is_some().then(|| Value::Struct(row.clone()));
                let plan = match known.deleted.get() {
                    Some(plan) => plan,
                    None => {
                        let wanted = Wanted {
                            deleted: Some("true"),
                            place: Some(before.place),
                            route_by_field: None,
                            fields: if kept_row.is_some() { &[] } else { &options.fields },
                            ..options.wanted()
                        };
                        let plan = Row::compile(&before.schema, schema, wanted)?;
                        known.deleted.get_or_init(|| plan)
                    }
                };
                set_value(&mut record, plan.build(row.into_parts().1, &cells)?);
                cells[before.place] = kept_row.unwrap_or_default();
            }
        }
        if let Some(drop_fields) = &mut self.drop_fields {
            drop_fields.apply(&mut record)?;
            if !record.value.is_null() {
                self.add_fields(&mut record, schema, &cells)?;
            }
        }
        Ok(Some(record))
    }

    /// Adds fields to a deleted row that lost others.
    fn add_fields(&mut self, record: &mut Record, event_schema: &Schema, event: &[Value]) -> Result<()> {
        let row = into_struct(std::mem::take(&mut record.value), PURPOSE)?;
        let options = &self.options;
        let plan = self.dropped.get(row.schema(), |row| {
            Row::compile(row, event_schema, Wanted { route_by_field: None, ..options.wanted() })
        })?;
        let value = plan.build(row.into_parts().1, event)?;
        set_value(record, value);
        Ok(())
    }
}

impl Options {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            deleted: None,
            fill_defaults: self.replace_null_with_default,
            route_by_field: self.route_by_field.as_deref(),
            fields: &self.fields,
            place: None,
        }
    }
}

impl Event {
    fn compile(schema: &Schema, headers: &[FieldReference]) -> Result<Self> {
        let headers = headers
            .iter()
            .filter_map(|header| header.resolve(schema, None).transpose())
            .collect::<Result<Vec<_>>>()?;
        let after = Part::find(schema, AFTER).ok_or_else(|| illegal_argument("Unknown field: after"))?;
        Ok(Self {
            headers,
            after,
            before: Part::find(schema, BEFORE),
            live: OnceLock::new(),
            deleted: OnceLock::new(),
        })
    }
}

impl Part {
    fn find(event: &Schema, name: &str) -> Option<Self> {
        let place = event.index_of(name)?;
        Some(Self { place, schema: Arc::clone(&event.fields()[place].schema) })
    }

    fn take(&self, event: &mut [Value]) -> Value {
        event.get_mut(self.place).map_or(Value::Null, |cell| super::structs::take(&self.schema, cell))
    }
}

fn set_value(record: &mut Record, value: Struct) {
    record.value_schema = Some(Arc::clone(value.schema()));
    record.value = Value::from(value);
}

fn route(topics: &mut Topics, record: &mut Record, topic: &str) {
    if !is_blank(topic) {
        record.topic = topics.named(topic);
    }
}
