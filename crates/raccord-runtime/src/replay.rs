//! Replaying dead letters: reading a dead letter queue in a consumer group and writing its records where they came from,
//! without the headers that tell what went wrong.
//!
//! # Why a letter is replayed once
//! A run reads what is in the queue when it begins, from where the group stands. A letter's kafka_offset is committed when
//! it and all letters before it in its partition are acknowledged or passed over ([`AckTracker`]), so the next run begins
//! behind them. The producer is idempotent. Only a run that is killed between an acknowledgement and the commit, which
//! follows at the latest after [`COMMIT_EVERY`] letters, has some of them written again by the next one.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::data::Position;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result, TopicPartition};
use tokio::time::{Instant, sleep};

use crate::ack_tracker::AckTracker;
use crate::dead_letters::PREFIX;
use crate::ports::{
    Acks, Admin, Consumer, ConsumerEvent, EncodedHeaders, Fetched, FetchedRecord, Kafka, Outgoing, Producer,
    SendError, Subscription,
};

/// How many letters may be written again after a run that is killed.
pub const COMMIT_EVERY: usize = 1000;
/// The queue counts as read when nothing comes for so long: the last offsets may be gone or no records.
const IDLE: Duration = Duration::from_secs(10);
/// How long to wait for the group to assign partitions, and for the producer to know a topic.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before a letter is sent again that the producer could not take for now.
const SEND_BACKOFF: Duration = Duration::from_millis(100);

/// What to replay, and where to.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// The dead letter queue.
    pub queue: String,
    /// The topic to write to; `None` for the one that each letter came from.
    pub to: Option<String>,
    /// The consumer group that knows how far earlier runs came.
    pub group: String,
    /// Which letters: what their headers must say, by name without `__connect.errors.`. All others are passed over.
    pub only: Vec<(&'static str, String)>,
    /// Tells what would be done, without doing it and without moving the group.
    pub dry_run: bool,
    /// The most letters to replay.
    pub limit: Option<u64>,
    /// Whether letters that cannot be replayed are passed over. If not, the run ends before the first of them.
    pub pass_over: bool,
    /// Properties of the Kafka clients.
    pub client: RawConfig,
}

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Partition of the queue.
    pub partition: i32,
    /// kafka_offset in the queue.
    pub offset: i64,
    /// The topic it goes to; `None` when it cannot be replayed.
    pub to: Option<Arc<str>>,
    /// What its headers say, by name without `__connect.errors.`.
    pub headers: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters written, or with `dry_run` those that would be.
    pub replayed: u64,
    /// Letters that the filters left out.
    pub filtered: u64,
    /// Letters passed over because they cannot be replayed.
    pub passed_over: u64,
}

impl Replay {
    /// Replays, telling of each letter that the filters let through.
    ///
    /// # Errors
    /// When there is no such queue, Kafka does not answer, a letter cannot be replayed, or Kafka does not take one.
    pub async fn run(&self, kafka: &dyn Kafka, tell: impl FnMut(&Told)) -> Result<Replayed> {
        let admin = kafka.admin(&self.client)?;
        let ends = admin.end_offsets(&self.queue).await?;
        if ends.is_empty() {
            return Err(Error::config(format!("there is no topic {}", self.queue)));
        }
        let mut left = HashMap::new();
        let committed = admin.group_offsets(&self.group).await?;
        for end in ends {
            let next = committed.iter().find(|known| known.partition == end.partition);
            if next.map_or(0, |known| known.offset) < end.offset {
                left.insert(end.partition, end.offset);
            }
        }
        let mut run = Run {
            replay: self,
            admin,
            consumer: kafka.consumer(
                &self.with(&[
                    ("group.id", &self.group),
                    ("auto.offset.reset", "earliest"),
                    ("enable.auto.commit", "false"),
                ]),
                Subscription::Topics(vec![self.queue.clone()]),
            )?,
            producer: kafka.producer(&self.with(&[("enable.idempotence", "true"), ("acks", "all")]))?,
            tracker: AckTracker::default(),
            partitions: Vec::new(),
            counts: HashMap::new(),
            sent: Replayed::default(),
            tell,
        };
        let outcome = if left.is_empty() { Ok(()) } else { run.read(left).await };
        // What was written is committed in any case.
        let finished = run.finish().await;
        run.consumer.close().await;
        outcome.and(finished).map(|()| run.sent)
    }

    fn with(&self, more: &[(&str, &str)]) -> RawConfig {
        let mut properties = self.client.clone();
        for (key, value) in more {
            properties.insert(*key, Some((*value).to_owned()));
        }
        properties
    }
}

