//! The way of a record from the source to the producer: ticket, transforms, encoding, sending.
//!
//! The usual case is [`Line::push`], which waits for nothing. What does not go through at once (a failed transform, a new
//! topic, a full producer) comes back as [`Stuck`] and is dealt with by [`Line::unstick`], which may wait. The next record
//! is not looked at before, so records never overtake each other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::data::{Position, Record};
use raccord_plugin::{Error, ErrorKind, OffsetMap, Result, SourceTask};
use tracing::warn;

use super::Commits;
use super::encode::Encoding;
use super::letters::SourceLetters;
use super::topics::Topics;
use crate::ack_tracker::AckTracker;
use crate::chain::{Chain, ChainFailure};
use crate::dead_letters::NO_TICKET;
use crate::metrics::RecordMetrics;
use crate::ports::{Acks, Producer, SendError};
use crate::task::{Lifecycle, TaskId};
use crate::tolerance::{Attempts, Failure, Stage, Tolerance};

/// How long to wait before a record is sent again that the producer could not take for now.
const SEND_BACKOFF: Duration = Duration::from_millis(100);
/// Who sends, in reports of errors.
const SENDER: &str = "org.apache.kafka.connect.runtime.WorkerSourceTask";

/// Everything that a record passes.
pub(super) struct Line {
    pub(super) id: TaskId,
    pub(super) chain: Chain,
    pub(super) encoding: Encoding,
    pub(super) tolerance: Tolerance,
    pub(super) topics: Topics,
    pub(super) outlet: Outlet,
    /// How many times the topics in use have been forgotten.
    pub(super) topics_forgotten: u64,
}

impl Line {
    /// Takes note of how many times the topics in use were forgotten: after another time all of them count as new.
    pub(super) fn forget_topics(&mut self, times: u64) {
        if self.topics_forgotten != times {
            self.topics_forgotten = times;
            self.topics.forget();
            self.outlet.known.iter_mut().for_each(HashSet::clear);
        }
    }
}

/// A record that has left the source.
#[derive(Clone, Copy)]
pub(super) struct Tag {
    ticket: u64,
    position: Position,
}

/// A record that could not go on at once, and why.
pub(super) enum Stuck {
    /// A transform failed.
    Transform(Tag, Box<ChainFailure>),
    /// A converter failed.
    Encode(Tag, Record, Failure),
    /// Nothing was sent to its topic yet.
    NewTopic(Tag, Record),
    /// The producer is full.
    Full(Tag, Record),
    /// The producer refuses the record.
    Rejected(Tag, Record, Error),
}

type Pushed = std::result::Result<(), Box<Stuck>>;

impl Line {
    /// Takes a record from the source to the producer.
    #[inline]
    pub(super) fn push(&mut self, record: Record) -> Pushed {
        let tag = Tag { ticket: self.outlet.tracker.track(record.position), position: record.position };
        if self.chain.is_empty() {
            return self.deliver(tag, record);
        }
        self.transform(tag, record, 0)
    }

    fn transform(&mut self, tag: Tag, record: Record, from: usize) -> Pushed {
        let keep = self.tolerance.retries() || self.outlet.letters.is_some();
        match self.chain.apply(record, from, keep) {
            Ok(Some(record)) => self.deliver(tag, record),
            Ok(None) => {
                self.outlet.tracker.ack(tag.ticket);
                Ok(())
            }
            Err(failure) => Err(Box::new(Stuck::Transform(tag, failure))),
        }
    }

    #[inline]
    fn deliver(&mut self, tag: Tag, record: Record) -> Pushed {
        match self.encoding.encode(&record) {
            Ok(()) => self.send(tag, record),
            Err(failure) => Err(Box::new(Stuck::Encode(tag, record, failure))),
        }
    }

    /// Sends the record that was encoded last.
    #[inline]
    fn send(&mut self, tag: Tag, record: Record) -> Pushed {
        if !self.topics.is_ready(&record.topic) {
            return Err(Box::new(Stuck::NewTopic(tag, record)));
        }
        match self.outlet.producer.send(&self.encoding.outgoing(&record, tag.ticket)) {
            Ok(()) => {
                if let Some(letters) = &mut self.outlet.letters {
                    letters.keep(tag.ticket, record);
                }
                Ok(())
            }
            Err(SendError::Full) => Err(Box::new(Stuck::Full(tag, record))),
            Err(SendError::Rejected(error)) => Err(Box::new(Stuck::Rejected(tag, record, error))),
        }
    }

