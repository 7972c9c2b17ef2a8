//! The coordinator in a world that does its worst, by seed.
//!
//! The world is what surrounds a worker: the two topics, the group, connectors and tasks with minds of their own, users
//! with requests, and time. It picks what happens next at random, lets writes fail whose records arrive all the same,
//! lets instances fail, hang and ask for things, takes the worker away and starts it anew. It checks the invariants of the
//! module's documentation at every effect; then it lets everything calm down and checks what is left.
//!
//! A failing seed is in the panic's message; paste it into `a_seed_that_failed_once`.

mod checks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use raccord_plugin::{ConfigDef, Make, Plugin, RawConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::config_log::codec::Record;
use crate::group::{GroupEvent, GroupView, Joined, Work};
use crate::herder::TargetState;
use crate::ports::LogRecord;
use crate::status_log::StatusWrite;
use crate::task::TaskTarget;

const CLASS: &str = "test.SimSourceConnector";
const NAMES: [&str; 3] = ["a", "b", "c-1"];
/// Everything settles in this much time, since nothing in the coordinator waits longer than a minute.
const CALM_MS: u64 = 30 * 60_000;

static DEF: std::sync::LazyLock<ConfigDef> = std::sync::LazyLock::new(ConfigDef::new);
static PLUGINS: &[Plugin] = &[Plugin {
    class: CLASS,
    aliases: &[],
    version: "1",
    config: || &DEF,
    make: Make::Source {
        connector: || unreachable!("the simulation has no plugins"),
        task: || unreachable!("the simulation has no plugins"),
    },
}];

/// What an instance has to do still, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo<T> {
    Reach(T),
    Generate,
    Stop,
}

#[derive(Debug)]
struct Instance<T> {
    epoch: Epoch,
    todo: VecDeque<Todo<T>>,
    state: Option<T>,
    failed: bool,
    hangs: bool,
}

#[derive(Debug)]
enum ConfigOp {
    Write(Vec<Record>),
    Read,
}

/// What may happen next.
#[derive(Clone, Debug)]
enum Action {
    DeliverConfig,
    FinishConfigOp,
    DeliverStatus,
    Join,
    Lose,
    Connector(String),
    Task(TaskId),
    ConnectorWish(String),
    Request,
    Wait,
    Crash,
}

struct World {
    rng: StdRng,
    log: String,
    now_ms: u64,
    coordinator: Coordinator,
    calm: bool,

    config: Vec<LogRecord>,
    config_read: usize,
    config_op: Option<ConfigOp>,
    /// What a reader knows who has read as much as the coordinator.
    table: ConfigTable,

    status: Vec<LogRecord>,
    status_read: usize,
    status_writes: VecDeque<StatusWrite>,

    joining: Option<GroupView>,
    revoking: bool,
    generation: i32,
    assigned: Work,

    connectors: BTreeMap<String, Instance<TargetState>>,
    tasks: BTreeMap<TaskId, Instance<TaskTarget>>,
    /// How many tasks each connector wants.
    wanted_tasks: BTreeMap<String, usize>,

    next_request: RequestId,
    open: BTreeSet<RequestId>,
    /// Their askers have gone; an answer may come or not.
    abandoned: BTreeSet<RequestId>,
}

fn coordinator(seed: u64) -> Coordinator {
    Coordinator::new(Settings {
        worker_id: "w:1".into(),
        plugins: PLUGINS,
        task_stop_timeout_ms: 5_000,
        topic_tracking: true,
        key_ttl_ms: 3_600_000,
        key_algorithm: "HmacSHA256".into(),
        key_bytes: 32,
        rng: StdRng::seed_from_u64(seed),
        restart: restarts(seed),
    })
}

