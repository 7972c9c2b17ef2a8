//! Decides what this worker does: a state machine without IO.
//!
//! [`Coordinator::step`] takes an event and the time and gives effects; a shell carries them out and reports what came
//! of them as further events. Nothing in here waits, reads a clock or touches Kafka, so a run can be repeated event by
//! event, and the simulation in `sim.rs` does so with random requests, failing tasks and a log that loses answers.
//!
//! The truth about connectors is the config topic, and what is read from it is acted upon, never what was meant to be
//! written. A request that changes something writes a record; the record comes back; then connectors and tasks are
//! stopped and started until what runs is what should run. That last part is one function, `settle`, which compares
//! and corrects, so that it does not matter in which order things happened.
//!
//! Invariants, held by the simulation:
//! 1. At most one instance of a connector or task is alive (started and not reported stopped or abandoned).
//! 2. A task runs only with the config of the last commit, and only if the connector exists, is consistent and the
//!    task is assigned to this worker.
//! 3. Every request is answered exactly once.
//! 4. At most one write of the config topic is under way, and the next begins after what came of it was read.
//! 5. When events stop coming, everything that is assigned and not failed is in its target state, and the status
//!    table says what the instances said.
//! 6. A connector that does not exist has no instance, no task, and in the end no status.
//! 7. With a target of STOPPED a connector ends up without tasks.

mod auto_restart;
mod connectors;
mod event;
mod group;
mod jobs;
mod local;
mod requests;
mod restarts;
#[cfg(test)]
mod sim;
mod statuses;
mod tasks;
#[cfg(test)]
mod tests;
mod timers;
mod waits;

use std::collections::{BTreeMap, VecDeque};

use raccord_plugin::{Plugin, RawConfig};
use rand::rngs::StdRng;

pub use event::{Answer, ConnectorEvent, Effect, Epoch, Event, Request, RequestId, TaskNews};

use crate::config::RestartKeys;
use crate::config_log::{Change, ConfigTable, RestartRequest};
use crate::plugins;
use crate::status_log::StatusTable;
use crate::task::TaskId;

/// What the coordinator is told once.
pub struct Settings {
    /// `worker_id` in statuses.
    pub worker_id: String,
    /// All plugins, for their kinds and versions.
    pub plugins: &'static [Plugin],
    /// How long a task may take to stop: `task.shutdown.graceful.timeout.ms`.
    pub task_stop_timeout_ms: u64,
    /// Whether topics are tracked.
    pub topic_tracking: bool,
    /// How long a key of internal requests is used; 0 for ever.
    pub key_ttl_ms: u64,
    /// The algorithm of new keys.
    pub key_algorithm: String,
    /// Bytes of new keys.
    pub key_bytes: usize,
    /// Seeds the keys.
    pub rng: StdRng,
    /// When failed tasks start again by themselves, unless their connector says otherwise.
    pub restart: RestartKeys,
}

/// The state machine. See the module's documentation.
pub struct Coordinator {
    settings: Settings,
    now_ms: u64,
    caught_up: bool,
    stopping: bool,
    ended: bool,
    config: ConfigTable,
    status: StatusTable,
    group: group::GroupState,
    connectors: BTreeMap<String, local::LocalConnector>,
    tasks: BTreeMap<TaskId, local::LocalTask>,
    jobs: jobs::Jobs,
    timers: timers::Timers,
    waits: Vec<waits::Wait>,
    /// Requests to answer when the connector's next instance is up.
    connector_restarts: BTreeMap<String, Vec<RequestId>>,
    /// Requests to answer when the task's next instance is started.
    task_restarts: BTreeMap<TaskId, Vec<RequestId>>,
    restarts: BTreeMap<String, RestartRequest>,
    /// How many times in a row tasks of this worker have failed.
    failures: BTreeMap<TaskId, u32>,
    /// The resolved config with which tasks were last compared, by connector: tells that a secret has changed.
    resolved: BTreeMap<String, RawConfig>,
    /// The resolved config from which the task configs were made that are being written, by connector.
    publishing: BTreeMap<String, RawConfig>,
    last_epoch: Epoch,
    effects: VecDeque<Effect>,
}

