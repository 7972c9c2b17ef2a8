//! Single stories that the simulation tells too rarely or cannot judge.

use std::collections::BTreeMap;

use raccord_plugin::{ConfigDef, Make, Plugin, RawConfig};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::config_log::codec;
use crate::config_log::codec::Record;
use crate::group::{GroupEvent, GroupView, Joined};
use crate::herder::{HerderResult, TargetState};
use crate::ports::LogRecord;

static DEF: std::sync::LazyLock<ConfigDef> = std::sync::LazyLock::new(ConfigDef::new);
static PLUGINS: &[Plugin] = &[Plugin {
    class: "test.OneSourceConnector",
    aliases: &[],
    version: "1",
    config: || &DEF,
    make: Make::Source {
        connector: || unreachable!("there are no plugins here"),
        task: || unreachable!("there are no plugins here"),
    },
}];

/// A coordinator whose topics and group do at once what it wants, and whose instances do nothing by themselves.
struct Bench {
    coordinator: Coordinator,
    now_ms: u64,
    offset: i64,
    generation: i32,
    written: Vec<Record>,
    answers: BTreeMap<RequestId, HerderResult<Answer>>,
    others: Vec<Effect>,
    /// Writes fail.
    broken: bool,
}

impl Bench {
    fn new() -> Self {
        let settings = Settings {
            worker_id: "w:1".into(),
            plugins: PLUGINS,
            task_stop_timeout_ms: 5_000,
            topic_tracking: true,
            key_ttl_ms: 60_000,
            key_algorithm: "HmacSHA256".into(),
            key_bytes: 32,
            rng: StdRng::seed_from_u64(1),
            restart: RestartKeys::of_worker(&RawConfig::new()),
        };
        let mut bench = Self {
            coordinator: Coordinator::new(settings),
            now_ms: 1_000,
            offset: 0,
            generation: 0,
            written: Vec::new(),
            answers: BTreeMap::new(),
            others: Vec::new(),
            broken: false,
        };
        bench.step(Event::CaughtUp);
        bench
    }

    fn step(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.coordinator.step(self.now_ms, event) {
                match effect {
                    Effect::Answer(id, answer) => {
                        assert!(self.answers.insert(id, answer).is_none(), "{id} is answered twice");
                    }
                    Effect::WriteConfig(_) | Effect::ReadConfig if self.broken => {
                        events.push_back(Event::ConfigDone(Err("no answer".into())));
                    }
                    Effect::WriteConfig(records) => {
                        events.push_back(Event::Config(self.stored(&records)));
                        events.push_back(Event::ConfigDone(Ok(())));
                        self.written.extend(records);
                    }
                    Effect::ReadConfig => events.push_back(Event::ConfigDone(Ok(()))),
                    Effect::WriteStatus(write) => {
                        let record = LogRecord {
                            partition: 0,
                            offset: 0,
                            timestamp: 0,
                            key: Some(write.key.encode()),
                            value: write.value,
                        };
                        events.push_back(Event::Status(vec![record]));
                        events.push_back(Event::StatusSettled(write.key, write.sequence));
                    }
                    Effect::Join(view) => events.push_back(self.joined(view)),
                    other => self.others.push(other),
                }
            }
        }
    }

    fn stored(&mut self, records: &[Record]) -> Vec<LogRecord> {
        let stored = records.iter().enumerate().map(|(index, (key, value))| LogRecord {
            partition: 0,
            offset: self.offset + index as i64,
            timestamp: 0,
            key: Some(key.clone()),
            value: value.clone(),
        });
        let stored = stored.collect();
        self.offset += records.len() as i64;
        stored
    }

    fn joined(&mut self, view: GroupView) -> Event {
        self.generation += 1;
        Event::Group(GroupEvent::Joined(Joined {
            generation: self.generation,
            leader: true,
            leader_url: "http://w:1/".into(),
            sessioned: true,
            config_offset: view.config_offset,
            assignment: view.configured,
            revoked: false,
            failed: false,
            delay_ms: 0,
        }))
    }

    fn ask(&mut self, id: RequestId, request: Request) {
        self.step(Event::Request(id, request));
    }

    fn put(&mut self, id: RequestId, name: &str) {
        self.put_with(id, name, &[]);
    }

    fn put_with(&mut self, id: RequestId, name: &str, more: &[(&str, &str)]) {
        let mut config = RawConfig::from([("connector.class", "test.OneSourceConnector"), ("name", name)]);
        for (key, value) in more {
            config.insert(*key, (*value).to_owned());
        }
        let name = name.to_owned();
        self.ask(id, Request::Put { name, config, initial_state: None, replace: true });
    }

    /// Lets the time come that the coordinator waits for.
    fn tick(&mut self) {
        self.now_ms = self.coordinator.deadline().expect("it waits for a time");
        self.step(Event::Tick);
    }

    fn connector(&mut self, name: &str, event: ConnectorEvent) {
        let epoch = self.coordinator.connectors[name].epoch;
        self.step(Event::Connector(name.to_owned(), epoch, event));
    }

    fn task(&mut self, id: &TaskId, news: TaskNews) {
        let epoch = self.coordinator.tasks[id].epoch;
        self.step(Event::Task(id.clone(), epoch, news));
    }

    /// A connector with one running task.
    fn running(&mut self, name: &str) -> TaskId {
        self.running_with(name, &[])
    }

    fn running_with(&mut self, name: &str, more: &[(&str, &str)]) -> TaskId {
        self.put_with(1_000, name, more);
        self.connector(name, ConnectorEvent::Reached(TargetState::Started));
        let resolved = self.coordinator.config.connector(name).expect("it exists").as_ref().clone();
        let tasks = vec![RawConfig::from([("n", "0")])];
        self.connector(name, ConnectorEvent::Generated { tasks, resolved });
        let id = TaskId { connector: name.into(), task: 0 };
        self.task(&id, TaskNews::Running);
        self.answers.clear();
        self.others.clear();
        id
    }

    fn task_state(&self, id: &TaskId) -> &'static str {
        self.coordinator.status.task(id).map_or("none", |status| status.state.name())
    }
}

