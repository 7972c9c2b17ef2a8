//! The state of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use raccord_plugin::{Error, RawConfig, Result, TopicPartition};
use tokio::sync::watch;

/// A record of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<(Arc<str>, Option<Vec<u8>>)>,
}

#[derive(Debug, Default)]
pub(super) struct Topic {
    pub settings: RawConfig,
    pub partitions: Vec<Vec<Stored>>,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    pub offsets: BTreeMap<TopicPartition, i64>,
    /// Members with the topics they want, in the order in which they joined.
    pub members: BTreeMap<u64, Vec<String>>,
    pub generation: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub topics: BTreeMap<String, Topic>,
    pub groups: BTreeMap<String, Group>,
    down: bool,
    lost_answers: usize,
    refusals: BTreeMap<String, String>,
    pub held: BTreeSet<String>,
    pub next_member: u64,
}

/// A cluster. Every change of it wakes who waits for one.
pub struct Cluster {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

/// The value's size over which a record is refused, as `max.message.bytes` of Kafka's brokers.
pub const MESSAGE_BYTES_MAX: usize = 1_048_588;

impl Cluster {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(super) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes the whole cluster away, or brings it back.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
        self.changed();
    }

    /// The next appends to compacted topics happen, but their answers get lost.
    pub fn lose_answers(&self, count: usize) {
        self.lock().lost_answers = count;
    }

    /// Refuses records for a topic, and to make it, with that message, or takes them again.
    pub fn refuse(&self, topic: &str, why: Option<&str>) {
        match why {
            Some(why) => drop(self.lock().refusals.insert(topic.to_owned(), why.to_owned())),
            None => drop(self.lock().refusals.remove(topic)),
        }
    }

    /// Has records for a topic wait unacknowledged, or lets them in again.
    pub fn hold(&self, topic: &str, held: bool) {
        match held {
            true => self.lock().held.insert(topic.to_owned()),
            false => self.lock().held.remove(topic),
        };
        self.changed();
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        self.lock().create(name, partitions, RawConfig::new());
        self.changed();
    }

    /// Produces a record as a test does.
    pub fn produce(&self, topic: &str, partition: i32, key: Option<&str>, value: Option<&str>) {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let stored =
            Stored { timestamp: 0, key: key.map(bytes), value: value.map(bytes), headers: Vec::new() };
        self.lock().append(topic, Some(partition), stored);
        self.changed();
    }

    /// Names of all topics.
    pub fn topics(&self) -> Vec<String> {
        self.lock().topics.keys().cloned().collect()
    }

    /// The topic configs that a topic was made with.
    pub fn topic_settings(&self, topic: &str) -> Option<RawConfig> {
        self.lock().topics.get(topic).map(|topic| topic.settings.clone())
    }

    /// All records of a topic, partition by partition.
    pub fn records(&self, topic: &str) -> Vec<Stored> {
        let state = self.lock();
        state
            .topics
            .get(topic)
            .into_iter()
            .flat_map(|topic| topic.partitions.iter().flatten().cloned())
            .collect()
    }

    /// Keys and values of a topic as text.
    pub fn texts(&self, topic: &str) -> Vec<(Option<String>, Option<String>)> {
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        self.records(topic).into_iter().map(|record| (record.key.map(text), record.value.map(text))).collect()
    }

    /// The committed offsets of a group.
    pub fn committed(&self, group: &str) -> Vec<(TopicPartition, i64)> {
        let state = self.lock();
        let offsets = state.groups.get(group).into_iter().flat_map(|group| group.offsets.iter());
        offsets.map(|(partition, offset)| (partition.clone(), *offset)).collect()
    }
}

impl State {
    /// Says whether the cluster answers.
    pub fn answers(&self) -> Result<()> {
        if self.down {
            return Err(Error::retriable("the cluster is away")
                .class("org.apache.kafka.common.errors.TimeoutException"));
        }
        Ok(())
    }

    pub fn is_down(&self) -> bool {
        self.down
    }

    /// Whether the answer that is due gets lost.
    pub fn loses_answer(&mut self) -> bool {
        let lost = self.lost_answers > 0;
        self.lost_answers = self.lost_answers.saturating_sub(1);
        lost
    }

    pub fn create(&mut self, name: &str, partitions: i32, settings: RawConfig) -> bool {
        if self.topics.contains_key(name) {
            return false;
        }
        let count = usize::try_from(partitions).unwrap_or(1).max(1);
        self.topics.insert(name.to_owned(), Topic { settings, partitions: vec![Vec::new(); count] });
        true
    }

    /// Why a record cannot be taken.
    pub fn refusal(&self, topic: &str, value_bytes: usize) -> Option<Error> {
        if let Some(why) = self.refusals.get(topic) {
            return Some(
                Error::fatal(why.clone()).class("org.apache.kafka.common.errors.InvalidTopicException"),
            );
        }
        (value_bytes > MESSAGE_BYTES_MAX).then(|| {
            Error::record(
                "The request included a message larger than the max message size the server will accept.",
            )
            .class("org.apache.kafka.common.errors.RecordTooLargeException")
        })
    }

    /// Appends a record; its partition and kafka_offset.
    pub fn append(&mut self, topic: &str, partition: Option<i32>, record: Stored) -> (i32, i64) {
        self.create(topic, 1, RawConfig::new());
        let Some(topic) = self.topics.get_mut(topic) else { return (0, 0) };
        let count = topic.partitions.len();
        let partition = match (partition, &record.key) {
            (Some(partition), _) => usize::try_from(partition).unwrap_or(0) % count,
            (None, Some(key)) => (murmur2(key) & 0x7fff_ffff) as usize % count,
            (None, None) => 0,
        };
        let records = &mut topic.partitions[partition];
        records.push(record);
        (partition as i32, records.len() as i64 - 1)
    }
}

/// The hash by which Kafka's producer chooses a partition: MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let chunks = data.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        let mut word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_kafka_does() {
        // From UtilsTest of Kafka's clients.
        let check = |text: &str, expect: i32| assert_eq!(murmur2(text.as_bytes()) as i32, expect, "{text}");
        check("21", -973_932_308);
        check("foobar", -790_332_482);
        check("a-little-bit-long-string", -985_981_536);
        check("abc", 479_470_107);
    }
}
