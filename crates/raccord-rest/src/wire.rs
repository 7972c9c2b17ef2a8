//! The JSON of answers: Connect's names and order of fields.

use std::collections::HashMap;

use indexmap::IndexMap;
use raccord_plugin::{Plugin, RawConfig};
use raccord_runtime::herder::{
    ConnectorInfo, ConnectorStatus, ConnectorType, LoggerLevel, OffsetEntry, ServerInfo, StatusEntry, TaskRef,
};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::json::Entry;

/// A value of the herder in its form for answers.
pub struct Wire<T>(pub T);

/// A list whose elements have a form for answers.
struct List<'a, T>(&'a [T]);

impl<'a, T> Serialize for List<'a, T>
where
    Wire<&'a T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            seq.serialize_element(&Wire(item))?;
        }
        seq.end()
    }
}

impl Serialize for Wire<&ServerInfo> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("version", &self.0.version)?;
        map.serialize_entry("commit", &self.0.commit)?;
        map.serialize_entry("kafka_cluster_id", &self.0.kafka_cluster_id)?;
        map.end()
    }
}

impl Serialize for Wire<&RawConfig> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl Serialize for Wire<ConnectorType> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self.0 {
            ConnectorType::Source => "source",
            ConnectorType::Sink => "sink",
            ConnectorType::Unknown => "unknown",
        })
    }
}

impl Serialize for Wire<&TaskRef> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("connector", &self.0.connector)?;
        map.serialize_entry("task", &self.0.task)?;
        map.end()
    }
}

impl Serialize for Wire<&ConnectorInfo> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("config", &Wire(&self.0.config))?;
        map.serialize_entry("tasks", &List(&self.0.tasks))?;
        map.serialize_entry("type", &Wire(self.0.kind))?;
        map.end()
    }
}

/// The fields of a state. A trace is left out when there is none; a version is null when nothing was made that has one, and left out
/// when the plugin does not tell it.
fn state<M: SerializeMap>(map: &mut M, entry: &StatusEntry) -> Result<(), M::Error> {
    map.serialize_entry("state", &entry.state)?;
    map.serialize_entry("worker_id", &entry.worker_id)?;
    if entry.version.as_deref() != Some("undefined") {
        map.serialize_entry("version", &entry.version)?;
    }
    if let Some(trace) = entry.trace.as_deref().filter(|trace| !trace.is_empty()) {
        map.serialize_entry("trace", trace)?;
    }
    Ok(())
}

impl Serialize for Wire<&StatusEntry> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        state(&mut map, self.0)?;
        map.end()
    }
}

/// A task's number with its state.
impl Serialize for Wire<(u32, &StatusEntry)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.0.0)?;
        state(&mut map, self.0.1)?;
        map.end()
    }
}

impl Serialize for Wire<&(u32, StatusEntry)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire((self.0.0, &self.0.1)).serialize(serializer)
    }
}

impl Serialize for Wire<&ConnectorStatus> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", &self.0.name)?;
        map.serialize_entry("connector", &Wire(&self.0.connector))?;
        map.serialize_entry("tasks", &List(&self.0.tasks))?;
        map.serialize_entry("type", &Wire(self.0.kind))?;
        map.end()
    }
}

impl Serialize for Wire<&(TaskRef, RawConfig)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("id", &Wire(&self.0.0))?;
        map.serialize_entry("config", &Wire(&self.0.1))?;
        map.end()
    }
}

/// `GET /connectors/{c}/tasks`.
impl Serialize for Wire<&Vec<(TaskRef, RawConfig)>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        List(self.0).serialize(serializer)
    }
}

/// `GET /connectors/{c}/tasks-config`: configs by `connector-task`.
pub struct TaskConfigs<'a>(pub &'a [(TaskRef, RawConfig)]);

impl Serialize for TaskConfigs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries =
            self.0.iter().map(|(id, config)| (format!("{}-{}", id.connector, id.task), Wire(config)));
        serializer.collect_map(entries)
    }
}

impl Serialize for Wire<&OffsetEntry> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("partition", &self.0.partition)?;
        map.serialize_entry("offset", &self.0.offset)?;
        map.end()
    }
}

/// `GET /connectors/{c}/offsets`.
impl Serialize for Wire<&Vec<OffsetEntry>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("offsets", List(self.0))])
    }
}

/// `GET /connectors/{c}/topics`.
pub struct Topics<'a>(pub &'a str, pub &'a [String]);

impl Serialize for Topics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, HashMap::from([("topics", self.1)]))])
    }
}

/// `{"message":…}`.
#[derive(Serialize)]
pub struct Message<'a> {
    /// The text.
    pub message: &'a str,
}

/// `GET /health`.
#[derive(Serialize)]
pub struct WorkerStatus<'a> {
    /// `healthy`, `starting` or `unhealthy`.
    pub status: &'a str,
    /// A sentence or two.
    pub message: &'a str,
}

impl Serialize for Wire<&Plugin> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("class", self.0.class)?;
        map.serialize_entry("type", self.0.kind().as_str())?;
        if self.0.version != "undefined" {
            map.serialize_entry("version", self.0.version)?;
        }
        map.end()
    }
}

/// `GET /connector-plugins`.
pub struct Plugins(pub Vec<&'static Plugin>);

impl Serialize for Plugins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|plugin| Wire(*plugin)))
    }
}

impl Serialize for Wire<&LoggerLevel> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("level", &self.0.level)?;
        map.serialize_entry("last_modified", &self.0.last_modified)?;
        map.end()
    }
}

/// `GET /admin/loggers`.
impl Serialize for Wire<&IndexMap<String, LoggerLevel>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, level)| (name, Wire(level))))
    }
}

/// One connector of `GET /connectors?expand=…`.
#[derive(Default)]
pub struct Expanded {
    /// What was asked for, in the order of the query.
    pub parts: Vec<Expansion>,
}

/// What can be asked for with `expand`.
pub enum Expansion {
    /// `status`.
    Status(ConnectorStatus),
    /// `info`.
    Info(ConnectorInfo),
}

impl Serialize for Expanded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.parts.len()))?;
        for part in &self.parts {
            match part {
                Expansion::Status(status) => map.serialize_entry("status", &Wire(status))?,
                Expansion::Info(info) => map.serialize_entry("info", &Wire(info))?,
            }
        }
        map.end()
    }
}

/// `GET /connectors?expand=…`.
pub struct ExpandedList(pub Vec<(String, Expanded)>);

impl Serialize for ExpandedList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, expanded)| (name, expanded)))
    }
}

/// Offsets as they come in, one entry per partition: a later entry takes the place of an earlier one.
pub fn offset_entries(entries: Vec<Entry>) -> Result<Vec<OffsetEntry>, &'static str> {
    let mut offsets: Vec<OffsetEntry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let (partition, offset) = entry.ok_or(
            "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.ConnectorOffset.partition()\" because \
             \"offset\" is null",
        )?;
        match offsets.iter_mut().find(|known| known.partition == partition) {
            Some(known) => known.offset = offset,
            None => offsets.push(OffsetEntry { partition, offset }),
        }
    }
    Ok(offsets)
}
