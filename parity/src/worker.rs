//! The worker under test, real or ours, from one set of properties.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::http::{self, Request};
use crate::peers::{KAFKA_VERSION, Peers, write_log4j};
use crate::process::{Process, free_port};
use crate::scenario::{Names, scenarios_dir};

/// Which worker to start.
#[derive(Clone, Debug)]
pub enum WorkerKind {
    /// Kafka Connect's distributed worker from the fetched jars.
    Kafka(Peers),
    /// `raccord distributed` of the given binary.
    Raccord(PathBuf),
}

/// A running distributed worker.
pub struct Worker {
    process: Process,
    /// Where the REST API listens.
    pub rest: SocketAddr,
    /// A second listener, for workers whose properties name it.
    pub admin: SocketAddr,
}

/// The properties shared by all workers of a run; a variant's own file is appended, so that its lines win.
const BASE: &str = "bootstrap.servers={{bootstrap}}
group.id={{group}}
listeners=http://{{worker}}
config.storage.topic={{group}}-configs
offset.storage.topic={{group}}-offsets
status.storage.topic={{group}}-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
offset.storage.partitions=1
status.storage.partitions=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.flush.interval.ms=500
scheduled.rebalance.max.delay.ms=0
plugin.discovery=hybrid_warn
";

impl Worker {
    /// Starts the worker described by `scenarios/workers/<variant>.properties` and waits until it is healthy.
    ///
    /// # Errors
    /// When the variant does not exist, or the worker ends or is not ready in time.
    pub fn start(kind: &WorkerKind, variant: &str, folder: &Path, names: &mut Names) -> Result<Worker> {
        std::fs::create_dir_all(folder)?;
        let rest: SocketAddr = ([127, 0, 0, 1], free_port()?).into();
        let admin: SocketAddr = ([127, 0, 0, 1], free_port()?).into();
        names.set("worker", &rest.to_string());
        names.set("admin", &admin.to_string());
        names.set("group", &format!("parity-{variant}"));
        let variant_file = scenarios_dir().join(format!("workers/{variant}.properties"));
        let own = std::fs::read_to_string(&variant_file)
            .with_context(|| format!("unknown worker {variant}: cannot read {}", variant_file.display()))?;
        let mut text = names.fill(&format!("{BASE}{own}"));
        let mut command = match kind {
            WorkerKind::Kafka(peers) => {
                text.push_str(&format!("plugin.path={}\n", link_plugins(peers, folder, variant)?.display()));
                kafka_command(peers, folder)?
            }
            WorkerKind::Raccord(binary) => {
                let mut command = Command::new(binary);
                command.arg("distributed").env_remove("RUST_LOG");
                command
            }
        };
        if let Some(jaas) = jaas_file(variant, folder)? {
            // The JVM reads the login configuration's place from this property; raccord from KAFKA_OPTS, as the
            // start scripts pass it.
            let option = format!("-Djava.security.auth.login.config={}", jaas.display());
            command.env("KAFKA_OPTS", &option);
            if matches!(kind, WorkerKind::Kafka(_)) {
                command.env("JDK_JAVA_OPTIONS", &option);
            }
        }
        let properties = folder.join("worker.properties");
        std::fs::write(&properties, text)?;
        command.arg(&properties);
        let process = Process::start("the worker", &mut command, &folder.join("worker.log"))?;
        let worker = Worker { process, rest, admin };
        worker.process.wait_until(Duration::from_secs(90), || worker.is_ready())?;
        Ok(worker)
    }

    /// The end of the worker's log, for failure messages.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    fn is_ready(&self) -> bool {
        let request = Request { method: "GET".into(), target: "/health".into(), ..Request::default() };
        // A worker that asks for a password is up as soon as it asks.
        http::send(self.rest, &request, Duration::from_secs(15))
            .is_ok_and(|r| r.status == 200 || r.status == 401)
    }
}

fn kafka_command(peers: &Peers, folder: &Path) -> Result<Command> {
    let mut command = peers.java(512, &write_log4j(folder, "INFO")?);
    command.arg("org.apache.kafka.connect.cli.ConnectDistributed");
    Ok(command)
}

/// A plugin path with only the file connectors' own jar, as in Kafka's distribution: the interfaces fetched with it
/// would be listed as plugins a second time. The workers of captured databases have Debezium's connector as well.
fn link_plugins(peers: &Peers, folder: &Path, variant: &str) -> Result<PathBuf> {
    let path = folder.join("plugins");
    std::fs::create_dir_all(&path)?;
    let jar = format!("connect-file-{KAFKA_VERSION}.jar");
    let folder = path.join("file");
    std::fs::create_dir(&folder)?;
    std::os::unix::fs::symlink(peers.plugin("file").join(&jar), folder.join(&jar))?;
    if variant.starts_with("cdc") {
        std::os::unix::fs::symlink(&peers.debezium()?[0], path.join("debezium-postgres"))?;
    }
    Ok(path)
}

/// Fills the variant's login configuration (`<variant>.jaas`, with its `<variant>.users` beside it), if it has one.
fn jaas_file(variant: &str, folder: &Path) -> Result<Option<PathBuf>> {
    let source = scenarios_dir().join(format!("workers/{variant}.jaas"));
    if !source.exists() {
        return Ok(None);
    }
    let users = scenarios_dir().join(format!("workers/{variant}.users"));
    let text = std::fs::read_to_string(source)?.replace("{{users}}", &users.display().to_string());
    let target = folder.join("jaas.conf");
    std::fs::write(&target, text)?;
    Ok(Some(target))
}