impl Coordinator {
    /// A worker that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            now_ms: 0,
            caught_up: false,
            stopping: false,
            ended: false,
            config: ConfigTable::new(),
            status: StatusTable::new(),
            group: group::GroupState::default(),
            connectors: BTreeMap::new(),
            tasks: BTreeMap::new(),
            jobs: jobs::Jobs::default(),
            timers: timers::Timers::default(),
            waits: Vec::new(),
            connector_restarts: BTreeMap::new(),
            task_restarts: BTreeMap::new(),
            restarts: BTreeMap::new(),
            failures: BTreeMap::new(),
            resolved: BTreeMap::new(),
            publishing: BTreeMap::new(),
            last_epoch: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes an event and says what to do, in this order.
    pub fn step(&mut self, now_ms: u64, event: Event) -> VecDeque<Effect> {
        self.now_ms = self.now_ms.max(now_ms);
        match event {
            Event::Request(id, request) => self.on_request(id, request),
            Event::Abandoned(id) => self.on_abandoned(id),
            Event::Config(records) => {
                for record in records {
                    self.on_config_record(&record);
                }
            }
            Event::Status(records) => {
                for record in records {
                    self.on_status_record(&record);
                }
            }
            Event::CaughtUp => {
                self.caught_up = true;
                self.group.rejoin = true;
            }
            Event::ConfigDone(outcome) => self.on_config_done(outcome),
            Event::StatusSettled(key, sequence) => self.status.settled(&key, sequence),
            Event::Group(event) => self.on_group(event),
            Event::Connector(name, epoch, event) => self.on_connector(&name, epoch, event),
            Event::Task(id, epoch, news) => self.on_task(&id, epoch, news),
            Event::Tick => {}
            Event::Shutdown => self.stopping = true,
        }
        self.run_timers();
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// When the coordinator wants [`Event::Tick`], in milliseconds since the epoch.
    pub fn deadline(&self) -> Option<u64> {
        self.timers.next()
    }

    /// What it is doing, for the texts of timeouts.
    pub fn stage(&self) -> &str {
        if self.stopping {
            return "shutting down";
        }
        match self.jobs.stage() {
            Some(stage) => stage,
            None if self.group.joining => "ensuring membership in the cluster",
            None => "polling the group coordinator until interrupted",
        }
    }

    fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn next_epoch(&mut self) -> Epoch {
        self.last_epoch += 1;
        self.last_epoch
    }

    fn plugin_of(&self, config: &RawConfig) -> Option<&'static Plugin> {
        plugins::connector(self.settings.plugins, config)
    }

    /// Until nothing is left to correct: each part may make work for another.
    fn settle(&mut self) {
        if self.ended {
            self.refuse_rest();
            return;
        }
        self.settle_group();
        self.settle_connectors();
        self.settle_tasks();
        self.settle_restarts();
        self.settle_revocation();
        self.clean_statuses();
        self.settle_keys();
        self.settle_jobs();
        self.settle_waits();
        self.settle_end();
    }

    /// After [`Event::Shutdown`], when nothing is alive and nothing is being written, it is over.
    fn settle_end(&mut self) {
        if !self.stopping || !self.connectors.is_empty() || !self.tasks.is_empty() || self.jobs.is_busy() {
            return;
        }
        self.refuse_rest();
        self.ended = true;
        self.emit(Effect::Ended);
    }

    fn on_config_record(&mut self, record: &crate::ports::LogRecord) {
        let change = match self.config.apply(record) {
            Ok(change) => change,
            Err(why) => {
                tracing::error!(offset = record.offset, %why, "ignoring a record of the config topic");
                return;
            }
        };
        // What was in the topic before this worker came up is state; only what comes now is news.
        let (Some(change), true) = (change, self.caught_up) else { return };
        match change {
            Change::Connector { name, new } => {
                tracing::info!(connector = %name, "Connector {name} config updated");
                if new {
                    self.group.rejoin = true;
                } else {
                    self.restart_connector_instance(&name);
                }
            }
            Change::Removed(name) => {
                tracing::info!(connector = %name, "Connector {name} config removed");
                self.on_connector_removed(&name);
            }
            // What runs is compared with its target after every event.
            Change::Target(_) => {}
            Change::Tasks(name) => {
                match self.publishing.remove(&name) {
                    Some(resolved) => drop(self.resolved.insert(name.clone(), resolved)),
                    None => drop(self.resolved.remove(&name)),
                }
                self.on_tasks_changed(&name);
            }
            Change::SessionKey => {}
            Change::Restart(request) => {
                let known = self.restarts.get(&request.connector);
                if known.is_none_or(|known| known.impact() < request.impact()) {
                    self.restarts.insert(request.connector.clone(), request);
                }
            }
            Change::Logger(namespace, level) => self.emit(Effect::SetLogger(namespace, level)),
        }
    }

    fn on_connector_removed(&mut self, name: &str) {
        self.group.rejoin = true;
        self.restarts.remove(name);
        self.forget_failures(name, None);
        self.resolved.remove(name);
        self.publishing.remove(name);
        self.stop_connector_instance(name);
        for id in self.local_tasks_of(name) {
            self.stop_task_instance(&id);
        }
    }
}
