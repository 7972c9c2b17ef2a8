//! Signals: commands to a running connector, whichever way they come.
//!
//! As Debezium, a signal that cannot be understood is warned of and passed over; it never fails a task.

use raccord_config::JavaRegex;
use serde_json::{Map, Value};
use tracing::{info, warn};

/// A signal as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalRecord {
    /// Its id.
    pub id: Option<String>,
    /// What is asked for.
    pub kind: Option<String>,
    /// JSON.
    pub data: Option<String>,
}

/// A condition for the rows of some tables.
#[derive(Clone, Debug)]
pub struct AdditionalCondition {
    /// The expression as it was given.
    pub pattern: String,
    /// Which tables it is for.
    regex: JavaRegex,
    /// SQL: of an incremental snapshot a condition, of a blocking one the whole statement.
    pub filter: Option<String>,
}

impl AdditionalCondition {
    /// Whether it is for that table.
    pub fn concerns(&self, table: &str) -> bool {
        self.regex.full_match(table).unwrap_or(false)
    }
}

/// What `execute-snapshot` asks for.
#[derive(Clone, Debug)]
pub struct SnapshotRequest {
    /// Expressions of tables.
    pub tables: Vec<String>,
    /// Conditions.
    pub conditions: Vec<AdditionalCondition>,
    /// The column to go by instead of the key; empty for none.
    pub surrogate_key: String,
}

/// A signal that was understood.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Write a line to the log.
    Log(String),
    /// Read tables while streaming goes on.
    Incremental(SnapshotRequest),
    /// Read tables while streaming waits.
    Blocking(SnapshotRequest),
    /// Read these tables no further; all of them when the list is empty.
    Stop(Vec<String>),
    /// Read no further for now.
    Pause,
    /// Read on.
    Resume,
    /// A watermark of ours has come.
    WindowOpen,
    /// The second one.
    WindowClose,
    /// The columns of tables are told; connectors that read them from the catalog have no use for that.
    SchemaChanges,
}

impl Signal {
    /// Understands a signal; says what is wrong with it otherwise.
    pub fn read(record: &SignalRecord) -> Option<Self> {
        let id = record.id.as_deref().unwrap_or_default();
        let kind = record.kind.as_deref().unwrap_or_default();
        let read = match kind {
            "pause-snapshot"
            | "resume-snapshot"
            | "snapshot-window-open"
            | "snapshot-window-close"
            | "schema-changes"
            | "log"
            | "execute-snapshot"
            | "stop-snapshot" => read_data(record),
            _ => {
                warn!("Signal '{id}' has been received but the type '{kind}' is not recognized");
                return None;
            }
        };
        match read.and_then(|data| action(kind, &data)) {
            Ok(signal) => Some(signal),
            Err(problem) => {
                warn!("Signal '{id}' of type '{kind}' is passed over: {problem}");
                None
            }
        }
    }
}

fn read_data(record: &SignalRecord) -> Result<Map<String, Value>, String> {
    let text = record.data.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(_) => Err("its data are no JSON object".to_owned()),
        Err(error) => Err(format!("its data cannot be parsed: {error}")),
    }
}

fn action(kind: &str, data: &Map<String, Value>) -> Result<Signal, String> {
    Ok(match kind {
        "pause-snapshot" => Signal::Pause,
        "resume-snapshot" => Signal::Resume,
        "snapshot-window-open" => Signal::WindowOpen,
        "snapshot-window-close" => Signal::WindowClose,
        "schema-changes" => Signal::SchemaChanges,
        "log" => match data.get("message").and_then(Value::as_str).filter(|message| !message.is_empty()) {
            Some(message) => Signal::Log(message.to_owned()),
            None => return Err("the field 'message' is missing from its data".to_owned()),
        },
        "stop-snapshot" => {
            let tables = tables(data)?;
            match snapshot_type(data)? {
                SnapshotType::Incremental => Signal::Stop(tables),
                SnapshotType::Blocking => return Err("a blocking snapshot cannot be stopped".to_owned()),
            }
        }
        _ => {
            let tables = tables(data)?;
            if tables.is_empty() {
                return Err("the field 'data-collections' is missing from its data or is empty".to_owned());
            }
            let snapshot_type = snapshot_type(data)?;
            let surrogate_key = data.get("surrogate-key").and_then(Value::as_str);
            let surrogate_key =
                surrogate_key.filter(|key| !key.trim().is_empty()).unwrap_or_default().to_owned();
            let request = SnapshotRequest { tables, conditions: conditions(data)?, surrogate_key };
            info!(?snapshot_type, tables = ?request.tables, surrogate_key = request.surrogate_key, "a snapshot is asked for");
            match snapshot_type {
                SnapshotType::Incremental => Signal::Incremental(request),
                SnapshotType::Blocking => Signal::Blocking(request),
            }
        }
    })
}

