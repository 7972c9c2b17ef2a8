//! The sink loop: consume, decode, transform, put; flush says what is durable; kafka_offsets are committed.
//!
//! # Why nothing is lost or reordered
//! - A kafka_offset is committed only after every record before it was put (or dropped by a transform, or skipped by
//!   `errors.tolerance`), and only as far as the task's `flush` says that they are durable ([`offsets`]).
//! - Nothing is committed while a dead letter is on its way: letters are handed over while their batch is processed, the
//!   batch counts as put after that only, and a commit first waits until all letters are written
//!   ([`SinkLoop::letters_are_written`]). One that is not written fails the task; its record is read again.
//! - The consumer gives records of a partition in order; a batch is put before the next one is polled. A batch whose put
//!   failed with a retriable error is put again, unchanged, while all partitions are paused.
//! - Partitions that go away are flushed and committed first: the consumer gives them up when it is polled next. Of lost
//!   partitions nothing is committed; their new owner reads from the last commit on.
//! - When `flush` fails, everything after the last commit is read and put again.
//! - When the task ends, also by a failure, what is durable is committed, as Connect does.

mod decode;
mod failures;
mod offsets;
mod requests;
mod topics;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use raccord_config::Config;
use raccord_plugin::{Error, ErrorKind, Result, SinkBatch, SinkContext, SinkTask, TopicPartition};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{error, info, warn};

use self::decode::Decoding;
use self::offsets::Offsets;
use self::requests::Requests;
use self::topics::UsedTopics;
use crate::chain::{Chain, Converters};
use crate::client_properties;
use crate::config::{SinkCommon, SinkErrorKeys};
use crate::dead_letters::{self, DeadLetters};
use crate::metrics::RecordMetrics;
use crate::ports::{Consumer, ConsumerEvent, Fetched, Subscription};
use crate::task::{Lifecycle, TaskEvent, TaskId, TaskSpec, catch_panic, millis};
use crate::tolerance::Tolerance;

/// Waits before a batch is put again when the task did not say how long: the first, and the longest.
const REDELIVERY_MIN: Duration = Duration::from_millis(500);
const REDELIVERY_MAX: Duration = Duration::from_secs(10);
/// Wait after a retriable error of the consumer.
const CONSUMER_BACKOFF: Duration = Duration::from_millis(500);

/// Runs a sink task until it is told to stop or fails.
///
/// # Errors
/// What failed the task.
pub(crate) async fn run(
    spec: TaskSpec,
    make: fn() -> Box<dyn SinkTask>,
    lifecycle: &mut Lifecycle,
) -> Result<()> {
    let mut sink = SinkLoop::new(&spec, make)?;
    lifecycle.made();
    let outcome = catch_panic(sink.open_and_work(&spec, lifecycle)).await;
    if !lifecycle.abandoned() {
        // Closing takes time as well.
        let budget = millis(spec.worker.task_shutdown_graceful_timeout_ms).mul_f32(0.8);
        let assigned = sink.offsets.assigned();
        sink.letters_patience = sink.letters_patience.min(budget.mul_f32(0.5));
        let last = async {
            timeout(budget, sink.give_up(&assigned))
                .await
                .unwrap_or_else(|_| Err(Error::retriable("Timed out waiting to commit offsets")))
        };
        if let Err(error) = catch_panic(last).await {
            warn!(task = %spec.id, trace = error.trace(), "Offset commit failed during close");
        }
    }
    let close = async {
        sink.task.close().await;
        Ok(())
    };
    if let Err(error) = catch_panic(close).await {
        warn!(task = %spec.id, trace = error.trace(), "Could not stop task");
    }
    sink.consumer.close().await;
    outcome
}

