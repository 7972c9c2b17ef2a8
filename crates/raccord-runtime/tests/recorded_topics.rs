//! The bytes in the internal topics against those that a real Connect worker left there (parity/recorded/pipelines).

use std::path::Path;

use bytes::Bytes;
use raccord_plugin::RawConfig;
use raccord_runtime::config_log::codec as configs;
use raccord_runtime::config_log::{ConfigRecord, ConfigTable};
use raccord_runtime::offset_log::codec as offsets;
use raccord_runtime::ports::LogRecord;
use raccord_runtime::status_log::{Status, StatusKey, TopicStatus};
use serde_json::Value;

/// Keys with all their values of an internal topic, in the order of the recording.
fn recorded(topic: &str) -> Vec<(String, Option<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/pipelines");
    let mut records = Vec::new();
    for name in ["internal-topics", "internal-topics-tasks"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("the recording");
        let recording: Value = serde_json::from_str(&text).expect("JSON");
        for exchange in recording["exchanges"].as_array().expect("exchanges") {
            let step = exchange["step"].as_str().unwrap_or_default();
            if !step.starts_with(&format!("internal topic {topic} ")) {
                continue;
            }
            for (key, values) in exchange["body"].as_object().expect("records by key") {
                for value in values.as_array().expect("values") {
                    records.push((filled(key), value.as_str().map(filled)));
                }
            }
        }
    }
    assert!(records.len() >= 3, "only {} records of topic {topic} were recorded", records.len());
    records
}

/// The harness puts names in the place of what differs from run to run.
fn filled(text: &str) -> String {
    text.replace("{{generation}}", "3")
        .replace("{{discoverTimestamp}}", "1700000000000")
        .replace("{{session_key}}", "c2VjcmV0")
        .replace("\"{{creation-timestamp}}\"", "1700000000000")
}

fn text(bytes: &Option<Bytes>) -> Option<String> {
    bytes.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

/// The properties of a record in the order in which they are written.
fn properties(value: &str) -> RawConfig {
    let value: Value = serde_json::from_str(value).expect("JSON");
    let entries = value["properties"].as_object().expect("properties").iter();
    entries.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect()
}

#[test]
fn configs_are_written_as_connect_writes_them() {
    let mut seen = std::collections::HashSet::new();
    for (key, value) in recorded("configs") {
        let decoded = configs::decode(key.as_bytes(), value.as_deref().map(str::as_bytes)).expect("readable");
        let written = match (&decoded, &value) {
            // In the user's order.
            (ConfigRecord::Connector(name, Some(_)), Some(value)) => {
                configs::connector(name, &properties(value))
            }
            (ConfigRecord::Connector(name, _), _) => configs::removal(name)[0].clone(),
            // In the order of a Java map.
            (ConfigRecord::Task(id, config), _) => configs::task(id, config),
            (ConfigRecord::Commit(name, Some(tasks)), _) => configs::commit(name, *tasks as usize),
            (ConfigRecord::Target(name, Some(state)), _) => configs::target(name, *state),
            (ConfigRecord::Target(name, None), _) => configs::removal(name)[1].clone(),
            (ConfigRecord::Restart(request), _) => configs::restart(request),
            (ConfigRecord::SessionKey(key), _) => configs::session_key(key),
            (ConfigRecord::Logger(namespace, level), _) => configs::logger(namespace, level),
            other => panic!("unexpected {other:?}"),
        };
        assert_eq!(text(&Some(written.0)), Some(key.clone()));
        assert_eq!(text(&written.1), value, "{key}");
        seen.insert(std::mem::discriminant(&decoded));
    }
    assert!(seen.len() >= 5, "the recordings have only {} kinds of records", seen.len());
}

#[test]
fn every_recorded_config_can_be_taken_in() {
    let mut table = ConfigTable::new();
    for (offset, (key, value)) in recorded("configs").into_iter().enumerate() {
        let record = LogRecord {
            partition: 0,
            offset: offset as i64,
            timestamp: 0,
            key: Some(key.clone().into()),
            value: value.map(Bytes::from),
        };
        table.apply(&record).unwrap_or_else(|why| panic!("{key}: {why}"));
        assert_eq!(table.offset(), offset as i64 + 1);
    }
}

#[test]
fn statuses_are_written_as_connect_writes_them() {
    for (key, value) in recorded("status") {
        let decoded = StatusKey::decode(key.as_bytes()).expect("a key of the status topic");
        assert_eq!(decoded.encode(), key);
        let Some(value) = value else { continue };
        let written = match decoded {
            StatusKey::Topic { .. } => TopicStatus::decode(value.as_bytes()).expect("a topic").encode(),
            _ => Status::decode(value.as_bytes()).expect("a status").encode(),
        };
        assert_eq!(text(&Some(written)), Some(value));
    }
}

#[test]
fn offsets_are_written_as_connect_writes_them() {
    for (key, value) in recorded("offsets") {
        let (connector, partition) = offsets::decode_key(key.as_bytes()).expect("a key of the offsets topic");
        assert_eq!(text(&Some(offsets::encode_key(&connector, &partition))), Some(key));
        let Some(value) = value else { continue };
        let offset = offsets::decode_value(value.as_bytes()).expect("an offset");
        assert_eq!(text(&Some(offsets::encode_value(&offset))), Some(value));
    }
}
