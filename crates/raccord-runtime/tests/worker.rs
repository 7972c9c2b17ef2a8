//! A whole worker over a Kafka in memory: the life of connectors, failures, restarts of the worker.

#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raccord_plugin::RawConfig;
use raccord_runtime::clock::SystemClock;
use raccord_runtime::config::{Mode, WorkerConfig, load};
use raccord_runtime::herder::{Health, HerderError, OffsetEntry, TargetState};
use raccord_runtime::loggers::NoLogLevels;
use raccord_runtime::{Deps, DistributedHerder, Herder, StandaloneHerder};
use raccord_testkit::MemoryKafka;
use raccord_testkit::plugins::{COUNTER, KEEPER, NO_HEADERS, PLUGINS, TEXT, kept};

fn worker_config(more: &[(&str, &str)]) -> Arc<WorkerConfig> {
    let mut raw = RawConfig::from([
        ("bootstrap.servers", "memory:9092"),
        ("group.id", "workers"),
        ("key.converter", TEXT),
        ("value.converter", TEXT),
        ("header.converter", NO_HEADERS),
        ("config.storage.topic", "configs"),
        ("offset.storage.topic", "offsets"),
        ("status.storage.topic", "statuses"),
        ("offset.flush.interval.ms", "50"),
    ]);
    for (key, value) in more {
        raw.insert(*key, (*value).to_owned());
    }
    let standalone = raw.contains_key("offset.storage.file.filename");
    let mode = if standalone { Mode::Standalone } else { Mode::Distributed };
    Arc::new(load(&raw, mode).unwrap().config)
}

fn deps(kafka: &MemoryKafka, config: Arc<WorkerConfig>) -> Deps {
    Deps {
        config,
        plugins: PLUGINS,
        kafka: Arc::new(kafka.clone()),
        log_levels: Arc::new(NoLogLevels),
        clock: Arc::new(SystemClock),
        worker_id: "test:8083".to_owned(),
        version: "4.3.1".to_owned(),
        commit: "abc".to_owned(),
        group: None,
    }
}

fn start(kafka: &MemoryKafka) -> Arc<DistributedHerder> {
    DistributedHerder::start(deps(kafka, worker_config(&[])))
}

fn source(name: &str, more: &[(&str, &str)]) -> RawConfig {
    let mut config = RawConfig::from([("connector.class", COUNTER), ("tasks.max", "1"), ("topic", name)]);
    for (key, value) in more {
        config.insert(*key, (*value).to_owned());
    }
    config.insert("name", name.to_owned());
    config
}

fn sink(name: &str, topics: &str, more: &[(&str, &str)]) -> RawConfig {
    let mut config = RawConfig::from([("connector.class", KEEPER), ("topics", topics), ("name", name)]);
    for (key, value) in more {
        config.insert(*key, (*value).to_owned());
    }
    config
}

async fn create(herder: &DistributedHerder, config: RawConfig) {
    let name = config.get("name").unwrap().to_owned();
    let (new, info) = herder.put_connector(&name, config, None, false).await.unwrap();
    assert!(new);
    assert_eq!(info.name, name);
}

