//! The keys of the outbox event router.

use std::sync::Arc;

use raccord_config::{ConfigDef, Importance, JavaRegex, RawConfig, Replacement, Type, Width};
use raccord_plugin::{Error, Result};

use crate::debezium::field::{Check, Field, Settings, definition, java_split, trim};
use crate::debezium::json_schema::JsonSchema;
use crate::debezium::names::Adjuster;
use crate::exception::null_pointer;

const fn text(name: &'static str, display: &'static str, doc: &'static str) -> Field {
    Field::new(name, Type::String, display, doc).width(Width::Medium).importance(Importance::Low)
}

const fn flag(name: &'static str, display: &'static str, default: &'static str, doc: &'static str) -> Field {
    Field::new(name, Type::Boolean, display, doc).width(Width::Medium).default(default)
}

const EVENT_ID: Field =
    text("table.field.event.id", "Event ID Field", "The column with the event's id.").default("id");
const EVENT_KEY: Field = text("table.field.event.key", "Event Key Field", "The column with the event's key.")
    .default("aggregateid");
const EVENT_TYPE: Field =
    text("table.field.event.type", "Event Type Field", "The column with the event's type.").default("type");
const EVENT_TIMESTAMP: Field = text(
    "table.field.event.timestamp",
    "Event Timestamp Field",
    "The column with the timestamp of the record; without it, that is when the change was processed.",
)
.importance(Importance::Medium);
const PAYLOAD: Field =
    text("table.field.event.payload", "Event Payload Field", "The column with the event itself.")
        .default("payload");
const PLACEMENT: Field = Field::new(
    "table.fields.additional.placement",
    Type::List,
    "Settings for each additional column in the outbox table",
    "Further columns and where they go: `column:header`, `column:envelope` or `column:partition`, with a third part when \
     they are called otherwise there.",
)
.width(Width::Medium)
.importance(Importance::High)
.checks(&[Check::Own(malformed_placement)]);
const ERROR_ON_MISSING: Field = flag(
    "table.fields.additional.error.on.missing",
    "Should the transform error if an additional field is missing in the change data",
    "true",
    "Whether a further column that the row does not have is an error.",
);
const SCHEMA_VERSION: Field = text(
    "table.field.event.schema.version",
    "Event Schema Version Field",
    "The column with the version of the schema of the event.",
);
const INVALID_BEHAVIOR: Field = text(
    "table.op.invalid.behavior",
    "Behavior when capturing an unexpected outbox event",
    "What happens when a row of the outbox is updated: it is left out with a warning, with an error in the log, or the \
     task fails.",
)
.importance(Importance::Medium)
.default("warn")
.checks(&[Check::OneOf(&["warn", "error", "fatal"])]);
const EXPAND_JSON: Field = flag(
    "table.expand.json.payload",
    "Expand Payload escaped string as real JSON",
    "false",
    "Whether JSON text in the payload becomes a struct. Text that is none stays as it is, with a warning.",
);
const JSON_NULLS: Field = text(
    "table.json.payload.null.behavior",
    "Behavior when json payload including null value",
    "What becomes of nulls in JSON: no field, or a field of optional bytes.",
)
.importance(Importance::Medium)
.default("ignore")
.checks(&[Check::OneOf(&["ignore", "optional_bytes"])]);
const ROUTE_BY_FIELD: Field =
    text("route.by.field", "Field to route events by", "The column whose value leads to the topic.")
        .importance(Importance::High)
        .default("aggregatetype");
const TOPIC_REGEX: Field = text(
    "route.topic.regex",
    "The name of the routed topic",
    "A regular expression over the value of `route.by.field`.",
)
.default("(?<routedByValue>.*)")
.checks(&[Check::Regex]);
const TOPIC_REPLACEMENT: Field = text(
    "route.topic.replacement",
    "The name of the routed topic",
    "The topic, in which `${routedByValue}` or another group of the regular expression may occur.",
)
.importance(Importance::High)
.default("outbox.event.${routedByValue}");
const TOMBSTONE: Field = flag(
    "route.tombstone.on.empty.payload",
    "Empty payloads cause a tombstone message",
    "false",
    "Whether an empty payload becomes a tombstone.",
)
.importance(Importance::High);

const SPAN_CONTEXT_FIELD: Field = text(
    "tracing.span.context.field",
    "Serialized tracing span context field",
    "The column with the context of a trace, as OpenTelemetry writes it. Accepted; traces are not passed on.",
)
.importance(Importance::High)
.default("tracingspancontext");
const OPERATION_NAME: Field = text(
    "tracing.operation.name",
    "Tracing operation name",
    "What the step is called in traces. Accepted; traces are not passed on.",
)
.importance(Importance::High)
.default("debezium-read");
const CONTEXT_REQUIRED: Field = flag(
    "tracing.with.context.field.only",
    "Trace only events with context field present",
    "false",
    "Whether only events with a context are traced. Accepted; traces are not passed on.",
)
.importance(Importance::High);

/// Read, but not shown by REST.
const FIELD_NAME_ADJUSTMENT_MODE: Field =
    Field::new("field.name.adjustment.mode", Type::String, "", "").default("none");