struct Run<'a, F> {
    replay: &'a Replay,
    admin: Arc<dyn Admin>,
    consumer: Box<dyn Consumer>,
    producer: Box<dyn Producer>,
    tracker: AckTracker,
    /// The partitions of the queue, by stream number.
    partitions: Vec<TopicPartition>,
    /// Numbers of partitions of the topics written to.
    counts: HashMap<Arc<str>, i32>,
    sent: Replayed,
    tell: F,
}

impl<F: FnMut(&Told)> Run<'_, F> {
    /// Reads to the ends of the partitions.
    async fn read(&mut self, mut left: HashMap<TopicPartition, i64>) -> Result<()> {
        let mut batch = Fetched::default();
        let mut assigned = false;
        while !left.is_empty() {
            match self.consumer.poll(if assigned { IDLE } else { PATIENCE }, &mut batch).await? {
                ConsumerEvent::Records if batch.records.is_empty() && !assigned => {
                    let group = &self.replay.group;
                    return Err(Error::retriable(format!("the group {group} assigned nothing in time")));
                }
                ConsumerEvent::Records if batch.records.is_empty() => return Ok(()),
                ConsumerEvent::Records => {
                    for record in &batch.records {
                        let partition = &batch.partitions[record.stream as usize];
                        let Some(end) = left.get(partition).copied() else { continue };
                        if record.offset + 1 >= end {
                            left.remove(partition);
                        }
                        if record.offset < end && !self.letter(&batch, record).await? {
                            return Ok(());
                        }
                    }
                    if !self.replay.dry_run && self.tracker.pending() > 0 {
                        self.commit().await?;
                    }
                }
                ConsumerEvent::Assigned(_) => assigned = true,
                // Another run has taken them over.
                ConsumerEvent::Revoked { partitions, .. } => left.retain(|one, _| !partitions.contains(one)),
            }
        }
        Ok(())
    }

    /// Replays one letter. False when there are to be no more.
    async fn letter(&mut self, batch: &Fetched, record: &FetchedRecord) -> Result<bool> {
        if self.replay.limit.is_some_and(|limit| self.sent.replayed >= limit) {
            return Ok(false);
        }
        let partition = &batch.partitions[record.stream as usize];
        let headers = told_by(batch, record);
        let matches = |(name, text): &(&str, String)| {
            headers.get(*name).is_some_and(|told| told_matches(name, told, text))
        };
        if !self.replay.only.iter().all(matches) {
            self.sent.filtered += 1;
            self.pass(partition, record.offset);
            return Ok(true);
        }
        let to = self.target(&headers);
        let told = Told { partition: partition.partition, offset: record.offset, to, headers };
        (self.tell)(&told);
        let Some(to) = &told.to else {
            if !self.replay.pass_over {
                return Err(cannot(&told));
            }
            self.sent.passed_over += 1;
            self.pass(partition, record.offset);
            return Ok(true);
        };
        if !self.replay.dry_run {
            self.write(batch, record, to, &told).await?;
        }
        self.sent.replayed += 1;
        Ok(true)
    }

    /// Where a letter goes; `None` when it does not say, or its bytes are not what that topic holds.
    fn target(&self, headers: &BTreeMap<String, String>) -> Option<Arc<str>> {
        match &self.replay.to {
            Some(topic) => Some(topic.as_str().into()),
            None if headers.keys().any(|name| name.ends_with(".converter")) => None,
            None => headers.get("topic").map(|topic| topic.as_str().into()),
        }
    }

    async fn write(
        &mut self,
        batch: &Fetched,
        record: &FetchedRecord,
        to: &Arc<str>,
        told: &Told,
    ) -> Result<()> {
        let partition = self.partition(to, told).await?;
        let ticket = self.track(&batch.partitions[record.stream as usize], record.offset);
        let headers = others(batch, record);
        let outgoing = Outgoing {
            topic: to,
            partition,
            timestamp: record.timestamp,
            key: record.key.as_ref().map(|range| bytes(batch, range)),
            value: record.value.as_ref().map(|range| bytes(batch, range)),
            headers: &headers,
            ticket,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.producer.send(&outgoing) {
                Ok(()) => return self.settle(),
                Err(SendError::Full) => {
                    self.producer.progress().await;
                    self.settle()?;
                }
                // The producer does not know the topic yet.
                Err(SendError::Rejected(error))
                    if error.kind() == ErrorKind::Retriable && Instant::now() < deadline =>
                {
                    sleep(SEND_BACKOFF).await;
                }
                Err(SendError::Rejected(error)) => {
                    return Err(error.causing(format!(
                        "the letter at {}-{}@{} cannot be written to {to}",
                        self.replay.queue, told.partition, told.offset
                    )));
                }
            }
        }
    }

    /// A letter goes back to the partition that it came from, as long as the topic has it.
    async fn partition(&mut self, to: &Arc<str>, told: &Told) -> Result<Option<i32>> {
        let original = told.headers.get("partition").and_then(|text| text.parse::<i32>().ok());
        let Some(original) = original.filter(|_| self.replay.to.is_none()) else { return Ok(None) };
        let count = match self.counts.get(to) {
            Some(count) => *count,
            None => {
                let described = self.admin.describe_topics(&[to]).await?;
                let count = described.first().map_or(0, |topic| topic.partitions);
                self.counts.insert(to.clone(), count);
                count
            }
        };
        Ok((original < count).then_some(original))
    }

    fn track(&mut self, partition: &TopicPartition, offset: i64) -> u64 {
        let known = self.partitions.iter().position(|known| known == partition);
        let stream = known.unwrap_or_else(|| {
            self.partitions.push(partition.clone());
            self.partitions.len() - 1
        });
        self.tracker.track(Position { stream: stream as u32, sequence: offset as u64 })
    }

    fn pass(&mut self, partition: &TopicPartition, offset: i64) {
        let ticket = self.track(partition, offset);
        self.tracker.ack(ticket);
    }

    fn settle(&mut self) -> Result<()> {
        let mut acks = Acks::default();
        self.producer.drain_acks(&mut acks);
        for ticket in acks.delivered {
            self.tracker.ack(ticket);
        }
        match acks.failed.into_iter().next() {
            Some((_, error)) => Err(error.causing("a letter was not written")),
            None => Ok(()),
        }
    }

    /// Commits, now and then, what has been written.
    async fn commit(&mut self) -> Result<()> {
        if self.tracker.pending() >= COMMIT_EVERY {
            self.written().await?;
        }
        let positions = self.tracker.committable();
        let offset = |position: &Position| {
            (self.partitions[position.stream as usize].clone(), position.sequence as i64 + 1)
        };
        let offsets: Vec<_> = positions.iter().map(offset).collect();
        if !offsets.is_empty() {
            self.consumer.commit(&offsets).await?;
            self.tracker.stored(&positions);
        }
        Ok(())
    }

    async fn written(&mut self) -> Result<()> {
        while self.producer.outstanding() > 0 {
            self.producer.progress().await;
            self.settle()?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if self.replay.dry_run {
            return Ok(());
        }
        let written = self.written().await;
        self.commit().await.and(written)
    }
}

