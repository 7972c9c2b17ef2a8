//! Groups as real clients see them: kcat (librdkafka), Kafka 4.3.1's group tool, a Kafka Connect 4.3.1 worker.

mod real;

use real::{BrokerProcess, Client, PARTITIONS, free_port, http, java, kcat, produce, tool, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

#[test]
#[ignore = "a process that the other tests start"]
fn broker_process() {
    real::serve_until_killed();
}

fn group_tool(boot: &str, args: &[&str]) -> (bool, Vec<String>) {
    let all: Vec<&str> = ["--bootstrap-server", boot].iter().chain(args).copied().collect();
    tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &all)
}

fn fill(boot: &str, topic: &str, per_partition: usize) {
    for partition in 0..PARTITIONS {
        produce(boot, topic, partition, (0..per_partition).map(|i| format!("{partition}-{i}")));
    }
}

fn member(boot: &str, group: &str, topic: &str) -> Client {
    let quick = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"];
    let from = ["-X", "auto.offset.reset=earliest", "-X", "auto.commit.interval.ms=200", "-u"];
    Client::start(kcat(boot, &[&["-G", group], &quick[..], &from[..], &[topic]].concat()))
}

/// Partitions of the member's last assignment, as kcat reports it.
fn assigned(lines: &[String]) -> Option<BTreeSet<i32>> {
    let last = lines.iter().rev().find(|line| line.contains("rebalanced"))?;
    let list = last.split_once("assigned:")?.1;
    let number = |part: &str| part.split(']').next()?.trim().parse().ok();
    Some(list.split('[').skip(1).filter_map(number).collect())
}

#[test]
fn two_members_share_the_partitions_and_the_survivor_takes_over() {
    let broker = BrokerProcess::start();
    let boot = broker.boot();
    fill(&boot, "t", 50);
    let all: BTreeSet<i32> = (0..PARTITIONS).collect();
    let mut first = member(&boot, "g", "t");
    first.lines.wait("all partitions", 20, |lines| assigned(lines).filter(|of| *of == all));
    let second = member(&boot, "g", "t");
    let half = |lines: &[String]| assigned(lines).filter(|of| of.len() == 2);
    let of_second = second.lines.wait("its half", 20, half);
    let of_first = first.lines.wait("its half", 20, half);
    assert_eq!(of_first.union(&of_second).copied().collect::<BTreeSet<_>>(), all);

    let (ok, described) = group_tool(&boot, &["--describe", "--group", "g", "--members"]);
    assert!(ok);
    assert_eq!(described.iter().filter(|line| line.starts_with("g rdkafka-")).count(), 2, "{described:#?}");

    // Dies without a word: its session must end before the other one gets its share.
    first.kill();
    second.lines.wait("all partitions", 20, |lines| assigned(lines).filter(|of| *of == all));
    let values = |client: &Client| client.lines.all().into_iter().filter(|line| line.contains('-')).collect();
    let mut read: BTreeSet<String> = values(&first);
    read.extend::<BTreeSet<String>>(values(&second));
    let expect =
        (0..PARTITIONS).flat_map(|p| (0..50).map(move |i| format!("{p}-{i}"))).collect::<BTreeSet<_>>();
    assert_eq!(expect.difference(&read).next(), None, "a record that nobody read");
}

