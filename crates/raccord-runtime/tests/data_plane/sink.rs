//! The sink loop: committed ≤ durable, always; each partition arrives in order and without gaps, at least once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use raccord_plugin::{
    CommitOffsets, Error, Make, OffsetMap, OffsetReader, Plugin, RawConfig, Rejected, Result, SinkBatch,
    SinkContext, SinkTask, SourceOffset, TopicPartition,
};
use raccord_runtime::ports::{Consumer, ConsumerEvent, Fetched, FetchedRecord};
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{CONVERTER, Clients, Dice, HEADER_CONVERTER, for_each_seed, no_keys, worker};

const PARTITIONS: i32 = 3;
const RECORDS: i64 = 200;

/// The outside world: what the group has committed and what the external system has.
#[derive(Default)]
struct World {
    committed: BTreeMap<i32, i64>,
    durable: BTreeMap<i32, BTreeSet<i64>>,
    /// Whether the sink was told to fail, which explains a failed task.
    told_to_fail: bool,
}

impl World {
    fn next_durable(&self, partition: i32) -> i64 {
        let durable = self.durable.get(&partition);
        (0..).find(|offset| !durable.is_some_and(|durable| durable.contains(offset))).unwrap()
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
        for record in &batch.records {
            let TopicPartition { partition, .. } = batch.partitions[record.position.stream as usize];
            let offset = record.position.sequence as i64;
            assert!(self.assigned.contains(&partition), "put of partition {partition} that is not assigned");
            assert_eq!(record.value.as_str(), Some(format!("{partition}:{offset}").as_str()));
            let next = self.next[&partition];
            assert!(offset <= next, "partition {partition}: expected {next} or earlier, got {offset}");
            self.next.insert(partition, offset + 1);
            self.held.entry(partition).or_default().push(offset);
        }
        Ok(Vec::new())
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
                buffer.extend_from_slice(format!("{partition}:{}", assigned.position).as_bytes());
                batch.records.push(FetchedRecord {
                    stream: batch.partitions.len() as u32 - 1,
                    offset: assigned.position,
                    timestamp: None,
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
async fn simulate(seed: u64) {
    let (world, dice) = (Arc::new(Mutex::new(World::default())), Dice::new(seed));
    STAGE.set(Some((world.clone(), dice.clone())));
    let consumer = {
        let (world, dice) = (world.clone(), dice.clone());
        move || -> Box<dyn Consumer> {
            let (world, dice) = (world.clone(), dice.clone());
            Box::new(FlakyConsumer { world, dice, assigned: BTreeMap::new(), told: None })
        }
    };
    let kafka = Arc::new(Clients { producer: None, consumer: Some(Box::new(consumer)) });
    let config = RawConfig::from([("name", "c"), ("connector.class", "Sink"), ("topics", "t")]);
    let mut starts = 0;
    while !world.lock().is_complete() {
        starts += 1;
        assert!(starts < 1000, "no progress: {:?}", world.lock().committed);
        let (events, mut news) = mpsc::channel(1000);
        let mut handle = spawn(TaskSpec {
            id: TaskId { connector: "c".into(), task: 0 },
            plugin: &SINK,
            plugins: PLUGINS,
            connector_config: config.clone(),
            task_config: config.clone(),
            worker: Arc::new(worker()),
            kafka: kafka.clone(),
            offsets: Arc::new(NoOffsets),
            target: TaskTarget::Started,
            events,
        });
        for _ in 0..dice.below(8) {
            let _ = timeout(Duration::from_millis(dice.below(700)), handle.ended()).await;
            handle.set_target(if dice.chance(30) { TaskTarget::Paused } else { TaskTarget::Started });
        }
        handle.set_target(TaskTarget::Started);
        let _ = timeout(Duration::from_millis(dice.below(5000)), handle.ended()).await;
        handle.stop();
        timeout(Duration::from_secs(2), handle.ended()).await.expect("stops in time");
        let mut last = None;
        while let Some((_, event)) = news.recv().await {
            last = Some(event);
        }
        match last {
            Some(TaskEvent::Stopped) => {}
            Some(TaskEvent::Failed(error)) => {
                // Broken assertions of the sink and the consumer fail the task as well.
                assert!(std::mem::take(&mut world.lock().told_to_fail), "{}", error.trace());
                assert!(error.trace().contains("cannot go on"), "{}", error.trace());
            }
            last => panic!("{last:?}"),
        }
    }
}

#[test]
fn commits_never_pass_what_is_durable() {
    for_each_seed(simulate);
}
