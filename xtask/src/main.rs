//! The project's own commands: `cargo xtask <command>`. The Makefile's targets are one line each and end here.

mod checks;
mod fuzz;
mod measure;
mod new;
mod peers;
mod run;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All tests that fit in minutes
    Test,
    /// Compare with the real Kafka Connect, live
    Parity(run::Rest),
    /// The same work by raccord and by its peers (run, transforms, postgres, or all); raw results go to bench/results
    Bench(run::Rest),
    /// Kill worker, broker and database at random under load and count every line and change
    Soak(run::Rest),
    /// Fuzz every parser of foreign bytes
    Fuzz(fuzz::Arguments),
    /// The real Kafka and Kafka Connect to compare with
    #[command(subcommand)]
    Peers(peers::Peers),
    /// Licences, bans, sources and advisories of all dependencies
    Deny,
    /// Rewrite the generated reference pages
    Docs,
    /// The skeleton of something new
    #[command(subcommand)]
    New(new::New),
}

fn main() -> ExitCode {
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Test => checks::test(),
        Command::Parity(rest) => measure::parity(&rest),
        Command::Bench(rest) => measure::benches(&rest),
        Command::Soak(rest) => measure::soak(&rest),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Peers(what) => peers::run(&what),
        Command::Deny => checks::deny(&["check"]),
        Command::Docs => checks::docs(),
        Command::New(what) => new::run(&what, run::root()),
    }
}
