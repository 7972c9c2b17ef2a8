//! The embedded broker beside Apache Kafka's: produce and consume with kcat and with Kafka's own tools.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use raccord_parity::peers::Peers;
use raccord_parity::process::free_port;

use crate::contestants::{Broker, Whose, scratch, write_lines};
use crate::measure::{cpu_of, memory_mb, run as measured};
use crate::report::Report;

const PRODUCE: &str = "broker: kcat -P, records/s";
const CONSUME: &str = "broker: kcat -C, records/s";
const JAVA_PRODUCE: &str = "broker: ProducerPerformance, records/s";
const BROKER_CPU: &str = "broker: CPU us/record produced and consumed by kcat";
const MEMORY: &str = "broker: resident memory, MB";

/// Runs both brokers in turn.
///
/// # Errors
/// When a broker or client fails.
pub fn run_round(whose: Whose, binary: &Path, lines: u64, input: &Path, report: &mut Report) -> Result<()> {
    let (_scratch, folder) = scratch()?;
    let broker = Broker::start(whose, binary, &folder, free_port()?)?;
    let client = broker.client()?;
    let before = cpu_of(broker.process.pid())?;
    let cost =
        measured(Command::new("kcat").args(["-P", "-b", &broker.bootstrap, "-t", "lines", "-l"]).arg(input))?;
    report.add(PRODUCE, whose.name(), lines as f64 / cost.wall.as_secs_f64());
    assert_eq!(broker.count(&client, "lines")?, lines, "every line is in the topic");
    let consume = ["-C", "-b", &broker.bootstrap, "-t", "lines", "-e", "-q", "-o", "beginning"];
    let cost = measured(Command::new("kcat").args(consume).stdin(Stdio::null()))?;
    report.add(CONSUME, whose.name(), lines as f64 / cost.wall.as_secs_f64());
    let cpu = cpu_of(broker.process.pid())? - before;
    report.add(BROKER_CPU, whose.name(), cpu.as_secs_f64() * 1e6 / lines as f64);
    let perf = java_perf(&broker.bootstrap, lines.min(2_000_000))?;
    report.add(JAVA_PRODUCE, whose.name(), perf);
    report.add(MEMORY, whose.name(), memory_mb(broker.process.pid())?.0);
    Ok(())
}

/// Kafka's ProducerPerformance; gives records per second.
fn java_perf(bootstrap: &str, records: u64) -> Result<f64> {
    let class_path = format!("{}/*", Peers::find()?.kafka().display());
    let mut command = Command::new("java");
    command.args(["-cp", &class_path, "org.apache.kafka.tools.ProducerPerformance"]);
    command.args(["--topic", "perf", "--num-records", &records.to_string(), "--record-size", "100"]);
    command.args(["--throughput", "-1", "--producer-props", &format!("bootstrap.servers={bootstrap}")]);
    let cost: Duration = measured(&mut command)?.wall;
    Ok(records as f64 / cost.as_secs_f64())
}

/// Both brokers, interleaved.
///
/// # Errors
/// When a broker or client fails.
pub fn run(binary: &Path, lines: u64, rounds: usize, report: &mut Report) -> Result<()> {
    let (_scratch, folder) = scratch()?;
    let input = folder.join("in.txt");
    write_lines(&input, lines)?;
    for _ in 0..rounds {
        for whose in [Whose::Raccord, Whose::Apache] {
            run_round(whose, binary, lines, &input, report)?;
        }
    }
    for figure in [PRODUCE, CONSUME, JAVA_PRODUCE] {
        report.at_least_of(figure, "raccord", "apache", 1.0);
    }
    Ok(())
}