#[test]
fn kafkas_group_tool_lists_describes_resets_and_deletes() {
    let mut broker = BrokerProcess::start();
    let boot = broker.boot();
    fill(&boot, "t", 10);
    let mut client = member(&boot, "g", "t");
    client.lines.wait("all records", 20, |lines| {
        (lines.iter().filter(|line| line.split('-').count() == 2).count() >= 40).then_some(())
    });
    let offsets = |lines: &[String]| -> Vec<String> {
        let row = |line: &&String| line.starts_with("g t ");
        let columns = |line: &String| line.split(' ').skip(2).take(4).collect::<Vec<_>>().join(" ");
        let mut rows: Vec<String> = lines.iter().filter(row).map(columns).collect();
        rows.sort();
        rows
    };
    let at =
        |offset: i64| (0..PARTITIONS).map(|p| format!("{p} {offset} 10 {}", 10 - offset)).collect::<Vec<_>>();

    let active = wait_for("all offsets to be committed", 20, || {
        let (_, lines) = group_tool(&boot, &["--describe", "--group", "g"]);
        (offsets(&lines) == at(10)).then_some(lines)
    });
    assert!(active.iter().any(|line| line.contains("/127.0.0.1 rdkafka")), "{active:#?}");
    let (_, state) = group_tool(&boot, &["--describe", "--group", "g", "--state"]);
    assert!(state.iter().any(|line| line.contains("range Stable 1")), "{state:#?}");
    let (_, refused) =
        group_tool(&boot, &["--group", "g", "--topic", "t", "--reset-offsets", "--to-earliest", "--execute"]);
    assert!(refused.iter().any(|line| line.contains("inactive")), "{refused:#?}");
    let (_, refused) = group_tool(&boot, &["--delete", "--group", "g"]);
    assert!(refused.iter().any(|line| line.contains("The group is not empty")), "{refused:#?}");
    let (_, refused) = group_tool(&boot, &["--delete-offsets", "--group", "g", "--topic", "t"]);
    assert!(refused.iter().any(|line| line.contains("Error")), "{refused:#?}");

    client.kill();
    wait_for("the session to end", 20, || {
        let (_, state) = group_tool(&boot, &["--describe", "--group", "g", "--state"]);
        state.iter().any(|line| line.contains("Empty 0")).then_some(())
    });
    broker.crash_and_restart();
    let (_, lines) = group_tool(&boot, &["--list", "--state"]);
    assert!(lines.contains(&"g Empty".to_owned()), "{lines:#?}");
    let (_, lines) = group_tool(&boot, &["--describe", "--group", "g"]);
    assert_eq!(offsets(&lines), at(10), "after kill -9");
    group_tool(&boot, &["--group", "g", "--topic", "t", "--reset-offsets", "--to-offset", "3", "--execute"]);
    let (_, lines) = group_tool(&boot, &["--describe", "--group", "g"]);
    assert_eq!(offsets(&lines), at(3), "after a reset");
    let (_, lines) = group_tool(&boot, &["--delete-offsets", "--group", "g", "--topic", "t:0"]);
    assert!(lines.contains(&"t 0 Successful".to_owned()), "{lines:#?}");
    broker.crash_and_restart();
    let (_, lines) = group_tool(&boot, &["--describe", "--group", "g"]);
    assert_eq!(offsets(&lines), at(3)[1..], "after one was deleted");
    let (_, lines) = group_tool(&boot, &["--delete", "--group", "g"]);
    assert!(lines.iter().any(|line| line.contains("was successful")), "{lines:#?}");
    broker.crash_and_restart();
    let (_, lines) = group_tool(&boot, &["--describe", "--group", "g"]);
    assert!(lines.iter().any(|line| line.contains("Group g not found")), "{lines:#?}");
}

#[test]
fn kafkas_own_tool_reads_the_offsets_topic() {
    let broker = BrokerProcess::start();
    let boot = broker.boot();
    fill(&boot, "t", 5);
    let client = member(&boot, "g", "t");
    let log = broker.dir.path().join("data/__consumer_offsets-0/00000000000000000000.log");
    let log = log.to_str().expect("UTF-8");
    let lines = wait_for("the commit", 30, || {
        let args = ["--offsets-decoder", "--files", log];
        let (_, lines) = tool("org.apache.kafka.tools.DumpLogSegments", &args);
        lines.iter().any(|line| line.contains("\"offset\":5")).then_some(lines)
    });
    drop(client);
    let has = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["\"type\":\"1\"", "\"group\":\"g\",\"topic\":\"t\"", "\"version\":\"3\""]), "{lines:#?}");
    assert!(has(&["\"type\":\"2\"", "\"protocolType\":\"consumer\",\"generation\":1", "\"topics\":[\"t\"]"]));
    assert!(lines.iter().all(|line| !line.contains("isvalid: false")));
}

const WORKER: &str = "key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
group.id=connect-cluster
offset.storage.topic=connect-offsets
config.storage.topic=connect-configs
status.storage.topic=connect-status
offset.storage.replication.factor=1
config.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=3
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
consumer.session.timeout.ms=6000
consumer.heartbeat.interval.ms=1000
consumer.isolation.level=read_committed
plugin.discovery=HYBRID_WARN
";

