//! Records of the status topic to and from bytes
//! (`org.apache.kafka.connect.storage.KafkaStatusBackingStore`).

use bytes::Bytes;
use serde_json::Value;

use crate::config_log::codec::task_id;
use crate::connect_json::{write_optional, write_string};
use crate::task::TaskId;

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const TOPIC_SEPARATOR: &str = ":connector-";

/// State of a connector or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody runs it.
    Unassigned,
    /// Runs.
    Running,
    /// Paused.
    Paused,
    /// Failed.
    Failed,
    /// About to be restarted.
    Restarting,
    /// Stopped (connectors only).
    Stopped,
}

const STATES: [(State, &str); 6] = [
    (State::Unassigned, "UNASSIGNED"),
    (State::Running, "RUNNING"),
    (State::Paused, "PAUSED"),
    (State::Failed, "FAILED"),
    (State::Restarting, "RESTARTING"),
    (State::Stopped, "STOPPED"),
];

impl State {
    /// Its name in the topic and in REST.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }
}

/// The status of a connector or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why it failed.
    pub trace: Option<String>,
    /// `host:port` of the worker that wrote it.
    pub worker_id: String,
    /// Generation of the group when it was written.
    pub generation: i32,
    /// Version of the plugin.
    pub version: Option<String>,
}

/// That a connector uses a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStatus {
    /// Topic.
    pub topic: String,
    /// Connector name.
    pub connector: String,
    /// The task that used it first.
    pub task: u32,
    /// When, in milliseconds since the epoch.
    pub discovered_ms: i64,
}

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusKey {
    /// A connector.
    Connector(String),
    /// A task.
    Task(TaskId),
    /// A topic that a connector uses.
    Topic {
        /// Connector name.
        connector: String,
        /// Topic.
        topic: String,
    },
}

impl StatusKey {
    /// The bytes of the key.
    pub fn encode(&self) -> Bytes {
        Bytes::from(match self {
            Self::Connector(name) => format!("{CONNECTOR}{name}"),
            Self::Task(id) => format!("{TASK}{id}"),
            Self::Topic { connector, topic } => format!("{TOPIC}{topic}{TOPIC_SEPARATOR}{connector}"),
        })
    }

    /// Reads a key; `None` when it is none of the three.
    pub fn decode(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            return (!name.is_empty()).then(|| Self::Connector(name.to_owned()));
        }
        if let Some(id) = key.strip_prefix(TASK) {
            return task_id(id).map(Self::Task);
        }
        let (topic, rest) = key.strip_prefix(TOPIC)?.split_once(':')?;
        let connector = rest.strip_prefix(&TOPIC_SEPARATOR[1..])?;
        (!topic.is_empty() && !connector.is_empty())
            .then(|| Self::Topic { connector: connector.to_owned(), topic: topic.to_owned() })
    }
}

impl Status {
    /// The bytes of the value.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"state\":");
        write_string(&mut out, self.state.name());
        out.extend_from_slice(b",\"trace\":");
        write_optional(&mut out, self.trace.as_deref());
        out.extend_from_slice(b",\"worker_id\":");
        write_string(&mut out, &self.worker_id);
        out.extend_from_slice(format!(",\"generation\":{},\"version\":", self.generation).as_bytes());
        write_optional(&mut out, self.version.as_deref());
        out.push(b'}');
        Bytes::from(out)
    }

    /// Reads a value; `None` when it is not a status. Workers before 4.1 write no version.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(value).ok()?;
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            state: State::from_name(value.get("state")?.as_str()?)?,
            trace: text("trace"),
            worker_id: text("worker_id").unwrap_or_default(),
            generation: value.get("generation")?.as_i64()? as i32,
            version: text("version"),
        })
    }
}

impl TopicStatus {
    /// The bytes of the value.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"topic\":{\"name\":");
        write_string(&mut out, &self.topic);
        out.extend_from_slice(b",\"connector\":");
        write_string(&mut out, &self.connector);
        let rest = format!(",\"task\":{},\"discoverTimestamp\":{}}}}}", self.task, self.discovered_ms);
        out.extend_from_slice(rest.as_bytes());
        Bytes::from(out)
    }

    /// Reads a value; `None` when it is not a topic status.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(value).ok()?;
        let topic = value.get("topic")?;
        Some(Self {
            topic: topic.get("name")?.as_str()?.to_owned(),
            connector: topic.get("connector")?.as_str()?.to_owned(),
            task: u32::try_from(topic.get("task")?.as_i64()?).ok()?,
            discovered_ms: topic.get("discoverTimestamp")?.as_i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_the_bytes_of_connect() {
        let status = Status {
            state: State::Failed,
            trace: Some("java.lang.X: y\n\tat z".into()),
            worker_id: "127.0.0.1:8083".into(),
            generation: 2,
            version: None,
        };
        assert_eq!(
            status.encode(),
            r#"{"state":"FAILED","trace":"java.lang.X: y\n\tat z","worker_id":"127.0.0.1:8083","generation":2,"version":null}"#
        );
        let topic = TopicStatus { topic: "t".into(), connector: "c:d".into(), task: 1, discovered_ms: 99 };
        assert_eq!(
            topic.encode(),
            r#"{"topic":{"name":"t","connector":"c:d","task":1,"discoverTimestamp":99}}"#
        );
        let key = StatusKey::Topic { connector: "c:d".into(), topic: "t".into() };
        assert_eq!(key.encode(), "status-topic-t:connector-c:d");
    }

    #[test]
    fn reads_statuses_of_older_workers() {
        let status = Status::decode(br#"{"state":"RUNNING","trace":null,"worker_id":"w","generation":7}"#);
        assert_eq!(
            status,
            Some(Status {
                state: State::Running,
                trace: None,
                worker_id: "w".into(),
                generation: 7,
                version: None
            })
        );
        for garbage in ["", "{", "7", "{}", r#"{"state":"X","generation":1}"#, r#"{"state":"RUNNING"}"#] {
            assert_eq!(Status::decode(garbage.as_bytes()), None, "{garbage}");
        }
    }

    #[test]
    fn keys_that_are_none() {
        for key in
            ["", "status-connector-", "status-task-a", "status-topic-t", "status-topic-:connector-c", "x"]
        {
            assert_eq!(StatusKey::decode(key.as_bytes()), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn keys_read_back(name in "[a-z:-]{0,6}[a-z]", topic in "[a-z._-]{1,9}", task in 0..2000u32) {
            for key in [
                StatusKey::Connector(name.clone()),
                StatusKey::Task(TaskId { connector: name.clone().into(), task }),
                StatusKey::Topic { connector: name.clone(), topic: topic.clone() },
            ] {
                prop_assert_eq!(StatusKey::decode(&key.encode()), Some(key));
            }
        }

        #[test]
        fn values_read_back(trace in proptest::option::of(".{0,30}"), worker in ".{0,9}", generation: i32) {
            let status = Status {
                state: State::Paused, trace, worker_id: worker, generation, version: Some("4.3.1".into()),
            };
            prop_assert_eq!(Status::decode(&status.encode()), Some(status));
        }
    }
}
