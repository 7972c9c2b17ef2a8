//! What a sink task asks of the loop between calls.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use raccord_plugin::{SinkRequests, TopicPartition};

/// Collects requests until the loop takes them.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Asked>);

/// What was asked since the last look.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// How long to wait until the next put.
    pub(super) timeout: Option<Duration>,
    /// Whether to commit soon.
    pub(super) commit: bool,
    /// Partitions to stop (true) or to go on (false) with.
    pub(super) paused: BTreeMap<TopicPartition, bool>,
    /// Where to go on reading.
    pub(super) rewind: BTreeMap<TopicPartition, i64>,
}

impl Requests {
    pub(super) fn take(&self) -> Asked {
        std::mem::take(&mut self.0.lock())
    }

    pub(super) fn take_timeout(&self) -> Option<Duration> {
        self.0.lock().timeout.take()
    }
}

impl SinkRequests for Requests {
    fn set_timeout(&self, timeout: Duration) {
        self.0.lock().timeout = Some(timeout);
    }

    fn request_commit(&self) {
        self.0.lock().commit = true;
    }

    fn pause(&self, partitions: &[TopicPartition]) {
        self.0.lock().paused.extend(partitions.iter().map(|partition| (partition.clone(), true)));
    }

    fn resume(&self, partitions: &[TopicPartition]) {
        self.0.lock().paused.extend(partitions.iter().map(|partition| (partition.clone(), false)));
    }

    fn rewind(&self, offsets: &[(TopicPartition, i64)]) {
        self.0.lock().rewind.extend(offsets.iter().cloned());
    }
}
