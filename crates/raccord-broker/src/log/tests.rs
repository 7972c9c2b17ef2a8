use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::batch::{NewRecord, build, recompress};
use super::*;
use crate::clock::now_ms;

fn settings(segment_bytes: u64) -> LogSettings {
    LogSettings { segment_bytes, index_interval_bytes: 100, ..LogSettings::default() }
}

fn open(dir: &Path, settings: LogSettings) -> PartitionLog {
    PartitionLog::open(dir, Arc::new(settings)).expect("the log opens")
}

fn rows(values: &[&str], timestamp_ms: i64) -> Bytes {
    let row = |v: &&str| NewRecord {
        key: Some(Bytes::copy_from_slice(v.as_bytes())),
        value: Some(Bytes::copy_from_slice(v.as_bytes())),
        timestamp_ms,
    };
    build(&values.iter().map(row).collect::<Vec<_>>(), None, false)
}

fn append(log: &PartitionLog, values: &[&str]) -> i64 {
    log.append(rows(values, now_ms()), Origin::Client).expect("appends").base_offset
}

/// All values from `from` on, by replay.
fn values(log: &PartitionLog, from: i64) -> Vec<(i64, String)> {
    let mut out = Vec::new();
    log.replay(from, &mut |r| {
        out.push((r.offset, String::from_utf8_lossy(&r.value.unwrap_or_default()).into_owned()));
    })
    .expect("replays");
    out
}

/// All records from `from` on as a consumer fetches them, `max_bytes` at a time.
fn fetch_all(log: &PartitionLog, from: i64, max_bytes: usize, isolation: Isolation) -> Vec<(i64, Bytes)> {
    let mut out = Vec::new();
    let mut next = from;
    loop {
        let read = log.read(next, max_bytes, true, isolation).expect("reads");
        let mut rest = read.records.clone();
        let before = next;
        while let Ok(header) = Header::parse(&rest)
            && header.size() <= rest.len()
        {
            let body = rest.split_to(header.size());
            assert!(batch::crc_matches(&header, &body), "the check sum holds after patching");
            for record in batch::records(&header, &body).expect("decodes") {
                let offset = header.base_offset + i64::from(record.offset_delta);
                if offset >= next && !header.is_control() {
                    out.push((offset, record.value.unwrap_or_default()));
                }
            }
            next = header.last_offset() + 1;
        }
        assert!(rest.is_empty(), "only whole batches are read");
        if next == before {
            return out;
        }
    }
}

#[test]
fn every_truncation_of_an_unsynced_log_keeps_exactly_the_whole_batches() {
    for with_checkpoint in [false, true] {
        let origin = tempfile::tempdir().expect("a folder");
        let mut ends = vec![(0u64, 0i64)];
        {
            let log = open(origin.path(), settings(1 << 20));
            for i in 0..7 {
                let names: Vec<String> = (0..=i).map(|j| format!("value-{i}-{j}")).collect();
                append(&log, &names.iter().map(String::as_str).collect::<Vec<_>>());
                ends.push((log.size_bytes(), log.high_watermark()));
                if with_checkpoint && i == 2 {
                    log.checkpoint().expect("checkpoints");
                }
            }
        }
        let file = segment::file_name(0, "log");
        let whole = std::fs::read(origin.path().join(&file)).expect("reads");
        let checked = if with_checkpoint { ends[3].0 as usize } else { 0 };
        for len in checked..=whole.len() {
            let dir = tempfile::tempdir().expect("a folder");
            for entry in std::fs::read_dir(origin.path()).expect("lists") {
                let path = entry.expect("lists").path();
                std::fs::copy(&path, dir.path().join(path.file_name().expect("a name"))).expect("copies");
            }
            std::fs::write(dir.path().join(&file), &whole[..len]).expect("writes");
            let log = open(dir.path(), settings(1 << 20));
            let (bytes, end) = *ends.iter().rev().find(|(bytes, _)| *bytes <= len as u64).expect("0 fits");
            assert_eq!((log.size_bytes(), log.high_watermark()), (bytes, end), "cut at {len}");
            assert_eq!(values(&log, 0).len() as i64, end, "cut at {len}");
            assert_eq!(append(&log, &["after"]), end, "the log goes on where it ended");
            drop(log);
            let log = open(dir.path(), settings(1 << 20));
            assert_eq!(values(&log, end), vec![(end, "after".to_string())]);
        }
    }
}

