//! Notifications: what a connector says about its snapshots, to a topic (`sink`) and to the log (`log`).
//!
//! Whoever has something to tell makes a [`Notification`]; [`Notifications::tell`] writes it to the log and gives the
//! record for the topic, as the config asks for. The channel `jmx` needs a JVM and is accepted without effect.

use std::fmt::Write as _;
use std::sync::Arc;

use raccord_data::{Position, Record, Schema, Struct, Text, Type, Value, java_order};
use tracing::info;
use uuid::Uuid;

use crate::{SnapshotEvent, SnapshotEventKind, TableId};

/// About how many bytes a notification has, for the bound of a batch.
const RECORD_BYTES: usize = 512;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What it belongs to; a random UUID when it belongs to nothing.
    pub id: Option<String>,
    /// `Initial Snapshot`, `Incremental Snapshot`.
    pub aggregate_type: &'static str,
    /// `STARTED`, `COMPLETED`, …
    pub kind: &'static str,
    /// Details, in any order. The name of the connector is added to them.
    pub additional: Vec<(&'static str, String)>,
}

impl Notification {
    /// About an initial (or blocking) snapshot as a whole: `STARTED`, `COMPLETED`, `ABORTED`, `SKIPPED`.
    pub fn initial_snapshot(kind: &'static str) -> Self {
        Self { id: None, aggregate_type: "Initial Snapshot", kind, additional: Vec::new() }
    }

    /// An initial snapshot begins to read a table of `tables`.
    pub fn table_in_progress(table: &TableId, tables: &[TableId]) -> Self {
        Self {
            additional: vec![
                ("current_collection_in_progress", table.to_string()),
                ("data_collections", hashed(tables)),
            ],
            ..Self::initial_snapshot("IN_PROGRESS")
        }
    }

    /// An initial snapshot has read a table of `tables`, or all that are captured.
    pub fn table_scan_completed(table: &TableId, rows: u64, tables: &[TableId]) -> Self {
        let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
        Self {
            additional: vec![
                // The last two fall together in the Java map: which comes first there changes from run to run.
                ("scanned_collection", table.to_string()),
                ("total_rows_scanned", rows.to_string()),
                ("status", "SUCCEEDED".to_owned()),
                ("data_collections", tables.join(",")),
            ],
            ..Self::initial_snapshot("TABLE_SCAN_COMPLETED")
        }
    }

    /// An initial snapshot could not read a table.
    pub fn table_scan_failed(table: &TableId) -> Self {
        Self {
            additional: vec![
                ("scanned_collection", table.to_string()),
                ("status", "SQL_EXCEPTION".to_owned()),
            ],
            ..Self::initial_snapshot("TABLE_SCAN_COMPLETED")
        }
    }

    /// What has happened to an incremental snapshot.
    pub fn incremental_snapshot(SnapshotEvent { kind, tables, correlation_id }: SnapshotEvent) -> Self {
        let tables = ("data_collections", tables.join(","));
        let (kind, additional) = match kind {
            SnapshotEventKind::Started => ("STARTED", vec![tables]),
            SnapshotEventKind::InProgress { table, maximum_key, last_key } => (
                "IN_PROGRESS",
                vec![
                    ("current_collection_in_progress", table),
                    ("maximum_key", maximum_key.join(",")),
                    // The last two fall together, here and below, as those of initial snapshots do.
                    ("last_processed_key", last_key.join(",")),
                    tables,
                ],
            ),
            SnapshotEventKind::TableScanCompleted { table, rows, status } => (
                "TABLE_SCAN_COMPLETED",
                vec![
                    ("scanned_collection", table),
                    ("total_rows_scanned", rows.to_string()),
                    ("status", status.as_str().to_owned()),
                    tables,
                ],
            ),
            SnapshotEventKind::Completed => ("COMPLETED", Vec::new()),
            SnapshotEventKind::Aborted { stopped } => {
                ("ABORTED", vec![("data_collections", stopped.join(","))])
            }
            SnapshotEventKind::Paused => ("PAUSED", vec![tables]),
            SnapshotEventKind::Resumed => ("RESUMED", vec![tables]),
        };
        Self { id: correlation_id, aggregate_type: "Incremental Snapshot", kind, additional }
    }

