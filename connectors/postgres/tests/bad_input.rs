//! What is wrong with a server or a config is told with its cause and what to do, and leads to the state that Debezium
//! would have: failed, or trying again.

mod server;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::{ErrorKind, RawConfig};
use server::{Driven, Server, line};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server() {
    let server = Server::start();
    server.sql("postgres", TABLE);
    roles_and_objects(&server).await;
    retries_are_counted(&server).await;
    a_slot_in_use_is_waited_for(&server).await;
    limits_of_time(&server).await;
    a_table_that_is_dropped_ends_nothing(&server).await;
    guardrails(&server).await;
    a_server_without_logical_decoding(&server).await;
}

fn set(config: &RawConfig, keys: &[(&str, &str)]) -> RawConfig {
    let mut config = config.clone();
    for (key, value) in keys {
        config.insert(*key, Some((*value).to_owned()));
    }
    config
}

/// The first failure of a task, and its trace.
async fn failure(config: &RawConfig) -> (ErrorKind, String) {
    let mut driven = Driven::open(config, Arc::default()).await;
    let error = loop {
        if let Err(error) = driven.poll().await {
            break error;
        }
    };
    driven.close().await;
    (error.kind(), error.trace())
}

async fn check(config: &RawConfig, kind: ErrorKind, told: &[&str]) {
    let (found, trace) = failure(config).await;
    assert_eq!(found, kind, "{trace}");
    for part in told.iter().chain(&["Hint: "]) {
        assert!(trace.contains(part), "no {part:?} in: {trace}");
    }
}

async fn roles_and_objects(server: &Server) {
    server.sql("postgres", "CREATE ROLE bare LOGIN; CREATE ROLE replicator LOGIN REPLICATION");
    let config = |slot: &str, keys: &[(&str, &str)]| set(&server.config("postgres", slot), keys);
    check(
        &config("gone", &[("database.dbname", "nowhere")]),
        ErrorKind::Retriable,
        &["database \"nowhere\" does not exist", "check database.dbname"],
    )
    .await;
    check(
        &config("gone", &[("database.port", "1")]),
        ErrorKind::Retriable,
        &["Connection to 127.0.0.1:1 refused", "check database.hostname"],
    )
    .await;
    check(
        &config("none", &[("publication.autocreate.mode", "disabled")]),
        ErrorKind::Fatal,
        &["Publication autocreation is disabled", "CREATE PUBLICATION dbz_publication"],
    )
    .await;
    check(
        &config("bare", &[("database.user", "bare")]),
        ErrorKind::Fatal,
        &["Creation of replication slot failed", "REPLICATION"],
    )
    .await;
    check(
        &config("unowned", &[("database.user", "replicator")]),
        ErrorKind::Fatal,
        &["permission denied", "make the publication yourself"],
    )
    .await;
    server.sql("postgres", "CREATE PUBLICATION dbz_publication FOR TABLE t");
    check(
        &config("unread", &[("database.user", "replicator")]),
        ErrorKind::Retriable,
        &[
            "Snapshotting of table public.t failed",
            "permission denied for table t",
            "SELECT on the captured tables",
        ],
    )
    .await;
    server.sql("postgres", "SELECT pg_drop_replication_slot('unread')");
    server.sql("postgres", "SELECT pg_create_logical_replication_slot('foreign', 'test_decoding')");
    check(
        &config("foreign", &[]),
        ErrorKind::Fatal,
        &["Creation of replication slot failed; when setting up multiple connectors", "already exists"],
    )
    .await;
    server.sql("postgres", "SELECT pg_drop_replication_slot('foreign')");
}

/// Failures of the task until it gives up, or until there were so many.
async fn failures(config: &RawConfig, limit: usize) -> Vec<(ErrorKind, String)> {
    let mut driven = Driven::open(config, Arc::default()).await;
    let mut found = Vec::new();
    while found.len() < limit && found.last().is_none_or(|(kind, _)| *kind == ErrorKind::Retriable) {
        if let Err(error) = driven.poll().await {
            found.push((error.kind(), error.trace()));
        }
    }
    driven.close().await;
    found
}

/// What a snapshot tells of itself while it fails does not count as success; and starting is tried as often as it takes.
async fn retries_are_counted(server: &Server) {
    let config = set(
        &server.config("postgres", "counted"),
        &[
            ("database.user", "replicator"),
            ("errors.max.retries", "2"),
            ("retriable.restart.connector.wait.ms", "10"),
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", "told"),
        ],
    );
    let found = failures(&config, 5).await;
    let kinds: Vec<ErrorKind> = found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [ErrorKind::Retriable, ErrorKind::Retriable, ErrorKind::Fatal], "{found:?}");
    let (_, trace) = &found[2];
    for part in [
        "ConnectException: An exception occurred in the change event producer. This connector will be stopped.",
        "Caused by: org.postgresql.util.PSQLException: ERROR: permission denied for table t",
        "Hint: ",
    ] {
        assert!(trace.contains(part), "no {part:?} in: {trace}");
    }
    server.sql("postgres", "SELECT pg_drop_replication_slot('counted')");
    let nowhere = set(&config, &[("database.dbname", "nowhere")]);
    let found = failures(&nowhere, 5).await;
    assert!(found.len() == 5 && found.iter().all(|(kind, _)| *kind == ErrorKind::Retriable), "{found:?}");
}

