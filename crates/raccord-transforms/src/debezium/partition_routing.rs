//! `io.debezium.transforms.partitions.PartitionRouting`: chooses the partition by fields of the event.

use raccord_config::{ConfigDef, Importance, RawConfig, Type};
use raccord_data::{Record, Schema, Value, java_order};
use raccord_plugin::{Error, Result, Transform};

use super::envelope::{AFTER, BEFORE, OPERATION, is_envelope, is_operation};
use super::field::{Check, Field, Settings, definition, java_split, trim};
use super::structs::{debezium_exception, get, lookup, lookup_typed};
use super::{murmur, plugin};
use crate::exception::{self, null_pointer};
use crate::part::require_struct;
use crate::schema_cache::SchemaCache;

plugin! {
    /// `io.debezium.transforms.partitions.PartitionRouting`.
    PARTITION_ROUTING, "io.debezium.transforms.partitions.PartitionRouting", config_def(), PartitionRouting::new
}

const FIELDS: Field = Field::new(
    "partition.payload.fields",
    Type::List,
    "List of payload fields to use for compute partition.",
    "The fields whose values choose the partition, such as `source.table` or `change.id`; `change` stands for the row \
     after the change, or before it for a delete. Fields that an event does not have do not count.",
)
.importance(Importance::High)
.checks(&[Check::Required, Check::NoEmptyElements]);

const PARTITIONS: Field = Field::new(
    "partition.topic.num",
    Type::Int,
    "Number of partition configured for topic",
    "How many partitions the topic has.",
)
.importance(Importance::High)
.checks(&[Check::Required, Check::Positive]);

const HASH: Field = Field::new(
    "partition.hash.function",
    Type::String,
    "Hash function",
    "How values are hashed: `java`, as Java's objects hash themselves, or `murmur`.",
)
.default("java")
.importance(Importance::Low);

fn config_def() -> ConfigDef {
    definition(&[(Some("partitions"), &[FIELDS, PARTITIONS, HASH])])
}

struct PartitionRouting {
    fields: Vec<String>,
    partitions: i32,
    murmur: bool,
    events: SchemaCache<Event>,
}

/// Where the fields are in events of one schema.
struct Event {
    operation: Option<usize>,
    /// In deletes, and in other events.
    deleted: Vec<Path>,
    live: Vec<Path>,
}

/// The way to a field.
struct Path {
    /// The structs that lead there, as far as there are any.
    structs: Vec<usize>,
    /// How many there should be.
    depth: usize,
    /// The place in the last of them; `None` when there is no such struct or field, which does not count.
    field: Option<usize>,
}

impl PartitionRouting {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check(&[FIELDS, PARTITIONS])?;
        let hash = trim(settings.text(&HASH).unwrap_or_default());
        Ok(Self {
            fields: settings.list(&FIELDS),
            partitions: settings.number(&PARTITIONS),
            murmur: hash.eq_ignore_ascii_case("murmur"),
            events: SchemaCache::default(),
        })
    }

    /// The partition, when the event has any of the fields.
    fn partition(&mut self, event: &Value) -> Result<Option<i32>> {
        let event = require_struct(event, "Unprocessable message")?;
        let fields = &self.fields;
        let known = self.events.get(event.schema(), |schema| Event::compile(schema, fields))?;
        let operation = known.operation.map_or(&Value::Null, |place| &event.cells()[place]);
        if is_operation(operation, "t") || is_operation(operation, "m") {
            return Ok(None);
        }
        let paths = if is_operation(operation, "d") { &known.deleted } else { &known.live };
        let (mut sum, mut found) = (0i32, false);
        for path in paths {
            let mut holder = event;
            for (depth, place) in (1..).zip(&path.structs) {
                match &holder.cells()[*place] {
                    Value::Struct(inner) => holder = inner,
                    _ => return Err(no_holder(depth == path.depth)),
                }
            }
            let Some(field) = path.field else { continue };
            let value = get(&holder.schema().fields()[field].schema, &holder.cells()[field]);
            if !value.is_null() {
                sum = sum.wrapping_add(hash(value, self.murmur));
                found = true;
            }
        }
        Ok(found.then(|| match sum & i32::MAX {
            i32::MAX => 0,
            positive => positive % self.partitions,
        }))
    }
}

impl Transform for PartitionRouting {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        if record.kafka_offset.is_some() {
            let source = "org.apache.kafka.connect.source.SourceRecord";
            return Err(debezium_exception("Unprocessable message")
                .caused_by(exception::cast("org.apache.kafka.connect.sink.SinkRecord", source)));
        }
        // Debezium's message shows the whole event; row values stay out of messages here.
        let partition = self
            .partition(&record.value)
            .map_err(|error| debezium_exception("Unprocessable message").caused_by(error))?;
        record.partition = partition.or(record.partition);
        Ok(Some(record))
    }
}

impl Event {
    fn compile(schema: &Schema, fields: &[String]) -> Result<Self> {
        let operation = match schema.index_of(OPERATION) {
            Some(_) => Some(lookup_typed(schema, OPERATION, "STRING")?),
            None => None,
        };
        let paths = |change: &str| {
            fields.iter().map(|field| Path::find(schema, field, change)).collect::<Result<Vec<_>>>()
        };
        Ok(Self { operation, deleted: paths(BEFORE)?, live: paths(AFTER)? })
    }
}

impl Path {
    fn find(event: &Schema, written: &str, change: &str) -> Result<Self> {
        let parts: Vec<&str> = java_split(written, '.').into_iter().map(trim).collect();
        let Some((field, structs)) = parts.split_last() else {
            return Err(Error::record("Index -1 out of bounds for length 0")
                .class("java.lang.ArrayIndexOutOfBoundsException"));
        };
        let mut schema = event;
        let mut path = Self { structs: Vec::new(), depth: structs.len(), field: None };
        for part in structs {
            let name = if *part == "change" { change } else { part };
            let Ok(place) = lookup_typed(schema, name, "STRUCT") else { return Ok(path) };
            path.structs.push(place);
            schema = &schema.fields()[place].schema;
        }
        path.field = lookup(schema, field).ok();
        Ok(path)
    }
}

/// A struct on the way to a field is null.
fn no_holder(is_last: bool) -> Error {
    let (method, variable) = if is_last { ("get", "lastStruct") } else { ("getStruct", "currectStruct") };
    null_pointer(format!(
        "Cannot invoke \"org.apache.kafka.connect.data.Struct.{method}(String)\" because \"{variable}\" is null"
    ))
}

fn hash(value: &Value, murmur: bool) -> i32 {
    match (value, murmur) {
        (Value::String(text), true) => murmur::hash_bytes(text.as_bytes()),
        (value, true) => murmur::hash_code(java_hash(value)),
        (value, false) => java_hash(value),
    }
}

/// `hashCode`. Bytes are the `ByteBuffer`s that Debezium's connectors give.
fn java_hash(value: &Value) -> i32 {
    match value {
        Value::Bytes(bytes) => bytes
            .iter()
            .rev()
            .fold(1i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(*byte as i8))),
        other => java_order::value_hash(other),
    }
}