#[test]
fn a_flipped_bit_ends_the_log_there_and_later_segments_go() {
    let origin = tempfile::tempdir().expect("a folder");
    {
        let log = open(origin.path(), settings(300));
        for i in 0..12 {
            append(&log, &[&format!("value number {i} with some length")]);
        }
    }
    let path = origin.path().join(segment::file_name(0, "log"));
    let mut bytes = std::fs::read(&path).expect("reads");
    let first = Header::parse(&bytes).expect("parses").size();
    bytes[first + 70] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    let log = open(origin.path(), settings(300));
    assert_eq!(log.high_watermark(), 1);
    assert_eq!(values(&log, 0).len(), 1);
    assert_eq!(append(&log, &["again"]), 1);
    let logs = std::fs::read_dir(origin.path()).expect("lists");
    let logs =
        logs.filter(|e| e.as_ref().expect("lists").path().extension().is_some_and(|x| x == "log")).count();
    assert_eq!(logs, 1);
}

#[test]
fn producers_and_transactions_survive_a_crash_with_and_without_a_checkpoint() {
    for checkpoint in [false, true] {
        let dir = tempfile::tempdir().expect("a folder");
        let tag = ProducerTag { producer_id: 9, producer_epoch: 2 };
        let marker =
            |committed| ControlMarker { producer_id: 9, producer_epoch: 2, committed, coordinator_epoch: 0 };
        let record = NewRecord { key: Some("k".into()), value: Some("v".into()), timestamp_ms: now_ms() };
        {
            let log = open(dir.path(), settings(1 << 20));
            append(&log, &["a"]);
            log.append_records_as(std::slice::from_ref(&record), tag).expect("appends");
            log.append_control_batch(&marker(false)).expect("aborts");
            log.append_records_as(std::slice::from_ref(&record), tag).expect("appends");
            append(&log, &["b"]);
            if checkpoint {
                log.checkpoint().expect("checkpoints");
            }
        }
        let log = open(dir.path(), settings(1 << 20));
        assert_eq!((log.high_watermark(), log.last_stable_offset()), (5, 3), "checkpoint: {checkpoint}");
        let read = log.read(0, 1 << 20, true, Isolation::ReadCommitted).expect("reads");
        assert_eq!(read.aborted, vec![Aborted { producer_id: 9, first_offset: 1, last_offset: 2 }]);
        let offsets =
            |isolation| fetch_all(&log, 0, 100, isolation).iter().map(|(o, _)| *o).collect::<Vec<_>>();
        assert_eq!(offsets(Isolation::ReadCommitted), vec![0, 1]);
        assert_eq!(offsets(Isolation::ReadUncommitted), vec![0, 1, 3, 4]);
        log.append_control_batch(&marker(true)).expect("commits");
        assert_eq!(log.last_stable_offset(), 6);
    }
}

#[test]
fn batches_that_break_a_rule_are_refused_with_kafkas_codes() {
    use kafka_protocol::ResponseError as E;
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), LogSettings { max_message_bytes: 300, ..settings(1 << 20) });
    let good = rows(&["x"], now_ms());
    let check = |bytes: Bytes, expect: E, what: &str| {
        let e = log.append(bytes, Origin::Client).expect_err(what);
        assert_eq!(e.code(), expect, "{what}: {e}");
    };
    let edit = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        bytes
    };
    let recode = |change: &dyn Fn(&mut Header)| {
        let mut header = Header::parse(&good).expect("parses");
        change(&mut header);
        header.encode(&good[batch::HEADER_LEN..])
    };
    check(edit(16, 1).into(), E::InvalidRecord, "magic 1");
    check(edit(16, 0).into(), E::InvalidRecord, "magic 0");
    check(edit(65, 9).into(), E::CorruptMessage, "a flipped byte");
    check(good.slice(..good.len() - 1), E::CorruptMessage, "a cut batch");
    check([good.clone(), good.clone()].concat().into(), E::InvalidRecord, "two batches");
    check(rows(&[&"y".repeat(400)], now_ms()), E::MessageTooLarge, "too large");
    check(recode(&|h| h.attributes |= 0x20), E::InvalidRecord, "a control batch");
    check(recode(&|h| h.attributes |= 0x07), E::UnsupportedCompressionType, "an unknown codec");
    check(recode(&|h| h.count = 7), E::InvalidRecord, "a wrong count");
    check(rows(&["x"], now_ms() + 7_200_000), E::InvalidTimestamp, "two hours ahead");
    assert_eq!(log.high_watermark(), 0, "nothing was appended");
    log.set_settings(Arc::new(LogSettings {
        cleanup: CleanupPolicy { delete: false, compact: true },
        ..settings(1 << 20)
    }));
    let keyless =
        build(&[NewRecord { key: None, value: Some("v".into()), timestamp_ms: now_ms() }], None, false);
    check(keyless, E::InvalidRecord, "no key in a compacted topic");
    log.close();
    check(good.clone(), E::UnknownTopicOrPartition, "closed");
}

