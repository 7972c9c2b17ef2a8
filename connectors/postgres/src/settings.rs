//! The config, understood: enums for words, compiled filters, the endpoint. Made once when a task opens or a config is
//! validated; nothing later reads a key by its name.

use std::time::Duration;

use raccord_cdc::{
    ColumnFilter, ColumnMappings, ContextHeaders, KeyColumns, NameAdjustment, Notifications, Operation,
    Patterns, PlanSettings, SkippedOperations, SourceBlock, TableFilter, TableId, TopicNaming,
};
use raccord_data::{Schema, Type};
use raccord_plugin::{Error, Result};
use tracing::warn;

use crate::config::TaskConfig;
use crate::conversion::ConversionFailures;
use crate::driver::DriverSettings;
use crate::reselect::ReselectSettings;
use crate::wire::{Endpoint, SslMode, TlsFiles};

/// The name by which records call this connector.
pub const CONNECTOR: &str = "postgresql";
/// The schema name of source blocks.
const SOURCE_SCHEMA: &str = "io.debezium.connector.postgresql.Source";

/// When to take a snapshot and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotMode {
    /// At every start.
    Always,
    /// Without stored offset.
    Initial,
    /// Without stored offset, and nothing else.
    InitialOnly,
    /// Never.
    NoData,
    /// Without stored offset, and when the log no longer has it.
    WhenNeeded,
    /// As three keys say.
    ConfigurationBased {
        /// Whether to take one.
        data: bool,
        /// Whether streaming follows.
        stream: bool,
        /// Whether to take one when the log no longer has the stored offset.
        on_data_error: bool,
    },
}

impl SnapshotMode {
    fn read(config: &TaskConfig) -> Option<Self> {
        let keys = &config.keys.connector;
        Some(match config.keys.own.snapshot_mode.trim().to_ascii_lowercase().as_str() {
            "always" => Self::Always,
            "initial" => Self::Initial,
            "initial_only" => Self::InitialOnly,
            "no_data" | "never" => Self::NoData,
            "when_needed" => Self::WhenNeeded,
            "configuration_based" => Self::ConfigurationBased {
                data: keys.snapshot_mode_configuration_based_snapshot_data,
                stream: keys.snapshot_mode_configuration_based_start_stream,
                on_data_error: keys.snapshot_mode_configuration_based_snapshot_on_data_error,
            },
            _ => return None,
        })
    }

    /// Whether to take a snapshot now.
    pub fn takes_snapshot(self, offset_exists: bool, snapshot_unfinished: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Initial | Self::InitialOnly | Self::WhenNeeded => !offset_exists || snapshot_unfinished,
            Self::NoData => false,
            Self::ConfigurationBased { data, .. } => data,
        }
    }

    /// Whether streaming follows.
    pub fn streams(self) -> bool {
        match self {
            Self::InitialOnly => false,
            Self::ConfigurationBased { stream, .. } => stream,
            _ => true,
        }
    }

    /// Whether a stored offset that the log no longer has is replaced by a snapshot.
    pub fn snapshots_on_data_error(self) -> bool {
        matches!(self, Self::WhenNeeded | Self::ConfigurationBased { on_data_error: true, .. })
    }
}

/// What becomes of the publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicationMode {
    /// It must be there.
    Disabled,
    /// Made for all tables when it is missing.
    AllTables,
    /// Made and kept up to date for the captured tables.
    Filtered,
    /// Made empty when it is missing.
    NoTables,
}

impl PublicationMode {
    fn read(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "disabled" => Self::Disabled,
            "all_tables" => Self::AllTables,
            "filtered" => Self::Filtered,
            "no_tables" => Self::NoTables,
            _ => return None,
        })
    }
}

/// Everything that a task needs of its config.
pub struct Settings {
    /// The keys themselves, for what is read once.
    pub config: TaskConfig,
    /// Where the server is.
    pub endpoint: Endpoint,
    /// When to take a snapshot.
    pub snapshot_mode: SnapshotMode,
    /// What becomes of the publication.
    pub publication_mode: PublicationMode,
    /// Which tables are captured.
    pub tables: TableFilter,
    /// Which of them a snapshot reads; all when empty.
    pub snapshot_tables: Option<Patterns>,
    /// Rows of a page of a snapshot that can be gone on with.
    pub snapshot_page_rows: Option<u64>,
    /// What plans of tables are made with.
    pub plans: PlanSettings,
    /// Makes source blocks.
    pub source: SourceBlock,
    /// Operations that are left out.
    pub skipped: SkippedOperations,
    /// Headers of every record.
    pub headers: ContextHeaders,
    /// Which logical messages are captured.
    pub message_prefixes: PrefixFilter,
    /// Between reports to the server.
    pub status_interval: Duration,
    /// Between tries to use the slot.
    pub slot_retry_delay: Duration,
    /// Whether a deleted row is followed by a tombstone.
    pub tombstones: bool,
    /// How long a statement may take, or be silent while rows are read; none for no limit.
    pub query_timeout: Option<Duration>,
    /// What becomes of values that cannot be converted.
    pub conversion_failures: ConversionFailures,
    /// What is read again of rows of the log.
    pub reselect: Option<ReselectSettings>,
    /// Where the task tells about its snapshots.
    pub notifications: Notifications,
}

