//! `io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent`: makes of a logical decoding message
//! with JSON in it an event whose row is that JSON.

use std::sync::Arc;

use raccord_config::{RawConfig, Type as KeyType, Width};
use raccord_data::{Field as SchemaField, Record, Schema, Struct, Type, Value};
use raccord_plugin::{Error, Result, Transform};

use super::envelope::{AFTER, OPERATION, SUFFIX};
use super::field::{Field, Settings, definition};
use super::json_schema::{self, JsonSchema};
use super::names::Adjuster;
use super::plugin;
use super::structs::{add_field, debezium_exception, field_or_null_pointer, get, lookup};
use crate::exception::null_pointer;
use crate::fit::check_field;
use crate::part::require_struct;

plugin! {
    /// `io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent`.
    DECODE_LOGICAL_DECODING_MESSAGE_CONTENT,
    "io.debezium.connector.postgresql.transforms.DecodeLogicalDecodingMessageContent",
    definition(&[(None, &[FIELDS_NULL_INCLUDE])]),
    DecodeLogicalDecodingMessageContent::new
}

const FIELDS_NULL_INCLUDE: Field = Field::new(
    "fields.null.include",
    KeyType::Boolean,
    "Defines whether to include fields with null values to the decoded structure",
    "Whether nulls in the JSON are fields, of optional bytes.",
)
.default("false")
.width(Width::Medium);

/// The name of the schema of the connector's messages.
const MESSAGE_VALUE: &str = "io.debezium.connector.postgresql.MessageValue";
const MESSAGE: &str = "message";
const CONTENT: &str = "content";

/// Schemas remembered.
const SCHEMAS_MAX: usize = 10_000;

struct DecodeLogicalDecodingMessageContent {
    json: JsonSchema,
    /// By the schema of the content, as in Debezium.
    events: Vec<(Arc<Schema>, Arc<Schema>)>,
}

impl DecodeLogicalDecodingMessageContent {
    fn new(raw: &RawConfig) -> Result<Self> {
        let nulls_are_bytes = Settings(raw).flag(&FIELDS_NULL_INCLUDE);
        let json = JsonSchema { nulls_are_bytes, names: Adjuster::of_fields("none") };
        Ok(Self { json, events: Vec::new() })
    }

    fn content(&self, message: &Struct) -> Result<Struct> {
        let place = lookup(message.schema(), MESSAGE)?;
        let message = get(&message.schema().fields()[place].schema, &message.cells()[place]);
        let message = require_struct(message, "Retrieve content of a logical decoding message")?;
        if field_or_null_pointer(message.schema(), CONTENT)?.schema.ty != Type::Bytes {
            return Err(debezium_exception("The content of a logical decoding message is non-binary"));
        }
        let Value::Bytes(bytes) = &message.cells()[lookup(message.schema(), CONTENT)?] else {
            return Err(null_pointer("Cannot read the array length because \"bytes\" is null"));
        };
        let text = raccord_data::Text::from_utf8_lossy(bytes.clone());
        if !text.starts_with(['{', '[']) {
            // Debezium shows the content here; row values stay out of messages.
            return Err(debezium_exception("Unable to parse logical decoding message content JSON string"));
        }
        let json = json_schema::parse(&text).map_err(|error| {
            debezium_exception(format!("{}: {}", error.java_class(), error.message())).caused_by(error)
        })?;
        let schema = self.json.schema_of(None, &json)?.ok_or_else(|| {
            null_pointer(
                "Cannot invoke \"org.apache.kafka.connect.data.Schema.type()\" because \"schema\" is null",
            )
        })?;
        json_schema::to_struct(&json, &schema)
    }

    fn event_schema(&mut self, content: &Arc<Schema>, message: &Schema) -> Result<Arc<Schema>> {
        if let Some((_, known)) = self.events.iter().find(|(known, _)| **known == **content) {
            return Ok(Arc::clone(known));
        }
        let mut fields: Vec<SchemaField> =
            message.fields().iter().filter(|field| &*field.name != MESSAGE).cloned().collect();
        add_field(&mut fields, &Arc::from(AFTER), Some(content))?;
        let name = format!("{}{SUFFIX}", message.name.as_deref().unwrap_or("null"));
        let schema = Schema::of(Type::Struct(fields.into())).name(name).build();
        if self.events.len() >= SCHEMAS_MAX {
            self.events.clear();
        }
        self.events.push((Arc::clone(content), Arc::clone(&schema)));
        Ok(schema)
    }
}

impl Transform for DecodeLogicalDecodingMessageContent {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let schema = record.value_schema.as_ref().ok_or_else(|| {
            null_pointer(
                "Cannot invoke \"org.apache.kafka.connect.data.Schema.name()\" because the return value of \
                 \"org.apache.kafka.connect.connector.ConnectRecord.valueSchema()\" is null",
            )
        })?;
        if schema.name.as_deref() != Some(MESSAGE_VALUE) {
            return Ok(Some(record));
        }
        let message = require_struct(&record.value, "Retrieve a record value")?;
        let mut content = Some(self.content(message)?);
        let content_schema = content.as_ref().map(|content| Arc::clone(content.schema()));
        let content_schema = content_schema.ok_or_else(|| Error::fatal("the content has a schema"))?;
        let schema = self.event_schema(&content_schema, message.schema())?;
        let cells = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(place, field)| {
                let value = match &*field.name {
                    AFTER => content.take().map_or(Value::Null, Value::from),
                    OPERATION => Value::from("c"),
                    // By place, as Debezium reads it: the message itself is the last field.
                    _ => get(&field.schema, message.cells().get(place).unwrap_or(&Value::Null)).clone(),
                };
                check_field(field, &value)?;
                Ok(value)
            })
            .collect::<Result<Vec<_>>>()?;
        record.key_schema = None;
        record.key = Value::Null;
        record.value_schema = Some(Arc::clone(&schema));
        record.value = Value::from(Struct::new(schema, cells));
        Ok(Some(record))
    }
}