    /// The details with the connector's name, in the order of the Java map that Debezium makes of them: one with room
    /// for just those before the name comes.
    fn entries(&self, logical_name: &str) -> Vec<(&'static str, String)> {
        let mut entries = self.additional.clone();
        let slots = match entries.len() {
            0 => 16,
            count => (count * 4 / 3 + 1).next_power_of_two(),
        };
        entries.push(("connector_name", logical_name.to_owned()));
        java_order::sort_with_capacity(&mut entries, |(key, _)| key, slots);
        entries
    }
}

/// Names with commas between, in the order of a Java set that was made of them.
fn hashed(tables: &[TableId]) -> String {
    let mut names: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let slots = (names.len() * 4 / 3 + 1).max(16).next_power_of_two();
    java_order::sort_with_capacity(&mut names, |name| name, slots);
    names.join(",")
}

/// Where notifications go.
#[derive(Clone, Debug)]
pub struct Notifications {
    logical_name: Arc<str>,
    sink: Option<Sink>,
    log: bool,
}

/// Makes records.
#[derive(Clone, Debug)]
struct Sink {
    topic: Arc<str>,
    key_schema: Arc<Schema>,
    value_schema: Arc<Schema>,
}

impl Notifications {
    /// For `notification.enabled.channels`, `notification.sink.topic.name` and `topic.prefix`.
    pub fn new(channels: &[String], topic: Option<&str>, logical_name: &str) -> Self {
        let enabled = |name: &str| channels.iter().any(|channel| channel.trim() == name);
        Self {
            logical_name: logical_name.into(),
            sink: topic.filter(|_| enabled("sink")).map(Sink::new),
            log: enabled("log"),
        }
    }

    /// Whether anybody listens.
    pub fn are_enabled(&self) -> bool {
        self.log || self.sink.is_some()
    }

    /// Tells the log; gives the record for the topic and about how many bytes it has.
    pub fn tell(
        &self,
        notification: &Notification,
        timestamp_ms: i64,
        position: Position,
    ) -> Option<(Record, usize)> {
        if !self.are_enabled() {
            return None;
        }
        let id = notification.id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let entries = notification.entries(&self.logical_name);
        if self.log {
            info!("[Notification Service]  {}", shown(&id, notification, &entries, timestamp_ms));
        }
        let sink = self.sink.as_ref()?;
        Some((sink.record(&id, notification, &entries, timestamp_ms, position), RECORD_BYTES))
    }
}