    /// Does what the record needs, until it is sent, dropped or skipped.
    ///
    /// # Errors
    /// What fails the task; cancelled when the task is to stop meanwhile.
    pub(super) async fn unstick(
        &mut self,
        stuck: Box<Stuck>,
        task: &mut dyn SourceTask,
        commits: &mut Commits,
        lifecycle: &Lifecycle,
    ) -> Result<()> {
        self.outlet.producer.hand_over();
        let mut attempts = Attempts::none();
        let mut pushed = Err(stuck);
        while let Err(stuck) = pushed {
            pushed = match *stuck {
                Stuck::Transform(tag, failed) => {
                    let ChainFailure { step, record, failure } = *failed;
                    let Some(delay) = self.tolerance.retry(&failure, &mut attempts) else {
                        return self.give_up(tag, record, failure, task, lifecycle).await;
                    };
                    pause(delay, lifecycle).await?;
                    match record {
                        Some(record) => self.transform(tag, record, step),
                        None => Ok(()),
                    }
                }
                Stuck::Encode(tag, record, failure) => {
                    let Some(delay) = self.tolerance.retry(&failure, &mut attempts) else {
                        return self.give_up(tag, Some(record), failure, task, lifecycle).await;
                    };
                    pause(delay, lifecycle).await?;
                    self.deliver(tag, record)
                }
                Stuck::NewTopic(tag, record) => {
                    self.prepare_topic(tag, &record.topic, lifecycle).await?;
                    self.send(tag, record)
                }
                Stuck::Full(tag, record) => {
                    self.outlet.room(task, commits, lifecycle).await?;
                    self.send(tag, record)
                }
                Stuck::Rejected(tag, record, error) => {
                    if error.kind() != ErrorKind::Retriable {
                        if let Some(letters) = &mut self.outlet.letters {
                            letters.keep(tag.ticket, record);
                        }
                        self.outlet.given_up(tag.ticket, error);
                        return self.outlet.settle(task);
                    }
                    warn!(task = %self.id, topic = %record.topic, trace = error.trace(), "Failed to send record. Backing off before retrying");
                    pause(SEND_BACKOFF, lifecycle).await?;
                    self.send(tag, record)
                }
            };
        }
        Ok(())
    }

    /// Leaves a record out, or fails.
    async fn give_up(
        &mut self,
        tag: Tag,
        record: Option<Record>,
        failure: Failure,
        task: &mut dyn SourceTask,
        lifecycle: &Lifecycle,
    ) -> Result<()> {
        let outlet = &mut self.outlet;
        match (&mut outlet.letters, record) {
            (Some(letters), Some(record)) => {
                // A record that fails the task is read again.
                let ticket = if self.tolerance.skips() { tag.ticket } else { NO_TICKET };
                letters.post(&record, &failure, ticket, task);
                letters.queue.posted(lifecycle).await?;
                self.tolerance.settle(failure, || described(task, tag.position))
            }
            _ => {
                self.tolerance.settle(failure, || described(task, tag.position))?;
                outlet.tracker.ack(tag.ticket);
                Ok(())
            }
        }
    }