#[test]
fn the_topic_may_set_time_and_codec() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), LogSettings { append_time: true, compression: Some(4), ..settings(1 << 20) });
    let appended = log.append(rows(&["hello", "world"], 5), Origin::Client).expect("appends");
    assert!(appended.append_time_ms > 5);
    let read = log.read(0, 1 << 20, true, Isolation::ReadUncommitted).expect("reads");
    let header = Header::parse(&read.records).expect("parses");
    assert!(header.is_append_time() && batch::crc_matches(&header, &read.records));
    assert_eq!((header.compression(), header.max_timestamp), (4, appended.append_time_ms));
    assert_eq!(fetch_all(&log, 0, 10, Isolation::ReadUncommitted).len(), 2);
    assert_eq!(
        log.query(TimeQuery::At(6), Isolation::ReadUncommitted).expect("finds"),
        Some((0, appended.append_time_ms))
    );
}

#[test]
fn times_are_found_in_every_segment_and_codec() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), settings(400));
    let base = now_ms() - 100_000;
    for i in 0..30i64 {
        let plain = rows(&["first", "second"], base + i * 1000);
        let header = Header::parse(&plain).expect("parses");
        let bytes = recompress(&header, &plain, (i % 5) as i16).expect("compresses");
        log.append(bytes, Origin::Client).expect("appends");
    }
    let at = |time| log.query(TimeQuery::At(time), Isolation::ReadUncommitted).expect("queries");
    assert_eq!(at(0), Some((0, base)));
    for i in 0..30 {
        assert_eq!(at(base + i * 1000), Some((i * 2, base + i * 1000)));
        assert_eq!(at(base + i * 1000 - 1), Some((i * 2, base + i * 1000)));
    }
    assert_eq!(at(base + 30_000), None);
    let latest = log.query(TimeQuery::MaxTimestamp, Isolation::ReadUncommitted).expect("queries");
    assert_eq!(latest, Some((58, base + 29_000)));
}

#[test]
fn retention_deletes_whole_segments_from_the_front() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), LogSettings { retention_ms: 50_000, ..settings(200) });
    let now = now_ms();
    for i in 0..10 {
        log.append(rows(&["a value"], now - 100_000 + i * 10_000), Origin::Client).expect("appends");
    }
    assert!(log.apply_retention(now).expect("runs") > 0);
    let start = log.log_start_offset();
    assert!((4..=6).contains(&start), "start {start}");
    assert!(matches!(
        log.read(0, 100, true, Isolation::ReadUncommitted),
        Err(LogError::OffsetOutOfRange { .. })
    ));
    log.set_settings(Arc::new(LogSettings { retention_ms: -1, retention_bytes: 200, ..settings(200) }));
    log.apply_retention(now).expect("runs");
    assert!(log.size_bytes() <= 400 && log.log_start_offset() > start);
    // Everything is old: the log becomes empty, and its offsets go on.
    log.set_settings(Arc::new(LogSettings { retention_ms: 0, ..settings(200) }));
    log.apply_retention(now + 1).expect("runs");
    assert_eq!((log.log_start_offset(), log.high_watermark(), log.size_bytes()), (10, 10, 0));
    drop(log);
    assert_eq!(append(&open(dir.path(), settings(200)), &["next"]), 10);
}