/// As Debezium's log shows it.
fn shown(
    id: &str,
    notification: &Notification,
    entries: &[(&'static str, String)],
    timestamp_ms: i64,
) -> String {
    let mut additional = String::new();
    for (place, (key, value)) in entries.iter().enumerate() {
        let _ = write!(additional, "{}{key}={value}", if place == 0 { "" } else { ", " });
    }
    let Notification { aggregate_type, kind, .. } = notification;
    format!(
        "{{id='{id}', aggregateType='{aggregate_type}', type='{kind}', additionalData={{{additional}}}, timestamp={timestamp_ms}}}"
    )
}

impl Sink {
    fn new(topic: &str) -> Self {
        let text = || Schema::of(Type::String).build();
        let key_schema = Schema::structure([("id", text())])
            .name("io.debezium.connector.common.NotificationKey")
            .version(1)
            .build();
        let value_schema = Schema::structure([
            ("id", text()),
            ("type", text()),
            ("aggregate_type", text()),
            ("additional_data", Schema::of(Type::Map(text(), text())).optional().build()),
            ("timestamp", Schema::of(Type::Int64).build()),
        ])
        .name("io.debezium.connector.common.Notification")
        .version(1)
        .build();
        Self { topic: topic.into(), key_schema, value_schema }
    }

    fn record(
        &self,
        id: &str,
        notification: &Notification,
        entries: &[(&'static str, String)],
        timestamp_ms: i64,
        position: Position,
    ) -> Record {
        let text = |text: &str| Value::String(Text::from(text));
        let additional = entries.iter().map(|(key, value)| (text(key), text(value))).collect();
        let cells = [
            text(id),
            text(notification.kind),
            text(notification.aggregate_type),
            Value::Map(additional),
            Value::Int64(timestamp_ms),
        ];
        let value = Struct::new(Arc::clone(&self.value_schema), cells);
        let schema = Some(Arc::clone(&self.value_schema));
        let mut record = Record::new(Arc::clone(&self.topic), schema, value.into(), position);
        record.key_schema = Some(Arc::clone(&self.key_schema));
        record.key = Struct::new(Arc::clone(&self.key_schema), [text(id)]).into();
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_shows_what_debeziums_shows() {
        let started = Notification::initial_snapshot("STARTED");
        assert_eq!(
            shown("1-2", &started, &started.entries("lab"), 5),
            "{id='1-2', aggregateType='Initial Snapshot', type='STARTED', additionalData={connector_name=lab}, timestamp=5}"
        );
    }

    #[test]
    fn incremental_snapshots_are_told_in_debeziums_words() {
        let check = |kind, type_name: &str, details: &str| {
            let tables = vec!["public.a".to_owned(), "public.b".to_owned()];
            let event = SnapshotEvent { kind, tables, correlation_id: Some("s1".to_owned()) };
            let notification = Notification::incremental_snapshot(event);
            assert_eq!(
                shown("s1", &notification, &notification.entries("lab"), 5),
                format!(
                    "{{id='s1', aggregateType='Incremental Snapshot', type='{type_name}', additionalData={{{details}}}, timestamp=5}}"
                )
            );
            assert_eq!(notification.id.as_deref(), Some("s1"));
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (table, status) = ("public.a".to_owned(), crate::ScanStatus::SqlException);
        let tables = "connector_name=lab, data_collections=public.a,public.b";
        check(SnapshotEventKind::Started, "STARTED", tables);
        check(SnapshotEventKind::Paused, "PAUSED", tables);
        check(SnapshotEventKind::Resumed, "RESUMED", tables);
        check(SnapshotEventKind::Completed, "COMPLETED", "connector_name=lab");
        check(
            SnapshotEventKind::InProgress {
                table: table.clone(),
                maximum_key: texts(&["9", "z"]),
                last_key: texts(&["1", "<null>"]),
            },
            "IN_PROGRESS",
            "current_collection_in_progress=public.a, connector_name=lab, maximum_key=9,z, last_processed_key=1,<null>, \
             data_collections=public.a,public.b",
        );
        check(
            SnapshotEventKind::TableScanCompleted { table, rows: 7, status },
            "TABLE_SCAN_COMPLETED",
            "scanned_collection=public.a, connector_name=lab, total_rows_scanned=7, status=SQL_EXCEPTION, \
             data_collections=public.a,public.b",
        );
        check(
            SnapshotEventKind::Aborted { stopped: texts(&["public.b"]) },
            "ABORTED",
            "connector_name=lab, data_collections=public.b",
        );
    }

    #[test]
    fn channels_are_those_that_are_named() {
        let check = |channels: &[&str], topic: Option<&str>, log: bool, sink: bool| {
            let channels: Vec<String> = channels.iter().map(|channel| (*channel).to_owned()).collect();
            let notifications = Notifications::new(&channels, topic, "lab");
            assert_eq!((notifications.log, notifications.sink.is_some()), (log, sink), "{channels:?}");
        };
        check(&[], Some("n"), false, false);
        check(&["sink"], Some("n"), false, true);
        check(&["sink"], None, false, false);
        check(&["log", " sink", "jmx"], Some("n"), true, true);
    }
}
