//! The sink loop: committed ≤ durable, always; each partition arrives in order and without gaps, at least once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use raccord_plugin::data::Record;
use raccord_plugin::{
    CommitOffsets, Error, Make, OffsetMap, OffsetReader, Plugin, RawConfig, Rejected, Result, SinkBatch,
    SinkContext, SinkTask, SourceOffset, TopicPartition,
};
use raccord_runtime::ports::{Consumer, ConsumerEvent, Fetched, FetchedRecord, Producer};
use raccord_runtime::task::{OffsetStore, TaskEvent};
use tokio::time::{Instant, sleep};

use crate::stage::{
    CONVERTER, Clients, Dice, FlakyProducer, HEADER_CONVERTER, Stage, for_each_seed, no_keys,
};

const PARTITIONS: i32 = 3;
const RECORDS: i64 = 200;

/// What is the matter with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Good,
    /// Its bytes are no text.
    Undecodable,
    /// The sink writes the others of the batch.
    Rejected,
    /// The sink writes nothing of the batch.
    Poison,
}

impl Fate {
    fn of(failing: bool, offset: i64) -> Self {
        match offset {
            _ if !failing => Self::Good,
            _ if offset % 23 == 5 => Self::Undecodable,
            _ if offset % 29 == 7 => Self::Rejected,
            _ if offset % 31 == 11 => Self::Poison,
            _ => Self::Good,
        }
    }
}

/// The outside world: what the group has committed and what the external system has.
#[derive(Default)]
struct World {
    committed: BTreeMap<i32, i64>,
    durable: BTreeMap<i32, BTreeSet<i64>>,
    /// Whether some records cannot be processed; dead letters of them that are written.
    failing: bool,
    letters: BTreeSet<(i32, i64)>,
    /// Whether the sink or the dead letter queue was told to fail, which explains a failed task.
    told_to_fail: bool,
}

/// The bytes of a record that cannot be decoded begin so.
const NO_TEXT: u8 = 0xff;

fn place(value: &[u8]) -> (i32, i64) {
    let text = std::str::from_utf8(value.strip_prefix(&[NO_TEXT]).unwrap_or(value)).unwrap();
    let (partition, offset) = text.split_once(':').unwrap();
    (partition.parse().unwrap(), offset.parse().unwrap())
}

impl World {
    fn next_durable(&self, partition: i32) -> i64 {
        let durable = self.durable.get(&partition);
        let is_durable = |offset: &i64| match Fate::of(self.failing, *offset) {
            Fate::Good => durable.is_some_and(|durable| durable.contains(offset)),
            _ => self.letters.contains(&(partition, *offset)),
        };
        (0..).find(|offset| !is_durable(offset)).unwrap()
    }

    /// The invariant.
    fn commit(&mut self, partition: i32, offset: i64) {
        let durable = self.next_durable(partition);
        assert!(
            offset <= durable,
            "partition {partition}: committed {offset} but only {durable} are durable"
        );
        self.committed.insert(partition, offset);
    }

    fn is_complete(&self) -> bool {
        (0..PARTITIONS).all(|partition| self.committed.get(&partition) == Some(&RECORDS))
    }
}

thread_local! {
    /// For tasks, whose constructors take nothing. A simulation runs on one thread.
    static STAGE: RefCell<Option<(Arc<Mutex<World>>, Dice)>> = const { RefCell::new(None) };
}

fn topic_partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: "t".into(), partition }
}

/// Keeps what was put in memory until a flush makes (some of) it durable.
struct Sink {
    world: Arc<Mutex<World>>,
    dice: Dice,
    context: Option<SinkContext>,
    assigned: BTreeSet<i32>,
    held: BTreeMap<i32, Vec<i64>>,
    /// The next record expected of each partition: it may be an earlier one, never a later one.
    next: BTreeMap<i32, i64>,
}

