//! The labs of docs/labs, as they are written there: every `sh` block runs against a quick start and a PostgreSQL, and
//! what it prints is what the `text` block behind it says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quickstart;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quickstart::Quickstart;
use raccord_parity::cdc::postgres::Postgres;

/// Kafka's own tools under the names that their start scripts have.
fn tools() -> String {
    let peers = std::env::var_os("RACCORD_PEERS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/peers"), PathBuf::from);
    let jars = peers.join("kafka-4.3.1");
    assert!(jars.is_dir(), "{} is missing: run `cargo xtask peers fetch`", jars.display());
    let tool = |name: &str, class: &str| {
        format!(
            "{name}() {{ java -XX:TieredStopAtLevel=1 -cp '{}/*' {class} \"$@\" 2>/dev/null; }}\n",
            jars.display()
        )
    };
    [
        tool("kafka-console-consumer.sh", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
        tool("kafka-consumer-groups.sh", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
        tool("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    ]
    .concat()
}

/// A block of commands with what it should print, if the lab says so.
struct Step {
    commands: String,
    expect: Option<String>,
}

fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "sh" => steps.push(Step { commands: body, expect: None }),
            "text" => steps.last_mut().expect("output follows commands").expect = Some(body),
            other => panic!("a lab has blocks of sh and text, not {other}"),
        }
    }
    steps
}

#[test]
fn labs_work_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/labs");
    let mut labs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    labs.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    labs.sort();
    assert_eq!(labs.len(), 6, "{labs:?}");
    let quickstart = Quickstart::start();
    let database = Postgres::start(quickstart.folder()).unwrap();
    let tools = tools();
    // The labs' scratch files are renamed so that two runs on one machine do not meet.
    let scratch = format!("/tmp/raccord-lab-{}", std::process::id());
    for lab in labs {
        for step in steps(&fs::read_to_string(&lab).unwrap()) {
            let here = |text: &str| {
                text.replace("localhost:8083", &format!("localhost:{}", quickstart.rest))
                    .replace("localhost:9092", &format!("localhost:{}", quickstart.broker))
                    .replace("/tmp/lab", &scratch)
            };
            let output = Command::new("bash")
                .arg("-c")
                .arg(format!("{tools}{}", here(&step.commands)))
                .current_dir(folder.join("../.."))
                .envs([("PGHOST", "127.0.0.1"), ("PGPORT", &database.port.to_string())])
                .envs([("PGUSER", "postgres"), ("PGPASSWORD", "postgres"), ("PGDATABASE", "postgres")])
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            let place = format!("{}:\n{}", lab.display(), step.commands);
            assert!(output.status.success(), "{place}\n{printed}{}", String::from_utf8_lossy(&output.stderr));
            if let Some(expect) = &step.expect {
                assert_eq!(printed, here(expect), "{place}");
            }
        }
    }
}