fn message(answer: &HerderResult<Answer>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{} {}", error.status, error.message),
    }
}

#[test]
fn the_leader_hands_out_a_session_key_and_a_new_one_in_time() {
    let mut bench = Bench::new();
    let keys = |bench: &Bench| bench.written.iter().filter(|(key, _)| key == "session-key").count();
    assert_eq!(keys(&bench), 1);
    let first = bench.coordinator.config.session_key().cloned().unwrap();
    assert_eq!((first.key.len(), first.created_ms), (32, 1_000));
    bench.tick();
    assert_eq!(bench.now_ms, 61_000);
    assert_eq!(keys(&bench), 2);
    assert_ne!(bench.coordinator.config.session_key(), Some(&first));
    // A key that cannot be written is tried again soon.
    bench.broken = true;
    bench.tick();
    bench.broken = false;
    bench.tick();
    assert_eq!((bench.now_ms, keys(&bench)), (122_000, 3));
}

#[test]
fn a_pause_is_answered_when_it_shows_or_after_a_second() {
    let mut bench = Bench::new();
    let id = bench.running("c");
    bench.ask(1, Request::SetTarget("c".into(), TargetState::Paused));
    bench.connector("c", ConnectorEvent::Reached(TargetState::Paused));
    assert!(bench.answers.is_empty());
    bench.task(&id, TaskNews::Paused);
    assert_eq!(bench.answers.remove(&1), Some(Ok(Answer::Done)));
    // Nothing happens in time.
    bench.ask(2, Request::SetTarget("c".into(), TargetState::Started));
    let asked_ms = bench.now_ms;
    assert!(bench.answers.is_empty());
    bench.tick();
    assert_eq!((bench.now_ms - asked_ms, bench.answers.remove(&2)), (1_000, Some(Ok(Answer::Done))));
}

#[test]
fn task_configs_are_asked_for_again_with_longer_and_longer_waits() {
    let mut bench = Bench::new();
    bench.put(1, "c");
    bench.connector("c", ConnectorEvent::Reached(TargetState::Started));
    let mut waits = Vec::new();
    for _ in 0..10 {
        let before_ms = bench.now_ms;
        bench.connector("c", ConnectorEvent::NotGenerated("not yet".into()));
        while !matches!(bench.others.pop(), Some(Effect::GenerateTasks(..))) || bench.now_ms == before_ms {
            bench.tick();
        }
        waits.push(bench.now_ms - before_ms);
    }
    assert_eq!(waits[..4], [250, 500, 1_000, 2_000]);
    assert_eq!(waits[9], 60_000);
}

