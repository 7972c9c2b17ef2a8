//! `io.debezium.transforms.ByLogicalTableRouter`: sends the records of several tables to one topic, under one schema and
//! with the table in the key.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use raccord_config::{ConfigDef, Importance, JavaRegex, RawConfig, Replacement, Type as KeyType, Width};
use raccord_data::{Field, Record, Schema, Struct, Text, Type, Value};
use raccord_plugin::{Error, Result, Transform};
use tracing::warn;

use super::envelope::{AFTER, BEFORE, SUFFIX, is_envelope};
use super::field::{Check, Field as Key, Settings, definition, trim};
use super::names::Adjuster;
use super::structs::{add_field, field_or_null_pointer, into_struct, take};
use super::{Topics, plugin};
use crate::exception;
use crate::fit::check_field;

plugin! {
    /// `io.debezium.transforms.ByLogicalTableRouter`.
    BY_LOGICAL_TABLE_ROUTER,
    "io.debezium.transforms.ByLogicalTableRouter",
    config_def(),
    ByLogicalTableRouter::new
}

const TOPIC_REGEX: Key = Key::new(
    "topic.regex",
    KeyType::String,
    "Topic regex",
    "A regular expression that topics of the tables match as a whole.",
)
.width(Width::Long)
.importance(Importance::Low)
.checks(&[Check::Regex, Check::Required]);

const TOPIC_REPLACEMENT: Key = Key::new(
    "topic.replacement",
    KeyType::String,
    "Topic replacement",
    "The new topic, in which `$1` stands for the first group.",
)
.width(Width::Long)
.importance(Importance::Low)
.checks(&[Check::Required]);

const KEY_ENFORCE_UNIQUENESS: Key = Key::new(
    "key.enforce.uniqueness",
    KeyType::Boolean,
    "Add source topic name into key",
    "Whether the key gets a field that says which table the record is from, for keys that are unique in their table \
     only.",
)
.default("true")
.width(Width::Short)
.importance(Importance::Low);

const KEY_FIELD_REGEX: Key = Key::new(
    "key.field.regex",
    KeyType::String,
    "Key field regex",
    "A regular expression over the old topic from which the value of this field is made.",
)
.width(Width::Long)
.importance(Importance::Low)
.checks(&[Check::Regex]);

const KEY_FIELD_REPLACEMENT: Key = Key::new(
    "key.field.replacement",
    KeyType::String,
    "Key field replacement",
    "The value of this field, in which `$1` stands for the first group of `key.field.regex`.",
)
.width(Width::Long)
.importance(Importance::Low)
.checks(&[Check::Own(replacement_is_missing)]);

const LOGICAL_TABLE_CACHE_SIZE: Key = Key::new(
    "logical.table.cache.size",
    KeyType::Int,
    "Logical table cache size",
    "How many schemas keep the name that they got from the first topic they came with.",
)
.default("16")
.width(Width::Long)
.importance(Importance::Low);

/// Read, but not shown by REST.
const KEY_FIELD_NAME: Key =
    Key::new("key.field.name", KeyType::String, "", "").default("__dbz__physicalTableIdentifier");
const SCHEMA_NAME_ADJUSTMENT_MODE: Key = Key::new("schema.name.adjustment.mode", KeyType::String, "", "")
    .default("none")
    .checks(&[Check::OneOf(&["none", "avro", "avro_unicode"])]);

fn config_def() -> ConfigDef {
    let fields = [
        TOPIC_REGEX,
        TOPIC_REPLACEMENT,
        KEY_ENFORCE_UNIQUENESS,
        KEY_FIELD_REGEX,
        KEY_FIELD_REPLACEMENT,
        LOGICAL_TABLE_CACHE_SIZE,
    ];
    definition(&[(None, &fields)])
}

fn replacement_is_missing(settings: &Settings<'_>) -> Option<String> {
    let text = |key: &Key| trim(settings.text(key).unwrap_or_default());
    (!text(&KEY_FIELD_REGEX).is_empty() && text(&KEY_FIELD_REPLACEMENT).is_empty())
        .then(|| "key.field.replacement must be non-empty if key.field.regex is set.".to_owned())
}

const PURPOSE: &str = "Updating schema";

static STRING: LazyLock<Arc<Schema>> = LazyLock::new(|| Schema::of(Type::String).build());

struct ByLogicalTableRouter {
    topic: Pattern,
    /// The name of the field added to keys, if there is one.
    key_field: Option<Arc<str>>,
    key_pattern: Option<Pattern>,
    names: Adjuster,
    last: Option<Route>,
    topics: Topics,
    keys: Renamed,
    envelopes: Renamed,
}

