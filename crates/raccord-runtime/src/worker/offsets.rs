//! Offsets for REST: listing, altering and resetting, of sources in their stores and of sinks in their consumer groups.

use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::{Error, ErrorKind, Make, OffsetMap, RawConfig, Result, SourceOffset, TopicPartition};
use serde_json::Value;

use super::connector::guarded;
use super::open::Opened;
use super::{Shared, resolve};
use crate::client_properties;
use crate::herder::{HerderError, HerderResult, OffsetEntry};
use crate::internal_topics;
use crate::offset_log::{ConnectorOffsets, OffsetKeeper, TopicOffsets, codec};
use crate::plugins;
use crate::ports::{Admin, GroupOffset};
use crate::task::OffsetStore;

/// All of it, as a REST request may take.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The offsets of a source connector: in the worker's store, and in a topic of its own if it has one.
///
/// # Errors
/// When its own topic cannot be opened.
pub async fn store(
    shared: &Shared,
    opened: &Opened,
    name: &str,
    config: &RawConfig,
) -> Result<ConnectorOffsets> {
    let worker = opened.offsets.clone();
    let topic = config.get("offsets.storage.topic").map(str::trim).filter(|topic| !topic.is_empty());
    let own = match topic {
        Some(topic) if opened.own_offsets_topics && topic != shared.config.offset_storage_topic => {
            Some(own_topic(shared, topic, name, config).await?)
        }
        _ => None,
    };
    Ok(ConnectorOffsets::new(name.into(), worker, own))
}

/// Opens a connector's own offsets topic, or takes the one that is open: a connector and its tasks share it.
async fn own_topic(
    shared: &Shared,
    topic: &str,
    name: &str,
    config: &RawConfig,
) -> Result<Arc<dyn OffsetKeeper>> {
    let mut open = shared.own_offsets.lock().await;
    open.retain(|_, weak| weak.strong_count() > 0);
    let key = (topic.to_owned(), name.to_owned());
    if let Some(offsets) = open.get(&key).and_then(std::sync::Weak::upgrade) {
        return Ok(offsets);
    }
    let properties = client_properties::own_offsets(&shared.config, config, name);
    let description = internal_topics::own_offset_topic(&shared.config, topic);
    let offsets = Arc::new(TopicOffsets::open(&*shared.kafka, description, &properties).await?);
    open.insert(key, Arc::downgrade(&offsets));
    Ok(offsets)
}

fn internal(error: &Error) -> HerderError {
    HerderError::new(500, error.message())
}

/// `GET /connectors/{name}/offsets`.
pub async fn list(
    shared: &Shared,
    opened: &Opened,
    name: &str,
    raw: &RawConfig,
) -> HerderResult<Vec<OffsetEntry>> {
    let config = resolve(shared, raw).map_err(|error| internal(&error))?.config;
    let plugin = plugins::expect_connector(shared.plugins, &config).map_err(|error| internal(&error))?;
    if let Make::Sink { .. } = plugin.make {
        return list_group(shared, name, &config).await.map_err(|error| {
            let what = format!("Failed to retrieve consumer group offsets for sink connector {name}");
            tracing::error!(connector = name, trace = error.trace(), "{what}");
            HerderError::new(500, what)
        });
    }
    let listed = async { store(shared, opened, name, &config).await?.all().await };
    let mut offsets = listed.await.map_err(|error| {
        tracing::error!(connector = name, trace = error.trace(), "cannot read offsets");
        HerderError::new(500, format!("Failed to retrieve offsets for source connector {name}"))
    })?;
    codec::sort_like_java(&mut offsets, |offset| codec::java_hash(&offset.partition));
    let entry = |SourceOffset { partition, offset }| OffsetEntry { partition: Some(partition), offset };
    Ok(offsets.into_iter().map(entry).collect())
}

async fn list_group(shared: &Shared, name: &str, config: &RawConfig) -> Result<Vec<OffsetEntry>> {
    let admin = admin(shared, name, config)?;
    let mut offsets =
        admin.group_offsets(&client_properties::sink_group(&shared.config, config, name)).await?;
    offsets.sort_by(|left, right| left.partition.cmp(&right.partition));
    codec::sort_like_java(&mut offsets, |offset| {
        codec::topic_partition_hash(&offset.partition.topic, offset.partition.partition)
    });
    Ok(offsets.into_iter().map(sink_entry).collect())
}

fn sink_entry(offset: GroupOffset) -> OffsetEntry {
    // In the order of a Java map with these keys.
    let mut partition = OffsetMap::new();
    partition.insert("kafka_partition".to_owned(), offset.partition.partition.into());
    partition.insert("kafka_topic".to_owned(), (*offset.partition.topic).into());
    let mut place = OffsetMap::new();
    place.insert("kafka_offset".to_owned(), offset.offset.into());
    OffsetEntry { partition: Some(partition), offset: Some(place) }
}

