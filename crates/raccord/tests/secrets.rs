//! What config providers give reaches connectors, and no topic, no REST answer, no trace and no log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use live::{Broker, Worker, wait_for};
use serde_json::json;

/// All that must not be seen.
const SECRETS: [&str; 5] =
    ["s3cr3t-passw0rd", "s3cr3t-number", "s3cr3t-folder", "s3cr3t-fr0m-dir", "s3cr3t-fr0m-env"];

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn secrets_are_seen_by_connectors_alone() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(
        at("secrets"),
        "jaas=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" \
         password=\"s3cr3t-passw0rd\";\nnumber=s3cr3t-number\nfile=/no/such/s3cr3t-folder/out\n",
    )
    .unwrap();
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("dir/token"), "s3cr3t-fr0m-dir").unwrap();
    fs::write(at("in"), "one\n").unwrap();
    let worker = Worker::start(
        folder.path(),
        &broker.address(),
        // Every worker has such a key: nothing reads it as long as nobody speaks SASL.
        &[
            ("sasl.jaas.config", "${env:RACCORD_TEST_SECRET}"),
            ("producer.sasl.jaas.config", "${env:RACCORD_TEST_SECRET}"),
        ],
        &[("RUST_LOG", "trace"), ("RACCORD_TEST_SECRET", "s3cr3t-fr0m-env")],
    );
    let from_file = |key: &str| format!("${{file:{}:{key}}}", at("secrets"));
    let answers = std::cell::RefCell::new(Vec::new());
    let ask = |method: &str, path: &str, body: Option<serde_json::Value>| {
        let (status, answer) = worker.ask(method, path, body);
        answers.borrow_mut().push(format!("{method} {path}: {status} {answer}"));
        status
    };

    // One that runs, with secrets that its clients are given.
    let source = json!({
        "connector.class": "FileStreamSource", "tasks.max": "1", "topic": "lines", "file": at("in"),
        "producer.override.sasl.jaas.config": from_file("jaas"),
        "extra.token": format!("Bearer ${{dir:{}:token}}", at("dir")),
    });
    assert_eq!(ask("PUT", "/connectors/runs/config", Some(source)), 201);
    worker.task_state("runs", "RUNNING");

    // One whose task fails with the value in its words.
    let sink = json!({
        "connector.class": "FileStreamSink", "tasks.max": "1", "topics": "lines", "file": from_file("file"),
    });
    assert_eq!(ask("PUT", "/connectors/fails/config", Some(sink)), 201);
    let status = worker.task_state("fails", "FAILED");
    let trace = status["tasks"][0]["trace"].as_str().unwrap();
    assert!(trace.contains("[hidden]"), "{trace}");

    // Ones that are refused: a value of the wrong type, of Connect and of a client.
    for key in ["tasks.max", "producer.override.linger.ms", "errors.tolerance"] {
        let mut config = json!({"connector.class": "FileStreamSource", "topic": "x", "file": at("in")});
        config[key] = json!(from_file("number"));
        let body = json!({"name": "refused", "config": config});
        assert!(ask("POST", "/connectors", Some(body)) >= 400, "{key}");
        config["name"] = json!("refused");
        ask("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(config));
    }

    for path in [
        "/connectors?expand=info&expand=status",
        "/connectors/runs",
        "/connectors/runs/config",
        "/connectors/runs/tasks",
        "/connectors/runs/tasks-config",
        "/connectors/runs/status",
        "/connectors/runs/offsets",
        "/connectors/runs/topics",
        "/connectors/fails",
        "/connectors/fails/tasks",
        "/connectors/fails/status",
        "/connectors/fails/tasks/0/status",
        "/connectors/fails/offsets",
        "/admin/loggers",
    ] {
        ask("GET", path, None);
    }
    let answers = answers.into_inner();
    assert!(answers.iter().any(|answer| answer.contains(&from_file("jaas"))), "{answers:#?}");
    let refusal = "the value resolved from the config provider reference failed validation";
    assert!(
        answers.iter().any(|answer| answer.starts_with("PUT") && answer.contains(refusal)),
        "{answers:#?}"
    );
    // The records and the offset are there.
    wait_for("an offset", || {
        let (_, answer) = worker.ask("GET", "/connectors/runs/offsets", None);
        answer.contains("\"position\":4").then_some(())
    });

    let log = worker.log();
    assert!(log.contains("DEBUG"), "the log has everything");
    let topics: Vec<(PathBuf, Vec<u8>)> =
        files(&broker.data()).into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    let in_topics = |text: &str| topics.iter().filter(|(_, bytes)| holds(bytes, text)).count();
    assert!(in_topics(&from_file("jaas")) > 0, "the config topic has the placeholder");
    assert!(in_topics("[hidden]") > 0, "the status topic has the trace");
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret} in the log");
        assert_eq!(in_topics(secret), 0, "{secret} in a topic");
        for answer in &answers {
            assert!(!answer.contains(secret), "{secret} in {answer}");
        }
    }
}

#[test]
fn a_value_that_expires_restarts_the_connector() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("dir/topic"), "before").unwrap();
    fs::write(at("in"), "one\n").unwrap();
    let ttl = [("config.providers.dir.param.ttl.ms", "700")];
    let worker = Worker::start(folder.path(), &broker.address(), &ttl, &[]);
    let config = |reload: &str| {
        json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": at("in"),
            "topic": format!("{reload}-${{dir:{}:topic}}", at("dir")), "config.action.reload": reload,
        })
    };
    for reload in ["restart", "none"] {
        let (status, answer) =
            worker.ask("PUT", &format!("/connectors/{reload}/config"), Some(config(reload)));
        assert_eq!(status, 201, "{answer}");
        worker.task_state(reload, "RUNNING");
    }
    let topics = |name: &str| worker.ask("GET", &format!("/connectors/{name}/topics"), None).1;
    for name in ["restart", "none"] {
        wait_for("the first topic", || topics(name).contains(&format!("{name}-before")).then_some(()));
    }
    fs::write(at("dir/topic"), "after").unwrap();
    // The connector's tasks get another config, for the same text: they are restarted as well.
    let start = Instant::now();
    wait_for("the other topic", || {
        use std::io::Write;
        fs::OpenOptions::new().append(true).open(at("in")).unwrap().write_all(b"more\n").unwrap();
        topics("restart").contains("restart-after").then_some(())
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(!topics("none").contains("after"), "config.action.reload=none");
    assert!(worker.log().contains("Scheduling a restart of connector restart in 700 ms"));
}
