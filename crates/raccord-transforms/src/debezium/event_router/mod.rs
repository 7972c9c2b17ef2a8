//! `io.debezium.transforms.outbox.EventRouter`: makes of the rows of an outbox table the events that they hold, each sent
//! to the topic that a column names.

mod config;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use raccord_config::RawConfig;
use raccord_data::{Header, Record, Schema, Struct, Value};
use raccord_plugin::{Error, Result, Transform};
use tracing::{error, warn};

use super::envelope::{AFTER, OPERATION, TIMESTAMP, is_envelope};
use super::field::is_blank;
use super::structs::{get, into_struct, lookup, lookup_typed, take};
use super::{Topics, json_schema, plugin};
use crate::exception::{self, illegal_argument, null_pointer};
use crate::fit::{check_field, check_header};
use crate::part::require_struct;
use crate::schema_cache::SchemaCache;
use config::{Column, OnUpdate, Options, Placement, config_def};
use outbox::{Envelopes, Outbox, envelope_schema};

plugin! {
    /// `io.debezium.transforms.outbox.EventRouter`.
    EVENT_ROUTER, "io.debezium.transforms.outbox.EventRouter", config_def(), EventRouter::new
}

struct EventRouter {
    options: Options,
    /// Whether the value is the payload alone: no column goes into an envelope around it.
    bare_payload: bool,
    changes: SchemaCache<Change>,
    outboxes: SchemaCache<Outbox>,
    envelopes: Envelopes,
    id_header: Arc<str>,
    topics: Topics,
    routes: HashMap<Arc<str>, Arc<str>>,
}

/// How many routes are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Where things are in change events of one schema.
struct Change {
    operation: usize,
    after: Option<usize>,
    timestamp: Option<usize>,
}

impl EventRouter {
    fn new(raw: &RawConfig) -> Result<Self> {
        let options = Options::read(raw)?;
        let bare_payload = options.columns.iter().all(|column| column.placement != Placement::Envelope);
        Ok(Self {
            options,
            bare_payload,
            changes: SchemaCache::default(),
            outboxes: SchemaCache::default(),
            envelopes: Envelopes::default(),
            id_header: "id".into(),
            topics: Topics::default(),
            routes: HashMap::new(),
        })
    }
}

impl Transform for EventRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            return Ok(None);
        }
        if !is_envelope(&record) {
            return Ok(Some(record));
        }
        let change = require_struct(&record.value, "Detect Debezium Operation")?;
        let known = self.changes.get(change.schema(), |schema| Change::compile(schema))?;
        let operation = change.cells()[known.operation].as_str();
        match operation {
            None => {
                return Err(null_pointer("Cannot invoke \"String.equals(Object)\" because \"op\" is null"));
            }
            Some("d") => return Ok(None),
            Some("u") => return self.unexpected_update().map(|()| None),
            Some(_) => {}
        }
        let after = known.after.ok_or_else(|| illegal_argument("Unknown field: after"))?;
        let timestamp = known.timestamp;
        let change = into_struct(std::mem::take(&mut record.value), "Detect Debezium Operation")?;
        let (schema, mut cells) = change.into_parts();
        let row = take(&schema.fields()[after].schema, &mut cells[after]);
        let row = into_struct(row, "Read Outbox Event")?;
        let processed = match timestamp.map(|place| &cells[place]) {
            Some(Value::Int64(timestamp)) => Some(*timestamp),
            _ => None,
        };
        self.event(record, &row, processed, timestamp.is_some()).map(Some)
    }
}

impl EventRouter {
    fn unexpected_update(&self) -> Result<()> {
        // Debezium's message of the failure shows the key; row values stay out of messages here.
        match self.options.on_update {
            OnUpdate::Warn => warn!("an update of the outbox table was left out"),
            OnUpdate::Error => error!("an update of the outbox table was left out"),
            OnUpdate::Fail => {
                return Err(Error::record("Unexpected update message received, fail.")
                    .class("java.lang.IllegalStateException"));
            }
        }
        Ok(())
    }

    /// The event that a row holds. `processed` is the time of the change, if change events have one at all.
    fn event(
        &mut self,
        mut record: Record,
        row: &Struct,
        processed: Option<i64>,
        has_time: bool,
    ) -> Result<Record> {
        let options = &self.options;
        let outbox = self.outboxes.get(row.schema(), |schema| Outbox::compile(schema, options))?;
        let schema_of = |place: usize| &row.schema().fields()[place].schema;
        let value_of = |place: usize| get(schema_of(place), &row.cells()[place]).clone();
        record.timestamp = outbox.timestamp(row, processed, has_time)?;
        let id = outbox.id()?;
        push_header(&mut record, &self.id_header, schema_of(id), value_of(id))?;
        let mut payload = value_of(outbox.payload);
        let mut payload_schema = Some(Arc::clone(schema_of(outbox.payload)));
        if let Some(json) = &options.expand_json {
            expand(json, &options.payload, &mut payload, &mut payload_schema);
        }
        let mut envelope = match self.bare_payload {
            true => None,
            false => {
                let version = options.schema_version.as_ref().map(|name| int32_of(row, name)).transpose()?;
                let topic = row.cells()[outbox.route()?].as_str();
                let columns = &options.columns;
                let schema = self.envelopes.get(payload_schema.as_ref(), version, |payload| {
                    envelope_schema(row.schema(), payload, columns, topic, version.flatten())
                })?;
                let mut value = Struct::empty(schema);
                put(&mut value, "payload", payload.clone())?;
                Some(value)
            }
        };
        record.partition = None;
        for column in &options.columns {
            place(column, row, options.error_on_missing, &mut record, &mut envelope)?;
        }
        let is_empty = match &payload {
            Value::Null => true,
            Value::String(text) => is_blank(text),
            _ => false,
        };
        let key = outbox.key()?;
        record.key_schema = Some(Arc::clone(schema_of(key)));
        record.key = value_of(key);
        (record.value_schema, record.value) = match envelope {
            _ if is_empty && options.tombstone_on_empty => (None, Value::Null),
            None => (payload_schema, payload),
            Some(envelope) => (Some(Arc::clone(envelope.schema())), Value::from(envelope)),
        };
        let route = outbox.route()?;
        if record.kafka_offset.is_some() && record.partition.is_none() {
            // Java unboxes the partition of a record that a sink gets.
            return Err(null_pointer(
                "Cannot invoke \"java.lang.Integer.intValue()\" because \"kafkaPartition\" is null",
            ));
        }
        let topic = row.cells()[route].as_str().ok_or_else(|| {
            null_pointer("Cannot invoke \"java.lang.CharSequence.length()\" because \"this.text\" is null")
        })?;
        record.topic = match self.routes.get(topic) {
            Some(route) => Arc::clone(route),
            None => self.route(topic)?,
        };
        Ok(record)
    }

