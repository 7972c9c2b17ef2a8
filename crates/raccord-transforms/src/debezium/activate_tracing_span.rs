//! `io.debezium.transforms.tracing.ActivateTracingSpan`, as it is without OpenTelemetry's libraries: a change event that
//! would be traced fails, all else passes.
//!
//! Debezium's images leave those libraries out unless they are asked for, and raccord has none: passing such events on
//! would lose traces without a word.

use raccord_config::{Importance, RawConfig, Type, Width};
use raccord_data::{Record, Schema, Struct, Value};
use raccord_plugin::{Error, Result, Transform};

use super::envelope::{AFTER, SOURCE, is_envelope};
use super::field::{Field, Settings, definition};
use super::plugin;
use super::structs::{debezium_exception, get, lookup_typed};
use crate::exception::cast;

plugin! {
    /// `io.debezium.transforms.tracing.ActivateTracingSpan`.
    ACTIVATE_TRACING_SPAN,
    "io.debezium.transforms.tracing.ActivateTracingSpan",
    definition(&[(None, &[CONTEXT_FIELD, OPERATION_NAME, CONTEXT_ONLY])]),
    ActivateTracingSpan::new
}

const CONTEXT_FIELD: Field = Field::new(
    "tracing.span.context.field",
    Type::String,
    "Serialized tracing span context field",
    "The column with the context of a trace, as OpenTelemetry writes it.",
)
.width(Width::Medium)
.importance(Importance::High)
.default("tracingspancontext");

const OPERATION_NAME: Field = Field::new(
    "tracing.operation.name",
    Type::String,
    "Tracing operation name",
    "What the step is called in traces.",
)
.width(Width::Medium)
.importance(Importance::High)
.default("debezium-read");

const CONTEXT_ONLY: Field = Field::new(
    "tracing.with.context.field.only",
    Type::Boolean,
    "Trace only events with context field present",
    "Whether only events with a context are traced.",
)
.width(Width::Medium)
.importance(Importance::High)
.default("false");

struct ActivateTracingSpan {
    context_field: String,
    context_only: bool,
}

impl ActivateTracingSpan {
    fn new(raw: &RawConfig) -> Result<Self> {
        let settings = Settings(raw);
        settings.check_and_record(&[CONTEXT_FIELD, OPERATION_NAME])?;
        Ok(Self {
            context_field: settings.text(&CONTEXT_FIELD).unwrap_or_default().to_owned(),
            context_only: settings.flag(&CONTEXT_ONLY),
        })
    }

    /// Whether the row has a context.
    fn has_context(&self, event: &Struct) -> Result<bool> {
        let Some(Value::Struct(row)) = image(event, AFTER)? else { return Ok(false) };
        if row.schema().index_of(&self.context_field).is_none() {
            return Ok(false);
        }
        let place = lookup_typed(row.schema(), &self.context_field, "STRING")?;
        Ok(!get(&row.schema().fields()[place].schema, &row.cells()[place]).is_null())
    }
}

/// A struct of the event, where it has one of that name.
fn image<'a>(event: &'a Struct, name: &str) -> Result<Option<&'a Value>> {
    let schema: &Schema = event.schema();
    if schema.index_of(name).is_none() {
        return Ok(None);
    }
    let place = lookup_typed(schema, name, "STRUCT")?;
    Ok(Some(get(&schema.fields()[place].schema, &event.cells()[place])))
}

impl Transform for ActivateTracingSpan {
    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        if record.value.is_null() || !is_envelope(&record) {
            return Ok(Some(record));
        }
        let Value::Struct(event) = &record.value else {
            return Err(cast(record.value.java_class(), "org.apache.kafka.connect.data.Struct"));
        };
        let has_context = self.has_context(event)?;
        image(event, SOURCE)?;
        if self.context_only && !has_context {
            return Ok(Some(record));
        }
        Err(debezium_exception("Failed to record tracing information, tracing libraries not available")
            .hint("leave the transform out, or set tracing.with.context.field.only=true for tables without traces")
            .caused_by(
                Error::record("io/opentelemetry/context/propagation/TextMapGetter")
                    .class("java.lang.NoClassDefFoundError")
                    .caused_by(
                        Error::record("io.opentelemetry.context.propagation.TextMapGetter")
                            .class("java.lang.ClassNotFoundException"),
                    ),
            ))
    }
}
