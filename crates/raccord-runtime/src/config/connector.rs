//! The keys that every connector has, as Kafka's ConnectorConfig, SourceConnectorConfig and SinkConnectorConfig have
//! them.

use raccord_config::{Class, Config, Validator};

/// Keys of every connector.
#[derive(Clone, Debug, Config)]
#[config(importance = Low, group = "Common", width = Short)]
pub struct ConnectorCommon {
    /// The name of the connector, which no other connector of the cluster has.
    #[config(
        validator = Validator::non_empty_without_control_chars(),
        importance = High, order = 1, width = Medium, display = "Connector name"
    )]
    pub name: String,
    /// The class of the connector: its full name, its simple name, or the simple name without `Connector`.
    #[config(importance = High, order = 2, width = Long, display = "Connector class")]
    pub connector_class: String,
    /// The version of the connector, or a range of versions.
    #[config(
        validator = crate::validate::version_range(),
        importance = Medium, order = 3, width = Medium, display = "Connector version"
    )]
    pub connector_plugin_version: Option<String>,
    /// How many tasks the connector may have at most.
    #[config(default = 1, validator = Validator::at_least(1), importance = High, order = 4, display = "Tasks max")]
    pub tasks_max: i32,
    /// Deprecated. Whether a connector with more tasks than tasks.max fails. If false, the tasks run.
    #[config(default = true, order = 5, display = "Enforce tasks max")]
    pub tasks_max_enforce: bool,
    /// The converter of record keys: the form in which keys are written to and read from Kafka. Not set: the worker's.
    #[config(order = 6, display = "Key converter class")]
    pub key_converter: Option<Class>,
    /// The version of the key converter, or a range of versions.
    #[config(validator = crate::validate::version_range(), order = 7, display = "Key converter version")]
    pub key_converter_plugin_version: Option<String>,
    /// The converter of record values: the form in which values are written to and read from Kafka. Not set: the
    /// worker's.
    #[config(order = 8, display = "Value converter class")]
    pub value_converter: Option<Class>,
    /// The version of the value converter, or a range of versions.
    #[config(validator = crate::validate::version_range(), order = 9, display = "Value converter version")]
    pub value_converter_plugin_version: Option<String>,
    /// The converter of header values: the form in which they are written to and read from Kafka. Not set: the
    /// worker's.
    #[config(order = 10, display = "Header converter class")]
    pub header_converter: Option<Class>,
    /// The version of the header converter, or a range of versions.
    #[config(validator = crate::validate::version_range(), order = 11, display = "Header converter version")]
    pub header_converter_plugin_version: Option<String>,
    /// Names for the transforms that records pass, in order. Each needs `transforms.<name>.type`.
    #[config(
        default = &[],
        validator = super::topic::unique_aliases("unique transformation aliases"),
        group = "Transforms", order = 12, width = Long, display = "Transforms"
    )]
    pub transforms: Vec<String>,
    /// Names for the predicates that transforms refer to. Each needs `predicates.<name>.type`.
    #[config(
        default = &[],
        validator = super::topic::unique_aliases("unique predicate aliases"),
        group = "Predicates", order = 13, width = Long, display = "Predicates"
    )]
    pub predicates: Vec<String>,
    /// What to do when a config provider's value expires: `restart` the connector, or `none`.
    #[config(
        default = "restart",
        validator = Validator::one_of(&["none", "restart"]),
        order = 14, width = Medium, display = "Reload Action"
    )]
    pub config_action_reload: String,
    /// How long a failed operation is repeated, in milliseconds; 0 for not at all, -1 for ever.
    #[config(
        default = 0,
        importance = Medium, group = "Error Handling", order = 1, width = Medium,
        display = "Retry Timeout for Errors"
    )]
    pub errors_retry_timeout: i64,
    /// The longest wait between two attempts of a failed operation, in milliseconds. Random jitter is added once the
    /// wait has grown to it.
    #[config(
        default = 60000,
        importance = Medium, group = "Error Handling", order = 2, width = Medium,
        display = "Maximum Delay Between Retries for Errors"
    )]
    pub errors_retry_delay_max_ms: i64,
    /// What an error means: with `none` the task fails, with `all` the record is skipped.
    #[config(
        default = "none",
        validator = Validator::one_of(&["none", "all"]),
        importance = Medium, group = "Error Handling", order = 3, display = "Error Tolerance"
    )]
    pub errors_tolerance: String,
    /// Whether every error and its operation is written to the log. Without it only errors that are not tolerated are.
    #[config(
        default = false,
        importance = Medium, group = "Error Handling", order = 4, display = "Log Errors"
    )]
    pub errors_log_enable: bool,
    /// Whether the log of an error tells which record it was: topic, partition and offset for a sink; for a source the
    /// topic and the source's partition and offset.
    #[config(
        default = false,
        importance = Medium, group = "Error Handling", order = 5, display = "Log Error Details"
    )]
    pub errors_log_include_messages: bool,
}

