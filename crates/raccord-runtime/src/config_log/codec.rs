//! Records of the config topic to and from bytes.
//!
//! Keys are text, values JSON without a schema envelope with fields in the order of Connect's schemas
//! (`org.apache.kafka.connect.storage.KafkaConfigBackingStore`). Maps are written in the order in which they are
//! given and read as a Java worker reads them: into a `HashMap`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use raccord_plugin::RawConfig;
use serde_json::Value;

use crate::connect_json::{java_map, write_config, write_string};
use crate::herder::TargetState;
use crate::task::TaskId;

const TARGET_STATE: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const RESTART: &str = "restart-connector-";
const TASK_COUNT: &str = "tasks-fencing-";
const SESSION_KEY: &str = "session-key";
const LOGGER: &str = "logger-cluster-";

/// A key and value ready to be written.
pub type Record = (Bytes, Option<Bytes>);

/// The key with which internal requests between workers are signed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// The key.
    pub key: Vec<u8>,
    /// The algorithm it is for, e.g. `HmacSHA256`.
    pub algorithm: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_ms: i64,
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A request to restart a connector and, if wanted, its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRequest {
    /// Connector name.
    pub connector: String,
    /// Leave out what has not failed.
    pub only_failed: bool,
    /// Restart tasks, too.
    pub include_tasks: bool,
}

impl RestartRequest {
    /// How much the request restarts; of two requests for a connector the higher one is carried out.
    pub fn impact(&self) -> u8 {
        u8::from(!self.only_failed) * 2 + u8::from(self.include_tasks)
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigRecord {
    /// Config of a connector; `None` removes it.
    Connector(String, Option<RawConfig>),
    /// Config of a task, in force with the next commit.
    Task(TaskId, RawConfig),
    /// The connector's task configs written so far are in force, and there are so many tasks. `None`: the value is not
    /// an object, which still matters when the connector does not exist.
    Commit(String, Option<u32>),
    /// What the connector should do; `None` goes back to running.
    Target(String, Option<TargetState>),
    /// So many tasks may have run with transactions.
    TaskCount(String, u32),
    /// The key of internal requests.
    SessionKey(SessionKey),
    /// Restart now.
    Restart(RestartRequest),
    /// Sets the level of a logger on all workers.
    Logger(String, String),
}

/// Why a record is skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// The value is not JSON. Java workers do not even move their offset past such a record.
    #[error("its value is not JSON")]
    NotJson,
    /// It is not what its key promises.
    #[error("{0}")]
    Malformed(String),
}

fn malformed(text: impl Into<String>) -> Skip {
    Skip::Malformed(text.into())
}

/// The name that Connect uses for a target state in the topic.
pub fn target_name(state: TargetState) -> &'static str {
    match state {
        TargetState::Started => "STARTED",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    }
}

fn target_from(name: &str) -> Option<TargetState> {
    [TargetState::Started, TargetState::Paused, TargetState::Stopped]
        .into_iter()
        .find(|state| target_name(*state) == name)
}

/// Reads a record.
///
/// # Errors
/// Why it must be skipped.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<ConfigRecord, Skip> {
    let key = std::str::from_utf8(key).map_err(|_| malformed("its key is not UTF-8"))?;
    let value: Value = match value {
        Some(bytes) if !bytes.is_empty() => serde_json::from_slice(bytes).map_err(|_| Skip::NotJson)?,
        _ => Value::Null,
    };
    if let Some(name) = key.strip_prefix(TARGET_STATE) {
        return decode_target(name, &value);
    }
    if let Some(name) = key.strip_prefix(CONNECTOR) {
        let config = if value.is_null() { None } else { Some(properties(&value)?) };
        return Ok(ConfigRecord::Connector(name.to_owned(), config));
    }
    if let Some(rest) = key.strip_prefix(TASK) {
        let id = task_id(rest).ok_or_else(|| malformed("its key names no task"))?;
        return Ok(ConfigRecord::Task(id, properties(&value)?));
    }
    if let Some(name) = key.strip_prefix(COMMIT) {
        return decode_commit(name, &value);
    }
    if let Some(name) = key.strip_prefix(RESTART) {
        object(&value)?;
        let flag = |field| value.get(field).and_then(Value::as_bool).unwrap_or(false);
        return Ok(ConfigRecord::Restart(RestartRequest {
            connector: name.to_owned(),
            only_failed: flag("only-failed"),
            include_tasks: flag("include-tasks"),
        }));
    }
    if let Some(name) = key.strip_prefix(TASK_COUNT) {
        let count = count(&value, "task-count")?;
        return Ok(ConfigRecord::TaskCount(name.to_owned(), count));
    }
    if key == SESSION_KEY {
        return decode_session_key(&value);
    }
    if let Some(namespace) = key.strip_prefix(LOGGER) {
        let level = text(&value, "level")?;
        return Ok(ConfigRecord::Logger(namespace.to_owned(), level.to_owned()));
    }
    Err(malformed("its key is unknown"))
}

