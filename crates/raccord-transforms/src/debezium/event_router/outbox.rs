//! Rows of an outbox table: where their columns are, and the schema around their payload.

use std::collections::HashMap;
use std::sync::Arc;

use raccord_data::{Field, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result};

use super::config::{Column, Options, Placement};
use crate::debezium::structs::{add_field, field_or_null_pointer, lookup_typed, struct_like};
use crate::exception::{connect, null_pointer};

/// Where the columns are in rows of one schema. A column that is missed only by later steps is missed there, so that the
/// first exception is Debezium's.
pub(super) struct Outbox {
    pub payload: usize,
    timestamp: Option<Timestamp>,
    id: Wanted,
    key: Wanted,
    route: Wanted,
}

/// The place of a column, or why it has none.
struct Wanted(std::result::Result<usize, String>);

/// The column with the timestamp and how many of its units are a millisecond.
struct Timestamp {
    place: usize,
    unit: std::result::Result<i64, String>,
}

impl Outbox {
    /// Finds the columns.
    ///
    /// # Errors
    /// The exceptions of Debezium for the columns that it looks up first.
    pub fn compile(row: &Schema, options: &Options) -> Result<Self> {
        let payload = row
            .index_of(&options.payload)
            .ok_or_else(|| connect(format!("Unable to find payload field {} in event", options.payload)))?;
        let timestamp = match &options.event_timestamp {
            Some(name) => Some(Timestamp::find(row, name)?),
            None => None,
        };
        Ok(Self {
            payload,
            timestamp,
            id: Wanted::find(row, &options.event_id),
            key: Wanted::find(row, &options.event_key),
            route: Wanted(
                lookup_typed(row, &options.route_by_field, "STRING")
                    .map_err(|error| error.message().to_owned()),
            ),
        })
    }

    pub fn id(&self) -> Result<usize> {
        self.id.place()
    }

    pub fn key(&self) -> Result<usize> {
        self.key.place()
    }

    pub fn route(&self) -> Result<usize> {
        self.route.place()
    }

    /// The timestamp of the record: that of the row, else that of the change.
    ///
    /// # Errors
    /// The `ConnectException` for a column of a type that is no timestamp, once it has a value.
    pub fn timestamp(&self, row: &Struct, processed: Option<i64>, has_time: bool) -> Result<Option<i64>> {
        let of_change = || match has_time {
            true => Ok(processed),
            false => Err(Error::record("ts_ms is not a valid field name")),
        };
        let Some(timestamp) = &self.timestamp else { return of_change() };
        match (&row.cells()[timestamp.place], &timestamp.unit) {
            (Value::Int64(number), Ok(unit)) => Ok(Some(number / unit)),
            (Value::Int64(_), Err(message)) => Err(connect(message.clone())),
            (Value::Date(_), _) => Err(Error::record(
                "class java.util.Date cannot be cast to class java.lang.Long (java.util.Date and java.lang.Long are in \
                 module java.base of loader 'bootstrap')",
            )
            .class("java.lang.ClassCastException")),
            _ => of_change(),
        }
    }
}

impl Wanted {
    fn find(row: &Schema, name: &str) -> Self {
        Self(row.index_of(name).ok_or_else(|| format!("{name} is not a valid field name")))
    }

    fn place(&self) -> Result<usize> {
        self.0.clone().map_err(Error::record)
    }
}

impl Timestamp {
    fn find(row: &Schema, name: &str) -> Result<Self> {
        if row.index_of(name).is_none() {
            return Err(connect(format!("Unable to find timestamp field {name} in event")));
        }
        let place = lookup_typed(row, name, "INT64")?;
        let unit =
            match row.fields()[place].schema.name.as_deref() {
                Some("io.debezium.time.Timestamp") => Ok(1),
                Some("io.debezium.time.MicroTimestamp") => Ok(1_000),
                Some("io.debezium.time.NanoTimestamp") => Ok(1_000_000),
                Some(other) => Err(format!("Unsupported field type {other} for event timestamp")),
                None => Err("Unsupported field type INT64 (without logical schema name) for event timestamp"
                    .to_owned()),
            };
        Ok(Self { place, unit })
    }
}

/// The schema of the value when columns go into it beside the payload.
///
/// # Errors
/// The exceptions of Java for columns that the row does not have, or that are there twice.
pub(super) fn envelope_schema(
    row: &Schema,
    payload: Option<&Arc<Schema>>,
    columns: &[Column],
    topic: Option<&str>,
    version: Option<i32>,
) -> Result<Arc<Schema>> {
    let mut fields: Vec<Field> = Vec::new();
    add_field(&mut fields, &Arc::from("payload"), payload)?;
    for column in columns.iter().filter(|column| column.placement == Placement::Envelope) {
        let schema = &field_or_null_pointer(row, &column.name)?.schema;
        add_field(&mut fields, &column.alias, Some(schema))?;
    }
    let topic = topic.unwrap_or("null");
    let name = match row.name.as_deref() {
        None => topic.to_owned(),
        Some(name) => match name.rsplit_once('.') {
            Some((package, simple)) => format!("{package}.{topic}.{simple}"),
            None => format!("{topic}.{name}"),
        },
    };
    let plain = Schema::of(Type::Struct(Box::default())).name(name).build();
    Ok(Arc::new(Schema { version, ..struct_like(&plain, fields) }))
}

/// Schemas around payloads. As in Debezium one is kept for each payload schema, named after the first topic that events
/// with it were sent to, or for each version.
#[derive(Default)]
pub(super) struct Envelopes {
    by_payload: Vec<(Arc<Schema>, Arc<Schema>)>,
    by_version: HashMap<Option<i32>, Arc<Schema>>,
}

/// How many payload schemas are remembered.
const PAYLOADS_MAX: usize = 10_000;

impl Envelopes {
    /// The schema for a payload schema, or for a version where versions are used at all.
    ///
    /// # Errors
    /// Those of `build`, and Java's exception for a payload without a schema.
    pub fn get(
        &mut self,
        payload: Option<&Arc<Schema>>,
        version: Option<Option<i32>>,
        build: impl FnOnce(Option<&Arc<Schema>>) -> Result<Arc<Schema>>,
    ) -> Result<Arc<Schema>> {
        if let Some(version) = version {
            if let Some(known) = self.by_version.get(&version) {
                return Ok(Arc::clone(known));
            }
            let built = build(payload)?;
            self.by_version.insert(version, Arc::clone(&built));
            return Ok(built);
        }
        let payload = payload
            .ok_or_else(|| null_pointer("Cannot invoke \"Object.hashCode()\" because \"key\" is null"))?;
        let by_pointer = self.by_payload.iter().find(|(known, _)| Arc::ptr_eq(known, payload));
        let known = by_pointer.or_else(|| self.by_payload.iter().find(|(known, _)| **known == **payload));
        if let Some((_, known)) = known {
            return Ok(Arc::clone(known));
        }
        let built = build(Some(payload))?;
        if self.by_payload.len() >= PAYLOADS_MAX {
            self.by_payload.clear();
        }
        self.by_payload.push((Arc::clone(payload), Arc::clone(&built)));
        Ok(built)
    }
}
