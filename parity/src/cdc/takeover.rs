//! A connector that goes from Debezium to ours and back, on one slot and one topic of offsets, while changes flow.
//!
//! Every other seed has full tables, so that the first takeovers meet a snapshot under way.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use serde_json::{Value, json};

use super::connector::{Connector, LIMIT};
use super::load;
use super::postgres::Postgres;
use super::truth::{Truth, Wrong};
use crate::broker::{Broker, BrokerKind};
use crate::kafka::Kafka;
use crate::peers::{DEBEZIUM_VERSION, Peers};
use crate::process::Scratch;
use crate::results;
use crate::scenario::Names;
use crate::worker::{Worker, WorkerKind};

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct TakeoverArguments {
    /// With the real connector; there is no other way
    #[arg(long, required = true)]
    live: bool,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 4)]
    count: u64,
    /// Takeovers of each seed
    #[arg(long, default_value_t = 8)]
    takeovers: u32,
    /// The raccord binary
    #[arg(long, default_value = "target/debug/raccord")]
    binary: PathBuf,
    /// Write the figures to a file of this folder
    #[arg(long)]
    results: Option<PathBuf>,
}

/// What the seeds came to.
#[derive(Default, Serialize)]
struct Figures {
    date: String,
    debezium: &'static str,
    postgres: String,
    first_seed: u64,
    seeds: u64,
    takeovers: u64,
    /// Seeds with takeovers during a snapshot.
    snapshots: u64,
    changes: usize,
    /// Records that came more than once.
    repeats: usize,
    /// Seeds with a change that is lost or out of order.
    wrong: Vec<u64>,
}

/// Runs the seeds; whether nothing was lost or out of order.
///
/// # Errors
/// When a side cannot be started.
#[allow(clippy::print_stdout)] // A command-line program's report.
pub fn run(arguments: &TakeoverArguments) -> Result<bool> {
    let peers = Peers::find()?;
    let binary = arguments.binary.canonicalize().context("no binary: build it or name it with --binary")?;
    let scratch = Scratch::new()?;
    let postgres = Postgres::start(scratch.path())?;
    let broker = Broker::start(&BrokerKind::Raccord(binary.clone()), &scratch.path().join("broker"))?;
    let mut names = Names::default();
    names.set("bootstrap", &broker.bootstrap);
    let mut start = |kind: WorkerKind, variant: &str| {
        Worker::start(&kind, variant, &scratch.path().join(variant), &mut names)
    };
    let real = start(WorkerKind::Kafka(peers), "cdc-real")?;
    let ours = start(WorkerKind::Raccord(binary), "cdc-ours")?;
    let kafka = Kafka::new(&broker.bootstrap);
    let mut figures = Figures {
        date: results::date()?,
        debezium: DEBEZIUM_VERSION,
        postgres: postgres.run("postgres", "SHOW server_version")?.trim().to_owned(),
        first_seed: arguments.seed,
        seeds: arguments.count,
        ..Figures::default()
    };
    for seed in arguments.seed..arguments.seed + arguments.count {
        let name = format!("takeover{seed}");
        let case = Takeovers { workers: [&real, &ours], postgres: &postgres, kafka: &kafka, name: &name };
        match case.run(seed, arguments.takeovers) {
            Ok(seen) => {
                let during = if seen.with_snapshot { " and a snapshot" } else { "" };
                println!(
                    "seed {seed}: {} takeovers during {} changes{during}: none lost, in order, {} repeated",
                    arguments.takeovers, seen.changes, seen.repeats
                );
                figures.takeovers += u64::from(arguments.takeovers);
                figures.snapshots += u64::from(seen.with_snapshot);
                figures.changes += seen.changes;
                figures.repeats += seen.repeats;
            }
            Err(error) => {
                println!("seed {seed}: WRONG: {error:#}\nours: {}", ours.log_tail());
                figures.wrong.push(seed);
            }
        }
        for worker in [&real, &ours] {
            let _ = Connector { rest: worker.rest, name: &name }.request("DELETE", "", None);
        }
        let _ = postgres.drop_slots(&name);
    }
    results::write(arguments.results.as_deref(), &figures.date, "cdc-takeover", &figures)?;
    Ok(figures.wrong.is_empty())
}

/// What a seed came to.
struct Seen {
    with_snapshot: bool,
    changes: usize,
    repeats: usize,
}

struct Takeovers<'a> {
    workers: [&'a Worker; 2],
    postgres: &'a Postgres,
    kafka: &'a Kafka,
    name: &'a str,
}

