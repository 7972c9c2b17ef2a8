//! The way of a record from the source to the producer: ticket, transforms, encoding, sending.
//!
//! The usual case is [`Line::push`], which waits for nothing. What does not go through at once (a failed transform, a new
//! topic, a full producer) comes back as [`Stuck`] and is dealt with by [`Line::unstick`], which may wait. The next record
//! is not looked at before, so records never overtake each other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::data::{Position, Record};
use raccord_plugin::{Error, ErrorKind, Result, SourceTask};
use tracing::warn;

use super::Commits;
use super::encode::Encoding;
use super::topics::Topics;
use crate::ack_tracker::AckTracker;
use crate::chain::{Chain, ChainFailure};
use crate::ports::{Acks, Producer, SendError};
use crate::task::{Lifecycle, TaskId};
use crate::tolerance::{Attempts, Failure, Stage, Tolerance, Verdict};

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
        match self.chain.apply(record, from, self.tolerance.retries()) {
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
            Ok(()) => Ok(()),
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
        let mut attempts = Attempts::none();
        let mut pushed = Err(stuck);
        while let Err(stuck) = pushed {
            pushed = match *stuck {
                Stuck::Transform(tag, failed) => {
                    let verdict = self.decide(failed.failure, &mut attempts, tag, task);
                    match (self.judge(verdict, tag, lifecycle).await?, failed.record) {
                        (true, Some(record)) => self.transform(tag, record, failed.step),
                        _ => Ok(()),
                    }
                }
                Stuck::Encode(tag, record, failure) => {
                    let verdict = self.decide(failure, &mut attempts, tag, task);
                    match self.judge(verdict, tag, lifecycle).await? {
                        true => self.deliver(tag, record),
                        false => Ok(()),
                    }
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
                        self.outlet.given_up(tag.ticket, error);
                        return self.outlet.settle();
                    }
                    warn!(task = %self.id, topic = %record.topic, trace = error.trace(), "Failed to send record. Backing off before retrying");
                    pause(SEND_BACKOFF, lifecycle).await?;
                    self.send(tag, record)
                }
            };
        }
        Ok(())
    }

    fn decide(
        &self,
        failure: Failure,
        attempts: &mut Attempts,
        tag: Tag,
        task: &mut dyn SourceTask,
    ) -> Verdict {
        self.tolerance.decide(failure, attempts, || place(task, tag.position))
    }

    /// Waits if the operation is to be repeated, and says whether it is.
    async fn judge(&mut self, verdict: Verdict, tag: Tag, lifecycle: &Lifecycle) -> Result<bool> {
        match verdict {
            Verdict::Retry(delay) => pause(delay, lifecycle).await.map(|()| true),
            Verdict::Skip(_) => {
                self.outlet.tracker.ack(tag.ticket);
                Ok(false)
            }
            Verdict::Fail(error) => Err(error),
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
    pub(super) fn new(producer: Box<dyn Producer>, tolerance: Tolerance, track_topics: bool) -> Self {
        Self {
            producer,
            tracker: AckTracker::default(),
            acks: Acks::default(),
            tolerance,
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
    /// When a record was not written and may not be skipped.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.take_acks();
        match self.failure.take() {
            Some(error) => {
                Err(Error::fatal("Unrecoverable exception from producer send callback").caused_by(error))
            }
            None => Ok(()),
        }
    }

    /// As [`settle`](Self::settle), but leaves a failure for it to report. Says whether there is none.
    pub(super) fn settle_quietly(&mut self) -> bool {
        self.take_acks();
        self.failure.is_none()
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
        if !self.tolerance.skips() {
            if self.failure.is_none() {
                self.failed_at = self.failed_at.or(self.tracker.position(ticket));
                self.failure = Some(error);
            }
            return;
        }
        // Decides nothing: the record is lost, and the connector's config says that this may be. It is logged.
        let failure = Failure { stage: Stage::KafkaProduce, class: SENDER, error };
        let _ = self.tolerance.decide_failed(failure, || "sent to Kafka".to_owned());
        self.tracker.ack(ticket);
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
        self.settle()?;
        while self.producer.outstanding() >= before {
            tokio::select! {
                () = self.producer.progress() => {}
                () = commits.wake() => super::serve_commits(task, commits, &mut self.tracker).await,
                () = lifecycle.stop_requested() => return Err(Error::cancelled()),
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Waits until the fate of all records is known.
    pub(super) async fn all_settled(&mut self) {
        while self.producer.outstanding() > 0 {
            self.producer.progress().await;
            if let Err(error) = self.settle() {
                warn!(trace = error.trace(), "a record sent before the task ended was not written");
            }
        }
    }
}
