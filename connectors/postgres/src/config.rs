//! The keys, declared once, in the order and groups of Debezium's definition.

use raccord_cdc::config::{ConnectorKeys, EventKeys, RelationalEventKeys, RelationalKeys, UnlistedKeys};
use raccord_config::{Class, Config, RawConfig, Secret};
use raccord_plugin::{Error, Result};

/// Keys of the connector.
#[derive(Clone, Debug, Config)]
pub struct PostgresConfig {
    /// Keys of the database and of logical decoding.
    #[config(flatten)]
    pub postgres: PostgresKeys,
    /// Keys that every connector has.
    #[config(flatten)]
    pub connector: ConnectorKeys,
    /// Keys that relational connectors have.
    #[config(flatten)]
    pub relational: RelationalKeys,
    /// Keys of snapshots and types.
    #[config(flatten)]
    pub own: OwnKeys,
    /// Keys of records that every connector has.
    #[config(flatten)]
    pub events: EventKeys,
    /// Keys of records that relational connectors have.
    #[config(flatten)]
    pub relational_events: RelationalEventKeys,
    /// Keys of records that this connector has.
    #[config(flatten)]
    pub own_events: OwnEventKeys,
}

/// Keys of the group Postgres.
#[allow(dead_code, reason = "some keys are validated and shown, and have no effect here or not yet")]
#[derive(Clone, Debug, Config)]
#[config(group = "Postgres")]
pub struct PostgresKeys {
    /// The name by which this database is known to readers: the first part of every topic's name. Letters, digits,
    /// hyphens, dots and underscores; not shared with another connector.
    #[config(importance = High, width = Medium, display = "Topic prefix")]
    pub topic_prefix: Option<String>,
    /// Name or address of the database server.
    #[config(importance = High, width = Medium, display = "Hostname")]
    pub database_hostname: Option<String>,
    /// Port of the database server.
    #[config(default = 5432, importance = High, width = Short, display = "Port")]
    pub database_port: i32,
    /// Role to log in as. It needs LOGIN and REPLICATION, and SELECT on the captured tables.
    #[config(importance = High, width = Short, display = "User")]
    pub database_user: Option<String>,
    /// Password of the role.
    #[config(importance = High, width = Short, display = "Password")]
    pub database_password: Option<Secret>,
    /// Name of the database.
    #[config(importance = High, width = Medium, display = "Database")]
    pub database_dbname: Option<String>,
    /// How long, in milliseconds, a query may take; 0 for no limit.
    #[config(default = 600_000, importance = Low, display = "Query timeout")]
    pub database_query_timeout_ms: i32,
    /// The output plugin of logical decoding. `pgoutput` comes with PostgreSQL 10 and later. `decoderbufs`, which is
    /// Debezium's default, is not supported.
    #[config(default = "decoderbufs", width = Medium, display = "Plugin")]
    pub plugin_name: String,
    /// The replication slot, made when it is missing.
    #[config(default = "debezium", width = Medium, display = "Slot")]
    pub slot_name: String,
    /// The publication, which says which tables are replicated.
    #[config(default = "dbz_publication", width = Medium, display = "Publication")]
    pub publication_name: String,
    /// What becomes of the publication: `all_tables` (made for all tables when missing), `disabled` (must be there),
    /// `filtered` (made and kept up to date for the captured tables), `no_tables` (made empty when missing).
    #[config(default = "all_tables", width = Medium, display = "Publication Auto Create Mode")]
    pub publication_autocreate_mode: String,
    /// Replica identities to set at the start: `schema.table:FULL`, `DEFAULT`, `NOTHING` or `INDEX name`, with commas
    /// between; tables as regular expressions.
    #[config(width = Long, display = "Replica Identity Auto Set Values")]
    pub replica_identity_autoset_values: Option<String>,
    /// Whether to drop the slot when the connector stops. What happens until it starts again is then lost.
    #[config(default = false, display = "Drop slot on stop")]
    pub slot_drop_on_stop: bool,
    /// Whether to make the slot one that standbys take over (PostgreSQL 17 and later).
    #[config(default = false, display = "Create failover slot")]
    pub slot_failover: bool,
    /// Further parameters of the output plugin: `name=value;name=value`.
    #[config(importance = Low, width = Long, display = "Optional parameters to pass to the logical decoder when the stream is started.")]
    pub slot_stream_params: Option<String>,
    /// Statements to run on every new connection, with semicolons between; two semicolons stand for one.
    #[config(importance = Low, width = Long, display = "Initial statements")]
    pub database_initial_statements: Option<String>,
    /// When to use TLS: `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`.
    #[config(default = "prefer", width = Medium, display = "SSL mode")]
    pub database_sslmode: String,
    /// File with the client's certificate.
    #[config(width = Long, display = "SSL Client Certificate")]
    pub database_sslcert: Option<String>,
    /// Password of the client's key.
    #[config(width = Medium, display = "SSL Client Key Password")]
    pub database_sslpassword: Option<Secret>,
    /// File with the certificates of authorities that the server's certificate may come from.
    #[config(width = Long, display = "SSL Root Certificate")]
    pub database_sslrootcert: Option<String>,
    /// File with the client's key.
    #[config(width = Long, display = "SSL Client Key")]
    pub database_sslkey: Option<String>,
    /// How often to try again when the slot cannot be used.
    #[config(default = 6, importance = Low, display = "Retry count")]
    pub slot_max_retries: i32,
    /// How long to wait, in milliseconds, before trying again.
    #[config(default = 10_000, importance = Low, display = "Retry delay")]
    pub slot_retry_delay_ms: i64,
    /// A Java class that makes sockets. `org.postgresql.ssl.NonValidatingFactory` means that certificates are not
    /// checked.
    #[config(width = Long, display = "SSL Root Certificate")]
    pub database_sslfactory: Option<String>,
    /// How often, in milliseconds, to tell the server how far we are.
    #[config(default = 10_000, width = Short, display = "Status update interval (ms)")]
    pub status_update_interval_ms: i32,
    /// How long, in milliseconds, telling the server what is stored may take.
    #[config(default = 30_000, width = Short, display = "LSN flush timeout (ms)")]
    pub lsn_flush_timeout_ms: i64,
    /// What to do when it takes longer: `fail`, `warn`, `ignore`.
    #[config(default = "fail", width = Medium, display = "LSN flush timeout action")]
    pub lsn_flush_timeout_action: String,
    /// Whether the operating system probes idle connections.
    #[config(key = "database.tcpKeepAlive", default = true, width = Short, display = "TCP keep-alive probe")]
    pub database_tcp_keep_alive: bool,
    /// How often, in milliseconds, to ask for the slot's xmin and put it into records; 0 for never.
    #[config(default = 0, width = Short, display = "Xmin fetch interval (ms)")]
    pub xmin_fetch_interval_ms: i64,
    /// Operations to leave out: `c` inserts, `u` updates, `d` deletes, `t` truncates; `none` for none.
    #[config(default = &["t"], importance = Low, width = Short, display = "Skipped Operations")]
    pub skipped_operations: Vec<String>,
    /// Whether the server is told what is stored, so that it can remove its log. Without it somebody else must.
    #[config(default = true, importance = Low, width = Short, display = "Boolean to determine if Debezium should flush LSN in the source database")]
    pub flush_lsn_source: bool,
}

