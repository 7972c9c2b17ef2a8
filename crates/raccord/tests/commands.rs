//! The small commands, run as users run them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;

use std::fs;
use std::process::{Command, Output, Stdio};

use live::{Broker, Worker, free_port, raccord, wait_for};

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A process that is nobody's child; told to stop when dropped.
struct Background(String);

impl Background {
    fn stop(&self) -> bool {
        Command::new("kill").arg(&self.0).stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn plugins_are_listed_with_their_kind_and_version() {
    let output = raccord().arg("plugins").output().unwrap();
    assert!(output.status.success());
    let (listed, _) = text(&output);
    let words: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    for expect in [
        ["source", "4.3.1", "org.apache.kafka.connect.file.FileStreamSourceConnector"],
        ["sink", "4.3.1", "org.apache.kafka.connect.file.FileStreamSinkConnector"],
        ["converter", "4.3.1", "org.apache.kafka.connect.json.JsonConverter"],
        ["header_converter", "4.3.1", "org.apache.kafka.connect.storage.SimpleHeaderConverter"],
    ] {
        assert!(words.iter().any(|line| *line == expect), "{expect:?} in {listed}");
    }
}

#[test]
fn a_worker_in_the_background_is_healthy_until_it_is_stopped() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = live::worker_file(folder.path(), &broker.address(), port, &[]);
    let health = || raccord().args(["healthcheck", &format!("http://127.0.0.1:{port}")]).output().unwrap();
    let nobody = health();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody).1.contains(&format!("no answer from 127.0.0.1:{port}")), "{}", text(&nobody).1);

    // As connect-distributed.sh is called.
    let started = raccord()
        .args(["distributed", "-daemon"])
        .arg(&file)
        .env("LOG_DIR", folder.path().join("logs"))
        .output()
        .unwrap();
    let (said, complaint) = text(&started);
    assert!(started.status.success(), "{complaint}");
    let pid = said.split("process ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let background = Background(pid.to_owned());
    wait_for("the worker in the background", || health().status.success().then_some(()));
    let log = folder.path().join("logs/connectDistributed.out");
    assert!(fs::read_to_string(&log).unwrap().contains("Herder started"));

    assert!(background.stop());
    wait_for("the end of the worker", || {
        fs::read_to_string(&log).unwrap().contains("Kafka Connect stopped").then_some(())
    });
    assert_eq!(health().status.code(), Some(1));
}

#[test]
fn a_worker_that_is_not_up_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("127.0.0.1:{}", free_port());
    let worker = Worker::start(folder.path(), &nowhere, &[], &[]);
    let output = raccord().args(["healthcheck", &worker.url()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).1.contains("answered 503"), "{}", text(&output).1);
}

#[test]
fn check_says_all_that_is_wrong_before_anything_starts() {
    let broker = Broker::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let check = |arguments: &[&str], code: i32, expect: &[&str]| {
        let output = raccord().arg("check").args(arguments).output().unwrap();
        let (said, complaint) = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}{complaint}");
        for line in expect {
            assert!(said.contains(line), "{line:?} in {said}");
        }
        assert!(!format!("{said}{complaint}").contains("s3cr3t-number"));
    };
    let good = live::worker_file(folder.path(), &broker.address(), 0, &[("typo.key", "1")]);
    let good = good.to_str().unwrap();
    let source = file(
        "source.json",
        r#"{"name":"s","config":{"connector.class":"FileStreamSource","topic":"t","file":"/tmp/x"}}"#,
    );
    file("secrets", "number=s3cr3t-number\n");
    let wrong = file(
        "wrong.properties",
        &format!(
            "name=w\nconnector.class=FileStreamSink\ntasks.max=${{file:{}:number}}\n",
            folder.path().join("secrets").display()
        ),
    );
    check(
        &[good, source.to_str().unwrap()],
        0,
        &["worker.properties: ok", "warning: typo.key", "source.json: ok"],
    );
    check(
        &[good, wrong.to_str().unwrap()],
        1,
        &[
            "wrong.properties: 3 errors",
            "Must configure one of topics or topics.regex",
            "Invalid value for configuration 'tasks.max': the value resolved from the config provider",
        ],
    );
    let bad = file("bad.properties", "bootstrap.servers=a:1\ngroup.id=g\nheartbeat.interval.ms=x\n");
    check(
        &[bad.to_str().unwrap()],
        1,
        &[
            "Missing required configuration \"key.converter\"",
            "Invalid value x for configuration heartbeat.interval.ms",
        ],
    );
    let away = live::worker_file(folder.path(), &format!("127.0.0.1:{}", free_port()), 0, &[]);
    check(&["--offline", away.to_str().unwrap()], 0, &["worker.properties: ok"]);
    check(&[away.to_str().unwrap()], 1, &["Kafka does not answer"]);
}
