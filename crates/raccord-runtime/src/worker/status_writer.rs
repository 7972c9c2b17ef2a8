//! Writes statuses behind the coordinator's back: the newest of each key, until Kafka has it.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use parking_lot::Mutex;
use raccord_plugin::ErrorKind;
use tokio::sync::{Notify, mpsc, watch};

use super::run::Mail;
use crate::ports::CompactedLog;
use crate::status_log::{StatusKey, StatusWrite};

const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Statuses that wait. Bounded by the number of connectors, tasks and topics: a newer one takes the place of an older.
pub struct StatusWriter {
    pending: Mutex<IndexMap<StatusKey, StatusWrite>>,
    wake: Notify,
    idle: watch::Sender<bool>,
}

impl StatusWriter {
    /// Starts writing.
    pub fn start(log: Arc<dyn CompactedLog>, mail: mpsc::Sender<Mail>) -> Arc<Self> {
        let writer =
            Arc::new(Self { pending: Mutex::default(), wake: Notify::new(), idle: watch::Sender::new(true) });
        tokio::spawn(writer.clone().run(log, mail));
        writer
    }

    /// Has a status written soon.
    pub fn push(&self, write: StatusWrite) {
        let mut pending = self.pending.lock();
        // Taken out first, so that order is that of the newest writes.
        pending.shift_remove(&write.key);
        pending.insert(write.key.clone(), write);
        self.idle.send_replace(false);
        drop(pending);
        self.wake.notify_one();
    }

    /// Waits until everything is written.
    pub async fn flushed(&self) {
        // The sender lives as long as self.
        let _ = self.idle.subscribe().wait_for(|idle| *idle).await;
    }

    async fn run(self: Arc<Self>, log: Arc<dyn CompactedLog>, mail: mpsc::Sender<Mail>) {
        let mut wait = RETRY;
        while !mail.is_closed() {
            let batch = std::mem::take(&mut *self.pending.lock());
            if batch.is_empty() {
                self.rest();
                tokio::select! {
                    () = self.wake.notified() => continue,
                    () = mail.closed() => return,
                }
            }
            let records = batch.values().map(|write| (write.key.encode(), write.value.clone())).collect();
            match log.append_and_read(records).await {
                Ok(()) => wait = RETRY,
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    tracing::debug!(%error, "cannot write statuses now; trying again");
                    self.put_back(batch);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = mail.closed() => return,
                    }
                    wait = (wait * 2).min(RETRY_MAX);
                    continue;
                }
                Err(error) => tracing::error!(trace = error.trace(), "Failed to write status update"),
            }
            let settled = batch.into_values().map(|write| (write.key, write.sequence)).collect();
            if mail.send(Mail::StatusSettled(settled)).await.is_err() {
                return;
            }
        }
    }

    fn rest(&self) {
        let pending = self.pending.lock();
        if pending.is_empty() {
            self.idle.send_replace(true);
        }
    }

    /// What was not written waits again, unless something newer waits already.
    fn put_back(&self, batch: IndexMap<StatusKey, StatusWrite>) {
        let mut pending = self.pending.lock();
        let newer = std::mem::replace(&mut *pending, batch);
        for (key, write) in newer {
            pending.insert(key, write);
        }
    }
}
