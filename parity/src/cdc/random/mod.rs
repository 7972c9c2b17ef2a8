//! Random tables, settings and transactions by seed, through Debezium and through ours at once.
//!
//! Both connectors capture one database, each through a slot of its own, and write to a broker of their own. So positions,
//! transactions and times of the log are the same for both, and everything is compared as it is, but for the moment at
//! which a record was made, and for what belongs to the snapshot: each side takes its own.

pub mod case;
pub mod columns;
pub mod settings;
pub mod side;
pub mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fancy_regex::Regex;
use serde::Serialize;
use serde_json::Value;

use self::case::{Case, PRELUDE, Step};
use self::side::Side;
use super::marks::Ranks;
use super::postgres::Postgres;
use crate::broker::{Broker, BrokerKind};
use crate::kafka::{Kafka, Raw};
use crate::peers::{DEBEZIUM_VERSION, Peers};
use crate::process::Scratch;
use crate::results;
use crate::scenario::Names;
use crate::worker::{Worker, WorkerKind};

/// How long the slower side may need to catch up.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(60);
/// The database that the others are copied from.
const TEMPLATE: &str = "parity_template";

/// The prefix of messages that both leave out.
const WAKE: &str = "wake";

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct RandomArguments {
    /// Ask the real connector; there is no other way
    #[arg(long, required = true)]
    live: bool,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 50)]
    count: u64,
    /// The raccord binary
    #[arg(long, default_value = "target/debug/raccord")]
    binary: PathBuf,
    /// Print the case of each seed
    #[arg(long)]
    show: bool,
    /// The folder with the programs of the PostgreSQL to use; by default the newest below /usr/lib/postgresql
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// Write the figures to a file of this folder
    #[arg(long)]
    results: Option<PathBuf>,
}

/// What the seeds came to.
#[derive(Default, Serialize)]
struct Totals {
    date: String,
    debezium: &'static str,
    postgres: String,
    first_seed: u64,
    seeds: u64,
    records: usize,
    /// Records that come from the log; the others are of snapshots.
    streamed: usize,
    restarts: usize,
    /// Seeds whose task failed alike on both sides.
    failed_tasks: usize,
    /// Seeds whose config both refused alike.
    refused: usize,
    seconds: u64,
    /// How many seeds have a setting other than its default, by its key.
    settings: BTreeMap<String, usize>,
    /// The seeds with differences.
    differing: Vec<u64>,
}

