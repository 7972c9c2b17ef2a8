//! A PostgreSQL server of a test's own, and a task driven by hand. Each test binary uses its own part of this.
#![allow(dead_code, missing_docs, reason = "shared by test binaries")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use raccord_connector_postgres::SOURCE;
use raccord_data::{Record, Value};
use raccord_plugin::{
    Make, OffsetMap, OffsetReader, RawConfig, Result, SourceBatch, SourceContext, SourceTask,
};
use tokio_util::sync::CancellationToken;

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Its data are removed when it is dropped.
pub struct Server {
    folder: tempfile::TempDir,
    bin: PathBuf,
    pub port: u16,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
        let server = Self { folder, bin: programs(), port: port.expect("there is a free port").port() };
        // PostgreSQL does not run as root.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(server.folder.path()));
        }
        let data = server.data();
        server.program("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-N"]);
        let settings = format!(
            "wal_level=logical\nport={}\nlisten_addresses='127.0.0.1'\nunix_socket_directories=''\nfsync=off\n\
             max_replication_slots=20\nmax_wal_senders=20\nautovacuum=off\n",
            server.port
        );
        let path = Path::new(&data).join("postgresql.auto.conf");
        std::fs::write(path, settings).expect("settings can be written");
        server.ctl("start");
        server
    }

    /// The folder of the cluster.
    pub fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    pub fn ctl(&self, what: &str) {
        let (data, log) = (self.data(), self.folder.path().join("log").display().to_string());
        self.program("pg_ctl", &["-D", &data, "-l", &log, "-m", "immediate", "-w", "-s", what]);
    }

    /// Runs a program of PostgreSQL's as the user who owns the cluster.
    pub fn program(&self, name: &str, arguments: &[&str]) -> Output {
        let program = self.bin.join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        run(command.args(arguments).current_dir("/"))
    }

    /// Runs statements in a database, each by itself.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let port = self.port.to_string();
        let output = run(Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &port, "-d", database, "-c", statements]));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A config for a database of this server.
    pub fn config(&self, database: &str, slot: &str) -> RawConfig {
        RawConfig::from([
            ("topic.prefix", "lab".to_owned()),
            ("database.hostname", "127.0.0.1".to_owned()),
            ("database.port", self.port.to_string()),
            ("database.user", "postgres".to_owned()),
            ("database.password", "x".to_owned()),
            ("database.dbname", database.to_owned()),
            ("plugin.name", "pgoutput".to_owned()),
            ("slot.name", slot.to_owned()),
            ("slot.retry.delay.ms", "100".to_owned()),
            ("slot.max.retries", "100".to_owned()),
            ("retriable.restart.connector.wait.ms", "100".to_owned()),
        ])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ctl("stop");
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn programs() -> PathBuf {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").map(|entries| entries.flatten().collect::<Vec<_>>());
    let mut versions: Vec<_> =
        versions.unwrap_or_default().into_iter().map(|entry| entry.path().join("bin")).collect();
    versions.retain(|bin| bin.join("initdb").exists());
    versions.sort();
    versions.pop().expect("PostgreSQL's server is installed (Debian: postgresql)")
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Offsets that a test commits.
#[derive(Default)]
pub struct Offsets(pub Mutex<Option<OffsetMap>>);

#[async_trait]
impl OffsetReader for Offsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let stored = self.0.lock().expect("no test has failed").clone();
        Ok(partitions.iter().map(|_| stored.clone()).collect())
    }
}

/// A task between open and close.
pub struct Driven {
    pub task: Box<dyn SourceTask>,
    pub offsets: Arc<Offsets>,
    batch: SourceBatch,
}

impl Driven {
    pub async fn open(config: &RawConfig, offsets: Arc<Offsets>) -> Self {
        let Make::Source { task, .. } = SOURCE.make else { panic!("a source") };
        let mut task = task();
        let context = SourceContext {
            connector: "lab".into(),
            task: 0,
            offsets: offsets.clone(),
            topics: Arc::new(raccord_plugin::NoTopics),
            metrics: Arc::new(raccord_plugin::NoMetrics),
            cancel: CancellationToken::new(),
        };
        task.open(context, config).await.unwrap_or_else(|error| panic!("{}", error.trace()));
        Self { task, offsets, batch: SourceBatch::new(1000, 1 << 20) }
    }

    /// Polls once.
    pub async fn poll(&mut self) -> Result<Vec<Record>> {
        let polled = tokio::time::timeout(PATIENCE, self.task.poll(&mut self.batch)).await;
        polled.expect("records come in time")?;
        Ok(self.batch.drain().collect())
    }

    /// Polls until that many records have come, and no more.
    pub async fn read(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            match self.poll().await {
                Ok(more) => records.extend(more),
                Err(error) if error.kind() == raccord_plugin::ErrorKind::Retriable => {}
                Err(error) => panic!("{}", error.trace()),
            }
        }
        assert_eq!(records.len(), count, "{:#?}", records.iter().map(line).collect::<Vec<_>>());
        records
    }

    /// Stores the offset of a record, as the runtime does once it is acknowledged.
    pub async fn commit(&mut self, record: &Record) {
        let stored = self.task.offset(record.position).offset;
        *self.offsets.0.lock().expect("no test has failed") = stored;
        self.task.committed(&[record.position]).await.expect("the task takes note");
    }

    pub async fn close(mut self) {
        self.task.close().await;
    }
}

/// A record in one line: operation, key, and the row after (or before).
pub fn line(record: &Record) -> String {
    let key = cells(&record.key);
    let Value::Struct(envelope) = &record.value else { return format!("- {key}") };
    let text = |field: &str| envelope.get(field).map(cells).unwrap_or_default();
    let row = match envelope.get("after") {
        Some(Value::Null) | None => text("before"),
        Some(after) => cells(after),
    };
    format!("{} {key} {row}", text("op"))
}

fn cells(value: &Value) -> String {
    match value {
        Value::Struct(row) => row.cells().iter().map(cells).collect::<Vec<_>>().join(","),
        Value::String(text) => text.as_str().to_owned(),
        Value::Int32(number) => number.to_string(),
        Value::Int64(number) => number.to_string(),
        Value::Null => "null".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A cell of a record's source block.
pub fn source(record: &Record, field: &str) -> Value {
    let Value::Struct(envelope) = &record.value else { return Value::Null };
    let Some(Value::Struct(source)) = envelope.get("source") else { return Value::Null };
    source.get(field).cloned().unwrap_or_default()
}