#[test]
fn deleted_records_stay_deleted() {
    let dir = tempfile::tempdir().expect("a folder");
    {
        let log = open(dir.path(), settings(200));
        for _ in 0..10 {
            append(&log, &["a value"]);
        }
        assert!(matches!(log.delete_records(11), Err(LogError::OffsetOutOfRange { .. })));
        assert_eq!(log.delete_records(5).expect("deletes"), 5);
        assert_eq!(log.delete_records(3).expect("is below"), 5);
    }
    let log = open(dir.path(), settings(200));
    assert_eq!((log.log_start_offset(), log.high_watermark()), (5, 10));
    assert_eq!(log.delete_records(-1).expect("deletes all"), 10);
    assert_eq!(log.read(10, 100, true, Isolation::ReadUncommitted).expect("reads").records.len(), 0);
}

#[test]
fn one_large_batch_passes_a_small_limit_once_and_not_where_it_is_not_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), settings(1 << 20));
    append(&log, &["small"]);
    append(&log, &[&"large".repeat(10_000)]);
    let at = |offset, whole| {
        log.read(offset, 200, whole, Isolation::ReadUncommitted).expect("reads").records.len()
    };
    assert!(at(1, true) > 50_000);
    assert_eq!(at(1, false), 0);
    assert!((61..=200).contains(&at(0, false)));
}

#[test]
fn a_read_ends_with_the_last_batch_that_fits() {
    for index_interval_bytes in [1, 150, 1 << 20] {
        let dir = tempfile::tempdir().expect("a folder");
        let log = open(dir.path(), LogSettings { index_interval_bytes, ..settings(1 << 20) });
        let size = |log: &PartitionLog, offset, max_bytes| {
            log.read(offset, max_bytes, false, Isolation::ReadUncommitted).expect("reads").records.len()
        };
        let one = rows(&["value"], now_ms()).len();
        for _ in 0..20 {
            append(&log, &["value"]);
        }
        for (offset, max_bytes, batches) in [
            (0, one * 3, 3),
            (0, one * 3 - 1, 2),
            (7, one * 3 + 1, 3),
            (7, one - 1, 0),
            (18, one * 3, 2),
            (0, usize::MAX >> 1, 20),
        ] {
            let read = size(&log, offset, max_bytes);
            assert_eq!(read, one * batches, "{max_bytes} bytes from {offset}, index {index_interval_bytes}");
        }
    }
}

#[test]
fn waiters_are_woken_by_an_append_between_look_and_wait() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), settings(1 << 20));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let waiter = Arc::new(Waiter::default());
        log.waiters().enter(&waiter);
        append(&log, &["x"]);
        tokio::time::timeout(std::time::Duration::from_secs(5), waiter.changed()).await.expect("was woken");
    });
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<String>, i16),
    Fetch(u8, usize),
    Reopen(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (prop::collection::vec("[a-z]{0,40}", 1..6), 0i16..5).prop_map(|(v, c)| Step::Append(v, c)),
        3 => (any::<u8>(), 1usize..600).prop_map(|(o, m)| Step::Fetch(o, m)),
        1 => any::<bool>().prop_map(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_fetched_is_what_was_produced(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = open(dir.path(), settings(500));
        let mut model: Vec<Bytes> = Vec::new();
        for step in steps {
            match step {
                Step::Append(values, codec) => {
                    let plain = rows(&values.iter().map(String::as_str).collect::<Vec<_>>(), now_ms());
                    let header = Header::parse(&plain).expect("parses");
                    let bytes = recompress(&header, &plain, codec).expect("compresses");
                    let at = log.append(bytes, Origin::Client).expect("appends").base_offset;
                    prop_assert_eq!(at, model.len() as i64);
                    model.extend(values.into_iter().map(Bytes::from));
                }
                Step::Fetch(offset, max_bytes) => {
                    let from = i64::from(offset) % (model.len() as i64 + 1);
                    let got = fetch_all(&log, from, max_bytes, Isolation::ReadUncommitted);
                    let expect: Vec<_> = (0..).zip(model.iter().cloned()).skip(from as usize).collect();
                    prop_assert_eq!(got, expect);
                }
                Step::Reopen(clean) => {
                    if clean {
                        log.checkpoint().expect("checkpoints");
                    }
                    drop(log);
                    log = open(dir.path(), settings(500));
                }
            }
            prop_assert_eq!(log.high_watermark(), model.len() as i64);
        }
    }
}

/// One step of a compacted topic's life.
#[derive(Debug, Clone)]
enum Change {
    /// Key, value (none deletes), codec.
    Put(u8, Option<u8>, i16),
    /// Producer, key, value.
    PutIn(u8, u8, Option<u8>),
    End(u8, bool),
    Compact,
    Reopen,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0u8..6, prop::option::weighted(0.8, any::<u8>()), 0i16..5).prop_map(|(k, v, c)| Change::Put(k, v, c)),
        4 => (0u8..3, 0u8..6, prop::option::weighted(0.8, any::<u8>())).prop_map(|(p, k, v)| Change::PutIn(p, k, v)),
        3 => (0u8..3, any::<bool>()).prop_map(|(p, c)| Change::End(p, c)),
        3 => Just(Change::Compact),
        1 => Just(Change::Reopen),
    ]
}

