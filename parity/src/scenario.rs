//! What a scenario file says: data, so that a conversation can be read and added without reading the harness.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A conversation with one worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What is looked at, in a sentence.
    pub about: String,
    /// The worker's variant: a file in `scenarios/workers`.
    #[serde(default = "plain")]
    pub worker: String,
    /// True when it makes connectors that no request can name, so that they cannot be deleted; such a scenario is
    /// the last of its worker variant.
    #[serde(default)]
    pub leaves_connectors: bool,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

fn plain() -> String {
    "plain".to_owned()
}

/// One step; exactly one of `request`, `file`, `produce`, `consume`, `describe`, `group`, `internal`, `read` and
/// `create_topic` is present.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Why the step is there.
    pub note: Option<String>,
    /// `METHOD target`, as sent.
    pub request: Option<String>,
    /// A JSON body.
    pub body: Option<Value>,
    /// A body sent as it stands.
    pub raw: Option<String>,
    /// Header lines; null takes away the default `Content-Type`.
    #[serde(default)]
    pub headers: IndexMap<String, Option<String>>,
    /// `admin` sends the request to the second listener.
    pub listener: Option<String>,
    /// What the answer has to hold; the request (or the read) is repeated until then.
    pub until: Option<IndexMap<String, Value>>,
    /// How long to wait before the step, in seconds: for what must not happen there is nothing to wait for.
    #[serde(default)]
    pub wait_s: u64,
    /// How long to repeat, in seconds.
    pub within_s: Option<u64>,
    /// True when the answer is only waited for and says nothing worth comparing.
    #[serde(default)]
    pub unrecorded: bool,
    /// A change in the scratch folder.
    pub file: Option<FileAction>,
    /// Makes a topic.
    pub create_topic: Option<CreateTopic>,
    /// Writes records to a topic.
    pub produce: Option<Produce>,
    /// Reads a topic from its start until it has the records.
    pub consume: Option<Consume>,
    /// Looks at how a topic was made.
    pub describe: Option<Describe>,
    /// Reads what the worker keeps in an internal topic about this scenario's connectors.
    pub internal: Option<Internal>,
    /// Reads a consumer group's committed offsets of a topic.
    pub group: Option<Group>,
    /// Reads a file of the scratch folder.
    pub read: Option<ReadFile>,
}

impl Step {
    /// The step in a line, as recordings name it; nothing for steps that only prepare others.
    pub fn line(&self) -> Option<String> {
        if let Some(request) = &self.request {
            return Some(request.clone());
        }
        if let Some(consume) = &self.consume {
            return Some(format!("records of {}", consume.topic));
        }
        if let Some(describe) = &self.describe {
            return Some(format!("topic {}", describe.topic));
        }
        if let Some(internal) = &self.internal {
            return Some(format!("internal topic {} of {}", internal.topic, internal.key_contains));
        }
        if let Some(group) = &self.group {
            return Some(format!("committed offsets of {} in {}", group.id, group.topic));
        }
        self.read.as_ref().map(|read| format!("file {}", read.path))
    }
}

/// A change of one file below the scratch folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileAction {
    /// The file, relative to the scratch folder.
    pub path: String,
    /// Replaces the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// Replaces the content by bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_base64: Option<String>,
    /// Adds to the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append: Option<String>,
    /// Adds bytes to the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_base64: Option<String>,
    /// How often the text is repeated; once if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<usize>,
    /// Cuts the file to this many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<u64>,
    /// Renames the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rename: Option<String>,
    /// Sets the permission bits, in octal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chmod: Option<String>,
    /// Makes a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mkdir: Option<bool>,
    /// Removes the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<bool>,
}

/// A topic to make before the worker uses it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTopic {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Its settings.
    #[serde(default)]
    pub config: IndexMap<String, String>,
}

/// Records to write.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Produce {
    /// Where to.
    pub topic: String,
    /// What.
    pub records: Vec<ProduceRecord>,
}

/// A record to write; of each part the text or the bytes form, or neither for null.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProduceRecord {
    /// The partition; the topic's first if absent.
    #[serde(default)]
    pub partition: i32,
    /// The timestamp in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The key as text.
    pub key: Option<String>,
    /// The key as bytes.
    pub key_base64: Option<String>,
    /// The value as text.
    pub value: Option<String>,
    /// The value as bytes.
    pub value_base64: Option<String>,
    /// Header names and texts.
    #[serde(default)]
    pub headers: Vec<(String, Option<String>)>,
}

/// Records to wait for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consume {
    /// Where from.
    pub topic: String,
    /// How many there have to be, in all partitions.
    pub count: usize,
}

/// A topic to wait for and to look at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Describe {
    /// Its name.
    pub topic: String,
    /// The settings to show.
    #[serde(default)]
    pub config: Vec<String>,
}

/// An internal topic to look into.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Internal {
    /// `configs`, `offsets` or `status`.
    pub topic: String,
    /// Only records whose key contains this text.
    pub key_contains: String,
    /// `history` for all records in order per key, `last` for the last one of each key.
    pub show: String,
    /// Waits until the last record's value of any key contains this text.
    pub until_value: Option<String>,
}

/// Committed offsets to look at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The consumer group.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// The offsets to wait for, by partition.
    pub until: Vec<i64>,
}

/// A file to read once it has its length.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// The file, relative to the scratch folder.
    pub path: String,
    /// Waits until it has this many bytes.
    pub bytes: u64,
}

/// The values of the `{{placeholders}}` of a run.
#[derive(Clone, Debug, Default)]
pub struct Names(IndexMap<String, String>);

impl Names {
    /// Gives a placeholder its value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Replaces placeholders by values.
    pub fn fill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
    }

    /// Replaces values by placeholders: what was filled in differs between runs and must not differ in answers.
    pub fn unfill(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("{{{{{name}}}}}")))
    }
}

/// The folder with scenarios and worker variants.
pub fn scenarios_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The folder with what the real system answered.
pub fn recorded_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded")
}

/// Reads all scenarios of a suite (`rest` or `pipelines`) whose names contain `only`, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is not a scenario, or none is selected.
pub fn load(suite: &str, only: &[String]) -> Result<Vec<Scenario>> {
    let folder = scenarios_dir().join(suite);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let mut scenarios = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !only.is_empty() && !only.iter().any(|text| name.contains(text.as_str())) {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let mut scenario: Scenario =
            serde_json::from_str(&text).with_context(|| format!("{} is not a scenario", path.display()))?;
        scenario.name = name;
        scenarios.push(scenario);
    }
    if scenarios.is_empty() {
        bail!("no scenario of {} is selected by {only:?}", folder.display());
    }
    // Scenarios of one worker variant follow each other, so that each variant is started once.
    let mut variants: Vec<String> = Vec::new();
    for scenario in &scenarios {
        if !variants.contains(&scenario.worker) {
            variants.push(scenario.worker.clone());
        }
    }
    scenarios.sort_by_key(|s| variants.iter().position(|v| *v == s.worker));
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_parse() {
        for suite in ["rest", "pipelines"] {
            assert!(!load(suite, &[]).unwrap().is_empty());
        }
    }

    #[test]
    fn placeholders_round_trip() {
        let mut names = Names::default();
        names.set("dir", "/tmp/x1");
        names.set("worker", "127.0.0.1:8083");
        let text = r#"{"file":"{{dir}}/in","at":"{{worker}}","else":"${file:{{dir}}}"}"#;
        assert_eq!(names.unfill(&names.fill(text)), text);
    }
}