struct Pattern {
    regex: JavaRegex,
    replacement: Replacement,
}

/// What becomes of the records of one topic.
#[derive(Clone)]
struct Route {
    old: Arc<str>,
    /// None when they stay as they are.
    new: Option<Arc<str>>,
    /// The value of the field added to their keys.
    table: Text,
}

impl ByLogicalTableRouter {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check_and_record(&[
            TOPIC_REGEX,
            TOPIC_REPLACEMENT,
            KEY_ENFORCE_UNIQUENESS,
            KEY_FIELD_REGEX,
            KEY_FIELD_REPLACEMENT,
            SCHEMA_NAME_ADJUSTMENT_MODE,
            LOGICAL_TABLE_CACHE_SIZE,
        ])?;
        let text = |key: &Key| settings.text(key).unwrap_or_default();
        let key_pattern = match trim(text(&KEY_FIELD_REGEX)) {
            "" => None,
            _ => Some(Pattern::new(text(&KEY_FIELD_REGEX), text(&KEY_FIELD_REPLACEMENT))?),
        };
        let remembered = usize::try_from(settings.number(&LOGICAL_TABLE_CACHE_SIZE)).unwrap_or_default();
        Ok(Self {
            topic: Pattern::new(text(&TOPIC_REGEX), text(&TOPIC_REPLACEMENT))?,
            key_field: settings.flag(&KEY_ENFORCE_UNIQUENESS).then(|| text(&KEY_FIELD_NAME).into()),
            key_pattern,
            names: Adjuster::of_schemas(text(&SCHEMA_NAME_ADJUSTMENT_MODE)),
            last: None,
            topics: Topics::default(),
            keys: Renamed::new(remembered),
            envelopes: Renamed::new(remembered),
        })
    }

    fn route(&mut self, topic: &Arc<str>) -> Result<Route> {
        if let Some(last) = self.last.as_ref().filter(|last| last.old == *topic) {
            return Ok(last.clone());
        }
        let new = match self.topic.apply(topic)? {
            Some(new) if new.is_empty() => {
                warn!(
                    topic = &**topic,
                    "topic.regex and topic.replacement give an empty topic: its records stay as they are"
                );
                None
            }
            new => new.map(|new| self.topics.named(&new)),
        };
        let table = match &self.key_pattern {
            Some(pattern) if new.is_some() && self.key_field.is_some() => pattern.apply(topic)?,
            _ => None,
        };
        let table = table.map_or_else(|| Text::from(&**topic), Text::from);
        Ok(self.last.insert(Route { old: Arc::clone(topic), new, table }).clone())
    }
}

impl Pattern {
    fn new(regex: &str, replacement: &str) -> Result<Self> {
        let regex = JavaRegex::new(regex).map_err(|error| Error::config(error.to_string()))?;
        Ok(Self { replacement: regex.replacement(replacement), regex })
    }

    /// The text with its first match replaced, when it matches as a whole.
    fn apply(&self, text: &str) -> Result<Option<String>> {
        match self.regex.full_match(text).map_err(exception::regex)? {
            true => self.regex.replace_first(text, &self.replacement).map(Some).map_err(exception::regex),
            false => Ok(None),
        }
    }
}

impl Transform for ByLogicalTableRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let route = self.route(&record.topic)?;
        let Some(topic) = route.new else { return Ok(Some(record)) };
        record.topic = topic;
        record.key_schema = None;
        if !record.key.is_null() {
            let key = into_struct(std::mem::take(&mut record.key), PURPOSE)?;
            let (names, field) = (&self.names, self.key_field.as_ref());
            let schema = self
                .keys
                .get(key.schema(), &record.topic, |schema, topic| key_schema(schema, topic, names, field))?;
            let (old, cells) = key.into_parts();
            let mut cells = fill(&old, cells)?;
            cells.extend(field.map(|_| Value::String(route.table.clone())));
            record.key_schema = Some(Arc::clone(&schema));
            record.key = Value::from(Struct::new(schema, cells));
        }
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        let event = into_struct(std::mem::take(&mut record.value), PURPOSE)?;
        let names = &self.names;
        let schema = self
            .envelopes
            .get(event.schema(), &record.topic, |schema, topic| envelope_schema(schema, topic, names))?;
        let (old, cells) = event.into_parts();
        let mut cells = fill(&old, cells)?;
        for (field, cell) in schema.fields().iter().zip(&mut cells) {
            if is_row(&field.name) && !cell.is_null() {
                let (old, row) = into_struct(std::mem::take(cell), PURPOSE)?.into_parts();
                let row = fill(&old, row)?;
                if row.len() != field.schema.fields().len() {
                    return Err(Error::record("Struct schemas do not match."));
                }
                *cell = Value::from(Struct::new(Arc::clone(&field.schema), row));
            }
        }
        record.value_schema = Some(Arc::clone(&schema));
        record.value = Value::from(Struct::new(schema, cells));
        Ok(Some(record))
    }
}

