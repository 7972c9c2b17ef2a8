//! Signals against a real PostgreSQL: what is read, what a restart goes on with, and that readers of the topics end up with
//! the table's contents whatever happens meanwhile.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use raccord_data::{Record, Value};
use raccord_plugin::RawConfig;
use server::{Driven, Offsets, Server, line, source};

const SIGNAL_TABLE: &str =
    "CREATE TABLE sig (id varchar(64) PRIMARY KEY, type varchar(32), data varchar(2048))";

fn config(server: &Server, name: &str) -> RawConfig {
    let mut config = server.config(name, name);
    for (key, value) in [
        ("snapshot.mode", "no_data"),
        ("signal.data.collection", "public.sig"),
        ("incremental.snapshot.chunk.size", "3"),
        ("signal.poll.interval.ms", "50"),
    ] {
        config.insert(key, Some(value.to_owned()));
    }
    config
}

fn database(server: &Server, name: &str, statements: &str) {
    server.sql("postgres", &format!("CREATE DATABASE {name}"));
    server.sql(name, SIGNAL_TABLE);
    server.sql(name, statements);
}

fn execute(server: &Server, database: &str, id: &str, data: &str) {
    server.sql(database, &format!("INSERT INTO sig VALUES ('{id}', 'execute-snapshot', '{data}')"));
}

/// Opens a task and polls until it streams, so that what follows is in the log for it.
async fn streaming(server: &Server, config: &RawConfig, offsets: Arc<Offsets>) -> Driven {
    let mut driven = Driven::open(config, offsets).await;
    let slot = config.get("slot.name").unwrap_or_default();
    let active = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND active");
    while server.sql("postgres", &active) != "1" {
        let _ = tokio::time::timeout(Duration::from_millis(50), driven.poll()).await;
    }
    driven
}

/// Polls until a record is the wanted one; gives all of table `t`.
async fn until(driven: &mut Driven, mut wanted: impl FnMut(&Record) -> bool) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let more = match driven.poll().await {
            Ok(more) => more,
            Err(error) if error.kind() == raccord_plugin::ErrorKind::Retriable => continue,
            Err(error) => panic!("{}", error.trace()),
        };
        let found = more.iter().any(&mut wanted);
        records.extend(more.into_iter().filter(|record| &*record.topic == "lab.public.t"));
        if found {
            return records;
        }
    }
}

/// A change that a test makes when everything before it has to be there.
fn is_mark(record: &Record) -> bool {
    line(record).contains("mark")
}