fn decode_target(name: &str, value: &Value) -> Result<ConfigRecord, Skip> {
    if value.is_null() {
        return Ok(ConfigRecord::Target(name.to_owned(), None));
    }
    object(value)?;
    // Workers older than 3.5 write and read `state` only.
    let state = match value.get("state.v2").and_then(Value::as_str) {
        Some(state) => state,
        None => text(value, "state")?,
    };
    let state = target_from(state).ok_or_else(|| malformed(format!("unknown target state {state}")))?;
    Ok(ConfigRecord::Target(name.to_owned(), Some(state)))
}

fn decode_commit(name: &str, value: &Value) -> Result<ConfigRecord, Skip> {
    let tasks = if value.is_object() { Some(count(value, "tasks")?) } else { None };
    Ok(ConfigRecord::Commit(name.to_owned(), tasks))
}

fn decode_session_key(value: &Value) -> Result<ConfigRecord, Skip> {
    let key = BASE64.decode(text(value, "key")?).map_err(|_| malformed("the session key is not base64"))?;
    let algorithm = text(value, "algorithm")?.to_owned();
    let created_ms = value
        .get("creation-timestamp")
        .and_then(Value::as_i64)
        .ok_or_else(|| malformed("the session key has no creation time"))?;
    Ok(ConfigRecord::SessionKey(SessionKey { key, algorithm, created_ms }))
}

fn object(value: &Value) -> Result<(), Skip> {
    if value.is_object() { Ok(()) } else { Err(malformed("its value is not an object")) }
}

fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str, Skip> {
    value.get(field).and_then(Value::as_str).ok_or_else(|| malformed(format!("field {field} is not text")))
}

fn count(value: &Value, field: &str) -> Result<u32, Skip> {
    value
        .get(field)
        .and_then(Value::as_i64)
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| malformed(format!("field {field} is not a count")))
}

/// The `properties` of a record. Values that are not text (Java workers never write such) are taken in their JSON form.
fn properties(value: &Value) -> Result<RawConfig, Skip> {
    let map = value
        .get("properties")
        .and_then(Value::as_object)
        .ok_or_else(|| malformed("field properties is not an object"))?;
    let config = map.iter().map(|(key, value)| {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        (key.clone(), value)
    });
    Ok(java_map(config.collect()))
}

/// `<connector>-<task>`; the connector's name may contain hyphens.
pub fn task_id(text: &str) -> Option<TaskId> {
    let (connector, task) = text.rsplit_once('-')?;
    Some(TaskId { connector: connector.into(), task: task.parse().ok()? })
}

fn record(key: String, value: impl FnOnce(&mut Vec<u8>)) -> Record {
    let mut out = Vec::new();
    value(&mut out);
    (Bytes::from(key), Some(Bytes::from(out)))
}

fn write_properties(out: &mut Vec<u8>, config: &RawConfig) {
    out.extend_from_slice(b"{\"properties\":");
    write_config(out, config);
    out.push(b'}');
}

/// A connector's config, in the order given.
pub fn connector(name: &str, config: &RawConfig) -> Record {
    record(format!("{CONNECTOR}{name}"), |out| write_properties(out, config))
}

/// The two records that remove a connector.
pub fn removal(name: &str) -> [Record; 2] {
    [(format!("{CONNECTOR}{name}").into(), None), (format!("{TARGET_STATE}{name}").into(), None)]
}

/// A task's config, in the order given.
pub fn task(id: &TaskId, config: &RawConfig) -> Record {
    record(format!("{TASK}{id}"), |out| write_properties(out, config))
}

