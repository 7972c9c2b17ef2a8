//! The marker that tells rows of a snapshot from rows of the log.

use std::sync::Arc;

use raccord_data::{Schema, Type, Value};

/// The field `snapshot` of a source block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotMarker {
    /// Of a snapshot, neither first nor last of anything.
    True,
    /// The first of the snapshot.
    First,
    /// The first of its table, not of the snapshot.
    FirstInDataCollection,
    /// The last of its table, not of the snapshot.
    LastInDataCollection,
    /// The last of the snapshot.
    Last,
    /// Of the log.
    False,
    /// Of an incremental snapshot.
    Incremental,
}

impl SnapshotMarker {
    /// All, in the order in which the schema lists them.
    pub const ALL: [Self; 7] = [
        Self::True,
        Self::First,
        Self::FirstInDataCollection,
        Self::LastInDataCollection,
        Self::Last,
        Self::False,
        Self::Incremental,
    ];

    /// The text in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::False => "false",
            Self::Incremental => "incremental",
        }
    }

    /// The cell of the source block. Records of the log leave it null, so that the schema's default `false` shows.
    pub fn cell(self) -> Value {
        match self {
            Self::False => Value::Null,
            marker => Value::from(marker.as_str()),
        }
    }

    /// The schema of the field.
    pub fn schema() -> Arc<Schema> {
        let allowed: Vec<&str> = Self::ALL.iter().map(|marker| marker.as_str()).collect();
        Schema::of(Type::String)
            .name("io.debezium.data.Enum")
            .version(1)
            .parameter("allowed", allowed.join(","))
            .default(Value::from("false"))
            .optional()
            .build()
    }
}
