//! Starting, pausing and stopping a task: what the coordinator's shell uses of the source and sink loops.
//!
//! [`spawn`] starts a task; the [`TaskHandle`] tells it what to do and waits for its end; what happens to it comes back as
//! [`TaskEvent`]s. A panic in a plugin ends this one task as FAILED and nothing else.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use raccord_plugin::{Error, Make, OffsetReader, Plugin, RawConfig, Result, SourceOffset};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::WorkerConfig;
use crate::metrics::TaskMetrics;
use crate::ports::Kafka;

/// A task's identity: `<connector>-<task>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Connector name.
    pub connector: Arc<str>,
    /// Task number.
    pub task: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// Whether a task should move records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskTarget {
    /// Move records.
    Started,
    /// Keep everything, move nothing.
    Paused,
}

/// Stores source offsets, one implementation over the offsets topic and one over a file.
#[async_trait::async_trait]
pub trait OffsetStore: OffsetReader {
    /// Writes the offsets and waits until they are durable.
    ///
    /// # Errors
    /// Retriable when they may not be durable; the same or later offsets are written again at the next interval.
    async fn write(&self, offsets: Vec<SourceOffset>) -> raccord_plugin::Result<()>;
}

/// All that a task needs.
pub struct TaskSpec {
    /// Its identity.
    pub id: TaskId,
    /// The connector's plugin.
    pub plugin: &'static Plugin,
    /// All plugins, to find converters, header converters, transforms and predicates.
    pub plugins: &'static [Plugin],
    /// The connector's config, placeholders resolved.
    pub connector_config: RawConfig,
    /// The task's config, placeholders resolved.
    pub task_config: RawConfig,
    /// The worker's config.
    pub worker: Arc<WorkerConfig>,
    /// Makes clients.
    pub kafka: Arc<dyn Kafka>,
    /// This connector's offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// Counts what it does, and keeps what its plugin counts.
    pub metrics: TaskMetrics,
    /// What it should do first.
    pub target: TaskTarget,
    /// Tells the herder; the sender of the channel it listens to. Bounded; a task waits when the herder is behind.
    pub events: mpsc::Sender<(TaskId, TaskEvent)>,
}

/// What a task tells the herder.
#[derive(Debug)]
pub enum TaskEvent {
    /// It has opened, or was resumed, and moves records.
    Running,
    /// It has paused.
    Paused,
    /// It failed; clients and plugin are closed already. Nothing else follows.
    Failed(Error),
    /// It could not be made of its config: a plugin, a converter, a transform or a client refused it. Nothing else follows.
    NotMade(Error),
    /// It stopped because it was told to. Nothing else follows.
    Stopped,
    /// A record went to or came from this topic for the first time (`topic.tracking`).
    Topic(Arc<str>),
}

/// A running task. Dropping the handle leaves the task running.
#[derive(Debug)]
pub struct TaskHandle {
    id: TaskId,
    orders: watch::Sender<Orders>,
    cancel: CancellationToken,
    silenced: Arc<AtomicBool>,
    join: JoinHandle<()>,
}

impl TaskHandle {
    /// The task's identity.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Pauses or resumes the task. It answers with [`TaskEvent::Paused`] or [`TaskEvent::Running`].
    pub fn set_target(&self, target: TaskTarget) {
        self.orders.send_if_modified(|orders| std::mem::replace(&mut orders.target, target) != target);
    }

    /// Has the task tell again of the topics that it uses from now on, as [`TaskEvent::Topic`].
    pub fn forget_topics(&self) {
        self.orders.send_modify(|orders| orders.topics_forgotten += 1);
    }

    /// Asks the task to stop; returns at once. Offsets are committed, plugin and clients closed; then comes
    /// [`TaskEvent::Stopped`], or [`TaskEvent::Failed`] for a task that was failing already.
    pub fn stop(&self) {
        self.orders.send_if_modified(|orders| !std::mem::replace(&mut orders.stopping, true));
        self.cancel.cancel();
    }

    /// Waits until the task has ended. Cancel-safe: to bound the wait, put a timeout around it and
    /// [`abandon`](Self::abandon) the task after that.
    pub async fn ended(&mut self) {
        if !self.join.is_finished() {
            // The only other outcome is that the task was aborted, which is an end as well.
            let _ = (&mut self.join).await;
        }
    }

    /// Whether the task has ended.
    pub fn has_ended(&self) -> bool {
        self.join.is_finished()
    }

    /// Gives up a task that did not stop in time: nothing more is heard of it, no offsets of it are committed any more,
    /// and it ends at its next wait.
    pub fn abandon(self) {
        warn!(task = %self.id, "Graceful stop of the task failed; it is abandoned");
        self.silenced.store(true, Ordering::Release);
        self.stop();
        self.join.abort();
    }
}

#[derive(Clone, Copy, Debug)]
struct Orders {
    target: TaskTarget,
    stopping: bool,
    /// How many times the topics in use were forgotten.
    topics_forgotten: u64,
}