const SINK: Plugin = Plugin {
    class: "Sink",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Sink {
        connector: || unreachable!("only tasks run here"),
        task: || {
            let (world, dice) = STAGE.with_borrow(|stage| stage.clone()).unwrap();
            let (held, next) = (BTreeMap::new(), BTreeMap::new());
            Box::new(Sink { world, dice, context: None, assigned: BTreeSet::new(), held, next })
        },
    },
};
static PLUGINS: &[Plugin] = &[CONVERTER, HEADER_CONVERTER, SINK];

#[async_trait]
impl SinkTask for Sink {
    async fn open(&mut self, context: SinkContext, _: &RawConfig) -> Result<()> {
        self.context = Some(context);
        Ok(())
    }

    async fn assign(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for TopicPartition { partition, .. } in partitions {
            assert!(self.assigned.insert(*partition), "assigned twice");
            let committed = self.world.lock().committed.get(partition).copied().unwrap_or(0);
            self.next.insert(*partition, committed);
            self.held.remove(partition);
            if self.dice.chance(10) {
                let to = self.dice.below(committed as u64 + 1) as i64;
                self.context.as_ref().unwrap().requests.rewind(&[(topic_partition(*partition), to)]);
            }
        }
        Ok(())
    }

    async fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        for TopicPartition { partition, .. } in partitions {
            assert!(self.assigned.remove(partition), "revoked but not assigned");
            if lost {
                self.held.remove(partition);
            }
        }
        Ok(())
    }

    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>> {
        sleep(Duration::from_millis(self.dice.below(10))).await;
        let requests = &self.context.as_ref().unwrap().requests;
        match self.dice.below(100) {
            0..10 => {
                if self.dice.chance(50) {
                    requests.set_timeout(Duration::from_millis(self.dice.below(200)));
                }
                return Err(Error::retriable("busy"));
            }
            10 => {
                self.world.lock().told_to_fail = true;
                return Err(Error::fatal("cannot go on"));
            }
            11..15 => requests.request_commit(),
            15..18 => {
                if let Some(partition) = self.assigned.first() {
                    requests.pause(&[topic_partition(*partition)]);
                }
            }
            18..30 => {
                if let Some(partition) = self.assigned.first() {
                    requests.resume(&[topic_partition(*partition)]);
                }
            }
            _ => {}
        }
        let failing = self.world.lock().failing;
        let fate = |record: &Record| Fate::of(failing, record.position.sequence as i64);
        if batch.records.iter().any(|record| fate(record) == Fate::Poison) {
            return Err(Error::record("one of them is no good"));
        }
        let mut rejected = Vec::new();
        for (index, record) in batch.records.iter().enumerate() {
            let TopicPartition { partition, .. } = batch.partitions[record.position.stream as usize];
            let offset = record.position.sequence as i64;
            assert!(self.assigned.contains(&partition), "put of partition {partition} that is not assigned");
            assert_eq!(record.value.as_str(), Some(format!("{partition}:{offset}").as_str()));
            let mut next = self.next[&partition];
            while next < offset && !matches!(Fate::of(failing, next), Fate::Good | Fate::Rejected) {
                next += 1;
            }
            assert!(offset <= next, "partition {partition}: expected {next} or earlier, got {offset}");
            self.next.insert(partition, offset + 1);
            if fate(record) == Fate::Rejected {
                rejected.push(Rejected { index, error: Error::record("not this one") });
            } else {
                self.held.entry(partition).or_default().push(offset);
            }
        }
        Ok(rejected)
    }

    async fn flush(&mut self, offsets: &mut CommitOffsets) -> Result<()> {
        sleep(Duration::from_millis(self.dice.below(10))).await;
        if self.dice.chance(8) {
            return Err(Error::retriable("cannot flush"));
        }
        let mut world = self.world.lock();
        for (TopicPartition { partition, .. }, offset) in offsets.iter_mut() {
            if self.dice.chance(20) {
                // Nothing of it yet: the last commit is as far as it goes.
                *offset = world.next_durable(*partition).min(*offset);
                continue;
            }
            world
                .durable
                .entry(*partition)
                .or_default()
                .extend(self.held.remove(partition).unwrap_or_default());
        }
        if self.dice.chance(5) {
            offsets.pop();
        }
        Ok(())
    }
}