/// Compares the cases of the seeds; whether none differed.
///
/// # Errors
/// When a side cannot be started.
#[allow(clippy::print_stdout)] // A command-line program's report.
pub fn run(arguments: &RandomArguments) -> Result<bool> {
    let peers = Peers::find()?;
    let binary = arguments.binary.canonicalize().context("no binary: build it or name it with --binary")?;
    let scratch = Scratch::new()?;
    let postgres = match &arguments.postgres {
        Some(programs) => Postgres::start_with(programs, scratch.path(), &[])?,
        None => Postgres::start(scratch.path())?,
    };
    postgres.fresh_database(TEMPLATE)?;
    postgres.run(TEMPLATE, PRELUDE)?;
    let start = |who: &str, kind: WorkerKind| -> Result<(Broker, Worker)> {
        let folder = scratch.path().join(who);
        let broker = Broker::start(&BrokerKind::Raccord(binary.clone()), &folder.join("broker"))?;
        let mut names = Names::default();
        names.set("bootstrap", &broker.bootstrap);
        let worker = Worker::start(&kind, "cdc", &folder.join("worker"), &mut names)?;
        Ok((broker, worker))
    };
    let (real_broker, real) = start("real", WorkerKind::Kafka(peers))?;
    let (our_broker, ours) = start("ours", WorkerKind::Raccord(binary.clone()))?;
    let (real_kafka, our_kafka) = (Kafka::new(&real_broker.bootstrap), Kafka::new(&our_broker.bootstrap));
    let mut totals = Totals {
        date: results::date()?,
        debezium: DEBEZIUM_VERSION,
        postgres: postgres.run("postgres", "SHOW server_version")?.trim().to_owned(),
        first_seed: arguments.seed,
        seeds: arguments.count,
        ..Totals::default()
    };
    let begin = Instant::now();
    for seed in arguments.seed..arguments.seed + arguments.count {
        let case = Case::random(seed);
        let name = format!("seed{seed}");
        let side = |who, worker, kafka| Side { who, worker, kafka, postgres: &postgres, name: name.as_str() };
        let pair = Pair {
            real: side("real", &real, &real_kafka),
            ours: side("ours", &ours, &our_kafka),
            postgres: &postgres,
            name: &name,
        };
        if arguments.show {
            println!("{}", serde_json::to_string_pretty(&case)?);
        }
        for (key, _) in &case.settings {
            *totals.settings.entry(key.clone()).or_default() += 1;
        }
        let outcome = pair.run(&case, &mut totals);
        pair.clear();
        let differences =
            outcome.unwrap_or_else(|error| vec![format!("broke off: {error:#}\nours: {}", ours.log_tail())]);
        if !differences.is_empty() {
            println!("seed {seed}: settings {:?}", case.settings);
            differences.iter().take(6).for_each(|difference| println!("  {difference}"));
            println!("seed {seed}: {} differences\n", differences.len());
            totals.differing.push(seed);
        }
    }
    totals.seconds = begin.elapsed().as_secs();
    println!(
        "seeds {} to {}: {} records ({} from the log), {} restarts, {} seeds whose task failed alike, {} refused alike, \
         {} s, {} seeds with differences {:?}",
        arguments.seed,
        arguments.seed + arguments.count - 1,
        totals.records,
        totals.streamed,
        totals.restarts,
        totals.failed_tasks,
        totals.refused,
        totals.seconds,
        totals.differing.len(),
        totals.differing
    );
    results::write(arguments.results.as_deref(), &totals.date, "cdc-random", &totals)?;
    Ok(totals.differing.is_empty())
}

/// Both sides of a case.
struct Pair<'a> {
    real: Side<'a>,
    ours: Side<'a>,
    postgres: &'a Postgres,
    name: &'a str,
}

