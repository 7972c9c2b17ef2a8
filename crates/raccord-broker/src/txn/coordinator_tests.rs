//! The transaction coordinator through its requests, on logs in memory, with a disk that fails on demand.

use super::coordinator::{TransactionCoordinator, TransactionPorts, TransactionSettings};
use crate::group::memory_log::{MemoryLog, SomePartitions};
use crate::group::state_log::{ProducerTag, StateLogError};
use crate::group::timers::Clock;
use crate::group::{GroupCoordinator, GroupSettings, PartitionCatalog};
use crate::request::RequestContext;
use bytes::BytesMut;
use kafka_protocol::error::ResponseError as E;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The data partitions: markers that were written, as `topic-partition producer/epoch outcome`.
#[derive(Default)]
struct Disk {
    markers: Mutex<Vec<String>>,
    broken: AtomicBool,
    next_id: AtomicI64,
}

impl TransactionPorts for Disk {
    fn has_partition(&self, topic: &str, partition: i32) -> bool {
        SomePartitions.has_partition(topic, partition)
    }

    fn append_marker(
        &self,
        topic: &str,
        partition: i32,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        // One partition still works, so that a transaction can end half way.
        if self.broken.load(Ordering::Relaxed) && partition > 0 {
            return Err(StateLogError::Unavailable("broken on purpose".into()));
        }
        let outcome = if committed { "commit" } else { "abort" };
        self.markers.lock().push(format!("{topic}-{partition} {}/{} {outcome}", producer.id, producer.epoch));
        Ok(())
    }

