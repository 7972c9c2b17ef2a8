use super::*;
use proptest::prelude::*;

fn record(key: Option<&str>, value: Option<&str>, timestamp_ms: i64) -> NewRecord {
    let bytes = |s: &str| Bytes::copy_from_slice(s.as_bytes());
    NewRecord { key: key.map(bytes), value: value.map(bytes), timestamp_ms }
}

#[test]
fn kafka_protocol_reads_what_we_build() {
    let built = build(&[record(Some("k"), Some("v"), 5), record(None, None, 9)], None, false);
    let set = kafka_protocol::records::RecordBatchDecoder::decode(&mut built.clone()).expect("decodes");
    assert_eq!(set.records.len(), 2);
    assert_eq!(set.records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(set.records[1].timestamp, 9);
    assert_eq!(set.records[1].offset, 1);
}

#[test]
fn sequence_wraps_like_the_clients_do() {
    assert_eq!(add_sequence(i32::MAX, 1), 0);
    assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
    assert_eq!(add_sequence(7, 0), 7);
}

#[test]
fn a_lying_record_count_is_an_error_and_costs_nothing() {
    let built = build(&[record(Some("k"), Some("v"), 5)], None, false);
    let mut header = Header::parse(&built).expect("parses");
    header.count = i32::MAX;
    assert_eq!(records(&header, &built), Err(BatchError::Short));
}

#[test]
fn a_decompression_bomb_is_refused_in_every_codec() {
    let zeros = vec![0; INFLATED_MAX + 1];
    for codec in 1..5 {
        let packed = deflate(codec, &zeros).expect("compresses");
        assert!(packed.len() < INFLATED_MAX / 15, "codec {codec}: {}", packed.len());
        assert!(matches!(inflate(codec, packed), Err(BatchError::Compression(_))), "codec {codec}");
    }
}

proptest! {
    #[test]
    fn every_codec_gives_the_records_back(
        rows in prop::collection::vec((prop::option::of("[a-z]{0,9}"), prop::option::of(".{0,40}"), -5i64..1 << 40), 1..40),
        codec in 0i16..5,
    ) {
        let rows: Vec<NewRecord> = rows.iter().map(|(k, v, t)| record(k.as_deref(), v.as_deref(), *t)).collect();
        let plain = build(&rows, None, false);
        let header = Header::parse(&plain).expect("parses");
        prop_assert!(crc_matches(&header, &plain));
        let packed = recompress(&header, &plain, codec).expect("compresses");
        let header = Header::parse(&packed).expect("parses");
        prop_assert!(crc_matches(&header, &packed));
        prop_assert_eq!(header.compression(), codec);
        let back = records(&header, &packed).expect("reads");
        prop_assert_eq!(back.len(), rows.len());
        for (i, (raw, row)) in back.iter().zip(&rows).enumerate() {
            prop_assert_eq!(raw.offset_delta, i as i32);
            prop_assert_eq!(raw.timestamp_delta + header.base_timestamp, row.timestamp_ms);
            prop_assert_eq!(&raw.key, &row.key);
            prop_assert_eq!(&raw.value, &row.value);
        }
    }

    #[test]
    fn varints_round_trip(v in any::<i64>()) {
        let mut out = BytesMut::new();
        put_varint(&mut out, v);
        prop_assert_eq!(out.len(), varint_len(v));
        prop_assert_eq!(get_varint(&out, &mut 0).expect("reads"), v);
    }

    #[test]
    fn arbitrary_bytes_never_panic(junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let junk = Bytes::from(junk);
        if let Ok(header) = Header::parse(&junk) && header.size() <= junk.len() {
            let _ = records(&header, &junk);
        }
    }
}
