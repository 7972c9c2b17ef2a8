//! How far each assigned partition is: first record seen, put, committed. Pure.
//!
//! What may be committed of a partition never lies behind what was put, and what a task says is durable never raises it.

use std::collections::BTreeMap;

use raccord_plugin::{CommitOffsets, TopicPartition};
use tracing::warn;

/// The assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<TopicPartition, Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// kafka_offset of the first record since the assignment or since a seek.
    first: Option<i64>,
    /// The next kafka_offset after what was put.
    put: Option<i64>,
    /// What this task committed.
    committed: Option<i64>,
}

impl Offsets {
    pub(super) fn assign(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.insert(partition.clone(), Progress::default());
        }
    }

    pub(super) fn revoke(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    pub(super) fn is_assigned(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    pub(super) fn assigned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Takes note of a run of records that was fetched.
    pub(super) fn fetched(&mut self, partition: &TopicPartition, first: i64) {
        if let Some(progress) = self.partitions.get_mut(partition) {
            progress.first.get_or_insert(first);
        }
    }

    /// Takes note that everything before that kafka_offset was put.
    pub(super) fn put(&mut self, partition: &TopicPartition, next: i64) {
        if let Some(progress) = self.partitions.get_mut(partition) {
            progress.put = Some(next);
        }
    }

    /// Takes note that reading goes on at that kafka_offset because the task wants so: it then counts as done so far.
    pub(super) fn rewound(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(progress) = self.partitions.get_mut(partition) {
            *progress = Progress { first: Some(offset), put: Some(offset), committed: Some(offset) };
        }
    }

    /// What has been put of these partitions.
    pub(super) fn done(&self, partitions: &[TopicPartition]) -> CommitOffsets {
        let put =
            |partition: &TopicPartition| Some((partition.clone(), self.partitions.get(partition)?.put?));
        partitions.iter().filter_map(put).collect()
    }

    /// What is to be committed when the task made `durable` out of [`done`](Self::done): only what differs from the last
    /// commit, never more than was put.
    pub(super) fn committable(&self, durable: CommitOffsets) -> CommitOffsets {
        let may = |(partition, offset): &(TopicPartition, i64)| match self.partitions.get(partition) {
            Some(Progress { put: Some(put), committed, .. }) if offset <= put => *committed != Some(*offset),
            progress => {
                warn!(
                    topic = %partition.topic, partition = partition.partition, offset, ?progress,
                    "Ignoring invalid task provided offset: not consumed yet or not assigned"
                );
                false
            }
        };
        durable.into_iter().filter(may).collect()
    }

    pub(super) fn committed(&mut self, offsets: &CommitOffsets) {
        for (partition, offset) in offsets {
            if let Some(progress) = self.partitions.get_mut(partition) {
                progress.committed = Some(*offset);
            }
        }
    }

    /// Forgets what was put after the last commits, and says where to read again.
    pub(super) fn back_to_committed(&mut self) -> CommitOffsets {
        let back = self.partitions.iter_mut().filter_map(|(partition, progress)| {
            let offset = progress.committed.or(progress.first)?;
            progress.put = progress.committed;
            Some((partition.clone(), offset))
        });
        back.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: number }
    }

    fn offsets() -> Offsets {
        let mut offsets = Offsets::default();
        offsets.assign(&[partition(0), partition(1)]);
        offsets.fetched(&partition(0), 5);
        offsets.put(&partition(0), 9);
        offsets
    }

    #[test]
    fn commits_what_is_durable_once_and_never_more_than_was_put() {
        let mut offsets = offsets();
        assert_eq!(offsets.done(&offsets.assigned()), [(partition(0), 9)]);
        let check = |offsets: &Offsets, durable: CommitOffsets, expect: &[(TopicPartition, i64)]| {
            assert_eq!(offsets.committable(durable), expect);
        };
        check(&offsets, vec![(partition(0), 7)], &[(partition(0), 7)]);
        check(&offsets, vec![(partition(0), 10)], &[]);
        check(&offsets, vec![(partition(1), 0)], &[]);
        check(&offsets, vec![(partition(2), 1)], &[]);
        offsets.committed(&vec![(partition(0), 7)]);
        check(&offsets, vec![(partition(0), 7)], &[]);
    }

    #[test]
    fn reads_again_from_the_last_commit_or_from_the_first_record() {
        let mut offsets = offsets();
        assert_eq!(offsets.back_to_committed(), [(partition(0), 5)]);
        assert_eq!(offsets.done(&offsets.assigned()), []);
        offsets.put(&partition(0), 8);
        offsets.committed(&vec![(partition(0), 8)]);
        offsets.put(&partition(0), 12);
        assert_eq!(offsets.back_to_committed(), [(partition(0), 8)]);
        assert_eq!(offsets.done(&offsets.assigned()), [(partition(0), 8)]);
    }
}
