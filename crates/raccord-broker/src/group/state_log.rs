//! What the coordinators need of a log: the port to `__consumer_offsets` and `__transaction_state`.

use bytes::Bytes;
use thiserror::Error;

/// A record to be appended.
#[derive(Debug, Clone)]
pub struct StateRecord {
    /// Key, by which the log is compacted.
    pub key: Bytes,
    /// Value; none deletes the key.
    pub value: Option<Bytes>,
}

/// The transaction that records belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProducerTag {
    /// Producer id.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
}

/// What a replay hands over, in the order of the log.
#[derive(Debug, Clone)]
pub enum Replayed {
    /// A record.
    Record {
        /// Key.
        key: Bytes,
        /// Value; none deletes the key.
        value: Option<Bytes>,
        /// The transaction it belongs to, if any.
        producer: Option<ProducerTag>,
    },
    /// The end of a producer's transaction.
    Marker {
        /// Whose.
        producer: ProducerTag,
        /// Committed or aborted.
        committed: bool,
    },
}

/// Why a record was not written.
#[derive(Debug, Error)]
pub enum StateLogError {
    /// Larger than the log accepts; trying again does not help.
    #[error("the record is larger than the topic accepts: raise message.max.bytes")]
    TooLarge,
    /// The disk or the topic refused.
    #[error("the internal topic cannot be written: {0}")]
    Unavailable(String),
}

/// A compacted topic that a coordinator keeps its state in.
///
/// Calls block for as long as a write into the page cache takes. An `append` that returned `Ok` survives a killed
/// process. The coordinators append under the lock of the group or transaction concerned, so for one key the order in
/// the log is the order in memory; different keys may append to a partition at the same time.
pub trait StateLog: Send + Sync + 'static {
    /// Number of partitions. Does not change while the broker runs.
    fn partitions(&self) -> i32;

    /// Appends records as one batch, as part of a transaction if `producer` is given.
    fn append(
        &self,
        partition: i32,
        records: &[StateRecord],
        now_ms: i64,
        producer: Option<ProducerTag>,
    ) -> Result<(), StateLogError>;

    /// Appends the marker that ends a producer's transaction.
    fn append_marker(
        &self,
        partition: i32,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError>;

    /// Hands over everything the partition holds.
    fn replay(&self, partition: i32, each: &mut dyn FnMut(Replayed)) -> Result<(), StateLogError>;
}

/// Which partition of an internal topic holds a key: Java's `String.hashCode` without its sign, as clients and tools
/// expect it. Source: `Utils.abs(groupId.hashCode()) % partitions`.
pub fn partition_of(key: &str, partitions: i32) -> i32 {
    let hash =
        key.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn keys_hash_as_in_java() {
        // Values of Utils.abs("...".hashCode()) from a JVM.
        for (key, hash) in [
            ("", 0),
            ("a", 97),
            ("connect-cluster", 1_440_343_063),
            ("polygenelubricants", 0),
            ("gr☃pe", 107_873_901),
        ] {
            assert_eq!(partition_of(key, i32::MAX), hash, "{key}");
        }
    }
}
