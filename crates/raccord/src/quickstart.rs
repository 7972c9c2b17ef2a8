//! `raccord quickstart`: a broker, a worker and a status page with one command.
#![allow(clippy::print_stdout, reason = "it talks to the person at the terminal")]

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use raccord_broker::{Broker, BrokerConfig, BrokerHandle};
use raccord_config::RawConfig;
use raccord_console::Console;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::args::Quickstart;
use crate::logging;
use crate::worker::{Mode, Worker, block_on, until_stopped};

/// Starts everything and runs until Ctrl-C.
pub fn run(arguments: Quickstart) -> Result<()> {
    logging::start();
    let folder = &arguments.data_dir;
    fs::create_dir_all(folder).with_context(|| {
        format!("cannot make the folder {}: choose another one with --data-dir", folder.display())
    })?;
    let _lock = lock(folder)?;
    let broker = match &arguments.kafka {
        Some(_) => None,
        None => Some(start_broker(&arguments)?),
    };
    let bootstrap = match &arguments.kafka {
        Some(kafka) => kafka.clone(),
        None => format!("127.0.0.1:{}", arguments.broker_port),
    };
    let outcome = block_on(async {
        let console = console(&arguments)?;
        let worker = Worker::start(Mode::Distributed, &worker_properties(&bootstrap, arguments.rest_port))?;
        let shutdown = CancellationToken::new();
        let _stops_with_us = shutdown.clone().drop_guard();
        tokio::spawn(async move {
            if let Err(error) = console.serve(shutdown).await {
                warn!(%error, "the status page has ended");
            }
        });
        let ready = tokio::select! {
            ready = worker.ready() => ready.map(|()| true),
            stopped = until_stopped() => stopped.map(|()| false),
        };
        match ready {
            Ok(true) => {
                println!("{}", welcome(&arguments, &bootstrap));
                worker.run().await
            }
            other => {
                worker.stop().await;
                other.map(|_| ())
            }
        }
    });
    if let Some(broker) = broker {
        stop_broker(broker)?;
    }
    outcome
}

/// Only one quick start may use a folder.
fn lock(folder: &Path) -> Result<fs::File> {
    let path = folder.join("quickstart.lock");
    let file =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).with_context(|| {
            format!(
                "cannot write to the folder {}: check its permissions, or choose another one with --data-dir",
                folder.display()
            )
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => bail!(
            "another quick start is running on {}: stop it, or choose another folder with --data-dir",
            folder.display()
        ),
        Err(fs::TryLockError::Error(error)) => Err(error).context(format!("cannot lock {}", path.display())),
    }
}

fn start_broker(arguments: &Quickstart) -> Result<BrokerHandle> {
    let config = BrokerConfig {
        port: arguments.broker_port,
        advertised_host: Some("localhost".to_owned()),
        data_dir: arguments.data_dir.join("broker"),
        ..BrokerConfig::default()
    };
    Broker::start(config).context("choose another port with --broker-port, or a running cluster with --kafka")
}

fn stop_broker(broker: BrokerHandle) -> Result<()> {
    block_on(async {
        broker.shutdown().await;
        Ok(())
    })
}

fn console(arguments: &Quickstart) -> Result<Console> {
    let rest = format!("http://127.0.0.1:{}/", arguments.rest_port);
    let address = format!("127.0.0.1:{}", arguments.console_port);
    Console::bind(&address, &rest).context("choose another port for the status page with --console-port")
}

/// A worker as Kafka's connect-distributed.properties makes one.
fn worker_properties(bootstrap: &str, rest_port: u16) -> RawConfig {
    let listeners = format!("http://:{rest_port}");
    RawConfig::from([
        ("bootstrap.servers", bootstrap),
        ("group.id", "connect-cluster"),
        ("listeners", &listeners),
        ("rest.advertised.host.name", "localhost"),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("config.storage.topic", "connect-configs"),
        ("offset.storage.topic", "connect-offsets"),
        ("status.storage.topic", "connect-status"),
        ("config.storage.replication.factor", "-1"),
        ("offset.storage.replication.factor", "-1"),
        ("status.storage.replication.factor", "-1"),
        ("offset.flush.interval.ms", "10000"),
    ])
}

fn welcome(arguments: &Quickstart, bootstrap: &str) -> String {
    let rest = arguments.rest_port;
    let kafka = match arguments.kafka {
        Some(_) => format!("Kafka        {bootstrap}"),
        None => format!("broker       localhost:{}", arguments.broker_port),
    };
    format!(
        "\nraccord is up.\n\n  {kafka}\n  REST API     http://localhost:{rest}\n  status page  http://localhost:{}\n  data         {}\n\n\
         Try this in another terminal:\n\n  \
         echo 'hello' > /tmp/in.txt\n  \
         curl -s -X PUT -H 'Content-Type: application/json' localhost:{rest}/connectors/file-source/config \\\n       \
         -d '{{\"connector.class\":\"FileStreamSource\",\"file\":\"/tmp/in.txt\",\"topic\":\"lines\"}}'\n  \
         curl -s localhost:{rest}/connectors/file-source/status\n\n\
         Ctrl-C stops everything; start again and all is in place.\n",
        arguments.console_port,
        arguments.data_dir.display()
    )
}