impl Pair<'_> {
    fn sides(&self) -> [&Side<'_>; 2] {
        [&self.real, &self.ours]
    }

    /// Runs a case; gives the differences.
    fn run(&self, case: &Case, totals: &mut Totals) -> Result<Vec<String>> {
        self.postgres.database_from(self.name, TEMPLATE)?;
        self.postgres.client().run_script(self.name, &(case.before.join(";\n") + ";\n"))?;
        let streams = !case.settings.iter().any(|(_, value)| value == "initial_only");
        let answers = [self.real.create(case)?, self.ours.create(case)?];
        if answers[0] != answers[1] {
            bail!("the config:\n    real {}\n    ours {}", answers[0], answers[1]);
        }
        if !answers[0].starts_with("20") {
            totals.refused += 1;
            return Ok(Vec::new());
        }
        let mut both = true;
        for side in self.sides() {
            both &= if streams { side.wait_until_streaming()? } else { side.wait_until_running()? };
        }
        let mut syncs = 0;
        for step in case.steps.iter().filter(|_| streams) {
            if !both {
                break;
            }
            match step {
                Step::Script(script) => drop(self.postgres.client().run_script(self.name, script)?),
                Step::Sync => both = self.sync(&mut syncs)?,
                Step::Restart(script) => {
                    totals.restarts += 1;
                    for side in self.sides() {
                        side.stop()?;
                    }
                    self.postgres.client().run_script(self.name, script)?;
                    for side in self.sides() {
                        side.connector().ask("PUT", "/resume", None)?;
                    }
                    for side in self.sides() {
                        both &= side.wait_until_streaming()?;
                    }
                    // Both look for their position until a transaction commits, and drop messages outside of
                    // transactions meanwhile.
                    let wake = format!("SELECT pg_logical_emit_message(true, '{WAKE}', 'x')");
                    self.postgres.run(self.name, &wake)?;
                }
            }
        }
        if streams && both {
            both = self.sync(&mut syncs)?;
        } else if !streams {
            self.settle()?;
        }
        if !both {
            self.settle()?;
        }
        self.compare(totals)
    }

    /// Waits until both have seen everything, which a message at the end of the log tells. False when a task failed.
    fn sync(&self, syncs: &mut usize) -> Result<bool> {
        *syncs += 1;
        // The number of a transaction makes the commit flush the log.
        let message = "SELECT pg_logical_emit_message(false, 'sync', 'x'), txid_current()";
        self.postgres.run(self.name, message)?;
        let topic = format!("{}.message", self.name);
        let end = Instant::now() + PATIENCE;
        let mut failed = false;
        for side in self.sides() {
            while side.count(&topic)? < *syncs {
                if side.connector().failure()?.is_some() {
                    failed = true;
                    break;
                }
                if Instant::now() > end {
                    bail!("{} has not seen message {syncs} within {PATIENCE:?}", side.who);
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(!failed)
    }

    /// Waits until nothing more comes.
    fn settle(&self) -> Result<()> {
        let count = |side: &Side<'_>| -> Result<usize> {
            side.topics()?.iter().map(|topic| side.kafka.count(topic)).sum()
        };
        let (mut last, mut since) = (usize::MAX, Instant::now());
        while since.elapsed() < Duration::from_millis(1_500) {
            let now = count(&self.real)? + count(&self.ours)?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn compare(&self, totals: &mut Totals) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let (real_failure, our_failure) =
            (self.real.connector().failure()?, self.ours.connector().failure()?);
        let first = |side: &Side<'_>, trace: &Option<String>| {
            trace.as_deref().map(|trace| side.neutral(trace.lines().next().unwrap_or_default()))
        };
        if first(&self.real, &real_failure) != first(&self.ours, &our_failure) {
            found.push(format!("tasks:\n    real {real_failure:?}\n    ours {our_failure:?}"));
        }
        totals.failed_tasks += usize::from(real_failure.is_some() && our_failure.is_some());
        let (expected, actual) = (self.real.records()?, self.ours.records()?);
        let names =
            |topics: &indexmap::IndexMap<String, Vec<Raw>>| topics.keys().cloned().collect::<Vec<_>>();
        if names(&expected) != names(&actual) {
            found.push(format!("topics:\n    real {:?}\n    ours {:?}", names(&expected), names(&actual)));
        }
        let (expected_ranks, actual_ranks) = (ranks(expected.values()), ranks(actual.values()));
        for (topic, records) in &expected {
            let Some(others) = actual.get(topic) else { continue };
            if records.len() != others.len() {
                found.push(format!("{topic}: {} records of real, {} of ours", records.len(), others.len()));
            }
            totals.records += records.len();
            for (place, (record, other)) in records.iter().zip(others).enumerate() {
                let (record, streamed) = shown(record, &expected_ranks);
                let (other, _) = shown(other, &actual_ranks);
                totals.streamed += usize::from(streamed);
                if record != other && shortest(&record) != shortest(&other) {
                    found.push(format!("{topic}[{place}]:{}", around(&record, &other)));
                }
            }
        }
        if let Some(difference) = self.offsets_differ()? {
            found.push(difference);
        }
        Ok(found)
    }

    /// Offsets are flushed every half second: looks until they are equal.
    fn offsets_differ(&self) -> Result<Option<String>> {
        let end = Instant::now() + Duration::from_secs(4);
        loop {
            let (real, ours) = (self.real.offset()?, self.ours.offset()?);
            let (shown_real, shown_ours) = (shown_offset(&real), shown_offset(&ours));
            if shown_real == shown_ours {
                return Ok(None);
            }
            if Instant::now() > end {
                return Ok(Some(format!("offsets:\n    real {real}\n    ours {ours}")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn clear(&self) {
        for side in self.sides() {
            let _ = side.connector().request("DELETE", "", None);
        }
        for side in self.sides() {
            let _ = side.connector().wait("the slot is free", || Ok(side.slot_is_active()? != Some(true)));
        }
        let _ = self.postgres.drop_database(self.name);
    }
}

/// An offset of a snapshot says where and when that was; only its form is the same. The time at a message outside of
/// transactions is that of the transaction before, or of the connector's start.
fn shown_offset(offset: &Value) -> Value {
    let Value::Object(map) = offset else { return offset.clone() };
    let of_snapshot = map.contains_key("snapshot") || !map.contains_key("lsn_proc");
    let of_message = map.get("messageType").is_some_and(|kind| kind == "MESSAGE");
    let shown = |(key, value): (&String, &Value)| {
        let hidden = (of_snapshot && value.is_number()) || (of_message && key == "ts_usec");
        (key.clone(), if hidden { Value::Null } else { value.clone() })
    };
    map.iter().map(shown).collect::<serde_json::Map<_, _>>().into()
}

/// Ranks of what belongs to the snapshot.
fn ranks<'a>(topics: impl Iterator<Item = &'a Vec<Raw>>) -> Ranks {
    let mut ranks = Ranks::default();
    for record in topics.flatten() {
        for part in [&record.key, &record.value].into_iter().flatten() {
            let text = String::from_utf8_lossy(part);
            if is_of_snapshot(&text) {
                ranks.note(payload(&text));
            }
        }
    }
    ranks
}

fn is_of_snapshot(text: &str) -> bool {
    payload(text).contains("\"snapshot\":\"") && !payload(text).contains("\"snapshot\":\"false\"")
}

fn payload(text: &str) -> &str {
    text.split_once(",\"payload\":").map_or(text, |(_, payload)| payload)
}

#[allow(clippy::expect_used, reason = "the expression is a constant")]
static MADE_AT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"("op":"[a-z]","ts_ms":)\d+(?:(,"ts_us":)\d+(,"ts_ns":)\d+)?"#)
        .expect("a constant expression is valid")
});

/// The times of a message outside of transactions: those of the transaction before, or of the connector's start.
#[allow(clippy::expect_used, reason = "the expression is a constant")]
static MESSAGE_TIMES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"("ts_(?:ms|us|ns)":)\d+"#).expect("a constant expression is valid"));

/// Numbers with more digits than needed, as a JDK before 19 writes some (JDK-4511638).
#[allow(clippy::expect_used, reason = "the expression is a constant")]
static LONG_NUMBERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?<=[:,\[])-?\d+\.\d+(?:E-?\d+)?(?=[,}\]])").expect("a constant expression is valid")
});

