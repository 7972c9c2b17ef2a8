//! Source tasks: they read an external system.

use async_trait::async_trait;
use raccord_data::{Position, Record};

use crate::{RawConfig, Result, SourceContext, SourceOffset};

/// Records that a poll fills. Reused from poll to poll, so that polling allocates nothing.
///
/// Bounded by count and by bytes: a task stops filling when [`is_full`](Self::is_full) says so.
#[derive(Debug)]
pub struct SourceBatch {
    records: Vec<Record>,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
    advanced: Option<Position>,
}

impl SourceBatch {
    /// An empty batch with its limits.
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, records_max, bytes_max, advanced: None }
    }

    /// Adds a record of about that many bytes (key and value).
    pub fn push(&mut self, record: Record, bytes: usize) {
        self.records.push(record);
        self.bytes += bytes;
    }

    /// Says that the source has been read up to this position, behind the records of the batch, although there was
    /// nothing to make a record of. The offset of the position is stored once all records before it are acknowledged.
    pub fn advance(&mut self, position: Position) {
        self.advanced = Some(position);
    }

    /// Whether there is such a position.
    pub fn is_advanced(&self) -> bool {
        self.advanced.is_some()
    }

    /// Takes that position out.
    pub fn take_advanced(&mut self) -> Option<Position> {
        self.advanced.take()
    }

    /// Whether the task should return what it has.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.bytes >= self.bytes_max
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Takes the records out in order, keeping the room for the next poll.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Record> {
        self.bytes = 0;
        self.records.drain(..)
    }

    /// Forgets all records, keeping the room.
    pub fn clear(&mut self) {
        self.advanced = None;
        self.bytes = 0;
        self.records.clear();
    }
}

/// A source task. One instance per running task. The runtime calls its methods one at a time, from one place:
/// `open`, then `poll` again and again with `committed` in between, then `close`.
///
/// Delivery is at least once: a position is committed only after every record of its stream up to it was
/// acknowledged by Kafka (or dropped by a transform, or skipped by `errors.tolerance`).
#[async_trait]
pub trait SourceTask: Send {
    /// Called once. The committed offsets are in `context.offsets`.
    ///
    /// # Errors
    /// Any error makes the task FAILED.
    async fn open(&mut self, context: SourceContext, config: &RawConfig) -> Result<()>;

    /// Fills the batch with what there is, waiting when there is nothing. Returning an empty batch is allowed, but not
    /// in a loop: wait for data. Cancel-safe: the future is dropped at any await when the task stops or pauses, and
    /// no record may be lost then (put records into the batch only, and move your position with them).
    ///
    /// # Errors
    /// Retriable errors are logged and polling goes on after a back-off; every other one makes the task FAILED.
    /// Records already in the batch are kept.
    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()>;

    /// The offset to store for a position, i.e. the place from where reading goes on after the record with that
    /// position. Called at commit only, for positions that this task put into records. Pure.
    fn offset(&self, position: Position) -> SourceOffset;

    /// Tells that everything up to these positions (one per stream) is durably stored, so that the source may forget
    /// it. Called after each commit of offsets, between polls.
    ///
    /// # Errors
    /// Logged, never fails the task.
    async fn committed(&mut self, _positions: &[Position]) -> Result<()> {
        Ok(())
    }

    /// Called once at the end, also after a failed `open`. Offsets have been committed before.
    async fn close(&mut self) {}
}
