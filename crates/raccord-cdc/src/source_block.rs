//! The block `source` of an envelope: its schema built once, its constant cells kept, the rest filled in per row.

use std::sync::Arc;

use raccord_data::{Schema, Struct, Text, Type, Value};

use crate::{DEBEZIUM_VERSION, SnapshotMarker};

/// The moment of a change, as the three time fields of a source block show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTimes {
    /// Microseconds since the epoch. The databases keep no more.
    pub micros: i64,
}

/// Builds source blocks of one connector.
#[derive(Clone, Debug)]
pub struct SourceBlock {
    schema: Arc<Schema>,
    version: Text,
    connector: Text,
    name: Text,
    db: Text,
    /// How many cells follow the common ones.
    own: usize,
}

/// How many fields every connector has, before its own.
const COMMON: usize = 9;

impl SourceBlock {
    /// For a connector with this schema name (`io.debezium.connector.postgresql.Source`), short name
    /// (`postgresql`), topic prefix, database and own fields.
    pub fn new(
        schema_name: &str,
        connector: &'static str,
        topic_prefix: &str,
        database: &str,
        own: &[(&str, Arc<Schema>)],
    ) -> Self {
        let text = Schema::of(Type::String).build();
        let int64 = Schema::of(Type::Int64).build();
        let optional_int64 = Schema::of(Type::Int64).optional().build();
        let common = [
            ("version", Arc::clone(&text)),
            ("connector", Arc::clone(&text)),
            ("name", Arc::clone(&text)),
            ("ts_ms", int64),
            ("snapshot", SnapshotMarker::schema()),
            ("db", text),
            ("sequence", Schema::of(Type::String).optional().build()),
            ("ts_us", Arc::clone(&optional_int64)),
            ("ts_ns", optional_int64),
        ];
        debug_assert_eq!(common.len(), COMMON);
        let fields = common.into_iter().chain(own.iter().map(|(name, schema)| (*name, Arc::clone(schema))));
        Self {
            schema: Schema::structure(fields).name(schema_name).version(1).build(),
            version: Text::from_static(DEBEZIUM_VERSION),
            connector: Text::from_static(connector),
            name: Text::from(topic_prefix),
            db: Text::from(database),
            own: own.len(),
        }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// A block. `own` are the connector's own cells in the order of its fields.
    ///
    /// # Panics
    /// When the number of own cells is not that of the own fields.
    pub fn block(
        &self,
        times: SourceTimes,
        marker: SnapshotMarker,
        sequence: Option<Text>,
        own: impl IntoIterator<Item = Value>,
    ) -> Struct {
        let mut cells = Vec::with_capacity(COMMON + self.own);
        cells.push(Value::String(self.version.clone()));
        cells.push(Value::String(self.connector.clone()));
        cells.push(Value::String(self.name.clone()));
        cells.push(Value::Int64(times.micros.div_euclid(1_000)));
        cells.push(marker.cell());
        cells.push(Value::String(self.db.clone()));
        cells.push(sequence.map_or(Value::Null, Value::String));
        cells.push(Value::Int64(times.micros));
        cells.push(Value::Int64(times.micros.wrapping_mul(1_000)));
        cells.extend(own);
        Struct::new(Arc::clone(&self.schema), cells)
    }
}
