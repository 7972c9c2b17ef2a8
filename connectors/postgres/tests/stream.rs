//! Snapshot and streaming against a real PostgreSQL: order, keys, restarts, gaps.

mod server;

use std::sync::Arc;

use raccord_data::Value;
use raccord_plugin::ErrorKind;
use server::{Driven, Offsets, Server, line, source};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')";

fn lines(records: &[raccord_data::Record]) -> Vec<String> {
    records.iter().map(line).collect()
}

/// A server is made once: each test has a database and a slot of its own.
async fn all_in(server: &Server) {
    snapshot_then_changes(server).await;
    restarts_behind_every_record(server).await;
    a_slot_that_was_dropped_is_a_gap(server).await;
    several_readers_read_everything(server).await;
    readers_share_a_large_table(server).await;
    messages_heartbeats_and_truncates(server).await;
    the_slot_follows_what_is_stored(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn against_a_real_server() {
    let server = Server::start();
    all_in(&server).await;
}

async fn snapshot_then_changes(server: &Server) {
    server.sql("postgres", "CREATE DATABASE changes");
    server.sql("changes", TABLE);
    let mut driven = Driven::open(&server.config("changes", "changes"), Arc::default()).await;
    let records = driven.read(2).await;
    assert_eq!(lines(&records), ["r 1 1,a", "r 2 2,b"]);
    let marker = |place: usize| source(&records[place], "snapshot");
    assert_eq!((marker(0), marker(1)), (Value::from("first"), Value::from("last")));

    server.sql("changes", "INSERT INTO t VALUES (3, 'c')");
    server.sql("changes", "UPDATE t SET v = 'x' WHERE id = 1");
    server.sql("changes", "UPDATE t SET id = 4 WHERE id = 3");
    server.sql("changes", "DELETE FROM t WHERE id = 2");
    let records = driven.read(7).await;
    assert_eq!(lines(&records), ["c 3 3,c", "u 1 1,x", "d 3 3,null", "- 3", "c 4 4,c", "d 2 2,null", "- 2"]);
    let headers =
        |place: usize| records[place].headers.iter().map(|header| header.key.to_string()).collect::<Vec<_>>();
    assert_eq!(headers(2)[0], "__debezium.newkey");
    assert_eq!(headers(4)[0], "__debezium.oldkey");
    driven.close().await;
}

/// Stores the offset of each record in turn and starts again there: the rest comes, and nothing twice, except for rows
/// that share their position with the one stored.
async fn restarts_behind_every_record(server: &Server) {
    server.sql("postgres", "CREATE DATABASE restarts");
    server.sql("restarts", TABLE);
    let config = server.config("restarts", "restarts");
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = Driven::open(&config, offsets.clone()).await;
    let records = driven.read(2).await;
    driven.commit(&records[1]).await;
    server.sql("restarts", "INSERT INTO t VALUES (3, 'c'), (4, 'd'), (5, 'e')");
    server.sql("restarts", "BEGIN; UPDATE t SET v = 'u' WHERE id = 3; DELETE FROM t WHERE id = 4; COMMIT");
    server.sql("restarts", "INSERT INTO t VALUES (6, 'f')");
    let all = driven.read(7).await;
    let (all, stored): (Vec<String>, Vec<_>) =
        all.iter().map(|record| (line(record), driven.task.offset(record.position).offset)).unzip();
    driven.close().await;
    for (place, offset) in stored.iter().enumerate() {
        *offsets.0.lock().expect("no test has failed") = offset.clone();
        let mut driven = Driven::open(&config, offsets.clone()).await;
        // What follows is new for certain.
        server.sql("restarts", &format!("INSERT INTO t VALUES ({}, 'new')", 100 + place));
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last: &String| !last.contains(&format!("{},new", 100 + place))) {
            seen.extend(lines(&driven.poll().await.unwrap_or_default()));
        }
        let again = seen.iter().take_while(|line| !line.contains("new")).cloned().collect::<Vec<_>>();
        let rest = &all[place + 1..];
        assert!(again.ends_with(rest), "behind {}: {again:?} instead of {rest:?}", all[place]);
        // A delete is stored together with its tombstone only.
        assert!(again.len() <= rest.len() + 1, "behind {}: {again:?} instead of {rest:?}", all[place]);
        driven.close().await;
    }
}

async fn a_slot_that_was_dropped_is_a_gap(server: &Server) {
    server.sql("postgres", "CREATE DATABASE gaps");
    server.sql("gaps", TABLE);
    let config = server.config("gaps", "gaps");
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = Driven::open(&config, offsets.clone()).await;
    driven.read(2).await;
    server.sql("gaps", "INSERT INTO t VALUES (3, 'c')");
    server.sql("gaps", "INSERT INTO t VALUES (4, 'd')");
    let records = driven.read(2).await;
    driven.commit(&records[1]).await;
    driven.close().await;
    let gone = "SELECT count(*) FROM (SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'gaps' AND NOT active) AS dropped";
    while server.sql("gaps", gone) != "1" {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut driven = Driven::open(&config, offsets.clone()).await;
    let error = driven.poll().await.expect_err("the gap is told");
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.trace().contains("no longer available on the server"), "{}", error.trace());
    driven.close().await;

    let mut config = config;
    config.insert("snapshot.mode", Some("when_needed".to_owned()));
    let mut driven = Driven::open(&config, offsets).await;
    assert_eq!(lines(&driven.read(4).await), ["r 1 1,a", "r 2 2,b", "r 3 3,c", "r 4 4,d"]);
    driven.close().await;
}

async fn several_readers_read_everything(server: &Server) {
    server.sql("postgres", "CREATE DATABASE readers");
    for table in 0..5 {
        server.sql(
            "readers",
            &format!("CREATE TABLE t{table} (id int PRIMARY KEY); INSERT INTO t{table} SELECT generate_series(1, 100)"),
        );
    }
    let mut config = server.config("readers", "readers");
    config.insert("snapshot.max.threads", Some("3".to_owned()));
    let mut driven = Driven::open(&config, Arc::default()).await;
    let records = driven.read(500).await;
    let lasts = records.iter().filter(|record| source(record, "snapshot") == Value::from("last")).count();
    assert_eq!((lasts, source(&records[499], "snapshot")), (1, Value::from("last")));
    let topics: std::collections::BTreeSet<_> =
        records.iter().map(|record| record.topic.to_string()).collect();
    assert_eq!(topics.len(), 5);
    driven.close().await;
}

/// Rows as wide as a block, so that a small table has blocks enough to be shared; some are dead, some moved.
async fn readers_share_a_large_table(server: &Server) {
    server.sql("postgres", "CREATE DATABASE parts");
    server.sql(
        "parts",
        "CREATE TABLE t (id int PRIMARY KEY, filler text); ALTER TABLE t ALTER filler SET STORAGE PLAIN; \
         INSERT INTO t SELECT i, repeat('x', 7000) FROM generate_series(1, 5000) i; \
         DELETE FROM t WHERE id % 10 = 0; UPDATE t SET id = -id WHERE id % 7 = 0",
    );
    let mut config = server.config("parts", "parts");
    config.insert("snapshot.max.threads", Some("3".to_owned()));
    config.insert("column.exclude.list", Some("public.t.filler".to_owned()));
    let mut driven = Driven::open(&config, Arc::default()).await;
    let records = driven.read(4500).await;
    let markers = |wanted: &'static str| {
        let records = records.iter().enumerate();
        let marked = records.filter(move |(_, record)| source(record, "snapshot") == Value::from(wanted));
        marked.map(|(place, _)| place).collect::<Vec<_>>()
    };
    // One table is read by one reader in Debezium, which then marks the first record.
    assert_eq!((markers("first"), markers("last")), (vec![0], vec![4499]));
    let mut read = lines(&records);
    read.sort();
    let ids = (1..=5000).filter(|id| id % 10 != 0).map(|id| if id % 7 == 0 { -id } else { id });
    let mut expect: Vec<String> = ids.map(|id| format!("r {id} {id}")).collect();
    expect.sort();
    assert!(read == expect, "each row comes once");
    driven.close().await;
}

