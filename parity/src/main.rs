//! `raccord-parity`: records the real Kafka Connect, replays the recordings against raccord, or runs both.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use indexmap::IndexMap;
use raccord_parity::allowances::{ALLOWANCES, Kind};
use raccord_parity::broker::BrokerKind;
use raccord_parity::cdc::{self, CdcRecording};
use raccord_parity::compare::{Outcome, compare};
use raccord_parity::exchange::Recording;
use raccord_parity::normalise::RULES;
use raccord_parity::peers::{DEBEZIUM_VERSION, Peers};
use raccord_parity::results;
use raccord_parity::run::{recording_path, run_all};
use raccord_parity::scenario::{Scenario, load, recorded_dir};
use raccord_parity::transforms::{self, Mode};
use raccord_parity::worker::WorkerKind;
use serde_json::json;

/// How long the real worker is waited for: as long as the scenario allows.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Parser)]
#[command(about = "Compares raccord with the real Kafka Connect 4.3.1")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// REST conversations
    Rest(Suite),
    /// Connectors moving records
    Pipelines(Suite),
    /// Chains of transforms and predicates, applied to records in process
    Transforms(TransformsSuite),
    /// Random chains of transforms and predicates, applied by the real ones and by ours
    Chains(Chains),
    /// Captured databases
    Cdc(CdcSuite),
    /// Random tables, settings and transactions, captured by the real connector and by ours at once
    CdcRandom(cdc::random::RandomArguments),
    /// A captured database that goes from the real connector to ours and back while changes flow
    CdcTakeover(cdc::takeover::TakeoverArguments),
    /// List the tolerances of the comparison, and what may differ
    Rules,
}

#[derive(Args)]
struct Suite {
    /// Run the real worker and record what it does
    #[arg(long, conflicts_with_all = ["recorded", "live"])]
    record: bool,
    /// Run ours and compare with the recordings; needs no JVM
    #[arg(long, conflicts_with = "live")]
    recorded: bool,
    /// Run the real worker, then ours, and compare
    #[arg(long)]
    live: bool,
    /// The raccord binary
    #[arg(long, default_value = "target/debug/raccord")]
    binary: PathBuf,
    /// The broker under ours; by default Kafka with --live, raccord's own with --recorded
    #[arg(long)]
    broker: Option<BrokerChoice>,
    /// Only scenarios whose names contain this text; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// The longest wait for what a step expects of ours, in seconds
    #[arg(long, default_value_t = 30)]
    patience: u64,
    /// Write what ours did to this folder, in the form of the recordings
    #[arg(long)]
    save: Option<PathBuf>,
}

#[derive(Args)]
struct CdcSuite {
    #[command(flatten)]
    suite: Suite,
    /// The folder with the programs of the PostgreSQL to use; by default the newest below /usr/lib/postgresql
    #[arg(long)]
    postgres: Option<PathBuf>,
    /// Write the figures to a file of this folder
    #[arg(long)]
    results: Option<PathBuf>,
}

#[derive(Args)]
#[command(group(ArgGroup::new("mode").required(true).args(["record", "recorded", "live"])))]
struct TransformsSuite {
    /// Ask the real transforms and record their answers; ours is compared as well
    #[arg(long)]
    record: bool,
    /// Compare ours with the recordings; needs no JVM
    #[arg(long)]
    recorded: bool,
    /// Ask the real transforms and compare ours
    #[arg(long)]
    live: bool,
    /// Only scenarios whose names contain this text; may be given several times
    #[arg(long)]
    only: Vec<String>,
}

impl TransformsSuite {
    fn mode(&self) -> Mode {
        match (self.record, self.recorded) {
            (true, _) => Mode::Record,
            (_, true) => Mode::Recorded,
            _ => Mode::Live,
        }
    }
}

