//! Keys that Debezium's relational connectors share, declared once, in Debezium's order and groups.
//!
//! A connector's own struct flattens these between its own keys: first the group named for the connector, then
//! [`ConnectorKeys`], [`RelationalKeys`] and its own of that group (numbered on from there by `order`), then [`EventKeys`],
//! [`RelationalEventKeys`] and its own. [`UnlistedKeys`] are read as well, but no definition shows them, as
//! Debezium's does not.

use raccord_config::{Class, Config};

/// Keys of the group Connector that every connector has.
#[derive(Clone, Debug, Config)]
#[config(group = "Connector")]
pub struct ConnectorKeys {
    /// What to do when a change cannot be processed: `fail`, `warn` (say so and leave it out), `skip` (leave it out).
    #[config(default = "fail", width = Short, display = "Event deserialization failure handling")]
    pub event_processing_failure_handling_mode: String,
    /// How many records one poll gives at most.
    #[config(default = 2048, width = Short, display = "Change event batch size")]
    pub max_batch_size: i32,
    /// How many changes are held in memory between database and Kafka at most. Must be larger than max.batch.size.
    #[config(default = 8192, width = Short, display = "Change event buffer size")]
    pub max_queue_size: i32,
    /// How long to wait, in milliseconds, for new changes before looking again.
    #[config(default = 500, width = Short, display = "Poll interval (ms)")]
    pub poll_interval_ms: i64,
    /// How many bytes of changes are held in memory between database and Kafka at most; 0 for no limit by bytes.
    #[config(default = 0, width = Long, display = "Change event buffer size in bytes")]
    pub max_queue_size_in_bytes: i64,
    /// Whether to say in each change which transaction it belongs to, and to write the begin and the end of
    /// transactions to a topic.
    #[config(default = false, importance = Low, width = Short, display = "Store transaction metadata information in a dedicated topic.")]
    pub provide_transaction_metadata: bool,
    /// How long to wait, in milliseconds, before a snapshot begins.
    #[config(default = 0, importance = Low, width = Medium, display = "Snapshot Delay (milliseconds)")]
    pub snapshot_delay_ms: i64,
    /// How long to wait, in milliseconds, between the end of the snapshot and the beginning of streaming.
    #[config(default = 0, importance = Low, width = Medium, display = "Streaming Delay (milliseconds)")]
    pub streaming_delay_ms: i64,
    /// Regular expressions of the tables to take a snapshot of, of those that are captured; all of them by default.
    #[config(width = Long, display = "Snapshot mode include data collection")]
    pub snapshot_include_collection_list: Option<Vec<String>>,
    /// How many rows of a table are fetched at once during a snapshot.
    #[config(width = Medium, display = "Snapshot fetch size")]
    pub snapshot_fetch_size: Option<i32>,
    /// How many readers take the initial snapshot at once.
    #[config(default = 1, width = Short, display = "Snapshot maximum threads")]
    pub snapshot_max_threads: i32,
    /// With snapshot.mode=custom: the name of the implementation.
    #[config(width = Medium, display = "Snapshot Mode Custom Name")]
    pub snapshot_mode_custom_name: Option<String>,
    /// With snapshot.mode=configuration_based: whether the snapshot has data.
    #[config(default = false, width = Medium, display = "Snapshot mode property based snapshot data")]
    pub snapshot_mode_configuration_based_snapshot_data: bool,
    /// With snapshot.mode=configuration_based: whether the snapshot has schemas.
    #[config(default = false, width = Medium, display = "Snapshot mode property based snapshot schema")]
    pub snapshot_mode_configuration_based_snapshot_schema: bool,
    /// With snapshot.mode=configuration_based: whether streaming follows.
    #[config(default = false, width = Medium, display = "Snapshot mode property based start stream")]
    pub snapshot_mode_configuration_based_start_stream: bool,
    /// With snapshot.mode=configuration_based: whether schemas are read again when the schema history is lost.
    #[config(default = false, width = Medium, display = "Snapshot mode property based snapshot on schema error")]
    pub snapshot_mode_configuration_based_snapshot_on_schema_error: bool,
    /// With snapshot.mode=configuration_based: whether data is read again when the log no longer has the stored
    /// position.
    #[config(default = false, width = Medium, display = "Snapshot mode property based snapshot on data error")]
    pub snapshot_mode_configuration_based_snapshot_on_data_error: bool,
    /// How long to wait, in milliseconds, before starting again after an error that may go away by itself.
    #[config(default = 10_000, importance = Low, width = Medium, display = "Retriable restart wait (ms)")]
    pub retriable_restart_connector_wait_ms: i64,
    /// How many rows of a query's result are fetched at once; 0 leaves it to the database.
    #[config(default = 0, width = Medium, display = "Query fetch size")]
    pub query_fetch_size: i32,
    /// How often to start again after errors that may go away; -1 for no limit, 0 for never.
    #[config(default = -1, importance = Low, width = Medium, display = "The maximum number of retries")]
    pub errors_max_retries: i32,
    /// How an incremental snapshot marks its windows in the signal table: `INSERT_INSERT` (a row for each end) or
    /// `INSERT_DELETE` (a row that is deleted again).
    #[config(default = "INSERT_INSERT", importance = Low, width = Medium, display = "Incremental snapshot watermarking strategy")]
    pub incremental_snapshot_watermarking_strategy: String,
    /// Whether to look at the start if the database's log still has the stored position.
    #[config(default = true, width = Medium, display = "Enable/Disable log position check")]
    pub internal_log_position_check_enable: bool,
    /// Whether to keep metrics that cost time.
    #[config(default = false, width = Medium, display = "Enable/Disable advance metrics")]
    pub internal_advanced_metrics_enable: bool,
    /// How long to wait, in milliseconds, for the database when a config is validated.
    #[config(default = 60_000, importance = Low, width = Short, display = "Connection validation timeout (ms)")]
    pub connection_validation_timeout_ms: i64,
    /// How long to wait, in milliseconds, for running work to end when the connector stops.
    #[config(default = 4000, width = Medium, display = "Executor shutdown timeout (ms)")]
    pub executor_shutdown_timeout_ms: i64,
    /// Whether to report lineage to OpenLineage.
    #[config(default = false, importance = Low, width = Short, display = "Enables OpenLineage integration")]
    pub openlineage_integration_enabled: bool,
    /// The file with OpenLineage's own configuration.
    #[config(default = "./openlineage.yml", importance = Low, width = Long, display = "Path to OpenLineage file configuration")]
    pub openlineage_integration_config_file_path: String,
    /// The namespace of the job in OpenLineage.
    #[config(importance = Low, width = Long, display = "Namespace used for Debezium job")]
    pub openlineage_integration_job_namespace: Option<String>,
    /// The description of the job in OpenLineage.
    #[config(default = "Debezium change data capture job", importance = Low, width = Long, display = "Description used for Debezium job")]
    pub openlineage_integration_job_description: String,
    /// Tags of the job in OpenLineage, as name=value.
    #[config(importance = Low, width = Long, display = "Debezium job tags")]
    pub openlineage_integration_job_tags: Option<Vec<String>>,
    /// Owners of the job in OpenLineage, as name=value.
    #[config(importance = Low, width = Long, display = "Debezium job owners")]
    pub openlineage_integration_job_owners: Option<Vec<String>>,
    /// The Kafka servers by which OpenLineage names topics.
    #[config(importance = Low, width = Long, display = "Kafka bootstrap server used in Kafka Connect deployment")]
    pub openlineage_integration_dataset_kafka_bootstrap_servers: Option<String>,
    /// Whether each record has headers that name the connector it comes from.
    #[config(default = true, importance = Low, width = Short, display = "Enable/Disable extended headers")]
    pub extended_headers_enabled: bool,
    /// How many tables may be captured at most; 0 for no limit.
    #[config(default = 0, width = Short, display = "Maximum number of collections or tables")]
    pub guardrail_collections_max: i32,
    /// What to do when more tables are captured: `warn` or `fail`.
    #[config(default = "warn", width = Short, display = "Guardrail collections limit action")]
    pub guardrail_collections_limit_action: String,
}