/// Puts the task configs in force.
pub fn commit(connector: &str, tasks: usize) -> Record {
    record(format!("{COMMIT}{connector}"), |out| {
        out.extend_from_slice(format!("{{\"tasks\":{tasks}}}").as_bytes());
    })
}

/// What a connector should do. Workers that know no STOPPED read PAUSED.
pub fn target(connector: &str, state: TargetState) -> Record {
    let old = if state == TargetState::Stopped { TargetState::Paused } else { state };
    let value = format!("{{\"state\":\"{}\",\"state.v2\":\"{}\"}}", target_name(old), target_name(state));
    (format!("{TARGET_STATE}{connector}").into(), Some(value.into()))
}

/// The number of tasks that may run with transactions from now on.
pub fn task_count(connector: &str, tasks: usize) -> Record {
    let value = format!("{{\"task-count\":{tasks}}}");
    (format!("{TASK_COUNT}{connector}").into(), Some(value.into()))
}

/// The key of internal requests.
pub fn session_key(key: &SessionKey) -> Record {
    record(SESSION_KEY.to_owned(), |out| {
        out.extend_from_slice(b"{\"key\":");
        write_string(out, &BASE64.encode(&key.key));
        out.extend_from_slice(b",\"algorithm\":");
        write_string(out, &key.algorithm);
        out.extend_from_slice(format!(",\"creation-timestamp\":{}}}", key.created_ms).as_bytes());
    })
}

/// A restart for all workers to carry out.
pub fn restart(request: &RestartRequest) -> Record {
    let value =
        format!("{{\"include-tasks\":{},\"only-failed\":{}}}", request.include_tasks, request.only_failed);
    (format!("{RESTART}{}", request.connector).into(), Some(value.into()))
}