    fn allocate_producer_id(&self) -> std::io::Result<i64> {
        Ok(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

struct Rig {
    offsets: Arc<MemoryLog>,
    log: Arc<MemoryLog>,
    disk: Arc<Disk>,
    groups: Arc<GroupCoordinator>,
    txns: Arc<TransactionCoordinator>,
    settings: TransactionSettings,
    stop: CancellationToken,
}

fn ctx() -> RequestContext {
    RequestContext {
        correlation_id: 1,
        client_id: None,
        peer: [127, 0, 0, 1].into(),
        gone: CancellationToken::new(),
    }
}

fn s(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn id(text: &str) -> TransactionalId {
    TransactionalId(s(text))
}

impl Rig {
    fn new(change: impl FnOnce(&mut TransactionSettings)) -> Self {
        let mut settings = TransactionSettings { retry_ms: 20, ..TransactionSettings::default() };
        change(&mut settings);
        let (offsets, log) = (Arc::new(MemoryLog::new(2)), Arc::new(MemoryLog::new(2)));
        Rig::on(offsets, log, Arc::default(), settings)
    }

    fn on(
        offsets: Arc<MemoryLog>,
        log: Arc<MemoryLog>,
        disk: Arc<Disk>,
        settings: TransactionSettings,
    ) -> Self {
        let clock = Arc::new(Clock::new());
        let catalog = Arc::new(SomePartitions);
        let groups =
            GroupCoordinator::load(GroupSettings::default(), offsets.clone(), catalog, clock.clone());
        let groups = Arc::new(groups.unwrap());
        let txns =
            TransactionCoordinator::load(settings.clone(), log.clone(), disk.clone(), groups.clone(), clock);
        let txns = Arc::new(txns.unwrap());
        let stop = CancellationToken::new();
        let (running, until) = (txns.clone(), stop.clone());
        tokio::spawn(async move { running.run(until).await });
        Rig { offsets, log, disk, groups, txns, settings, stop }
    }

    /// The same logs, read by a coordinator that comes after a crash.
    fn restarted(&self) -> Self {
        self.stop.cancel();
        Rig::on(self.offsets.clone(), self.log.clone(), self.disk.clone(), self.settings.clone())
    }

    fn break_disk(&self, broken: bool) {
        self.disk.broken.store(broken, Ordering::Relaxed);
    }

    fn markers(&self) -> Vec<String> {
        std::mem::take(&mut *self.disk.markers.lock())
    }

    async fn init(&self, name: &str, claimed: Option<ProducerTag>) -> Result<ProducerTag, i16> {
        self.init_with(name, claimed, 60_000).await
    }

    async fn init_with(
        &self,
        name: &str,
        claimed: Option<ProducerTag>,
        timeout_ms: i32,
    ) -> Result<ProducerTag, i16> {
        let claimed = claimed.unwrap_or(ProducerTag { id: -1, epoch: -1 });
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id(name)))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(claimed.id))
            .with_producer_epoch(claimed.epoch);
        let answer = self.txns.init_producer_id(&ctx(), request, 4).await;
        match answer.error_code {
            0 => Ok(ProducerTag { id: answer.producer_id.0, epoch: answer.producer_epoch }),
            code => Err(code),
        }
    }

    async fn add(&self, name: &str, producer: ProducerTag, topic: &str, partitions: &[i32]) -> Vec<i16> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(TopicName(s(topic)))
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id(name))
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answer = self.txns.add_partitions_to_txn(&ctx(), request, 3).await;
        let results = answer.results_by_topic_v3_and_below.into_iter().flat_map(|t| t.results_by_partition);
        results.map(|result| result.partition_error_code).collect()
    }

    async fn add_offsets(&self, name: &str, producer: ProducerTag, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id(name))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_group_id(GroupId(s(group)));
        self.txns.add_offsets_to_txn(&ctx(), request, 3).await.error_code
    }

    async fn commit_offset(&self, name: &str, producer: ProducerTag, group: &str, offset: i64) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(s("t")))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(id(name))
            .with_group_id(GroupId(s(group)))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_topics(vec![topic]);
        self.txns.txn_offset_commit(&ctx(), request, 3).await.topics[0].partitions[0].error_code
    }

    /// The group's offset of partition 0 of `t`, and the error.
    async fn offset(&self, group: &str) -> (i64, i16) {
        let topic =
            OffsetFetchRequestTopics::default().with_name(TopicName(s("t"))).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(s(group)))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![group]);
        let answer = self.groups.offset_fetch(&ctx(), request, 9).await;
        let partition = &answer.groups[0].topics[0].partitions[0];
        (partition.committed_offset, partition.error_code)
    }

    async fn end(&self, name: &str, producer: ProducerTag, commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(id(name))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_committed(commit);
        self.txns.end_txn(&ctx(), request, 4).await.error_code
    }

    /// Waits for a state.
    async fn until(&self, name: &str, state: &str) {
        for _ in 0..500 {
            if self.state(name).await == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{name} is {} and not {state}", self.state(name).await);
    }

    async fn state(&self, name: &str) -> String {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id(name)]);
        let answer = self.txns.describe_transactions(&ctx(), request, 0).await;
        answer.transaction_states[0].transaction_state.to_string()
    }
}

#[tokio::test]
async fn a_commit_reaches_all_partitions_and_the_offsets() {
    let rig = Rig::new(|_| {});
    let producer = rig.init("x", None).await.unwrap();
    assert_eq!(rig.add("x", producer, "t", &[0, 1]).await, [0, 0]);
    assert_eq!(rig.add_offsets("x", producer, "g").await, 0);
    assert_eq!(rig.commit_offset("x", producer, "g", 7).await, 0);
    assert_eq!(rig.offset("g").await, (-1, E::UnstableOffsetCommit.code()));
    assert_eq!(rig.end("x", producer, true).await, 0);
    assert_eq!(rig.offset("g").await, (7, 0));
    assert_eq!(rig.markers(), ["t-0 0/0 commit", "t-1 0/0 commit"]);
    assert_eq!(rig.end("x", producer, true).await, 0, "asked again");
    assert_eq!(rig.end("x", producer, false).await, E::InvalidTxnState.code());
    assert!(rig.markers().is_empty());
    assert_eq!(rig.restarted().offset("g").await, (7, 0));
}

