//! The same work by raccord and by its peers, in one run on one machine.
//!
//! Absolute times say little on a shared machine; the ratios within a run and CPU time per record say a lot. Every run
//! interleaves the contestants, repeats, takes medians and writes all raw figures to `bench/results/`.

mod broker_bench;
mod contestants;
mod flow;
mod measure;
mod postgres;
mod report;
mod soak;
mod soak_postgres;
mod stage;
mod transforms_bench;
mod worker_bench;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

/// Measures raccord beside Kafka Connect, Debezium, kcat and Apache Kafka.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  raccord-bench run\n  raccord-bench run --only source,sink --lines 1000000 --rounds 1\n  raccord-bench postgres --only drain,snapshot --rounds 1\n  raccord-bench soak --lines 10000000 --kills 50"
)]
struct Arguments {
    /// The raccord binary.
    #[arg(long, default_value = "target/release/raccord", global = true)]
    binary: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the benchmarks and write a report.
    Run(RunArguments),
    /// What chains of transforms cost a record, in process.
    Transforms(TransformsArguments),
    /// Changes and snapshots of a PostgreSQL database, beside Debezium.
    Postgres(postgres::PostgresArguments),
    /// Kill worker and broker at random while a file flows into a file, and count every line.
    Soak(soak::SoakArguments),
    /// Kill worker, broker and server and cut connections at random while changes flow, and check every change.
    SoakPostgres(soak_postgres::SoakPostgresArguments),
}

/// What to run.
#[derive(clap::Args)]
struct RunArguments {
    /// Lines of 100 bytes that flow in each benchmark.
    #[arg(long, default_value_t = 5_000_000)]
    lines: u64,
    /// How often each contestant runs; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which benchmarks: source, sink, startup, broker.
    #[arg(long, value_delimiter = ',', default_value = "startup,source,sink,broker")]
    only: Vec<String>,
    /// Where the report goes.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// How long to measure.
#[derive(clap::Args)]
struct TransformsArguments {
    /// Batches of 1000 records in each round.
    #[arg(long, default_value_t = 200)]
    batches: usize,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the report goes.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

#[global_allocator]
static ALLOCATOR: transforms_bench::Counting = transforms_bench::Counting;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Command::Transforms(transforms) = &arguments.command {
        let records = (transforms.batches * 1000) as u64;
        let mut report = report::Report::new(records, transforms.rounds);
        transforms_bench::run(transforms.batches, transforms.rounds, &mut report)?;
        return report.finish(&transforms.results);
    }
    if !arguments.binary.is_file() {
        bail!("{} is missing: build it with `make build`", arguments.binary.display());
    }
    let binary = arguments.binary.canonicalize()?;
    match arguments.command {
        Command::Run(run) => {
            let mut report = report::Report::new(run.lines, run.rounds);
            for name in &run.only {
                match name.as_str() {
                    "startup" => worker_bench::startup(&binary, run.rounds, &mut report)?,
                    "source" => worker_bench::source(&binary, run.lines, run.rounds, &mut report)?,
                    "sink" => worker_bench::sink(&binary, run.lines, run.rounds, &mut report)?,
                    "broker" => broker_bench::run(&binary, run.lines, run.rounds, &mut report)?,
                    other => bail!("there is no benchmark {other}: choose of startup, source, sink, broker"),
                }
            }
            report.finish(&run.results)
        }
        Command::Postgres(arguments) => postgres::run(&binary, &arguments),
        Command::Soak(soak) => soak::run(&binary, &soak),
        Command::SoakPostgres(soak) => soak_postgres::run(&binary, &soak),
        Command::Transforms(_) => unreachable!("it was run above"),
    }
}