/// `message.prefix.include.list` and `message.prefix.exclude.list`.
#[derive(Clone, Debug, Default)]
pub struct PrefixFilter {
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

impl PrefixFilter {
    /// Whether messages with that prefix are captured.
    pub fn includes(&self, prefix: &str) -> bool {
        match (&self.include, &self.exclude) {
            (Some(include), _) => include.matches(prefix),
            (None, Some(exclude)) => !exclude.matches(prefix),
            (None, None) => true,
        }
    }
}

impl Settings {
    /// Understands a config. `task` is the task's number, which records carry.
    ///
    /// # Errors
    /// `Error::config` with the first thing that is wrong.
    pub fn new(config: TaskConfig, task: u32) -> Result<Self> {
        let keys = &config.keys;
        let wrong = |key: &str, why: &dyn std::fmt::Display| {
            Error::config(format!("The '{key}' value is invalid: {why}"))
        };
        let events = &keys.relational_events;
        let list = |list: &Option<Vec<String>>| list.as_ref().map(|entries| entries.join(","));
        let patterns = |key: &str, list: &Option<String>| {
            let text = list.as_deref().filter(|text| !text.trim().is_empty());
            text.map(Patterns::list).transpose().map_err(|error| wrong(key, &error))
        };
        let tables = TableFilter::of(
            list(&events.schema_include_list).as_deref(),
            list(&events.schema_exclude_list).as_deref(),
            list(&events.table_include_list).as_deref(),
            list(&events.table_exclude_list).as_deref(),
            keys.events.signal_data_collection.as_deref(),
        )
        .map_err(|error| wrong("table.include.list", &error))?;
        let columns = ColumnFilter::of(
            list(&events.column_include_list).as_deref(),
            list(&events.column_exclude_list).as_deref(),
        )
        .map_err(|error| wrong("column.include.list", &error))?;
        let prefix = config.topic_prefix();
        let int64 = Schema::of(Type::Int64).optional().build();
        let text = Schema::of(Type::String).build();
        let source = SourceBlock::new(
            SOURCE_SCHEMA,
            CONNECTOR,
            prefix,
            config.database(),
            &[
                ("schema", text.clone()),
                ("table", text),
                ("txId", int64.clone()),
                ("lsn", int64.clone()),
                ("xmin", int64),
            ],
        );
        let plans = PlanSettings {
            naming: TopicNaming::new(&config.raw, prefix, false)
                .map_err(|error| wrong("topic.naming.strategy", &error))?,
            schema_names: NameAdjustment::of(&keys.own.schema_name_adjustment_mode),
            field_names: NameAdjustment::of(&config.unlisted.field_name_adjustment_mode),
            columns,
            mappings: ColumnMappings::of(&config.raw).map_err(|error| wrong("column.mask", &error))?,
            keys: KeyColumns::of(events.message_key_columns.as_deref())
                .map_err(|error| wrong("message.key.columns", &error))?,
            source: source.schema().clone(),
        };
        let snapshot_tables = patterns(
            "snapshot.include.collection.list",
            &list(&keys.connector.snapshot_include_collection_list),
        )?;
        let message_prefixes = PrefixFilter {
            include: patterns("message.prefix.include.list", &list(&keys.own.message_prefix_include_list))?,
            exclude: patterns("message.prefix.exclude.list", &list(&keys.own.message_prefix_exclude_list))?,
        };
        let snapshot_mode = SnapshotMode::read(&config).ok_or_else(|| {
            wrong(
                "snapshot.mode",
                &"it is not one of initial, always, initial_only, no_data, when_needed, configuration_based",
            )
        })?;
        let publication_mode =
            PublicationMode::read(&keys.postgres.publication_autocreate_mode).ok_or_else(|| {
                wrong(
                    "publication.autocreate.mode",
                    &"it is not one of all_tables, disabled, filtered, no_tables",
                )
            })?;
        let millis = |ms: i64| Duration::from_millis(ms.max(0).unsigned_abs());
        Ok(Self {
            endpoint: endpoint(&config)?,
            snapshot_mode,
            snapshot_page_rows: u64::try_from(config.beyond.raccord_snapshot_page_rows)
                .ok()
                .filter(|rows| *rows > 0),
            publication_mode,
            tables,
            snapshot_tables,
            plans,
            source,
            skipped: SkippedOperations::of(&keys.postgres.skipped_operations),
            headers: ContextHeaders::new(
                keys.connector.extended_headers_enabled,
                prefix,
                &task.to_string(),
                CONNECTOR,
            ),
            message_prefixes,
            status_interval: millis(i64::from(keys.postgres.status_update_interval_ms)),
            slot_retry_delay: millis(keys.postgres.slot_retry_delay_ms),
            tombstones: keys.events.tombstones_on_delete,
            query_timeout: Some(millis(i64::from(keys.postgres.database_query_timeout_ms)))
                .filter(|limit| !limit.is_zero()),
            conversion_failures: ConversionFailures::of(
                &config.unlisted.event_converting_failure_handling_mode,
            ),
            reselect: ReselectSettings::read(&config.raw, keys.events.post_processors.as_deref())?,
            notifications: Notifications::new(
                keys.events.notification_enabled_channels.as_deref().unwrap_or_default(),
                keys.events.notification_sink_topic_name.as_deref(),
                prefix,
            ),
            config,
        })
    }