#[tokio::test]
async fn a_crash_between_decision_and_markers_ends_as_decided() {
    for commit in [true, false] {
        let rig = Rig::new(|_| {});
        let producer = rig.init("x", None).await.unwrap();
        rig.add("x", producer, "t", &[0, 1]).await;
        rig.add_offsets("x", producer, "g").await;
        assert_eq!(rig.commit_offset("x", producer, "g", 7).await, 0);
        rig.break_disk(true);
        assert_eq!(rig.end("x", producer, commit).await, 0, "decided");
        let prepared = if commit { "PrepareCommit" } else { "PrepareAbort" };
        assert_eq!(rig.state("x").await, prepared);
        assert_eq!(rig.add("x", producer, "t", &[2]).await, [E::ConcurrentTransactions.code()]);
        assert_eq!(rig.init("x", None).await, Err(E::ConcurrentTransactions.code()));
        // Half of the markers may be there; all come again.
        rig.markers();
        rig.break_disk(false);
        let rig = rig.restarted();
        let outcome = if commit { "commit" } else { "abort" };
        assert_eq!(rig.markers(), [format!("t-0 0/0 {outcome}"), format!("t-1 0/0 {outcome}")]);
        assert_eq!(rig.state("x").await, prepared.replace("Prepare", "Complete"));
        assert_eq!(rig.offset("g").await, if commit { (7, 0) } else { (-1, 0) });
        assert_eq!(rig.init("x", None).await, Ok(ProducerTag { id: 0, epoch: 1 }));
    }
}

#[tokio::test]
async fn markers_that_cannot_be_written_are_tried_until_they_can() {
    let rig = Rig::new(|_| {});
    let producer = rig.init("x", None).await.unwrap();
    rig.add("x", producer, "t", &[1]).await;
    rig.break_disk(true);
    assert_eq!(rig.end("x", producer, true).await, 0);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rig.state("x").await, "PrepareCommit");
    rig.break_disk(false);
    rig.until("x", "CompleteCommit").await;
    assert_eq!(rig.markers(), ["t-1 0/0 commit"]);
}

#[tokio::test]
async fn an_undecided_transaction_stays_open_over_a_restart() {
    let rig = Rig::new(|_| {});
    let producer = rig.init("x", None).await.unwrap();
    rig.add("x", producer, "t", &[0]).await;
    rig.add_offsets("x", producer, "g").await;
    rig.commit_offset("x", producer, "g", 7).await;
    let rig = rig.restarted();
    assert_eq!((rig.state("x").await, rig.markers().len()), ("Ongoing".to_owned(), 0));
    assert_eq!(rig.offset("g").await, (-1, E::UnstableOffsetCommit.code()));
    assert_eq!(rig.end("x", producer, true).await, 0);
    assert_eq!(rig.offset("g").await, (7, 0));
}

#[tokio::test]
async fn the_next_producer_fences_and_aborts() {
    let rig = Rig::new(|_| {});
    let first = rig.init("x", None).await.unwrap();
    rig.add("x", first, "t", &[0]).await;
    let second = rig.init("x", None).await.unwrap();
    assert_eq!((second.id, second.epoch), (first.id, 2), "one epoch aborts, the next is handed out");
    assert_eq!(rig.markers(), ["t-0 0/1 abort"]);
    let fenced = E::ProducerFenced.code();
    assert_eq!(rig.add("x", first, "t", &[0]).await, [fenced]);
    assert_eq!(rig.end("x", first, true).await, fenced);
    assert_eq!(rig.commit_offset("x", first, "g", 1).await, E::InvalidProducerEpoch.code());
    assert_eq!(rig.init("x", Some(first)).await, Err(fenced));
    // Raises its own epoch after an error; asking again gives the same.
    let third = rig.init("x", Some(second)).await.unwrap();
    assert_eq!(third.epoch, 3);
    assert_eq!(rig.init("x", Some(second)).await, Ok(third));
}

