//! `GET /metrics` of a live worker that captures a PostgreSQL. What is counted is what Debezium 3.3.2 and Kafka Connect 4.3.1
//! show by JMX after the same statements.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;

use live::{Broker, Worker, wait_for};
use raccord_parity::cdc::postgres::{Postgres, newest};
use serde_json::json;

/// The value of a metric; its labels as they stand in the answer, without `connector` and `task`.
fn value(metrics: &str, name: &str, labels: &str) -> Option<f64> {
    let own = if labels.is_empty() { String::new() } else { format!(",{labels}") };
    let start = format!("{name}{{connector=\"pg\",task=\"0\"{own}}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)).map(|value| value.parse().unwrap())
}

const SNAPSHOT: &str = r#"plugin="postgres",name="lab",context="snapshot""#;
const STREAMING: &str = r#"plugin="postgres",name="lab",context="streaming""#;
const OWN: &str = r#"name="lab",slot="metrics""#;

#[test]
fn a_captured_database_is_seen_in_metrics_as_long_as_its_connector_is_there() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let settings = ["max_slot_wal_keep_size=1GB"];
    let database = Postgres::start_with(&newest().unwrap(), folder.path(), &settings).unwrap();
    let sql = |statements: &str| database.run("postgres", statements).unwrap();
    sql("CREATE TABLE a(id int PRIMARY KEY, name text); CREATE TABLE b(id int PRIMARY KEY); \
         CREATE TABLE other(id int PRIMARY KEY); \
         CREATE TABLE signal(id text PRIMARY KEY, type text, data text); \
         INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 30) n; INSERT INTO b VALUES (1), (2); \
         ANALYZE a, b");
    let worker = Worker::start(folder.path(), &broker.address(), &[], &[]);
    let metrics = || {
        let (status, body) = worker.ask("GET", "/metrics", None);
        assert_eq!(status, 200, "{body}");
        body
    };
    let until = |what: &str, good: &dyn Fn(&str) -> bool| {
        let mut last = String::new();
        wait_for(what, || {
            last = metrics();
            good(&last).then_some(())
        });
        last
    };
    assert!(!metrics().contains("connector=\"pg\""));

    let mut config = database.connector_config("postgres", "lab", "metrics", 100);
    let more = [
        ("table.include.list", "public.a,public.b"),
        ("publication.autocreate.mode", "all_tables"),
        ("skipped.operations", "none"),
        ("signal.data.collection", "public.signal"),
        ("incremental.snapshot.chunk.size", "10"),
        // The slot is looked at as often.
        ("xmin.fetch.interval.ms", "300"),
    ];
    config.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let (status, answer) = worker.ask("POST", "/connectors", Some(json!({ "name": "pg", "config": config })));
    assert_eq!(status, 201, "{answer}");
    let streams = |metrics: &str| value(metrics, "debezium_metrics_Connected", STREAMING) == Some(1.0);
    let looked = |metrics: &str| value(metrics, "raccord_postgres_slot_safe_wal_bytes", OWN).is_some();
    let shown = until("streaming", &|metrics| streams(metrics) && looked(metrics));
    let check = |metrics: &str, name: &str, labels: &str, expect: f64| {
        assert_eq!(value(metrics, name, labels), Some(expect), "{name}\n{metrics}");
    };
    let rows = |table: &str| format!("{SNAPSHOT},table=\"public.{table}\"");
    check(&shown, "debezium_metrics_SnapshotCompleted", SNAPSHOT, 1.0);
    check(&shown, "debezium_metrics_SnapshotRunning", SNAPSHOT, 0.0);
    // With the table of signals, which is not read.
    check(&shown, "debezium_metrics_TotalTableCount", SNAPSHOT, 3.0);
    check(&shown, "debezium_metrics_RemainingTableCount", SNAPSHOT, 0.0);
    check(&shown, "debezium_metrics_RowsScanned", &rows("a"), 30.0);
    check(&shown, "debezium_metrics_RowsScanned", &rows("b"), 2.0);
    check(&shown, "debezium_metrics_TotalNumberOfEventsSeen", SNAPSHOT, 32.0);
    check(&shown, "debezium_metrics_TotalNumberOfCreateEventsSeen", STREAMING, 0.0);
    check(&shown, "debezium_metrics_MilliSecondsBehindSource", STREAMING, -1.0);
    check(&shown, "raccord_postgres_snapshot_expected_rows", OWN, 32.0);
    let safe = value(&shown, "raccord_postgres_slot_safe_wal_bytes", OWN).unwrap();
    assert!(safe > 5e8 && safe < 2e9, "{safe}");
    for name in ["raccord_postgres_slot_lag_bytes", "raccord_postgres_slot_retained_wal_bytes"] {
        assert!(value(&shown, name, OWN).is_some(), "{name}\n{shown}");
    }
    assert!(shown.contains("# TYPE debezium_metrics_RowsScanned gauge\n"), "{shown}");
    assert!(shown.contains("\nkafka_connect_worker_connector_count 1\n"), "{shown}");
    assert!(shown.contains("\nkafka_connect_worker_task_count 1\n"), "{shown}");
    assert!(
        shown.contains(r#"kafka_connect_connector_task_status{connector="pg",task="0",status="running"} 1"#),
        "{shown}"
    );

    sql("INSERT INTO a VALUES (100, 'x'), (101, 'y')");
    sql(
        "UPDATE a SET name = 'z' WHERE id = 100; DELETE FROM a WHERE id = 101; UPDATE b SET id = 3 WHERE id = 1",
    );
    sql("INSERT INTO other VALUES (1)");
    sql("TRUNCATE b");
    let events = |metrics: &str| value(metrics, "debezium_metrics_TotalNumberOfEventsSeen", STREAMING);
    let shown = until("changes", &|metrics| events(metrics) >= Some(8.0));
    check(&shown, "debezium_metrics_TotalNumberOfEventsSeen", STREAMING, 8.0);
    // A changed key is a delete and a create.
    check(&shown, "debezium_metrics_TotalNumberOfCreateEventsSeen", STREAMING, 4.0);
    check(&shown, "debezium_metrics_TotalNumberOfUpdateEventsSeen", STREAMING, 1.0);
    check(&shown, "debezium_metrics_TotalNumberOfDeleteEventsSeen", STREAMING, 2.0);
    check(&shown, "debezium_metrics_NumberOfEventsFiltered", STREAMING, 1.0);
    check(&shown, "debezium_metrics_NumberOfCommittedTransactions", STREAMING, 3.0);
    let behind = value(&shown, "debezium_metrics_MilliSecondsBehindSource", STREAMING).unwrap();
    assert!((0.0..30_000.0).contains(&behind), "{behind}");
    // Rows, changes, and the tombstones of two deletes.
    let written = "kafka_connect_source_task_source_record_write_total";
    let shown = until("acknowledgements", &|metrics| value(metrics, written, "") == Some(41.0));
    check(&shown, "kafka_connect_source_task_source_record_poll_total", "", 41.0);
    check(&shown, "kafka_connect_task_error_total_record_failures", "", 0.0);

    sql("INSERT INTO b VALUES (7)");
    sql("INSERT INTO signal VALUES ('s1', 'execute-snapshot', \
         '{\"data-collections\":[\"public.a\",\"public.b\"],\"type\":\"INCREMENTAL\"}')");
    let polled = "kafka_connect_source_task_source_record_poll_total";
    let shown = until("an incremental snapshot", &|metrics| value(metrics, polled, "") >= Some(87.0));
    check(&shown, polled, "", 87.0);
    check(&shown, "debezium_metrics_SnapshotCompleted", SNAPSHOT, 1.0);
    check(&shown, "debezium_metrics_RemainingTableCount", SNAPSHOT, 0.0);
    check(&shown, "debezium_metrics_RowsScanned", &rows("a"), 31.0);
    check(&shown, "debezium_metrics_RowsScanned", &rows("b"), 1.0);
    check(&shown, "debezium_metrics_RowsScanned", &rows("signal"), 0.0);
    check(&shown, "debezium_metrics_TotalNumberOfEventsSeen", SNAPSHOT, 64.0);
    // Rows of incremental snapshots are events of the stream as well, and so are watermarks.
    check(&shown, "debezium_metrics_TotalNumberOfEventsSeen", STREAMING, 54.0);
    check(&shown, "debezium_metrics_TotalNumberOfCreateEventsSeen", STREAMING, 18.0);
    check(&shown, "debezium_metrics_NumberOfCommittedTransactions", STREAMING, 17.0);

    sql("CREATE TABLE growth AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)");
    // 20 MB in some seconds, and 1 GB is left.
    let to_full = |metrics: &str| value(metrics, "raccord_postgres_slot_time_to_full_seconds", OWN);
    until("growth of the log", &|metrics| {
        to_full(metrics).is_some_and(|seconds| (1.0..3600.0).contains(&seconds))
    });

    let (status, answer) = worker.ask("DELETE", "/connectors/pg", None);
    assert_eq!(status, 204, "{answer}");
    let shown = until("the end of its metrics", &|metrics| !metrics.contains("connector=\"pg\""));
    assert!(shown.contains("\nkafka_connect_worker_connector_count 0\n"), "{shown}");
}

#[test]
fn what_a_failed_task_has_counted_stays() {
    let (broker, folder) = (Broker::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start(folder.path(), &broker.address(), &[], &[]);
    let file = folder.path().join("in");
    std::fs::write(&file, "no number\n").unwrap();
    let config = json!({
        "connector.class": "FileStreamSource", "file": file, "topic": "t", "transforms": "cast",
        "transforms.cast.type": "org.apache.kafka.connect.transforms.Cast$Value", "transforms.cast.spec": "int32",
    });
    let (status, answer) = worker.ask("PUT", "/connectors/pg/config", Some(config));
    assert_eq!(status, 201, "{answer}");
    worker.task_state("pg", "FAILED");
    let (_, metrics) = worker.ask("GET", "/metrics", None);
    assert_eq!(value(&metrics, "kafka_connect_task_error_total_record_errors", ""), Some(1.0), "{metrics}");
    let failed = r#"kafka_connect_connector_task_status{connector="pg",task="0",status="failed"} 1"#;
    assert!(metrics.contains(failed), "{metrics}");
    assert!(
        metrics.contains("kafka_connect_worker_connector_failed_task_count{connector=\"pg\"} 1\n"),
        "{metrics}"
    );

    worker.ask("DELETE", "/connectors/pg", None);
    let (_, metrics) = worker.ask("GET", "/metrics", None);
    assert!(!metrics.contains("connector=\"pg\""), "{metrics}");
}