/// Every other run has failed tasks start again by themselves.
fn restarts(seed: u64) -> RestartKeys {
    let attempts = if seed.is_multiple_of(2) { "0" } else { "2" };
    RestartKeys::of_worker(&RawConfig::from([
        ("errors.restart.max.attempts", attempts),
        ("errors.restart.backoff.ms", "500"),
    ]))
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            log: String::new(),
            now_ms: 1_000_000,
            coordinator: coordinator(seed),
            calm: false,
            config: Vec::new(),
            config_read: 0,
            config_op: None,
            table: ConfigTable::new(),
            status: Vec::new(),
            status_read: 0,
            status_writes: VecDeque::new(),
            joining: None,
            revoking: false,
            generation: 0,
            assigned: Work::default(),
            connectors: BTreeMap::new(),
            tasks: BTreeMap::new(),
            wanted_tasks: BTreeMap::new(),
            next_request: 0,
            open: BTreeSet::new(),
            abandoned: BTreeSet::new(),
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        !self.calm && self.rng.random_range(0..100) < percent
    }

    fn step(&mut self, event: Event) {
        let _ = writeln!(self.log, "{} <- {event:?}", self.now_ms);
        if let Event::Config(records) = &event {
            for record in records {
                let _ = self.table.apply(record);
            }
        }
        let effects = self.coordinator.step(self.now_ms, event);
        for effect in effects {
            let _ = writeln!(self.log, "{}    -> {effect:?}", self.now_ms);
            self.on_effect(effect);
        }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut add = |times: usize, action: Action| actions.extend(std::iter::repeat_n(action, times));
        if self.config_read < self.config.len() {
            add(6, Action::DeliverConfig);
        }
        if self.config_op.is_some() {
            add(4, Action::FinishConfigOp);
        }
        if !self.status_writes.is_empty() || self.status_read < self.status.len() {
            add(3, Action::DeliverStatus);
        }
        if self.joining.is_some() {
            add(4, Action::Join);
        }
        for (name, instance) in &self.connectors {
            if !instance.hangs && !instance.todo.is_empty() {
                add(3, Action::Connector(name.clone()));
            }
        }
        for (id, instance) in &self.tasks {
            if !instance.hangs && !instance.todo.is_empty() {
                add(3, Action::Task(id.clone()));
            }
        }
        if !self.calm {
            add(4, Action::Request);
            add(2, Action::Wait);
            add(1, Action::Lose);
            if self.log.len().is_multiple_of(7) {
                add(1, Action::Crash);
            }
            for name in self.connectors.keys() {
                add(1, Action::ConnectorWish(name.clone()));
            }
        }
        actions
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::DeliverConfig => {
                let left = self.config.len() - self.config_read;
                let count = self.rng.random_range(1..=left);
                self.deliver_config(count);
            }
            Action::FinishConfigOp => self.finish_config_op(),
            Action::DeliverStatus => self.deliver_status(),
            Action::Join => self.join(),
            Action::Lose => self.lose(),
            Action::Connector(name) => self.connector_acts(&name),
            Action::Task(id) => self.task_acts(&id),
            Action::ConnectorWish(name) => self.connector_wishes(&name),
            Action::Request => self.request(),
            Action::Wait => self.wait(),
            Action::Crash => self.crash(),
        }
    }

    fn deliver_config(&mut self, count: usize) {
        let batch = self.config[self.config_read..self.config_read + count].to_vec();
        self.config_read += count;
        self.step(Event::Config(batch));
    }

    fn finish_config_op(&mut self) {
        let Some(op) = self.config_op.take() else { return };
        let (records, fails) = match op {
            ConfigOp::Write(records) => (records, self.chance(15)),
            ConfigOp::Read => (Vec::new(), self.chance(10)),
        };
        // Of a write that fails a part may be in the topic, or all, or nothing.
        let kept = if fails { self.rng.random_range(0..=records.len()) } else { records.len() };
        for (key, value) in records.into_iter().take(kept) {
            let offset = self.config.len() as i64;
            self.config.push(LogRecord { partition: 0, offset, timestamp: 0, key: Some(key), value });
        }
        if fails {
            self.step(Event::ConfigDone(Err("lost".into())));
            return;
        }
        let left = self.config.len() - self.config_read;
        if left > 0 {
            self.deliver_config(left);
        }
        self.step(Event::ConfigDone(Ok(())));
    }

    fn deliver_status(&mut self) {
        if let Some(write) = self.status_writes.pop_front() {
            let offset = self.status.len() as i64;
            let key = Some(write.key.encode());
            self.status.push(LogRecord {
                partition: 0,
                offset,
                timestamp: 0,
                key,
                value: write.value.clone(),
            });
            if self.chance(50) {
                return;
            }
            let batch = self.status[self.status_read..].to_vec();
            self.status_read = self.status.len();
            self.step(Event::Status(batch));
            self.step(Event::StatusSettled(write.key, write.sequence));
        } else {
            let batch = self.status[self.status_read..].to_vec();
            self.status_read = self.status.len();
            self.step(Event::Status(batch));
        }
    }

    fn join(&mut self) {
        let Some(view) = self.joining.take() else { return };
        self.generation += 1;
        // Sometimes another worker has this one's work.
        let mut assignment = view.configured;
        if self.chance(10) {
            assignment.connectors.pop();
            assignment.tasks.pop();
        }
        self.assigned = assignment.clone();
        let failed = self.chance(5);
        let revoked = self.chance(10);
        self.step(Event::Group(GroupEvent::Joined(Joined {
            generation: self.generation,
            leader: true,
            leader_url: "http://w:1/".into(),
            sessioned: true,
            config_offset: view.config_offset,
            assignment,
            revoked,
            failed,
            delay_ms: if self.calm { 0 } else { 700 },
        })));
    }

    fn lose(&mut self) {
        if self.revoking || self.generation == 0 {
            return;
        }
        let assigned = std::mem::take(&mut self.assigned);
        if self.rng.random_bool(0.5) || self.joining.is_some() {
            self.joining = None;
            self.step(Event::Group(GroupEvent::Lost));
        } else {
            self.revoking = true;
            self.step(Event::Group(GroupEvent::Revoked(assigned)));
        }
    }

    fn connector_acts(&mut self, name: &str) {
        let fails = self.chance(10);
        let Some(instance) = self.connectors.get_mut(name) else { return };
        let Some(todo) = instance.todo.pop_front() else { return };
        let epoch = instance.epoch;
        let deaf = |target| instance.failed && target != TargetState::Stopped;
        let event = match todo {
            Todo::Reach(target) if deaf(target) || instance.state == Some(target) => return,
            Todo::Reach(TargetState::Started) if fails => {
                instance.failed = true;
                instance.state = None;
                ConnectorEvent::Failed("refuses to start".into())
            }
            Todo::Reach(target) => {
                instance.state = Some(target);
                instance.failed = false;
                ConnectorEvent::Reached(target)
            }
            Todo::Generate if instance.state != Some(TargetState::Started) => return,
            Todo::Generate if fails => ConnectorEvent::NotGenerated("does not know".into()),
            Todo::Generate => {
                let count = *self.wanted_tasks.entry(name.to_owned()).or_insert(1);
                let task = |number: usize| RawConfig::from([("n", number.to_string())]);
                ConnectorEvent::Generated {
                    tasks: (0..count).map(task).collect(),
                    resolved: self
                        .table
                        .connector(name)
                        .map(|config| config.as_ref().clone())
                        .unwrap_or_default(),
                }
            }
            Todo::Stop => {
                self.connectors.remove(name);
                ConnectorEvent::Stopped
            }
        };
        self.step(Event::Connector(name.to_owned(), epoch, event));
    }

    fn connector_wishes(&mut self, name: &str) {
        let count = self.rng.random_range(0..4);
        let fails = self.chance(10);
        let Some(instance) = self.connectors.get_mut(name) else { return };
        if instance.state != Some(TargetState::Started) {
            return;
        }
        let epoch = instance.epoch;
        let event = if fails {
            instance.failed = true;
            instance.state = None;
            ConnectorEvent::Failed("falls over".into())
        } else {
            self.wanted_tasks.insert(name.to_owned(), count);
            ConnectorEvent::ReconfigurationRequested
        };
        self.step(Event::Connector(name.to_owned(), epoch, event));
    }

    fn task_acts(&mut self, id: &TaskId) {
        let fails = self.chance(10);
        let Some(instance) = self.tasks.get_mut(id) else { return };
        let Some(todo) = instance.todo.pop_front() else { return };
        let epoch = instance.epoch;
        let news = match todo {
            Todo::Reach(_) | Todo::Stop if fails => {
                self.tasks.remove(id);
                TaskNews::Failed("falls over".into())
            }
            Todo::Reach(target) => {
                instance.state = Some(target);
                match target {
                    TaskTarget::Started => TaskNews::Running,
                    TaskTarget::Paused => TaskNews::Paused,
                }
            }
            Todo::Stop => {
                self.tasks.remove(id);
                TaskNews::Stopped
            }
            Todo::Generate => return,
        };
        if news == TaskNews::Running {
            self.step(Event::Task(id.clone(), epoch, TaskNews::Topic("t".into())));
        }
        self.step(Event::Task(id.clone(), epoch, news));
    }

    fn request(&mut self) {
        let name = NAMES[self.rng.random_range(0..NAMES.len())].to_owned();
        let id = self.next_request;
        self.next_request += 1;
        let state =
            [TargetState::Started, TargetState::Paused, TargetState::Stopped][self.rng.random_range(0..3)];
        let request = match self.rng.random_range(0..16) {
            0..5 => Request::Put {
                config: RawConfig::from([
                    ("connector.class", CLASS.to_owned()),
                    ("name", name.clone()),
                    ("v", self.rng.random_range(0..3).to_string()),
                ]),
                name,
                initial_state: self.rng.random_bool(0.2).then_some(state),
                replace: self.rng.random_bool(0.7),
            },
            5 => Request::Delete(name),
            6..9 => Request::SetTarget(name, state),
            9 => Request::RestartTask(TaskId { connector: name.into(), task: 0 }),
            10 => Request::RestartConnector(name),
            11 => Request::Restart {
                name,
                include_tasks: self.rng.random_bool(0.7),
                only_failed: self.rng.random_bool(0.5),
            },
            12 => Request::ModifyOffsets(name, None),
            13 => Request::Status(name),
            14 => Request::ResetTopics(name),
            _ => Request::Connectors,
        };
        self.open.insert(id);
        self.step(Event::Request(id, request));
        if self.chance(2) && self.open.remove(&id) {
            self.abandoned.insert(id);
            self.step(Event::Abandoned(id));
        }
    }

    fn wait(&mut self) {
        let deadline = self.coordinator.deadline();
        let ms = match deadline {
            Some(at_ms) if self.rng.random_bool(0.5) => at_ms.saturating_sub(self.now_ms),
            _ => self.rng.random_range(1..400),
        };
        self.now_ms += ms;
        self.step(Event::Tick);
    }

    /// The worker dies and another one takes its place: it knows only what is in the topics.
    fn crash(&mut self) {
        let _ = writeln!(self.log, "{} crash", self.now_ms);
        self.connectors.clear();
        self.tasks.clear();
        self.status_writes.clear();
        self.config_op = None;
        self.joining = None;
        self.revoking = false;
        self.assigned = Work::default();
        self.open.clear();
        self.coordinator = coordinator(self.now_ms);
        self.table = ConfigTable::new();
        self.begin();
    }

    fn begin(&mut self) {
        (self.config_read, self.status_read) = (self.config.len(), self.status.len());
        self.step(Event::Config(self.config.clone()));
        self.step(Event::Status(self.status.clone()));
        self.step(Event::CaughtUp);
    }

    /// No faults and no wishes any more: everything that is under way comes to its end.
    fn calm_down(&mut self) {
        self.calm = true;
        for instance in self.connectors.values_mut() {
            instance.hangs = false;
        }
        for instance in self.tasks.values_mut() {
            instance.hangs = false;
        }
        let end_ms = self.now_ms + CALM_MS;
        for _ in 0..20_000 {
            let actions = self.actions();
            if !actions.is_empty() {
                let action = actions[self.rng.random_range(0..actions.len())].clone();
                self.act(action);
                continue;
            }
            match self.coordinator.deadline().filter(|at_ms| *at_ms <= end_ms) {
                Some(at_ms) => {
                    self.now_ms = self.now_ms.max(at_ms);
                    self.step(Event::Tick);
                }
                None => return,
            }
        }
        panic!("it does not calm down");
    }
}