#[test]
fn unchanged_task_configs_are_not_written_but_a_changed_secret_is_noticed() {
    let mut bench = Bench::new();
    bench.running("c");
    let written = bench.written.len();
    let tasks = || vec![RawConfig::from([("n", "0")])];
    // What the tasks that run were made from.
    let before = bench.coordinator.config.connector("c").unwrap().as_ref().clone();
    let generate = |bench: &mut Bench, secret: Option<&str>| {
        let mut resolved = before.clone();
        if let Some(secret) = secret {
            resolved.insert("password", secret.to_owned());
        }
        bench.connector("c", ConnectorEvent::ReconfigurationRequested);
        bench.connector("c", ConnectorEvent::Generated { tasks: tasks(), resolved });
        bench.written.len() - written
    };
    assert_eq!(generate(&mut bench, None), 0);
    assert_eq!(generate(&mut bench, Some("new")), 2);
    assert_eq!(generate(&mut bench, Some("new")), 2);
    assert_eq!(generate(&mut bench, Some("newer")), 4);
}

#[test]
fn placeholders_come_back_into_task_configs() {
    let mut bench = Bench::new();
    let config = RawConfig::from([
        ("connector.class", "test.OneSourceConnector"),
        ("name", "c"),
        ("password", "${file:/secrets:db}"),
    ]);
    let put = Request::Put { name: "c".into(), config, initial_state: None, replace: false };
    bench.ask(1, put);
    bench.connector("c", ConnectorEvent::Reached(TargetState::Started));
    let tasks = vec![RawConfig::from([("password", "hush"), ("name", "c")])];
    bench.connector("c", ConnectorEvent::Generated { tasks, resolved: RawConfig::new() });
    let id = TaskId { connector: "c".into(), task: 0 };
    let written = bench.coordinator.config.task(&id).unwrap();
    assert_eq!(written.get("password"), Some("${file:/secrets:db}"));
}

#[test]
fn a_task_that_does_not_stop_is_abandoned_and_started_again() {
    let mut bench = Bench::new();
    let id = bench.running("c");
    bench.ask(1, Request::RestartTask(id.clone()));
    assert!(matches!(bench.others.pop(), Some(Effect::StopTask(..))));
    let old = bench.coordinator.tasks[&id].epoch;
    bench.tick();
    assert!(matches!(bench.others[0], Effect::AbandonTask(..)));
    assert!(matches!(bench.others[1], Effect::StartTask { .. }));
    assert_eq!(bench.answers.remove(&1), Some(Ok(Answer::Done)));
    // What the old instance says now is not heard.
    bench.step(Event::Task(id.clone(), old, TaskNews::Failed("late".into())));
    assert_eq!(bench.task_state(&id), "RESTARTING");
    bench.task(&id, TaskNews::Running);
    assert_eq!(bench.task_state(&id), "RUNNING");
}

#[test]
fn a_restart_plan_names_what_it_restarts() {
    let mut bench = Bench::new();
    let id = bench.running("c");
    bench.task(&id, TaskNews::Failed("broken".into()));
    let mut check = |id: RequestId, include_tasks, only_failed, expect: (&str, &str)| {
        bench.ask(id, Request::Restart { name: "c".into(), include_tasks, only_failed });
        let Some(Ok(Answer::Status(plan))) = bench.answers.remove(&id) else { panic!("no plan") };
        assert_eq!((plan.connector.state.as_str(), plan.tasks[0].1.state.as_str()), expect);
        for effect in std::mem::take(&mut bench.others) {
            match effect {
                Effect::StopConnector(name, _) => {
                    bench.connector(&name, ConnectorEvent::Stopped);
                    bench.connector(&name, ConnectorEvent::Reached(TargetState::Started));
                }
                Effect::StartTask { id, .. } => bench.task(&id, TaskNews::Failed("broken again".into())),
                _ => {}
            }
        }
    };
    check(1, false, true, ("RUNNING", "FAILED"));
    check(2, true, true, ("RUNNING", "RESTARTING"));
    check(3, true, false, ("RESTARTING", "RESTARTING"));
}

