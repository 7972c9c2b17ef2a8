//! Records on their way: for each partition a queue of batches, of which the last may take more records.
//!
//! It changes hands between the task that sends records and the one that talks to brokers (see [`super::hands`]), so nothing
//! in here waits or locks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use raccord_runtime::ports::{EncodedHeaders, Outgoing};
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::Instant;

use super::batch::Batch;
use super::murmur::murmur2;

/// How many buffers are kept for batches to come: fresh memory for each would cost as much as writing the records.
const SPARES: usize = 4;
/// Larger ones are not kept.
const SPARE_BYTES: usize = 5 << 18;

/// A partition: indices of its topic and of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) topic: usize,
    pub(super) partition: usize,
}

/// Why a record was given up: a code, and what is to be told beyond the code's own meaning.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: RDKafkaErrorCode,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(code: RDKafkaErrorCode, text: Option<&str>) -> Self {
        Self { code, text: text.map_or_else(|| code.to_string(), |text| format!("{code}: {text}")) }
    }
}

/// Records whose fate is known.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) tickets: Vec<u64>,
    /// What they counted against the bound of what waits.
    pub(super) cost: usize,
    pub(super) failure: Option<Failure>,
}

/// Everything that was sent and is not acknowledged.
#[derive(Debug)]
pub(super) struct Accumulator {
    pub(super) topics: Vec<Topic>,
    by_name: HashMap<Arc<str>, usize>,
    recent: usize,
    /// Partitions that have batches, each once.
    pub(super) pending: Vec<Place>,
    pub(super) finished: Vec<Finished>,
    /// Whether a record was refused because too much waits: then nothing waits for more.
    pub(super) exhausted: bool,
    batch_bytes: usize,
    spares: Vec<Vec<u8>>,
}

/// A topic that records were sent to.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    /// As many as the topic has; none when that is not known.
    pub(super) count: usize,
    pub(super) partitions: Vec<Partition>,
    /// Records whose partition is not known to be there, in order.
    waiting: VecDeque<Waiting>,
    /// Where records without key go until that partition's batch is sent.
    sticky: usize,
    /// When brokers are to be asked about the topic because something waits for that.
    pub(super) wanted: Option<Wanted>,
}

/// That brokers are to be asked about a topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Not before.
    pub(super) at: Instant,
    /// How often they were asked in vain.
    pub(super) failures: u32,
}

/// A partition's batches.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) leader: Option<i32>,
    pub(super) batches: VecDeque<Batch>,
    /// Whether its first batch is with the broker.
    pub(super) in_flight: bool,
    /// When the first batch may be sent again.
    pub(super) retry_at: Option<Instant>,
    /// Whether it is among the pending ones.
    queued: bool,
    /// A batch is closed at so many bytes: less than elsewhere when the leader found one too large.
    limit: usize,
}

/// A record that waits for its topic.
#[derive(Debug)]
struct Waiting {
    partition: Option<i32>,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: EncodedHeaders,
    ticket: u64,
    cost: usize,
    since: Instant,
}

impl Accumulator {
    /// An empty one. Batches are closed at `batch_bytes`, but hold at least one record.
    pub(super) fn new(batch_bytes: usize) -> Self {
        Self {
            topics: Vec::new(),
            by_name: HashMap::new(),
            recent: 0,
            pending: Vec::new(),
            finished: Vec::new(),
            exhausted: false,
            batch_bytes,
            spares: Vec::new(),
        }
    }

    /// Adds a record; `now_ms` is its timestamp unless it has one.
    #[inline]
    pub(super) fn add(&mut self, record: &Outgoing<'_>, now_ms: i64, cost: usize) {
        let index = self.topic(record.topic);
        let timestamp = record.timestamp.unwrap_or(now_ms);
        match self.topics[index].partition(record) {
            Some(partition) => self.append(Place { topic: index, partition }, record, timestamp, cost),
            None => self.topics[index].wait(record, timestamp, cost),
        }
    }

    #[inline]
    fn topic(&mut self, name: &Arc<str>) -> usize {
        match self.topics.get(self.recent) {
            Some(topic) if Arc::ptr_eq(&topic.name, name) || topic.name == *name => self.recent,
            _ => self.find(name),
        }
    }

    fn find(&mut self, name: &Arc<str>) -> usize {
        self.recent = match self.by_name.get(name) {
            Some(index) => *index,
            None => {
                let index = self.topics.len();
                self.by_name.insert(name.clone(), index);
                self.topics.push(Topic::new(name.clone()));
                index
            }
        };
        self.recent
    }

    #[inline]
    fn append(&mut self, place: Place, record: &Outgoing<'_>, timestamp: i64, cost: usize) {
        let Partition { batches, limit, .. } = &mut self.topics[place.topic].partitions[place.partition];
        match batches.back_mut() {
            Some(batch) if batch.has_room(cost, *limit) => batch.push(record, timestamp, cost),
            _ => self.begin(place, record, timestamp, cost),
        }
    }