fn shortest(text: &str) -> String {
    let shorten = |found: &fancy_regex::Captures<'_>| {
        let text = found.get(0).map_or("", |all| all.as_str());
        text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| format!("{number:e}"))
    };
    LONG_NUMBERS.replace_all(text, shorten).into_owned()
}

/// A record as it is, but for when it was made; and whether it comes from the log.
fn shown(record: &Raw, ranks: &Ranks) -> (String, bool) {
    let part = |bytes: Option<&Vec<u8>>| {
        let Some(bytes) = bytes else { return "null".to_owned() };
        let text = String::from_utf8_lossy(bytes);
        match is_of_snapshot(&text) {
            true => ranks.mark(&text),
            false if payload(&text).contains("\"op\":\"m\"") => {
                MESSAGE_TIMES.replace_all(&text, "$1<time>").into_owned()
            }
            false => MADE_AT.replace_all(&text, "$1<time>$2<time>$3<time>").into_owned(),
        }
    };
    let mut text =
        format!("value {}\nkey {}\nheaders", part(record.value.as_ref()), part(record.key.as_ref()));
    for (name, value) in &record.headers {
        text.push_str(&format!(" {name}={}", part(value.as_ref())));
    }
    let streamed =
        !record.value.as_deref().is_some_and(|value| is_of_snapshot(&String::from_utf8_lossy(value)));
    (text, streamed)
}

/// Both texts around the first difference.
fn around(expected: &str, actual: &str) -> String {
    const BEFORE: usize = 160;
    const SHOWN: usize = 420;
    let same = expected.chars().zip(actual.chars()).take_while(|(a, b)| a == b).count();
    let cut = |text: &str| text.chars().skip(same.saturating_sub(BEFORE)).take(SHOWN).collect::<String>();
    format!("\n    real …{}\n    ours …{}", cut(expected), cut(actual))
}
