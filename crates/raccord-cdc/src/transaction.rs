//! Transaction metadata: the block in each envelope, and the records that open and close a transaction.

use std::sync::{Arc, LazyLock};

use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value};

use crate::NameAdjustment;

/// The schema of the field `transaction`.
static BLOCK: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Schema::structure([
        ("id", Schema::of(Type::String).build()),
        ("total_order", Schema::of(Type::Int64).build()),
        ("data_collection_order", Schema::of(Type::Int64).build()),
    ])
    .name("event.block")
    .version(1)
    .optional()
    .build()
});

/// Makes transaction blocks and transaction records.
#[derive(Clone, Debug)]
pub struct TransactionRecords {
    topic: Arc<str>,
    key_schema: Arc<Schema>,
    value_schema: Arc<Schema>,
    count_schema: Arc<Schema>,
}

impl TransactionRecords {
    /// For the transaction topic.
    pub fn new(topic: impl Into<Arc<str>>, adjustment: NameAdjustment) -> Self {
        let text = || Schema::of(Type::String).build();
        let int64 = || Schema::of(Type::Int64).build();
        let count_schema = Schema::structure([("data_collection", text()), ("event_count", int64())])
            .name("event.collection")
            .version(1)
            .optional()
            .build();
        let key_schema = Schema::structure([("id", text())])
            .name(adjustment.schema_name("io.debezium.connector.common.TransactionMetadataKey"))
            .version(1)
            .build();
        let value_schema = Schema::structure([
            ("status", text()),
            ("id", text()),
            ("event_count", Schema::of(Type::Int64).optional().build()),
            ("data_collections", Schema::of(Type::Array(Arc::clone(&count_schema))).optional().build()),
            ("ts_ms", int64()),
        ])
        .name(adjustment.schema_name("io.debezium.connector.common.TransactionMetadataValue"))
        .version(1)
        .build();
        Self { topic: topic.into(), key_schema, value_schema, count_schema }
    }

    /// The schema of the field `transaction` in every envelope.
    pub fn block_schema() -> Arc<Schema> {
        Arc::clone(&BLOCK)
    }

    /// The field `transaction` of one row: the transaction's id, the row's number in it and in its table, from 1.
    pub fn block(id: &Text, total_order: i64, table_order: i64) -> Value {
        let cells = [Value::String(id.clone()), Value::Int64(total_order), Value::Int64(table_order)];
        Struct::new(Arc::clone(&BLOCK), cells).into()
    }

    /// The record that opens a transaction.
    pub fn begin(&self, id: &Text, ts_ms: i64, position: Position) -> Record {
        self.record("BEGIN", id, Value::Null, Value::Null, ts_ms, position)
    }

    /// The record that closes a transaction, with its number of rows, in all and by table.
    pub fn end<'a>(
        &self,
        id: &Text,
        event_count: i64,
        by_table: impl IntoIterator<Item = (&'a str, i64)>,
        ts_ms: i64,
        position: Position,
    ) -> Record {
        let counts = by_table.into_iter().map(|(table, count)| {
            let cells = [Value::String(Text::from(table)), Value::Int64(count)];
            Struct::new(Arc::clone(&self.count_schema), cells).into()
        });
        let counts = Value::Array(counts.collect());
        self.record("END", id, Value::Int64(event_count), counts, ts_ms, position)
    }

    fn record(
        &self,
        status: &'static str,
        id: &Text,
        event_count: Value,
        collections: Value,
        ts_ms: i64,
        position: Position,
    ) -> Record {
        let key = Struct::new(Arc::clone(&self.key_schema), [Value::String(id.clone())]);
        let cells =
            [Value::from(status), Value::String(id.clone()), event_count, collections, Value::Int64(ts_ms)];
        let value = Struct::new(Arc::clone(&self.value_schema), cells);
        let mut record = Record::new(
            Arc::clone(&self.topic),
            Some(Arc::clone(&self.value_schema)),
            value.into(),
            position,
        );
        record.key_schema = Some(Arc::clone(&self.key_schema));
        record.key = key.into();
        record
    }
}
