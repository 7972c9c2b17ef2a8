//! Transactions as Kafka 4.3.1's Java clients see them.
//!
//! The expectations are what the same program prints against Apache Kafka 4.3.1, with two differences in time only:
//! Kafka ends a transaction some moments after it answered EndTxn, and looks for timed-out transactions every ten
//! seconds; here both happen at once.

mod real;

use real::{BrokerProcess, Client, java};
use std::path::Path;

#[test]
#[ignore = "a process that the other tests start"]
fn broker_process() {
    real::serve_until_killed();
}

fn program(boot: &str, scenario: &str) -> Client {
    let mut command = java();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/Transactions.java"));
    command.args([boot, scenario]);
    Client::start(command)
}

/// Without the clients' log lines.
fn facts(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.contains("WARN") && !line.contains("ERROR StatusLogger")).collect()
}

fn check(scenario: &str, expect: &[&str]) {
    let broker = BrokerProcess::start();
    let (status, lines) = program(&broker.boot(), scenario).finish(90);
    assert_eq!(facts(lines), expect);
    assert!(status.success());
}

#[test]
fn committed_records_show_together_and_aborted_ones_never() {
    check(
        "commit-abort",
        &["open {} {0=[a],1=[b]}", "committed {0=[a],1=[b]}", "aborted {0=[a,c],1=[b]} {0=[a,x,c],1=[b]}"],
    );
}

#[test]
fn a_second_producer_of_the_same_id_fences_the_first_and_aborts_its_transaction() {
    check("fencing", &["first ProducerFencedException", "read {0=[alive]}"]);
}

#[test]
fn a_transaction_over_its_time_is_aborted_and_does_not_hold_readers_up() {
    check("timeout", &["slow ProducerFencedException", "read {0=[next]}"]);
}

#[test]
fn offsets_in_a_transaction_count_only_after_commit() {
    check(
        "offsets",
        &["open none stable none", "committed 7", "aborted 7", "stranger CommitFailedException"],
    );
}

#[test]
fn the_admin_client_lists_describes_and_fences() {
    check(
        "admin",
        &[
            "listed tx Ongoing",
            "empty 0",
            "described Ongoing [t-1] 60000",
            "unknown TransactionalIdNotFoundException",
            "producer true open from 0",
            "fenced ProducerFencedException",
            "read {}",
        ],
    );
}

#[test]
fn a_transaction_survives_kills_of_the_broker() {
    let mut broker = BrokerProcess::start();
    let mut program = program(&broker.boot(), "survive");
    let said = |prefix: &'static str| {
        move |lines: &[String]| lines.iter().any(|line| line.starts_with(prefix)).then_some(())
    };
    program.lines.wait("an open transaction", 60, said("open"));
    broker.crash_and_restart();
    program.say("go on");
    program.lines.wait("the commit", 60, said("committed"));
    broker.crash_and_restart();
    program.say("go on");
    let (status, lines) = program.finish(60);
    let expect =
        ["open", "pending {} none", "committed {0=[a]} 5", "kept {0=[a]} 5", "goes on {0=[a],1=[b]}"];
    assert_eq!(facts(lines), expect);
    assert!(status.success());
}

#[test]
fn kafkas_own_tool_reads_the_transaction_log() {
    let broker = BrokerProcess::start();
    let (status, _) = program(&broker.boot(), "fencing").finish(90);
    assert!(status.success());
    let log = broker.dir.path().join("data/__transaction_state-0/00000000000000000000.log");
    let log = log.to_str().expect("UTF-8");
    let (ok, lines) =
        real::tool("org.apache.kafka.tools.DumpLogSegments", &["--transaction-log-decoder", "--files", log]);
    assert!(ok);
    let records: Vec<&String> = lines.iter().filter(|line| line.starts_with("| offset:")).collect();
    // Two producers: handed out, ongoing, fenced and aborted, handed out, ongoing, committed.
    let states: Vec<&str> = records
        .iter()
        .map(|line| {
            line.split("\"transactionStatus\":").nth(1).expect("decoded").split(',').next().unwrap_or("")
        })
        .collect();
    assert_eq!(states, ["0", "1", "3", "5", "0", "1", "2", "4"], "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("isvalid: false")));
}
