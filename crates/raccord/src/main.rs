//! The command line, and the wiring of everything behind it.

mod allocator_native;
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

fn main() -> ExitCode {
    allocator_native::set_up();
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
