//! `InsertField`: adds fields with the record's topic, partition, offset or timestamp, or a value of one's own.

use std::sync::Arc;

use raccord_config::Config;
use raccord_data::java_map::HashEntries;
use raccord_data::{Record, Schema, Text, Type, Value, logical};
use raccord_plugin::{Error, Result, Transform};

use crate::building::{Fields, copy_basics};
use crate::part::{Part, require_struct_mut, take_map};
use crate::schema_cache::SchemaCache;
use crate::{exception, fit};

super::key_and_value!(InsertField, InsertFieldConfig, "InsertField");

const PURPOSE: &str = "field insertion";

#[derive(Debug, Config)]
struct InsertFieldConfig {
    /// The name of the field for the topic. A name that ends with `!` makes a required field, one that ends with `?` or
    /// with neither an optional one.
    topic_field: Option<String>,
    /// The name of the field for the partition, with `!` or `?` as for topic.field. Records of source connectors often
    /// have no partition yet; the field is then null.
    partition_field: Option<String>,
    /// The name of the field for the offset in Kafka, with `!` or `?` as for topic.field. For sink connectors only.
    offset_field: Option<String>,
    /// The name of the field for the record's timestamp, with `!` or `?` as for topic.field. It is a Timestamp, or
    /// milliseconds since the epoch in a map without a schema.
    timestamp_field: Option<String>,
    /// The name of a field for static.value, with `!` or `?` as for topic.field.
    static_field: Option<String>,
    /// The text for static.field.
    static_value: Option<String>,
    /// Whether the default of a field stands in for null.
    #[config(default = true)]
    replace_null_with_default: bool,
}

/// What a field is filled with, in the order in which fields are added.
#[derive(Clone, Debug)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(Text),
}

#[derive(Clone, Debug)]
struct Insertion {
    name: Arc<str>,
    optional: bool,
    source: Source,
}

/// The topic of the last record as a text cell, so that it is not copied for each one.
#[derive(Debug, Default)]
struct TopicText(Option<(Arc<str>, Text)>);

struct InsertField {
    part: Part,
    insertions: Vec<Insertion>,
    /// Whether the offset is among them, which only records of sinks have.
    needs_offset: bool,
    with_default: bool,
    topic: TopicText,
    schemas: SchemaCache<Arc<Schema>>,
}

impl InsertField {
    fn new(config: InsertFieldConfig, part: Part) -> Result<Self> {
        let mut insertions: Vec<Insertion> = [
            (config.topic_field, Source::Topic),
            (config.partition_field, Source::Partition),
            (config.offset_field, Source::Offset),
            (config.timestamp_field, Source::Timestamp),
        ]
        .into_iter()
        .filter_map(|(spec, source)| Some(Insertion::of(&spec?, source)))
        .collect();
        match (config.static_field, config.static_value) {
            (Some(field), Some(value)) => {
                insertions.push(Insertion::of(&field, Source::Static(value.into())))
            }
            (Some(field), None) => {
                let reason = format!("No value specified for static field: {field}");
                return Err(exception::config("static.value", "null", &reason));
            }
            (None, _) if insertions.is_empty() => return Err(Error::config("No field insertion configured")),
            (None, _) => {}
        }
        Ok(Self {
            part,
            needs_offset: insertions.iter().any(|insertion| matches!(insertion.source, Source::Offset)),
            insertions,
            with_default: config.replace_null_with_default,
            topic: TopicText::default(),
            schemas: SchemaCache::default(),
        })
    }
}

impl Insertion {
    fn of(spec: &str, source: Source) -> Self {
        let (name, optional) = match (spec.strip_suffix('?'), spec.strip_suffix('!')) {
            (Some(name), _) => (name, true),
            (None, Some(name)) => (name, false),
            (None, None) => (spec, true),
        };
        Self { name: name.into(), optional, source }
    }