    #[cold]
    fn begin(&mut self, place: Place, record: &Outgoing<'_>, timestamp: i64, cost: usize) {
        let partition = &mut self.topics[place.topic].partitions[place.partition];
        let mut batch = Batch::new(self.spares.pop().unwrap_or_default(), Instant::now());
        batch.push(record, timestamp, cost);
        partition.batches.push_back(batch);
        if !std::mem::replace(&mut partition.queued, true) {
            self.pending.push(place);
        }
    }

    /// The partition at a place.
    pub(super) fn partition(&mut self, place: Place) -> &mut Partition {
        &mut self.topics[place.topic].partitions[place.partition]
    }

    /// Whether a partition's first batch need not wait for more records.
    pub(super) fn is_full(&self, place: Place) -> bool {
        let Partition { batches, limit, .. } = &self.topics[place.topic].partitions[place.partition];
        batches.len() > 1 || batches.front().is_some_and(|batch| batch.attempts > 0 || batch.len() >= *limit)
    }

    /// Takes a partition's first batch to send it.
    pub(super) fn take(&mut self, place: Place) -> Option<Batch> {
        let partition = self.partition(place);
        let batch = partition.batches.pop_front()?;
        partition.in_flight = true;
        partition.retry_at = None;
        Some(batch)
    }

    /// Puts batches that were taken back where they were, in their order.
    pub(super) fn put_back(&mut self, place: Place, batches: impl DoubleEndedIterator<Item = Batch>) {
        let partition = self.partition(place);
        for batch in batches.rev() {
            partition.batches.push_front(batch);
        }
        if !std::mem::replace(&mut partition.queued, true) {
            self.pending.push(place);
        }
    }

    /// Puts a batch back that its leader found too large, as two; `None` when it cannot be made smaller.
    pub(super) fn put_back_smaller(&mut self, place: Place, batch: Batch) -> Option<()> {
        let limit = batch.len() / 2;
        let halves = batch.split()?;
        self.partition(place).limit = limit;
        self.put_back(place, halves.into_iter());
        Some(())
    }

    /// Takes note of a batch's fate.
    pub(super) fn finish(&mut self, batch: Batch, failure: Option<Failure>) {
        let cost = batch.cost;
        let tickets = self.recycle(batch);
        self.finished.push(Finished { tickets, cost, failure });
    }

    /// Keeps a batch's buffer for another one, and gives its tickets.
    fn recycle(&mut self, batch: Batch) -> Vec<u64> {
        let (tickets, buffer) = batch.into_parts();
        if self.spares.len() < SPARES && (1..=SPARE_BYTES).contains(&buffer.capacity()) {
            self.spares.push(buffer);
        }
        tickets
    }

    /// Gives up a batch that a broker refuses. When it names records as the reason, the others are told that they are not.
    pub(super) fn refuse(&mut self, batch: Batch, whole: &Failure, records: &[(i32, Failure)]) {
        if records.is_empty() {
            return self.finish(batch, Some(whole.clone()));
        }
        let innocent = Failure {
            code: whole.code,
            text: "Failed to append record because it was part of a batch which had one more more invalid records"
                .to_owned(),
        };
        let named: HashMap<i32, &Failure> =
            records.iter().map(|(number, failure)| (*number, failure)).collect();
        // What the whole batch counted is given back with its first record.
        let mut cost = batch.cost;
        for (number, ticket) in (0..).zip(self.recycle(batch)) {
            let failure = Some((*named.get(&number).unwrap_or(&&innocent)).clone());
            let cost = std::mem::take(&mut cost);
            self.finished.push(Finished { tickets: vec![ticket], cost, failure });
        }
    }

    /// Forgets that partitions are pending which have no batches.
    pub(super) fn tidy_pending(&mut self) {
        let topics = &mut self.topics;
        self.pending.retain(|place| {
            let partition = &mut topics[place.topic].partitions[place.partition];
            partition.queued = !partition.batches.is_empty();
            partition.queued
        });
    }

    /// Has brokers asked about a topic, because what is known of it is wrong or missing.
    pub(super) fn want(&mut self, topic: usize) {
        self.topics[topic].wanted.get_or_insert(Wanted { at: Instant::now(), failures: 0 });
    }

