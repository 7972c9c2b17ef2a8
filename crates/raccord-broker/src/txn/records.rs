//! The records of `__transaction_state`, in Kafka's own format.
//!
//! Version 0 is written, the one Kafka writes as long as its `transaction.version` feature is off, which is what this
//! broker tells its clients. Format source: `TransactionLogKey/Value.json` of Kafka 4.3; the bytes in the tests were
//! produced by its generated classes.

use super::state::{Status, Transaction};
use crate::group::fields::{FieldError, Reader, Writer};
use crate::group::{Name, PartitionName};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The key of a transaction.
pub(super) fn encode_key(transactional_id: &str) -> Bytes {
    let mut out = Writer::with_prefix(0);
    out.string(transactional_id);
    out.finish()
}

/// Reads a key.
pub(super) fn decode_key(bytes: &[u8]) -> Result<Name, FieldError> {
    let mut read = Reader::new(bytes);
    match read.i16("record type")? {
        0 => Ok(Name::from(read.string(false, "transactional id")?)),
        version => Err(FieldError::Version { record: "the key of a transaction", version }),
    }
}

/// The value of a transaction. The previous epoch has no room in version 0: after a restart a producer that repeats its
/// InitProducerId gets a new epoch instead of the same one.
pub(super) fn encode_value(transaction: &Transaction) -> Bytes {
    let mut out = Writer::with_prefix(0);
    out.i64(transaction.producer_id);
    out.i16(transaction.epoch);
    out.i32(transaction.timeout_ms);
    out.i8(transaction.status.id());
    if transaction.status == Status::Empty {
        out.i32(-1);
    } else {
        let mut topics: BTreeMap<&Name, Vec<i32>> = BTreeMap::new();
        for partition in &transaction.partitions {
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        out.array_len(topics.len());
        for (topic, partitions) in topics {
            out.string(topic);
            out.array_len(partitions.len());
            partitions.into_iter().for_each(|partition| out.i32(partition));
        }
    }
    out.i64(transaction.updated_ms);
    out.i64(transaction.start_ms);
    out.finish()
}

/// Reads a value.
pub(super) fn decode_value(id: Name, bytes: &[u8]) -> Result<Transaction, FieldError> {
    let mut read = Reader::new(bytes);
    match read.i16("version")? {
        0 => {}
        version => return Err(FieldError::Version { record: "a transaction", version }),
    }
    let producer_id = read.i64("producer id")?;
    let epoch = read.i16("producer epoch")?;
    let timeout_ms = read.i32("timeout")?;
    let status = Status::from_id(read.i8("status")?).ok_or(FieldError::Value("status"))?;
    let mut partitions = BTreeSet::new();
    for _ in 0..read.array_len(false, "topics")?.unwrap_or(0) {
        let topic = Name::from(read.string(false, "topic")?);
        for _ in 0..read.array_len(false, "partitions")?.unwrap_or(0) {
            partitions.insert(PartitionName { topic: topic.clone(), partition: read.i32("partition")? });
        }
    }
    let updated_ms = read.i64("last update")?;
    let start_ms = read.i64("start")?;
    Ok(Transaction {
        id,
        producer_id,
        epoch,
        last_epoch: -1,
        timeout_ms,
        status,
        partitions,
        start_ms,
        updated_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    fn transaction() -> Transaction {
        Transaction {
            id: "tx-1".into(),
            producer_id: 1000,
            epoch: 4,
            last_epoch: -1,
            timeout_ms: 60_000,
            status: Status::Ongoing,
            partitions: [0, 2].map(|partition| PartitionName { topic: "t".into(), partition }).into(),
            start_ms: 1_700_000_000_000,
            updated_ms: 1_700_000_000_001,
        }
    }

    #[test]
    fn records_are_those_of_kafka() {
        assert_eq!(encode_key("tx-1"), hex("0000000474782d31"));
        assert_eq!(decode_key(&hex("0000000474782d31")), Ok("tx-1".into()));
        let ongoing = hex(
            "000000000000000003e800040000ea6001000000010001740000000200000000000000020000018bcfe568010000018bcfe56800",
        );
        assert_eq!(encode_value(&transaction()), ongoing);
        assert_eq!(decode_value("tx-1".into(), &ongoing), Ok(transaction()));
        let empty = hex("000000000000000003e800000000ea6000ffffffff0000000000000001ffffffffffffffff");
        let expect = Transaction {
            epoch: 0,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            start_ms: -1,
            updated_ms: 1,
            ..transaction()
        };
        assert_eq!(encode_value(&expect), empty);
        assert_eq!(decode_value("tx-1".into(), &empty), Ok(expect));
    }

    proptest! {
        #[test]
        fn round_trip(
            producer_id: i64, epoch: i16, timeout_ms: i32, status in 0i8..=7, start_ms: i64, updated_ms: i64,
            partitions in proptest::collection::btree_set(("[a-c☃]{1,3}", 0i32..5), 0..8),
        ) {
            let status = Status::from_id(status).unwrap();
            let name = |(topic, partition): (String, i32)| PartitionName { topic: topic.into(), partition };
            let partitions = match status {
                Status::Empty => BTreeSet::new(),
                _ => partitions.into_iter().map(name).collect(),
            };
            let id = Name::from("x");
            let value = Transaction {
                id: id.clone(), producer_id, epoch, last_epoch: -1, timeout_ms, status, partitions, start_ms, updated_ms,
            };
            prop_assert_eq!(decode_value(id, &encode_value(&value)), Ok(value));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let prefixed: Vec<u8> = [0, 0].into_iter().chain(bytes).collect();
            let _ = (decode_key(&prefixed), decode_value("x".into(), &prefixed));
        }
    }
}