/// Keys of the group Connector that relational connectors have, after [`ConnectorKeys`].
#[derive(Clone, Debug, Config)]
#[config(group = "Connector")]
pub struct RelationalKeys {
    /// How decimal numbers are written: `precise` (exact, in binary form), `string`, `double`.
    #[config(default = "precise", order = 36, width = Short, display = "Decimal Handling")]
    pub decimal_handling_mode: String,
    /// How times are written: `adaptive` (as precise as the column), `adaptive_time_microseconds` (the same, but
    /// times of day in microseconds), `connect` (Kafka Connect's own types, in milliseconds), `isostring` (text),
    /// `microseconds`, `nanoseconds`.
    #[config(default = "adaptive", width = Short, display = "Time Precision")]
    pub time_precision_mode: String,
    /// How long to wait, in milliseconds, for the locks of a snapshot.
    #[config(default = 10_000, width = Long, display = "Snapshot lock timeout (ms)")]
    pub snapshot_lock_timeout_ms: i64,
}

/// Keys of the group Events that every connector has.
#[derive(Clone, Debug, Config)]
#[config(group = "Events")]
pub struct EventKeys {
    /// Names of converters of columns; `<name>.type` gives the class of each.
    #[config(importance = Low, width = Medium, display = "List of prefixes defining custom values converters.")]
    pub converters: Option<String>,
    /// Names of processors of finished records; `<name>.type` gives the class of each.
    #[config(importance = Low, width = Medium, display = "List of change event post processors.")]
    pub post_processors: Option<String>,
    /// Whether a delete is followed by a record with the key alone, which lets Kafka's compaction remove the key.
    #[config(default = true, width = Short, display = "Change the behaviour of Debezium with regards to delete operations")]
    pub tombstones_on_delete: bool,
    /// How often, in milliseconds, to write a heartbeat that moves the stored position on; 0 for never.
    #[config(default = 0, width = Medium, display = "Connector heartbeat interval (milli-seconds)")]
    pub heartbeat_interval_ms: i32,
    /// The first part of the heartbeat topic's name.
    #[config(default = "__debezium-heartbeat", importance = Low, width = Medium, display = "A prefix used for naming of heartbeat topics")]
    pub heartbeat_topics_prefix: String,
    /// The table whose rows are commands to the connector.
    #[config(width = Medium, display = "Signaling data collection")]
    pub signal_data_collection: Option<String>,
    /// How often, in milliseconds, to look for commands.
    #[config(default = 5000, width = Short, display = "Signal processor poll interval")]
    pub signal_poll_interval_ms: i64,
    /// Where commands come from: `source`, `kafka`, `file`, `jmx`.
    #[config(default = &["source"], width = Long, display = "Enabled channels names")]
    pub signal_enabled_channels: Vec<String>,
    /// The class that names topics.
    #[config(default = "io.debezium.schema.SchemaTopicNamingStrategy", width = Medium, display = "Topic naming strategy class")]
    pub topic_naming_strategy: Class,
    /// Where the connector says what it does: `sink` (a topic), `log`, `jmx`.
    #[config(width = Long, display = "Enabled notification channels names")]
    pub notification_enabled_channels: Option<Vec<String>>,
    /// The topic of notifications. Required when the channel `sink` is enabled.
    #[config(importance = High, width = Long, display = "Notification topic name")]
    pub notification_sink_topic_name: Option<String>,
    /// The class that makes transaction metadata.
    #[config(default = "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory", importance = Low, width = Medium, display = "Factory class to create transaction context & transaction struct maker classes")]
    pub transaction_metadata_factory: Class,
    /// Tags to add to metrics, as name=value.
    #[config(importance = Low, width = Medium, display = "Customize metric tags")]
    pub custom_metric_tags: Option<Vec<String>>,
}

