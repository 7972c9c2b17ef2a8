//! The same changes of a database through Debezium and through ours, compared record by record.
//!
//! A scenario is a list of steps: SQL, the start of a connector, a wait until nothing more comes. Each side has a broker, a
//! worker and a database of the scenario's name to itself, so that topics, slots and source blocks have equal names;
//! what then differs between two runs (positions, transaction ids, times) is replaced by its rank, see [`marks`].

pub mod compare;
pub mod connector;
pub mod load;
pub mod marks;
pub mod positions;
pub mod postgres;
pub mod random;
pub mod run;
pub mod takeover;
pub mod truth;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::scenario::{CreateTopic, Produce, scenarios_dir};

/// A scenario of the suite `cdc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdcScenario {
    /// The file's name without its extension; also the topic prefix.
    #[serde(skip)]
    pub name: String,
    /// What it is about.
    pub about: String,
    /// The connector's config besides what every one has; null takes a key out. `{scratch}` in a value stands for a
    /// folder of the side's own, `{bootstrap}` for its broker.
    #[serde(default)]
    pub config: IndexMap<String, Option<String>>,
    /// Settings of the server (`name=value`) besides those of every one. With them the scenario has a server of its own.
    #[serde(default)]
    pub settings: Vec<String>,
    /// The steps in order. The last wait comes by itself.
    pub steps: Vec<CdcStep>,
    /// Keep only these topics, each without the prefix but with what separates it; all of them when empty.
    #[serde(default)]
    pub topics: Vec<String>,
}

/// A step.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CdcStep {
    /// Statements, run by one client in one session, each by itself.
    Sql(String),
    /// The same from a file beside the scenarios.
    File(String),
    /// Starts the connector and waits until it streams.
    Start {},
    /// Starts the connector and waits until nothing more comes: for connectors that do not stream.
    StartOnly {},
    /// Waits until nothing more comes.
    Settle {},
    /// Stops the connector and starts it again.
    Restart {},
    /// Appends lines to a file of the side's own; configs name its folder as `{scratch}`.
    Append {
        /// The file's name.
        file: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Makes a topic.
    Topic(CreateTopic),
    /// Writes records.
    Produce(Produce),
    /// Stops the connector and waits until nobody uses the slot.
    Stop {},
    /// Lets a stopped connector go on, and waits for nothing.
    Resume {},
    /// Lets a stopped connector go on with another config, and waits for nothing.
    Change(IndexMap<String, Option<String>>),
    /// Waits until the task has failed.
    Fails {},
    /// Waits until the connector streams.
    Streams {},
    /// Puts the config, whatever the answer is, and keeps that.
    Put {},
}

/// What one side did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CdcRecording {
    /// The scenario.
    pub scenario: String,
    /// Schemas in the order of their first use. Records name them by their place here.
    pub schemas: Vec<String>,
    /// Records by topic, topics in alphabetical order.
    pub topics: IndexMap<String, Vec<CdcRecord>>,
    /// The last stored offset.
    pub offset: Option<String>,
    /// The state of the task at the end.
    pub task: String,
    /// What REST answered where the scenario keeps it.
    #[serde(default)]
    pub answers: Vec<String>,
}

/// A record: its parts as text, schemas taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CdcRecord {
    /// The key: its schema's place and its payload.
    pub key: Option<(usize, String)>,
    /// The value: its schema's place and its payload.
    pub value: Option<(usize, String)>,
    /// The headers: name, schema's place, payload.
    pub headers: Vec<(String, Option<usize>, String)>,
}

impl CdcRecording {
    /// JSON with a line for each schema and each record, so that changes of a recording can be read.
    ///
    /// # Errors
    /// Never for what was recorded.
    pub fn to_text(&self) -> Result<String> {
        fn lines<T: Serialize>(items: &[T], indent: &str) -> Result<String> {
            let lines: Vec<String> = items
                .iter()
                .map(|item| Ok(format!("\n{indent}{}", serde_json::to_string(item)?)))
                .collect::<Result<_>>()?;
            Ok(format!("[{}]", lines.join(",")))
        }
        let mut topics = Vec::new();
        for (topic, records) in &self.topics {
            topics.push(format!("\n    {}: {}", serde_json::to_string(topic)?, lines(records, "      ")?));
        }
        let answers = match self.answers.is_empty() {
            true => String::new(),
            false => format!("\n  \"answers\": {},", lines(&self.answers, "    ")?),
        };
        Ok(format!(
            "{{\n  \"scenario\": {},\n  \"task\": {},{answers}\n  \"offset\": {},\n  \"schemas\": {},\n  \"topics\": {{{}\n  }}\n}}\n",
            serde_json::to_string(&self.scenario)?,
            serde_json::to_string(&self.task)?,
            serde_json::to_string(&self.offset)?,
            lines(&self.schemas, "    ")?,
            topics.join(",")
        ))
    }
}

/// The folder of the scenarios.
pub fn folder() -> PathBuf {
    scenarios_dir().join("cdc")
}

/// Reads the scenarios whose names contain one of the texts, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is no scenario, or none is selected.
pub fn load(only: &[String]) -> Result<Vec<CdcScenario>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut scenarios = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if only.is_empty() || only.iter().any(|text| name.contains(text.as_str())) {
            scenarios.push(CdcScenario { name, ..read(&path)? });
        }
    }
    if scenarios.is_empty() {
        bail!("no scenario of {} is selected by {only:?}", folder().display());
    }
    Ok(scenarios)
}

fn read(path: &Path) -> Result<CdcScenario> {
    let text = std::fs::read_to_string(path)?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a scenario", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_parse_and_their_files_exist() {
        for scenario in load(&[]).unwrap() {
            for step in &scenario.steps {
                if let CdcStep::File(name) = step {
                    assert!(folder().join(name).is_file(), "{}: {name}", scenario.name);
                }
            }
        }
    }
}
