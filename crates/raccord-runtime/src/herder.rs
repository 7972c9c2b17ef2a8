//! What REST, the console and the command line may ask of a worker, with Connect's terms and outcomes.

use std::fmt;

use async_trait::async_trait;
use indexmap::IndexMap;
use raccord_plugin::{OffsetMap, Plugin, RawConfig};

use crate::metrics::Family;

/// Why a request cannot be answered with success. The numbers are HTTP's, which Connect's REST answers use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HerderError {
    /// 400, 403, 404, 409, 500 or 503.
    pub status: u16,
    /// The text of the `message` field, worded as Connect words it.
    pub message: String,
}

impl HerderError {
    /// An error with that status. What config providers gave is taken out of the message.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message: crate::redaction::redact(&message).into_owned() }
    }
}

impl fmt::Display for HerderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HerderError {}

/// Short for a result with [`HerderError`].
pub type HerderResult<T> = Result<T, HerderError>;

/// What a connector should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Run.
    Started,
    /// Keep tasks, move nothing.
    Paused,
    /// Have no tasks.
    Stopped,
}

/// `type` of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorType {
    /// Source.
    Source,
    /// Sink.
    Sink,
    /// Its class is not known.
    Unknown,
}

/// A task's identity in REST answers: `{"connector":…,"task":…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// Connector name.
    pub connector: String,
    /// Task number.
    pub task: u32,
}

/// `GET /connectors/{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorInfo {
    /// Name.
    pub name: String,
    /// Config as the user wrote it, placeholders not resolved, in the order in which Connect shows it.
    pub config: RawConfig,
    /// Tasks in order.
    pub tasks: Vec<TaskRef>,
    /// Kind.
    pub kind: ConnectorType,
}

/// State of a connector or task as the status topic has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// `RUNNING`, `PAUSED`, `STOPPED`, `FAILED`, `UNASSIGNED` or `RESTARTING`.
    pub state: String,
    /// `host:port` of the worker.
    pub worker_id: String,
    /// Why it failed.
    pub trace: Option<String>,
    /// Version of the plugin, when known.
    pub version: Option<String>,
}

/// `GET /connectors/{name}/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorStatus {
    /// Name.
    pub name: String,
    /// The connector's own state.
    pub connector: StatusEntry,
    /// Tasks by number.
    pub tasks: Vec<(u32, StatusEntry)>,
    /// Kind.
    pub kind: ConnectorType,
}

/// One entry of `GET /connectors/{name}/offsets`. A sink's partition is `{kafka_topic, kafka_partition}`, its offset
/// `{kafka_offset}`.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetEntry {
    /// Source partition. `None` comes from users only: JSON's null, which most connectors refuse.
    pub partition: Option<OffsetMap>,
    /// Offset in it; `None` in a PATCH resets the partition.
    pub offset: Option<OffsetMap>,
}

/// A logger's level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    /// `INFO` and the like.
    pub level: String,
    /// Milliseconds since the epoch of the last change, if it was changed.
    pub last_modified: Option<i64>,
}

/// How far the worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Up.
    Healthy,
    /// Not yet up; the text says at which stage of starting it is.
    Starting(String),
    /// Up once, but not answering; the text says what it is doing.
    Unhealthy(String),
}

/// `GET /`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Version of the worker.
    pub version: String,
    /// Commit it was built from.
    pub commit: String,
    /// Id of the Kafka cluster.
    pub kafka_cluster_id: Option<String>,
}

/// A worker, as REST sees it. Methods may be called concurrently. Each gives the status and message that Connect's REST
/// answer has; a request that takes more than the caller's patience may be dropped at any await.
#[async_trait]
pub trait Herder: Send + Sync {
    /// `GET /`.
    async fn server_info(&self) -> HerderResult<ServerInfo>;
    /// `GET /health`.
    async fn health(&self) -> Health;
    /// `GET /metrics`: what this worker and its tasks count, by name.
    async fn metrics(&self) -> Vec<Family>;
    /// Names of all connectors in the order in which Connect lists them.
    async fn connectors(&self) -> HerderResult<Vec<String>>;
    /// `GET /connectors/{name}`.
    async fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo>;
    /// `GET /connectors/{name}/config`.
    async fn connector_config(&self, name: &str) -> HerderResult<RawConfig>;
    /// Validates and writes a config. `replace` false refuses an existing connector (POST). Says whether it is new.
    async fn put_connector(
        &self,
        name: &str,
        config: RawConfig,
        initial_state: Option<TargetState>,
        replace: bool,
    ) -> HerderResult<(bool, ConnectorInfo)>;
    /// Merges a patch (null removes a key), validates and writes.
    async fn patch_connector(&self, name: &str, patch: RawConfig) -> HerderResult<ConnectorInfo>;
    /// `DELETE /connectors/{name}`.
    async fn delete_connector(&self, name: &str) -> HerderResult<()>;
    /// `GET /connectors/{name}/status`.
    async fn connector_status(&self, name: &str) -> HerderResult<ConnectorStatus>;
    /// `GET /connectors/{name}/tasks`.
    async fn task_configs(&self, name: &str) -> HerderResult<Vec<(TaskRef, RawConfig)>>;
    /// `GET /connectors/{name}/tasks/{task}/status`.
    async fn task_status(&self, name: &str, task: u32) -> HerderResult<StatusEntry>;
    /// `POST /connectors/{name}/tasks/{task}/restart`.
    async fn restart_task(&self, name: &str, task: u32) -> HerderResult<()>;
    /// Restarts the connector instance only.
    async fn restart_connector(&self, name: &str) -> HerderResult<()>;
    /// `POST /connectors/{name}/restart` with a flag set; answers the planned states.
    async fn restart_connector_and_tasks(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> HerderResult<ConnectorStatus>;
    /// Pause, resume or stop.
    async fn set_target_state(&self, name: &str, state: TargetState) -> HerderResult<()>;
    /// `GET /connectors/{name}/offsets`.
    async fn offsets(&self, name: &str) -> HerderResult<Vec<OffsetEntry>>;
    /// `PATCH /connectors/{name}/offsets`; the message of success.
    async fn alter_offsets(&self, name: &str, offsets: Vec<OffsetEntry>) -> HerderResult<String>;
    /// `DELETE /connectors/{name}/offsets`; the message of success.
    async fn reset_offsets(&self, name: &str) -> HerderResult<String>;
    /// `GET /connectors/{name}/topics`.
    async fn topics(&self, name: &str) -> HerderResult<Vec<String>>;
    /// `PUT /connectors/{name}/topics/reset`.
    async fn reset_topics(&self, name: &str) -> HerderResult<()>;
    /// All plugins.
    fn plugins(&self) -> &'static [Plugin];
    /// The JSON of `GET /connector-plugins/{plugin}/config`.
    async fn plugin_config(&self, plugin: &str, version: Option<&str>) -> HerderResult<serde_json::Value>;
    /// The JSON of `PUT /connector-plugins/{plugin}/config/validate`.
    async fn validate(&self, plugin: &str, config: RawConfig) -> HerderResult<serde_json::Value>;
    /// All loggers with a level of their own.
    async fn loggers(&self) -> HerderResult<IndexMap<String, LoggerLevel>>;
    /// One logger.
    async fn logger(&self, name: &str) -> HerderResult<LoggerLevel>;
    /// Sets a level on this worker; the loggers that changed.
    async fn set_logger(&self, name: &str, level: &str) -> HerderResult<Vec<String>>;
    /// Sets a level on all workers.
    async fn set_logger_cluster(&self, name: &str, level: &str) -> HerderResult<()>;
}
