//! The broker a conversation runs on: real Kafka in KRaft mode, or `raccord broker` where no JVM is wanted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::peers::{Peers, write_log4j};
use crate::process::{Process, free_port};

/// Which broker to start.
#[derive(Clone, Debug)]
pub enum BrokerKind {
    /// Apache Kafka from the fetched jars.
    Kafka(Peers),
    /// The `broker` subcommand of the given binary.
    Raccord(PathBuf),
}

/// A running single-node broker with empty logs.
pub struct Broker {
    _process: Process,
    /// `host:port` for clients.
    pub bootstrap: String,
}

impl Broker {
    /// Starts a broker with its state in `folder` and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer in time.
    pub fn start(kind: &BrokerKind, folder: &Path) -> Result<Broker> {
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        let bootstrap = format!("127.0.0.1:{port}");
        let mut command = match kind {
            BrokerKind::Kafka(peers) => kafka_command(peers, folder, port)?,
            BrokerKind::Raccord(binary) => {
                let mut command = Command::new(binary);
                command.args(["broker", "--listen", &bootstrap, "--data-dir"]).arg(folder.join("data"));
                command
            }
        };
        let process = Process::start("the broker", &mut command, &folder.join("broker.log"))?;
        let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
        process.wait_until(Duration::from_secs(60), || {
            client.fetch_metadata(None, Duration::from_secs(1)).is_ok()
        })?;
        Ok(Broker { _process: process, bootstrap })
    }
}

fn kafka_command(peers: &Peers, folder: &Path, port: u16) -> Result<Command> {
    let log4j = write_log4j(folder, "WARN")?;
    let controller = free_port()?;
    let data = folder.join("data");
    let properties = folder.join("server.properties");
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ncontroller.listener.names=CONTROLLER\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=1\n\
         share.coordinator.state.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\nnum.partitions=1\n\
         log.retention.hours=-1\nlog.cleaner.enable=false\n",
        data.display()
    );
    std::fs::write(&properties, text)?;
    let mut format = peers.java(256, &log4j);
    format.args(["kafka.tools.StorageTool", "format", "-t", "cGFyaXR5LWNsdXN0ZXItMQ", "-c"]).arg(&properties);
    let output = format.output().context("cannot run java: install a JDK 17")?;
    if !output.status.success() {
        bail!("kafka.tools.StorageTool: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut command = peers.java(512, &log4j);
    command.arg("kafka.Kafka").arg(properties);
    Ok(command)
}