/// A consumer whose partitions come and go.
struct FlakyConsumer {
    world: Arc<Mutex<World>>,
    dice: Dice,
    assigned: BTreeMap<i32, Assigned>,
    told: Option<Change>,
}

#[derive(Clone, Copy)]
struct Assigned {
    position: i64,
    paused: bool,
}

enum Change {
    Assign(BTreeMap<i32, Assigned>),
    Revoke(Vec<i32>),
}

impl FlakyConsumer {
    fn rebalance(&mut self) -> ConsumerEvent {
        let (gone, held): (Vec<i32>, Vec<i32>) =
            (0..PARTITIONS).partition(|partition| !self.assigned.contains_key(partition));
        if !gone.is_empty() && (held.is_empty() || self.dice.chance(60)) {
            let coming: Vec<i32> = gone.into_iter().filter(|_| self.dice.chance(70)).collect();
            let partitions = coming.iter().map(|partition| topic_partition(*partition)).collect();
            let start = |partition: &i32| {
                let position = self.world.lock().committed.get(partition).copied().unwrap_or(0);
                (*partition, Assigned { position, paused: false })
            };
            self.told = Some(Change::Assign(coming.iter().map(start).collect()));
            return ConsumerEvent::Assigned(partitions);
        }
        let going: Vec<i32> = held.into_iter().filter(|_| self.dice.chance(60)).collect();
        let partitions = going.iter().map(|partition| topic_partition(*partition)).collect();
        let lost = self.dice.chance(25);
        if lost {
            self.assigned.retain(|partition, _| !going.contains(partition));
        } else {
            self.told = Some(Change::Revoke(going));
        }
        ConsumerEvent::Revoked { partitions, lost }
    }

    fn fetch(&mut self, batch: &mut Fetched) {
        let mut buffer = Vec::new();
        let runs: Vec<i32> = self.assigned.keys().copied().filter(|_| self.dice.chance(50)).collect();
        for partition in runs {
            let assigned = self.assigned.get_mut(&partition).unwrap();
            if assigned.paused {
                continue;
            }
            batch.partitions.push(topic_partition(partition));
            for _ in 0..self.dice.below(10) {
                if assigned.position == RECORDS {
                    break;
                }
                let start = buffer.len() as u32;
                if Fate::of(self.world.lock().failing, assigned.position) == Fate::Undecodable {
                    buffer.push(NO_TEXT);
                }
                buffer.extend_from_slice(format!("{partition}:{}", assigned.position).as_bytes());
                batch.records.push(FetchedRecord {
                    stream: batch.partitions.len() as u32 - 1,
                    offset: assigned.position,
                    timestamp: None,
                    log_append_time: false,
                    key: None,
                    value: Some(start..buffer.len() as u32),
                    headers: 0..0,
                });
                assigned.position += 1;
            }
        }
        batch.buffer = Bytes::from(buffer);
    }

