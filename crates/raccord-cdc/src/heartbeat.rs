//! Heartbeat records: they move the offset on while nothing captured changes.

use std::sync::Arc;

use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value};

use crate::NameAdjustment;

/// Makes heartbeat records.
#[derive(Clone, Debug)]
pub struct HeartbeatRecords {
    topic: Arc<str>,
    key: Struct,
    value_schema: Arc<Schema>,
}

impl HeartbeatRecords {
    /// For the heartbeat topic and the topic prefix.
    pub fn new(topic: impl Into<Arc<str>>, topic_prefix: &str, adjustment: NameAdjustment) -> Self {
        let key_schema = Schema::structure([("serverName", Schema::of(Type::String).build())])
            .name(adjustment.schema_name("io.debezium.connector.common.ServerNameKey"))
            .version(1)
            .build();
        let value_schema = Schema::structure([("ts_ms", Schema::of(Type::Int64).build())])
            .name(adjustment.schema_name("io.debezium.connector.common.Heartbeat"))
            .version(1)
            .build();
        let key = Struct::new(key_schema, [Value::String(Text::from(topic_prefix))]);
        Self { topic: topic.into(), key, value_schema }
    }

    /// A heartbeat; it goes to partition 0.
    pub fn record(&self, now_ms: i64, position: Position) -> Record {
        let value = Struct::new(Arc::clone(&self.value_schema), [Value::Int64(now_ms)]);
        let mut record = Record::new(
            Arc::clone(&self.topic),
            Some(Arc::clone(&self.value_schema)),
            value.into(),
            position,
        );
        record.partition = Some(0);
        record.key_schema = Some(Arc::clone(self.key.schema()));
        record.key = Value::from(self.key.clone());
        record
    }
}
