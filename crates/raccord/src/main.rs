//! The command line, and the wiring of everything behind it.

mod args;
mod broker;
mod check;
mod daemon;
mod distributed;
mod dlq;
mod healthcheck;
mod logging;
mod plugins;
mod quickstart;
mod standalone;
mod worker;

use std::process::ExitCode;

use args::Command;
use raccord_runtime::redaction::redact;

/// For librdkafka as well, whose own allocations it takes over: records are made by one thread and freed by another all
/// the time, which costs glibc's allocator a quarter of a snapshot's CPU time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = args::parse();
    let outcome = match command {
        Command::Quickstart(arguments) => quickstart::run(arguments),
        Command::Distributed(arguments) => distributed::run(arguments),
        Command::Standalone(arguments) => standalone::run(arguments),
        Command::Broker(arguments) => broker::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Dlq(arguments) => dlq::run(arguments),
        Command::Plugins => plugins::run(),
        Command::Healthcheck(arguments) => healthcheck::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("raccord: {}", redact(&format!("{error:#}")));
            ExitCode::from(error.downcast_ref::<args::Exit>().map_or(1, |exit| exit.0))
        }
    }
}
