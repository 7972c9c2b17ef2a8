//! One of the two connectors of a case.

use anyhow::{Result, bail};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::WAKE;
use super::case::Case;
use crate::cdc::connector::Connector;
use crate::cdc::postgres::Postgres;
use crate::kafka::{Kafka, Raw};
use crate::worker::Worker;

/// A worker, its broker, and the slot of its connector.
pub struct Side<'a> {
    /// `real` or `ours`.
    pub who: &'static str,
    /// The worker.
    pub worker: &'a Worker,
    /// Its broker.
    pub kafka: &'a Kafka,
    /// The database's server.
    pub postgres: &'a Postgres,
    /// Database, connector and topic prefix.
    pub name: &'a str,
}

impl Side<'_> {
    /// The connector.
    pub fn connector(&self) -> Connector<'_> {
        Connector { rest: self.worker.rest, name: self.name }
    }

    fn slot(&self) -> String {
        format!("{}_{}", self.who, self.name)
    }

    /// A text without the name of the side's slot and publication.
    pub fn neutral(&self, text: &str) -> String {
        text.replace(&self.slot(), "<slot>")
    }

    /// Creates the connector; gives the answer if it is refused, else only its status.
    pub fn create(&self, case: &Case) -> Result<String> {
        let slot = self.slot();
        let mut config = self.postgres.connector_config(self.name, self.name, &slot, 20);
        config.insert("publication.name".to_owned(), slot);
        config.insert("message.prefix.exclude.list".to_owned(), WAKE.to_owned());
        config.extend(case.settings.iter().map(|(key, value)| (key.to_string(), value.clone())));
        match self.connector().request("PUT", "/config", Some(&json!(config)))? {
            (status @ 200..300, _) => Ok(status.to_string()),
            (status, body) => Ok(format!("{status} {}", self.neutral(&body))),
        }
    }

    /// Whether the slot is in use; `None` when there is none.
    pub fn slot_is_active(&self) -> Result<Option<bool>> {
        let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{}'", self.slot());
        Ok(match self.postgres.run("postgres", &sql)?.trim() {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        })
    }

    /// Waits until the connector streams; says whether it does, or its task has failed.
    pub fn wait_until_streaming(&self) -> Result<bool> {
        let mut streams = false;
        self.connector().wait("streaming", || {
            streams = self.postgres.streams(&self.slot())?;
            Ok(streams || self.connector().failure()?.is_some())
        })?;
        Ok(streams)
    }

    /// Waits until the connector runs, whether it streams or not; says whether it does, or its task has failed.
    pub fn wait_until_running(&self) -> Result<bool> {
        let mut runs = false;
        self.connector().wait("running", || {
            let task = self.connector().task()?;
            runs = task["state"] == "RUNNING";
            Ok(runs || task["state"] == "FAILED")
        })?;
        Ok(runs)
    }

    /// Stops the connector, and waits until its slot is free.
    pub fn stop(&self) -> Result<()> {
        self.connector().ask("PUT", "/stop", None)?;
        self.connector().wait("the slot is free", || Ok(self.slot_is_active()? != Some(true)))
    }

    /// The topics of the connector.
    pub fn topics(&self) -> Result<Vec<String>> {
        let prefix = format!("{}.", self.name);
        let mut topics = self.kafka.topics()?;
        topics.retain(|topic| topic.starts_with(&prefix));
        topics.sort();
        Ok(topics)
    }

    /// How many records a topic has; none when it is not there.
    pub fn count(&self, topic: &str) -> Result<usize> {
        match self.kafka.topics()?.iter().any(|known| known == topic) {
            true => self.kafka.count(topic),
            false => Ok(0),
        }
    }

    /// Everything in its topics.
    pub fn records(&self) -> Result<IndexMap<String, Vec<Raw>>> {
        self.kafka.read_all(&self.topics()?)
    }

    /// The stored offset, as REST gives it.
    pub fn offset(&self) -> Result<Value> {
        let answer: Value = serde_json::from_str(&self.connector().ask("GET", "/offsets", None)?)?;
        match answer["offsets"].as_array().map(Vec::as_slice) {
            None | Some([]) => Ok(Value::Null),
            Some([one]) => Ok(one["offset"].clone()),
            Some(several) => bail!("{} partitions in the offsets", several.len()),
        }
    }
}
