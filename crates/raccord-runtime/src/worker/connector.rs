//! A connector instance: what Connect's WorkerConnector does, in a task of its own.
//!
//! Whatever the connector does, a panic included, concerns this connector only.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use raccord_plugin::{
    ConnectorContext, ConnectorEvents, Error, Make, OffsetReader, Plugin, RawConfig, Result, SinkConnector,
    SourceConnector,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::open::Opened;
use super::run::{Mail, request_id, until};
use super::{Shared, offsets, resolve};
use crate::config::Resolved;
use crate::connect_json::{copy_slots, java_copy, java_map_of};
use crate::coordinator::{ConnectorEvent, Epoch, Request};
use crate::herder::TargetState;
use crate::offset_log::NoOffsets;
use crate::plugins;
use crate::redaction::redact;
use crate::task::panic_as_error;
use crate::topic_creation::TopicGroups;

/// Orders wait for a connector that is busy; more than this means that it hangs, and it is stopped soon.
const ORDERS_MAX: usize = 64;

/// What to start.
pub struct Start {
    pub name: String,
    pub epoch: Epoch,
    pub config: Arc<RawConfig>,
    pub target: TargetState,
}

enum Order {
    Target(TargetState),
    Generate,
}

/// A running instance.
pub struct ConnectorHandle {
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    abort: AbortHandle,
}

impl ConnectorHandle {
    pub fn set_target(&self, target: TargetState) {
        self.order(Order::Target(target));
    }

    pub fn generate(&self) {
        self.order(Order::Generate);
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("a connector does not take orders; it hangs or has ended");
        }
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub fn abandon(&self) {
        self.abort.abort();
    }
}

/// Starts an instance.
pub fn start(
    shared: &Arc<Shared>,
    opened: &Arc<Opened>,
    start: Start,
    mail: mpsc::Sender<Mail>,
) -> ConnectorHandle {
    let (orders, received) = mpsc::channel(ORDERS_MAX);
    let stop = CancellationToken::new();
    let runner = Runner {
        wishes: Arc::new(Wishes::default()),
        name: start.name,
        epoch: start.epoch,
        raw: start.config,
        shared: shared.clone(),
        opened: opened.clone(),
        mail,
        instance: None,
        state: State::Initial,
        reload_at: None,
    };
    let running = tokio::spawn(runner.run(start.target, received, stop.clone()));
    ConnectorHandle { orders, stop, abort: running.abort_handle() }
}

/// What a connector asks for by itself.
#[derive(Default)]
struct Wishes {
    wake: Notify,
    reconfigure: std::sync::atomic::AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl ConnectorEvents for Wishes {
    fn request_task_reconfiguration(&self) {
        self.reconfigure.store(true, std::sync::atomic::Ordering::Release);
        self.wake.notify_one();
    }

    fn fail(&self, error: Error) {
        self.failure.lock().get_or_insert(error);
        self.wake.notify_one();
    }
}

enum Instance {
    Source(Box<dyn SourceConnector>),
    Sink(Box<dyn SinkConnector>),
}

impl Instance {
    fn new(plugin: &Plugin) -> Result<Self> {
        match plugin.make {
            Make::Source { connector, .. } => Ok(Self::Source(connector())),
            Make::Sink { connector, .. } => Ok(Self::Sink(connector())),
            _ => Err(Error::config(format!("{} is no connector", plugin.class))),
        }
    }

    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()> {
        match self {
            Self::Source(connector) => connector.start(context, config).await,
            Self::Sink(connector) => connector.start(context, config).await,
        }
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        match self {
            Self::Source(connector) => connector.task_configs(max_tasks),
            Self::Sink(connector) => connector.task_configs(max_tasks),
        }
    }

    async fn stop(&mut self) {
        match self {
            Self::Source(connector) => connector.stop().await,
            Self::Sink(connector) => connector.stop().await,
        }
    }
}

/// Of Connect's WorkerConnector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Initial,
    In(TargetState),
    Failed,
}