/// Keys of the group Events that relational connectors have, after [`EventKeys`].
#[derive(Clone, Debug, Config)]
#[config(group = "Events")]
pub struct RelationalEventKeys {
    /// Regular expressions of the columns to capture, as schema.table.column; all of them by default.
    #[config(order = 14, width = Long, display = "Include Columns")]
    pub column_include_list: Option<Vec<String>>,
    /// Regular expressions of the columns not to capture, as schema.table.column.
    #[config(width = Long, display = "Exclude Columns")]
    pub column_exclude_list: Option<Vec<String>>,
    /// Regular expressions of the tables to capture, as schema.table; all of them by default.
    #[config(importance = High, width = Long, display = "Include Tables")]
    pub table_include_list: Option<Vec<String>>,
    /// Regular expressions of the tables not to capture, as schema.table.
    #[config(width = Long, display = "Exclude Tables")]
    pub table_exclude_list: Option<Vec<String>>,
    /// Whether the database's own tables are left out.
    #[config(default = true, importance = Low, width = Short, display = "Ignore system databases")]
    pub table_ignore_builtin: bool,
    /// Regular expressions of the schemas whose tables to capture; all of them by default.
    #[config(importance = High, width = Long, display = "Include Schemas", dependents = ["table.include.list"])]
    pub schema_include_list: Option<Vec<String>>,
    /// Regular expressions of the schemas whose tables not to capture.
    #[config(width = Long, display = "Exclude Schemas")]
    pub schema_exclude_list: Option<Vec<String>>,
    /// Columns that form the key where the primary key does not: `table:column,column;table:column`, tables as
    /// regular expressions.
    #[config(width = Long, display = "Columns PK mapping")]
    pub message_key_columns: Option<String>,
    /// Tables for which `snapshot.select.statement.overrides.<schema>.<table>` gives the statement that the snapshot
    /// reads them with.
    #[config(width = Long, display = "List of tables where the default select statement used during snapshotting should be overridden.")]
    pub snapshot_select_statement_overrides: Option<String>,
    /// Columns whose text is replaced by its hash, with the algorithm and the salt that the key names.
    #[config(key = "column.mask.hash.([^.]+).with.salt.(.+)", width = Long, display = "Mask Columns Using Hash and Salt")]
    pub column_mask_hash: Option<String>,
    /// Columns whose text is replaced by as many asterisks as the key says.
    #[config(key = "column.mask.with.(d+).chars", display = "Mask Columns With n Asterisks")]
    pub column_mask_with_chars: Option<String>,
    /// Columns whose text is cut to as many characters as the key says.
    #[config(key = "column.truncate.to.(d+).chars", display = "Truncate Columns To n Characters")]
    pub column_truncate_to_chars: Option<i32>,
    /// Whether comments of tables and columns go into the schemas.
    #[config(default = false, width = Short, display = "Include Table and Column Comments")]
    pub include_schema_comments: bool,
    /// Regular expressions of the columns whose type in the database goes into the schema's parameters.
    #[config(display = "Propagate Source Types by Columns")]
    pub column_propagate_source_type: Option<Vec<String>>,
    /// Regular expressions of types, as schema.table.type, of the columns whose type in the database goes into the
    /// schema's parameters.
    #[config(display = "Propagate Source Types by Data Type")]
    pub datatype_propagate_source_type: Option<Vec<String>>,
    /// Whether the columns of all tables are read at the start, not only those of captured ones.
    #[config(default = false, importance = Low, width = Short, display = "Snapshot force scan all columns of all tables")]
    pub internal_snapshot_scan_all_columns_force: bool,
    /// The order of tables in the initial snapshot by their number of rows: `disabled`, `ascending`, `descending`.
    #[config(default = "disabled", display = "Initial snapshot tables order by row count")]
    pub snapshot_tables_order_by_row_count: String,
    /// A statement to run in the database with every heartbeat.
    #[config(importance = Low, width = Medium, display = "An optional query to execute with every heartbeat")]
    pub heartbeat_action_query: Option<String>,
}
/// Keys that Debezium reads without listing them in its definition.
#[derive(Clone, Debug, Config)]
pub struct UnlistedKeys {
    /// How names of fields are adjusted: `none`, `avro`, `avro_unicode`.
    #[config(default = "none")]
    pub field_name_adjustment_mode: String,
    /// What to do when a value cannot be converted: `warn` (say so and leave the field null), `fail`, `skip`.
    #[config(default = "warn")]
    pub event_converting_failure_handling_mode: String,
    /// Whether an update that changes no captured column is left out.
    #[config(default = false)]
    pub skip_messages_without_change: bool,
    /// Whether the connector must not write to the database.
    #[config(default = false)]
    pub read_only: bool,
    /// The file that the signal channel `file` reads.
    #[config(default = "file-signals.txt")]
    pub signal_file: String,
    /// The topic that the signal channel `kafka` reads; by default the topic prefix with `-signal`.
    pub signal_kafka_topic: Option<String>,
    /// The servers that the signal channel `kafka` reads from.
    pub signal_kafka_bootstrap_servers: Option<String>,
    /// The consumer group of the signal channel `kafka`.
    #[config(key = "signal.kafka.groupId", default = "kafka-signal")]
    pub signal_kafka_group_id: String,
    /// How long, in milliseconds, one look of the signal channel `kafka` takes.
    #[config(default = 0)]
    pub signal_kafka_poll_timeout_ms: i64,
    /// Whether an incremental snapshot goes on when the table's columns change.
    #[config(default = false)]
    pub incremental_snapshot_allow_schema_changes: bool,
}