/// The level of a logger for all workers to set.
pub fn logger(namespace: &str, level: &str) -> Record {
    record(format!("{LOGGER}{namespace}"), |out| {
        out.extend_from_slice(b"{\"level\":");
        write_string(out, level);
        out.push(b'}');
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(record: &Record) -> (String, Option<String>) {
        let utf8 = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (utf8(&record.0), record.1.as_ref().map(utf8))
    }

    #[test]
    fn writes_the_bytes_of_connect() {
        let check = |record: Record, key: &str, value: &str| {
            assert_eq!(text(&record), (key.to_owned(), Some(value.to_owned())));
        };
        let mut config = RawConfig::from([("name", "a-b"), ("connector.class", "X")]);
        config.insert("none", None);
        check(
            connector("a-b", &config),
            "connector-a-b",
            r#"{"properties":{"name":"a-b","connector.class":"X","none":null}}"#,
        );
        let id = TaskId { connector: "a-b".into(), task: 3 };
        check(task(&id, &RawConfig::from([("k", "v")])), "task-a-b-3", r#"{"properties":{"k":"v"}}"#);
        check(commit("c", 2), "commit-c", r#"{"tasks":2}"#);
        check(
            target("c", TargetState::Stopped),
            "target-state-c",
            r#"{"state":"PAUSED","state.v2":"STOPPED"}"#,
        );
        check(
            target("c", TargetState::Started),
            "target-state-c",
            r#"{"state":"STARTED","state.v2":"STARTED"}"#,
        );
        check(task_count("c", 4), "tasks-fencing-c", r#"{"task-count":4}"#);
        let key = SessionKey { key: vec![0, 255, 3], algorithm: "HmacSHA256".into(), created_ms: 17 };
        check(
            session_key(&key),
            "session-key",
            r#"{"key":"AP8D","algorithm":"HmacSHA256","creation-timestamp":17}"#,
        );
        let request = RestartRequest { connector: "c".into(), only_failed: true, include_tasks: false };
        check(restart(&request), "restart-connector-c", r#"{"include-tasks":false,"only-failed":true}"#);
        check(logger("org.x", "DEBUG"), "logger-cluster-org.x", r#"{"level":"DEBUG"}"#);
    }

    #[test]
    fn skips_what_it_cannot_read() {
        let check = |key: &str, value: Option<&str>, expect: Skip| {
            assert_eq!(decode(key.as_bytes(), value.map(str::as_bytes)), Err(expect), "{key}");
        };
        let malformed = |text: &str| Skip::Malformed(text.into());
        check("connector-a", Some("{"), Skip::NotJson);
        check("connector-a", Some("7"), malformed("field properties is not an object"));
        check("task-a", Some(r#"{"properties":{}}"#), malformed("its key names no task"));
        check("task-a-0", None, malformed("field properties is not an object"));
        check("nonsense", Some("{}"), malformed("its key is unknown"));
        check("target-state-a", Some(r#"{"state":"ASLEEP"}"#), malformed("unknown target state ASLEEP"));
        check("commit-a", Some(r#"{"tasks":-1}"#), malformed("field tasks is not a count"));
        check("session-key", Some(r#"{"key":"!"}"#), malformed("the session key is not base64"));
    }

    #[test]
    fn reads_old_forms() {
        let target = |value: &str| decode(b"target-state-a", Some(value.as_bytes())).unwrap();
        assert_eq!(
            target(r#"{"state":"PAUSED"}"#),
            ConfigRecord::Target("a".into(), Some(TargetState::Paused))
        );
        assert_eq!(
            target(r#"{"state":"PAUSED","state.v2":7}"#),
            ConfigRecord::Target("a".into(), Some(TargetState::Paused))
        );
        assert_eq!(decode(b"commit-a", None), Ok(ConfigRecord::Commit("a".into(), None)));
        assert_eq!(
            decode(b"restart-connector-a", Some(b"{}")),
            Ok(ConfigRecord::Restart(RestartRequest {
                connector: "a".into(),
                only_failed: false,
                include_tasks: false
            }))
        );
    }

    fn name() -> impl Strategy<Value = String> {
        "[a-z0-9ü .-]{1,12}"
    }

    fn config() -> impl Strategy<Value = RawConfig> {
        proptest::collection::vec((".{0,8}", proptest::option::of(".{0,12}")), 0..20)
            .prop_map(|entries| java_map(entries.into_iter().collect()))
    }

    fn any_record() -> impl Strategy<Value = ConfigRecord> {
        let target =
            prop_oneof![Just(TargetState::Started), Just(TargetState::Paused), Just(TargetState::Stopped)];
        prop_oneof![
            (name(), config()).prop_map(|(name, config)| ConfigRecord::Connector(name, Some(config))),
            (name(), 0..1000u32, config()).prop_map(|(name, task, config)| ConfigRecord::Task(
                TaskId { connector: name.into(), task },
                config
            )),
            (name(), 0..1000u32).prop_map(|(name, tasks)| ConfigRecord::Commit(name, Some(tasks))),
            (name(), target).prop_map(|(name, state)| ConfigRecord::Target(name, Some(state))),
            (name(), 0..1000u32).prop_map(|(name, tasks)| ConfigRecord::TaskCount(name, tasks)),
            (proptest::collection::vec(any::<u8>(), 0..40), any::<i64>()).prop_map(|(key, created_ms)| {
                ConfigRecord::SessionKey(SessionKey { key, algorithm: "HmacSHA256".into(), created_ms })
            }),
            (name(), any::<bool>(), any::<bool>()).prop_map(|(connector, only_failed, include_tasks)| {
                ConfigRecord::Restart(RestartRequest { connector, only_failed, include_tasks })
            }),
            (name(), "[A-Z]{3,5}").prop_map(|(name, level)| ConfigRecord::Logger(name, level)),
        ]
    }

    fn encode(record: &ConfigRecord) -> Record {
        match record {
            ConfigRecord::Connector(name, config) => connector(name, config.as_ref().unwrap()),
            ConfigRecord::Task(id, config) => task(id, config),
            ConfigRecord::Commit(name, tasks) => commit(name, tasks.unwrap() as usize),
            ConfigRecord::Target(name, state) => target(name, state.unwrap()),
            ConfigRecord::TaskCount(name, tasks) => task_count(name, *tasks as usize),
            ConfigRecord::SessionKey(key) => session_key(key),
            ConfigRecord::Restart(request) => restart(request),
            ConfigRecord::Logger(name, level) => logger(name, level),
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(record in any_record()) {
            let (key, value) = encode(&record);
            prop_assert_eq!(decode(&key, value.as_deref()), Ok(record));
        }

        #[test]
        fn no_bytes_make_it_panic(
            key in "(connector-|task-|commit-|target-state-|session-key|tasks-fencing-)?.{0,6}",
            value in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = decode(key.as_bytes(), Some(&value));
        }
    }
}
