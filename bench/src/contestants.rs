//! The workers and brokers that take part, each started as its users start it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use raccord_parity::peers::{Peers, write_log4j};
use raccord_parity::process::{Process, free_port};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours.
    Raccord,
    /// Apache Kafka's.
    Apache,
}

impl Whose {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raccord => "raccord",
            Self::Apache => "apache",
        }
    }
}

/// A running broker.
pub struct Broker {
    /// Its process.
    pub process: Process,
    /// `host:port` for clients.
    pub bootstrap: String,
}

impl Broker {
    /// Starts a broker on an empty or existing folder and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(whose: Whose, binary: &Path, folder: &Path, port: u16) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let bootstrap = format!("127.0.0.1:{port}");
        let mut command = match whose {
            Whose::Raccord => {
                let mut command = Command::new(binary);
                command.args(["broker", "--listen", &bootstrap, "--data-dir"]).arg(folder.join("data"));
                command
            }
            Whose::Apache => apache_broker(folder, port)?,
        };
        let process = Process::start("broker", &mut command, &folder.join("broker.log"))?;
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("reconnect.backoff.max.ms", "200")
            .create()?;
        process.wait_until(Duration::from_secs(60), || {
            client.fetch_metadata(None, Duration::from_secs(1)).is_ok()
        })?;
        Ok(Self { process, bootstrap })
    }

    /// How many records the topic's only partition holds.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn count(&self, client: &BaseConsumer, topic: &str) -> Result<u64> {
        let (low, high) = client.fetch_watermarks(topic, 0, Duration::from_secs(10))?;
        Ok((high - low) as u64)
    }

    /// A client to look at topics with.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<BaseConsumer> {
        Ok(ClientConfig::new().set("bootstrap.servers", &self.bootstrap).create()?)
    }
}

fn java(peers: &Peers, folder: &Path, heap: &str) -> Result<Command> {
    let log4j = write_log4j(folder, "WARN")?;
    let mut command = Command::new("java");
    command.arg(heap).arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
    command.arg("-cp").arg(format!("{}/*", peers.kafka().display()));
    Ok(command)
}

fn apache_broker(folder: &Path, port: u16) -> Result<Command> {
    let peers = Peers::find()?;
    let properties = folder.join("server.properties");
    if !properties.exists() {
        let controller = free_port()?;
        std::fs::write(
            &properties,
            format!(
                "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
                 offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
                 transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n\
                 group.initial.rebalance.delay.ms=0\nlog.retention.hours=-1\nmessage.max.bytes=33554432\n",
                folder.join("data").display()
            ),
        )?;
        let mut format = java(&peers, folder, "-Xmx256m")?;
        format
            .args(["kafka.tools.StorageTool", "format", "-t", "YmVuY2gtY2x1c3Rlci0wMQ", "-c"])
            .arg(&properties);
        let output = format.output().context("cannot run java")?;
        if !output.status.success() {
            bail!("kafka.tools.StorageTool: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let mut command = java(&peers, folder, "-Xmx1g")?;
    command.arg("kafka.Kafka").arg(properties);
    Ok(command)
}

/// A running distributed worker.
pub struct Worker {
    /// Its process.
    pub process: Process,
    /// From its start to the first 200 of `GET /connectors`.
    pub startup: Duration,
    rest: String,
    http: reqwest::blocking::Client,
}

impl Worker {
    /// Starts a worker with its own group and internal topics, and `own` further properties, and waits for
    /// `GET /connectors`.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(
        whose: Whose,
        binary: &Path,
        folder: &Path,
        bootstrap: &str,
        group: &str,
        port: u16,
        own: &str,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let properties = folder.join(format!("{group}.properties"));
        std::fs::write(&properties, worker_properties(whose, bootstrap, group, port)? + own)?;
        let mut command = match whose {
            Whose::Raccord => {
                let mut command = Command::new(binary);
                command.arg("distributed");
                command
            }
            Whose::Apache => {
                let mut command = java(&Peers::find()?, folder, "-Xmx2g")?;
                command.args(["-Xms256m", "org.apache.kafka.connect.cli.ConnectDistributed"]);
                command
            }
        };
        command.arg(&properties);
        let start = Instant::now();
        let process = Process::start(group, &mut command, &folder.join(format!("{group}.log")))?;
        let http = reqwest::blocking::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let rest = format!("http://127.0.0.1:{port}");
        let url = format!("{rest}/connectors");
        let patient = reqwest::blocking::Client::builder().timeout(Duration::from_millis(500)).build()?;
        while !patient.get(&url).send().is_ok_and(|answer| answer.status() == 200) {
            if start.elapsed() > Duration::from_secs(120) {
                bail!("the worker did not come up:\n{}", process.log_tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let startup = start.elapsed();
        Ok(Self { process, startup, rest, http })
    }

    /// Sends JSON and gives the status.
    ///
    /// # Errors
    /// When the worker does not answer, or answers with an error.
    pub fn put_connector(&self, name: &str, config: &serde_json::Value) -> Result<()> {
        let answer = self.http.put(format!("{}/connectors/{name}/config", self.rest)).json(config).send()?;
        if !answer.status().is_success() {
            bail!("PUT connector {name}: {}", answer.text()?);
        }
        Ok(())
    }

    /// Sends a request without a body, such as `PUT connectors/x/stop`.
    ///
    /// # Errors
    /// When the worker does not answer, or answers with an error.
    pub fn tell(&self, method: &str, path: &str) -> Result<()> {
        let answer = self.http.request(method.parse()?, format!("{}/{path}", self.rest)).send()?;
        if !answer.status().is_success() {
            bail!("{method} {path}: {}", answer.text()?);
        }
        Ok(())
    }

    /// The status document of a connector, for messages about what went wrong.
    pub fn status(&self, name: &str) -> String {
        let answer = self.http.get(format!("{}/connectors/{name}/status", self.rest)).send();
        answer.and_then(reqwest::blocking::Response::text).unwrap_or_else(|error| error.to_string())
    }
}

fn worker_properties(whose: Whose, bootstrap: &str, group: &str, port: u16) -> Result<String> {
    let mut text = format!(
        "bootstrap.servers={bootstrap}\ngroup.id={group}\nlisteners=http://127.0.0.1:{port}\n\
         config.storage.topic={group}-configs\noffset.storage.topic={group}-offsets\nstatus.storage.topic={group}-status\n\
         config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n"
    );
    if whose == Whose::Apache {
        text.push_str(&format!("plugin.path={}\n", Peers::find()?.plugin("file").display()));
    }
    Ok(text)
}

/// Writes that many lines of exactly 100 bytes, numbered.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines(path: &Path, lines: u64) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    for number in 0..lines {
        writeln!(out, "{number:012} {:x<86}", "the quick brown fox jumps over the lazy dog ")?;
    }
    out.flush()?;
    Ok(())
}

/// A folder for a run, removed at its end.
///
/// # Errors
/// When it cannot be made.
pub fn scratch() -> Result<(raccord_parity::process::Scratch, PathBuf)> {
    let scratch = raccord_parity::process::Scratch::new()?;
    let path = scratch.path().to_owned();
    Ok((scratch, path))
}
