//! `raccord standalone`: connect-standalone.
//!
//! Connectors come from files: Java properties, or JSON as a map of keys or as `POST /connectors` takes it. When one of
//! them cannot be created, the program ends with exit code 3, as Kafka's does.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use raccord_config::{RawConfig, properties};
use raccord_runtime::herder::TargetState;
use raccord_runtime::worker::{StandaloneConnector, StandaloneHerder};
use serde_json::Value;
use tracing::info;

use crate::args::{Exit, Standalone};
use crate::worker::{Mode, Worker, block_on, one_line, read_properties};
use crate::{daemon, logging};

/// The exit code when a connector of the command line cannot be created.
const EXIT_CONNECTOR: u8 = 3;

/// Runs a worker with the connectors of the command line until it is told to stop.
pub fn run(arguments: Standalone) -> Result<()> {
    if arguments.daemon {
        return daemon::start("connectStandalone");
    }
    logging::start();
    let properties = read_properties(&arguments.worker)?;
    block_on(async {
        let worker = Worker::start(Mode::Standalone, &properties)?;
        let added = async {
            worker.ready().await?;
            for path in &arguments.connectors {
                let connector =
                    read_connector(path).with_context(|| format!("cannot read {}", path.display()))?;
                let name = connector.name.clone();
                StandaloneHerder::add(worker.herder(), connector).await.map_err(|error| one_line(&error))?;
                info!("created connector {name} of {}", path.display());
            }
            Ok::<_, anyhow::Error>(())
        };
        match added.await {
            Ok(()) => worker.run().await,
            Err(error) => {
                worker.stop().await;
                Err(anyhow!(Exit(EXIT_CONNECTOR)).context(format!("{error:#}")))
            }
        }
    })
}

/// Reads a connector from a file.
pub fn read_connector(path: &Path) -> Result<StandaloneConnector> {
    if path.extension().is_some_and(|extension| extension == "json") {
        return from_json(&std::fs::read(path)?);
    }
    let config = properties::read(path)?;
    named(config, None)
}

/// Either `{"name":…,"config":{…},"initial_state":…}` or the config itself.
fn from_json(bytes: &[u8]) -> Result<StandaloneConnector> {
    let Value::Object(document) = serde_json::from_slice(bytes).context("it is not JSON")? else {
        bail!("a connector is a JSON object");
    };
    let (Some(Value::String(name)), Some(Value::Object(config))) =
        (document.get("name"), document.get("config"))
    else {
        return named(texts(&document)?, None);
    };
    let mut config = texts(config)?;
    if config.get("name").is_some_and(|inner| inner != name) {
        bail!("the name in config is not the connector's name {name}");
    }
    config.insert("name", name.clone());
    let state =
        document.get("initial_state").filter(|state| !state.is_null()).map(initial_state).transpose()?;
    named(config, state)
}

fn initial_state(value: &Value) -> Result<TargetState> {
    match value.as_str().map(str::to_ascii_uppercase).as_deref() {
        Some("RUNNING") => Ok(TargetState::Started),
        Some("PAUSED") => Ok(TargetState::Paused),
        Some("STOPPED") => Ok(TargetState::Stopped),
        _ => bail!("initial_state is RUNNING, PAUSED or STOPPED, not {value}"),
    }
}

/// Keys with their values as text, as a JSON reader for Java's `Map<String, String>` makes them.
fn texts(object: &serde_json::Map<String, Value>) -> Result<RawConfig> {
    object
        .iter()
        .map(|(key, value)| match value {
            Value::Null => Ok((key.clone(), None)),
            Value::String(text) => Ok((key.clone(), Some(text.clone()))),
            Value::Bool(_) | Value::Number(_) => Ok((key.clone(), Some(value.to_string()))),
            _ => bail!("the value of {key} is neither text nor a number"),
        })
        .collect()
}

fn named(config: RawConfig, initial_state: Option<TargetState>) -> Result<StandaloneConnector> {
    let name = config.get("name").map(str::to_owned).context("it has no name")?;
    Ok(StandaloneConnector { name, config, initial_state })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, initial state and config.
    type Expected<'a> = (&'a str, Option<TargetState>, &'a [(&'a str, &'a str)]);

    fn check(json: &str, expect: Option<Expected<'_>>) {
        let found = from_json(json.as_bytes()).ok();
        let found = found.as_ref().map(|connector| {
            let config: Vec<_> = connector.config.iter().map(|(key, value)| (key, value.unwrap())).collect();
            (connector.name.as_str(), connector.initial_state, config)
        });
        assert_eq!(found, expect.map(|(name, state, config)| (name, state, config.to_vec())), "{json}");
    }

    #[test]
    fn takes_both_forms_of_json() {
        check(r#"{"name":"a","tasks.max":1}"#, Some(("a", None, &[("name", "a"), ("tasks.max", "1")])));
        check(
            r#"{"name":"a","config":{"x":true},"initial_state":"stopped"}"#,
            Some(("a", Some(TargetState::Stopped), &[("x", "true"), ("name", "a")])),
        );
        check(r#"{"tasks.max":1}"#, None);
        check(r#"{"name":"a","config":{"name":"b"}}"#, None);
        check(r#"{"name":"a","config":{},"initial_state":"ASLEEP"}"#, None);
        check(r#"[1]"#, None);
        check(r#"{"name":"a","x":{}}"#, None);
    }
}