/// Connector state and task states, e.g. `RUNNING[RUNNING]`.
async fn states(herder: &DistributedHerder, name: &str) -> String {
    match herder.connector_status(name).await {
        Ok(status) => {
            let tasks: Vec<String> = status.tasks.into_iter().map(|(_, task)| task.state).collect();
            format!("{}[{}]", status.connector.state, tasks.join(","))
        }
        Err(error) => format!("{}", error.status),
    }
}

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = check().await {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn reach(herder: &DistributedHerder, name: &str, expect: &str) {
    let began = Instant::now();
    loop {
        let now = states(herder, name).await;
        if now == expect {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{name} is {now}, not {expect}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn values(kafka: &MemoryKafka, topic: &str) -> Vec<String> {
    kafka.cluster().texts(topic).into_iter().filter_map(|(_, value)| value).collect()
}

fn counted(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-0:{number}")).collect()
}

/// The latest value of a key of a compacted topic; the key must be there.
fn latest(kafka: &MemoryKafka, topic: &str, key: &str) -> Option<String> {
    let records = kafka.cluster().texts(topic);
    let found = records.into_iter().rev().find(|(other, _)| other.as_deref() == Some(key));
    found.unwrap_or_else(|| panic!("{topic} has no {key}")).1
}

#[tokio::test]
async fn a_source_lives_from_its_making_to_its_end() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("life", &[("count", "5")])).await;
    reach(&herder, "life", "RUNNING[RUNNING]").await;
    eventually("five records", async || (values(&kafka, "life").len() == 5).then_some(())).await;
    assert_eq!(values(&kafka, "life"), counted("life", 5));

    // What stands in the topics is what Connect writes.
    let config = latest(&kafka, "configs", "connector-life").unwrap();
    let class = format!(r#""connector.class":"{COUNTER}""#);
    assert!(config.starts_with(&format!(r#"{{"properties":{{{class},"#)), "{config}");
    let task = latest(&kafka, "configs", "task-life-0").unwrap();
    assert!(task.contains(r#""task.class":"org.raccord.test.CounterSourceTask""#), "{task}");
    assert_eq!(latest(&kafka, "configs", "commit-life").unwrap(), r#"{"tasks":1}"#);
    let status = latest(&kafka, "statuses", "status-task-life-0").unwrap();
    assert!(
        status.starts_with(r#"{"state":"RUNNING","trace":null,"worker_id":"test:8083","generation":"#)
            && status.ends_with(r#","version":"1.0"}"#),
        "{status}"
    );
    let offset = eventually("the offset is stored", async || {
        let records = kafka.cluster().texts("offsets");
        records.into_iter().find(|(_, value)| value.as_deref() == Some(r#"{"next":5}"#))
    });
    assert_eq!(offset.await.0.unwrap(), r#"["life",{"task":0}]"#);
    assert_eq!(herder.topics("life").await.unwrap(), ["life"]);

    // Forgotten topics are found again when they are used again.
    herder.reset_topics("life").await.unwrap();
    assert!(herder.topics("life").await.unwrap().is_empty());

    // A pause shows at once.
    herder.set_target_state("life", TargetState::Paused).await.unwrap();
    assert_eq!(states(&herder, "life").await, "PAUSED[PAUSED]");
    herder.set_target_state("life", TargetState::Paused).await.unwrap();
    herder.set_target_state("life", TargetState::Started).await.unwrap();
    assert_eq!(states(&herder, "life").await, "RUNNING[RUNNING]");
    herder.set_target_state("life", TargetState::Stopped).await.unwrap();
    assert_eq!(states(&herder, "life").await, "STOPPED[]");
    assert!(herder.task_configs("life").await.unwrap().is_empty());
    herder.set_target_state("life", TargetState::Started).await.unwrap();
    reach(&herder, "life", "RUNNING[RUNNING]").await;

    // It goes on from its offset with its new config.
    let (new, info) =
        herder.put_connector("life", source("life", &[("count", "7")]), None, true).await.unwrap();
    assert!(!new);
    assert_eq!(info.tasks.len(), 1);
    eventually("seven records", async || (values(&kafka, "life").len() == 7).then_some(())).await;
    assert_eq!(values(&kafka, "life"), counted("life", 7));
    eventually("its topic is known", async || {
        (herder.topics("life").await.unwrap() == ["life"]).then_some(())
    })
    .await;

    herder.delete_connector("life").await.unwrap();
    assert_eq!(states(&herder, "life").await, "404");
    eventually("the status is deleted", async || {
        let last = kafka.cluster().texts("statuses");
        let last = last.into_iter().rev().find(|(key, _)| key.as_deref() == Some("status-connector-life"))?;
        last.1.is_none().then_some(())
    })
    .await;
    assert_eq!(latest(&kafka, "configs", "connector-life"), None);
    assert_eq!(latest(&kafka, "configs", "target-state-life"), None);
    herder.stop().await;
}

#[tokio::test]
async fn the_state_comes_back_from_the_topics() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("one", &[("count", "3")])).await;
    create(&herder, source("two", &[("count", "3")])).await;
    reach(&herder, "one", "RUNNING[RUNNING]").await;
    reach(&herder, "two", "RUNNING[RUNNING]").await;
    herder.set_target_state("two", TargetState::Paused).await.unwrap();
    eventually("three records", async || (values(&kafka, "one").len() == 3).then_some(())).await;
    herder.stop().await;
    assert!(latest(&kafka, "statuses", "status-task-one-0").unwrap().contains("UNASSIGNED"));
    assert_eq!(herder.connectors().await.unwrap_err().status, 500);

    let records = kafka.cluster().records("configs").len();
    let herder = start(&kafka);
    reach(&herder, "one", "RUNNING[RUNNING]").await;
    reach(&herder, "two", "PAUSED[PAUSED]").await;
    let mut names = herder.connectors().await.unwrap();
    names.sort();
    assert_eq!(names, ["one", "two"]);
    herder.put_connector("one", source("one", &[("count", "4")]), None, true).await.unwrap();
    eventually("the fourth record", async || (values(&kafka, "one").len() == 4).then_some(())).await;
    assert_eq!(values(&kafka, "one"), counted("one", 4));
    // Coming up changed nothing: only the new config, its task and its commit were added.
    assert_eq!(kafka.cluster().records("configs").len(), records + 3);
    herder.stop().await;
}

#[tokio::test]
async fn a_sink_reads_what_is_there_and_its_offsets_can_be_changed() {
    let kafka = MemoryKafka::new();
    kafka.cluster().create_topic("in", 1);
    for number in 0..4 {
        kafka.cluster().produce("in", 0, None, Some(&format!("v{number}")));
    }
    let herder = start(&kafka);
    create(&herder, sink("keeps", "in", &[("tasks.max", "2")])).await;
    reach(&herder, "keeps", "RUNNING[RUNNING,RUNNING]").await;
    eventually("four records", async || (kept("keeps").len() == 4).then_some(())).await;
    assert_eq!(kept("keeps"), ["v0", "v1", "v2", "v3"]);

    let entry = |partition: i64, offset: Option<i64>| OffsetEntry {
        partition: serde_json::from_str(&format!(r#"{{"kafka_topic":"in","kafka_partition":{partition}}}"#))
            .ok(),
        offset: offset
            .map(|offset| serde_json::from_str(&format!(r#"{{"kafka_offset":{offset}}}"#)).unwrap()),
    };
    let running = herder.alter_offsets("keeps", vec![entry(0, Some(2))]).await.unwrap_err();
    assert_eq!(running.status, 400);
    assert!(running.message.starts_with("Connectors must be in the STOPPED state"), "{}", running.message);
    herder.set_target_state("keeps", TargetState::Stopped).await.unwrap();
    let listed = herder.offsets("keeps").await.unwrap();
    assert_eq!(serde_json::to_string(&listed[0].offset).unwrap(), r#"{"kafka_offset":4}"#);
    let message = herder.alter_offsets("keeps", vec![entry(0, Some(2))]).await.unwrap();
    assert!(message.starts_with("The Connect framework-managed offsets"), "{message}");
    let unknown = herder.alter_offsets("keeps", vec![entry(7, Some(2))]).await.unwrap_err();
    assert_eq!(unknown, HerderError::new(500, "Failed to alter consumer group offsets for connector keeps"));
    herder.set_target_state("keeps", TargetState::Started).await.unwrap();
    eventually("two again", async || (kept("keeps").len() == 6).then_some(())).await;
    assert_eq!(kept("keeps")[4..], ["v2", "v3"]);
    herder.set_target_state("keeps", TargetState::Stopped).await.unwrap();
    herder.reset_offsets("keeps").await.unwrap();
    assert!(herder.offsets("keeps").await.unwrap().is_empty());
    herder.stop().await;
}

#[tokio::test]
async fn offsets_of_a_source_can_be_changed() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("src", &[("count", "3")])).await;
    eventually("an offset", async || {
        let listed = herder.offsets("src").await.unwrap();
        listed.first().is_some_and(|entry| entry.offset.as_ref().unwrap()["next"] == 3).then_some(())
    })
    .await;
    herder.set_target_state("src", TargetState::Stopped).await.unwrap();
    let map = |text: &str| serde_json::from_str(text).unwrap();
    let entry = OffsetEntry { partition: Some(map(r#"{"task":0}"#)), offset: Some(map(r#"{"next":1}"#)) };
    let message = herder.alter_offsets("src", vec![entry]).await.unwrap();
    assert_eq!(message, "The offsets for this connector have been altered successfully");
    let wrong = OffsetEntry { partition: Some(map(r#"{"x":0}"#)), offset: None };
    let error = herder.alter_offsets("src", vec![wrong]).await.unwrap_err();
    assert_eq!(error, HerderError::new(500, "Partition objects should contain the key 'task'"));
    herder.set_target_state("src", TargetState::Started).await.unwrap();
    eventually("two again", async || (values(&kafka, "src").len() == 5).then_some(())).await;
    assert_eq!(values(&kafka, "src")[3..], ["src-0:1", "src-0:2"]);
    herder.set_target_state("src", TargetState::Stopped).await.unwrap();
    let message = herder.reset_offsets("src").await.unwrap();
    assert_eq!(message, "The offsets for this connector have been reset successfully");
    assert!(herder.offsets("src").await.unwrap().is_empty());
    assert_eq!(latest(&kafka, "offsets", r#"["src",{"task":0}]"#), None);
    herder.reset_offsets("src").await.unwrap();
    herder.stop().await;
}

#[tokio::test]
async fn a_failure_is_told_and_stays_where_it_is() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("good", &[])).await;
    let check = async |name: &str, more: &[(&str, &str)], expect: &str, trace: &str| {
        create(&herder, source(name, more)).await;
        reach(&herder, name, expect).await;
        let status = herder.connector_status(name).await.unwrap();
        let entry =
            if status.connector.state == "FAILED" { status.connector } else { status.tasks[0].1.clone() };
        let told = entry.trace.unwrap();
        assert!(told.starts_with(trace), "{told}");
    };
    let fatal = "org.apache.kafka.connect.errors.ConnectException: ";
    check("s", &[("fail", "start")], "FAILED[]", &format!("{fatal}told to fail at start")).await;
    check("p", &[("fail", "panic")], "FAILED[]", &format!("{fatal}the connector panicked: told to panic"))
        .await;
    check("o", &[("fail", "open")], "RUNNING[FAILED]", &format!("{fatal}told to fail at open")).await;
    let poll = [("fail", "poll"), ("fail.at", "3")];
    check("q", &poll, "RUNNING[FAILED]", &format!("{fatal}told to fail at poll")).await;
    let many = "org.apache.kafka.connect.runtime.TooManyTasksException: The connector m has generated 3 tasks, which is \
                greater than 2";
    check("m", &[("tasks", "3"), ("tasks.max", "2")], "FAILED[]", many).await;
    assert_eq!(values(&kafka, "q"), counted("q", 3));
    assert_eq!(states(&herder, "good").await, "RUNNING[RUNNING]");

    // More tasks than allowed, and that is allowed.
    let config = source("n", &[("tasks", "3"), ("tasks.max", "2"), ("tasks.max.enforce", "false")]);
    create(&herder, config).await;
    reach(&herder, "n", "RUNNING[RUNNING,RUNNING,RUNNING]").await;

    // A failed task is restarted by request only, and fails again.
    let planned = herder.restart_connector_and_tasks("o", true, true).await.unwrap();
    assert_eq!(
        (planned.connector.state.as_str(), planned.tasks[0].1.state.as_str()),
        ("RUNNING", "RESTARTING")
    );
    reach(&herder, "o", "RUNNING[FAILED]").await;
    herder.restart_task("o", 0).await.unwrap();
    reach(&herder, "o", "RUNNING[FAILED]").await;
    herder.put_connector("o", source("o", &[("count", "1")]), None, true).await.unwrap();
    reach(&herder, "o", "RUNNING[RUNNING]").await;
    let error = herder.restart_connector("s").await.unwrap_err();
    assert_eq!(error, HerderError::new(500, "Failed to start connector: s"));
    herder.put_connector("s", source("s", &[("count", "1")]), None, true).await.unwrap();
    reach(&herder, "s", "RUNNING[RUNNING]").await;
    herder.stop().await;
}

#[tokio::test]
async fn tasks_follow_what_the_connector_finds() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    let config = source("grow", &[("reconfigure", "3"), ("tasks.max", "5")]);
    create(&herder, config).await;
    reach(&herder, "grow", "RUNNING[RUNNING,RUNNING,RUNNING]").await;
    // A connector that cannot say what its tasks are stays up without tasks.
    create(&herder, source("mute", &[("fail", "generate")])).await;
    reach(&herder, "mute", "RUNNING[]").await;
    // Connectors can be made in another state than running.
    herder.put_connector("idle", source("idle", &[]), Some(TargetState::Stopped), false).await.unwrap();
    reach(&herder, "idle", "STOPPED[]").await;
    herder.set_target_state("idle", TargetState::Started).await.unwrap();
    reach(&herder, "idle", "RUNNING[RUNNING]").await;
    herder.stop().await;
}

#[tokio::test]
async fn requests_that_cannot_be_done() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("c", &[])).await;
    reach(&herder, "c", "RUNNING[RUNNING]").await;
    let check = |outcome: Result<(), HerderError>, status: u16, message: &str| {
        let error = outcome.unwrap_err();
        assert_eq!(error.status, status, "{}", error.message);
        assert!(error.message.contains(message), "{}", error.message);
    };
    let put = |name: &'static str, config: RawConfig| {
        let herder = herder.clone();
        async move { herder.put_connector(name, config, None, false).await.map(drop) }
    };
    check(put("c", source("c", &[])).await, 409, "Connector c already exists");
    check(put("d", RawConfig::from([("name", "d")])).await, 400, "contains no connector type");
    let unknown = RawConfig::from([("name", "d"), ("connector.class", "no.Such")]);
    check(put("d", unknown).await, 400, "Failed to find any class that implements Connector");
    check(put("d", source("d", &[("tasks.max", "x")])).await, 400, "for configuration tasks.max");
    check(herder.delete_connector("x").await, 404, "Connector x not found");
    check(herder.connector_info("x").await.map(drop), 404, "Connector x not found");
    check(herder.connector_status("x").await.map(drop), 404, "No status found for connector x");
    check(herder.task_status("c", 9).await.map(drop), 404, "No status found for task c-9");
    check(herder.set_target_state("x", TargetState::Paused).await, 404, "Unknown connector x");
    check(herder.restart_connector("x").await, 404, "Unknown connector: x");
    check(herder.restart_task("x", 0).await, 404, "Unknown connector: x");
    check(herder.restart_task("c", 9).await, 404, "Unknown task: c-9");
    check(herder.restart_connector_and_tasks("x", true, false).await.map(drop), 404, "Unknown connector: x");
    check(herder.offsets("x").await.map(drop), 404, "Connector x not found");
    check(herder.reset_offsets("x").await.map(drop), 404, "Connector x not found");
    check(herder.patch_connector("x", RawConfig::new()).await.map(drop), 404, "Connector x not found");
    let patch = [("count".to_owned(), Some("3".to_owned())), ("topic".to_owned(), None)];
    let patched = herder.patch_connector("c", patch.into_iter().collect()).await.unwrap();
    assert_eq!((patched.config.get("count"), patched.config.get("topic")), (Some("3"), None));
    herder.set_logger_cluster("some.logger", "DEBUG").await.unwrap();
    let level = eventually("the level", async || herder.logger("some.logger").await.ok()).await;
    assert_eq!(level.level, "DEBUG");
    herder.stop().await;
}

#[tokio::test]
async fn a_worker_waits_for_kafka_and_lives_without_it_for_a_while() {
    let kafka = MemoryKafka::new();
    kafka.cluster().set_down(true);
    let herder = start(&kafka);
    tokio::time::sleep(Duration::from_millis(50)).await;
    match herder.health().await {
        Health::Starting(stage) => assert!(
            stage.starts_with(
                "The worker is currently initializing and reading to the end of internal topics"
            ),
            "{stage}"
        ),
        other => panic!("{other:?}"),
    }
    kafka.cluster().set_down(false);
    herder.ready().await.unwrap();
    assert_eq!(herder.health().await, Health::Healthy);
    assert_eq!(herder.server_info().await.unwrap().kafka_cluster_id.as_deref(), Some("memory"));

    create(&herder, source("c", &[])).await;
    reach(&herder, "c", "RUNNING[RUNNING]").await;
    kafka.cluster().set_down(true);
    let error = herder.set_target_state("c", TargetState::Paused).await.unwrap_err();
    assert_eq!(error.status, 500);
    assert!(error.message.starts_with("Error writing target state to Kafka"), "{}", error.message);
    assert_eq!(states(&herder, "c").await, "RUNNING[RUNNING]");
    kafka.cluster().set_down(false);
    let before = values(&kafka, "c").len();
    eventually("it goes on", async || (values(&kafka, "c").len() > before).then_some(())).await;

    // A write whose answer is lost has happened all the same.
    kafka.cluster().lose_answers(1);
    assert_eq!(herder.set_target_state("c", TargetState::Paused).await.unwrap_err().status, 500);
    reach(&herder, "c", "PAUSED[PAUSED]").await;
    herder.stop().await;
}

#[tokio::test]
async fn a_worker_that_cannot_run_says_why() {
    let kafka = MemoryKafka::new();
    kafka.cluster().create_topic("configs", 2);
    let herder = start(&kafka);
    let error = herder.ended().await.unwrap_err();
    assert!(error.message().contains("config.storage.topic"), "{}", error.message());
    assert!(herder.ready().await.is_err());
}

#[tokio::test]
async fn a_connector_may_have_an_offsets_topic_of_its_own() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("own", &[("count", "2"), ("offsets.storage.topic", "own-offsets")])).await;
    let key = r#"["own",{"task":0}]"#;
    eventually("both topics have it", async || {
        let has = |topic| {
            let records = kafka.cluster().texts(topic);
            records.iter().any(|(other, value)| {
                other.as_deref() == Some(key) && value.as_deref() == Some(r#"{"next":2}"#)
            })
        };
        (has("own-offsets") && has("offsets")).then_some(())
    })
    .await;
    assert_eq!(herder.offsets("own").await.unwrap().len(), 1);
    herder.set_target_state("own", TargetState::Stopped).await.unwrap();
    herder.reset_offsets("own").await.unwrap();
    assert_eq!(latest(&kafka, "own-offsets", key), None);
    assert_eq!(latest(&kafka, "offsets", key), None);
    herder.stop().await;
}

#[tokio::test]
async fn a_standalone_worker_keeps_offsets_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("connect.offsets");
    let config = worker_config(&[("offset.storage.file.filename", file.to_str().unwrap())]);
    let kafka = MemoryKafka::new();
    for count in ["2", "4"] {
        let herder = StandaloneHerder::start(deps(&kafka, config.clone()));
        create(&herder, source("alone", &[("count", count)])).await;
        reach(&herder, "alone", "RUNNING[RUNNING]").await;
        let expect = count.parse::<usize>().unwrap();
        eventually("all records", async || (values(&kafka, "alone").len() == expect).then_some(())).await;
        herder.stop().await;
    }
    assert_eq!(values(&kafka, "alone"), counted("alone", 4));
    assert_eq!(kafka.cluster().topics(), ["alone"]);
}

#[tokio::test]
async fn topics_are_forgotten_and_found_again_while_tasks_run() {
    let kafka = MemoryKafka::new();
    let herder = start(&kafka);
    create(&herder, source("busy", &[])).await;
    create(&herder, sink("reads", "busy", &[])).await;
    for name in ["busy", "reads"] {
        let known = async || (herder.topics(name).await.unwrap() == ["busy"]).then_some(());
        eventually("a topic", known).await;
        let key = format!("status-topic-busy:connector-{name}");
        let written = async || {
            let records = kafka.cluster().texts("statuses");
            let mine = records.iter().filter(|(other, _)| other.as_deref() == Some(&key));
            Some(mine.filter(|(_, value)| value.is_some()).count())
        };
        let before = written().await;
        herder.reset_topics(name).await.unwrap();
        eventually("it is written again", async || (written().await > before).then_some(())).await;
        eventually("the topic again", known).await;
    }
    herder.stop().await;
}
