//! The envelope: what happened to a row, with the row before and after.

use std::sync::Arc;

use raccord_data::{Schema, Struct, Text, Type, Value};

use crate::Operation;

/// When a record was made: the outer time fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTimes {
    /// Nanoseconds since the epoch.
    pub nanos: i64,
}

/// The envelope schema of a table.
#[derive(Clone, Debug)]
pub struct Envelope {
    schema: Arc<Schema>,
}

impl Envelope {
    /// The version of the schema, as Debezium 3 writes it.
    pub const VERSION: i32 = 2;

    /// An envelope of rows with that schema. `name` is the adjusted `<topic>.Envelope`.
    pub fn new(name: &str, row: &Arc<Schema>, source: &Arc<Schema>, transaction: &Arc<Schema>) -> Self {
        let optional_int64 = Schema::of(Type::Int64).optional().build();
        let schema = Schema::structure([
            ("before", Arc::clone(row)),
            ("after", Arc::clone(row)),
            ("source", Arc::clone(source)),
            ("transaction", Arc::clone(transaction)),
            ("op", Schema::of(Type::String).build()),
            ("ts_ms", Arc::clone(&optional_int64)),
            ("ts_us", Arc::clone(&optional_int64)),
            ("ts_ns", optional_int64),
        ])
        .name(name)
        .version(Self::VERSION)
        .build();
        Self { schema }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// An envelope. `before`, `after` and `transaction` are null or structs of their schemas.
    pub fn value(
        &self,
        operation: Operation,
        before: Value,
        after: Value,
        source: Struct,
        transaction: Value,
        times: EventTimes,
    ) -> Struct {
        let micros = times.nanos.div_euclid(1_000);
        let cells = [
            before,
            after,
            Value::from(source),
            transaction,
            Value::String(Text::from_static(operation.code())),
            Value::Int64(micros.div_euclid(1_000)),
            Value::Int64(micros),
            Value::Int64(times.nanos),
        ];
        Struct::new(Arc::clone(&self.schema), cells)
    }
}