    /// Index of a topic by its name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Takes note of a topic's partitions and their leaders. Says whether all that something waits for is known.
    pub(super) fn learn(&mut self, topic: usize, leaders: &[Option<i32>]) -> bool {
        let known = &mut self.topics[topic];
        known.count = leaders.len();
        if known.partitions.len() < leaders.len() {
            known.partitions.resize_with(leaders.len(), || Partition::new(self.batch_bytes));
        }
        for (index, partition) in known.partitions.iter_mut().enumerate() {
            partition.leader = leaders.get(index).copied().flatten();
        }
        let mut complete = known.partitions.iter().all(|it| it.leader.is_some() || it.batches.is_empty());
        for waiting in std::mem::take(&mut known.waiting) {
            let record = Outgoing {
                topic: &self.topics[topic].name.clone(),
                partition: waiting.partition,
                timestamp: None,
                key: waiting.key.as_deref(),
                value: waiting.value.as_deref(),
                headers: &waiting.headers,
                ticket: waiting.ticket,
            };
            match self.topics[topic].partition(&record) {
                Some(partition) => {
                    self.append(Place { topic, partition }, &record, waiting.timestamp, waiting.cost);
                    complete &= self.topics[topic].partitions[partition].leader.is_some();
                }
                None => {
                    self.topics[topic].waiting.push_back(waiting);
                    complete = false;
                }
            }
        }
        complete
    }

    /// Forgets how many partitions a topic has, unless something is on its way there.
    pub(super) fn forget(&mut self, topic: usize) {
        let topic = &mut self.topics[topic];
        if topic.partitions.iter().all(|partition| partition.batches.is_empty() && !partition.in_flight) {
            topic.count = 0;
        }
    }

    /// Gives up all that waits for a topic and is not with a broker.
    pub(super) fn give_up(&mut self, topic: usize, failure: &Failure) {
        self.give_up_waiting(topic, failure, |_| true);
        for partition in 0..self.topics[topic].partitions.len() {
            self.give_up_batches(Place { topic, partition }, failure, |_| true);
        }
        self.topics[topic].count = 0;
    }

    /// Gives up records that wait for their topic since before `patience`.
    pub(super) fn expire_waiting(&mut self, topic: usize, now: Instant, patience: Duration) {
        let Topic { name, waiting, .. } = &self.topics[topic];
        if waiting.front().is_none_or(|first| now < first.since + patience) {
            return;
        }
        let text = format!("Topic {name} not present in metadata after {} ms.", patience.as_millis());
        let failure = Failure { code: RDKafkaErrorCode::UnknownTopic, text };
        self.give_up_waiting(topic, &failure, |waiting| now >= waiting.since + patience);
    }

    fn give_up_waiting(&mut self, topic: usize, failure: &Failure, which: impl Fn(&Waiting) -> bool) {
        let waiting = &mut self.topics[topic].waiting;
        while let Some(record) = waiting.pop_front_if(|waiting| which(waiting)) {
            let (tickets, failure) = (vec![record.ticket], Some(failure.clone()));
            self.finished.push(Finished { tickets, cost: record.cost, failure });
        }
    }

    /// Gives up a partition's first batches as long as they are such.
    pub(super) fn give_up_batches(
        &mut self,
        place: Place,
        failure: &Failure,
        which: impl Fn(&Batch) -> bool,
    ) {
        while let Some(batch) = self.partition(place).batches.pop_front_if(|batch| which(batch)) {
            self.finish(batch, Some(failure.clone()));
        }
    }
}

impl Partition {
    fn new(limit: usize) -> Self {
        Self {
            leader: None,
            batches: VecDeque::new(),
            in_flight: false,
            retry_at: None,
            queued: false,
            limit,
        }
    }
}

impl Topic {
    fn new(name: Arc<str>) -> Self {
        Self { name, count: 0, partitions: Vec::new(), waiting: VecDeque::new(), sticky: 0, wanted: None }
    }

    /// When the first of the records came that wait to learn their partition.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// The partition of a record, as Kafka's default partitioner chooses it; `None` when it is not known to be there, or
    /// when others wait that must come first.
    #[inline]
    fn partition(&mut self, record: &Outgoing<'_>) -> Option<usize> {
        if self.count == 0 || !self.waiting.is_empty() {
            return None;
        }
        match (record.partition, record.key) {
            (Some(partition), _) => usize::try_from(partition).ok().filter(|index| *index < self.count),
            (None, _) if self.count == 1 => Some(0),
            (None, Some(key)) => Some((murmur2(key) & 0x7fff_ffff) as usize % self.count),
            (None, None) => Some(self.stick()),
        }
    }

    fn stick(&mut self) -> usize {
        if self.partitions.get(self.sticky).is_none_or(|partition| partition.batches.is_empty())
            || self.sticky >= self.count
        {
            let led: Vec<usize> =
                (0..self.count).filter(|index| self.partitions[*index].leader.is_some()).collect();
            self.sticky = match led.len() {
                0 => rand::random_range(0..self.count),
                some => led[rand::random_range(0..some)],
            };
        }
        self.sticky
    }

    #[cold]
    fn wait(&mut self, record: &Outgoing<'_>, timestamp: i64, cost: usize) {
        let since = Instant::now();
        self.wanted.get_or_insert(Wanted { at: since, failures: 0 });
        self.waiting.push_back(Waiting {
            partition: record.partition,
            timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
            ticket: record.ticket,
            cost,
            since,
        });
    }
}