struct Running {
    instance: Instance,
    plugin: &'static Plugin,
    config: RawConfig,
}

struct Runner {
    name: String,
    epoch: Epoch,
    raw: Arc<RawConfig>,
    shared: Arc<Shared>,
    opened: Arc<Opened>,
    mail: mpsc::Sender<Mail>,
    wishes: Arc<Wishes>,
    instance: Option<Running>,
    state: State,
    /// When the connector is to be restarted because values of its config may be used no longer.
    reload_at: Option<Instant>,
}

impl Runner {
    async fn run(mut self, target: TargetState, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        self.transition(target).await;
        let wishes = self.wishes.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wishes.wake.notified() => self.on_wishes().await,
                () = until(self.reload_at) => self.reload().await,
                order = orders.recv() => match order {
                    Some(Order::Target(target)) => self.transition(target).await,
                    Some(Order::Generate) => self.generate().await,
                    None => break,
                },
            }
        }
        self.stop_instance().await;
        tracing::info!(connector = %self.name, "Completed shutdown for connector {}", self.name);
        self.tell(ConnectorEvent::Stopped).await;
    }

    async fn tell(&self, event: ConnectorEvent) {
        // The worker may have ended.
        let _ = self.mail.send(Mail::Connector(self.name.clone(), self.epoch, event)).await;
    }

    /// Tells of something in the words of an error, without what config providers gave.
    fn trace(error: &Error) -> String {
        redact(&error.trace()).into_owned()
    }

    async fn fail(&mut self, error: Error) {
        if self.state == State::Failed {
            return;
        }
        self.state = State::Failed;
        self.stop_instance().await;
        self.tell(ConnectorEvent::Failed(Self::trace(&error))).await;
    }

    async fn on_wishes(&mut self) {
        let failure = self.wishes.failure.lock().take();
        if let Some(error) = failure {
            self.fail(error).await;
        }
        let reconfigure = self.wishes.reconfigure.swap(false, std::sync::atomic::Ordering::AcqRel);
        if reconfigure && self.state == State::In(TargetState::Started) {
            self.tell(ConnectorEvent::ReconfigurationRequested).await;
        }
    }

    async fn transition(&mut self, target: TargetState) {
        if self.state == State::In(target) || (self.state == State::Failed && target != TargetState::Stopped)
        {
            return;
        }
        let outcome = match target {
            TargetState::Started => self.start_instance().await,
            TargetState::Paused | TargetState::Stopped => {
                self.stop_instance().await;
                Ok(())
            }
        };
        match outcome {
            Ok(()) => {
                self.state = State::In(target);
                self.tell(ConnectorEvent::Reached(target)).await;
            }
            Err(error) => self.fail(error).await,
        }
    }

    async fn start_instance(&mut self) -> Result<()> {
        let Resolved { config, ttl_ms, .. } = resolve(&self.shared, &self.raw)?;
        self.schedule_reload(&config, ttl_ms);
        let plugin = plugins::expect_connector(self.shared.plugins, &config)?;
        let mut running = Running { instance: Instance::new(plugin)?, plugin, config };
        if matches!(running.instance, Instance::Source(_)) && self.shared.config.topic_creation_enable {
            // Tasks would fail by it; Connect does not get that far.
            TopicGroups::parse(&running.config)?;
        }
        let events: Arc<dyn ConnectorEvents> = self.wishes.clone();
        let offsets: Arc<dyn OffsetReader> = match running.instance {
            Instance::Source(_) => {
                Arc::new(offsets::store(&self.shared, &self.opened, &self.name, &running.config).await?)
            }
            Instance::Sink(_) => Arc::new(NoOffsets),
        };
        let context = ConnectorContext { connector: self.name.as_str().into(), events, offsets };
        let started = guarded(running.instance.start(context, &running.config)).await;
        self.instance = Some(running);
        if started.is_err() {
            self.stop_instance().await;
        }
        started
    }

    /// The connector is restarted when what its placeholders stand for may have changed, unless it says otherwise.
    fn schedule_reload(&mut self, config: &RawConfig, ttl_ms: Option<u64>) {
        let wanted = config.get("config.action.reload").is_none_or(|action| action.trim() == "restart");
        self.reload_at = ttl_ms.filter(|_| wanted).map(|ttl_ms| {
            tracing::info!(connector = %self.name, "Scheduling a restart of connector {} in {ttl_ms} ms", self.name);
            Instant::now() + Duration::from_millis(ttl_ms)
        });
    }

    /// Asks for the restart as REST does; it stops this instance, which may go on until then.
    async fn reload(&mut self) {
        self.reload_at = None;
        // Nobody waits for the answer, and the worker may have ended.
        let (reply, _) = oneshot::channel();
        let request = Request::RestartConnector(self.name.clone());
        let _ = self.mail.send(Mail::Request(request_id(), request, reply)).await;
    }

    async fn stop_instance(&mut self) {
        self.reload_at = None;
        let Some(mut running) = self.instance.take() else { return };
        let stopped = guarded(async {
            running.instance.stop().await;
            Ok(())
        });
        if let Err(error) = stopped.await {
            tracing::error!(connector = %self.name, trace = error.trace(), "Error while shutting down connector");
        }
    }

    async fn generate(&mut self) {
        let Some(running) = &mut self.instance else { return };
        let max_tasks = tasks_max(&running.config);
        let generated =
            guarded(std::future::ready(()).map(|()| running.instance.task_configs(max_tasks))).await;
        let event = match generated {
            Ok(tasks) => {
                if let Err(error) = check_tasks_max(&self.name, &running.config, tasks.len()) {
                    return self.fail(error).await;
                }
                let tasks = tasks.into_iter().map(|task| complete(running, task)).collect();
                ConnectorEvent::Generated { tasks, resolved: running.config.clone() }
            }
            Err(error) => ConnectorEvent::NotGenerated(Self::trace(&error)),
        };
        self.tell(event).await;
    }
}