#[tokio::test]
async fn bad_requests_get_kafkas_errors() {
    let rig = Rig::new(|settings| settings.ids_max = 1);
    let producer = rig.init("x", None).await.unwrap();
    let stranger = ProducerTag { id: 99, epoch: 0 };
    assert_eq!(rig.init("", None).await, Err(E::InvalidRequest.code()));
    assert_eq!(rig.init("y", None).await, Err(E::PolicyViolation.code()));
    for timeout_ms in [0, -1, 900_001] {
        assert_eq!(rig.init_with("x", None, timeout_ms).await, Err(E::InvalidTransactionTimeout.code()));
    }
    let half = ProducerTag { id: -1, epoch: 3 };
    assert_eq!(rig.init("x", Some(half)).await, Err(E::InvalidRequest.code()));
    assert_eq!(rig.add("x", stranger, "t", &[0]).await, [E::InvalidProducerIdMapping.code()]);
    assert_eq!(rig.add("nobody", producer, "t", &[0]).await, [E::InvalidProducerIdMapping.code()]);
    let mixed = [E::OperationNotAttempted.code(), E::UnknownTopicOrPartition.code()];
    assert_eq!(rig.add("x", producer, "t", &[0, 9]).await, mixed);
    assert_eq!(rig.end("x", producer, true).await, E::InvalidTxnState.code());
    assert_eq!(rig.commit_offset("x", producer, "g", 1).await, E::InvalidTxnState.code());
    assert_eq!(rig.add("x", producer, "t", &[0]).await, [0]);
    assert_eq!(rig.commit_offset("x", producer, "g", 1).await, E::InvalidTxnState.code(), "group not added");
    assert_eq!(rig.state("nobody").await, "");
}

#[tokio::test]
async fn a_transaction_over_its_time_is_aborted() {
    let rig = Rig::new(|_| {});
    let producer = rig.init_with("x", None, 400).await.unwrap();
    rig.add("x", producer, "t", &[0]).await;
    assert_eq!(rig.state("x").await, "Ongoing");
    rig.until("x", "CompleteAbort").await;
    assert_eq!(rig.markers(), ["t-0 0/1 abort"]);
    assert_eq!(rig.end("x", producer, true).await, E::ProducerFenced.code());
}

#[tokio::test]
async fn nothing_happens_that_was_not_written() {
    let rig = Rig::new(|_| {});
    let producer = rig.init("x", None).await.unwrap();
    rig.log.broken.store(true, Ordering::Relaxed);
    let unavailable = E::CoordinatorNotAvailable.code();
    assert_eq!(rig.add("x", producer, "t", &[0]).await, [unavailable]);
    assert_eq!(rig.init("x", None).await, Err(unavailable));
    rig.log.broken.store(false, Ordering::Relaxed);
    assert_eq!(rig.add("x", producer, "t", &[0]).await, [0]);
    rig.log.broken.store(true, Ordering::Relaxed);
    assert_eq!(rig.end("x", producer, true).await, unavailable);
    assert!(rig.markers().is_empty(), "no marker before the decision is written");
    assert_eq!(rig.state("x").await, "Ongoing");
}