#[derive(Clone, Copy, Debug)]
enum SnapshotType {
    Incremental,
    Blocking,
}

fn snapshot_type(data: &Map<String, Value>) -> Result<SnapshotType, String> {
    match data.get("type").and_then(Value::as_str) {
        None => Ok(SnapshotType::Incremental),
        Some(text) if text.eq_ignore_ascii_case("incremental") => Ok(SnapshotType::Incremental),
        Some(text) if text.eq_ignore_ascii_case("blocking") => Ok(SnapshotType::Blocking),
        Some(text) => Err(format!("there is no snapshot of type '{text}'")),
    }
}

/// The entries of `data-collections`; none when it is missing.
fn tables(data: &Map<String, Value>) -> Result<Vec<String>, String> {
    let entries =
        data.get("data-collections").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entry = |entry: &Value| match entry.as_str() {
        Some(table) => Ok(table.trim().to_owned()),
        None => Err("an entry of 'data-collections' is no text".to_owned()),
    };
    entries.iter().map(entry).collect()
}

fn conditions(data: &Map<String, Value>) -> Result<Vec<AdditionalCondition>, String> {
    let entries =
        data.get("additional-conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let condition = |entry: &Value| {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
        let pattern = text("data-collection")
            .ok_or_else(|| "an additional condition has no 'data-collection'".to_owned())?;
        let regex = JavaRegex::case_insensitive(&pattern).map_err(|error| format!("'{pattern}': {error}"))?;
        Ok(AdditionalCondition { pattern, regex, filter: text("filter") })
    };
    entries.iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, data: &str) -> String {
        let record = SignalRecord { id: Some("1".into()), kind: Some(kind.into()), data: Some(data.into()) };
        match Signal::read(&record) {
            None => "none".to_owned(),
            Some(Signal::Incremental(request) | Signal::Blocking(request)) => {
                format!("{:?} {:?}", request.tables, request.surrogate_key)
            }
            Some(signal) => format!("{signal:?}"),
        }
    }

    #[test]
    fn signals_are_understood_or_passed_over() {
        let check =
            |kind: &str, data: &str, expect: &str| assert_eq!(read(kind, data), expect, "{kind} {data}");
        check("log", r#"{"message":"hi"}"#, "Log(\"hi\")");
        check("log", "", "none");
        check("unknown", "{}", "none");
        check("pause-snapshot", "", "Pause");
        check("pause-snapshot", "{", "none");
        check("resume-snapshot", "{}", "Resume");
        check("stop-snapshot", "", "Stop([])");
        check("stop-snapshot", r#"{"data-collections":[" a "],"type":"INCREMENTAL"}"#, "Stop([\"a\"])");
        check("execute-snapshot", r#"{"data-collections":["a"]}"#, r#"["a"] """#);
        check(
            "execute-snapshot",
            r#"{"data-collections":["a"],"type":"BLOCKING","surrogate-key":"k"}"#,
            r#"["a"] "k""#,
        );
        check("execute-snapshot", r#"{"data-collections":["a"],"surrogate-key":" "}"#, r#"["a"] """#);
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"data-collections":[]}"#,
            r#"{"data-collections":"a"}"#,
            r#"{"data-collections":[1]}"#,
            r#"{"data-collections":["a"],"type":"other"}"#,
            r#"{"data-collections":["a"],"additional-conditions":[{"filter":"x"}]}"#,
            r#"{"data-collections":["a"],"additional-conditions":[{"data-collection":"(","filter":"x"}]}"#,
        ] {
            check("execute-snapshot", wrong, "none");
        }
    }

    #[test]
    fn conditions_are_for_tables_by_name() {
        let data = r#"{"data-collections":["a"],"additional-conditions":[{"data-collection":"PUBLIC\\.T.*","filter":"x"}]}"#;
        let record =
            SignalRecord { kind: Some("execute-snapshot".into()), data: Some(data.into()), id: None };
        let Some(Signal::Incremental(request)) = Signal::read(&record) else { panic!("a snapshot") };
        assert!(
            request.conditions[0].concerns("public.table") && !request.conditions[0].concerns("public.x")
        );
    }
}
