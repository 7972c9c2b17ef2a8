//! The slot: a snapshot beside one that was there before loses nothing, and a gap in the log is never passed over.

mod server;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use raccord_data::{Record, Value};
use raccord_plugin::{Error, ErrorKind, RawConfig};
use server::{Driven, Offsets, Server, line};

/// Rows by key, as the records of a topic lead to them.
type State = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_on_a_real_server() {
    let server = Arc::new(Server::start());
    a_snapshot_beside_a_slot_misses_no_commit(&server).await;
    a_commit_that_waits_for_a_standby_is_not_lost(&server, "waits", 0).await;
    a_commit_that_waits_for_a_standby_is_not_lost(&server, "waits_without_a_slot", 100).await;
    every_gap_is_told_and_filled(&server).await;
    an_offset_ahead_of_the_server_is_told(&server).await;
    another_log_is_told(&server).await;
}

fn set(config: &RawConfig, keys: &[(&str, &str)]) -> RawConfig {
    let mut config = config.clone();
    for (key, value) in keys {
        config.insert(*key, Some((*value).to_owned()));
    }
    config
}

/// Applies records as a reader of the topic would.
fn apply(state: &mut State, records: &[Record]) {
    for record in records {
        let text = line(record);
        let mut words = text.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("r" | "c" | "u"), Some(key), Some(row)) => state.insert(key.to_owned(), row.to_owned()),
            (Some("d"), Some(key), _) => state.remove(key),
            _ => None,
        };
    }
}

/// Polls until a row with that key has come.
async fn read_until(driven: &mut Driven, key: &str, state: &mut State) {
    while !state.contains_key(key) {
        match driven.poll().await {
            Ok(records) => apply(state, &records),
            Err(error) if error.kind() == ErrorKind::Retriable => {}
            Err(error) => panic!("{}", error.trace()),
        }
    }
}

fn table(server: &Server, database: &str) -> State {
    let rows = server.sql(database, "SELECT id || '|' || id || ',' || v FROM t");
    rows.lines().filter_map(|row| row.split_once('|')).map(|(key, row)| (key.into(), row.into())).collect()
}

/// Commits go on all the time while snapshots are taken, again and again with the same slot.
async fn a_snapshot_beside_a_slot_misses_no_commit(server: &Arc<Server>) {
    const WRITER: &str = "DO $$ BEGIN FOR i IN 1..1500 LOOP \
        IF random() < 0.3 THEN DELETE FROM t WHERE id = 1 + (random() * 40)::int; \
        ELSE INSERT INTO t VALUES (1 + (random() * 40)::int, 'w' || pg_backend_pid() || '-' || i) \
             ON CONFLICT (id) DO UPDATE SET v = excluded.v; END IF; COMMIT; END LOOP; END $$";
    server.sql("postgres", "CREATE DATABASE busy");
    server.sql("busy", "CREATE TABLE t (id int PRIMARY KEY, v text)");
    server.sql("busy", "CREATE PUBLICATION dbz_publication FOR ALL TABLES");
    server.sql("busy", "SELECT pg_create_logical_replication_slot('busy', 'pgoutput')");
    for round in 0..3 {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let server = Arc::clone(server);
                tokio::task::spawn_blocking(move || server.sql("busy", WRITER))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut driven = Driven::open(&server.config("busy", "busy"), Arc::default()).await;
        let mut state = State::new();
        // Some of what was read is stored, so that the slot moves on from round to round.
        let first = driven.poll().await.expect("a snapshot begins");
        apply(&mut state, &first);
        for writer in writers {
            writer.await.expect("the writer ends");
        }
        server.sql("busy", &format!("INSERT INTO t VALUES (1000 + {round}, 'end')"));
        read_until(&mut driven, &format!("{}", 1000 + round), &mut state).await;
        assert_eq!(state, table(server, "busy"), "round {round}");
        driven.close().await;
    }
}