#[tokio::test]
async fn unused_ids_are_forgotten() {
    let rig = Rig::new(|settings| {
        settings.id_expiration_ms = 50;
        settings.expiration_check_interval_ms = 50;
    });
    rig.init("idle", None).await.unwrap();
    let open = rig.init("open", None).await.unwrap();
    rig.add("open", open, "t", &[0]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for rig in [&rig, &rig.restarted()] {
        let request = ListTransactionsRequest::default().with_duration_filter(-1);
        let all = rig.txns.list_transactions(&ctx(), request, 1).await.transaction_states;
        let all: Vec<String> = all.iter().map(|state| state.transactional_id.to_string()).collect();
        assert_eq!(all, ["open"]);
    }
}

fn encodes<T: Encodable>(answer: &T, version: i16) {
    let mut bytes = BytesMut::new();
    answer
        .encode(&mut bytes, version)
        .unwrap_or_else(|e| panic!("{} {version}: {e}", std::any::type_name::<T>()));
}

#[tokio::test]
async fn answers_encode_at_every_version() {
    let rig = Rig::new(|_| {});
    let producer = rig.init("x", None).await.unwrap();
    let fenced =
        |version, from: i16| if version < from { E::InvalidProducerEpoch } else { E::ProducerFenced }.code();
    for v in 0..=5 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id("x")))
            .with_transaction_timeout_ms(1_000)
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(7);
        let answer = rig.txns.init_producer_id(&ctx(), request, v).await;
        assert_eq!(answer.error_code, fenced(v, 4));
        encodes(&answer, v);
    }
    for v in 0..=3 {
        let topic = AddPartitionsToTxnTopic::default().with_name(TopicName(s("t"))).with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id("x"))
            .with_v3_and_below_producer_epoch(7)
            .with_v3_and_below_topics(vec![topic]);
        let answer = rig.txns.add_partitions_to_txn(&ctx(), request, v).await;
        let result = &answer.results_by_topic_v3_and_below[0].results_by_partition[0];
        assert_eq!(result.partition_error_code, fenced(v, 2));
        encodes(&answer, v);
        let request = AddOffsetsToTxnRequest::default().with_transactional_id(id("x")).with_producer_epoch(7);
        let answer = rig.txns.add_offsets_to_txn(&ctx(), request, v).await;
        assert_eq!(answer.error_code, fenced(v, 2));
        encodes(&answer, v);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_partitions(vec![TxnOffsetCommitRequestPartition::default()]);
        let request =
            TxnOffsetCommitRequest::default().with_transactional_id(id("x")).with_topics(vec![topic]);
        encodes(&rig.txns.txn_offset_commit(&ctx(), request, v).await, v);
    }
    for v in 0..=4 {
        let request = EndTxnRequest::default().with_transactional_id(id("x")).with_producer_epoch(7);
        let answer = rig.txns.end_txn(&ctx(), request, v).await;
        assert_eq!(answer.error_code, fenced(v, 2));
        encodes(&answer, v);
    }
    for v in 0..=1 {
        let request = ListTransactionsRequest::default()
            .with_state_filters(vec![s("Empty"), s("Nonsense")])
            .with_duration_filter(-1);
        let answer = rig.txns.list_transactions(&ctx(), request, v).await;
        assert_eq!((answer.transaction_states.len(), answer.unknown_state_filters.len()), (1, 1));
        encodes(&answer, v);
    }
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id("x"), id("nobody")]);
    let answer = rig.txns.describe_transactions(&ctx(), request, 0).await;
    assert_eq!(answer.transaction_states[1].error_code, E::TransactionalIdNotFound.code());
    encodes(&answer, 0);
}

/// What the simulation knows of a transactional id.
#[derive(Default)]
struct Known {
    holder: Option<ProducerTag>,
    former: Vec<ProducerTag>,
    /// Held before an InitProducerId that failed: it may have been fenced or not.
    doubtful: Vec<ProducerTag>,
    partitions: BTreeSet<i32>,
    pending: Option<i64>,
    offset: i64,
    open: bool,
}