    fn schema(&self) -> Arc<Schema> {
        let builder = match self.source {
            Source::Topic | Source::Static(_) => Schema::of(Type::String),
            Source::Partition => Schema::of(Type::Int32),
            Source::Offset => Schema::of(Type::Int64),
            Source::Timestamp => Schema::of(Type::Int64).name(logical::TIMESTAMP).version(1),
        };
        if self.optional { builder.optional().build() } else { builder.build() }
    }

    /// The value for a record; `None` when it has none of that.
    fn value(&self, facts: &Facts<'_>, topic: &mut TopicText) -> Option<Value> {
        match &self.source {
            Source::Topic => Some(Value::String(topic.of(facts.topic))),
            Source::Partition => facts.partition.map(Value::Int32),
            Source::Offset => facts.kafka_offset.map(Value::Int64),
            Source::Timestamp if facts.has_schema => facts.timestamp.map(Value::Date),
            Source::Timestamp => facts.timestamp.map(Value::Int64),
            Source::Static(text) => Some(Value::String(text.clone())),
        }
    }
}

/// What a record says about itself.
struct Facts<'a> {
    topic: &'a Arc<str>,
    partition: Option<i32>,
    kafka_offset: Option<i64>,
    timestamp: Option<i64>,
    has_schema: bool,
}

impl TopicText {
    fn of(&mut self, topic: &Arc<str>) -> Text {
        match &self.0 {
            Some((last, text)) if Arc::ptr_eq(last, topic) => text.clone(),
            _ => {
                let text = Text::from(&**topic);
                self.0 = Some((Arc::clone(topic), text.clone()));
                text
            }
        }
    }
}

fn check_offset(needed: bool, facts: &Facts<'_>) -> Result<()> {
    if needed && facts.kafka_offset.is_none() {
        return Err(exception::data(format!(
            "Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"
        )));
    }
    Ok(())
}

impl Transform for InsertField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if self.part.value(&record).is_null() {
            return Ok(Some(record));
        }
        let topic = Arc::clone(&record.topic);
        let facts = Facts {
            topic: &topic,
            partition: record.partition,
            kafka_offset: record.kafka_offset,
            timestamp: record.timestamp,
            has_schema: self.part.schema(&record).is_some(),
        };
        if facts.has_schema {
            self.insert_into_struct(&mut record, &facts)?;
        } else {
            let (_, value) = self.part.both(&mut record);
            let mut entries = HashEntries::copy_of(take_map(value, PURPOSE)?);
            check_offset(self.needs_offset, &facts)?;
            for insertion in &self.insertions {
                if let Some(value) = insertion.value(&facts, &mut self.topic) {
                    entries.put(&insertion.name, value);
                }
            }
            *value = entries.into_map();
        }
        Ok(Some(record))
    }
}

impl InsertField {
    fn insert_into_struct(&mut self, record: &mut Record, facts: &Facts<'_>) -> Result<()> {
        let (schema, value) = self.part.both(record);
        let value = require_struct_mut(value, PURPOSE)?;
        let insertions = &self.insertions;
        let new = self.schemas.get(value.schema(), |old| extended(old, insertions))?;
        let old = Arc::clone(value.schema());
        if self.with_default {
            fit::fill_defaults(&old, value.cells_mut());
        }
        fit::check_cells(&old, value.cells())?;
        check_offset(self.needs_offset, facts)?;
        let topic = &mut self.topic;
        value.reshape(Arc::clone(new), |mut cells| {
            cells.reserve_exact(insertions.len());
            cells
                .extend(insertions.iter().map(|insertion| insertion.value(facts, topic).unwrap_or_default()));
            cells
        });
        *schema = Some(Arc::clone(new));
        Ok(())
    }
}

fn extended(old: &Schema, insertions: &[Insertion]) -> Result<Arc<Schema>> {
    let mut fields = Fields::default();
    for field in old.fields() {
        fields.add(Arc::clone(&field.name), Arc::clone(&field.schema))?;
    }
    for insertion in insertions {
        fields.add(Arc::clone(&insertion.name), insertion.schema())?;
    }
    Ok(Arc::new(copy_basics(old, fields.into_type())))
}