fn cannot(told: &Told) -> Error {
    let place = format!("partition {} offset {}", told.partition, told.offset);
    let error = match told.headers.contains_key("topic") {
        false => Error::record(format!("the letter at {place} does not say where it came from")),
        true => {
            Error::record(format!("the letter at {place} is not in the form of the topic that it was for"))
        }
    };
    error.hint("give a topic with --to, or pass such letters over with --pass-over")
}

fn bytes<'a>(batch: &'a Fetched, range: &Range<u32>) -> &'a [u8] {
    &batch.buffer[range.start as usize..range.end as usize]
}

/// What the headers tell: the last one of each name, since a letter that failed again has them twice.
fn told_by(batch: &Fetched, record: &FetchedRecord) -> BTreeMap<String, String> {
    let headers = &batch.headers[record.headers.start as usize..record.headers.end as usize];
    let told = headers.iter().filter_map(|header| {
        let name = header.key.strip_prefix(PREFIX)?;
        let text = String::from_utf8_lossy(bytes(batch, header.value.as_ref()?));
        Some((name.to_owned(), text.into_owned()))
    });
    told.collect()
}

/// Classes match by their simple names as well.
fn told_matches(name: &str, told: &str, text: &str) -> bool {
    told == text || (name == "exception.class.name" && told.rsplit('.').next() == Some(text))
}

fn others(batch: &Fetched, record: &FetchedRecord) -> EncodedHeaders {
    let headers = &batch.headers[record.headers.start as usize..record.headers.end as usize];
    headers
        .iter()
        .filter(|header| !header.key.starts_with(PREFIX))
        .map(|header| (header.key.clone(), header.value.as_ref().map(|range| bytes(batch, range).to_vec())))
        .collect()
}
