//! A compacted topic of the cluster, followed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use raccord_plugin::{Error, Result};
use raccord_runtime::ports::{CompactedLog, LogRecord, LogTopic};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cluster::{Cluster, Stored};

/// An open topic.
pub struct MemoryLog {
    cluster: Arc<Cluster>,
    topic: String,
    /// How far each partition has been passed on.
    passed: watch::Receiver<Vec<usize>>,
    _reader: DropGuard,
}

impl MemoryLog {
    pub async fn open(
        cluster: Arc<Cluster>,
        topic: LogTopic,
        records: mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Self> {
        {
            let mut state = cluster.lock();
            state.answers()?;
            let mut settings = topic.settings.clone();
            settings.insert("cleanup.policy", "compact".to_owned());
            state.create(&topic.name, topic.partitions, settings);
            let partitions = state.topics.get(&topic.name).map_or(0, |topic| topic.partitions.len());
            if topic.partitions_exact && partitions != topic.partitions as usize {
                return Err(Error::config(format!(
                    "Topic '{}' supplied via the '{}' property is required to have {} partition(s) but has {partitions}",
                    topic.name, topic.setting, topic.partitions
                )));
            }
        }
        let (passing, passed) = watch::channel(Vec::new());
        let stop = CancellationToken::new();
        tokio::spawn(follow(cluster.clone(), topic.name.clone(), records, passing, stop.clone()));
        let log = Self { cluster, topic: topic.name, passed, _reader: stop.drop_guard() };
        log.read_to_end().await?;
        Ok(log)
    }

    fn ends(&self) -> Result<Vec<usize>> {
        let state = self.cluster.lock();
        state.answers()?;
        Ok(state.topics.get(&self.topic).map(ends).unwrap_or_default())
    }
}

fn ends(topic: &super::cluster::Topic) -> Vec<usize> {
    topic.partitions.iter().map(Vec::len).collect()
}

async fn follow(
    cluster: Arc<Cluster>,
    topic: String,
    records: mpsc::Sender<Vec<LogRecord>>,
    passing: watch::Sender<Vec<usize>>,
    stop: CancellationToken,
) {
    let mut changes = cluster.changes();
    loop {
        changes.mark_unchanged();
        let (batch, ends) = fetch(&cluster, &topic, &passing.borrow());
        if !batch.is_empty() {
            tokio::select! {
                sent = records.send(batch) => if sent.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
        passing.send_replace(ends);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// What is beyond the positions, and the positions after it. Nothing while the cluster is away.
fn fetch(cluster: &Cluster, topic: &str, positions: &[usize]) -> (Vec<LogRecord>, Vec<usize>) {
    let state = cluster.lock();
    let Some(topic) = state.topics.get(topic).filter(|_| !state.is_down()) else {
        return (Vec::new(), positions.to_vec());
    };
    let mut batch = Vec::new();
    for (partition, records) in topic.partitions.iter().enumerate() {
        let from = positions.get(partition).copied().unwrap_or(0);
        for (offset, record) in records.iter().enumerate().skip(from) {
            batch.push(LogRecord {
                partition: partition as i32,
                offset: offset as i64,
                timestamp: record.timestamp,
                key: record.key.clone(),
                value: record.value.clone(),
            });
        }
    }
    (batch, ends(topic))
}

#[async_trait]
impl CompactedLog for MemoryLog {
    async fn append(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        let lost = {
            let mut state = self.cluster.lock();
            state.answers()?;
            for (key, value) in records {
                let record = Stored { timestamp: 0, key: Some(key), value, headers: Vec::new() };
                state.append(&self.topic, None, record);
            }
            state.loses_answer()
        };
        self.cluster.changed();
        if lost {
            return Err(Error::retriable("the answer was lost"));
        }
        Ok(())
    }

    async fn read_to_end(&self) -> Result<()> {
        let ends = self.ends()?;
        let mut passed = self.passed.clone();
        let reached = |passed: &Vec<usize>| {
            ends.iter().enumerate().all(|(partition, end)| passed.get(partition).is_some_and(|at| at >= end))
        };
        passed.wait_for(reached).await.map(drop).map_err(|_| Error::retriable("the reader has ended"))
    }
}