#[derive(Args)]
struct Chains {
    /// Ask the real transforms; there is no other way yet
    #[arg(long, required = true)]
    live: bool,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many chains
    #[arg(long, default_value_t = 500)]
    count: u64,
    /// Write the figures to a file of this folder
    #[arg(long)]
    results: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum BrokerChoice {
    Kafka,
    Raccord,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("raccord-parity: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::print_stdout)] // A command-line program's report.
fn run(cli: Cli) -> Result<bool> {
    match cli.command {
        Command::Rest(suite) => run_suite("rest", &suite),
        Command::Pipelines(suite) => run_suite("pipelines", &suite),
        Command::Transforms(suite) => transforms::run(suite.mode(), &suite.only),
        Command::Chains(chains) => {
            transforms::random::run(chains.seed, chains.count, chains.results.as_deref())
        }
        Command::Cdc(suite) => cdc_suite(&suite),
        Command::CdcTakeover(arguments) => cdc::takeover::run(&arguments),
        Command::CdcRandom(arguments) => cdc::random::run(&arguments),
        Command::Rules => {
            for rule in RULES {
                println!("{} ({:?}): {}", rule.name, rule.stage, rule.reason);
            }
            for row in ALLOWANCES {
                println!("{:?}: {}", row.kind, row.what);
            }
            Ok(true)
        }
    }
}

fn run_suite(name: &str, suite: &Suite) -> Result<bool> {
    let scenarios = load(name, &suite.only)?;
    let recordings = recorded_dir().join(name);
    if suite.record {
        return record(&scenarios, &recordings);
    }
    if !suite.live && !suite.recorded {
        bail!("say --record, --recorded or --live");
    }
    let binary = suite.binary.canonicalize().with_context(|| {
        format!("no binary at {}: build it or name it with --binary", suite.binary.display())
    })?;
    let expected = if suite.live { run_real(&scenarios)? } else { read_recordings(&scenarios, &recordings)? };
    let broker =
        match suite.broker.unwrap_or(if suite.live { BrokerChoice::Kafka } else { BrokerChoice::Raccord }) {
            BrokerChoice::Kafka => BrokerKind::Kafka(Peers::find()?),
            BrokerChoice::Raccord => BrokerKind::Raccord(binary.clone()),
        };
    let patience = Duration::from_secs(suite.patience);
    compare_with_ours(
        &scenarios,
        &expected,
        &broker,
        binary,
        patience,
        suite.save.as_deref(),
        suite.only.is_empty(),
    )
}

/// Records the real connector, or runs ours and compares.
#[allow(clippy::print_stdout)] // A command-line program's report.
fn cdc_suite(cdc_suite: &CdcSuite) -> Result<bool> {
    let (suite, postgres) = (&cdc_suite.suite, cdc_suite.postgres.as_deref());
    let scenarios = cdc::load(&suite.only)?;
    let folder = recorded_dir().join("cdc");
    std::fs::create_dir_all(&folder)?;
    let mut expected = IndexMap::new();
    if suite.recorded {
        for scenario in &scenarios {
            let path = recording_path(&folder, &scenario.name);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: run with --record where a JVM is", path.display()))?;
            let recording: CdcRecording = serde_json::from_str(&text)?;
            expected.insert(scenario.name.clone(), recording);
        }
    } else {
        let peers = Peers::find()?;
        let (broker, worker) = (BrokerKind::Kafka(peers.clone()), WorkerKind::Kafka(peers));
        let mut failures = 0;
        cdc::run::run_all(
            &scenarios,
            postgres,
            &broker,
            &worker,
            |_| None,
            |scenario, outcome| {
                match outcome {
                    Ok(recording) => {
                        println!("{}: {} records", scenario.name, records(&recording));
                        if suite.record {
                            write_cdc(&folder, &recording)?;
                        }
                        expected.insert(scenario.name.clone(), recording);
                    }
                    Err(error) => {
                        println!("{}: FAILED: {error:#}", scenario.name);
                        failures += 1;
                    }
                }
                Ok(())
            },
        )?;
        if suite.record || failures > 0 {
            return Ok(failures == 0);
        }
    }
    let binary = suite.binary.canonicalize().context("no binary: build it or name it with --binary")?;
    let broker = match suite.broker {
        Some(BrokerChoice::Kafka) => BrokerKind::Kafka(Peers::find()?),
        _ => BrokerKind::Raccord(binary.clone()),
    };
    let (mut compared, mut wrong, mut differing) = (0, 0, Vec::new());
    let ours = WorkerKind::Raccord(binary);
    let known = |scenario: &cdc::CdcScenario| expected.get(&scenario.name).map(records);
    cdc::run::run_all(&scenarios, postgres, &broker, &ours, known, |scenario, outcome| {
        let expected = &expected[&scenario.name];
        let differences = match outcome {
            Ok(actual) => {
                if let Some(folder) = &suite.save {
                    std::fs::create_dir_all(folder)?;
                    write_cdc(folder, &actual)?;
                }
                cdc::compare::differences(expected, &actual)
            }
            Err(error) => vec![format!("{}: broke off: {error:#}", scenario.name)],
        };
        differences.iter().for_each(|difference| println!("{difference}\n"));
        println!("{}: {} records, {} differences", scenario.name, records(expected), differences.len());
        compared += records(expected);
        wrong += differences.len();
        if !differences.is_empty() {
            differing.push(scenario.name.clone());
        }
        Ok(())
    })?;
    println!("{} scenarios, {compared} records, {wrong} differences", scenarios.len());
    let (date, version) = (results::date()?, cdc::postgres::version(postgres)?);
    let figures = json!({
        "date": date, "debezium": DEBEZIUM_VERSION, "postgres": version, "with_recordings": suite.recorded,
        "scenarios": scenarios.len(), "records": compared, "differing": differing,
    });
    results::write(cdc_suite.results.as_deref(), &date, &format!("cdc-postgres-{version}"), &figures)?;
    Ok(wrong == 0)
}

fn records(recording: &CdcRecording) -> usize {
    recording.topics.values().map(Vec::len).sum()
}

fn write_cdc(folder: &Path, recording: &CdcRecording) -> Result<()> {
    Ok(std::fs::write(recording_path(folder, &recording.scenario), recording.to_text()?)?)
}

#[allow(clippy::print_stdout)] // A command-line program's report.
fn record(scenarios: &[Scenario], folder: &Path) -> Result<bool> {
    std::fs::create_dir_all(folder)?;
    let peers = Peers::find()?;
    let (mut exchanges, mut failures) = (0, 0);
    run_all(
        scenarios,
        &BrokerKind::Kafka(peers.clone()),
        &WorkerKind::Kafka(peers),
        PATIENCE,
        |scenario, outcome| {
            match outcome {
                Ok(recording) => {
                    println!("{}: {} exchanges", scenario.name, recording.exchanges.len());
                    for exchange in recording.exchanges.iter().filter(|exchange| exchange.timed_out) {
                        println!("{}: NOT REACHED: {} {:?}", scenario.name, exchange.step, exchange.body);
                        failures += 1;
                    }
                    exchanges += recording.exchanges.len();
                    write_recording(folder, &recording)?;
                }
                Err(error) => {
                    println!("{}: FAILED: {error:#}", scenario.name);
                    failures += 1;
                }
            }
            Ok(())
        },
    )?;
    println!("{exchanges} exchanges recorded, {failures} scenarios failed");
    Ok(failures == 0)
}

fn run_real(scenarios: &[Scenario]) -> Result<IndexMap<String, Recording>> {
    let peers = Peers::find()?;
    let mut recordings = IndexMap::new();
    run_all(
        scenarios,
        &BrokerKind::Kafka(peers.clone()),
        &WorkerKind::Kafka(peers),
        PATIENCE,
        |scenario, outcome| {
            let recording = outcome.with_context(|| format!("the real worker in {}", scenario.name))?;
            recordings.insert(scenario.name.clone(), recording);
            Ok(())
        },
    )?;
    Ok(recordings)
}

fn read_recordings(scenarios: &[Scenario], folder: &Path) -> Result<IndexMap<String, Recording>> {
    let mut recordings = IndexMap::new();
    for scenario in scenarios {
        let path = recording_path(folder, &scenario.name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{}: run with --record where a JVM is", path.display()))?;
        recordings
            .insert(scenario.name.clone(), serde_json::from_str(&text).context(path.display().to_string())?);
    }
    Ok(recordings)
}

#[allow(clippy::print_stdout)] // A command-line program's report.
fn compare_with_ours(
    scenarios: &[Scenario],
    expected: &IndexMap<String, Recording>,
    broker: &BrokerKind,
    binary: PathBuf,
    patience: Duration,
    save: Option<&Path>,
    everything: bool,
) -> Result<bool> {
    let mut total = Outcome::default();
    run_all(scenarios, broker, &WorkerKind::Raccord(binary), patience, |scenario, outcome| {
        let expected = &expected[&scenario.name];
        let outcome = match outcome {
            Ok(actual) => {
                if let Some(folder) = save {
                    std::fs::create_dir_all(folder)?;
                    write_recording(folder, &actual)?;
                }
                compare(expected, &actual)
            }
            // A scenario that breaks off leaves all its exchanges unproven.
            Err(error) => Outcome {
                exchanges: expected.exchanges.len(),
                differences: vec![format!("{}: broke off: {error:#}", scenario.name)],
                allowed: Vec::new(),
            },
        };
        for difference in &outcome.differences {
            println!("{difference}\n");
        }
        println!("{}: {}", scenario.name, outcome.summary());
        total.add(outcome);
        Ok(())
    })?;
    // Only a whole suite can tell that something is no longer missing.
    let mut fulfilled = Vec::new();
    for row in ALLOWANCES.iter().filter(|row| everything && row.kind == Kind::Pending) {
        let concerned = expected.values().any(|recording| row.concerns(recording));
        if concerned && !total.allowed.iter().any(|allowed| allowed.what == row.what) {
            println!("{}: no longer missing, take the row out of parity/src/allowances.rs", row.what);
            fulfilled.push(row.what);
        }
    }
    println!("{}", total.summary());
    Ok(total.differences.is_empty() && fulfilled.is_empty())
}

fn write_recording(folder: &Path, recording: &Recording) -> Result<()> {
    let mut text = serde_json::to_string_pretty(recording)?;
    text.push('\n');
    std::fs::write(recording_path(folder, &recording.scenario), text)?;
    Ok(())
}
