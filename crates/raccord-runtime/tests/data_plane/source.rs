//! The source loop: committed offset ≤ contiguous acknowledged prefix, always; everything arrives, in order, at least once.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::data::{Position, Record, Text, Value};
use raccord_plugin::{
    Error, Make, OffsetMap, OffsetReader, Plugin, RawConfig, Result, SourceBatch, SourceContext,
    SourceOffset, SourceTask,
};
use raccord_runtime::ports::Producer;
use raccord_runtime::task::OffsetStore;
use tokio::time::sleep;

use crate::stage::{
    CONVERTER, Clients, Dice, FALLBACK, FlakyProducer, HEADER_CONVERTER, Stage, for_each_seed, no_keys,
};

const STREAMS: u32 = 3;
const RECORDS: u64 = 250;

/// What the connector's config says about records that cannot be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tolerance {
    /// There are none but those that Kafka does not take, which fail the task.
    #[default]
    None,
    /// They are skipped.
    All,
    /// They are skipped when their dead letters are written.
    Letters,
}

/// The outside world: what Kafka has and what is committed.
#[derive(Default)]
struct World {
    /// What was acknowledged, by stream, in the order of acknowledgement.
    written: BTreeMap<u32, Vec<u64>>,
    committed: BTreeMap<u32, u64>,
    tolerance: Tolerance,
    /// With errors.tolerance=all: what was given up.
    given_up: HashSet<(u32, u64)>,
    /// Dead letters that are written.
    letters: HashSet<(u32, u64)>,
    /// What the producer gave up in this run of the task.
    failed: HashSet<(u32, u64)>,
    /// What must not be. To panic where the runtime calls would only fail the task, or the write of offsets.
    violation: Option<String>,
}

impl World {
    fn has(&self, stream: u32, sequence: u64) -> bool {
        (self.tolerance == Tolerance::All && self.is_bad(sequence))
            || self.letters.contains(&(stream, sequence))
            || self.given_up.contains(&(stream, sequence))
            || self.written.get(&stream).is_some_and(|written| written.contains(&sequence))
    }

    /// Some records cannot be encoded, where they are to be skipped.
    fn is_bad(&self, sequence: u64) -> bool {
        self.tolerance != Tolerance::None && sequence.is_multiple_of(41)
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
static PLUGINS: &[Plugin] = &[CONVERTER, HEADER_CONVERTER, FALLBACK, SOURCE];

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

fn place(value: &[u8]) -> (u32, u64) {
    let text = std::str::from_utf8(value).unwrap();
    let (stream, sequence) = text.split_once(':').unwrap();
    (stream.parse().unwrap(), sequence.trim_end_matches("bad").parse().unwrap())
}

/// The producer of records, and the one of dead letters.
fn producer(world: Arc<Mutex<World>>, dice: Dice, client_id: &str) -> Box<dyn Producer> {
    if client_id.contains("dlq") {
        return Box::new(FlakyProducer::new(dice, 2, move |value, written| {
            if written {
                world.lock().letters.insert(place(value));
            }
        }));
    }
    Box::new(FlakyProducer::new(dice, 2, move |value, written| {
        let (stream, sequence) = place(value);
        let mut world = world.lock();
        if written {
            world.written.entry(stream).or_default().push(sequence);
        } else {
            world.failed.insert((stream, sequence));
            if world.tolerance == Tolerance::All {
                world.given_up.insert((stream, sequence));
            }
        }
    }))
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
async fn simulate(seed: u64, tolerance: Tolerance) {
    let world = Arc::new(Mutex::new(World { tolerance, ..World::default() }));
    let dice = Dice::new(seed);
    STAGE.set(Some((world.clone(), dice.clone())));
    let producer = {
        let (world, dice) = (world.clone(), dice.clone());
        move |client_id: &str| producer(world.clone(), dice.clone(), client_id)
    };
    let mut config = RawConfig::from([
        ("name", "c"),
        ("connector.class", "Source"),
        ("errors.tolerance", if tolerance == Tolerance::None { "none" } else { "all" }),
    ]);
    if tolerance == Tolerance::Letters {
        config.insert("errors.deadletterqueue.source.enable", "true".to_owned());
        config.insert("errors.deadletterqueue.topic.name", "letters".to_owned());
    }
    let stage = Stage {
        plugin: &SOURCE,
        plugins: PLUGINS,
        config,
        kafka: Arc::new(Clients { producer: Some(Box::new(producer)), consumer: None }),
        offsets: Arc::new(FlakyOffsets { world: world.clone(), dice: dice.clone() }),
    };
    let mut starts = 0;
    while !world.lock().is_complete() {
        starts += 1;
        assert!(starts < 500, "no progress: {:?}", world.lock().committed);
        world.lock().failed.clear();
        let before = Before::of(&world.lock());
        stage.run(&dice).await;
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
    for_each_seed(|seed| simulate(seed, Tolerance::None));
}

#[test]
fn skipped_records_hold_nothing_back() {
    for_each_seed(|seed| simulate(seed, Tolerance::All));
}

#[test]
fn committed_offsets_never_pass_a_dead_letter_that_is_not_written() {
    for_each_seed(|seed| simulate(seed, Tolerance::Letters));
}