/// The table that a read_committed consumer ends up with, as a client computes it from fetched bytes.
fn committed_table(log: &PartitionLog) -> BTreeMap<u8, u8> {
    let read = log.read(log.log_start_offset(), 1 << 24, true, Isolation::ReadCommitted);
    let mut table = BTreeMap::new();
    let mut next = log.log_start_offset();
    let mut read = read.expect("reads");
    loop {
        let mut aborted = read.aborted.clone();
        aborted.sort_by_key(|a| a.first_offset);
        let mut aborted = aborted.into_iter().peekable();
        let mut open: HashMap<i64, ()> = HashMap::new();
        let mut rest = read.records.clone();
        if rest.is_empty() {
            return table;
        }
        while let Ok(header) = Header::parse(&rest)
            && header.size() <= rest.len()
        {
            let body = rest.split_to(header.size());
            assert!(batch::crc_matches(&header, &body));
            assert!(header.last_offset() >= next, "offsets rise");
            while let Some(a) = aborted.next_if(|a| a.first_offset <= header.last_offset()) {
                open.insert(a.producer_id, ());
            }
            next = header.last_offset() + 1;
            if header.is_control() {
                if let Some((false, _)) = append::decode_marker(&header, &body) {
                    open.remove(&header.producer_id);
                }
                continue;
            }
            if header.is_transactional() && open.contains_key(&header.producer_id) {
                continue;
            }
            for r in batch::records(&header, &body).expect("decodes") {
                let key = r.key.expect("a key")[0];
                match r.value {
                    Some(v) => table.insert(key, v[0]),
                    None => table.remove(&key),
                };
            }
        }
        read = log.read(next, 1 << 24, true, Isolation::ReadCommitted).expect("reads");
    }
}

#[derive(Default)]
struct Model {
    /// Per key all decided or undecided writes in log order: offset, value, producer of an undecided one.
    writes: Vec<(u8, Option<u8>, Option<u8>)>,
}

impl Model {
    fn end(&mut self, producer: u8, committed: bool) {
        if committed {
            self.writes.iter_mut().filter(|w| w.2 == Some(producer)).for_each(|w| w.2 = None);
        } else {
            self.writes.retain(|w| w.2 != Some(producer));
        }
    }

    /// What is visible: everything before the first undecided write.
    fn table(&self) -> BTreeMap<u8, u8> {
        let mut table = BTreeMap::new();
        for (key, value, _) in self.writes.iter().take_while(|w| w.2.is_none()) {
            match value {
                Some(v) => table.insert(*key, *v),
                None => table.remove(key),
            };
        }
        table
    }
}

fn compacted() -> LogSettings {
    LogSettings {
        cleanup: CleanupPolicy { delete: false, compact: true },
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 1000,
        ..settings(350)
    }
}