    fn each(&mut self, partitions: &[TopicPartition], change: impl Fn(&mut Assigned)) -> Result<()> {
        for TopicPartition { partition, .. } in partitions {
            let coming = match &mut self.told {
                Some(Change::Assign(coming)) => coming.get_mut(partition),
                _ => None,
            };
            match coming.or(self.assigned.get_mut(partition)) {
                Some(assigned) => change(assigned),
                None => return Err(Error::fatal(format!("partition {partition} is not assigned"))),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for FlakyConsumer {
    async fn poll(&mut self, timeout: Duration, batch: &mut Fetched) -> Result<ConsumerEvent> {
        (batch.partitions, batch.records, batch.headers) = Default::default();
        match self.told.take() {
            Some(Change::Assign(coming)) => self.assigned.extend(coming),
            Some(Change::Revoke(going)) => self.assigned.retain(|partition, _| !going.contains(partition)),
            None => {}
        }
        let deadline = Instant::now() + timeout;
        loop {
            if self.dice.chance(1) {
                return Err(Error::retriable("away"));
            }
            if self.dice.chance(3) || self.assigned.is_empty() {
                return Ok(self.rebalance());
            }
            self.fetch(batch);
            if !batch.records.is_empty() || Instant::now() >= deadline {
                return Ok(ConsumerEvent::Records);
            }
            batch.partitions.clear();
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<()> {
        sleep(Duration::from_millis(self.dice.below(if self.dice.chance(10) { 500 } else { 10 }))).await;
        if self.dice.chance(10) {
            return Err(Error::retriable("not committed"));
        }
        for (TopicPartition { partition, .. }, offset) in offsets {
            assert!(
                self.assigned.contains_key(partition),
                "commit of partition {partition} that is not assigned"
            );
            self.world.lock().commit(*partition, *offset);
        }
        match self.dice.chance(5) {
            true => Err(Error::retriable("the answer was lost")),
            false => Ok(()),
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        self.each(std::slice::from_ref(partition), |assigned| assigned.position = offset)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.each(partitions, |assigned| assigned.paused = true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.each(partitions, |assigned| assigned.paused = false)
    }

    async fn close(&mut self) {}
}

/// Sinks have no source offsets.
struct NoOffsets;

#[async_trait]
impl OffsetReader for NoOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        Ok(vec![None; partitions.len()])
    }
}

#[async_trait]
impl OffsetStore for NoOffsets {
    async fn write(&self, _: Vec<SourceOffset>) -> Result<()> {
        Err(Error::fatal("a sink wrote source offsets"))
    }
}

/// Starts the task again and again until all is committed.
async fn simulate(seed: u64, failing: bool) {
    let (world, dice) = (Arc::new(Mutex::new(World { failing, ..World::default() })), Dice::new(seed));
    STAGE.set(Some((world.clone(), dice.clone())));
    let consumer = {
        let (world, dice) = (world.clone(), dice.clone());
        move || -> Box<dyn Consumer> {
            let (world, dice) = (world.clone(), dice.clone());
            Box::new(FlakyConsumer { world, dice, assigned: BTreeMap::new(), told: None })
        }
    };
    let letters = {
        let (world, dice) = (world.clone(), dice.clone());
        move |client_id: &str| -> Box<dyn Producer> {
            assert_eq!(client_id, "connector-dlq-producer-c-0");
            let world = world.clone();
            Box::new(FlakyProducer::new(dice.clone(), 5, move |value, written| {
                let mut world = world.lock();
                if written {
                    world.letters.insert(place(value));
                } else {
                    world.told_to_fail = true;
                }
            }))
        }
    };
    let mut config = RawConfig::from([("name", "c"), ("connector.class", "Sink"), ("topics", "t")]);
    if failing {
        for (key, value) in [
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "letters"),
            ("errors.deadletterqueue.put.enable", "true"),
        ] {
            config.insert(key, value.to_owned());
        }
    }
    let stage = Stage {
        plugin: &SINK,
        plugins: PLUGINS,
        config,
        kafka: Arc::new(Clients { producer: Some(Box::new(letters)), consumer: Some(Box::new(consumer)) }),
        offsets: Arc::new(NoOffsets),
    };
    let mut starts = 0;
    while !world.lock().is_complete() {
        starts += 1;
        assert!(starts < 1000, "no progress: {:?}", world.lock().committed);
        if let TaskEvent::Failed(error) = stage.run(&dice).await {
            // Broken assertions of the sink and the consumer fail the task as well.
            let trace = error.trace();
            assert!(std::mem::take(&mut world.lock().told_to_fail), "{trace}");
            assert!(trace.contains("cannot go on") || trace.contains("dead letter queue"), "{trace}");
        }
    }
    let world = world.lock();
    let failed = |(_, offset): &(i32, i64)| Fate::of(failing, *offset) != Fate::Good;
    assert!(world.letters.iter().all(failed), "letters of good records: {:?}", world.letters);
}

#[test]
fn commits_never_pass_what_is_durable() {
    for_each_seed(|seed| simulate(seed, false));
}

#[test]
fn commits_never_pass_a_dead_letter_that_is_not_written() {
    for_each_seed(|seed| simulate(seed, true));
}
