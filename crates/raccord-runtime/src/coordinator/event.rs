//! What goes into the coordinator and what comes out.

use std::sync::Arc;

use raccord_plugin::RawConfig;

use crate::config_log::codec::Record;
use crate::group::{GroupEvent, GroupView};
use crate::herder::{
    ConnectorInfo, ConnectorStatus, HerderResult, OffsetEntry, StatusEntry, TargetState, TaskRef,
};
use crate::ports::LogRecord;
use crate::status_log::StatusWrite;
use crate::task::{TaskId, TaskTarget};

/// Names a request until it is answered.
pub type RequestId = u64;

/// Tells instances of the same connector or task apart: what a stopped one says late is not heard.
pub type Epoch = u64;

/// What REST asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Answers at once: the coordinator is alive.
    Ping,
    /// Names of all connectors.
    Connectors,
    /// A connector's config, kind and tasks.
    Info(String),
    /// A connector's state.
    Status(String),
    /// Configs of a connector's tasks.
    Tasks(String),
    /// A task's state.
    TaskStatus(TaskId),
    /// Topics that a connector has used.
    Topics(String),
    /// Forgets them.
    ResetTopics(String),
    /// Writes a connector's config, which has been validated.
    Put {
        /// Connector name.
        name: String,
        /// Its config in the user's order.
        config: RawConfig,
        /// What it should do at first.
        initial_state: Option<TargetState>,
        /// Whether an existing connector may be changed.
        replace: bool,
    },
    /// Removes a connector.
    Delete(String),
    /// Pause, resume or stop.
    SetTarget(String, TargetState),
    /// Restarts a task.
    RestartTask(TaskId),
    /// Restarts the connector instance only.
    RestartConnector(String),
    /// Restarts by plan.
    Restart {
        /// Connector name.
        name: String,
        /// Tasks, too.
        include_tasks: bool,
        /// Only what has failed.
        only_failed: bool,
    },
    /// Writes or, with `None`, deletes offsets of a stopped connector.
    ModifyOffsets(String, Option<Vec<OffsetEntry>>),
    /// Sets a logger's level on all workers.
    SetLogger(String, String),
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// To [`Request::Connectors`].
    Connectors(Vec<String>),
    /// To [`Request::Info`].
    Info(ConnectorInfo),
    /// To [`Request::Put`]; whether the connector is new.
    Put(bool, ConnectorInfo),
    /// To [`Request::Status`] and [`Request::Restart`].
    Status(ConnectorStatus),
    /// To [`Request::Tasks`].
    Tasks(Vec<(TaskRef, RawConfig)>),
    /// To [`Request::TaskStatus`].
    TaskStatus(StatusEntry),
    /// To [`Request::Topics`].
    Topics(Vec<String>),
    /// To [`Request::ModifyOffsets`].
    Message(String),
}

/// What a connector instance says.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectorEvent {
    /// It has reached this state.
    Reached(TargetState),
    /// It failed; the text is the trace. It waits to be stopped.
    Failed(String),
    /// The task configs that [`Effect::GenerateTasks`] asked for, with the connector's config as it was resolved.
    Generated {
        /// One config for each task, placeholders resolved.
        tasks: Vec<RawConfig>,
        /// The connector's config, placeholders resolved.
        resolved: RawConfig,
    },
    /// Generating failed and may be tried again.
    NotGenerated(String),
    /// It asks for its tasks to be generated again.
    ReconfigurationRequested,
    /// It has stopped. Nothing else follows.
    Stopped,
}

/// What a task instance says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskNews {
    /// Moves records.
    Running,
    /// Has paused.
    Paused,
    /// Failed; the text is the trace. Nothing else follows.
    Failed(String),
    /// Could not be made of its config; the text is the trace. Nothing else follows.
    NotMade(String),
    /// Has stopped. Nothing else follows.
    Stopped,
    /// Used a topic for the first time.
    Topic(Arc<str>),
}

/// What happens to the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// REST asks.
    Request(RequestId, Request),
    /// Nobody waits for the answer any more.
    Abandoned(RequestId),
    /// Records of the config topic, in order.
    Config(Vec<LogRecord>),
    /// Records of the status topic.
    Status(Vec<LogRecord>),
    /// Both topics have been read to the end for the first time.
    CaughtUp,
    /// [`Effect::WriteConfig`] or [`Effect::ReadConfig`] has been carried out, and everything in the topic up to there
    /// has been passed as [`Event::Config`]; or it failed, and what was written may or may not be in the topic.
    ConfigDone(Result<(), String>),
    /// This status, and all before it for the same key, has been read back.
    StatusSettled(crate::status_log::StatusKey, u64),
    /// News of the group.
    Group(GroupEvent),
    /// News of a connector instance.
    Connector(String, Epoch, ConnectorEvent),
    /// News of a task instance.
    Task(TaskId, Epoch, TaskNews),
    /// A time has come; see [`super::Coordinator::deadline`].
    Tick,
    /// Stop everything and end.
    Shutdown,
}

/// What the coordinator wants done. None of it is waited for: what comes of it comes as events.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answers a request; each is answered once.
    Answer(RequestId, HerderResult<Answer>),
    /// Appends records to the config topic, all or nothing as far as possible, and reads to the end. One at a time.
    WriteConfig(Vec<Record>),
    /// Reads the config topic to the end. Counts as a write: one at a time.
    ReadConfig,
    /// Writes a status; the newest of a key wins.
    WriteStatus(StatusWrite),
    /// Makes an instance of a connector and brings it to the state.
    StartConnector {
        /// Connector name.
        name: String,
        /// Of the new instance.
        epoch: Epoch,
        /// As it stands in the topic.
        config: Arc<RawConfig>,
        /// What it should do.
        target: TargetState,
    },
    /// Brings a connector instance to another state.
    SetConnectorTarget(String, Epoch, TargetState),
    /// Asks a connector instance for the configs of its tasks.
    GenerateTasks(String, Epoch),
    /// Stops a connector instance.
    StopConnector(String, Epoch),
    /// Takes no more notice of a connector instance that did not stop in time.
    AbandonConnector(String, Epoch),
    /// Starts a task.
    StartTask {
        /// The task.
        id: TaskId,
        /// Of the new instance.
        epoch: Epoch,
        /// The connector's config as it stands in the topic.
        connector_config: Arc<RawConfig>,
        /// The task's config as it stands in the topic.
        task_config: Arc<RawConfig>,
        /// How many tasks the connector has.
        tasks: u32,
        /// What it should do.
        target: TaskTarget,
    },
    /// Pauses or resumes a task.
    SetTaskTarget(TaskId, Epoch, TaskTarget),
    /// Has a task tell again of the topics that it uses.
    ForgetTopics(TaskId, Epoch),
    /// Stops a task.
    StopTask(TaskId, Epoch),
    /// Takes no more notice of a task that did not stop in time.
    AbandonTask(TaskId, Epoch),
    /// Joins the group, or joins it again.
    Join(GroupView),
    /// What the group took away has stopped.
    RevocationDone,
    /// Writes or deletes the offsets of a stopped connector and answers the request.
    ModifyOffsets {
        /// The request to answer.
        request: RequestId,
        /// Connector name.
        name: String,
        /// Its config as it stands in the topic.
        config: Arc<RawConfig>,
        /// `None` deletes all.
        offsets: Option<Vec<OffsetEntry>>,
    },
    /// Sets a logger's level on this worker.
    SetLogger(String, String),
    /// Everything has stopped after [`Event::Shutdown`].
    Ended,
}