/// A commit that is in the log and not shown to snapshots yet, for as long as a standby does not answer. `others` slots
/// are taken by others, so that there may be none left for the snapshot's own.
async fn a_commit_that_waits_for_a_standby_is_not_lost(server: &Arc<Server>, database: &str, others: usize) {
    server.sql("postgres", &format!("CREATE DATABASE {database}"));
    server.sql(database, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'before')");
    server.sql(database, "CREATE PUBLICATION dbz_publication FOR ALL TABLES");
    server.sql(database, &format!("SELECT pg_create_logical_replication_slot('{database}', 'pgoutput')"));
    server.sql(
        database,
        &format!(
            "SELECT pg_create_physical_replication_slot('other' || n) FROM generate_series(1, least({others}, \
             current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots))) AS n"
        ),
    );
    server.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let writer = {
        let (server, database) = (Arc::clone(server), database.to_owned());
        tokio::task::spawn_blocking(move || server.sql(&database, "INSERT INTO t VALUES (2, 'waits')"))
    };
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    while server.sql("postgres", waits) != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let released = {
        let server = Arc::clone(server);
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(1500));
            server.sql("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
            server.sql("postgres", "SELECT pg_reload_conf()");
        })
    };
    let mut driven = Driven::open(&server.config(database, database), Arc::default()).await;
    let mut state = State::new();
    read_until(&mut driven, "1", &mut state).await;
    released.await.expect("the standby is given up");
    writer.await.expect("the writer ends");
    server.sql(database, "INSERT INTO t VALUES (3, 'after')");
    read_until(&mut driven, "3", &mut state).await;
    assert_eq!(state, table(server, database));
    driven.close().await;
    server.sql(
        database,
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical'",
    );
}

/// Captures two rows and one change, stores that, and ends.
async fn captured(server: &Server, name: &str) -> (RawConfig, Arc<Offsets>) {
    server.sql("postgres", &format!("CREATE DATABASE {name}"));
    server.sql(name, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    let config = server.config(name, name);
    let offsets: Arc<Offsets> = Arc::default();
    let mut driven = Driven::open(&config, offsets.clone()).await;
    driven.read(2).await;
    server.sql(name, "INSERT INTO t VALUES (3, 'c')");
    server.sql(name, "INSERT INTO t VALUES (4, 'd')");
    let records = driven.read(2).await;
    driven.commit(&records[1]).await;
    driven.close().await;
    free(server, name).await;
    server.sql(name, "INSERT INTO t VALUES (5, 'missed')");
    (config, offsets)
}

/// Waits until nobody uses the slot.
async fn free(server: &Server, slot: &str) {
    let active = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{slot}' AND active");
    while server.sql("postgres", &active) != "0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn failure(config: &RawConfig, offsets: &Arc<Offsets>) -> Error {
    let mut driven = Driven::open(config, offsets.clone()).await;
    loop {
        match driven.poll().await {
            Ok(records) => assert!(
                records.is_empty(),
                "records in spite of the gap: {:?}",
                records.iter().map(line).collect::<Vec<_>>()
            ),
            Err(error) if error.kind() == ErrorKind::Retriable => {}
            Err(error) => {
                driven.close().await;
                return error;
            }
        }
    }
}

async fn every_gap_is_told_and_filled(server: &Server) {
    let recreate = |name: &str| {
        format!(
            "SELECT pg_drop_replication_slot('{name}'); SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"
        )
    };
    // Name, what is done to the slot, what is told.
    type Case<'a> = (&'a str, &'a dyn Fn(&str) -> String, &'a str);
    let cases: [Case<'_>; 4] = [
        ("dropped", &|name| format!("SELECT pg_drop_replication_slot('{name}')"), "it was dropped"),
        ("recreated", &recreate, "it was made anew"),
        (
            "advanced",
            &|name| format!("SELECT pg_replication_slot_advance('{name}', pg_current_wal_lsn())"),
            "somebody advanced it",
        ),
        ("lost", &|_| "SELECT 1".to_owned(), "has given up the replication slot"),
    ];
    for (name, damage, told) in cases {
        let (config, offsets) = captured(server, name).await;
        server.sql(name, &damage(name));
        if name == "lost" {
            lose(server, name);
        }
        let error = failure(&config, &offsets).await;
        assert_eq!(error.kind(), ErrorKind::Fatal);
        let trace = error.trace();
        assert!(
            trace.starts_with(
                "io.debezium.DebeziumException: The connector is trying to read change stream starting at"
            ),
            "{trace}"
        );
        assert!(
            trace.contains(told) && trace.contains("Hint: ") && trace.contains("when_needed"),
            "{name}: {trace}"
        );
        let config = set(&config, &[("snapshot.mode", "when_needed")]);
        let mut driven = Driven::open(&config, offsets).await;
        let mut state = State::new();
        read_until(&mut driven, "5", &mut state).await;
        server.sql(name, "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (6, 'new')");
        read_until(&mut driven, "6", &mut state).await;
        assert_eq!(state, table(server, name), "{name}");
        driven.close().await;
    }
    server.sql("postgres", "ALTER SYSTEM RESET max_slot_wal_keep_size");
    server.sql("postgres", "SELECT pg_reload_conf()");
}

