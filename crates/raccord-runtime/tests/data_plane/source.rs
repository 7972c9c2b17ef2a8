//! The source loop: committed offset ≤ contiguous acknowledged prefix, always; everything arrives, in order, at least once.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::data::{Position, Record, Text, Value};
use raccord_plugin::{
    Error, Make, OffsetMap, OffsetReader, Plugin, RawConfig, Result, SourceBatch, SourceContext,
    SourceOffset, SourceTask,
};
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{CONVERTER, Clients, Dice, HEADER_CONVERTER, for_each_seed, no_keys, worker};

const STREAMS: u32 = 3;
const RECORDS: u64 = 250;

/// The outside world: what Kafka has and what is committed.
#[derive(Default)]
struct World {
    /// What was acknowledged, by stream, in the order of acknowledgement.
    written: BTreeMap<u32, Vec<u64>>,
    committed: BTreeMap<u32, u64>,
    /// With errors.tolerance=all: what could not be encoded or was given up.
    tolerant: bool,
    given_up: HashSet<(u32, u64)>,
    /// What the producer gave up in this run of the task.
    failed: HashSet<(u32, u64)>,
    /// What must not be. To panic where the runtime calls would only fail the task, or the write of offsets.
    violation: Option<String>,
}

impl World {
    fn has(&self, stream: u32, sequence: u64) -> bool {
        self.is_bad(sequence)
            || self.given_up.contains(&(stream, sequence))
            || self.written.get(&stream).is_some_and(|written| written.contains(&sequence))
    }

    /// Some records cannot be encoded, where they are to be skipped.
    fn is_bad(&self, sequence: u64) -> bool {
        self.tolerant && sequence.is_multiple_of(41)
    }

    /// The invariant.
    fn commit(&mut self, stream: u32, sequence: u64) {
        if let Some(lost) = (1..=sequence).find(|earlier| !self.has(stream, *earlier)) {
            self.violate(format!("stream {stream}: committed {sequence} but {lost} was never acknowledged"));
        }
        self.committed.insert(stream, sequence);
    }

    fn violate(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    fn is_complete(&self) -> bool {
        (0..STREAMS).all(|stream| (1..=RECORDS).all(|sequence| self.has(stream, sequence)))
    }
}

thread_local! {
    /// For tasks, whose constructors take nothing. A simulation runs on one thread.
    static STAGE: RefCell<Option<(Arc<Mutex<World>>, Dice)>> = const { RefCell::new(None) };
}

struct Source {
    world: Arc<Mutex<World>>,
    dice: Dice,
    next: HashMap<u32, u64>,
}

const SOURCE: Plugin = Plugin {
    class: "Source",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Source {
        connector: || unreachable!("only tasks run here"),
        task: || {
            let (world, dice) = STAGE.with_borrow(|stage| stage.clone()).unwrap();
            Box::new(Source { world, dice, next: HashMap::new() })
        },
    },
};
static PLUGINS: &[Plugin] = &[CONVERTER, HEADER_CONVERTER, SOURCE];

fn partition(stream: u32) -> OffsetMap {
    OffsetMap::from_iter([("stream".to_owned(), stream.into())])
}

#[async_trait]
impl SourceTask for Source {
    async fn open(&mut self, context: SourceContext, _: &RawConfig) -> Result<()> {
        let partitions: Vec<OffsetMap> = (0..STREAMS).map(partition).collect();
        for (stream, offset) in context.offsets.offsets(&partitions).await?.into_iter().enumerate() {
            let committed = offset.and_then(|offset| offset["at"].as_u64()).unwrap_or(0);
            self.next.insert(stream as u32, committed + 1);
        }
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        sleep(Duration::from_millis(self.dice.below(30))).await;
        for _ in 0..self.dice.below(20) {
            let stream = self.dice.below(u64::from(STREAMS)) as u32;
            let next = self.next.get_mut(&stream).unwrap();
            if *next > RECORDS {
                continue;
            }
            let text = format!("{stream}:{next}{}", if self.world.lock().is_bad(*next) { "bad" } else { "" });
            let position = Position { stream, sequence: *next };
            batch.push(Record::new("t".into(), None, Value::String(Text::from(text)), position), 8);
            *next += 1;
            if self.dice.chance(5) {
                // The record pushed last must come all the same.
                tokio::task::yield_now().await;
            }
        }
        match self.dice.below(100) {
            0..5 => Err(Error::retriable("try again")),
            5 => Err(Error::fatal("cannot go on")),
            6 => panic!("a defect"),
            _ => Ok(()),
        }
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let offset = OffsetMap::from_iter([("at".to_owned(), position.sequence.into())]);
        SourceOffset { partition: partition(position.stream), offset: Some(offset) }
    }

    async fn committed(&mut self, positions: &[Position]) -> Result<()> {
        for position in positions {
            let mut world = self.world.lock();
            let committed = world.committed.get(&position.stream).copied();
            if committed < Some(position.sequence) {
                world.violate(format!("confirmed {position:?}, committed {committed:?}"));
            }
        }
        Ok(())
    }
}

struct FlakyProducer {
    world: Arc<Mutex<World>>,
    dice: Dice,
    /// In order: when, ticket, record.
    on_their_way: VecDeque<(Instant, u64, u32, u64)>,
}

#[async_trait]
impl Producer for FlakyProducer {
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError> {
        if self.on_their_way.len() > 30 || (!self.on_their_way.is_empty() && self.dice.chance(5)) {
            return Err(SendError::Full);
        }
        if self.dice.chance(1) {
            return Err(SendError::Rejected(Error::retriable("not now")));
        }
        let text = std::str::from_utf8(record.value.unwrap()).unwrap();
        let (stream, sequence) = text.split_once(':').unwrap();
        let last = self.on_their_way.back().map_or_else(Instant::now, |last| last.0);
        let when = last.max(Instant::now()) + Duration::from_millis(self.dice.below(8));
        self.on_their_way.push_back((
            when,
            record.ticket,
            stream.parse().unwrap(),
            sequence.parse().unwrap(),
        ));
        Ok(())
    }

