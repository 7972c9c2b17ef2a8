//! Values that the log does not have are read again; the slot's xmin is in records; notifications tell of a snapshot.

mod server;

use std::sync::Arc;

use raccord_data::{Record, Value};
use raccord_plugin::RawConfig;
use server::{Driven, Server, source};

const PROCESSOR: &str = "io.debezium.processors.reselect.ReselectColumnsPostProcessor";
const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, n int, body text, note text); \
    ALTER TABLE t ALTER body SET STORAGE EXTERNAL; \
    INSERT INTO t VALUES (1, 1, repeat('x', 10000), NULL)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server() {
    let server = Server::start();
    large_values_and_nulls_are_read_again(&server).await;
    a_snapshot_is_told_of(&server).await;
}

fn config(server: &Server, database: &str, keys: &[(&str, &str)]) -> RawConfig {
    let mut config = server.config(database, database);
    for (key, value) in keys {
        config.insert(*key, Some((*value).to_owned()));
    }
    config
}

fn after(record: &Record, field: &str) -> Value {
    let Value::Struct(envelope) = &record.value else { return Value::Null };
    let Some(Value::Struct(after)) = envelope.get("after") else { return Value::Null };
    after.get(field).cloned().unwrap_or_default()
}

async fn large_values_and_nulls_are_read_again(server: &Server) {
    server.sql("postgres", "CREATE DATABASE again");
    server.sql("again", TABLE);
    let keys = [
        ("post.processors", "r"),
        ("r.type", PROCESSOR),
        ("xmin.fetch.interval.ms", "1"),
        ("column.mask.with.3.chars", "public.t.note"),
    ];
    let mut driven = Driven::open(&config(server, "again", &keys), Arc::default()).await;
    driven.read(1).await;
    server.sql("again", "UPDATE t SET n = 2");
    let record = driven.read(1).await.remove(0);
    let long = "x".repeat(10_000);
    assert_eq!(after(&record, "body"), Value::String(raccord_data::Text::from(&*long)));
    assert!(
        matches!(source(&record, "xmin"), Value::Int64(xmin) if xmin > 0),
        "{:?}",
        source(&record, "xmin")
    );

    // The row as it is now counts: in one transaction the null is followed by a value, which is masked.
    server.sql("again", "BEGIN; UPDATE t SET n = 3; UPDATE t SET note = 'secret'; COMMIT");
    let records = driven.read(2).await;
    assert_eq!(after(&records[0], "n"), Value::Int32(3));
    assert_eq!(after(&records[0], "note"), Value::from("***"));

    // A row that is gone leaves the placeholder.
    server.sql("again", "BEGIN; UPDATE t SET n = 4; DELETE FROM t; COMMIT");
    let records = driven.read(3).await;
    assert_eq!(after(&records[0], "body"), Value::from("__debezium_unavailable_value"));
    driven.close().await;

    let fails = config(
        server,
        "again",
        &[keys[0], keys[1], ("r.reselect.error.handling.mode", "fail"), ("slot.name", "fails")],
    );
    server.sql("again", "INSERT INTO t VALUES (5, 1, repeat('x', 10000), 'n')");
    let mut driven = Driven::open(&fails, Arc::default()).await;
    driven.read(1).await;
    server.sql("again", "BEGIN; UPDATE t SET n = 4; DELETE FROM t; COMMIT");
    let error = loop {
        match driven.poll().await {
            Ok(records) => assert!(records.is_empty()),
            Err(error) => break error,
        }
    };
    assert!(error.trace().contains("Failed to find row in table public.t"), "{}", error.trace());
    driven.close().await;
}

fn told(record: &Record) -> String {
    let Value::Struct(value) = &record.value else { return String::new() };
    let text = |field: &str| match value.get(field) {
        Some(Value::String(text)) => text.as_str().to_owned(),
        _ => String::new(),
    };
    let details = match value.get("additional_data") {
        Some(Value::Map(entries)) => entries.clone(),
        _ => Vec::new(),
    };
    let detail = |wanted: &str| {
        let found =
            details.iter().find(|(key, _)| matches!(key, Value::String(key) if key.as_str() == wanted));
        found.map_or_else(String::new, |(_, value)| format!(" {value:?}"))
    };
    format!("{}{}", text("type"), detail("total_rows_scanned"))
}

async fn a_snapshot_is_told_of(server: &Server) {
    server.sql("postgres", "CREATE DATABASE told");
    server.sql("told", TABLE);
    let keys = [("notification.enabled.channels", "sink"), ("notification.sink.topic.name", "told")];
    let config = config(server, "told", &keys);
    let mut driven = Driven::open(&config, Arc::default()).await;
    let mut records = Vec::new();
    while records.len() < 5 {
        records.extend(driven.poll().await.expect("a snapshot is read"));
    }
    let texts: Vec<String> = records.iter().filter(|record| &*record.topic == "told").map(told).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0] == "STARTED" && texts[1] == "IN_PROGRESS" && texts[3] == "COMPLETED", "{texts:?}");
    assert!(texts[2].starts_with("TABLE_SCAN_COMPLETED") && texts[2].contains('1'), "{texts:?}");
    let last = records.last().expect("there are records").clone();
    driven.commit(&last).await;
    let stored = driven.offsets.0.lock().expect("no test has failed").clone();
    assert!(stored.as_ref().is_some_and(|stored| !stored.contains_key("snapshot")), "{stored:?}");
    let offsets = driven.offsets.clone();
    driven.close().await;

    // What is told before the first change carries the stored offset, not none.
    let mut driven = Driven::open(&config, offsets).await;
    let records = driven.read(1).await;
    assert_eq!(told(&records[0]), "SKIPPED");
    driven.commit(&records[0]).await;
    assert_eq!(*driven.offsets.0.lock().expect("no test has failed"), stored);
    driven.close().await;
}
