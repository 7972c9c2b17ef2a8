//! Writing offsets beside the flow of records: one write at a time, on a task of its own, so that slow or failing storage
//! never holds records up.
//!
//! What a failed or late write would have stored is not forgotten: the ack tracker goes on counting it as not stored, and
//! the next write has it or something later.

use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::data::Position;
use raccord_plugin::{Error, Result, SourceOffset};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, error};

use crate::task::{OffsetStore, TaskId};

/// When offsets are written, and the write under way.
pub(super) struct Commits {
    task: TaskId,
    store: Arc<dyn OffsetStore>,
    interval: Duration,
    timeout: Duration,
    due: Instant,
    writing: Option<Writing>,
}

struct Writing {
    positions: Vec<Position>,
    write: JoinHandle<Result<()>>,
    outcome: Option<Result<()>>,
}

impl Writing {
    /// Waits for the end of the write. Cancel-safe.
    async fn end(&mut self) {
        if self.outcome.is_none() {
            let outcome = (&mut self.write).await;
            let broken = |error| Err(Error::fatal("the write of offsets broke off").caused_by(error));
            self.outcome = Some(outcome.unwrap_or_else(broken));
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.write.abort();
    }
}

impl Commits {
    pub(super) fn new(
        task: TaskId,
        store: Arc<dyn OffsetStore>,
        interval: Duration,
        timeout: Duration,
    ) -> Self {
        Self { task, store, interval, timeout, due: Instant::now() + interval, writing: None }
    }

    /// Waits until there is something to do: a write has ended, or one is due. Cancel-safe.
    pub(super) async fn wake(&mut self) {
        match &mut self.writing {
            Some(writing) => writing.end().await,
            None => tokio::time::sleep_until(self.due).await,
        }
    }

    /// Whether a write has ended that [`finish`](Self::finish) was not called for yet.
    pub(super) fn has_ended(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.outcome.is_some() || writing.write.is_finished())
    }

    /// Makes a write due now.
    pub(super) fn hurry(&mut self) {
        self.due = Instant::now();
    }

    /// Whether it is time for a write and none is under way.
    pub(super) fn is_due(&self) -> bool {
        self.writing.is_none() && Instant::now() >= self.due
    }

    /// Starts a write.
    pub(super) fn begin(&mut self, positions: Vec<Position>, offsets: Vec<SourceOffset>) {
        self.due = Instant::now() + self.interval;
        if positions.is_empty() {
            return;
        }
        let (store, timeout) = (self.store.clone(), self.timeout);
        let write = tokio::spawn(async move {
            tokio::time::timeout(timeout, store.write(offsets)).await.unwrap_or_else(|_| {
                Err(Error::retriable(
                    "Timed out waiting to flush offsets to storage; will try again on next flush interval with latest offsets",
                ))
            })
        });
        self.writing = Some(Writing { positions, write, outcome: None });
    }

    /// Waits for the write under way, if any, and gives the positions that it stored.
    pub(super) async fn finish(&mut self) -> Option<Vec<Position>> {
        let writing = self.writing.as_mut()?;
        writing.end().await;
        let positions = std::mem::take(&mut writing.positions);
        let outcome = writing.outcome.take().expect("the write has ended");
        self.writing = None;
        match outcome {
            Ok(()) => {
                debug!(task = %self.task, streams = positions.len(), "committed offsets");
                Some(positions)
            }
            Err(error) => {
                error!(task = %self.task, trace = error.trace(), "Failed to flush offsets to storage");
                None
            }
        }
    }
}
