//! Workers: how fast they start, what they hold, and how fast a file flows into a topic and out of it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use raccord_parity::process::free_port;
use serde_json::json;

use crate::contestants::{Broker, Whose, Worker, scratch, write_lines};
use crate::flow::{Flow, create_topic, fresh_worker};
use crate::measure::{memory_mb, run};
use crate::report::Report;

const SOURCE_RATE: &str = "file to topic, records/s";
const SOURCE_CPU: &str = "file to topic, CPU us/record";
const SINK_RATE: &str = "topic to file, records/s";
const SINK_CPU: &str = "topic to file, CPU us/record";
const STARTUP: &str = "start to GET /connectors 200, s";
const RESTART: &str = "restart on existing topics, s";
const IDLE: &str = "resident memory idle, MB";
const SOURCE_PEAK: &str = "resident memory peak, file to topic, MB";
const SINK_PEAK: &str = "resident memory peak, topic to file, MB";

/// Time from exec to the first answer on fresh internal topics and on existing ones; memory when idle.
///
/// # Errors
/// When a contestant does not come up.
pub fn startup(binary: &Path, rounds: usize, report: &mut Report) -> Result<()> {
    let (_scratch, folder) = scratch()?;
    let broker = Broker::start(Whose::Apache, binary, &folder.join("kafka"), free_port()?)?;
    for round in 0..rounds {
        for whose in [Whose::Raccord, Whose::Apache] {
            let group = format!("start-{}-{round}", whose.name());
            let home = folder.join("workers");
            let worker = Worker::start(whose, binary, &home, &broker.bootstrap, &group, free_port()?, "")?;
            report.add(STARTUP, whose.name(), worker.startup.as_secs_f64());
            std::thread::sleep(Duration::from_secs(5));
            report.add(IDLE, whose.name(), memory_mb(worker.process.pid())?.0);
            drop(worker);
            let worker = Worker::start(whose, binary, &home, &broker.bootstrap, &group, free_port()?, "")?;
            report.add(RESTART, whose.name(), worker.startup.as_secs_f64());
        }
    }
    report.at_most(STARTUP, "raccord", 0.3);
    report.at_most(RESTART, "raccord", 0.3);
    report.at_most(IDLE, "raccord", 25.0);
    Ok(())
}

/// A file of lines into a topic: raccord, Kafka Connect and `kcat -P -l`.
///
/// # Errors
/// When a contestant fails.
pub fn source(binary: &Path, lines: u64, rounds: usize, report: &mut Report) -> Result<()> {
    let (_scratch, folder) = scratch()?;
    let input = folder.join("in.txt");
    write_lines(&input, lines)?;
    let broker = Broker::start(Whose::Apache, binary, &folder.join("kafka"), free_port()?)?;
    let client = broker.client()?;
    for round in 0..rounds {
        let topic = format!("kcat-{round}");
        create_topic(&broker, &topic)?;
        let cost =
            run(Command::new("kcat").args(["-P", "-b", &broker.bootstrap, "-t", &topic, "-l"]).arg(&input))?;
        report.add(SOURCE_RATE, "kcat", lines as f64 / cost.wall.as_secs_f64());
        report.add(SOURCE_CPU, "kcat", cost.cpu.as_secs_f64() * 1e6 / lines as f64);
        for whose in [Whose::Raccord, Whose::Apache] {
            let topic = format!("source-{}-{round}", whose.name());
            create_topic(&broker, &topic)?;
            let worker = fresh_worker(whose, binary, &folder, &broker, &topic)?;
            let config = json!({
                "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                "tasks.max": "1", "file": input, "topic": topic,
            });
            let flow = Flow::start(&worker, "flow", &config)?;
            flow.until(&worker, || Ok(broker.count(&client, &topic)? >= lines))?.add(
                report,
                whose,
                lines,
                [SOURCE_RATE, SOURCE_CPU, SOURCE_PEAK],
            );
        }
    }
    report.at_least_of(SOURCE_RATE, "raccord", "kcat", 0.8);
    report.at_most(SOURCE_CPU, "raccord", 1.5);
    report.at_most(SOURCE_PEAK, "raccord", 60.0);
    Ok(())
}

/// A topic of lines into a file: raccord, Kafka Connect and `kcat -C`.
///
/// # Errors
/// When a contestant fails.
pub fn sink(binary: &Path, lines: u64, rounds: usize, report: &mut Report) -> Result<()> {
    let (_scratch, folder) = scratch()?;
    let input = folder.join("in.txt");
    write_lines(&input, lines)?;
    let broker = Broker::start(Whose::Apache, binary, &folder.join("kafka"), free_port()?)?;
    create_topic(&broker, "lines")?;
    run(Command::new("kcat").args(["-P", "-b", &broker.bootstrap, "-t", "lines", "-l"]).arg(&input))?;
    for round in 0..rounds {
        let consume = ["-C", "-b", &broker.bootstrap, "-t", "lines", "-e", "-q", "-o", "beginning"];
        let cost = run(Command::new("kcat").args(consume).stdin(Stdio::null()))?;
        report.add(SINK_RATE, "kcat", lines as f64 / cost.wall.as_secs_f64());
        report.add(SINK_CPU, "kcat", cost.cpu.as_secs_f64() * 1e6 / lines as f64);
        for whose in [Whose::Raccord, Whose::Apache] {
            let name = format!("sink-{}-{round}", whose.name());
            let output = folder.join(&name);
            let worker = fresh_worker(whose, binary, &folder, &broker, &name)?;
            let config = json!({
                "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                "tasks.max": "1", "file": output, "topics": "lines",
            });
            let flow = Flow::start(&worker, &name, &config)?;
            let size = || std::fs::metadata(&output).map_or(0, |metadata| metadata.len());
            // Joining the group is not the flow: time runs from the first line to the last.
            flow.first(&worker, || Ok(size() > 0))?.until(&worker, || Ok(size() >= lines * 100))?.add(
                report,
                whose,
                lines,
                [SINK_RATE, SINK_CPU, SINK_PEAK],
            );
            std::fs::remove_file(&output)?;
        }
    }
    report.at_least(SINK_RATE, "raccord", 1_000_000.0);
    report.at_most(SINK_CPU, "raccord", 1.2);
    report.at_most(SINK_PEAK, "raccord", 60.0);
    Ok(())
}