/// Own keys of the group Connector.
#[allow(dead_code, reason = "some keys are validated and shown, and have no effect here or not yet")]
#[derive(Clone, Debug, Config)]
#[config(group = "Connector")]
pub struct OwnKeys {
    /// When to take a snapshot: `initial` (without stored offset), `always`, `initial_only` (and nothing else),
    /// `no_data` or `never`, `when_needed` (also when the log no longer has the stored position),
    /// `configuration_based`.
    #[config(default = "initial", order = 39, width = Short, display = "Snapshot mode")]
    pub snapshot_mode: String,
    /// The isolation of snapshots without a new slot: `serializable`, `repeatable_read`, `read_committed`,
    /// `read_uncommitted`.
    #[config(default = "serializable", importance = Low, width = Short, display = "Snapshot isolation mode")]
    pub snapshot_isolation_mode: String,
    /// The query of a snapshot: `select_all`.
    #[config(default = "select_all", importance = Low, width = Short, display = "Snapshot query mode")]
    pub snapshot_query_mode: String,
    /// With snapshot.query.mode=custom: the name of the implementation.
    #[config(width = Medium, display = "Snapshot Query Mode Custom Name")]
    pub snapshot_query_mode_custom_name: Option<String>,
    /// With snapshot.locking.mode=custom: the name of the implementation.
    #[config(width = Medium, display = "Snapshot Locking Mode Custom Name")]
    pub snapshot_locking_mode_custom_name: Option<String>,
    /// Locks of a snapshot: `none`, `shared` (tables cannot be altered meanwhile).
    #[config(default = "none", importance = Low, width = Short, display = "Snapshot locking mode")]
    pub snapshot_locking_mode: String,
    /// How hstore is written: `json`, `map`.
    #[config(default = "json", importance = Low, width = Medium, display = "HStore Handling")]
    pub hstore_handling_mode: String,
    /// How bytes are written: `bytes`, `base64`, `base64-url-safe`, `hex`.
    #[config(default = "bytes", importance = Low, width = Medium, display = "Binary Handling")]
    pub binary_handling_mode: String,
    /// How names of schemas are adjusted: `none`, `avro`, `avro_unicode`.
    #[config(default = "none", importance = Low, width = Medium, display = "Schema Name Adjustment")]
    pub schema_name_adjustment_mode: String,
    /// How intervals are written: `numeric` (microseconds), `string` (ISO 8601).
    #[config(default = "numeric", importance = Low, width = Medium, display = "Interval Handling")]
    pub interval_handling_mode: String,
    /// When columns are read again: `columns_diff`, `columns_diff_exclude_unchanged_toast`.
    #[config(default = "columns_diff", width = Short, display = "Schema refresh mode")]
    pub schema_refresh_mode: String,
    /// How many rows a chunk of an incremental snapshot has.
    #[config(default = 1024, width = Medium, display = "Incremental snapshot chunk size")]
    pub incremental_snapshot_chunk_size: i32,
    /// What stands for a large value that did not change and was not sent; `hex:` and digits for bytes.
    #[config(default = "__debezium_unavailable_value", width = Medium, display = "Unavailable value placeholder")]
    pub unavailable_value_placeholder: String,
    /// Regular expressions of the prefixes of logical messages to capture; all of them by default.
    #[config(width = Long, display = "Include Logical Decoding Message Prefixes")]
    pub message_prefix_include_list: Option<Vec<String>>,
    /// Regular expressions of the prefixes of logical messages not to capture.
    #[config(width = Long, display = "Exclude Logical Decoding Message Prefixes")]
    pub message_prefix_exclude_list: Option<Vec<String>>,
    /// Whether a new publication gives changes of partitions as those of the partitioned table.
    #[config(default = false, width = Short, display = "Publish via partition root")]
    pub publish_via_partition_root: bool,
}