struct Worker {
    client: Client,
    port: u16,
}

impl Worker {
    fn start(boot: &str, dir: &Path, exactly_once: bool) -> Worker {
        let port = free_port();
        let jars = real::kafka_jars();
        let plugins = jars.parent().expect("a folder").join("plugins");
        assert!(plugins.is_dir(), "{} is missing: fetch Kafka's file connectors first", plugins.display());
        let properties = dir.join("worker.properties");
        let support = if exactly_once { "enabled" } else { "disabled" };
        let text = format!(
            "{WORKER}exactly.once.source.support={support}\nbootstrap.servers={boot}\n\
             listeners=http://127.0.0.1:{port}\nplugin.path={}\n",
            plugins.display()
        );
        fs::write(&properties, text).expect("the folder is writable");
        let mut command = java();
        command.arg("org.apache.kafka.connect.cli.ConnectDistributed").arg(properties);
        let worker = Worker { client: Client::start(command), port };
        worker.client.lines.wait("the worker", 180, |_| {
            http(port, "GET", "/connectors", "").filter(|(status, _)| *status == 200)
        });
        worker
    }

    fn create(&self, body: &str) {
        let answer = http(self.port, "POST", "/connectors", body);
        assert!(matches!(&answer, Some((201, _))), "{answer:?}");
    }
}

#[test]
fn a_connect_worker_lives_on_the_broker_through_kills_of_both() {
    check_connect(false);
}

/// The source then writes lines and offsets in transactions, and fences its predecessors.
#[test]
fn an_exactly_once_connect_worker_writes_every_line_once() {
    check_connect(true);
}

/// Two workers at a time are too much for a small machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn check_connect(exactly_once: bool) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut broker = BrokerProcess::start();
    let boot = broker.boot();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (input, output) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    let lines = |range: std::ops::Range<usize>| range.map(|i| format!("line {i}\n")).collect::<String>();
    fs::write(&input, lines(0..1_000)).expect("writable");
    let mut worker = Worker::start(&boot, dir.path(), exactly_once);
    let connector = |name: &str, class: &str, rest: &str, file: &Path| {
        format!(
            r#"{{"name":"{name}","config":{{"connector.class":"{class}","tasks.max":"1","file":"{}",{rest}}}}}"#,
            file.display()
        )
    };
    worker.create(&connector("source", "FileStreamSource", r#""topic":"lines""#, &input));
    worker.create(&connector("sink", "FileStreamSink", r#""topics":"lines""#, &output));
    // At least once: all lines, in any order, some perhaps twice.
    let arrived = |count: usize| {
        wait_for(&format!("{count} lines"), 90, || {
            let text = fs::read_to_string(&output).ok()?;
            (text.lines().collect::<BTreeSet<_>>().len() == count).then_some(())
        });
    };
    let append = |range: std::ops::Range<usize>| {
        let mut file = fs::OpenOptions::new().append(true).open(&input).expect("it exists");
        std::io::Write::write_all(&mut file, lines(range).as_bytes()).expect("writable");
    };
    arrived(1_000);

    broker.crash_and_restart();
    append(1_000..2_000);
    arrived(2_000);
    let (_, groups) = group_tool(&boot, &["--describe", "--group", "connect-sink", "--state"]);
    assert!(groups.iter().any(|line| line.contains("Stable 1")), "{groups:#?}");

    worker.client.kill();
    append(2_000..3_000);
    let worker = Worker::start(&boot, dir.path(), exactly_once);
    arrived(3_000);
    let status = http(worker.port, "GET", "/connectors/sink/status", "").map(|(_, body)| body);
    assert_eq!(status.as_deref().map(|body| body.matches("RUNNING").count()), Some(2), "{status:?}");
    if exactly_once {
        let args =
            ["-C", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed", "-t", "lines"];
        let (status, read) = Client::start(kcat(&boot, &args)).finish(30);
        assert!(status.success());
        assert_eq!(read.len(), 3_000, "every line once");
        assert_eq!(read.into_iter().collect::<BTreeSet<_>>().len(), 3_000);
    }
}
