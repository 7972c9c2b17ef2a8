//! A consumer in a group of the cluster: eager rebalances, the range assignor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use raccord_plugin::{Error, RawConfig, Result, TopicPartition};
use raccord_runtime::ports::{Consumer, ConsumerEvent, Fetched, FetchedHeader, FetchedRecord, Subscription};
use tokio::sync::watch;

use super::cluster::{Cluster, State, Stored};

/// Records in one batch at most.
const BATCH_MAX: usize = 500;

/// A consumer.
pub struct MemoryConsumer {
    cluster: Arc<Cluster>,
    changes: watch::Receiver<u64>,
    group: String,
    topics: Vec<String>,
    member: Option<u64>,
    generation: u64,
    from_end: bool,
    positions: BTreeMap<TopicPartition, i64>,
    paused: BTreeSet<TopicPartition>,
}

impl MemoryConsumer {
    pub fn new(cluster: Arc<Cluster>, properties: &RawConfig, subscription: Subscription) -> Result<Self> {
        let Some(group) = properties.get("group.id") else {
            return Err(Error::config("group.id is missing"));
        };
        let topics = match subscription {
            Subscription::Topics(topics) => topics,
            Subscription::Partition(partition) => vec![partition.topic.to_string()],
            Subscription::Regex(regex) => {
                // Enough of a regex for tests: a prefix and `.*`.
                let prefix = regex.trim_end_matches(".*").to_owned();
                cluster.topics().into_iter().filter(|topic| topic.starts_with(&prefix)).collect()
            }
        };
        Ok(Self {
            changes: cluster.changes(),
            cluster,
            group: group.to_owned(),
            topics,
            member: None,
            generation: 0,
            from_end: properties.get("auto.offset.reset") == Some("latest"),
            positions: BTreeMap::new(),
            paused: BTreeSet::new(),
        })
    }

    /// Joins at first, and sees whether the group has changed since.
    fn rebalance(&mut self, state: &mut State) -> Option<ConsumerEvent> {
        let member = *self.member.get_or_insert_with(|| {
            state.next_member += 1;
            state.next_member
        });
        let group = state.groups.entry(self.group.clone()).or_default();
        group.members.entry(member).or_insert_with(|| {
            group.generation += 1;
            self.topics.clone()
        });
        if group.generation == self.generation {
            return None;
        }
        if !self.positions.is_empty() {
            let partitions = std::mem::take(&mut self.positions).into_keys().collect();
            self.paused.clear();
            return Some(ConsumerEvent::Revoked { partitions, lost: false });
        }
        self.generation = group.generation;
        let assigned = assignment(state, &self.group, member);
        for partition in &assigned {
            let position = self.start(state, partition);
            self.positions.insert(partition.clone(), position);
        }
        Some(ConsumerEvent::Assigned(assigned))
    }

    fn start(&self, state: &State, partition: &TopicPartition) -> i64 {
        let committed = state.groups.get(&self.group).and_then(|group| group.offsets.get(partition));
        let end = records(state, partition).map_or(0, |records| records.len() as i64);
        committed.copied().unwrap_or(if self.from_end { end } else { 0 })
    }

    fn fetch(&mut self, state: &State, batch: &mut Fetched) {
        let mut buffer = BytesMut::new();
        for (partition, position) in &mut self.positions {
            if self.paused.contains(partition) || batch.records.len() >= BATCH_MAX {
                continue;
            }
            let Some(records) = records(state, partition) else { continue };
            let stream = batch.partitions.len() as u32;
            let before = batch.records.len();
            let from = usize::try_from(*position).unwrap_or(0);
            for (offset, record) in records.iter().enumerate().skip(from).take(BATCH_MAX - before) {
                push(batch, &mut buffer, stream, offset as i64, record);
                *position = offset as i64 + 1;
            }
            if batch.records.len() > before {
                batch.partitions.push(partition.clone());
            }
        }
        batch.buffer = buffer.freeze();
    }
}

