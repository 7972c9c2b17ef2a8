//! Records of logical messages: what `pg_logical_emit_message` wrote into the log, on the topic `<topic.prefix>.message`.

use std::sync::Arc;

use bytes::Bytes;
use raccord_cdc::{NameAdjustment, Operation, TransactionRecords};
use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value};

use crate::columns::{BinaryMode, binary};

/// Makes the records.
pub struct MessageRecords {
    topic: Arc<str>,
    key: Arc<Schema>,
    block: Arc<Schema>,
    value: Arc<Schema>,
    binary: BinaryMode,
}

impl MessageRecords {
    /// For a topic prefix and the schema of source blocks.
    pub fn new(topic_prefix: &str, source: &Arc<Schema>, names: NameAdjustment, binary: BinaryMode) -> Self {
        let named = |name: &str| names.schema_name(&format!("io.debezium.connector.postgresql.{name}"));
        let text = || Schema::of(Type::String).optional().build();
        let content = match binary {
            BinaryMode::Bytes => Schema::of(Type::Bytes).optional().build(),
            _ => text(),
        };
        let key = Schema::structure([("prefix", text())]).name(named("MessageKey")).version(1).build();
        let block = Schema::structure([("prefix", text()), ("content", content)])
            .name(named("Message"))
            .version(1)
            .build();
        let value = Schema::structure([
            ("op", Schema::of(Type::String).build()),
            ("ts_ms", Schema::of(Type::Int64).optional().build()),
            ("source", Arc::clone(source)),
            ("transaction", TransactionRecords::block_schema()),
            ("message", Arc::clone(&block)),
        ])
        .name(named("MessageValue"))
        .version(1)
        .build();
        Self { topic: format!("{topic_prefix}.message").into(), key, block, value, binary }
    }

    /// A record.
    pub fn record(
        &self,
        prefix: &str,
        content: Bytes,
        source: Struct,
        transaction: Value,
        now_ms: i64,
        position: Position,
    ) -> Record {
        let prefix = Value::String(Text::from(prefix));
        let block =
            Struct::new(Arc::clone(&self.block), [prefix.clone(), binary::cell(self.binary, content)]);
        let cells = [
            Value::from(Operation::Message.code()),
            Value::Int64(now_ms),
            Value::from(source),
            transaction,
            Value::from(block),
        ];
        let value = Struct::new(Arc::clone(&self.value), cells);
        let mut record =
            Record::new(Arc::clone(&self.topic), Some(Arc::clone(&self.value)), Value::from(value), position);
        record.key_schema = Some(Arc::clone(&self.key));
        record.key = Value::from(Struct::new(Arc::clone(&self.key), [prefix]));
        record
    }
}