/// Own keys of the group Events.
#[allow(dead_code, reason = "some keys are validated and shown, and have no effect here or not yet")]
#[derive(Clone, Debug, Config)]
#[config(group = "Events")]
pub struct OwnEventKeys {
    /// Whether columns of types that are not known are written as bytes instead of being left out.
    #[config(default = false, order = 32, width = Short, display = "Include unknown datatypes")]
    pub include_unknown_datatypes: bool,
    /// The class that makes source blocks.
    #[config(default = "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker", importance = Low, width = Medium, display = "Source info struct maker class")]
    pub sourceinfo_struct_maker: Class,
}

/// Keys that Debezium does not have. They are read and not shown.
#[derive(Clone, Debug, Config)]
pub struct BeyondKeys {
    /// With a number above 0, snapshots read tables that have a key in its order, so many rows at a time, and a snapshot
    /// that was interrupted goes on behind the last of these pages instead of beginning anew.
    #[config(default = 0)]
    pub raccord_snapshot_page_rows: i64,
}

/// Everything that is read, and the config itself for keys with variable names.
#[derive(Clone, Debug)]
pub struct TaskConfig {
    /// The declared keys.
    pub keys: PostgresConfig,
    /// Keys that are read but not shown.
    pub unlisted: UnlistedKeys,
    /// Keys of our own.
    pub beyond: BeyondKeys,
    /// The whole config.
    pub raw: RawConfig,
}

impl TaskConfig {
    /// Reads a config.
    ///
    /// # Errors
    /// `Error::config` with all findings.
    pub fn read(config: &RawConfig) -> Result<Self> {
        let invalid = |findings: raccord_config::Findings| Error::config(findings.to_string());
        Ok(Self {
            keys: PostgresConfig::parse(config).map_err(invalid)?,
            unlisted: UnlistedKeys::parse(config).map_err(invalid)?,
            beyond: BeyondKeys::parse(config).map_err(invalid)?,
            raw: config.clone(),
        })
    }

    /// `topic.prefix`.
    pub fn topic_prefix(&self) -> &str {
        self.keys.postgres.topic_prefix.as_deref().unwrap_or_default()
    }

    /// `database.dbname`.
    pub fn database(&self) -> &str {
        self.keys.postgres.database_dbname.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use raccord_config::Config;

    use super::*;

    /// Keys, their order, types, defaults, groups and so on are those of the real definition, which was written down by
    /// `parity/java/ConfigDefs.java`. Texts are our own.
    #[test]
    fn the_definition_is_debeziums() {
        let recorded = include_str!("../../../parity/recorded/configdefs/connector-postgres.json");
        let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let shown = [
            "name",
            "type",
            "required",
            "default_value",
            "importance",
            "group",
            "order_in_group",
            "width",
            "display_name",
            "dependents",
        ];
        let reduce = |key: &serde_json::Value| shown.map(|field| key[field].clone());
        let expect: Vec<_> = recorded.as_array().unwrap().iter().map(reduce).collect();
        let found: Vec<_> = PostgresConfig::def().keys().map(|key| reduce(&key.to_json())).collect();
        for (expect, found) in expect.iter().zip(&found) {
            assert_eq!(found, expect);
        }
        assert_eq!(found.len(), expect.len());
    }
}