    async fn prepare_topic(&mut self, tag: Tag, topic: &Arc<str>, lifecycle: &Lifecycle) -> Result<()> {
        loop {
            let prepared = tokio::select! {
                prepared = self.topics.prepare(topic) => prepared,
                () = lifecycle.stop_requested() => return Err(Error::cancelled()),
            };
            match prepared {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    warn!(task = %self.id, %topic, trace = error.trace(), "Failed to look for the topic. Backing off before retrying");
                    pause(SEND_BACKOFF, lifecycle).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.outlet.expect_topic(tag.ticket, topic);
        Ok(())
    }
}

/// Tells which record it was without telling its values.
pub(super) fn place(task: &dyn SourceTask, position: Position) -> String {
    let offset = task.offset(position);
    let text = |map| serde_json::Value::Object(map).to_string();
    format!("{} at {}", text(offset.partition), offset.offset.map(text).unwrap_or_default())
}

/// Which record it was, in the words of Connect's log but without its key, value and headers.
fn described(task: &dyn SourceTask, position: Position) -> String {
    let offset = task.offset(position);
    let text = |map: OffsetMap| {
        let plain =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let entries: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
        format!("{{{}}}", entries.join(", "))
    };
    format!(
        "source record is = SourceRecord{{sourcePartition={}, sourceOffset={}}}",
        text(offset.partition),
        offset.offset.map_or_else(|| "null".to_owned(), text)
    )
}

/// Waits; cancelled when the task is to stop.
pub(super) async fn pause(delay: Duration, lifecycle: &Lifecycle) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(delay) => Ok(()),
        () = lifecycle.stop_requested() => Err(Error::cancelled()),
    }
}

/// The producer and what is known of the records given to it.
pub(super) struct Outlet {
    pub(super) producer: Box<dyn Producer>,
    pub(super) tracker: AckTracker,
    acks: Acks,
    tolerance: Tolerance,
    pub(super) records: Arc<RecordMetrics>,
    /// Where records go that are given up. `None` before it is open, or when there is none.
    pub(super) letters: Option<SourceLetters>,
    /// Records that Kafka did not take and whose letters are still to be written.
    refused: Vec<(u64, Record, Error)>,
    /// The first record that was not written and may not be skipped.
    failure: Option<Error>,
    /// Where in the source the record is that failed the task.
    failed_at: Option<Position>,
    /// Topics whose first record, with that ticket, is on its way. Empty when topics are not tracked.
    awaited: Vec<(u64, Arc<str>)>,
    /// Topics that the herder is to be told of.
    reached: Vec<Arc<str>>,
    known: Option<HashSet<Arc<str>>>,
}

impl Outlet {
    pub(super) fn new(
        producer: Box<dyn Producer>,
        tolerance: Tolerance,
        records: &Arc<RecordMetrics>,
        track_topics: bool,
    ) -> Self {
        Self {
            producer,
            tracker: AckTracker::default(),
            acks: Acks::default(),
            tolerance,
            records: records.clone(),
            letters: None,
            refused: Vec::new(),
            failure: None,
            failed_at: None,
            awaited: Vec::new(),
            reached: Vec::new(),
            known: track_topics.then(HashSet::new),
        }
    }

    /// Takes note of the fates that have become known.
    ///
    /// # Errors
    /// When a record was not written and may not be skipped, or a dead letter was not written.
    pub(super) fn settle(&mut self, task: &dyn SourceTask) -> Result<()> {
        self.take_acks();
        self.report_refused(task);
        if let Some(letters) = &mut self.letters {
            letters.queue.check()?;
        }
        match self.failure.take() {
            Some(error) => {
                Err(Error::fatal("Unrecoverable exception from producer send callback").caused_by(error))
            }
            None => Ok(()),
        }
    }

    /// As [`settle`](Self::settle), but leaves a failure for it to report. Says whether there is none, nor a topic to tell of.
    pub(super) fn settle_quietly(&mut self) -> bool {
        self.take_acks();
        self.failure.is_none()
            && self.reached.is_empty()
            && self.refused.is_empty()
            && self.letters.as_ref().is_none_or(|letters| !letters.queue.has_failed())
    }

    /// Where in the source the record is that [`settle`](Self::settle) reported.
    pub(super) fn failed_at(&self) -> Option<Position> {
        self.failed_at.filter(|_| self.failure.is_none())
    }

    fn take_acks(&mut self) {
        self.acks.clear();
        self.producer.drain_acks(&mut self.acks);
        for ticket in &self.acks.delivered {
            self.tracker.ack(*ticket);
        }
        self.records.give(self.acks.delivered.len());
        if let Some(letters) = &mut self.letters {
            letters.take_acks(&self.acks.delivered, &mut self.tracker);
        }
        if !self.awaited.is_empty() {
            self.note_topics();
        }
        let mut failed = std::mem::take(&mut self.acks.failed);
        for (ticket, error) in failed.drain(..) {
            self.given_up(ticket, error);
        }
        self.acks.failed = failed;
    }