/// What a loop sees of its handle.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    id: TaskId,
    orders: watch::Receiver<Orders>,
    cancel: CancellationToken,
    silenced: Arc<AtomicBool>,
    events: mpsc::Sender<(TaskId, TaskEvent)>,
    made: bool,
}

impl Lifecycle {
    /// Notes that the task was made of its config: what fails from now on is the task itself.
    pub(crate) fn made(&mut self) {
        self.made = true;
    }

    /// Whether the task is to stop.
    pub(crate) fn stopping(&self) -> bool {
        // The handle being gone is no order: the task goes on.
        self.orders.borrow().stopping
    }

    /// Whether the task is to move no records.
    pub(crate) fn paused(&self) -> bool {
        self.orders.borrow().target == TaskTarget::Paused
    }

    /// How many times the topics in use were forgotten.
    pub(crate) fn topics_forgotten(&self) -> u64 {
        self.orders.borrow().topics_forgotten
    }

    /// Waits for a new order. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the task is to stop or, when it is paused, to go on.
    pub(crate) async fn resumed(&mut self) {
        while self.paused() && !self.stopping() {
            self.changed().await;
        }
    }

    /// Waits until the task is to stop. Cancel-safe.
    pub(crate) async fn stop_requested(&self) {
        self.cancel.cancelled().await;
    }

    /// What plugins watch.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Whether the task was abandoned.
    pub(crate) fn abandoned(&self) -> bool {
        self.silenced.load(Ordering::Acquire)
    }

    /// Tells the herder, waiting while it is behind.
    pub(crate) async fn tell(&self, event: TaskEvent) {
        if !self.abandoned() {
            // A herder that is gone needs no news.
            let _ = self.events.send((self.id.clone(), event)).await;
        }
    }
}

/// Starts a task. It opens its clients and its plugin by itself and tells the herder how that went. A task whose target is
/// paused opens nothing before it is resumed, as in Connect.
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn(spec: TaskSpec) -> TaskHandle {
    let (orders, receiver) =
        watch::channel(Orders { target: spec.target, stopping: false, topics_forgotten: 0 });
    let cancel = CancellationToken::new();
    let silenced = Arc::new(AtomicBool::new(false));
    let id = spec.id.clone();
    let lifecycle = Lifecycle {
        id: id.clone(),
        orders: receiver,
        cancel: cancel.clone(),
        silenced: silenced.clone(),
        events: spec.events.clone(),
        made: false,
    };
    let join = tokio::spawn(run(spec, lifecycle));
    TaskHandle { id, orders, cancel, silenced, join }
}

async fn run(spec: TaskSpec, mut lifecycle: Lifecycle) {
    let id = spec.id.clone();
    if lifecycle.paused() {
        lifecycle.tell(TaskEvent::Paused).await;
        lifecycle.resumed().await;
    }
    let outcome = if lifecycle.stopping() {
        Ok(())
    } else {
        match spec.plugin.make {
            // Boxed: once for a task, and larger than others' stacks should have to hold.
            Make::Source { task, .. } => {
                Box::pin(catch_panic(crate::source::run(spec, task, &mut lifecycle))).await
            }
            Make::Sink { task, .. } => {
                Box::pin(catch_panic(crate::sink::run(spec, task, &mut lifecycle))).await
            }
            _ => Err(Error::config(format!("{} is no connector", spec.plugin.class))),
        }
    };
    let event = match outcome {
        Ok(()) => {
            info!(task = %id, "stopped");
            TaskEvent::Stopped
        }
        Err(error) if lifecycle.stopping() => {
            warn!(task = %id, trace = error.trace(), "After being scheduled for shutdown, the task failed");
            TaskEvent::Stopped
        }
        Err(error) => {
            error!(
                task = %id, trace = error.trace(),
                "Task threw an uncaught and unrecoverable exception. Task is being killed and will not recover until \
                 manually restarted"
            );
            if lifecycle.made { TaskEvent::Failed(error) } else { TaskEvent::NotMade(error) }
        }
    };
    lifecycle.tell(event).await;
}

/// A duration from a config's milliseconds; negative ones count as none.
pub(crate) fn millis(ms: impl Into<i64>) -> Duration {
    Duration::from_millis(u64::try_from(ms.into()).unwrap_or(0))
}

/// Runs plugin code, turning a panic into an error that fails the task.
pub(crate) async fn catch_panic<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let hint = "this is a defect of the connector, a converter or a transform; please report it";
    panic_as_error("the task", hint, work).await
}

/// Runs plugin code of a task or a connector; a panic becomes an error that says whose it was.
pub(crate) async fn panic_as_error<T>(
    whose: &str,
    hint: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no message".to_owned());
            Err(Error::fatal(format!("{whose} panicked: {text}")).hint(hint))
        }
    }
}