impl Takeovers<'_> {
    fn run(&self, seed: u64, takeovers: u32) -> Result<Seen> {
        let mut random = StdRng::seed_from_u64(seed);
        let with_snapshot = seed.is_multiple_of(2);
        let psql = self.postgres.client();
        self.postgres.fresh_database(self.name)?;
        psql.run(self.name, load::CREATE)?;
        if with_snapshot {
            for table in load::TABLES {
                let fill = format!(
                    "INSERT INTO {table} SELECT i, i, repeat('y', 200) FROM generate_series(1000, 31000) i"
                );
                psql.run(self.name, &fill)?;
            }
            Truth::begin(psql, self.name)?;
        }
        let mut at = random.random_range(0..2);
        self.go_on(at, true)?;
        if !with_snapshot {
            self.wait_until_streaming(at)?;
            Truth::begin(psql, self.name)?;
        }
        let ends = AtomicBool::new(false);
        let created = std::thread::scope(|scope| -> Result<[bool; 2]> {
            scope.spawn(|| {
                let mut random = StdRng::seed_from_u64(!seed);
                while !ends.load(Ordering::Relaxed) {
                    let _ = psql.run_script(self.name, &load::script(&mut random));
                    std::thread::sleep(Duration::from_millis(random.random_range(0..40)));
                }
            });
            let mut created = [at == 0, at == 1];
            let mut change = || -> Result<()> {
                for _ in 0..takeovers {
                    let longest = if with_snapshot { 900 } else { 3_000 };
                    std::thread::sleep(Duration::from_millis(random.random_range(100..longest)));
                    self.stop(at)?;
                    at = 1 - at;
                    self.go_on(at, !created[at])?;
                    created[at] = true;
                    if random.random_bool(0.7) {
                        self.wait_until_streaming(at)?;
                    }
                }
                Ok(())
            };
            let outcome = change();
            ends.store(true, Ordering::Relaxed);
            outcome.map(|()| created)
        })?;
        if created != [true, true] {
            bail!("one side had no turn");
        }
        let truth = Truth::read(psql, self.name)?;
        let (mut changes, mut repeats) = (0, 0);
        let end = Instant::now() + LIMIT;
        for table in load::TABLES {
            let topic = format!("{}.public.{table}", self.name);
            repeats += loop {
                match truth.check(psql, self.name, table, &self.kafka.read(&topic)?, with_snapshot) {
                    Ok(repeats) => break repeats,
                    Err(Wrong::Late(_)) if Instant::now() < end => {
                        std::thread::sleep(Duration::from_secs(1));
                    }
                    Err(Wrong::Late(message)) => bail!("{message}"),
                    Err(Wrong::Lost(error)) => return Err(error),
                }
            };
            changes += truth.count(table);
        }
        Ok(Seen { with_snapshot, changes, repeats })
    }

    fn connector(&self, at: usize) -> Connector<'_> {
        Connector { rest: self.workers[at].rest, name: self.name }
    }

    fn go_on(&self, at: usize, first: bool) -> Result<()> {
        match first {
            true => self.connector(at).ask("PUT", "/config", Some(&self.config())),
            false => self.connector(at).ask("PUT", "/resume", None),
        }
        .map(drop)
    }

    fn stop(&self, at: usize) -> Result<()> {
        let connector = self.connector(at);
        connector.ask("PUT", "/stop", None)?;
        connector.wait("the slot is free", || Ok(!self.slot_is_active()?))?;
        connector.wait("the task is gone", || Ok(connector.task()?.is_null()))
    }

    fn slot_is_active(&self) -> Result<bool> {
        let select = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{}'", self.name);
        Ok(self.postgres.run("postgres", &select)?.trim() == "t")
    }

    fn wait_until_streaming(&self, at: usize) -> Result<()> {
        let connector = self.connector(at);
        connector.wait("the connector streams", || {
            if let Some(trace) = connector.failure()? {
                bail!("the task failed: {trace}");
            }
            self.postgres.streams(self.name)
        })
    }

    fn config(&self) -> Value {
        json!({
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1", "database.port": self.postgres.port.to_string(),
            "database.user": "postgres", "database.password": "postgres", "database.dbname": self.name,
            "topic.prefix": self.name, "plugin.name": "pgoutput", "slot.name": self.name,
            "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "slot.retry.delay.ms": "300", "slot.max.retries": "30", "poll.interval.ms": "20",
        })
    }
}