/// Adds what the worker knows: the class of the task, and a sink's topics. In the order of the Java map.
fn complete(running: &Running, task: RawConfig) -> RawConfig {
    let slots = copy_slots(task.len());
    let mut task = java_copy(task);
    if !task.contains_key("task.class") {
        task.insert("task.class", plugins::task_class(running.plugin));
    }
    for key in ["topics", "topics.regex"] {
        if running.config.contains_key(key) {
            task.insert(key, running.config.get(key).map(str::to_owned));
        }
    }
    java_map_of(task, slots)
}

/// `tasks.max` of a connector's config.
pub fn tasks_max(config: &RawConfig) -> u32 {
    config.get("tasks.max").and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}

/// Checks that a connector has no more tasks than its config allows.
///
/// # Errors
/// Connect's TooManyTasksException, unless `tasks.max.enforce=false` makes it a warning.
pub fn check_tasks_max(name: &str, config: &RawConfig, tasks: usize) -> Result<()> {
    let max_tasks = tasks_max(config);
    if tasks <= max_tasks as usize {
        return Ok(());
    }
    if config.get("tasks.max.enforce").is_some_and(|text| text.trim().eq_ignore_ascii_case("false")) {
        tracing::warn!(
            connector = name,
            "The connector {name} has generated {tasks} tasks, which is greater than {max_tasks}, the maximum number \
             of tasks it is configured to create. This behavior should be considered a bug and will be disallowed in \
             future releases of Kafka Connect. Please report this to the maintainers of the connector and request that \
             they adjust their connector's taskConfigs() method to respect the maxTasks parameter."
        );
        return Ok(());
    }
    Err(Error::fatal(format!(
        "The connector {name} has generated {tasks} tasks, which is greater than {max_tasks}, the maximum number of \
         tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, \
         it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option \
         will be removed in a future release of Kafka Connect."
    ))
    .class("org.apache.kafka.connect.runtime.TooManyTasksException"))
}

/// Runs a connector's code; a panic becomes an error.
pub async fn guarded<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    panic_as_error("the connector", "this is a defect of the connector; please report it", work).await
}
