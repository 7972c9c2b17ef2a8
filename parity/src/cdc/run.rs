//! Carries out scenarios on one side.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fancy_regex::Regex;
use indexmap::IndexMap;
use serde_json::json;

use super::compare::CAUSED_BY;
use super::connector::{Connector, LIMIT, POLL};
use super::marks::Ranks;
use super::postgres::{Postgres, newest};
use super::{CdcRecord, CdcRecording, CdcScenario, CdcStep, folder};
use crate::broker::{Broker, BrokerKind};
use crate::kafka::{Kafka, Raw};
use crate::process::Scratch;
use crate::scenario::Names;
use crate::worker::{Worker, WorkerKind};

/// The process that uses a slot.
#[allow(clippy::expect_used, reason = "the expression is a constant")]
static PROCESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"PID \d+").expect("a constant expression is valid"));
/// Debezium shows the key of a row, ours does not.
#[allow(clippy::expect_used, reason = "the expression is a constant")]
static ROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(Failed to find row in table) .*").expect("a constant expression is valid")
});
/// How long nothing may come until it counts as all.
const QUIET: Duration = Duration::from_millis(2_000);
/// The same when so many have come as should.
const SHORT: Duration = Duration::from_millis(400);

/// Runs scenarios on one side and calls `done` with each outcome. `records` says how many records a scenario makes, where
/// that is known: when so many have come, a short wait for more is enough.
///
/// # Errors
/// When the side cannot be started, or `done` fails. A scenario that fails is an outcome, not an error.
pub fn run_all(
    scenarios: &[CdcScenario],
    postgres: Option<&Path>,
    broker: &BrokerKind,
    worker: &WorkerKind,
    records: impl Fn(&CdcScenario) -> Option<usize>,
    mut done: impl FnMut(&CdcScenario, Result<CdcRecording>) -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new()?;
    let programs = postgres.map_or_else(newest, |programs| Ok(programs.to_owned()))?;
    let postgres = Postgres::start_with(&programs, scratch.path(), &[])?;
    let broker = Broker::start(broker, &scratch.path().join("broker"))?;
    let mut names = Names::default();
    names.set("bootstrap", &broker.bootstrap);
    let worker = Worker::start(worker, "cdc", &scratch.path().join("worker"), &mut names)?;
    let kafka = Kafka::new(&broker.bootstrap);
    for scenario in scenarios {
        let settings: Vec<&str> = scenario.settings.iter().map(String::as_str).collect();
        let own = match settings.is_empty() {
            true => None,
            false => Some(Postgres::start_with(&programs, scratch.path(), &settings)?),
        };
        let postgres = own.as_ref().unwrap_or(&postgres);
        let side = Side {
            postgres,
            worker: &worker,
            kafka: &kafka,
            bootstrap: &broker.bootstrap,
            scratch: scratch.path(),
            scenario,
            records: records(scenario),
        };
        let outcome = side.run();
        let _ = side.connector().request("DELETE", "", None);
        let _ = postgres.drop_slots(&side.database());
        done(scenario, outcome.with_context(|| worker.log_tail()))?;
    }
    Ok(())
}

struct Side<'a> {
    postgres: &'a Postgres,
    worker: &'a Worker,
    kafka: &'a Kafka,
    bootstrap: &'a str,
    scratch: &'a Path,
    scenario: &'a CdcScenario,
    records: Option<usize>,
}