fn admin(shared: &Shared, name: &str, config: &RawConfig) -> Result<Arc<dyn Admin>> {
    shared.kafka.admin(&client_properties::group_admin(&shared.config, config, name))
}

/// `PATCH` and `DELETE /connectors/{name}/offsets`: writes these offsets, or deletes all. The message of success.
pub async fn modify(
    shared: &Shared,
    opened: &Opened,
    name: &str,
    raw: &RawConfig,
    offsets: Option<Vec<OffsetEntry>>,
) -> HerderResult<String> {
    let config = resolve(shared, raw).map_err(|error| internal(&error))?.config;
    let plugin = plugins::expect_connector(shared.plugins, &config).map_err(|error| internal(&error))?;
    let reset = offsets.is_none();
    let modified = async {
        match plugin.make {
            Make::Source { connector, .. } => {
                modify_source(shared, opened, name, &config, connector(), offsets).await
            }
            Make::Sink { connector, .. } => modify_sink(shared, name, &config, connector(), offsets).await,
            _ => Err(HerderError::new(500, format!("{} is no connector", plugin.class))),
        }
    };
    match tokio::time::timeout(TIMEOUT, modified).await {
        Ok(known) => Ok(success(known?, reset)),
        Err(_) => {
            let kind = plugin.kind().as_str();
            let what = format!("Timed out while attempting to modify offsets for {kind} connector {name}");
            Err(HerderError::new(500, what))
        }
    }
}

fn success(known: bool, reset: bool) -> String {
    let done = if reset { "reset" } else { "altered" };
    if known {
        return format!("The offsets for this connector have been {done} successfully");
    }
    format!(
        "The Connect framework-managed offsets for this connector have been {done} successfully. However, if this \
         connector manages offsets externally, they will need to be manually {done} in the system that the connector \
         uses."
    )
}

/// What a connector says against offsets is told as it is; anything else is told by what was being done.
fn refused(kind: &str, name: &str, error: &Error) -> HerderError {
    let what = format!("Failed to modify offsets for {kind} connector {name}");
    tracing::error!(connector = name, trace = error.trace(), "{what}");
    match error.kind() {
        ErrorKind::Retriable => HerderError::new(500, what),
        _ => HerderError::new(500, error.message()),
    }
}

async fn modify_source(
    shared: &Shared,
    opened: &Opened,
    name: &str,
    config: &RawConfig,
    mut connector: Box<dyn raccord_plugin::SourceConnector>,
    offsets: Option<Vec<OffsetEntry>>,
) -> HerderResult<bool> {
    let refused = |error: Error| refused("source", name, &error);
    let store = store(shared, opened, name, config).await.map_err(refused)?;
    let offsets = match offsets {
        Some(offsets) => normalised(offsets).map_err(refused)?,
        None => {
            let all = store.all().await.map_err(refused)?;
            all.into_iter().map(|known| SourceOffset { offset: None, ..known }).collect()
        }
    };
    let known = guarded(connector.alter_offsets(config, &offsets)).await.map_err(refused)?;
    if offsets.is_empty() {
        tracing::info!(connector = name, "No offsets found for source connector {name}");
    } else {
        store.write(offsets).await.map_err(refused)?;
    }
    Ok(known)
}

/// As a Java worker reads them; of a partition that comes twice the last one counts.
fn normalised(offsets: Vec<OffsetEntry>) -> Result<Vec<SourceOffset>> {
    let mut all = indexmap::IndexMap::new();
    for OffsetEntry { partition, offset } in offsets {
        let Some(partition) = partition else {
            // No partition and no offset: nothing to do.
            if offset.is_some() {
                return Err(Error::fatal("Partition objects cannot be null"));
            }
            continue;
        };
        let partition = codec::normalised(&partition)?;
        let offset = offset.as_ref().map(codec::normalised).transpose()?;
        all.insert(codec::canonical(&partition), SourceOffset { partition, offset });
    }
    Ok(all.into_values().collect())
}

