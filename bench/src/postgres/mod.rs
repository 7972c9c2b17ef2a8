//! PostgreSQL's changes into Kafka: raccord beside Debezium, on the same server and broker, with the config of lab 6.
//!
//! What a change stream can bring at most is what the server sends: `pg_recvlogical` with the same output plugin, writing
//! to nowhere, is the third contestant where a backlog is drained.

mod capture;
mod drain;
mod latency;
mod memory;
mod snapshot;
mod stage;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::report::Report;
use stage::Stage;

/// What to run, and how much of it.
#[derive(clap::Args)]
pub struct PostgresArguments {
    /// Changed rows of the backlog, in transactions of 1,000.
    #[arg(long, default_value_t = 600_000)]
    rows: u64,
    /// Rows of the table that is read by the snapshot.
    #[arg(long, default_value_t = 2_000_000)]
    snapshot_rows: u64,
    /// Seconds in which latencies are taken.
    #[arg(long, default_value_t = 20)]
    latency_seconds: u64,
    /// Megabytes of the one large transaction.
    #[arg(long, default_value_t = 1024)]
    transaction_mb: u64,
    /// Tables that are captured at once.
    #[arg(long, default_value_t = 1000)]
    tables: u64,
    /// How often each contestant runs; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which benchmarks: drain, snapshot, latency, memory.
    #[arg(long, value_delimiter = ',', default_value = "drain,snapshot,latency,memory")]
    only: Vec<String>,
    /// Without Debezium, to see what a change of ours brings.
    #[arg(long)]
    alone: bool,
    /// Where the report goes.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// Runs the benchmarks and writes the report.
///
/// # Errors
/// When a contestant fails.
pub fn run(binary: &Path, arguments: &PostgresArguments) -> Result<()> {
    let mut report = Report::new(arguments.rows, arguments.rounds);
    let stage = Stage::start(binary, arguments.alone)?;
    for name in &arguments.only {
        match name.as_str() {
            "drain" => drain::run(&stage, arguments.rows, arguments.rounds, &mut report)?,
            "snapshot" => snapshot::run(&stage, arguments.snapshot_rows, arguments.rounds, &mut report)?,
            "latency" => latency::run(&stage, arguments.latency_seconds, &mut report)?,
            "memory" => memory::run(&stage, arguments.transaction_mb, arguments.tables, &mut report)?,
            other => bail!("there is no benchmark {other}: choose of drain, snapshot, latency, memory"),
        }
    }
    report.finish(&arguments.results)
}