impl Side<'_> {
    fn database(&self) -> String {
        self.scenario.name.replace('-', "_")
    }

    fn run(&self) -> Result<CdcRecording> {
        let database = self.database();
        self.postgres.fresh_database(&database)?;
        let mut answers = Vec::new();
        for (index, step) in self.scenario.steps.iter().enumerate() {
            self.step(step, &mut answers).with_context(|| format!("step {index}: {step:?}"))?;
        }
        self.settle()?;
        Ok(CdcRecording { answers, ..self.recording()? })
    }

    fn step(&self, step: &CdcStep, answers: &mut Vec<String>) -> Result<()> {
        let database = self.database();
        match step {
            CdcStep::Sql(sql) => self.postgres.run(&database, sql).map(drop),
            CdcStep::File(name) => self.postgres.run_file(&database, &folder().join(name)),
            CdcStep::Start {} => {
                self.put(&self.config(&IndexMap::new()))?;
                self.wait_until_streaming()
            }
            CdcStep::StartOnly {} => {
                self.put(&self.config(&IndexMap::new()))?;
                self.settle()
            }
            CdcStep::Settle {} => self.settle(),
            CdcStep::Append { file, lines } => {
                let mut file = OpenOptions::new().create(true).append(true).open(self.scratch.join(file))?;
                Ok(file.write_all(format!("{}\n", lines.join("\n")).as_bytes())?)
            }
            CdcStep::Topic(topic) => self.kafka.create_topic(topic),
            CdcStep::Produce(produce) => {
                self.kafka.produce(&produce.topic, &produce.records, &Names::default())
            }
            CdcStep::Restart {} => {
                self.stop()?;
                self.connector().ask("PUT", "/resume", None)?;
                self.wait_until_streaming()
            }
            CdcStep::Stop {} => self.stop(),
            CdcStep::Resume {} => self.connector().ask("PUT", "/resume", None).map(drop),
            CdcStep::Change(keys) => {
                self.put(&self.config(keys))?;
                self.connector().ask("PUT", "/resume", None).map(drop)
            }
            CdcStep::Fails {} => {
                let connector = self.connector();
                connector.wait("the task fails", || Ok(connector.task()?["state"] == "FAILED"))
            }
            CdcStep::Streams {} => self.wait_until_streaming(),
            CdcStep::Put {} => {
                let config = self.config(&IndexMap::new());
                let (status, body) = self.connector().request("PUT", "/config", Some(&json!(config)))?;
                let body = body.replace(&self.postgres.port.to_string(), "<port>");
                answers.push(format!("{status} {body}"));
                Ok(())
            }
        }
    }

    fn stop(&self) -> Result<()> {
        let connector = self.connector();
        connector.ask("PUT", "/stop", None)?;
        connector.wait("the slot is free", || Ok(self.slot_is_active()? != Some(true)))
    }

    /// The connector's config, with some keys changed.
    fn config(&self, changed: &IndexMap<String, Option<String>>) -> IndexMap<String, String> {
        let database = self.database();
        let mut config = self.postgres.connector_config(&database, &self.scenario.name, &database, 50);
        for (key, value) in self.scenario.config.iter().chain(changed) {
            match value {
                Some(value) => config.insert(key.clone(), self.filled(value)),
                None => config.shift_remove(key.as_str()),
            };
        }
        config
    }

    fn put(&self, config: &IndexMap<String, String>) -> Result<()> {
        self.connector().ask("PUT", "/config", Some(&json!(config))).map(drop)
    }

    fn filled(&self, value: &str) -> String {
        value.replace("{scratch}", &self.scratch.display().to_string()).replace("{bootstrap}", self.bootstrap)
    }

    fn connector(&self) -> Connector<'_> {
        Connector { rest: self.worker.rest, name: &self.scenario.name }
    }

    fn slot(&self) -> String {
        self.scenario.config.get("slot.name").cloned().flatten().unwrap_or_else(|| self.database())
    }

    fn slot_is_active(&self) -> Result<Option<bool>> {
        let slot = self.slot();
        let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'");
        Ok(match self.postgres.run("postgres", &sql)?.trim() {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        })
    }

    fn wait_until_streaming(&self) -> Result<()> {
        self.connector().wait("the connector streams", || {
            if let Some(trace) = self.connector().failure()? {
                bail!("the task failed: {trace}");
            }
            self.postgres.streams(&self.slot())
        })
    }

    /// Waits until no more records come, and the slot has seen all of the log.
    fn settle(&self) -> Result<()> {
        let end = Instant::now() + LIMIT;
        let (mut count, mut since) = (usize::MAX, Instant::now());
        while Instant::now() < end {
            let now = self.count()?;
            if now != count {
                (count, since) = (now, Instant::now());
            } else if since.elapsed() > if Some(now) == self.records { SHORT } else { QUIET } {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        bail!("records did not end within {LIMIT:?}")
    }

    fn topics(&self) -> Result<Vec<String>> {
        let prefix = &self.scenario.name;
        let kept = |name: &str| match (name.strip_prefix(prefix.as_str()), &self.scenario.topics[..]) {
            (Some(rest), []) => rest.is_empty() || rest.starts_with('.'),
            (Some(rest), topics) => topics.iter().any(|topic| topic == rest),
            (None, topics) => topics.is_empty() && name == format!("__debezium-heartbeat.{prefix}"),
        };
        let mut topics: Vec<String> = self.kafka.topics()?.into_iter().filter(|name| kept(name)).collect();
        topics.sort();
        Ok(topics)
    }

    fn count(&self) -> Result<usize> {
        self.topics()?.iter().map(|topic| self.kafka.count(topic)).sum()
    }

    fn recording(&self) -> Result<CdcRecording> {
        let mut raw: IndexMap<String, Vec<Raw>> = IndexMap::new();
        for topic in self.topics()? {
            let records = self.kafka.read(&topic)?;
            raw.insert(topic, records);
        }
        // Offsets are flushed every half second.
        std::thread::sleep(Duration::from_millis(700));
        let offset = self.offset()?;
        let mut ranks = Ranks::default();
        ranks.note(offset.as_deref().unwrap_or_default());
        for record in raw.values().flatten() {
            for part in [&record.key, &record.value].into_iter().flatten() {
                ranks.note(&String::from_utf8_lossy(part));
            }
        }
        let mut recording = CdcRecording {
            scenario: self.scenario.name.clone(),
            offset: offset.map(|offset| ranks.mark(&offset)),
            task: self.task_summary()?,
            ..CdcRecording::default()
        };
        for (topic, records) in raw {
            let records =
                records.iter().map(|record| shown(record, &ranks, &mut recording.schemas)).collect();
            recording.topics.insert(topic, records);
        }
        Ok(recording)
    }

    /// The task's state; of a failure what happened and where it began, without what lies between.
    fn task_summary(&self) -> Result<String> {
        let task = self.connector().task()?;
        let lines = || task["trace"].as_str().unwrap_or_default().lines();
        let trace = lines().next().unwrap_or_default();
        let root = lines().filter_map(|line| line.strip_prefix("Caused by: ")).next_back();
        // Debezium prints an object of its own there.
        let trace = match (trace.split_once(" starting at "), trace.split_once(", but this is no longer")) {
            (Some((before, _)), Some((_, behind))) => {
                format!("{before} starting at <offset>, but this is no longer{behind}")
            }
            _ => trace.to_owned(),
        };
        let root = root.map(|root| format!("{CAUSED_BY}{root}")).unwrap_or_default();
        let root = PROCESS.replace_all(&root, "PID <pid>");
        let root = ROW.replace(&root, "$1 <table and key>");
        Ok(format!("{} {trace}{root}", task["state"].as_str().unwrap_or("none")).trim().to_owned())
    }

    fn offset(&self) -> Result<Option<String>> {
        let records = self.kafka.read("parity-cdc-offsets")?;
        let key = format!("[\"{}\",", self.scenario.name);
        let last = records
            .iter()
            .rfind(|record| record.key.as_ref().is_some_and(|found| found.starts_with(key.as_bytes())));
        Ok(last
            .and_then(|record| record.value.as_ref())
            .map(|value| String::from_utf8_lossy(value).into_owned()))
    }
}

/// A record with its schemas taken out.
fn shown(record: &Raw, ranks: &Ranks, schemas: &mut Vec<String>) -> CdcRecord {
    let mut part = |bytes: Option<&Vec<u8>>| {
        let text = String::from_utf8_lossy(bytes?).into_owned();
        let (schema, payload) = split(&text);
        Some((place(schemas, schema), ranks.mark(payload)))
    };
    let (key, value) = (part(record.key.as_ref()), part(record.value.as_ref()));
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| match part(value.as_ref()) {
            Some((place, payload)) => (name.clone(), Some(place), payload),
            None => (name.clone(), None, "null".to_owned()),
        })
        .collect();
    CdcRecord { key, value, headers }
}

fn place(schemas: &mut Vec<String>, schema: &str) -> usize {
    schemas.iter().position(|known| known == schema).unwrap_or_else(|| {
        schemas.push(schema.to_owned());
        schemas.len() - 1
    })
}

/// The two parts of `{"schema":…,"payload":…}`, as they stand there.
fn split(text: &str) -> (&str, &str) {
    let inner = text.strip_prefix("{\"schema\":").and_then(|rest| rest.strip_suffix('}'));
    inner.and_then(|inner| inner.split_once(",\"payload\":")).unwrap_or(("", text))
}

/// Where a scenario's recording is.
pub fn recording_path(folder: &Path, scenario: &str) -> std::path::PathBuf {
    folder.join(format!("{scenario}.json"))
}