/// The keys that are checked. Debezium does not check those of traces.
const CHECKED: &[Field] = &[
    EVENT_ID,
    EVENT_KEY,
    EVENT_TYPE,
    PAYLOAD,
    EVENT_TIMESTAMP,
    PLACEMENT,
    ERROR_ON_MISSING,
    SCHEMA_VERSION,
    ROUTE_BY_FIELD,
    TOPIC_REGEX,
    TOPIC_REPLACEMENT,
    TOMBSTONE,
    INVALID_BEHAVIOR,
    EXPAND_JSON,
    JSON_NULLS,
];

/// The definition that REST shows.
pub(super) fn config_def() -> ConfigDef {
    let table = [
        EVENT_ID,
        EVENT_KEY,
        EVENT_TYPE,
        PAYLOAD,
        EVENT_TIMESTAMP,
        PLACEMENT,
        ERROR_ON_MISSING,
        SCHEMA_VERSION,
        INVALID_BEHAVIOR,
        EXPAND_JSON,
        JSON_NULLS,
    ];
    definition(&[
        (Some("Table"), &table),
        (Some("Router"), &[ROUTE_BY_FIELD, TOPIC_REGEX, TOPIC_REPLACEMENT, TOMBSTONE]),
        (Some("Tracing"), &[SPAN_CONTEXT_FIELD, OPERATION_NAME, CONTEXT_REQUIRED]),
    ])
}

fn malformed_placement(settings: &Settings<'_>) -> Option<String> {
    let text = settings.is_set(PLACEMENT.name()).then(|| settings.text(&PLACEMENT)).flatten()?;
    let entries = java_split(text, ',');
    let malformed = |entry: &&str| !matches!(java_split(entry, ':').len(), 2 | 3);
    entries.iter().any(malformed).then(|| {
        let listed = entries.join(", ");
        format!("A comma-separated list of valid String pairs or trios is expected but got: [{listed}]")
    })
}

/// What is done about an update of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnUpdate {
    Warn,
    Error,
    Fail,
}

/// Where a further column goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    Header,
    Envelope,
    Partition,
    /// None of Debezium's, which fails with the first record.
    Unknown,
}

/// A further column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub placement: Placement,
    pub name: String,
    pub alias: Arc<str>,
}

pub(super) struct Options {
    pub event_id: String,
    pub event_key: String,
    pub event_timestamp: Option<String>,
    pub payload: String,
    pub schema_version: Option<String>,
    pub route_by_field: String,
    pub regex: JavaRegex,
    pub replacement: Replacement,
    pub columns: Vec<Column>,
    pub error_on_missing: bool,
    pub tombstone_on_empty: bool,
    pub on_update: OnUpdate,
    pub expand_json: Option<JsonSchema>,
}

impl Options {
    /// Reads the transform's config.
    ///
    /// # Errors
    /// The `ConfigException` of Debezium.
    pub fn read(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check(CHECKED)?;
        let text = |field: &Field| settings.text(field).unwrap_or_default().to_owned();
        let lower = |field: &Field| trim(settings.text(field).unwrap_or_default()).to_ascii_lowercase();
        let regex = JavaRegex::new(&text(&TOPIC_REGEX)).map_err(|error| Error::config(error.to_string()))?;
        let expand_json = match settings.flag(&EXPAND_JSON) {
            true => Some(JsonSchema {
                nulls_are_bytes: lower(&JSON_NULLS) == "optional_bytes",
                names: field_names(&lower(&FIELD_NAME_ADJUSTMENT_MODE))?,
            }),
            false => None,
        };
        Ok(Self {
            event_id: text(&EVENT_ID),
            event_key: text(&EVENT_KEY),
            event_timestamp: settings.text(&EVENT_TIMESTAMP).map(str::to_owned),
            payload: text(&PAYLOAD),
            schema_version: settings.text(&SCHEMA_VERSION).map(str::to_owned),
            route_by_field: text(&ROUTE_BY_FIELD),
            replacement: regex.replacement(&text(&TOPIC_REPLACEMENT)),
            regex,
            columns: settings.text(&PLACEMENT).map(columns).unwrap_or_default(),
            error_on_missing: settings.flag(&ERROR_ON_MISSING),
            tombstone_on_empty: settings.flag(&TOMBSTONE),
            on_update: match lower(&INVALID_BEHAVIOR).as_str() {
                "fatal" => OnUpdate::Fail,
                "error" => OnUpdate::Error,
                _ => OnUpdate::Warn,
            },
            expand_json,
        })
    }
}

fn field_names(mode: &str) -> Result<Adjuster> {
    if ["none", "avro", "avro_unicode"].contains(&mode) {
        return Ok(Adjuster::of_fields(mode));
    }
    Err(null_pointer(
        "Cannot invoke \"io.debezium.config.CommonConnectorConfig$FieldNameAdjustmentMode.createAdjuster()\" because \
         \"fieldNameAdjustmentMode\" is null",
    )
    .hint("field.name.adjustment.mode is none, avro or avro_unicode"))
}

fn columns(text: &str) -> Vec<Column> {
    java_split(text, ',')
        .into_iter()
        .filter_map(|entry| {
            let parts = java_split(entry, ':');
            let (name, placement) = (trim(parts.first()?), trim(parts.get(1)?));
            let placement = match placement.to_ascii_lowercase().as_str() {
                "header" => Placement::Header,
                "envelope" => Placement::Envelope,
                "partition" => Placement::Partition,
                _ => Placement::Unknown,
            };
            let alias = parts.get(2).map_or(name, |alias| trim(alias));
            Some(Column { placement, name: name.to_owned(), alias: alias.into() })
        })
        .collect()
}