fn records<'s>(state: &'s State, partition: &TopicPartition) -> Option<&'s Vec<Stored>> {
    state.topics.get(&*partition.topic)?.partitions.get(usize::try_from(partition.partition).ok()?)
}

fn push(batch: &mut Fetched, buffer: &mut BytesMut, stream: u32, offset: i64, record: &Stored) {
    let mut slice = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| {
            let start = buffer.len() as u32;
            buffer.extend_from_slice(bytes);
            start..buffer.len() as u32
        })
    };
    let key = slice(record.key.as_deref());
    let value = slice(record.value.as_deref());
    let first = batch.headers.len() as u32;
    for (name, bytes) in &record.headers {
        batch.headers.push(FetchedHeader { key: name.clone(), value: slice(bytes.as_deref()) });
    }
    let headers = first..batch.headers.len() as u32;
    batch.records.push(FetchedRecord {
        stream,
        offset,
        timestamp: Some(record.timestamp),
        log_append_time: false,
        key,
        value,
        headers,
    });
}

/// Each topic's partitions in equal ranges over the members that want it.
fn assignment(state: &State, group: &str, member: u64) -> Vec<TopicPartition> {
    let Some(group) = state.groups.get(group) else { return Vec::new() };
    let mut assigned = Vec::new();
    for topic in group.members.get(&member).into_iter().flatten() {
        let wanting: Vec<u64> = group
            .members
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| *member)
            .collect();
        let Some(place) = wanting.iter().position(|other| *other == member) else { continue };
        let count = state.topics.get(topic).map_or(0, |topic| topic.partitions.len());
        let (each, more) = (count / wanting.len(), count % wanting.len());
        let first = place * each + place.min(more);
        for partition in first..first + each + usize::from(place < more) {
            assigned.push(TopicPartition { topic: topic.as_str().into(), partition: partition as i32 });
        }
    }
    assigned
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn poll(&mut self, timeout: Duration, batch: &mut Fetched) -> Result<ConsumerEvent> {
        batch.partitions.clear();
        batch.records.clear();
        batch.headers.clear();
        batch.buffer = Bytes::new();
        let until = tokio::time::Instant::now() + timeout;
        let cluster = self.cluster.clone();
        loop {
            self.changes.mark_unchanged();
            {
                let mut state = cluster.lock();
                if !state.is_down() {
                    let before = state.groups.get(&self.group).map_or(0, |group| group.generation);
                    let event = self.rebalance(&mut state);
                    let joined = state.groups.get(&self.group).map_or(0, |group| group.generation) != before;
                    if let Some(event) = event {
                        drop(state);
                        if joined {
                            cluster.changed();
                        }
                        return Ok(event);
                    }
                    self.fetch(&state, batch);
                    if !batch.records.is_empty() {
                        return Ok(ConsumerEvent::Records);
                    }
                }
            }
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() {
                    return Ok(ConsumerEvent::Records);
                },
                () = tokio::time::sleep_until(until) => return Ok(ConsumerEvent::Records),
            }
        }
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<()> {
        let mut state = self.cluster.lock();
        state.answers()?;
        let group = state.groups.entry(self.group.clone()).or_default();
        group.offsets.extend(offsets.iter().cloned());
        Ok(())
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        match self.positions.get_mut(partition) {
            Some(position) => {
                *position = offset;
                Ok(())
            }
            None => Err(Error::fatal(format!("{}-{} is not assigned", partition.topic, partition.partition))),
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused.extend(partitions.iter().cloned());
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for partition in partitions {
            self.paused.remove(partition);
        }
        self.changes.mark_changed();
        Ok(())
    }

    async fn close(&mut self) {
        self.leave();
    }
}

impl MemoryConsumer {
    fn leave(&mut self) {
        let Some(member) = self.member.take() else { return };
        if let Some(group) = self.cluster.lock().groups.get_mut(&self.group)
            && group.members.remove(&member).is_some()
        {
            group.generation += 1;
        }
        self.positions.clear();
        self.cluster.changed();
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.leave();
    }
}
