//! Which topics the task has used, for topic tracking: as in Connect, those of which a record could be decoded.

use std::collections::HashSet;
use std::sync::Arc;

use raccord_plugin::TopicPartition;

/// The topics used so far.
pub(super) struct UsedTopics {
    /// `None` when topics are not tracked.
    known: Option<HashSet<Arc<str>>>,
    /// What `known` has been cleared for.
    forgotten: u64,
    /// Streams of the batch whose topics are not known.
    unknown: Vec<u32>,
    reached: Vec<Arc<str>>,
}

impl UsedTopics {
    pub(super) fn new(tracked: bool) -> Self {
        Self { known: tracked.then(HashSet::new), forgotten: 0, unknown: Vec::new(), reached: Vec::new() }
    }

    /// Begins with a batch. `forgotten`: how many times the topics in use have been forgotten.
    pub(super) fn begin(&mut self, partitions: &[TopicPartition], forgotten: u64) {
        let Some(known) = &mut self.known else { return };
        if self.forgotten != forgotten {
            self.forgotten = forgotten;
            known.clear();
        }
        self.unknown.clear();
        let streams = partitions.iter().zip(0..);
        self.unknown.extend(
            streams.filter(|(partition, _)| !known.contains(&partition.topic)).map(|(_, stream)| stream),
        );
    }

    /// Takes note of a record that was decoded.
    #[inline]
    pub(super) fn used(&mut self, stream: u32, partitions: &[TopicPartition]) {
        if !self.unknown.is_empty() && self.unknown.contains(&stream) {
            self.reach(&partitions[stream as usize].topic);
            self.unknown.retain(|unknown| *unknown != stream);
        }
    }

    #[cold]
    fn reach(&mut self, topic: &Arc<str>) {
        if let Some(known) = &mut self.known
            && known.insert(topic.clone())
        {
            self.reached.push(topic.clone());
        }
    }

    /// Topics that were used for the first time, since the last call.
    pub(super) fn take_reached(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_told_once_until_it_is_forgotten() {
        let partition = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
        let partitions = [partition("a", 0), partition("a", 1), partition("b", 0)];
        let mut topics = UsedTopics::new(true);
        let mut check = |forgotten, streams: &[u32], expect: &[&str]| {
            topics.begin(&partitions, forgotten);
            streams.iter().for_each(|stream| topics.used(*stream, &partitions));
            let reached = topics.take_reached();
            assert_eq!(reached.iter().map(|topic| &**topic).collect::<Vec<_>>(), expect);
        };
        check(0, &[], &[]);
        check(0, &[0, 1, 0], &["a"]);
        check(0, &[1, 2, 2], &["b"]);
        check(0, &[0, 1, 2], &[]);
        check(1, &[2], &["b"]);
    }
}