/// Writes log until the server gives the slot up.
fn lose(server: &Server, name: &str) {
    server.sql("postgres", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let status = format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{name}'");
    for _ in 0..20 {
        server
            .sql(name, "SELECT pg_logical_emit_message(false, 'x', 'y'); SELECT pg_switch_wal(); CHECKPOINT");
        if server.sql(name, &status) == "lost" {
            return;
        }
    }
    panic!("the slot is {}", server.sql(name, &status));
}

async fn an_offset_ahead_of_the_server_is_told(server: &Server) {
    let (config, offsets) = captured(server, "ahead").await;
    let ahead = || {
        let mut stored = offsets.0.lock().expect("no test has failed");
        for (key, value) in stored.as_mut().expect("an offset is stored") {
            if let (true, Some(lsn)) = (key.starts_with("lsn"), value.as_i64()) {
                *value = (lsn + (1 << 40)).into();
            }
        }
    };
    ahead();
    let error = failure(&config, &offsets).await;
    assert!(error.trace().contains("before the stored position"), "{}", error.trace());
    let mut driven = Driven::open(&set(&config, &[("snapshot.mode", "when_needed")]), offsets).await;
    let mut state = State::new();
    read_until(&mut driven, "5", &mut state).await;
    assert_eq!(state, table(server, "ahead"));
    driven.close().await;
}

/// While a task lives: a new timeline that goes back to what was stored is followed; one that branched off before, and
/// another system, are gaps, although their positions have been overtaken.
async fn another_log_is_told(server: &Server) {
    server.sql("postgres", "CREATE DATABASE branch");
    server.sql("branch", "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')");
    let config = server.config("branch", "branch");
    let mut driven = Driven::open(&config, Arc::default()).await;
    let mut state = State::new();
    read_until(&mut driven, "1", &mut state).await;
    server.sql("branch", "INSERT INTO t VALUES (2, 'b')");
    let records = driven.read(1).await;
    driven.commit(&records[0]).await;
    server.ctl("stop");
    let (data, copy) = (server.data(), format!("{}.copy", server.data()));
    server::run(Command::new("cp").args(["-a", &data, &copy]));
    promote(server);
    server.sql("branch", "INSERT INTO t VALUES (3, 'on the new timeline')");
    let record = loop {
        match driven.poll().await {
            Ok(records) if records.is_empty() => {}
            Ok(mut records) => break records.pop().expect("there is one"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Retriable, "{}", error.trace()),
        }
    };
    assert_eq!(line(&record), "c 3 3,on the new timeline");
    assert!(matches!(record.value, Value::Struct(_)));
    driven.commit(&record).await;

    // The copy knows nothing of that; it branches off before, and goes further than what was stored.
    server.ctl("stop");
    std::fs::remove_dir_all(&data).expect("the cluster can be removed");
    std::fs::rename(&copy, &data).expect("the copy can be moved");
    // As an old primary that came back for a while.
    server.ctl("start");
    server.sql("branch", "CREATE TABLE elsewhere (id int PRIMARY KEY)");
    server.ctl("stop");
    promote(server);
    server.sql("branch", "SELECT pg_logical_emit_message(false, 'x', repeat('y', 100000))");
    server.sql("branch", "INSERT INTO t VALUES (4, 'in the copy')");
    let error = loop {
        match driven.poll().await {
            Ok(records) => {
                assert!(records.is_empty(), "records: {:?}", records.iter().map(line).collect::<Vec<_>>());
            }
            Err(error) if error.kind() == ErrorKind::Retriable => {}
            Err(error) => break error,
        }
    };
    assert!(error.trace().contains("branched off at"), "{}", error.trace());
    driven.close().await;
}

/// Ends recovery at once, on a new timeline.
fn promote(server: &Server) {
    let signal = std::path::Path::new(&server.data()).join("recovery.signal");
    std::fs::write(&signal, "").expect("the signal can be written");
    server::run(Command::new("chown").arg("--reference").arg(server.data()).arg(&signal));
    let settings = std::path::Path::new(&server.data()).join("postgresql.auto.conf");
    let mut text = std::fs::read_to_string(&settings).expect("settings can be read");
    text.push_str("restore_command = 'false'\n");
    std::fs::write(&settings, text).expect("settings can be written");
    server.ctl("start");
    let recovering = "SELECT pg_is_in_recovery()";
    while server.sql("postgres", recovering) != "f" {
        std::thread::sleep(Duration::from_millis(50));
    }
}