fn row(key: u8, value: Option<u8>) -> NewRecord {
    NewRecord { key: Some(vec![key].into()), value: value.map(|v| vec![v].into()), timestamp_ms: now_ms() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn compaction_never_changes_what_a_consumer_ends_up_with(changes in prop::collection::vec(change(), 1..80)) {
        let dir = tempfile::tempdir().expect("a folder");
        let mut log = open(dir.path(), compacted());
        let mut model = Model::default();
        let mut now = now_ms();
        for change in changes {
            match change {
                Change::Put(key, value, codec) => {
                    let plain = build(&[row(key, value)], None, false);
                    let header = Header::parse(&plain).expect("parses");
                    log.append(recompress(&header, &plain, codec).expect("compresses"), Origin::Client).expect("appends");
                    model.writes.push((key, value, None));
                }
                Change::PutIn(producer, key, value) => {
                    let tag = ProducerTag { producer_id: producer.into(), producer_epoch: 0 };
                    log.append_records_as(&[row(key, value)], tag).expect("appends");
                    model.writes.push((key, value, Some(producer)));
                }
                Change::End(producer, committed) => {
                    let producer_id = producer.into();
                    let marker = ControlMarker { producer_id, producer_epoch: 0, committed, coordinator_epoch: 0 };
                    log.append_control_batch(&marker).expect("appends");
                    model.end(producer, committed);
                }
                Change::Compact => {
                    // Past every horizon set so far, so that tombstones and markers really go.
                    now += 2000;
                    log.compact_if_due(now).expect("compacts");
                }
                Change::Reopen => {
                    drop(log);
                    log = open(dir.path(), compacted());
                }
            }
            prop_assert_eq!(committed_table(&log), model.table());
        }
    }
}

#[test]
fn compaction_leaves_one_record_per_key_and_tombstones_for_their_time_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), compacted());
    for i in 0..200u8 {
        log.append_records(&[row(i % 5, Some(i))]).expect("appends");
    }
    log.append_records(&[row(0, None)]).expect("appends");
    // Filler, to push the tombstone out of the active segment.
    for i in 0..10 {
        log.append_records(&[row(100, Some(i))]).expect("appends");
    }
    let before = log.size_bytes();
    let now = now_ms();
    assert!(log.compact_if_due(now).expect("compacts"));
    assert!(log.size_bytes() * 5 < before, "{} of {before} bytes left", log.size_bytes());
    let keys = |log: &PartitionLog| {
        let mut keys: BTreeMap<u8, Vec<bool>> = BTreeMap::new();
        log.replay(0, &mut |r| keys.entry(r.key.expect("key")[0]).or_default().push(r.value.is_some()))
            .expect("replays");
        keys
    };
    let found = keys(&log);
    assert_eq!(found[&0], vec![false], "the tombstone is still there");
    for key in 1..5 {
        assert_eq!(found[&key], vec![true]);
    }
    for i in 0..10 {
        log.append_records(&[row(100, Some(i))]).expect("appends");
    }
    log.compact_if_due(now + 500).expect("compacts");
    assert!(keys(&log).contains_key(&0), "too early to drop it");
    for i in 0..10 {
        log.append_records(&[row(100, Some(i))]).expect("appends");
    }
    assert!(log.compact_if_due(now + 1500).expect("compacts"));
    assert!(!keys(&log).contains_key(&0), "its time is over");
    drop(log);
    let log = open(dir.path(), compacted());
    assert_eq!(keys(&log).len(), 5);
}

#[test]
fn an_interrupted_swap_is_finished_at_the_next_start() {
    let dir = tempfile::tempdir().expect("a folder");
    {
        let log = open(dir.path(), settings(250));
        for i in 0..18 {
            append(&log, &[&format!("value {i}")]);
        }
    }
    let first = dir.path().join(segment::file_name(0, "log"));
    let mut bases: Vec<i64> = std::fs::read_dir(dir.path())
        .expect("lists")
        .filter_map(|e| e.expect("lists").path().file_name()?.to_str()?.strip_suffix(".log")?.parse().ok())
        .collect();
    bases.sort_unstable();
    assert!(bases.len() > 3, "{bases:?}");
    let next = bases[2];
    let cleaned = std::fs::read(&first).expect("reads");
    let kept = Header::parse(&cleaned).expect("parses").size();
    std::fs::write(dir.path().join(recovery::swap_name(0, next)), &cleaned[..kept]).expect("writes");
    std::fs::write(dir.path().join("00000000000000000000.cleaned"), b"half").expect("writes");
    let log = open(dir.path(), settings(250));
    let offsets: Vec<i64> = values(&log, 0).iter().map(|(o, _)| *o).collect();
    assert_eq!(offsets, std::iter::once(0).chain(next..18).collect::<Vec<_>>());
    assert_eq!(
        std::fs::read_dir(dir.path())
            .expect("lists")
            .filter(|e| {
                let path = e.as_ref().expect("lists").path();
                path.extension().is_some_and(|x| x == "swap" || x == "cleaned")
            })
            .count(),
        0
    );
}