fn read_rows(records: &[Record]) -> Vec<String> {
    records.iter().map(line).filter(|line| line.starts_with("r ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn against_a_real_server() {
    let server = Server::start();
    chunks_cover_a_table(&server).await;
    columns_that_may_be_null_order_chunks(&server).await;
    a_restart_behind_any_record_goes_on(&server).await;
    a_restart_behind_a_notification_loses_nothing(&server).await;
    readers_end_up_with_the_table(&server, false).await;
    readers_end_up_with_the_table(&server, true).await;
    streaming_waits_for_a_blocking_snapshot(&server).await;
}

async fn chunks_cover_a_table(server: &Server) {
    database(
        server,
        "chunks",
        "CREATE TABLE t (a int, b text, PRIMARY KEY (a, b)); INSERT INTO t SELECT i / 3, 'k' || i FROM generate_series(1, 10) i",
    );
    let mut driven = streaming(server, &config(server, "chunks"), Arc::default()).await;
    let signal = r#"{"data-collections":["public.t"]}"#;
    execute(server, "chunks", "s1", signal);
    let mut left = 10;
    let records = until(&mut driven, |record| {
        left -= usize::from(line(record).starts_with("r "));
        left == 0
    })
    .await;
    let expect: Vec<String> = (1..=10).map(|i| format!("r {0},k{i} {0},k{i}", i / 3)).collect();
    let mut found = read_rows(&records);
    // 3,k10 comes before 3,k9.
    found.sort();
    let mut expect = expect;
    expect.sort();
    assert_eq!(found, expect);
    assert_eq!(source(&records[0], "snapshot"), Value::from("incremental"));
    assert_eq!((source(&records[0], "lsn"), source(&records[0], "txId")), (Value::Null, Value::Null));
    let offset = driven.task.offset(records[0].position).offset.expect("a position");
    assert_eq!(offset["snapshot"], "INCREMENTAL");
    assert!(
        offset["incremental_snapshot_primary_key"]
            .as_str()
            .is_some_and(|hex| hex.starts_with("aced0005757200135b4c"))
    );
    driven.close().await;
}

async fn columns_that_may_be_null_order_chunks(server: &Server) {
    database(
        server,
        "nulls",
        "CREATE TABLE t (a int, b int, id int PRIMARY KEY); CREATE UNIQUE INDEX ON t (a, b); \
         INSERT INTO t SELECT CASE WHEN i % 4 = 0 THEN NULL ELSE i % 4 END, CASE WHEN i % 5 = 0 THEN NULL ELSE i END, i FROM generate_series(1, 20) i",
    );
    let mut config = config(server, "nulls");
    config.insert("message.key.columns", Some("public.t:a,b,id".to_owned()));
    let mut driven = streaming(server, &config, Arc::default()).await;
    execute(server, "nulls", "s1", r#"{"data-collections":["public.t"]}"#);
    let mut left = 20;
    let records = until(&mut driven, |record| {
        left -= usize::from(line(record).starts_with("r "));
        left == 0
    })
    .await;
    let order = server.sql("nulls", "SELECT string_agg(id::text, ' ' ORDER BY a, b, id) FROM t");
    let found: Vec<String> = read_rows(&records)
        .iter()
        .map(|line| line.rsplit(',').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(found.join(" "), order);
    driven.close().await;
}

/// Stores the offset of each record of a snapshot in turn and starts again there: the rest of the rows comes.
async fn a_restart_behind_any_record_goes_on(server: &Server) {
    database(
        server,
        "again",
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 7) i",
    );
    let config = config(server, "again");
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = streaming(server, &config, offsets.clone()).await;
    execute(server, "again", "s1", r#"{"data-collections":["public.t"]}"#);
    let mut left = 7;
    let records = until(&mut driven, |record| {
        left -= usize::from(line(record).starts_with("r "));
        left == 0
    })
    .await;
    let (rows, stored): (Vec<String>, Vec<_>) =
        records.iter().map(|record| (line(record), driven.task.offset(record.position).offset)).unzip();
    driven.close().await;
    // Behind the last row the snapshot is still under way, as there may be more.
    for (place, offset) in stored.iter().enumerate().take(rows.len() - 1) {
        *offsets.0.lock().expect("no test has failed") = offset.clone();
        let mut driven = Driven::open(&config, offsets.clone()).await;
        let last = rows.last().cloned().unwrap_or_default();
        let again = read_rows(&until(&mut driven, |record| line(record) == last).await);
        assert_eq!(again, rows[place + 1..], "behind {}", rows[place]);
        driven.close().await;
    }
}

/// What a notification says, if a record is one of an incremental snapshot.
fn told(record: &Record) -> Option<&str> {
    let Value::Struct(value) = &record.value else { return None };
    let text = |field: &str| match value.get(field) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    };
    (text("aggregate_type") == Some("Incremental Snapshot") && text("id") == Some("s1"))
        .then(|| text("type"))?
}

async fn a_restart_behind_a_notification_loses_nothing(server: &Server) {
    database(
        server,
        "told",
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 4)",
    );
    let mut config = config(server, "told");
    config.insert("notification.enabled.channels", Some("sink".to_owned()));
    config.insert("notification.sink.topic.name", Some("told".to_owned()));
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = streaming(server, &config, offsets.clone()).await;
    execute(server, "told", "s1", r#"{"data-collections":["public.t"]}"#);
    let mut records = Vec::new();
    while !records.iter().any(|record| told(record) == Some("COMPLETED")) {
        records.extend(driven.poll().await.expect("nothing fails"));
    }
    let all = ["STARTED", "IN_PROGRESS", "IN_PROGRESS", "TABLE_SCAN_COMPLETED", "COMPLETED"];
    assert_eq!(records.iter().filter_map(told).collect::<Vec<_>>(), all);
    let stored: Vec<_> = records.iter().map(|record| driven.task.offset(record.position).offset).collect();
    driven.close().await;
    // The rows of windows have other names each time.
    let lines = |records: &[Record]| {
        let lines =
            records.iter().map(line).filter(|line| line.starts_with("r ") || line.starts_with("c s1 "));
        lines.collect::<Vec<_>>()
    };
    for (place, record) in records.iter().enumerate().filter(|(_, record)| told(record).is_some()) {
        let expect = lines(&records[place..]);
        *offsets.0.lock().expect("no test has failed") = stored[place].clone();
        let mut driven = Driven::open(&config, offsets.clone()).await;
        let mut again = Vec::new();
        while lines(&again).len() < expect.len() {
            again.extend(driven.poll().await.expect("nothing fails"));
        }
        assert_eq!(lines(&again), expect, "behind {:?}", told(record));
        driven.close().await;
    }
}

/// Changes rows all the time; who applies the records in order ends up with the table, and sees no row go back in time.
async fn readers_end_up_with_the_table(server: &Server, read_only: bool) {
    let name = if read_only { "model_read_only" } else { "model" };
    database(
        server,
        name,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, '0' FROM generate_series(1, 60) i",
    );
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let mut config = config(server, name);
    if read_only {
        config.insert("read.only", Some("true".to_owned()));
        config.insert("signal.data.collection", None);
        config.insert("signal.enabled.channels", Some("file".to_owned()));
        config.insert("signal.file", Some(folder.path().join("signals").display().to_string()));
    }
    let mut driven = streaming(server, &config, Arc::default()).await;
    // Streaming begins before the first change.
    server.sql(name, "INSERT INTO t VALUES (1000, 'mark')");
    until(&mut driven, is_mark).await;
    let data = r#"{"data-collections":["public.t"]}"#;
    match read_only {
        true => std::fs::write(
            folder.path().join("signals"),
            format!("{{\"id\":\"s1\",\"type\":\"execute-snapshot\",\"data\":{data}}}\n"),
        )
        .expect("the signal can be written"),
        false => execute(server, name, "s1", data),
    }
    let changes = tokio::task::spawn_blocking({
        let (name, psql) = (name.to_owned(), server.port);
        move || change_rows(psql, &name)
    });
    let mut records = Vec::new();
    let mut read = 0;
    // Rows may be deleted before they are read; the greatest one stays.
    while read == 0 {
        let more = until(&mut driven, |record| line(record).starts_with("r 1000 ")).await;
        read += read_rows(&more).len();
        records.extend(more);
    }
    changes.await.expect("changes are made");
    server.sql(name, "UPDATE t SET v = 'mark 2' WHERE id = 1000");
    records.extend(until(&mut driven, |record| line(record).contains("mark 2")).await);
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    for record in &records {
        let line = line(record);
        let mut parts = line.splitn(3, ' ');
        let (operation, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let row = parts.next().unwrap_or_default().split_once(',').map_or("", |(_, value)| value);
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        match operation {
            "d" | "-" => drop(table.remove(key)),
            _ => {
                let before = table.insert(key.to_owned(), row.to_owned());
                if let Some(before) = before.filter(|_| operation == "r") {
                    assert!(number(row) >= number(&before), "row {key} goes back from {before} to {row}");
                }
            }
        }
    }
    let expect =
        server.sql(name, "SELECT string_agg(id || ',' || v, ' ' ORDER BY id::text COLLATE \"C\") FROM t");
    let found: Vec<String> = table.iter().map(|(key, value)| format!("{key},{value}")).collect();
    assert_eq!(found.join(" "), expect);
    driven.close().await;
}

/// Updates, deletes and inserts rows for a while, each in a transaction of its own. Values of a row rise.
fn change_rows(port: u16, database: &str) {
    let statements = "DO $$ BEGIN FOR n IN 1..400 LOOP \
         UPDATE t SET v = n WHERE id = 1 + (n * 7919) % 60; \
         IF n % 5 = 0 THEN DELETE FROM t WHERE id = 1 + (n * 6007) % 60; END IF; \
         IF n % 7 = 0 THEN INSERT INTO t VALUES (1 + (n * 7907) % 60, n) ON CONFLICT DO NOTHING; END IF; \
         COMMIT; PERFORM pg_sleep(0.001); END LOOP; END $$";
    let output = std::process::Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"])
        .args(["-p", &port.to_string(), "-d", database, "-c", statements])
        .output()
        .expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn streaming_waits_for_a_blocking_snapshot(server: &Server) {
    database(
        server,
        "blocking",
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 3) i",
    );
    let mut driven = streaming(server, &config(server, "blocking"), Arc::default()).await;
    execute(server, "blocking", "s1", r#"{"type":"blocking","data-collections":["public.t"]}"#);
    server.sql("blocking", "INSERT INTO t VALUES (9, 'mark')");
    let mut records = until(&mut driven, |record| line(record) == "c 9 9,mark").await;
    // Whether the snapshot sees the row depends on when it begins.
    records.retain(|record| line(record) != "r 9 9,mark");
    let lines: Vec<String> = records.iter().map(line).collect();
    assert_eq!(lines, ["r 1 1,v", "r 2 2,v", "r 3 3,v", "c 9 9,mark"]);
    assert_eq!(source(&records[0], "snapshot"), Value::from("first"));
    let offset = driven.task.offset(records[1].position).offset.expect("a position");
    assert_eq!(
        (offset["snapshot"].as_str(), offset["snapshot_completed"].as_bool()),
        (Some("BLOCKING"), Some(false))
    );
    driven.close().await;
}
