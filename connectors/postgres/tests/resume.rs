//! A snapshot that was interrupted goes on behind its last page, and the state that its records lead to is the tables'.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use raccord_data::Record;
use raccord_plugin::{ErrorKind, RawConfig};
use server::{Driven, Offsets, Server, line};

const ROWS: usize = 2000;
const PAGE_ROWS: &str = "100";
/// Of all three tables.
const ALL_ROWS: usize = 2 * ROWS + 300;

/// Rows by topic and key.
type State = BTreeMap<(String, String), String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_that_go_on() {
    let server = Server::start();
    for (round, threads, stored_at) in [(0, "1", 1), (1, "1", 950), (2, "3", 2777), (3, "1", ALL_ROWS - 1)] {
        goes_on(&server, &format!("round{round}"), threads, stored_at).await;
    }
    begins_anew_without_its_slot(&server).await;
}

fn config(server: &Server, database: &str, threads: &str) -> RawConfig {
    let mut config = server.config(database, database);
    for (key, value) in [("raccord.snapshot.page.rows", PAGE_ROWS), ("snapshot.max.threads", threads)] {
        config.insert(key, Some(value.to_owned()));
    }
    config
}

fn tables(server: &Server, database: &str) {
    server.sql("postgres", &format!("CREATE DATABASE {database}"));
    server.sql(database, "CREATE TABLE a (id int PRIMARY KEY, v text)");
    server.sql(database, "CREATE TABLE b (name text COLLATE \"C\", id int, v text, PRIMARY KEY (name, id))");
    server.sql(database, "CREATE TABLE c (id int, v text)");
    server.sql(database, "CREATE TABLE d (id int PRIMARY KEY)");
    for fill in [
        "INSERT INTO a SELECT i, 'v' || i FROM generate_series(1, 2000) i ORDER BY random()",
        "INSERT INTO b SELECT 'n' || i % 7 || '''\\', i, 'v' FROM generate_series(1, 2000) i",
        "INSERT INTO c SELECT i, 'v' FROM generate_series(1, 300) i",
    ] {
        server.sql(database, fill);
    }
}

/// Whether a record is a row of the snapshot.
fn is_read(record: &Record) -> bool {
    line(record).starts_with("r ")
}

fn of_table<'a>(records: &'a [Record], table: &'a str) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.topic.ends_with(table))
}

/// Polls until there is a row with that key in table `a`.
async fn read_until(driven: &mut Driven, key: &str) -> Vec<Record> {
    let mut read = Vec::new();
    loop {
        match driven.poll().await {
            Ok(records) => {
                let is_there =
                    of_table(&records, ".a").any(|record| line(record).starts_with(&format!("c {key} ")));
                read.extend(records);
                if is_there {
                    return read;
                }
            }
            Err(error) if error.kind() == ErrorKind::Retriable => {}
            Err(error) => panic!("{}", error.trace()),
        }
    }
}

fn apply(state: &mut State, records: &[Record]) {
    for record in records.iter().filter(|record| !record.topic.ends_with(".c")) {
        let text = line(record);
        let mut words = text.splitn(3, ' ');
        let topic = record.topic.to_string();
        match (words.next(), words.next(), words.next()) {
            (Some("r" | "c" | "u"), Some(key), Some(row)) => {
                state.insert((topic, key.to_owned()), row.to_owned());
            }
            (Some("d"), Some(key), _) => drop(state.remove(&(topic, key.to_owned()))),
            _ => {}
        }
    }
}

fn expected(server: &Server, database: &str) -> State {
    let mut state = State::new();
    let statements = [
        ("lab.public.a", "SELECT id || '|' || id || ',' || v FROM a"),
        ("lab.public.b", "SELECT name || ',' || id || '|' || name || ',' || id || ',' || v FROM b"),
        ("lab.public.d", "SELECT id || '|' || id FROM d"),
    ];
    for (topic, statement) in statements {
        for row in server.sql(database, statement).lines() {
            let (key, row) = row.split_once('|').expect("key and row");
            state.insert((topic.to_owned(), key.to_owned()), row.to_owned());
        }
    }
    state
}

/// Stores the offset of one record of a snapshot, ends, changes rows on both sides of where it came to, and goes on.
async fn goes_on(server: &Server, database: &str, threads: &str, stored_at: usize) {
    tables(server, database);
    let config = config(server, database, threads);
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = Driven::open(&config, offsets.clone()).await;
    let mut first = Vec::new();
    while first.len() < stored_at {
        first.extend(driven.poll().await.expect("a snapshot runs"));
    }
    first.truncate(stored_at);
    driven.commit(&first[stored_at - 1]).await;
    driven.close().await;
    for change in [
        "UPDATE a SET v = v || '-changed' WHERE id % 3 = 0",
        "DELETE FROM a WHERE id % 10 = 1",
        "UPDATE a SET id = 10000 - id WHERE id % 10 = 2",
        "INSERT INTO a SELECT -i, 'new' FROM generate_series(1, 50) i",
        "DELETE FROM b WHERE id % 4 = 0",
        "UPDATE b SET v = 'changed' WHERE id % 4 = 1",
        "INSERT INTO d VALUES (1)",
    ] {
        server.sql(database, change);
    }
    let mut driven = Driven::open(&config, offsets).await;
    server.sql(database, "INSERT INTO a VALUES (100000, 'end')");
    let second = read_until(&mut driven, "100000").await;
    driven.close().await;

    let mut state = State::new();
    apply(&mut state, &first);
    apply(&mut state, &second);
    let expected = expected(server, database);
    let wrong = expected.iter().filter(|(key, row)| state.get(*key) != Some(row)).count();
    assert_eq!((wrong, state.len()), (0, expected.len()), "{database}");
    // At most a page of each table that is read at once comes again, and the table without key.
    let again = second.iter().filter(|record| is_read(record)).count() + stored_at;
    let slack = ALL_ROWS + 3 * 100 + 300 + 60;
    assert!(again <= slack, "{database}: {again} rows were read, of {ALL_ROWS}");
    assert!(of_table(&first, ".c").count() + of_table(&second, ".c").count() >= 300, "{database}");
}

async fn begins_anew_without_its_slot(server: &Server) {
    let database = "no_slot";
    tables(server, database);
    let config = config(server, database, "1");
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = Driven::open(&config, offsets.clone()).await;
    let mut first = Vec::new();
    while first.len() < 1000 {
        first.extend(driven.poll().await.expect("a snapshot runs"));
    }
    driven.commit(&first[999]).await;
    driven.close().await;
    server.sql(database, "SELECT pg_drop_replication_slot('no_slot')");
    server.sql(database, "INSERT INTO a VALUES (-1, 'new'); DELETE FROM a WHERE id = 1");
    let mut driven = Driven::open(&config, offsets).await;
    let second = driven.read(ALL_ROWS).await;
    assert!(second.iter().all(is_read));
    driven.close().await;
}
