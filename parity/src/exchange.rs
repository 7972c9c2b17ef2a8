//! What came out of a step, in the form in which it is recorded and compared.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one system did in one scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Recording {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario looks at.
    pub about: String,
    /// The worker variant.
    pub worker: String,
    /// One entry for each step that has something to compare.
    pub exchanges: Vec<Exchange>,
}

/// A request with its answer, or something read from a topic, group or file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Exchange {
    /// What was sent or read, in a line.
    pub step: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Header lines sent beyond the defaults.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub sent_headers: IndexMap<String, Option<String>>,
    /// The body sent: JSON, or a string if sent raw.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<Value>,
    /// The answer's status code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// The answer's header lines, by lower-case name.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub headers: IndexMap<String, String>,
    /// The answer's body: JSON, a string if it is something else, absent if it is empty.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Value>,
    /// True when what the step waits for did not come within its time, and this is what was there then.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub timed_out: bool,
}
