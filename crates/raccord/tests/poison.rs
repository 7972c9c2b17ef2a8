//! Records that cannot be read among many good ones, with every tolerance and dead letter queue: the rest is delivered once
//! and in order, the queue has the bad ones, and they can be replayed.
//!
//! `RECORDS=1000000` runs it with that many; the default is meant for every build.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quickstart;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quickstart::Quickstart;
use raccord_config::RawConfig;
use raccord_kafka::RdKafka;
use raccord_runtime::ports::{Acks, ConsumerEvent, Fetched, Kafka, Outgoing, SendError, Subscription};
use serde_json::{Value, json};

const TOPIC: &str = "numbers";
/// What the converter of integers cannot read: it wants four bytes.
const POISON: &[u8] = b"bad";
const PATIENCE: Duration = Duration::from_secs(120);

fn records() -> i32 {
    std::env::var("RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

impl Quickstart {
    fn ask(&self, arguments: &[&str], path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.rest);
        let output = Command::new("curl").args(["-s", "--max-time", "60"]).args(arguments).arg(url).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }

    fn put(&self, config: &Value) {
        let name = config["name"].as_str().unwrap();
        let answer = self.ask(
            &["-X", "PUT", "-H", "Content-Type: application/json", "-d", &config.to_string()],
            &format!("/connectors/{name}/config"),
        );
        assert_eq!(answer["name"], config["name"], "{answer}");
    }

    fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.broker)
    }

    fn client(&self) -> RawConfig {
        RawConfig::from([("bootstrap.servers", self.bootstrap())])
    }

    fn replay(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_raccord"))
            .args(["dlq", "replay", "--bootstrap", &self.bootstrap()])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Writes the numbers from 0 on, the poison in their middle.
async fn produce(quickstart: &Quickstart) {
    let mut producer = RdKafka::default().producer(&quickstart.client()).unwrap();
    let topic: Arc<str> = TOPIC.into();
    let mut acks = Acks::default();
    for number in 0..records() {
        let bytes = number.to_be_bytes();
        let value = if number == records() / 2 { POISON } else { &bytes[..] };
        let record = Outgoing {
            topic: &topic,
            partition: Some(0),
            // Now: retention would delete older records, and their letters, in the middle of a long run.
            timestamp: None,
            key: Some(b"k"),
            value: Some(value),
            headers: &[("h".into(), Some(b"v".to_vec()))],
            ticket: 0,
        };
        while let Err(error) = producer.send(&record) {
            assert!(matches!(error, SendError::Full), "{error:?}");
            producer.progress().await;
            producer.drain_acks(&mut acks);
        }
    }
    while producer.outstanding() > 0 {
        producer.progress().await;
        producer.drain_acks(&mut acks);
    }
    assert!(acks.failed.is_empty(), "{:?}", acks.failed);
}

/// All records of a topic, of which there will be so many: value, and the names of its headers.
async fn read(quickstart: &Quickstart, topic: &str, count: usize) -> Vec<(Vec<u8>, Vec<String>)> {
    let mut properties = quickstart.client();
    properties.insert("group.id", format!("reader-of-{topic}"));
    properties.insert("auto.offset.reset", "earliest".to_owned());
    let mut consumer =
        RdKafka::default().consumer(&properties, Subscription::Topics(vec![topic.to_owned()])).unwrap();
    let (mut all, mut batch) = (Vec::new(), Fetched::default());
    let (mut waited, deadline) = (0, Instant::now() + PATIENCE);
    // When all are there, a moment more for what should not be.
    while waited < 1 || (all.len() < count && Instant::now() < deadline) {
        if let ConsumerEvent::Records = consumer.poll(Duration::from_secs(1), &mut batch).await.unwrap() {
            waited = if batch.records.is_empty() { waited + 1 } else { 0 };
            all.extend(batch.records.iter().map(|record| {
                let range = record.value.clone().unwrap();
                let headers = &batch.headers[record.headers.start as usize..record.headers.end as usize];
                (
                    batch.buffer[range.start as usize..range.end as usize].to_vec(),
                    headers.iter().map(|header| header.key.to_string()).collect(),
                )
            }));
        }
    }
    consumer.close().await;
    all
}

/// Waits until the sink has written so many lines, or its task has failed; the state of the task.
fn done(quickstart: &Quickstart, name: &str, lines: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = quickstart.ask(&[], &format!("/connectors/{name}/status"));
        let state = status["tasks"][0]["state"].as_str().unwrap_or_default().to_owned();
        if state == "FAILED" || numbers(&quickstart.folder().join(name)).len() >= lines {
            return state;
        }
        assert!(Instant::now() < deadline, "{name} does not come to an end: {status}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn numbers(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| line.parse().unwrap())
        .collect()
}

#[test]
fn a_poison_record_among_many_has_the_outcome_that_connect_has() {
    let quickstart = Quickstart::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(produce(&quickstart));
    let mut cases = Vec::new();
    for tolerance in ["none", "all"] {
        for queue in ["", "plain", "headers"] {
            let name = format!("{tolerance}-{queue}");
            let mut config = json!({
                "name": name, "topics": TOPIC, "tasks.max": "1", "file": quickstart.folder().join(&name),
                "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "org.apache.kafka.connect.converters.IntegerConverter",
                "errors.tolerance": tolerance,
            });
            if !queue.is_empty() {
                config["errors.deadletterqueue.topic.name"] = format!("{name}-letters").into();
                config["errors.deadletterqueue.topic.replication.factor"] = "1".into();
                config["errors.deadletterqueue.context.headers.enable"] =
                    (queue == "headers").to_string().into();
            }
            quickstart.put(&config);
            cases.push((tolerance, queue, name));
        }
    }
    let poison = records() / 2;
    let good: Vec<i32> = (0..records()).filter(|number| *number != poison).collect();
    for (tolerance, queue, name) in cases {
        let state = done(&quickstart, &name, good.len());
        let written = numbers(&quickstart.folder().join(&name));
        if tolerance == "all" {
            assert_eq!(state, "RUNNING", "{name}");
            assert!(
                written == good,
                "{name}: {} lines that are not the good records once and in order",
                written.len()
            );
        } else {
            assert_eq!(state, "FAILED", "{name}");
            let before = &good[..written.len()];
            assert!(written.len() <= poison as usize && written == before, "{name}: {} lines", written.len());
        }
        if !queue.is_empty() {
            let letters = runtime.block_on(read(&quickstart, &format!("{name}-letters"), 1));
            assert_eq!(letters.len(), 1, "{name}");
            let (value, headers) = &letters[0];
            assert_eq!((&value[..], headers[0].as_str()), (POISON, "h"), "{name}");
            assert_eq!(headers.len(), if queue == "headers" { 11 } else { 1 }, "{name}: {headers:?}");
        }
    }

    // It goes back once, to the topic it came from or another one.
    let queue = "all-headers-letters";
    let would = quickstart.replay(&["--topic", queue, "--dry-run"]);
    assert!(would.contains("1 letters would be replayed"), "{would}");
    assert!(quickstart.replay(&["--topic", queue, "--to", "fixed"]).starts_with("1 letters replayed"));
    assert!(quickstart.replay(&["--topic", queue, "--to", "fixed"]).starts_with("0 letters replayed"));
    let fixed = runtime.block_on(read(&quickstart, "fixed", 1));
    assert_eq!(fixed, [(POISON.to_vec(), vec!["h".to_owned()])]);
    let group = ["--topic", queue, "--filter-stage", "VALUE_CONVERTER", "--filter-connector", "all-headers"];
    assert!(quickstart.replay(&group).starts_with("1 letters replayed"));
    // And fails again, in all connectors that skip it.
    assert_eq!(runtime.block_on(read(&quickstart, "all-plain-letters", 2)).len(), 2);
}

/// Every so many lines of the source's file one is no number.
const BAD_LINE_EVERY: i32 = 10_000;

#[test]
fn a_source_delivers_the_good_of_many_lines_and_keeps_the_bad_ones() {
    let quickstart = Quickstart::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_bad = |number: &i32| number % BAD_LINE_EVERY == BAD_LINE_EVERY / 2;
    let mut file = std::io::BufWriter::new(fs::File::create(quickstart.folder().join("in")).unwrap());
    for number in 0..records() {
        let mark = if is_bad(&number) { "no number " } else { "" };
        writeln!(file, "{mark}{number}").unwrap();
    }
    file.into_inner().unwrap();
    quickstart.put(&json!({
        "name": "lines", "tasks.max": "1", "file": quickstart.folder().join("in"), "topic": "lines",
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.converters.IntegerConverter",
        "transforms": "mark,number,route",
        "transforms.mark.type": "org.apache.kafka.connect.transforms.InsertHeader",
        "transforms.mark.header": "h", "transforms.mark.value.literal": "v",
        "transforms.number.type": "org.apache.kafka.connect.transforms.Cast$Value",
        "transforms.number.spec": "int32",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": "lines", "transforms.route.replacement": "numbers-of-lines",
        "errors.tolerance": "all",
        "errors.deadletterqueue.source.enable": "true",
        "errors.deadletterqueue.topic.name": "lines-letters",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }));
    let good: Vec<i32> = (0..records()).filter(|number| !is_bad(number)).collect();
    let found = runtime.block_on(read(&quickstart, "numbers-of-lines", good.len()));
    let written: Vec<i32> =
        found.iter().map(|(value, _)| i32::from_be_bytes(value[..].try_into().unwrap())).collect();
    assert!(written == good, "{} numbers that are not the good lines once and in order", written.len());
    let bad: Vec<i32> = (0..records()).filter(is_bad).collect();
    let letters = runtime.block_on(read(&quickstart, "lines-letters", bad.len()));
    let texts: Vec<String> =
        letters.iter().map(|(value, _)| String::from_utf8_lossy(value).into_owned()).collect();
    let expect: Vec<String> = bad
        .iter()
        .map(|number| {
            let schema = r#"{"type":"string","optional":false}"#;
            format!(r#"{{"schema":{schema},"payload":"no number {number}"}}"#)
        })
        .collect();
    assert_eq!(texts, expect);
    let (_, headers) = &letters[0];
    assert!(headers.iter().any(|name| name == "__connect.errors.source.offset"), "{headers:?}");
}
