#![allow(clippy::unwrap_used, reason = "a test may panic")]

use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;

use super::*;

type Headers = Vec<(Arc<str>, Option<Vec<u8>>)>;

#[derive(Clone, Debug)]
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    timestamp: i64,
}

fn write(records: &[Sent], topic: &Arc<str>) -> Batch {
    let mut batch = Batch::new(vec![7; 100], Instant::now());
    for (ticket, sent) in records.iter().enumerate() {
        let record = Outgoing {
            topic,
            partition: None,
            timestamp: None,
            key: sent.key.as_deref(),
            value: sent.value.as_deref(),
            headers: &sent.headers,
            ticket: ticket as u64,
        };
        let before = batch.len();
        batch.push(&record, sent.timestamp, cost(&record));
        assert!(batch.len() - before + HEADER_LEN <= size_limit(&record));
        assert!(batch.len() - before <= cost(&record) + RECORD_OVERHEAD);
        assert!(size_limit(&record) <= cost(&record) + OVERHEAD);
    }
    batch
}

/// Reads a batch with a decoder that is not ours, check sum included.
fn read(batch: &mut Batch) -> Vec<Sent> {
    let records = RecordBatchDecoder::decode(&mut batch.close()).unwrap().records;
    let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..records.len() as i64).collect::<Vec<_>>());
    let headers = |record: &kafka_protocol::records::Record| {
        let pairs = record.headers.iter();
        pairs
            .map(|(name, value)| (name.as_str().into(), value.as_ref().map(|value| value.to_vec())))
            .collect()
    };
    let sent = |record: &kafka_protocol::records::Record| Sent {
        key: record.key.as_ref().map(|key| key.to_vec()),
        value: record.value.as_ref().map(|value| value.to_vec()),
        headers: headers(record),
        timestamp: record.timestamp,
    };
    records.iter().map(sent).collect()
}

fn check(expect: &[Sent], got: &[Sent]) {
    assert_eq!(format!("{expect:?}"), format!("{got:?}"));
}

fn sent() -> impl Strategy<Value = Sent> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    // Names differ: the decoder of these tests keeps headers by name.
    let headers = proptest::collection::vec(bytes(), 0..4).prop_map(|values| {
        values.into_iter().enumerate().map(|(index, value)| (format!("h{index}").into(), value)).collect()
    });
    let timestamp = prop_oneof![0..4_000_000_000_000_i64, 1_700_000_000_000..1_700_000_000_100_i64];
    (bytes(), bytes(), headers, timestamp).prop_map(|(key, value, headers, timestamp)| Sent {
        key,
        value,
        headers,
        timestamp,
    })
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(records in proptest::collection::vec(sent(), 1..80)) {
        let mut batch = write(&records, &"t".into());
        check(&records, &read(&mut batch));
    }

    #[test]
    fn halves_hold_what_the_whole_held(records in proptest::collection::vec(sent(), 2..200)) {
        let whole = write(&records, &"t".into());
        let total = whole.cost;
        let mut halves = whole.split().unwrap();
        let (first, second) = records.split_at(records.len() / 2);
        check(first, &read(&mut halves[0]));
        check(second, &read(&mut halves[1]));
        let tickets: Vec<u64> = halves.iter().flat_map(|half| half.tickets().to_vec()).collect();
        prop_assert_eq!(tickets, (0..records.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(halves[0].cost + halves[1].cost, total);
    }

    #[test]
    fn numbers_are_as_long_as_reckoned(number in any::<i64>()) {
        let mut out = Vec::new();
        put_varint(&mut out, number);
        prop_assert_eq!(out.len(), varint_len(number));
        prop_assert_eq!(take_varint(&out), Some((number, &[][..])));
    }
}

#[test]
fn one_record_cannot_be_split() {
    let record = Sent { key: None, value: None, headers: Vec::new(), timestamp: 0 };
    assert!(write(&[record], &"t".into()).split().is_none());
}