    /// Whether a message of pgoutput counts when the position to go on from is looked for: rows, messages, and
    /// truncates unless they are left out.
    pub fn counts(&self, kind: u8) -> bool {
        match kind {
            b'I' | b'U' | b'D' | b'M' => true,
            b'T' => !self.skipped.contains(Operation::Truncate),
            _ => false,
        }
    }

    /// What becomes of a change that cannot be made a record of: `event.processing.failure.handling.mode`.
    ///
    /// # Errors
    /// The failure itself, unless the change is to be left out.
    pub fn judge_failure(&self, error: Error) -> Result<()> {
        let mode = &self.config.keys.connector.event_processing_failure_handling_mode;
        match mode.to_ascii_lowercase().as_str() {
            "warn" => {
                warn!(trace = error.trace(), "a change is left out");
                Ok(())
            }
            "skip" | "ignore" => Ok(()),
            _ => Err(error),
        }
    }

    /// The statement that a snapshot reads a table with, when it is not the usual one:
    /// `snapshot.select.statement.overrides.<schema>.<table>`, for tables that the list names.
    pub fn select_override(&self, id: &TableId) -> Option<&str> {
        const KEY: &str = "snapshot.select.statement.overrides";
        let list = self.config.keys.relational_events.snapshot_select_statement_overrides.as_deref()?;
        let name = id.to_string();
        list.split(',').find(|table| table.trim() == name)?;
        self.config.raw.get(&format!("{KEY}.{name}"))
    }

    /// Whether a table is that of signals: it is captured, but no snapshot reads it.
    pub fn is_signal_table(&self, id: &TableId) -> bool {
        let name = self.config.keys.events.signal_data_collection.as_deref().map(str::trim);
        name.is_some_and(|name| name == id.to_string())
    }

    /// Whether changes of a table are captured.
    pub fn captures(&self, id: &TableId) -> bool {
        let built_in = matches!(id.schema.as_deref(), Some("pg_catalog" | "information_schema"));
        !(built_in && self.config.keys.relational_events.table_ignore_builtin) && self.tables.includes(id)
    }
}

/// The endpoint that a config names.
///
/// # Errors
/// `Error::config` for an unknown `database.sslmode` or a port that is none.
pub fn endpoint(config: &TaskConfig) -> Result<Endpoint> {
    let keys = &config.keys.postgres;
    let ssl_mode = SslMode::parse(&keys.database_sslmode).ok_or_else(|| {
        Error::config("The 'database.sslmode' value is invalid: Value must be one of disable, allow, prefer, require, verify-ca, verify-full")
    })?;
    let port = u16::try_from(keys.database_port).map_err(|_| {
        Error::config(format!("The 'database.port' value is invalid: {} is no port", keys.database_port))
    })?;
    Ok(Endpoint {
        host: keys.database_hostname.clone().unwrap_or_default(),
        port,
        user: keys.database_user.clone().unwrap_or_default(),
        password: keys.database_password.clone(),
        database: config.database().to_owned(),
        ssl_mode,
        tls: TlsFiles {
            root_certificate: keys.database_sslrootcert.clone(),
            certificate: keys.database_sslcert.clone(),
            key: keys.database_sslkey.clone(),
            key_password: keys.database_sslpassword.clone(),
        },
        tcp_keep_alive: keys.database_tcp_keep_alive,
        driver: DriverSettings::read(&config.raw)?,
    })
}
