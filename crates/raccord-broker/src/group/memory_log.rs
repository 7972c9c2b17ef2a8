//! A log in memory, for tests: survives a coordinator, refuses on demand.

use super::coordinator::PartitionCatalog;
use super::state_log::{ProducerTag, Replayed, StateLog, StateLogError, StateRecord};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The log. Shared by the coordinators that live one after the other.
pub(crate) struct MemoryLog {
    partitions: Vec<Mutex<Vec<Replayed>>>,
    /// Refuse everything.
    pub broken: AtomicBool,
}

impl MemoryLog {
    pub fn new(partitions: usize) -> Self {
        let partitions = (0..partitions).map(|_| Mutex::default()).collect();
        MemoryLog { partitions, broken: AtomicBool::new(false) }
    }

    fn check(&self) -> Result<(), StateLogError> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(StateLogError::Unavailable("broken on purpose".into())),
            false => Ok(()),
        }
    }
}

impl StateLog for MemoryLog {
    fn partitions(&self) -> i32 {
        self.partitions.len() as i32
    }

    fn append(
        &self,
        partition: i32,
        records: &[StateRecord],
        _now_ms: i64,
        producer: Option<ProducerTag>,
    ) -> Result<(), StateLogError> {
        self.check()?;
        let record = |record: &StateRecord| Replayed::Record {
            key: record.key.clone(),
            value: record.value.clone(),
            producer,
        };
        self.partitions[partition as usize].lock().extend(records.iter().map(record));
        Ok(())
    }

    fn append_marker(
        &self,
        partition: i32,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        self.check()?;
        self.partitions[partition as usize].lock().push(Replayed::Marker { producer, committed });
        Ok(())
    }

    fn replay(&self, partition: i32, each: &mut dyn FnMut(Replayed)) -> Result<(), StateLogError> {
        self.partitions[partition as usize].lock().iter().cloned().for_each(each);
        Ok(())
    }
}

/// Knows the partitions 0 to 3 of every topic whose name does not start with `no-`.
pub(crate) struct SomePartitions;

impl PartitionCatalog for SomePartitions {
    fn has_partition(&self, topic: &str, partition: i32) -> bool {
        !topic.starts_with("no-") && (0..4).contains(&partition)
    }
}