/// Random requests, zombies, crashes and failing disks, by seed. Whatever EndTxn answered is what every partition and
/// the group end up with, and nobody with an old epoch changes anything.
#[tokio::test]
async fn random_schedules_end_as_decided() {
    let (mut commits, mut aborts) = (0, 0);
    for seed in 0..150 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut rig = Rig::new(|_| {});
        let mut all: Vec<Known> = (0..3).map(|_| Known { offset: -1, ..Known::default() }).collect();
        let mut next_offset = 0;
        for step in 0..120 {
            let at = format!("seed {seed} step {step}");
            let index = random.random_range(0..all.len());
            let (name, group) = (format!("x{index}"), format!("g{index}"));
            let broken = random.random_bool(0.15);
            rig.break_disk(broken && random.random_bool(0.5));
            rig.log.broken.store(broken && random.random_bool(0.5), Ordering::Relaxed);
            let it = &mut all[index];
            if random.random_bool(0.1) && !it.former.is_empty() {
                let zombie = it.former[random.random_range(0..it.former.len())];
                assert_ne!(rig.end(&name, zombie, random.random_bool(0.5)).await, 0, "{at}: a zombie ends");
                assert_ne!(rig.add(&name, zombie, "t", &[3]).await, [0], "{at}: a zombie adds");
                assert_ne!(rig.commit_offset(&name, zombie, &group, 999).await, 0, "{at}: a zombie commits");
                continue;
            }
            match (random.random_range(0..10), it.holder) {
                (0, _) | (_, None) => {
                    it.doubtful.extend(it.holder.take());
                    if let Ok(producer) = rig.init(&name, None).await {
                        it.former.append(&mut it.doubtful);
                        it.holder = Some(producer);
                    }
                    (it.open, it.pending) = (false, None);
                    it.partitions.clear();
                }
                (1..4, Some(producer)) => {
                    let partition = random.random_range(0..3);
                    if rig.add(&name, producer, "t", &[partition]).await == [0] {
                        it.open = true;
                        it.partitions.insert(partition);
                    }
                }
                (4..6, Some(producer)) => {
                    if rig.add_offsets(&name, producer, &group).await == 0 {
                        it.open = true;
                        next_offset += 1;
                        if rig.commit_offset(&name, producer, &group, next_offset).await == 0 {
                            it.pending = Some(next_offset);
                        }
                    }
                }
                (6..9, Some(producer)) if it.open => {
                    rig.markers();
                    let commit = random.random_bool(0.6);
                    if rig.end(&name, producer, commit).await != 0 {
                        continue;
                    }
                    // Decided. Half of the time the broker crashes before or while the markers are written.
                    rig.break_disk(false);
                    rig.log.broken.store(false, Ordering::Relaxed);
                    rig = rig.restarted();
                    if commit {
                        commits += 1;
                        it.offset = it.pending.unwrap_or(it.offset);
                    } else {
                        aborts += 1;
                    }
                    let outcome = if commit { "commit" } else { "abort" };
                    let prefix = format!("{}/{}", producer.id, producer.epoch);
                    let markers = rig.markers();
                    let of_this = markers.iter().filter(|marker| marker.contains(&format!(" {prefix} ")));
                    let reached: BTreeSet<String> = of_this.cloned().collect();
                    let expect: BTreeSet<String> =
                        it.partitions.iter().map(|p| format!("t-{p} {prefix} {outcome}")).collect();
                    assert_eq!(reached, expect, "{at}");
                    assert_eq!(rig.offset(&group).await, (it.offset, 0), "{at}");
                    (it.open, it.pending) = (false, None);
                    it.partitions.clear();
                }
                _ => {
                    rig.break_disk(false);
                    rig.log.broken.store(false, Ordering::Relaxed);
                    rig = rig.restarted();
                    for (index, it) in all.iter().enumerate() {
                        let found = rig.offset(&format!("g{index}")).await;
                        let unstable = (-1, E::UnstableOffsetCommit.code());
                        let expect = if it.pending.is_some() { unstable } else { (it.offset, 0) };
                        // An init whose answer was an error may have left its transaction open.
                        assert!(
                            found == expect || (it.holder.is_none() && found == unstable),
                            "{at} {found:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(commits > 300 && aborts > 200, "{commits} {aborts}");
}