    fn drain_acks(&mut self, acks: &mut Acks) {
        while let Some((when, ticket, stream, sequence)) = self.on_their_way.front().copied() {
            if when > Instant::now() {
                break;
            }
            self.on_their_way.pop_front();
            if self.dice.below(600) == 0 {
                let mut world = self.world.lock();
                world.failed.insert((stream, sequence));
                if world.tolerant {
                    world.given_up.insert((stream, sequence));
                }
                acks.failed.push((ticket, Error::record("given up")));
            } else {
                self.world.lock().written.entry(stream).or_default().push(sequence);
                acks.delivered.push(ticket);
            }
        }
    }

    async fn progress(&mut self) {
        match self.on_their_way.front() {
            Some((when, ..)) => tokio::time::sleep_until(*when).await,
            None => std::future::pending().await,
        }
    }

    fn outstanding(&self) -> usize {
        self.on_their_way.len()
    }
}

struct FlakyOffsets {
    world: Arc<Mutex<World>>,
    dice: Dice,
}

#[async_trait]
impl OffsetReader for FlakyOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let world = self.world.lock();
        let offset = |partition: &OffsetMap| {
            let committed = world.committed.get(&(partition["stream"].as_u64().unwrap() as u32))?;
            Some(OffsetMap::from_iter([("at".to_owned(), (*committed).into())]))
        };
        Ok(partitions.iter().map(offset).collect())
    }
}

#[async_trait]
impl OffsetStore for FlakyOffsets {
    async fn write(&self, offsets: Vec<SourceOffset>) -> Result<()> {
        sleep(Duration::from_millis(self.dice.below(if self.dice.chance(20) { 600 } else { 20 }))).await;
        if self.dice.chance(15) {
            return Err(Error::retriable("the store is away"));
        }
        for SourceOffset { partition, offset } in offsets {
            let stream = partition["stream"].as_u64().unwrap() as u32;
            self.world.lock().commit(stream, offset.unwrap()["at"].as_u64().unwrap());
        }
        // It may be stored without the task hearing of it.
        match self.dice.chance(5) {
            true => Err(Error::retriable("the answer was lost")),
            false => Ok(()),
        }
    }
}

/// Starts the task again and again until everything has arrived.
async fn simulate(seed: u64, tolerant: bool) {
    let world = Arc::new(Mutex::new(World { tolerant, ..World::default() }));
    let dice = Dice::new(seed);
    STAGE.set(Some((world.clone(), dice.clone())));
    let producer = {
        let (world, dice) = (world.clone(), dice.clone());
        move || -> Box<dyn Producer> {
            let (world, dice) = (world.clone(), dice.clone());
            Box::new(FlakyProducer { world, dice, on_their_way: VecDeque::new() })
        }
    };
    let kafka = Arc::new(Clients { producer: Some(Box::new(producer)), consumer: None });
    let config = RawConfig::from([
        ("name", "c"),
        ("connector.class", "Source"),
        ("errors.tolerance", if tolerant { "all" } else { "none" }),
    ]);
    let mut starts = 0;
    while !world.lock().is_complete() {
        starts += 1;
        assert!(starts < 500, "no progress: {:?}", world.lock().committed);
        world.lock().failed.clear();
        let before = Before::of(&world.lock());
        let (events, mut news) = mpsc::channel(1000);
        let mut handle = spawn(TaskSpec {
            id: TaskId { connector: "c".into(), task: 0 },
            plugin: &SOURCE,
            plugins: PLUGINS,
            connector_config: config.clone(),
            task_config: config.clone(),
            worker: Arc::new(worker()),
            kafka: kafka.clone(),
            offsets: Arc::new(FlakyOffsets { world: world.clone(), dice: dice.clone() }),
            target: if dice.chance(10) { TaskTarget::Paused } else { TaskTarget::Started },
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
        assert!(matches!(last, Some(TaskEvent::Stopped | TaskEvent::Failed(_))), "{last:?}");
        let world = world.lock();
        assert_eq!(world.violation, None);
        before.check_run(&world);
    }
}

/// What there was before a run of the task.
struct Before {
    committed: BTreeMap<u32, u64>,
    written: BTreeMap<u32, usize>,
}

impl Before {
    fn of(world: &World) -> Self {
        let written = world.written.iter().map(|(stream, written)| (*stream, written.len())).collect();
        Self { committed: world.committed.clone(), written }
    }

    /// The run wrote the records of each stream in order and once, from the committed one on, and left none out but those
    /// that were not to be had.
    fn check_run(&self, world: &World) {
        for (stream, written) in &world.written {
            let run = &written[self.written.get(stream).copied().unwrap_or(0)..];
            assert!(run.windows(2).all(|pair| pair[0] < pair[1]), "stream {stream} out of order: {run:?}");
            let first = self.committed.get(stream).copied().unwrap_or(0) + 1;
            let expect =
                |sequence: &u64| !world.is_bad(*sequence) && !world.failed.contains(&(*stream, *sequence));
            let all: Vec<u64> = (first..=run.last().copied().unwrap_or(0)).filter(expect).collect();
            assert_eq!(run, all, "stream {stream} from {first} on");
        }
    }
}

#[test]
fn committed_offsets_never_pass_what_is_acknowledged() {
    for_each_seed(|seed| simulate(seed, false));
}

#[test]
fn skipped_records_hold_nothing_back() {
    for_each_seed(|seed| simulate(seed, true));
}
