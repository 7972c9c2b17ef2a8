//! The worker's own keys, as Kafka's WorkerConfig, DistributedConfig, StandaloneConfig and RestServerConfig have them.
//!
//! One struct holds the keys of both modes, so that the rest of the worker has one type to ask. Keys of the other mode
//! are not read: they have their default, or are empty where there is none.

use raccord_config::{Class, Config, ConfigDef, RawConfig, Validator};

use super::security::{SaslKeys, SslKeys};

/// The worker's config. Fields are named as the keys, with underscores for dots.
#[derive(Clone, Debug, Config)]
#[config(group = "worker", importance = Low)]
pub struct WorkerConfig {
    /// The brokers to connect to first, as `host1:port1,host2:port2`. They need not be all brokers of the cluster: the
    /// others are found through them. Name more than one, so that the worker can start while a broker is down.
    #[config(validator = Validator::list_without_duplicates(false, false), importance = High)]
    pub bootstrap_servers: Vec<String>,
    /// How the addresses of a broker's name are used. With `use_all_dns_ips` every address is tried in turn; with
    /// `resolve_canonical_bootstrap_servers_only` each name in bootstrap.servers stands for a list of canonical names.
    #[config(
        default = "use_all_dns_ips",
        validator = Validator::one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
        importance = Medium
    )]
    pub client_dns_lookup: String,
    /// The converter of record keys for connectors that do not name their own: the form in which keys are written to
    /// and read from Kafka.
    #[config(importance = High)]
    pub key_converter: Class,
    /// The version, or range of versions, of the key converter.
    pub key_converter_plugin_version: Option<String>,
    /// The converter of record values for connectors that do not name their own: the form in which values are written
    /// to and read from Kafka.
    #[config(importance = High)]
    pub value_converter: Class,
    /// The version, or range of versions, of the value converter.
    pub value_converter_plugin_version: Option<String>,
    /// How long all tasks together may take to stop in an orderly way, in milliseconds. Tasks that take longer are
    /// abandoned.
    #[config(default = 5000)]
    pub task_shutdown_graceful_timeout_ms: i64,
    /// How often the offsets of tasks are committed, in milliseconds.
    #[config(default = 60000)]
    pub offset_flush_interval_ms: i64,
    /// How long a commit of offsets may take, in milliseconds, before it is given up and tried again at the next
    /// interval. Source connectors with exactly-once delivery do not use it.
    #[config(default = 5000)]
    pub offset_flush_timeout_ms: i64,
    /// Folders with Java plugins. All plugins are part of this program; the key is accepted so that existing worker
    /// files work.
    #[config(validator = Validator::list_without_duplicates(false, true))]
    pub plugin_path: Option<Vec<String>>,
    /// How a JVM worker finds plugins. Accepted so that existing worker files work; all plugins are part of this
    /// program.
    #[config(
        default = "hybrid_warn",
        validator = Validator::one_of_ignore_case(&["only_scan", "service_load", "hybrid_warn", "hybrid_fail"])
    )]
    pub plugin_discovery: String,
    /// The span over which a sample of a metric is taken, in milliseconds.
    #[config(default = 30000, validator = Validator::at_least(0))]
    pub metrics_sample_window_ms: i64,
    /// How many samples are kept to compute a metric.
    #[config(default = 2, validator = Validator::at_least(1))]
    pub metrics_num_samples: i32,
    /// The most detailed level at which metrics are recorded.
    #[config(default = "INFO", validator = Validator::one_of(&["INFO", "DEBUG"]))]
    pub metrics_recording_level: String,
    /// Java classes that report metrics. The JMX reporter stands for the names that metrics have here; other classes
    /// are accepted and not loaded.
    #[config(
        default = &["org.apache.kafka.common.metrics.JmxReporter"],
        validator = Validator::list_without_duplicates(true, false)
    )]
    pub metric_reporters: Vec<String>,
    /// The converter of header values for connectors that do not name their own.
    #[config(default = "org.apache.kafka.connect.storage.SimpleHeaderConverter")]
    pub header_converter: Class,
    /// The version, or range of versions, of the header converter.
    pub header_converter_plugin_version: Option<String>,
    /// Names of config providers, which put values from elsewhere in the place of `${name:path:key}`. Each name needs a
    /// `config.providers.<name>.class` and may have `config.providers.<name>.param.*`.
    #[config(default = &[], validator = Validator::list_without_duplicates(true, false))]
    pub config_providers: Vec<String>,
    /// Which client settings a connector may override with `producer.override.`, `consumer.override.` and
    /// `admin.override.`: `All`, `None`, `Principal` or `Allowlist`.
    #[config(default = "All", importance = Medium)]
    pub connector_client_config_override_policy: String,
    /// With the override policy `Allowlist`: the client settings that connectors may override.
    #[config(default = &[], importance = Medium)]
    pub connector_client_config_override_allowlist: Vec<String>,
    /// Whether source connectors may have their topics created with the settings in their `topic.creation.` keys. The
    /// brokers then need not create topics on their own.
    #[config(default = true)]
    pub topic_creation_enable: bool,
    /// The settings of TLS connections to Kafka.
    #[config(flatten)]
    pub ssl: SslKeys,
    /// Whether the topics that each connector uses are recorded.
    #[config(default = true)]
    pub topic_tracking_enable: bool,
    /// Whether the recorded topics of a connector may be reset through REST.
    #[config(default = true)]
    pub topic_tracking_allow_reset: bool,

    /// The addresses at which REST listens, as URLs with http or https: `http://myhost:8083,https://myhost:8084`. The
    /// host 0.0.0.0 means all interfaces; no host means the default one.
    #[config(default = &["http://:8083"], validator = super::rest::listeners(), group = "rest")]
    pub listeners: Vec<String>,
    /// The host name under which other workers reach this one.
    #[config(group = "rest")]
    pub rest_advertised_host_name: Option<String>,
    /// The port under which other workers reach this one.
    #[config(group = "rest")]
    pub rest_advertised_port: Option<i32>,
    /// The protocol, http or https, by which other workers reach this one.
    #[config(group = "rest")]
    pub rest_advertised_listener: Option<String>,
    /// The origins whose pages may call REST from a browser: the value of the Access-Control-Allow-Origin header. `*`
    /// allows all; empty allows the worker's own origin only.
    #[config(default = "", group = "rest")]
    pub access_control_allow_origin: String,
    /// The methods that pages of other origins may use: the value of the Access-Control-Allow-Methods header. Empty
    /// allows GET, POST and HEAD.
    #[config(default = "", group = "rest")]
    pub access_control_allow_methods: String,
    /// Rules for headers of REST answers, separated by commas, each `action name:value` with the action set, add,
    /// setDate or addDate. Put a rule in double quotes if it has a comma.
    #[config(default = "", validator = super::rest::response_headers(), group = "rest")]
    pub response_http_headers_config: String,
    /// Whether https listeners ask for, or require, a client's certificate: `required`, `requested` or `none`.
    #[config(
        default = "none",
        validator = Validator::one_of(&["required", "requested", "none"]),
        group = "rest"
    )]
    pub ssl_client_auth: String,
    /// Classes of REST extensions in the order in which they are called.
    #[config(default = &[], validator = Validator::list_without_duplicates(true, false), group = "rest")]
    pub rest_extension_classes: Vec<String>,
    /// The addresses at which the admin part of REST (loggers) listens, as URLs. Not set: at the regular listeners.
    /// Empty: nowhere.
    #[config(validator = Validator::list_without_duplicates(true, true), group = "rest")]
    pub admin_listeners: Option<Vec<String>>,

    /// The name of the Connect cluster: workers with the same name share connectors and tasks.
    #[config(importance = High, group = "distributed")]
    pub group_id: String,
    /// How long a worker may be silent, in milliseconds, before the group's coordinator removes it and its work is
    /// given to others. The brokers bound it by group.min.session.timeout.ms and group.max.session.timeout.ms.
    #[config(default = 10000, importance = High, group = "distributed")]
    pub session_timeout_ms: i32,
    /// How long workers may take to join again when the group rebalances, in milliseconds.
    #[config(default = 60000, importance = High, group = "distributed")]
    pub rebalance_timeout_ms: i32,
    /// How often the worker tells the coordinator that it is alive, in milliseconds. At most a third of
    /// session.timeout.ms.
    #[config(default = 3000, importance = High, group = "distributed")]
    pub heartbeat_interval_ms: i32,
    /// Whether source records and their offsets are written in transactions, so that each record is delivered exactly
    /// once. To turn it on in a running cluster, first set all workers to `preparing`, then to `enabled`.
    #[config(
        default = "disabled",
        validator = Validator::one_of_ignore_case(&["disabled", "enabled", "preparing"]),
        importance = High,
        group = "distributed"
    )]
    pub exactly_once_source_support: String,
    /// How old metadata of topics may get, in milliseconds, before it is fetched again.
    #[config(default = 300000, validator = Validator::at_least(0), group = "distributed")]
    pub metadata_max_age_ms: i64,
    /// The name by which the worker's clients show up in the brokers' logs and quotas.
    #[config(default = "", group = "distributed")]
    pub client_id: String,
    /// The size of the TCP send buffer in bytes; -1 for the operating system's.
    #[config(default = 131072, validator = Validator::at_least(-1), importance = Medium, group = "distributed")]
    pub send_buffer_bytes: i32,
    /// The size of the TCP receive buffer in bytes; -1 for the operating system's.
    #[config(default = 32768, validator = Validator::at_least(-1), importance = Medium, group = "distributed")]
    pub receive_buffer_bytes: i32,
    /// How long to wait before connecting to a host again, in milliseconds, doubling up to reconnect.backoff.max.ms.
    #[config(default = 50, validator = Validator::at_least(0), group = "distributed")]
    pub reconnect_backoff_ms: i64,
    /// The longest wait before connecting to a host again, in milliseconds.
    #[config(default = 1000, validator = Validator::at_least(0), group = "distributed")]
    pub reconnect_backoff_max_ms: i64,
    /// How long setting up a connection may take, in milliseconds, growing up to
    /// socket.connection.setup.timeout.max.ms.
    #[config(default = 10000, validator = Validator::at_least(0), group = "distributed")]
    pub socket_connection_setup_timeout_ms: i64,
    /// The longest that setting up a connection may take, in milliseconds.
    #[config(default = 30000, validator = Validator::at_least(0), group = "distributed")]
    pub socket_connection_setup_timeout_max_ms: i64,
    /// How long to wait before a failed request is repeated, in milliseconds, growing up to retry.backoff.max.ms.
    #[config(default = 100, validator = Validator::at_least(0), group = "distributed")]
    pub retry_backoff_ms: i64,
    /// The longest wait before a failed request is repeated, in milliseconds.
    #[config(default = 1000, validator = Validator::at_least(0), group = "distributed")]
    pub retry_backoff_max_ms: i64,
    /// How long to wait for the answer to a request, in milliseconds.
    #[config(default = 40000, validator = Validator::at_least(0), importance = Medium, group = "distributed")]
    pub request_timeout_ms: i32,
    /// How long a connection may be idle, in milliseconds, before it is closed.
    #[config(default = 540000, importance = Medium, group = "distributed")]
    pub connections_max_idle_ms: i64,
    /// The protocol spoken with brokers: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    #[config(
        default = "PLAINTEXT",
        validator = Validator::one_of_ignore_case(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"]),
        importance = Medium,
        group = "distributed"
    )]
    pub security_protocol: String,
    /// The settings of authentication by SASL.
    #[config(flatten)]
    pub sasl: SaslKeys,
    /// How long the worker tries to catch up with the config topic when it is behind the others, in milliseconds,
    /// before it leaves the group for worker.unsync.backoff.ms.
    #[config(default = 3000, importance = Medium, group = "distributed")]
    pub worker_sync_timeout_ms: i32,
    /// How long the worker stays away from the group, in milliseconds, when it could not catch up with the config
    /// topic.
    #[config(default = 300000, importance = Medium, group = "distributed")]
    pub worker_unsync_backoff_ms: i32,
    /// The topic with the offsets of source connectors. Other topic settings may be given as `offset.storage.*`.
    #[config(importance = High, group = "distributed")]
    pub offset_storage_topic: String,
    /// The number of partitions of the offset topic when it is created; -1 for the broker's default.
    #[config(default = 25, validator = super::topic::partitions(), group = "distributed")]
    pub offset_storage_partitions: i32,
    /// The replication factor of the offset topic when it is created; -1 for the broker's default.
    #[config(default = 3, validator = super::topic::replication_factor(), group = "distributed")]
    pub offset_storage_replication_factor: i16,
    /// The topic with the configs of connectors. Other topic settings may be given as `config.storage.*`.
    #[config(importance = High, group = "distributed")]
    pub config_storage_topic: String,
    /// The replication factor of the config topic when it is created; -1 for the broker's default.
    #[config(default = 3, validator = super::topic::replication_factor(), group = "distributed")]
    pub config_storage_replication_factor: i16,
    /// The topic with the states of connectors and tasks. Other topic settings may be given as `status.storage.*`.
    #[config(importance = High, group = "distributed")]
    pub status_storage_topic: String,
    /// The number of partitions of the status topic when it is created; -1 for the broker's default.
    #[config(default = 5, validator = super::topic::partitions(), group = "distributed")]
    pub status_storage_partitions: i32,
    /// The replication factor of the status topic when it is created; -1 for the broker's default.
    #[config(default = 3, validator = super::topic::replication_factor(), group = "distributed")]
    pub status_storage_replication_factor: i16,
    /// The newest version of the group protocol that the worker speaks: `eager`, `compatible` or `sessioned`.
    #[config(default = "sessioned", validator = super::distributed::connect_protocol(), group = "distributed")]
    pub connect_protocol: String,
    /// How long to wait for a departed worker to return, in milliseconds, before its connectors and tasks are given to
    /// others. They do not run meanwhile.
    #[config(default = 300000, validator = Validator::between(0, i32::MAX), group = "distributed")]
    pub scheduled_rebalance_max_delay_ms: i32,
    /// How long a key for signing requests between workers is used, in milliseconds.
    #[config(default = 3600000, validator = Validator::between(0, i32::MAX), group = "distributed")]
    pub inter_worker_key_ttl_ms: i32,
    /// The algorithm that makes keys for signing requests between workers.
    #[config(default = "HmacSHA256", validator = super::distributed::key_algorithm(), group = "distributed")]
    pub inter_worker_key_generation_algorithm: String,
    /// The size of keys for signing requests between workers, in bits. Not set: the algorithm's own.
    #[config(group = "distributed")]
    pub inter_worker_key_size: Option<i32>,
    /// The algorithm that signs requests between workers.
    #[config(default = "HmacSHA256", validator = super::distributed::signature_algorithm(), group = "distributed")]
    pub inter_worker_signature_algorithm: String,
    /// The algorithms that are accepted in signed requests of other workers. They must include
    /// inter.worker.signature.algorithm.
    #[config(
        default = &["HmacSHA256"],
        validator = super::distributed::verification_algorithms(),
        group = "distributed"
    )]
    pub inter_worker_verification_algorithms: Vec<String>,
    /// What to do when no known broker can be reached: `none`, or `rebootstrap` to begin again with bootstrap.servers.
    #[config(
        default = "rebootstrap",
        validator = Validator::one_of_ignore_case(&["REBOOTSTRAP", "NONE"]),
        group = "distributed"
    )]
    pub metadata_recovery_strategy: String,
    /// How long metadata may be out of reach, in milliseconds, before the worker begins again with bootstrap.servers.
    #[config(default = 300000, validator = Validator::at_least(0), group = "distributed")]
    pub metadata_recovery_rebootstrap_trigger_ms: i64,

    /// The file with the offsets of source connectors.
    #[config(importance = High, group = "standalone")]
    pub offset_storage_file_filename: String,

    /// The properties as they were read, placeholders not resolved.
    #[config(raw)]
    pub raw: RawConfig,
}

impl WorkerConfig {
    /// The keys of a distributed worker.
    pub fn distributed_def() -> ConfigDef {
        Self::def().filtered(|key| key.group.as_deref() != Some("standalone"))
    }

    /// The keys of a standalone worker.
    pub fn standalone_def() -> ConfigDef {
        let distributed = ["distributed", "sasl"];
        Self::def().filtered(|key| !distributed.contains(&key.group.as_deref().unwrap_or_default()))
    }
}