#[test]
fn a_failed_task_starts_again_by_itself_where_its_config_says_so() {
    let mut bench = Bench::new();
    let keys = [
        ("errors.restart.max.attempts", "2"),
        ("errors.restart.backoff.ms", "100"),
        ("errors.restart.backoff.max.ms", "1000"),
    ];
    let quiet = bench.running("quiet");
    let id = bench.running_with("c", &keys);
    let fail = |bench: &mut Bench, id: &TaskId, after_ms| {
        bench.now_ms += after_ms;
        bench.others.clear();
        bench.task(id, TaskNews::Failed("broken".into()));
        assert_eq!(bench.task_state(id), "FAILED");
        assert_eq!(bench.others, []);
    };
    let again = |bench: &mut Bench, wait_ms| {
        let then = bench.now_ms + wait_ms;
        bench.tick();
        assert_eq!((bench.now_ms, bench.task_state(&id)), (then, "RESTARTING"));
        assert!(matches!(&bench.others[..], [Effect::StartTask { id: started, .. }] if *started == id));
        bench.task(&id, TaskNews::Running);
    };
    fail(&mut bench, &id, 10);
    again(&mut bench, 100);
    fail(&mut bench, &id, 10);
    again(&mut bench, 200);
    // It has run long enough to begin anew.
    fail(&mut bench, &id, 5_000);
    again(&mut bench, 100);
    fail(&mut bench, &id, 10);
    again(&mut bench, 200);
    fail(&mut bench, &id, 10);
    // Enough: only the session key is waited for, and a restart that somebody asks for.
    bench.tick();
    assert_eq!((bench.now_ms, bench.task_state(&id)), (61_000, "FAILED"));
    bench.ask(7, Request::RestartTask(id.clone()));
    bench.task(&id, TaskNews::Running);
    fail(&mut bench, &id, 10);
    again(&mut bench, 100);
    // Others' tasks stay as they are.
    fail(&mut bench, &quiet, 0);
    bench.tick();
    assert_eq!(bench.task_state(&quiet), "FAILED");
}

#[test]
fn requests_after_a_failed_write_begin_with_reading() {
    let mut bench = Bench::new();
    bench.running("c");
    bench.broken = true;
    bench.ask(1, Request::Delete("c".into()));
    let expect = "500 Error removing connector configuration from Kafka: no answer";
    assert_eq!(message(&bench.answers[&1]), expect);
    bench.ask(2, Request::Delete("c".into()));
    let expect = "500 Failed to read to the end of the config topic: no answer";
    assert_eq!(message(&bench.answers[&2]), expect);
    // The first one had happened after all.
    let records = bench.stored(&codec::removal("c"));
    bench.step(Event::Config(records));
    bench.broken = false;
    bench.ask(3, Request::Delete("c".into()));
    assert_eq!(message(&bench.answers[&3]), "404 Connector c not found");
}

#[test]
fn at_the_end_everything_stops_and_every_request_is_answered() {
    let mut bench = Bench::new();
    let id = bench.running("c");
    bench.ask(1, Request::RestartConnector("c".into()));
    bench.step(Event::Shutdown);
    bench.ask(2, Request::Connectors);
    bench.connector("c", ConnectorEvent::Stopped);
    assert!(!bench.others.contains(&Effect::Ended));
    bench.task(&id, TaskNews::Stopped);
    assert_eq!(bench.others.last(), Some(&Effect::Ended));
    for id in [1, 2] {
        assert_eq!(message(&bench.answers[&id]), "500 Worker is shutting down");
    }
    assert_eq!(bench.task_state(&id), "UNASSIGNED");
}

#[test]
fn a_task_that_could_not_be_made_has_no_version() {
    let mut bench = Bench::new();
    let id = bench.running("c");
    let version =
        |bench: &Bench| bench.coordinator.status.task(&id).and_then(|status| status.version.clone());
    assert_eq!(version(&bench).as_deref(), Some("1"));
    bench.ask(1, Request::RestartTask(id.clone()));
    bench.task(&id, TaskNews::Stopped);
    bench.task(&id, TaskNews::NotMade("no such field".into()));
    assert_eq!(bench.task_state(&id), "FAILED");
    assert_eq!(version(&bench), None);
    // The next instance has one again.
    bench.ask(2, Request::RestartTask(id.clone()));
    bench.task(&id, TaskNews::Running);
    assert_eq!(version(&bench).as_deref(), Some("1"));
}
