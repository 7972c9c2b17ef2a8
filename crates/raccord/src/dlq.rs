//! `raccord dlq`: looking after dead letters.
#![allow(clippy::print_stdout, reason = "the answer of a command line tool")]

use anyhow::Result;
use raccord_config::RawConfig;
use raccord_kafka::RdKafka;
use raccord_runtime::replay::{Replay, Replayed, Told};

use crate::args::{self, DlqCommand};
use crate::logging;
use crate::worker::{block_on, one_line, read_properties};

/// Carries out the command.
pub fn run(arguments: args::Dlq) -> Result<()> {
    logging::start();
    match arguments.command {
        DlqCommand::Replay(arguments) => replay(arguments),
    }
}

fn replay(arguments: args::Replay) -> Result<()> {
    let replay = plan(arguments)?;
    block_on(async move {
        let kafka = RdKafka::default();
        let outcome = replay.run(&kafka, |told| {
            if replay.dry_run {
                println!("{}", line(told));
            }
        });
        let Replayed { replayed, filtered, passed_over } = outcome.await.map_err(|error| one_line(&error))?;
        let verb = if replay.dry_run { "would be replayed" } else { "replayed" };
        println!("{replayed} letters {verb}, {filtered} left out by filters, {passed_over} passed over");
        Ok(())
    })
}

fn plan(arguments: args::Replay) -> Result<Replay> {
    let mut client = match &arguments.command_config {
        Some(path) => read_properties(path)?,
        None => RawConfig::new(),
    };
    client.insert("bootstrap.servers", arguments.bootstrap);
    if !client.contains_key("client.id") {
        client.insert("client.id", "raccord-dlq-replay".to_owned());
    }
    let filters = [
        ("connector.name", arguments.filter_connector),
        ("stage", arguments.filter_stage),
        ("topic", arguments.filter_topic),
        ("exception.class.name", arguments.filter_exception),
    ];
    let only: Vec<_> = filters.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
    let group = arguments.group.unwrap_or_else(|| {
        let filters = only.iter().map(|(name, text)| format!("-{name}={text}"));
        format!("raccord-dlq-replay-{}{}", arguments.topic, filters.collect::<String>())
    });
    Ok(Replay {
        queue: arguments.topic,
        to: (arguments.to != "original").then_some(arguments.to),
        group,
        only,
        dry_run: arguments.dry_run,
        limit: arguments.limit,
        pass_over: arguments.pass_over,
        client,
    })
}

/// A letter in a line, without its contents.
fn line(told: &Told) -> String {
    let header = |name| told.headers.get(name).map_or("?", String::as_str);
    let to = told.to.as_deref().unwrap_or("cannot be replayed");
    format!(
        "{}@{} of {} from {}-{}@{}, {}: {} -> {to}",
        told.partition,
        told.offset,
        header("connector.name"),
        header("topic"),
        header("partition"),
        header("offset"),
        header("stage"),
        header("exception.class.name"),
    )
}
