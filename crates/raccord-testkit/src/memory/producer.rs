//! A producer into the cluster.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};
use tokio::sync::watch;

use super::cluster::{Cluster, Stored};

/// Records that may wait while the cluster is away.
const WAITING_MAX: usize = 1_000;

/// A producer. While the cluster is away records wait, in order.
pub struct MemoryProducer {
    cluster: Arc<Cluster>,
    changes: watch::Receiver<u64>,
    waiting: VecDeque<(u64, String, Option<i32>, Stored)>,
    delivered: Vec<u64>,
}

impl MemoryProducer {
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { changes: cluster.changes(), cluster, waiting: VecDeque::new(), delivered: Vec::new() }
    }

    fn deliver(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut state = self.cluster.lock();
        if state.is_down() {
            return;
        }
        let before = self.delivered.len();
        while let Some((ticket, topic, partition, record)) = self.waiting.pop_front() {
            if state.held.contains(&topic) {
                self.waiting.push_front((ticket, topic, partition, record));
                break;
            }
            state.append(&topic, partition, record);
            self.delivered.push(ticket);
        }
        drop(state);
        if self.delivered.len() > before {
            self.cluster.changed();
        }
    }
}

#[async_trait]
impl Producer for MemoryProducer {
    fn send(&mut self, record: &Outgoing<'_>) -> Result<(), SendError> {
        if self.waiting.len() >= WAITING_MAX {
            self.deliver();
            if self.waiting.len() >= WAITING_MAX {
                return Err(SendError::Full);
            }
        }
        let value_bytes = record.value.map_or(0, <[u8]>::len);
        if let Some(error) = self.cluster.lock().refusal(record.topic, value_bytes) {
            return Err(SendError::Rejected(error));
        }
        let stored = Stored {
            timestamp: record.timestamp.unwrap_or(0),
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers: record.headers.to_vec(),
        };
        self.waiting.push_back((record.ticket, record.topic.to_string(), record.partition, stored));
        Ok(())
    }

    fn hand_over(&mut self) {}

    fn drain_acks(&mut self, acks: &mut Acks) {
        self.deliver();
        acks.delivered.append(&mut self.delivered);
    }

    async fn progress(&mut self) {
        loop {
            self.changes.mark_unchanged();
            self.deliver();
            if !self.delivered.is_empty() {
                return;
            }
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn outstanding(&self) -> usize {
        self.waiting.len() + self.delivered.len()
    }
}