    /// Takes note of a record that Kafka does not take, whether the producer or a broker says so.
    fn given_up(&mut self, ticket: u64, error: Error) {
        let kept = self.letters.as_mut().and_then(|letters| letters.kept(ticket));
        if let Some(record) = kept
            && error.kind() == ErrorKind::Record
        {
            return self.refused.push((ticket, record, error));
        }
        // With a dead letter queue nothing is dropped: what is no fault of the record fails the task.
        if !self.tolerance.skips() || self.letters.is_some() {
            return self.fail(ticket, error);
        }
        // Decides nothing: the record is lost, and the connector's config says that this may be. It is logged.
        let failure = Failure { stage: Stage::KafkaProduce, class: SENDER, error };
        let _ = self.tolerance.settle_failed(failure, || "source record was sent to Kafka".to_owned());
        self.tracker.ack(ticket);
    }

    fn fail(&mut self, ticket: u64, error: Error) {
        if self.failure.is_none() {
            self.failed_at = self.failed_at.or(self.tracker.position(ticket));
            self.failure = Some(error);
        }
    }

    /// Writes the dead letters of records that Kafka did not take.
    fn report_refused(&mut self, task: &dyn SourceTask) {
        for (ticket, record, error) in std::mem::take(&mut self.refused) {
            let Some(letters) = &mut self.letters else { continue };
            let failure = Failure { stage: Stage::KafkaProduce, class: SENDER, error };
            if self.tolerance.skips() {
                letters.post(&record, &failure, ticket, task);
                // All kinds of errors are tolerated here.
                let _ = self.tolerance.settle_failed(failure, || described(task, record.position));
            } else {
                letters.post(&record, &failure, NO_TICKET, task);
                self.fail(ticket, failure.error);
            }
        }
    }

    /// Number of records and dead letters whose fate is not known.
    pub(super) fn outstanding(&self) -> usize {
        self.producer.outstanding() + self.letters.as_ref().map_or(0, |letters| letters.queue.outstanding())
    }

    /// Waits until a fate may have become known. Cancel-safe.
    pub(super) async fn progress(&mut self) {
        match &mut self.letters {
            None => self.producer.progress().await,
            Some(letters) => tokio::select! {
                () = self.producer.progress() => {}
                () = letters.queue.progress() => {}
            },
        }
    }

    fn expect_topic(&mut self, ticket: u64, topic: &Arc<str>) {
        if let Some(known) = &mut self.known
            && known.insert(topic.clone())
        {
            self.awaited.push((ticket, topic.clone()));
        }
    }

    fn note_topics(&mut self) {
        let delivered = &self.acks.delivered;
        let reached = &mut self.reached;
        self.awaited.retain(|(ticket, topic)| {
            let arrived = delivered.contains(ticket);
            if arrived {
                reached.push(topic.clone());
            }
            !arrived
        });
    }

    /// Topics that were reached for the first time.
    pub(super) fn reached_topics(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.reached)
    }

    /// Waits until the producer may have room, committing offsets meanwhile.
    ///
    /// # Errors
    /// As [`settle`](Self::settle); cancelled when the task is to stop.
    async fn room(
        &mut self,
        task: &mut dyn SourceTask,
        commits: &mut Commits,
        lifecycle: &Lifecycle,
    ) -> Result<()> {
        let before = self.producer.outstanding();
        self.settle(task)?;
        while self.producer.outstanding() >= before {
            tokio::select! {
                () = self.progress() => {}
                () = commits.wake() => super::serve_commits(task, commits, &mut self.tracker).await,
                () = lifecycle.stop_requested() => return Err(Error::cancelled()),
            }
            self.settle(task)?;
        }
        Ok(())
    }

    /// Waits until the fate of all records is known.
    pub(super) async fn all_settled(&mut self, task: &mut dyn SourceTask) {
        while self.outstanding() > 0 {
            self.progress().await;
            if let Err(error) = self.settle(task) {
                warn!(trace = error.trace(), "a record sent before the task ended was not written");
            }
        }
    }
}
