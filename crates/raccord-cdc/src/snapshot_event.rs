//! What happens to incremental snapshots, for those who tell of it (notifications, metrics).

/// How the scan of a table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStatus {
    /// All rows were read.
    Succeeded,
    /// There were none.
    Empty,
    /// Nothing orders its rows.
    NoPrimaryKey,
    /// It is not there or not captured.
    UnknownSchema,
    /// The database refused a statement.
    SqlException,
}

impl ScanStatus {
    /// Debezium's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Empty => "EMPTY",
            Self::NoPrimaryKey => "NO_PRIMARY_KEY",
            Self::UnknownSchema => "UNKNOWN_SCHEMA",
            Self::SqlException => "SQL_EXCEPTION",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum SnapshotEventKind {
    /// A snapshot was asked for, and none was under way.
    Started,
    /// A chunk was read.
    InProgress {
        /// The table.
        table: String,
        /// Its last key, by column.
        maximum_key: Vec<String>,
        /// The last key of the chunk, by column.
        last_key: Vec<String>,
    },
    /// A table is done.
    TableScanCompleted {
        /// The table.
        table: String,
        /// How many rows were read.
        rows: u64,
        /// How it ended.
        status: ScanStatus,
    },
    /// All tables are done.
    Completed,
    /// A stop was asked for.
    Aborted {
        /// The tables that were taken out.
        stopped: Vec<String>,
    },
    /// A pause was asked for.
    Paused,
    /// It goes on after a pause.
    Resumed,
}

/// An event of an incremental snapshot, in the moment at which it happens.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotEvent {
    /// What happened.
    pub kind: SnapshotEventKind,
    /// The tables that are not done yet, the one at hand first.
    pub tables: Vec<String>,
    /// The id of the signal that asked for the snapshot, if it had one.
    pub correlation_id: Option<String>,
}