async fn a_slot_in_use_is_waited_for(server: &Server) {
    let config = server.config("postgres", "shared");
    let mut first = Driven::open(&config, Arc::default()).await;
    first.read(1).await;
    // The first one streams when its change comes.
    server.sql("postgres", "UPDATE t SET v = 'b'");
    first.read(1).await;
    let second = set(&config, &[("slot.max.retries", "1"), ("snapshot.mode", "no_data")]);
    check(
        &second,
        ErrorKind::Retriable,
        &[
            "Failed to start replication stream at LSN{",
            "distinct replication slot name",
            "is active for PID",
            "slot.name of its own",
        ],
    )
    .await;
    first.close().await;
}

/// A session that does something until it is killed.
struct Busy(Child);

impl Busy {
    fn new(server: &Server, statements: &str) -> Self {
        let child = Command::new("psql")
            .args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "postgres"])
            .args(["-p", &server.port.to_string(), "-c", statements])
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("psql can be run"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn limits_of_time(server: &Server) {
    let config = |slot: &str, keys: &[(&str, &str)]| set(&server.config("postgres", slot), keys);
    let locks = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    let busy = Busy::new(server, "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)");
    while server.sql("postgres", locks) != "1" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let locking = config(
        "locked",
        &[
            // A new slot would wait for the transaction that holds the lock.
            ("snapshot.mode", "initial_only"),
            ("snapshot.locking.mode", "shared"),
            ("snapshot.lock.timeout.ms", "200"),
        ],
    );
    let (kind, trace) = failure(&locking).await;
    assert_eq!(kind, ErrorKind::Retriable, "{trace}");
    assert!(trace.contains("canceling statement due to lock timeout"), "{trace}");
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock'");
    drop(busy);
    let mut driven = Driven::open(&locking, Arc::default()).await;
    assert_eq!(driven.read(1).await.len(), 1);
    driven.close().await;

    let slow = config(
        "slow",
        &[
            ("snapshot.mode", "initial_only"),
            ("database.query.timeout.ms", "300"),
            ("snapshot.select.statement.overrides", "public.t"),
            ("snapshot.select.statement.overrides.public.t", "SELECT t.* FROM t, pg_sleep(20)"),
        ],
    );
    check(&slow, ErrorKind::Retriable, &["Snapshotting of table public.t failed", "within 300 ms"]).await;
    let statements =
        config("statements", &[("database.initial.statements", "SET search_path = public; SELECT 1/0")]);
    let (kind, trace) = failure(&statements).await;
    assert_eq!(kind, ErrorKind::Retriable, "{trace}");
    assert!(trace.contains("division by zero"), "{trace}");
}

async fn a_table_that_is_dropped_ends_nothing(server: &Server) {
    server.sql("postgres", "CREATE DATABASE drops");
    server.sql("drops", TABLE);
    server.sql("drops", "CREATE TABLE other (id int PRIMARY KEY, v text)");
    let mut driven = Driven::open(&server.config("drops", "drops"), Arc::default()).await;
    driven.read(1).await;
    server.sql("drops", "INSERT INTO t VALUES (2, 'b'); DROP TABLE t; INSERT INTO other VALUES (1, 'x')");
    let lines: Vec<String> = driven.read(2).await.iter().map(line).collect();
    // One transaction: when its change comes, the catalog no longer knows of a key. So it is in Debezium.
    assert_eq!(lines, ["c null 2,b", "c 1 1,x"]);
    server.sql("drops", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (3)");
    assert_eq!(driven.read(1).await.iter().map(line).collect::<Vec<_>>(), ["c 3 3"]);
    driven.close().await;
}

async fn guardrails(server: &Server) {
    server.sql("postgres", "CREATE TABLE u (id int PRIMARY KEY, v text)");
    let config = set(&server.config("postgres", "guarded"), &[("guardrail.collections.max", "1")]);
    check(
        &set(&config, &[("guardrail.collections.limit.action", "fail")]),
        ErrorKind::Fatal,
        &["Guardrail limit exceeded: 2 tables/collections configured for capture, but maximum allowed is 1."],
    )
    .await;
    let mut driven = Driven::open(&config, Arc::default()).await;
    assert_eq!(driven.read(1).await.len(), 1);
    driven.close().await;
}

async fn a_server_without_logical_decoding(server: &Server) {
    server.sql(
        "postgres",
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active",
    );
    server.sql("postgres", "ALTER SYSTEM SET wal_level = replica");
    server.ctl("restart");
    check(
        &server.config("postgres", "fresh"),
        ErrorKind::Fatal,
        &[
            "Creation of replication slot failed",
            "Hint: the server cannot do that in its state: logical decoding needs wal_level=logical",
        ],
    )
    .await;
    let only = set(&server.config("postgres", "fresh"), &[("snapshot.mode", "initial_only")]);
    let mut driven = Driven::open(&only, Arc::default()).await;
    assert_eq!(driven.read(1).await.len(), 1);
    driven.close().await;
}