struct SinkLoop {
    id: TaskId,
    task: Box<dyn SinkTask>,
    consumer: Box<dyn Consumer>,
    decoding: Decoding,
    chain: Chain,
    tolerance: Tolerance,
    records: Arc<RecordMetrics>,
    /// Where records go that are given up. `None` before it is open, or when there is none.
    dead_letters: Option<DeadLetters>,
    dead_letter_settings: Option<dead_letters::Settings>,
    /// How long a commit waits until dead letters are written.
    letters_patience: Duration,
    /// Whether records that make a put fail are looked for.
    isolates: bool,
    /// What a poll brings.
    incoming: Fetched,
    /// What the batch was made of.
    fetched: Fetched,
    batch: SinkBatch,
    /// The next kafka_offset of each partition of the batch, known as put once the batch was.
    batch_ends: Vec<(TopicPartition, i64)>,
    /// Set while the batch waits to be put again.
    redelivery: Option<Redelivery>,
    offsets: Offsets,
    requests: Arc<Requests>,
    /// Partitions that the task wants paused.
    paused_by_task: BTreeSet<TopicPartition>,
    /// Whether all partitions are paused because the connector is.
    resting: bool,
    commit_interval: Duration,
    commit_timeout: Duration,
    commit_due: Instant,
    /// The longest wait until the next put, for once.
    put_timeout: Option<Duration>,
    topics: UsedTopics,
}

#[derive(Clone, Copy)]
struct Redelivery {
    at: Instant,
    failures: u32,
}

impl SinkLoop {
    fn new(spec: &TaskSpec, make: fn() -> Box<dyn SinkTask>) -> Result<Self> {
        let (id, config, worker) = (&spec.id, &spec.connector_config, &spec.worker);
        let common =
            SinkCommon::parse(config).map_err(|findings| Error::config(findings.first().to_owned()))?;
        let beyond =
            SinkErrorKeys::parse(config).map_err(|findings| Error::config(findings.first().to_owned()))?;
        let subscription = match common.topics.is_empty() {
            false => Subscription::Topics(common.topics.clone()),
            true => Subscription::Regex(common.topics_regex.clone()),
        };
        let chain = Chain::new(spec.plugins, &common.common, config)?;
        let converters = Converters::new(spec.plugins, &common.common, config, worker)?;
        let consumer = spec.kafka.consumer(&client_properties::consumer(worker, config, id), subscription)?;
        let commit_interval = millis(worker.offset_flush_interval_ms);
        Ok(Self {
            id: id.clone(),
            task: make(),
            consumer,
            decoding: Decoding::new(converters),
            chain,
            tolerance: Tolerance::new(id.clone(), &common.common, spec.metrics.errors.clone()),
            records: spec.metrics.records.clone(),
            dead_letters: None,
            dead_letter_settings: dead_letter_settings(&common),
            letters_patience: millis(worker.offset_flush_timeout_ms),
            isolates: beyond.errors_deadletterqueue_put_enable,
            incoming: Fetched::default(),
            fetched: Fetched::default(),
            batch: SinkBatch::default(),
            batch_ends: Vec::new(),
            redelivery: None,
            offsets: Offsets::default(),
            requests: Arc::new(Requests::default()),
            paused_by_task: BTreeSet::new(),
            resting: false,
            commit_interval,
            commit_timeout: millis(worker.offset_flush_timeout_ms),
            commit_due: Instant::now() + commit_interval,
            put_timeout: None,
            topics: UsedTopics::new(worker.topic_tracking_enable),
        })
    }