async fn modify_sink(
    shared: &Shared,
    name: &str,
    config: &RawConfig,
    mut connector: Box<dyn raccord_plugin::SinkConnector>,
    offsets: Option<Vec<OffsetEntry>>,
) -> HerderResult<bool> {
    let refused = |error: Error| refused("sink", name, &error);
    let group = client_properties::sink_group(&shared.config, config, name);
    let admin = admin(shared, name, config).map_err(refused)?;
    let reset = offsets.is_none();
    let offsets = match offsets {
        Some(offsets) => sink_offsets(offsets)?,
        None => {
            let known = admin.group_offsets(&group).await.map_err(|error| {
                let what =
                    format!("Failed to list offsets prior to resetting offsets for sink connector {name}");
                tracing::error!(connector = name, trace = error.trace(), "{what}");
                HerderError::new(500, what)
            })?;
            known.into_iter().map(|offset| (offset.partition, None)).collect()
        }
    };
    let known = guarded(connector.alter_offsets(config, &offsets)).await.map_err(refused)?;
    let outcome = if reset {
        admin.delete_group(&group).await
    } else {
        if offsets.iter().any(|(_, offset)| offset.is_some_and(|offset| offset < 0)) {
            // No offset is negative.
            return Err(HerderError::new(500, format!("Failed to modify offsets for sink connector {name}")));
        }
        alter_group(&*admin, &group, &offsets).await
    };
    outcome.map(|()| known).map_err(|error| group_refused(name, reset, &error))
}

async fn alter_group(
    admin: &dyn Admin,
    group: &str,
    offsets: &[(TopicPartition, Option<i64>)],
) -> Result<()> {
    let (set, delete): (Vec<_>, Vec<_>) = offsets.iter().partition(|(_, offset)| offset.is_some());
    if !set.is_empty() {
        let set: Vec<GroupOffset> = set
            .into_iter()
            .filter_map(|(partition, offset)| {
                Some(GroupOffset { partition: partition.clone(), offset: (*offset)? })
            })
            .collect();
        admin.alter_group_offsets(group, &set).await?;
    }
    if !delete.is_empty() {
        let delete: Vec<TopicPartition> =
            delete.into_iter().map(|(partition, _)| partition.clone()).collect();
        admin.delete_group_offsets(group, &delete).await?;
    }
    Ok(())
}

/// Exceptions by which Kafka says that the group has members.
const GROUP_IN_USE: [&str; 3] = [
    "org.apache.kafka.common.errors.UnknownMemberIdException",
    "org.apache.kafka.common.errors.GroupSubscribedToTopicException",
    "org.apache.kafka.common.errors.GroupNotEmptyException",
];

fn group_refused(name: &str, reset: bool, error: &Error) -> HerderError {
    let verb = if reset { "reset" } else { "alter" };
    let message = if GROUP_IN_USE.contains(&error.java_class()) {
        format!(
            "Failed to {verb} consumer group offsets for connector {name} either because its tasks haven't stopped \
             completely yet or the connector was resumed before the request to {verb} its offsets could be successfully \
             completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't \
             eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
        )
    } else {
        let kind = if reset { "sink connector" } else { "connector" };
        format!("Failed to {verb} consumer group offsets for {kind} {name}")
    };
    tracing::error!(connector = name, trace = error.trace(), "{message}");
    HerderError::new(500, message)
}

/// Partitions and kafka_offsets of a sink as users write them. Numbers may be given as text.
fn sink_offsets(offsets: Vec<OffsetEntry>) -> HerderResult<Vec<(TopicPartition, Option<i64>)>> {
    let mut parsed = indexmap::IndexMap::new();
    for entry in offsets {
        let Some(partition) = &entry.partition else {
            return Err(bad("The partition for a sink connector offset cannot be null or missing"));
        };
        let partition = sink_partition(partition)?;
        let offset = entry.offset.as_ref().map(sink_offset).transpose()?;
        parsed.insert(partition, offset);
    }
    Ok(parsed.into_iter().collect())
}

fn bad(message: impl Into<String>) -> HerderError {
    HerderError::new(400, message)
}

fn sink_partition(partition: &OffsetMap) -> HerderResult<TopicPartition> {
    let (Some(topic), Some(number)) = (partition.get("kafka_topic"), partition.get("kafka_partition")) else {
        return Err(bad(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        ));
    };
    if topic.is_null() {
        return Err(bad("Kafka topic names must be valid strings and may not be null"));
    }
    if number.is_null() {
        return Err(bad("Kafka partitions must be valid numbers and may not be null"));
    }
    let number = java_text(number);
    let Ok(partition) = number.parse::<i32>() else {
        return Err(bad(format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{number}'. Partition values \
             for sink connectors need to be integers."
        )));
    };
    Ok(TopicPartition { topic: java_text(topic).into(), partition })
}

fn sink_offset(offset: &OffsetMap) -> HerderResult<i64> {
    let Some(value) = offset.get("kafka_offset") else {
        return Err(bad(
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
        ));
    };
    let text = java_text(value);
    text.parse::<i64>().map_err(|_| {
        bad(format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{text}'. Offset values for sink \
             connectors need to be integers."
        ))
    })
}

/// `String.valueOf` of a value.
fn java_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
