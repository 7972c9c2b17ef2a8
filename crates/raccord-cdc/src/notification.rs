//! Notifications: what a connector says about itself through the channel `sink`.

use std::sync::Arc;

use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value};

use crate::NameAdjustment;

/// Makes notification records.
#[derive(Clone, Debug)]
pub struct NotificationRecords {
    topic: Arc<str>,
    key_schema: Arc<Schema>,
    value_schema: Arc<Schema>,
}

impl NotificationRecords {
    /// For `notification.sink.topic.name`.
    pub fn new(topic: impl Into<Arc<str>>, adjustment: NameAdjustment) -> Self {
        let text = || Schema::of(Type::String).build();
        let key_schema = Schema::structure([("id", text())])
            .name(adjustment.schema_name("io.debezium.connector.common.NotificationKey"))
            .version(1)
            .build();
        let value_schema = Schema::structure([
            ("id", text()),
            ("type", text()),
            ("aggregate_type", text()),
            ("additional_data", Schema::of(Type::Map(text(), text())).optional().build()),
            ("timestamp", Schema::of(Type::Int64).build()),
        ])
        .name(adjustment.schema_name("io.debezium.connector.common.Notification"))
        .version(1)
        .build();
        Self { topic: topic.into(), key_schema, value_schema }
    }

    /// A notification; `id` is a random UUID. Entries of `additional` are in the order in which Java's map has them.
    pub fn record(
        &self,
        id: &str,
        aggregate_type: &str,
        kind: &str,
        additional: &[(&str, &str)],
        timestamp_ms: i64,
        position: Position,
    ) -> Record {
        let text = |text: &str| Value::String(Text::from(text));
        let entries = additional.iter().map(|(key, value)| (text(key), text(value))).collect();
        let cells =
            [text(id), text(kind), text(aggregate_type), Value::Map(entries), Value::Int64(timestamp_ms)];
        let value = Struct::new(Arc::clone(&self.value_schema), cells);
        let mut record = Record::new(
            Arc::clone(&self.topic),
            Some(Arc::clone(&self.value_schema)),
            value.into(),
            position,
        );
        record.key_schema = Some(Arc::clone(&self.key_schema));
        record.key = Struct::new(Arc::clone(&self.key_schema), [text(id)]).into();
        record
    }
}
