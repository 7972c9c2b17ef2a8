//! Kafka 4.3.1's own command-line tools against the broker.
//!
//! The jars are looked for in `$RACCORD_PEERS_DIR/kafka-4.3.1`, by default in `.tools/peers/kafka-4.3.1` of the
//! workspace. The tests fail when they are absent: what was not tried does not work.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use raccord_broker::{Broker, BrokerConfig, BrokerHandle};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PRODUCER_PERF: &str = "org.apache.kafka.tools.ProducerPerformance";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const TRANSACTIONS: &str = "org.apache.kafka.tools.TransactionsCommand";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";

struct Tools {
    dir: tempfile::TempDir,
    broker: BrokerHandle,
    jars: PathBuf,
}

/// What a tool printed, and whether it was content.
struct Said {
    ok: bool,
    out: String,
    err: String,
}

impl Tools {
    fn start() -> Tools {
        let peers = std::env::var_os("RACCORD_PEERS_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/peers")),
            PathBuf::from,
        );
        let jars = peers.join("kafka-4.3.1");
        assert!(
            jars.is_dir(),
            "Kafka's tools are needed: put the jars of org.apache.kafka:kafka_2.13:4.3.1 and kafka-tools:4.3.1 with what \
             they depend on into {}, or name the folder above it in RACCORD_PEERS_DIR",
            jars.display()
        );
        let dir = tempfile::tempdir().expect("a folder");
        let config = BrokerConfig { port: 0, data_dir: dir.path().join("data"), ..BrokerConfig::default() };
        Tools { broker: Broker::start(config).expect("starts"), dir, jars }
    }

    fn address(&self) -> String {
        self.broker.local_addr().to_string()
    }

    fn run(&self, class: &str, args: &[&str], input: &str) -> Said {
        let mut child = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{}/*", self.jars.display()))
            .arg(class)
            .args(["--bootstrap-server", &self.address()])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("java must be installed: a runtime of version 17 or later");
        let mut stdin = child.stdin.take().expect("is piped");
        let input = input.to_string();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("ends");
        writer.join().expect("ends").ok();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn ok(&self, class: &str, args: &[&str], input: &str) -> String {
        let said = self.run(class, args, input);
        assert!(said.ok, "{class} {args:?}:\n{}\n{}", said.out, said.err);
        said.out
    }

    /// Runs a tool that must say `expect` somewhere.
    fn check(&self, class: &str, args: &[&str], expect: &str) {
        let said = self.run(class, args, "");
        let all = format!("{}\n{}", said.out, said.err);
        assert!(all.contains(expect), "{class} {args:?} does not say {expect:?}:\n{all}");
    }

    fn lines(n: usize) -> String {
        (0..n).map(|i| format!("line {i}\n")).collect()
    }
}

#[test]
fn topics_are_created_listed_described_altered_and_deleted() {
    let t = Tools::start();
    t.check(
        TOPICS,
        &["--create", "--topic", "a", "--partitions", "2", "--config", "retention.ms=1000"],
        "Created topic a",
    );
    t.check(TOPICS, &["--create", "--topic", "a"], "Topic 'a' already exists");
    t.check(
        TOPICS,
        &["--create", "--topic", "b", "--replication-factor", "3"],
        "The target replication factor of 3 cannot be reached",
    );
    t.check(
        TOPICS,
        &["--describe", "--topic", "a"],
        "PartitionCount: 2\tReplicationFactor: 1\tConfigs: retention.ms=1000",
    );
    t.check(TOPICS, &["--describe", "--topic", "a"], "Partition: 1\tLeader: 1\tReplicas: 1\tIsr: 1");
    t.ok(TOPICS, &["--alter", "--topic", "a", "--partitions", "4"], "");
    t.check(TOPICS, &["--describe", "--topic", "a"], "PartitionCount: 4");
    t.check(TOPICS, &["--alter", "--topic", "a", "--partitions", "3"], "would not be an increase");
    assert_eq!(t.ok(TOPICS, &["--list"], ""), "a\n");
    t.ok(TOPICS, &["--delete", "--topic", "a"], "");
    assert_eq!(t.ok(TOPICS, &["--list"], "").trim(), "");
}

#[test]
fn records_groups_and_offsets() {
    let t = Tools::start();
    t.ok(PRODUCER, &["--topic", "t"], &Tools::lines(500));
    let read =
        t.ok(CONSUMER, &["--topic", "t", "--from-beginning", "--max-messages", "500", "--group", "g"], "");
    assert_eq!(read, Tools::lines(500));
    assert_eq!(t.ok(OFFSETS, &["--topic", "t"], ""), "t:0:500\n");
    assert_eq!(t.ok(OFFSETS, &["--topic", "t", "--time", "earliest"], ""), "t:0:0\n");
    assert_eq!(t.ok(GROUPS, &["--list"], ""), "g\n");
    let described = t.ok(GROUPS, &["--describe", "--group", "g"], "");
    let row: Vec<&str> =
        described.lines().find(|l| l.starts_with('g')).expect("a row").split_whitespace().take(6).collect();
    assert_eq!(row, ["g", "t", "0", "500", "500", "0"], "{described}");
    t.check(
        GROUPS,
        &["--group", "g", "--reset-offsets", "--to-offset", "7", "--topic", "t", "--execute"],
        "7",
    );
    t.check(GROUPS, &["--describe", "--group", "g"], "493");
    t.check(GROUPS, &["--delete", "--group", "g"], "was successful");
    assert_eq!(t.ok(GROUPS, &["--list"], "").trim(), "");
    assert_eq!(t.ok(TOPICS, &["--list"], ""), "__consumer_offsets\nt\n");
}

#[test]
fn configs_of_topics_and_brokers() {
    let t = Tools::start();
    t.ok(TOPICS, &["--create", "--topic", "t"], "");
    let topic = ["--entity-type", "topics", "--entity-name", "t"];
    let with = |entity: &[&'static str], more: &[&'static str]| [entity, more].concat();
    t.ok(CONFIGS, &with(&topic, &["--alter", "--add-config", "cleanup.policy=compact,retention.ms=5"]), "");
    t.check(CONFIGS, &with(&topic, &["--describe"]), "DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact");
    t.check(
        CONFIGS,
        &with(&topic, &["--alter", "--add-config", "cleanup.policy=shred"]),
        "Invalid value shred for configuration cleanup.policy",
    );
    t.check(
        CONFIGS,
        &with(&topic, &["--alter", "--add-config", "no.such=1"]),
        "Unknown topic config name: no.such",
    );
    t.ok(CONFIGS, &with(&topic, &["--alter", "--delete-config", "cleanup.policy"]), "");
    let described = t.ok(CONFIGS, &with(&topic, &["--describe"]), "");
    assert!(!described.contains("cleanup.policy") && described.contains("retention.ms=5"), "{described}");
    let all = t.ok(CONFIGS, &with(&topic, &["--describe", "--all"]), "");
    assert!(all.contains("cleanup.policy=delete") && all.contains("segment.bytes=1073741824"), "{all}");
    let broker = ["--entity-type", "brokers", "--entity-name", "1"];
    t.ok(CONFIGS, &with(&broker, &["--alter", "--add-config", "log.retention.ms=77"]), "");
    t.check(CONFIGS, &with(&broker, &["--describe"]), "log.retention.ms=77");
    t.check(CONFIGS, &with(&broker, &["--describe", "--all"]), "num.partitions=1");
    t.check(
        CONFIGS,
        &with(&broker, &["--alter", "--add-config", "node.id=9"]),
        "Cannot update these configs dynamically",
    );
}

#[test]
fn the_performance_tool_with_idempotence_and_with_transactions() {
    let t = Tools::start();
    let perf = |topic: &str, more: &[&str]| {
        let args = ["--topic", topic, "--num-records", "20000", "--record-size", "100", "--throughput", "-1"];
        t.ok(PRODUCER_PERF, &[&args[..], more].concat(), "")
    };
    assert!(perf("plain", &[]).contains("20000 records sent"));
    assert_eq!(t.ok(OFFSETS, &["--topic", "plain"], ""), "plain:0:20000\n");
    assert!(perf("tx", &["--transaction-duration-ms", "50"]).contains("20000 records sent"));
    let args = [
        "--topic",
        "tx",
        "--from-beginning",
        "--max-messages",
        "20000",
        "--isolation-level",
        "read_committed",
    ];
    let read = t.ok(CONSUMER, &[&args[..], &["--timeout-ms", "20000"]].concat(), "");
    assert_eq!(read.lines().count(), 20000);
    t.check(TRANSACTIONS, &["list"], "CompleteCommit");
    assert!(t.ok(TOPICS, &["--list"], "").contains("__transaction_state"));
}

#[test]
fn the_smaller_admin_tools() {
    let t = Tools::start();
    t.ok(PRODUCER, &["--topic", "t"], &Tools::lines(10));
    let file = t.dir.path().join("delete.json");
    let json = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"offset":4}]}"#;
    std::fs::write(&file, json).expect("writes");
    let file = file.to_string_lossy().into_owned();
    t.check(DELETE_RECORDS, &["--offset-json-file", &file], "low_watermark: 4");
    assert_eq!(t.ok(OFFSETS, &["--topic", "t", "--time", "earliest"], ""), "t:0:4\n");
    t.check(LOG_DIRS, &["--describe", "--topic-list", "t"], "\"partition\":\"t-0\"");
    t.check(API_VERSIONS, &[], "Fetch(1): 4 to 18 [usable: 18]");
}
