//! `raccord check`: what would go wrong, told before anything is started.
#![allow(clippy::print_stdout, reason = "the answer of a command line tool")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use raccord_config::RawConfig;
use raccord_kafka::RdKafka;
use raccord_plugins::PLUGINS;
use raccord_rest::{RestSettings, jaas_file};
use raccord_runtime::client_properties;
use raccord_runtime::config::{Loaded, Mode, load};
use raccord_runtime::ports::Kafka;
use raccord_runtime::redaction::redact;
use raccord_runtime::validate::{check_worker_plugins, validate_unresolved};

use crate::args::Check;
use crate::standalone::read_connector;
use crate::worker::{block_on, one_line, read_properties};

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints a line for each file with what is wrong below it.
pub fn run(arguments: &Check) -> Result<()> {
    block_on(async {
        let properties = read_properties(&arguments.worker)?;
        let worker = check_worker(&properties, arguments.offline).await;
        let wrong = match worker {
            Err(findings) => report(&arguments.worker, &findings),
            Ok(loaded) => {
                report(&arguments.worker, &[]);
                for key in &loaded.unknown {
                    println!("  warning: {key} is not known");
                }
                let mut wrong = 0;
                for path in &arguments.connectors {
                    wrong += report(path, &check_connector(&loaded, path).await);
                }
                wrong
            }
        };
        match wrong {
            0 => Ok(()),
            1 => bail!("1 error"),
            wrong => bail!("{wrong} errors"),
        }
    })
}

/// How many findings there are.
fn report(path: &Path, findings: &[String]) -> usize {
    match findings.len() {
        0 => println!("{}: ok", path.display()),
        1 => println!("{}: 1 error", path.display()),
        count => println!("{}: {count} errors", path.display()),
    }
    for finding in findings {
        println!("  {}", redact(finding));
    }
    findings.len()
}

async fn check_worker(properties: &RawConfig, offline: bool) -> Result<Loaded, Vec<String>> {
    let standalone =
        properties.contains_key("offset.storage.file.filename") && !properties.contains_key("group.id");
    let mode = if standalone { Mode::Standalone } else { Mode::Distributed };
    let texts = |findings: raccord_config::Findings| {
        findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let loaded = load(properties, mode).map_err(texts)?;
    check_worker_plugins(&loaded.config, PLUGINS).map_err(texts)?;
    let one = |error: anyhow::Error| vec![error.to_string()];
    let jaas = jaas_file(&loaded.config.raw, std::env::var("KAFKA_OPTS").ok().as_deref());
    RestSettings::read(&loaded.config.raw, jaas.as_deref()).map_err(|error| one(one_line(&error)))?;
    ask_kafka(&loaded, offline).await.map_err(one)?;
    Ok(loaded)
}

/// Makes a client, which reads key and trust stores, and asks Kafka who it is.
async fn ask_kafka(loaded: &Loaded, offline: bool) -> Result<()> {
    let properties = client_properties::internal(&loaded.config, "check");
    let admin = RdKafka::default().admin(&properties).map_err(|error| one_line(&error))?;
    if offline {
        return Ok(());
    }
    let servers = loaded.config.bootstrap_servers.join(",");
    match tokio::time::timeout(PATIENCE, admin.cluster_id()).await {
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Err(error)) => Err(one_line(&error)),
        Ok(Ok(None)) | Err(_) => {
            Err(anyhow!("Kafka does not answer at {servers} (check bootstrap.servers and security.protocol)"))
        }
    }
}

/// What validation finds, as `POST /connectors` would say it.
async fn check_connector(loaded: &Loaded, path: &Path) -> Vec<String> {
    let connector = match read_connector(path) {
        Ok(connector) => connector,
        Err(error) => return vec![format!("{error:#}")],
    };
    match validate_unresolved(PLUGINS, &loaded.config, &loaded.providers, None, &connector.config).await {
        Ok(infos) => infos.errors().map(str::to_owned).collect(),
        Err(error) => vec![error.message],
    }
}