    async fn open_and_work(&mut self, spec: &TaskSpec, lifecycle: &mut Lifecycle) -> Result<()> {
        if let Some(settings) = self.dead_letter_settings.take() {
            self.dead_letters = tokio::select! {
                opened = DeadLetters::open(spec, settings) => Some(opened?),
                () = lifecycle.stop_requested() => return Ok(()),
            };
        }
        let context = SinkContext {
            connector: spec.id.connector.clone(),
            task: spec.id.task,
            requests: self.requests.clone(),
            metrics: spec.metrics.plugin.registry(),
            cancel: lifecycle.cancel().clone(),
        };
        tokio::select! {
            opened = self.task.open(context, &spec.task_config) => opened?,
            () = lifecycle.stop_requested() => return Ok(()),
        }
        info!(task = %self.id, "Sink task finished initialization and start");
        lifecycle.tell(TaskEvent::Running).await;
        while !lifecycle.stopping() {
            match self.iteration(lifecycle).await {
                Err(error) if error.kind() == ErrorKind::Cancelled && lifecycle.stopping() => {}
                outcome => outcome?,
            }
            // A topic that always has records would keep other tasks of this thread from running.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn iteration(&mut self, lifecycle: &mut Lifecycle) -> Result<()> {
        self.follow_orders(lifecycle).await?;
        self.serve_requests()?;
        if let Some(letters) = &mut self.dead_letters {
            letters.check()?;
        }
        if Instant::now() >= self.commit_due {
            self.commit_due = Instant::now() + self.commit_interval;
            self.commit().await?;
        }
        let wait = self.wait();
        let event = tokio::select! {
            biased;
            event = self.consumer.poll(wait, &mut self.incoming) => event,
            () = lifecycle.changed() => return Ok(()),
        };
        match event {
            Ok(ConsumerEvent::Records) => {
                self.take_fetched(lifecycle).await?;
                self.deliver(lifecycle).await
            }
            Ok(ConsumerEvent::Assigned(partitions)) => self.assigned(&partitions).await,
            Ok(ConsumerEvent::Revoked { partitions, lost }) => self.revoked(&partitions, lost).await,
            Err(error) if error.kind() == ErrorKind::Retriable => {
                warn!(task = %self.id, trace = error.trace(), "the consumer failed; trying again");
                let _ = timeout(CONSUMER_BACKOFF, lifecycle.stop_requested()).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// How long a poll may wait: until a commit or a put is due.
    fn wait(&mut self) -> Duration {
        let now = Instant::now();
        let mut wait = self.commit_due.saturating_duration_since(now);
        if let Some(redelivery) = self.redelivery {
            wait = wait.min(redelivery.at.saturating_duration_since(now));
        }
        self.put_timeout.take().map_or(wait, |timeout| wait.min(timeout))
    }

    async fn follow_orders(&mut self, lifecycle: &Lifecycle) -> Result<()> {
        match (lifecycle.paused(), self.resting) {
            (true, false) => {
                self.resting = true;
                self.consumer.pause(&self.offsets.assigned())?;
                self.commit_due = Instant::now();
                lifecycle.tell(TaskEvent::Paused).await;
            }
            (false, true) => {
                self.resting = false;
                self.resume_all()?;
                lifecycle.tell(TaskEvent::Running).await;
            }
            _ => {}
        }
        Ok(())
    }

    fn serve_requests(&mut self) -> Result<()> {
        let asked = self.requests.take();
        if asked.timeout.is_some() {
            self.put_timeout = asked.timeout;
        }
        if asked.commit {
            self.commit_due = Instant::now();
        }
        for (partition, pause) in asked.paused {
            if !self.offsets.is_assigned(&partition) {
                return Err(Error::fatal(format!(
                    "SinkTask may not pause or resume partition {}-{} that is not assigned to it",
                    partition.topic, partition.partition
                ))
                .class("org.apache.kafka.connect.errors.IllegalWorkerStateException"));
            }
            if pause {
                self.consumer.pause(std::slice::from_ref(&partition))?;
                self.paused_by_task.insert(partition);
            } else {
                self.paused_by_task.remove(&partition);
                if !self.resting && self.redelivery.is_none() {
                    self.consumer.resume(std::slice::from_ref(&partition))?;
                }
            }
        }
        for (partition, offset) in asked.rewind {
            if self.offsets.is_assigned(&partition) {
                self.consumer.seek(&partition, offset)?;
                self.offsets.rewound(&partition, offset);
                self.forget(std::slice::from_ref(&partition));
            }
        }
        Ok(())
    }

    /// Fetches again what neither the connector nor the task wants paused.
    fn resume_all(&mut self) -> Result<()> {
        if self.resting || self.redelivery.is_some() {
            return Ok(());
        }
        let mut partitions = self.offsets.assigned();
        partitions.retain(|partition| !self.paused_by_task.contains(partition));
        self.consumer.resume(&partitions)
    }

    /// Drops records of these partitions that were not put yet.
    fn forget(&mut self, partitions: &[TopicPartition]) {
        let streams = &self.batch.partitions;
        self.batch.records.retain(|record| !partitions.contains(&streams[record.position.stream as usize]));
        self.batch_ends.retain(|(partition, _)| !partitions.contains(partition));
    }

    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        info!(task = %self.id, partitions = partitions.len(), "partitions assigned");
        self.offsets.assign(partitions);
        if self.redelivery.is_some() && self.batch.records.is_empty() {
            // All that waited to be put again has gone with its partitions.
            self.redelivery = None;
            self.resume_all()?;
        }
        if self.resting || self.redelivery.is_some() {
            self.consumer.pause(partitions)?;
        }
        if !partitions.is_empty() {
            self.task.assign(partitions).await?;
            self.serve_requests()?;
        }
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        info!(task = %self.id, partitions = partitions.len(), lost, "partitions revoked");
        if lost {
            self.task.revoke(partitions, true).await?;
        } else {
            self.give_up(partitions).await?;
        }
        self.offsets.revoke(partitions);
        self.paused_by_task.retain(|partition| !partitions.contains(partition));
        self.forget(partitions);
        Ok(())
    }

    /// Decodes and transforms what was fetched into the batch.
    async fn take_fetched(&mut self, lifecycle: &Lifecycle) -> Result<()> {
        if self.incoming.records.is_empty() {
            return Ok(());
        }
        if !self.batch.records.is_empty() {
            return Err(Error::fatal("the consumer brought records of paused partitions"));
        }
        std::mem::swap(&mut self.fetched, &mut self.incoming);
        self.decoding.begin(&self.fetched)?;
        let fetched = std::mem::take(&mut self.fetched);
        self.records.take(fetched.records.len());
        self.batch.partitions.clear();
        self.batch.partitions.extend_from_slice(&fetched.partitions);
        self.note_ends(&fetched);
        self.topics.begin(&fetched.partitions, lifecycle.topics_forgotten());
        let made = self.make_batch(&fetched, lifecycle).await;
        self.fetched = fetched;
        for topic in self.topics.take_reached() {
            lifecycle.tell(TaskEvent::Topic(topic)).await;
        }
        made
    }

    async fn make_batch(&mut self, fetched: &Fetched, lifecycle: &Lifecycle) -> Result<()> {
        for (index, record) in fetched.records.iter().enumerate() {
            let decoded = self.decoding.decode(fetched, record);
            if decoded.is_ok() {
                self.topics.used(record.stream, &fetched.partitions);
            }
            match decoded {
                Ok(record) if self.chain.is_empty() => self.batch.records.push(record),
                decoded => {
                    if let Some(record) = self.transform(fetched, index, decoded, lifecycle).await? {
                        self.batch.records.push(record);
                    }
                }
            }
        }
        Ok(())
    }

    fn note_ends(&mut self, fetched: &Fetched) {
        self.batch_ends.clear();
        self.batch_ends.extend(fetched.partitions.iter().map(|partition| (partition.clone(), -1)));
        for record in &fetched.records {
            let (partition, end) = &mut self.batch_ends[record.stream as usize];
            if *end < 0 {
                self.offsets.fetched(partition, record.offset);
            }
            *end = record.offset + 1;
        }
        self.batch_ends.retain(|(_, end)| *end >= 0);
    }

    /// Puts the batch, unless it is to wait. An empty one is put as well: some tasks work by the clock.
    async fn deliver(&mut self, lifecycle: &Lifecycle) -> Result<()> {
        if self.redelivery.is_some_and(|redelivery| Instant::now() < redelivery.at) {
            return Ok(());
        }
        match self.task.put(&self.batch).await {
            Ok(rejected) => {
                for rejected in rejected {
                    self.reject(rejected.index, rejected.error, lifecycle).await?;
                }
                self.delivered()
            }
            Err(error) if error.kind() == ErrorKind::Retriable => self.put_later(&error),
            Err(error) if self.isolates && error.kind() == ErrorKind::Record => {
                self.isolate(error, lifecycle).await
            }
            Err(error) => Err(unrecoverable(error)),
        }
    }

    /// Takes note that the batch was put.
    fn delivered(&mut self) -> Result<()> {
        for (partition, end) in self.batch_ends.drain(..) {
            self.offsets.put(&partition, end);
        }
        self.records.give(self.batch.records.len());
        self.batch.records.clear();
        if self.redelivery.take().is_some() {
            self.resume_all()?;
        }
        Ok(())
    }

    /// Pauses everything, so that polls keep the membership of the group but bring nothing, until the batch is put again.
    fn put_later(&mut self, error: &Error) -> Result<()> {
        error!(task = %self.id, trace = error.trace(), "RetriableException from SinkTask");
        let failures = self.redelivery.map_or(0, |redelivery| redelivery.failures);
        if self.redelivery.is_none() {
            self.consumer.pause(&self.offsets.assigned())?;
        }
        let asked = self.requests.take_timeout();
        let delay = asked.unwrap_or(REDELIVERY_MIN.saturating_mul(1 << failures.min(10)).min(REDELIVERY_MAX));
        self.redelivery = Some(Redelivery { at: Instant::now() + delay, failures: failures + 1 });
        Ok(())
    }

    /// Waits until all dead letters are written, but not for ever. Says whether they are: if not, nothing may be
    /// committed.
    ///
    /// # Errors
    /// When Kafka does not take a letter.
    async fn letters_are_written(&mut self) -> Result<bool> {
        let Some(letters) = &mut self.dead_letters else { return Ok(true) };
        let written = letters.flush(self.letters_patience).await?;
        if !written {
            warn!(
                task = %self.id, letters = letters.outstanding(),
                "Dead letters are not written yet; offsets are committed when they are"
            );
        }
        Ok(written)
    }

    /// Flushes and commits what was put.
    async fn commit(&mut self) -> Result<()> {
        if !self.letters_are_written().await? {
            return Ok(());
        }
        let mut durable = self.offsets.done(&self.offsets.assigned());
        if durable.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.task.flush(&mut durable).await {
            error!(task = %self.id, trace = error.trace(), "Offset commit failed, rewinding to last committed offsets");
            if error.kind() == ErrorKind::Fatal {
                return Err(error);
            }
            return self.rewind_to_committed();
        }
        self.commit_durable(durable).await;
        Ok(())
    }

    fn rewind_to_committed(&mut self) -> Result<()> {
        // What waits to be put again is read again as well.
        self.batch.records.clear();
        self.batch_ends.clear();
        for (partition, offset) in self.offsets.back_to_committed() {
            self.consumer.seek(&partition, offset)?;
        }
        if self.redelivery.take().is_some() {
            self.resume_all()?;
        }
        Ok(())
    }

    /// Flushes, revokes and commits partitions that go away. Errors of the flush keep nothing from going away.
    async fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let letters = self.letters_are_written().await;
        let mut durable = self.offsets.done(partitions);
        let flushed = match durable.is_empty() {
            true => Ok(()),
            false => self.task.flush(&mut durable).await,
        };
        if !partitions.is_empty() {
            self.task.revoke(partitions, false).await?;
        }
        match flushed.and(letters) {
            Ok(true) => self.commit_durable(durable).await,
            Ok(false) => {}
            Err(error) => warn!(task = %self.id, trace = error.trace(), "Offset commit failed during close"),
        }
        Ok(())
    }

    async fn commit_durable(&mut self, durable: Vec<(TopicPartition, i64)>) {
        let offsets = self.offsets.committable(durable);
        if offsets.is_empty() {
            return;
        }
        let deadline = Instant::now() + self.commit_timeout;
        let committed = timeout_at(deadline, self.consumer.commit(&offsets)).await;
        match committed.unwrap_or_else(|_| Err(Error::retriable("Commit of offsets timed out"))) {
            Ok(()) => self.offsets.committed(&offsets),
            Err(error) => error!(task = %self.id, trace = error.trace(), "Commit of offsets failed"),
        }
    }
}

fn unrecoverable(error: Error) -> Error {
    Error::fatal("Exiting WorkerSinkTask due to unrecoverable exception.").caused_by(error)
}

fn dead_letter_settings(keys: &SinkCommon) -> Option<dead_letters::Settings> {
    let topic = keys.errors_deadletterqueue_topic_name.trim();
    (!topic.is_empty()).then(|| dead_letters::Settings {
        topic: topic.to_owned(),
        replication_factor: keys.errors_deadletterqueue_topic_replication_factor,
        context_headers: keys.errors_deadletterqueue_context_headers_enable,
    })
}
