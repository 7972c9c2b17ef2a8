//! What a broker can be told, and what can go wrong before it listens.

use std::io;
use std::path::PathBuf;

/// Settings of one broker. `Default` gives a broker for one machine: 127.0.0.1:9092, data under `./kafka-data`.
///
/// The topic defaults (`num_partitions`, `log_*`, `message_max_bytes`) are Kafka's broker-level settings of the same
/// name; a topic's own configuration wins over them.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one (see [`BrokerHandle::local_addr`](crate::BrokerHandle::local_addr)).
    pub port: u16,
    /// Host that clients are told to connect to. `None` advertises `host`, or `localhost` when `host` is a wildcard.
    pub advertised_host: Option<String>,
    /// Port that clients are told to connect to. `None` advertises the port that is really listened on.
    pub advertised_port: Option<u16>,
    /// Folder of all logs and metadata. Created when absent; one broker at a time.
    pub data_dir: PathBuf,
    /// `node.id` shown to clients.
    pub node_id: i32,
    /// `num.partitions`: partitions of an auto-created topic.
    pub num_partitions: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `log.retention.ms`; -1 keeps records forever.
    pub log_retention_ms: i64,
    /// `log.retention.bytes` per partition; -1 is unlimited.
    pub log_retention_bytes: i64,
    /// `log.segment.bytes`.
    pub log_segment_bytes: i32,
    /// `log.retention.check.interval.ms`: how often retention and compaction look at the logs.
    pub retention_check_interval_ms: u64,
    /// `message.max.bytes`: largest record batch accepted.
    pub message_max_bytes: i32,
    /// `socket.request.max.bytes`: largest request frame accepted.
    pub request_max_bytes: usize,
    /// Bytes of requests being read or handled, over all connections; readers wait when it is used up.
    pub max_in_flight_bytes: usize,
    /// Open connections; more are closed at once.
    pub max_connections: usize,
    /// `connections.max.idle.ms`: a connection without a request for so long is closed.
    pub connection_idle_ms: u64,
    /// A frame that has begun must be complete within this time, and a reader must take some of its answer.
    pub frame_timeout_ms: u64,
    /// Largest answer to one Fetch, whatever the client allows (`fetch.max.bytes`).
    pub fetch_max_bytes: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay_ms: u64,
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout_ms: u64,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout_ms: u64,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_partitions: i32,
    /// `transaction.state.log.num.partitions`.
    pub transaction_topic_partitions: i32,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout_ms: u64,
    /// Most topics times partitions this broker keeps.
    pub max_partitions: usize,
    /// Threads of the broker's own runtime; `None` takes the number of cores, at most 4.
    pub threads: Option<usize>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        BrokerConfig {
            host: "127.0.0.1".to_string(),
            port: 9092,
            advertised_host: None,
            advertised_port: None,
            data_dir: PathBuf::from("kafka-data"),
            node_id: 1,
            num_partitions: 1,
            auto_create_topics: true,
            log_retention_ms: 7 * 24 * 3600 * 1000,
            log_retention_bytes: -1,
            log_segment_bytes: 1 << 30,
            retention_check_interval_ms: 30_000,
            message_max_bytes: 1_048_588,
            request_max_bytes: 100 << 20,
            max_in_flight_bytes: 256 << 20,
            max_connections: 2_000,
            connection_idle_ms: 600_000,
            frame_timeout_ms: 60_000,
            fetch_max_bytes: 55 << 20,
            group_initial_rebalance_delay_ms: 0,
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            offsets_topic_partitions: 1,
            transaction_topic_partitions: 1,
            transaction_max_timeout_ms: 900_000,
            max_partitions: 10_000,
            threads: None,
        }
    }
}

/// Why a broker did not start. Every message names the thing and the remedy on one line.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another process listens on the port.
    #[error(
        "port {port} on {host} is in use by another program: stop it, or choose another port for the broker"
    )]
    PortInUse {
        /// Host asked for.
        host: String,
        /// Port asked for.
        port: u16,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {host}:{port} ({source}): check the broker's host and port")]
    Listen {
        /// Host asked for.
        host: String,
        /// Port asked for.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// Another broker holds the folder's lock.
    #[error(
        "data folder {path} is in use by another broker: stop that one, or give this one a folder of its own"
    )]
    DataDirLocked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be created or written.
    #[error(
        "data folder {path} cannot be used ({source}): choose a folder that this user can create and write"
    )]
    DataDir {
        /// The folder or file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A metadata file does not have the form this broker writes.
    #[error(
        "{path} is damaged ({reason}): restore it from a copy, or move the data folder away and start with an empty one"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A setting has a value that cannot work.
    #[error("broker setting {name} cannot be {value}: {reason}")]
    Setting {
        /// Field of [`BrokerConfig`].
        name: &'static str,
        /// The value given.
        value: String,
        /// What it must be.
        reason: &'static str,
    },
    /// The system refused threads.
    #[error("cannot start the broker's threads ({0}): raise the limit of processes of this user")]
    Threads(io::Error),
}