fn is_row(field: &str) -> bool {
    field == BEFORE || field == AFTER
}

/// The cells with defaults for nulls, refused where a field must have a value.
fn fill(schema: &Schema, mut cells: Vec<Value>) -> Result<Vec<Value>> {
    for (field, cell) in schema.fields().iter().zip(&mut cells) {
        if cell.is_null() {
            *cell = take(&field.schema, cell);
            if cell.is_null() {
                check_field(field, cell)?;
            }
        }
    }
    Ok(cells)
}

/// The schema under another name; the default is lost.
fn renamed(schema: &Schema, name: String, fields: Vec<Field>) -> Arc<Schema> {
    Arc::new(Schema {
        ty: Type::Struct(fields.into()),
        name: Some(name.into()),
        default: None,
        ..schema.clone()
    })
}

fn key_schema(
    schema: &Schema,
    topic: &str,
    names: &Adjuster,
    field: Option<&Arc<str>>,
) -> Result<Arc<Schema>> {
    let mut fields = schema.fields().to_vec();
    if let Some(field) = field {
        add_field(&mut fields, field, Some(&STRING))?;
    }
    Ok(renamed(schema, names.adjust(&format!("{topic}.Key")), fields))
}

fn envelope_schema(schema: &Schema, topic: &str, names: &Adjuster) -> Result<Arc<Schema>> {
    let row = &field_or_null_pointer(schema, BEFORE)?.schema;
    let row = renamed(row, names.adjust(&format!("{topic}.Value")), row.fields().to_vec());
    let fields = schema
        .fields()
        .iter()
        .map(|field| {
            let schema = if is_row(&field.name) { &row } else { &field.schema };
            Field { name: Arc::clone(&field.name), schema: Arc::clone(schema) }
        })
        .collect();
    Ok(renamed(schema, names.adjust(&format!("{topic}{SUFFIX}")), fields))
}

/// Schemas under new names. As in Debezium a schema keeps the name it got with the first topic, as long as it is among
/// those used last; what it is called for each topic is built once.
struct Renamed {
    recent: Vec<OldAndNew>,
    recent_max: usize,
    /// By the address of the old schema, which is held, and the topic.
    built: HashMap<(usize, Arc<str>), OldAndNew>,
}

/// A schema and the same under another name.
type OldAndNew = (Arc<Schema>, Arc<Schema>);

/// Schemas that are built once at most.
const BUILT_MAX: usize = 4096;

impl Renamed {
    fn new(recent_max: usize) -> Self {
        Self { recent: Vec::new(), recent_max, built: HashMap::new() }
    }

    fn get(
        &mut self,
        schema: &Arc<Schema>,
        topic: &Arc<str>,
        build: impl FnOnce(&Schema, &str) -> Result<Arc<Schema>>,
    ) -> Result<Arc<Schema>> {
        let by_pointer = self.recent.iter().rposition(|(known, _)| Arc::ptr_eq(known, schema));
        let found = by_pointer.or_else(|| self.recent.iter().rposition(|(known, _)| **known == **schema));
        if let Some(place) = found {
            // The last is the one used last.
            self.recent[place..].rotate_left(1);
            return Ok(self.recent.last().map_or_else(|| Arc::clone(schema), |(_, new)| Arc::clone(new)));
        }
        let key = (Arc::as_ptr(schema) as usize, Arc::clone(topic));
        let new = match self.built.get(&key) {
            Some((_, new)) => Arc::clone(new),
            None => {
                let new = build(schema, topic)?;
                if self.built.len() >= BUILT_MAX {
                    self.built.clear();
                }
                self.built.insert(key, (Arc::clone(schema), Arc::clone(&new)));
                new
            }
        };
        self.recent.push((Arc::clone(schema), Arc::clone(&new)));
        if self.recent.len() > self.recent_max {
            self.recent.remove(0);
        }
        Ok(new)
    }
}