async fn messages_heartbeats_and_truncates(server: &Server) {
    server.sql("postgres", "CREATE DATABASE messages");
    server.sql("messages", TABLE);
    let mut config = server.config("messages", "messages");
    config.insert("skipped.operations", Some("none".to_owned()));
    let mut driven = Driven::open(&config, Arc::default()).await;
    driven.read(2).await;
    server.sql("messages", "SELECT pg_logical_emit_message(true, 'p', 'hello')");
    server.sql("messages", "SELECT pg_logical_emit_message(false, 'q', 'there')");
    server.sql("messages", "TRUNCATE t");
    let records = driven.read(3).await;
    let topics: Vec<&str> = records.iter().map(|record| &*record.topic).collect();
    assert_eq!(topics, ["lab.message", "lab.message", "lab.public.t"]);
    assert_eq!(line(&records[2]), "t null null");
    driven.close().await;
}

async fn the_slot_follows_what_is_stored(server: &Server) {
    server.sql("postgres", "CREATE DATABASE confirms");
    server.sql("confirms", TABLE);
    let mut driven = Driven::open(&server.config("confirms", "confirms"), Arc::default()).await;
    driven.read(2).await;
    let confirmed = || {
        server.sql(
            "confirms",
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'confirms'",
        )
    };
    let before = confirmed();
    server.sql("confirms", "INSERT INTO t VALUES (3, 'c')");
    server.sql("confirms", "INSERT INTO t VALUES (4, 'd')");
    let records = driven.read(2).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(confirmed(), before, "nothing is confirmed that is not stored");
    driven.commit(&records[1]).await;
    let end = tokio::time::Instant::now() + server::PATIENCE;
    while confirmed() == before {
        assert!(tokio::time::Instant::now() < end, "the stored commit is confirmed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    driven.close().await;
}