/// Further keys of source connectors.
#[derive(Clone, Debug, Config)]
pub struct SourceCommon {
    /// The keys of every connector.
    #[config(flatten)]
    pub common: ConnectorCommon,
    /// Names for groups of settings of the topics that are created for this connector. The group `default` always
    /// exists and is not listed.
    #[config(
        default = &[],
        validator = super::topic::unique_aliases("unique topic creation groups"),
        importance = Low, group = "Topic Creation", order = 1, width = Long, display = "Topic Creation Groups"
    )]
    pub topic_creation_groups: Vec<String>,
    /// `requested` to have exactly-once delivery where the connector can give it, `required` to refuse a connector that
    /// does not say that it can, or a worker without support for it.
    #[config(
        default = "requested",
        validator = Validator::one_of_ignore_case(&["required", "requested"]),
        importance = Medium, group = "Exactly Once Support", order = 2, width = Short,
        display = "Exactly once support"
    )]
    pub exactly_once_support: String,
    /// Where transactions end with exactly-once delivery: `poll` after each batch of the task, `interval` after a time,
    /// `connector` where the connector says.
    #[config(
        default = "poll",
        validator = Validator::one_of_ignore_case(&["interval", "poll", "connector"]),
        importance = Medium, group = "Exactly Once Support", order = 3, width = Short,
        display = "Transaction Boundary"
    )]
    pub transaction_boundary: String,
    /// With transaction.boundary=interval: the time between the ends of transactions, in milliseconds. Not set: the
    /// worker's offset.flush.interval.ms.
    #[config(
        validator = Validator::at_least(0).or_null(),
        importance = Low, group = "Exactly Once Support", order = 4, width = Short,
        display = "Transaction boundary interval"
    )]
    pub transaction_boundary_interval_ms: Option<i64>,
    /// A topic of its own for this connector's offsets, created when it is missing. Not set: the worker's. Used in
    /// distributed mode only.
    #[config(
        validator = Validator::non_empty(),
        importance = Low, group = "offsets.topic", order = 1, width = Long, display = "Offsets topic"
    )]
    pub offsets_storage_topic: Option<String>,
}

/// Further keys of sink connectors.
#[derive(Clone, Debug, Config)]
pub struct SinkCommon {
    /// The keys of every connector.
    #[config(flatten)]
    pub common: ConnectorCommon,
    /// The topics to read, separated by commas. Give either this or topics.regex.
    #[config(
        default = &[],
        validator = Validator::list_without_duplicates(true, false),
        importance = High, group = "Common", order = 4, width = Long, display = "Topics"
    )]
    pub topics: Vec<String>,
    /// A Java regular expression; all topics whose whole name matches it are read. Give either this or topics.
    #[config(
        default = "",
        validator = Validator::regex(),
        importance = High, group = "Common", order = 4, width = Long, display = "Topics regex"
    )]
    pub topics_regex: String,
    /// The topic for records that could not be processed. Empty: none.
    #[config(
        default = "",
        importance = Medium, group = "Error Handling", order = 6, width = Medium,
        display = "Dead Letter Queue Topic Name"
    )]
    pub errors_deadletterqueue_topic_name: String,
    /// The replication factor of the dead letter queue when it is created.
    #[config(
        default = 3,
        importance = Medium, group = "Error Handling", order = 7, width = Medium,
        display = "Dead Letter Queue Topic Replication Factor"
    )]
    pub errors_deadletterqueue_topic_replication_factor: i16,
    /// Whether records in the dead letter queue have headers that tell what went wrong. Their names begin with
    /// `__connect.errors.`.
    #[config(
        default = false,
        importance = Medium, group = "Error Handling", order = 8, width = Medium,
        display = "Enable Error Context Headers"
    )]
    pub errors_deadletterqueue_context_headers_enable: bool,
}
