//! The vocabulary of change data capture that Debezium's relational connectors share.
//!
//! A connector reads rows; this crate says what a row becomes: the schemas of key, value and envelope, their names, the
//! topic, the source block, the headers, and the records around the rows (heartbeats, transactions, notifications).
//! Everything that depends on a table only is compiled once into a [`TablePlan`]; per row there are cells to fill in.
//!
//! The oracle is Debezium 3.3.2.Final. Where a doc comment says "as Debezium", that version was asked.

mod adjust;
mod columns;
pub mod config;
mod context_headers;
mod envelope;
mod filters;
mod heartbeat;
pub mod incremental;
pub mod java_objects;
mod key_columns;
mod mapping;
mod naming;
mod notification;
mod operation;
mod patterns;
mod plan;
mod signal;
mod snapshot;
mod snapshot_event;
mod source_block;
mod table;
mod transaction;

pub use adjust::NameAdjustment;
pub use columns::{ColumnField, ColumnSchemas};
pub use context_headers::{ContextHeaders, NEW_KEY_HEADER, OLD_KEY_HEADER};
pub use envelope::{Envelope, EventTimes};
pub use filters::{ColumnFilter, TableFilter};
pub use heartbeat::HeartbeatRecords;
pub use key_columns::KeyColumns;
pub use mapping::{CellMapping, ColumnMappings, Hashing};
pub use naming::{TopicNaming, TopicNamingKeys};
pub use notification::{Notification, Notifications};
pub use operation::{Operation, SkippedOperations};
pub use patterns::{PatternError, Patterns};
pub use plan::{KeyCell, PlanSettings, RowCells, TablePlan};
pub use signal::{AdditionalCondition, Signal, SignalRecord, SnapshotRequest};
pub use snapshot::SnapshotMarker;
pub use snapshot_event::{ScanStatus, SnapshotEvent, SnapshotEventKind};
pub use source_block::{SourceBlock, SourceTimes};
pub use table::{Column, JdbcType, Table, TableId};
pub use transaction::TransactionRecords;

/// The version of Debezium that the connectors stand for: the field `version` of every source block.
pub const DEBEZIUM_VERSION: &str = "3.3.2.Final";
