//! A task instance: prepares what [`crate::task::spawn`] needs and passes orders and news on.

use std::sync::Arc;

use raccord_plugin::{Error, Make, RawConfig, Result};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::connector::check_tasks_max;
use super::open::Opened;
use super::run::Mail;
use super::{Shared, offsets, resolve};
use crate::coordinator::{Epoch, TaskNews};
use crate::metrics::Moves;
use crate::offset_log::NoOffsets;
use crate::plugins;
use crate::redaction::redact;
use crate::task::{self, OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget};

/// News of one task on their way to the coordinator.
const EVENTS_MAX: usize = 16;

/// What to start.
pub struct Start {
    pub id: TaskId,
    pub epoch: Epoch,
    pub connector_config: Arc<RawConfig>,
    pub task_config: Arc<RawConfig>,
    /// How many tasks the connector has.
    pub tasks: u32,
    pub target: TaskTarget,
}

/// A running instance.
pub struct TaskRunner {
    target: watch::Sender<TaskTarget>,
    forget: Arc<Notify>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl TaskRunner {
    pub fn set_target(&self, target: TaskTarget) {
        self.target.send_replace(target);
    }

    pub fn forget_topics(&self) {
        self.forget.notify_one();
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub fn abandon(&self) {
        self.abandon.cancel();
    }
}

/// Starts a task.
pub fn start(shared: Arc<Shared>, opened: Arc<Opened>, start: Start, mail: mpsc::Sender<Mail>) -> TaskRunner {
    let (target, targets) = watch::channel(start.target);
    let runner = TaskRunner {
        target,
        forget: Arc::default(),
        stop: CancellationToken::new(),
        abandon: CancellationToken::new(),
    };
    let orders = Orders {
        targets,
        forget: runner.forget.clone(),
        stop: runner.stop.clone(),
        abandon: runner.abandon.clone(),
    };
    tokio::spawn(async move {
        let teller = Teller { id: start.id.clone(), epoch: start.epoch, mail };
        let (events, mut news) = mpsc::channel(EVENTS_MAX);
        let prepared = tokio::select! {
            prepared = prepare(&shared, &opened, start, events) => prepared,
            () = orders.stop.cancelled() => return teller.tell(TaskNews::Stopped).await,
        };
        let spec = match prepared {
            Ok(spec) => spec,
            Err(error) => {
                tracing::error!(trace = error.trace(), "Failed to start task {}", teller.id);
                return teller.tell(TaskNews::NotMade(redact(&error.trace()).into_owned())).await;
            }
        };
        attend(spec, orders, &mut news, &teller).await;
    });
    runner
}

/// The other end of a [`TaskRunner`].
struct Orders {
    targets: watch::Receiver<TaskTarget>,
    forget: Arc<Notify>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

struct Teller {
    id: TaskId,
    epoch: Epoch,
    mail: mpsc::Sender<Mail>,
}

impl Teller {
    async fn tell(&self, news: TaskNews) {
        // The worker may have ended.
        let _ = self.mail.send(Mail::Task(self.id.clone(), self.epoch, news)).await;
    }
}

async fn attend(
    mut spec: TaskSpec,
    mut orders: Orders,
    news: &mut mpsc::Receiver<(TaskId, TaskEvent)>,
    teller: &Teller,
) {
    spec.target = *orders.targets.borrow_and_update();
    let handle = task::spawn(spec);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            event = news.recv() => {
                let (said, last) = translate(event.map(|(_, event)| event));
                teller.tell(said).await;
                if last {
                    return;
                }
            }
            () = orders.abandon.cancelled() => {
                handle.abandon();
                return;
            }
            () = orders.stop.cancelled(), if !stopping => {
                stopping = true;
                handle.stop();
            }
            () = orders.forget.notified() => handle.forget_topics(),
            changed = orders.targets.changed(), if !stopping => {
                if changed.is_ok() {
                    handle.set_target(*orders.targets.borrow_and_update());
                } else {
                    stopping = true;
                    handle.stop();
                }
            }
        }
    }
}

/// What to tell, and whether nothing else follows.
fn translate(event: Option<TaskEvent>) -> (TaskNews, bool) {
    match event {
        Some(TaskEvent::Running) => (TaskNews::Running, false),
        Some(TaskEvent::Paused) => (TaskNews::Paused, false),
        Some(TaskEvent::Topic(topic)) => (TaskNews::Topic(topic), false),
        Some(TaskEvent::Failed(error)) => (TaskNews::Failed(redact(&error.trace()).into_owned()), true),
        Some(TaskEvent::NotMade(error)) => (TaskNews::NotMade(redact(&error.trace()).into_owned()), true),
        Some(TaskEvent::Stopped) | None => (TaskNews::Stopped, true),
    }
}

async fn prepare(
    shared: &Arc<Shared>,
    opened: &Arc<Opened>,
    start: Start,
    events: mpsc::Sender<(TaskId, TaskEvent)>,
) -> Result<TaskSpec> {
    let connector_config = resolve(shared, &start.connector_config)?.config;
    let task_config = resolve(shared, &start.task_config)?.config;
    let plugin = plugins::expect_connector(shared.plugins, &connector_config)?;
    let name = start.id.connector.clone();
    check_tasks_max(&name, &connector_config, start.tasks as usize)?;
    let (offsets, moves): (Arc<dyn OffsetStore>, _) = match plugin.make {
        Make::Source { .. } => {
            let store = offsets::store(shared, opened, &name, &connector_config).await?;
            (Arc::new(store), Moves::FromSource)
        }
        Make::Sink { .. } => (Arc::new(NoOffsets), Moves::ToSink),
        _ => return Err(Error::config(format!("{} is no connector", plugin.class))),
    };
    Ok(TaskSpec {
        metrics: shared.metrics.begin(&start.id, moves),
        id: start.id,
        plugin,
        plugins: shared.plugins,
        connector_config,
        task_config,
        worker: shared.config.clone(),
        kafka: shared.kafka.clone(),
        offsets,
        target: start.target,
        events,
    })
}