    /// The topic for a value of the routing column: Kafka's `RegexRouter`.
    fn route(&mut self, value: &str) -> Result<Arc<str>> {
        let options = &self.options;
        let topic = match options.regex.full_match(value).map_err(exception::regex)? {
            true => options.regex.replace_first(value, &options.replacement).map_err(exception::regex)?,
            false => value.to_owned(),
        };
        let topic = self.topics.named(&topic);
        if self.routes.len() >= REMEMBERED_MAX {
            self.routes.clear();
        }
        self.routes.insert(value.into(), Arc::clone(&topic));
        Ok(topic)
    }
}

impl Change {
    fn compile(schema: &Schema) -> Result<Self> {
        Ok(Self {
            operation: lookup_typed(schema, OPERATION, "STRING")?,
            after: schema.index_of(AFTER),
            timestamp: lookup_typed(schema, TIMESTAMP, "INT64").ok(),
        })
    }
}

/// Replaces JSON text by the struct it stands for. As in Debezium the schema is replaced even where the value then is
/// not, as for an array.
fn expand(
    json: &json_schema::JsonSchema,
    name: &str,
    payload: &mut Value,
    payload_schema: &mut Option<Arc<Schema>>,
) {
    let Value::String(text) = &*payload else {
        warn!("table.expand.json.payload is set, but a payload is no text");
        return;
    };
    let mut expanded = || {
        if !text.starts_with(['{', '[']) {
            return Err(Error::record("it begins with neither { nor ["));
        }
        let parsed = json_schema::parse(text)?;
        payload_schema.clone_from(&json.schema_of(Some(name), &parsed)?);
        let schema = payload_schema.as_ref().ok_or_else(|| Error::record("it has no schema"))?;
        json_schema::to_struct(&parsed, schema)
    };
    match expanded() {
        Ok(value) => *payload = Value::from(value),
        Err(error) => warn!(%error, "a payload is no JSON that can be expanded and stays as it is"),
    }
}

/// Puts a further column where it goes.
fn place(
    column: &Column,
    row: &Struct,
    must_exist: bool,
    record: &mut Record,
    envelope: &mut Option<Struct>,
) -> Result<()> {
    let schema = row.schema();
    if !must_exist && schema.index_of(&column.name).is_none() {
        return Ok(());
    }
    let value = |place: usize| get(&schema.fields()[place].schema, &row.cells()[place]).clone();
    match (column.placement, envelope) {
        (Placement::Envelope, Some(envelope)) => {
            put(envelope, &column.alias, value(lookup(schema, &column.name)?))
        }
        (Placement::Envelope, None) => Ok(()),
        (Placement::Header, _) => {
            let place = lookup(schema, &column.name)?;
            push_header(record, &column.alias, &schema.fields()[place].schema, value(place))
        }
        (Placement::Partition, _) => {
            record.partition = int32_of(row, &column.name)?;
            Ok(())
        }
        (Placement::Unknown, _) => Err(no_placement()),
    }
}

fn no_placement() -> Error {
    null_pointer(
        "Cannot invoke \
         \"io.debezium.transforms.outbox.EventRouterConfigDefinition$AdditionalFieldPlacement.ordinal()\" because the \
         return value of \
         \"io.debezium.transforms.outbox.EventRouterConfigDefinition$AdditionalField.getPlacement()\" is null",
    )
}

/// A column with a 32-bit number.
fn int32_of(row: &Struct, name: &str) -> Result<Option<i32>> {
    match row.cells()[lookup_typed(row.schema(), name, "INT32")?] {
        Value::Int32(number) => Ok(Some(number)),
        _ => Ok(None),
    }
}

fn put(holder: &mut Struct, name: &str, value: Value) -> Result<()> {
    let schema = Arc::clone(holder.schema());
    let place = lookup(&schema, name)?;
    check_field(&schema.fields()[place], &value)?;
    holder.cells_mut()[place] = value;
    Ok(())
}

fn push_header(record: &mut Record, key: &Arc<str>, schema: &Arc<Schema>, value: Value) -> Result<()> {
    check_header(schema, &value)?;
    record.headers.to_mut().push(Header { key: Arc::clone(key), schema: Some(Arc::clone(schema)), value });
    Ok(())
}