fn configured(table: &ConfigTable) -> Work {
    let mut connectors = table.connectors();
    connectors.sort();
    let tasks = connectors.iter().flat_map(|name| table.tasks(name)).collect();
    Work { connectors, tasks }
}

/// Lives through a seed. If it ends badly: why, and the end of what happened.
fn run(seed: u64, steps: usize) -> Result<(), String> {
    let mut world = World::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.begin();
        for _ in 0..steps {
            let actions = world.actions();
            let action = actions[world.rng.random_range(0..actions.len())].clone();
            world.act(action);
        }
        world.calm_down();
        world.check_calm();
    }));
    outcome.map_err(|why| {
        let why = why.downcast_ref::<String>().map_or("", String::as_str);
        let lines: Vec<&str> = world.log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        format!("seed {seed}: {why}\n{tail}")
    })
}

/// So much of what happened is shown.
const LOG_LINES: usize = 80;

#[test]
fn survives_many_seeds() {
    let seeds = std::env::var("RACCORD_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let failures: Vec<String> = (0..seeds).filter_map(|seed| run(seed, 250).err()).collect();
    let heads: Vec<&str> = failures.iter().filter_map(|failure| failure.lines().next()).collect();
    let shown = failures.first().map_or("", String::as_str);
    assert!(failures.is_empty(), "{} of {seeds} seeds fail: {heads:#?}\n{shown}", failures.len());
}

#[test]
fn a_seed_that_failed_once() {
    run(0, 1_000).unwrap();
}
