//! The source loop: poll, transform, encode, send; acknowledgements back; offsets to their store.
//!
//! # Why nothing is lost or reordered
//! - A record gets a ticket from the [ack tracker](crate::ack_tracker) as the first thing after it left the source, in the
//!   order of the batch. Offsets are stored for the contiguous acknowledged prefix of a stream only. Whatever happens to a
//!   record after that (task fails, worker dies, producer gives up), its offset and all later ones of its stream stay
//!   unstored, so the source reads it again.
//! - A ticket is acknowledged by: Kafka's acknowledgement (`acks=all` unless the user wants less), a transform that drops
//!   the record, or `errors.tolerance=all`; with a dead letter queue, by Kafka's acknowledgement of the letter instead of
//!   the last. There is no fifth.
//! - Records go to the producer one after the other; the next one is not looked at while one cannot go on
//!   ([`line::Stuck`]). The producer keeps order within a partition, repeats included.
//! - A record that the producer gives up fails the task: later records may be written already, hence going on would commit
//!   past a hole. After the restart it is read again, with those after it: at least once.
//! - When the task ends, also by a failure, what is acknowledged is committed, as Connect does.
//!
//! `poll` is raced against orders, acknowledgements and commits, and dropped when one of them needs the task. That is safe
//! because `poll` is cancel-safe by contract and puts records into the batch only, which is sent first.

mod commit;
mod encode;
mod letters;
mod line;
mod readers;
mod topics;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use raccord_config::Config;
use raccord_plugin::{Error, ErrorKind, Result, SourceBatch, SourceContext, SourceTask};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use self::commit::Commits;
use self::encode::Encoding;
use self::letters::SourceLetters;
use self::line::{Line, Outlet, pause, place};
use self::readers::KafkaTopics;
use self::topics::{Creation, Topics};
use crate::ack_tracker::AckTracker;
use crate::chain::{Chain, Converters};
use crate::client_properties;
use crate::config::{SourceCommon, SourceErrorKeys};
use crate::dead_letters;
use crate::task::{Lifecycle, TaskEvent, TaskSpec, catch_panic, millis};
use crate::tolerance::Tolerance;
use crate::topic_creation::TopicGroups;

/// Bounds of a batch. Small enough to stay in the processor's cache, large enough that what happens once per batch does
/// not count.
const BATCH_RECORDS: usize = 2048;
const BATCH_BYTES: usize = 1024 * 1024;
/// Waits after retriable errors of poll: the first, and the longest.
const POLL_BACKOFF_MIN: Duration = Duration::from_millis(100);
const POLL_BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Runs a source task until it is told to stop or fails.
///
/// # Errors
/// What failed the task.
pub(crate) async fn run(
    spec: TaskSpec,
    make: fn() -> Box<dyn SourceTask>,
    lifecycle: &mut Lifecycle,
) -> Result<()> {
    let mut source = SourceLoop::new(&spec, make)?;
    lifecycle.made();
    let outcome = catch_panic(source.open_and_work(&spec, lifecycle)).await;
    let stopped_at = Instant::now();
    if !lifecycle.abandoned() {
        let commit = source.final_commit(&spec, lifecycle, stopped_at);
        if let Err(error) = catch_panic(commit).await {
            warn!(task = %spec.id, trace = error.trace(), "Failed to commit offsets for a task that ends");
        }
    }
    let close = async {
        source.task.close().await;
        Ok(())
    };
    if let Err(error) = catch_panic(close).await {
        warn!(task = %spec.id, trace = error.trace(), "Could not stop task");
    }
    outcome
}

struct SourceLoop {
    task: Box<dyn SourceTask>,
    batch: SourceBatch,
    line: Line,
    commits: Commits,
    poll_failures: u32,
    dead_letter_settings: Option<dead_letters::Settings>,
}

/// How a poll ended.
enum Polled {
    /// By itself.
    Ended(Result<()>),
    /// Something else is to be done first.
    Interrupted,
}

impl SourceLoop {
    fn new(spec: &TaskSpec, make: fn() -> Box<dyn SourceTask>) -> Result<Self> {
        let (id, config, worker) = (&spec.id, &spec.connector_config, &spec.worker);
        let common =
            SourceCommon::parse(config).map_err(|findings| Error::config(findings.first().to_owned()))?;
        let beyond =
            SourceErrorKeys::parse(config).map_err(|findings| Error::config(findings.first().to_owned()))?;
        let tolerance = Tolerance::new(id.clone(), &common.common, spec.metrics.errors.clone());
        let groups = match worker.topic_creation_enable {
            true => TopicGroups::parse(config)?,
            false => None,
        };
        let creation = match groups {
            Some(groups) => {
                let admin = client_properties::admin(worker, config, format!("connector-adminclient-{id}"));
                Some(Creation { admin: spec.kafka.admin(&admin)?, groups })
            }
            None => None,
        };
        let chain = Chain::new(spec.plugins, &common.common, config)?;
        let converters = Converters::new(spec.plugins, &common.common, config, worker)?;
        let producer = client_properties::producer(worker, config, format!("connector-producer-{id}"));
        let producer = spec.kafka.producer(&producer)?;
        let outlet =
            Outlet::new(producer, tolerance.clone(), &spec.metrics.records, worker.topic_tracking_enable);
        let (interval, timeout) =
            (millis(worker.offset_flush_interval_ms), millis(worker.offset_flush_timeout_ms));
        Ok(Self {
            task: make(),
            batch: SourceBatch::new(BATCH_RECORDS, BATCH_BYTES),
            line: Line {
                id: id.clone(),
                chain,
                encoding: Encoding::new(converters),
                tolerance,
                topics: Topics::new(creation),
                outlet,
                topics_forgotten: 0,
            },
            commits: Commits::new(id.clone(), spec.offsets.clone(), interval, timeout),
            poll_failures: 0,
            dead_letter_settings: dead_letter_settings(&beyond),
        })
    }

    async fn open_and_work(&mut self, spec: &TaskSpec, lifecycle: &mut Lifecycle) -> Result<()> {
        if let Some(settings) = self.dead_letter_settings.take() {
            self.line.outlet.letters = tokio::select! {
                opened = SourceLetters::open(spec, settings) => Some(opened?),
                () = lifecycle.stop_requested() => return Ok(()),
            };
        }
        let context = SourceContext {
            connector: spec.id.connector.clone(),
            task: spec.id.task,
            offsets: spec.offsets.clone(),
            topics: Arc::new(KafkaTopics(spec.kafka.clone())),
            metrics: spec.metrics.plugin.registry(),
            cancel: lifecycle.cancel().clone(),
        };
        tokio::select! {
            opened = self.task.open(context, &spec.task_config) => opened?,
            () = lifecycle.stop_requested() => return Ok(()),
        }
        info!(task = %spec.id, "Source task finished initialization and start");
        lifecycle.tell(TaskEvent::Running).await;
        match self.work(lifecycle).await {
            Err(error) if error.kind() == ErrorKind::Cancelled && lifecycle.stopping() => Ok(()),
            Err(error) => Err(self.name_record(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Adds to a failure which record Kafka did not take, if that is what failed the task.
    fn name_record(&self, error: Error) -> Error {
        let Some(position) = self.line.outlet.failed_at() else { return error };
        let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
        let record = format!("record {}", place(&*self.task, position));
        let hint = match cause.and_then(Error::hint_text) {
            Some(remedy) => format!("{remedy} ({record})"),
            None => record,
        };
        error.hint(hint)
    }

    async fn work(&mut self, lifecycle: &mut Lifecycle) -> Result<()> {
        while !lifecycle.stopping() {
            self.line.outlet.settle(&*self.task)?;
            for topic in self.line.outlet.reached_topics() {
                lifecycle.tell(TaskEvent::Topic(topic)).await;
            }
            serve_commits(&mut *self.task, &mut self.commits, &mut self.line.outlet.tracker).await;
            if lifecycle.paused() {
                self.rest(lifecycle).await?;
                continue;
            }
            let polled = self.poll(lifecycle).await;
            self.send_batch(lifecycle).await?;
            match polled {
                Polled::Interrupted => {}
                Polled::Ended(Ok(())) => self.poll_failures = 0,
                Polled::Ended(Err(error)) => self.poll_failed(error, lifecycle).await?,
            }
            // A source that always has records would keep other tasks of this thread from running.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Polls, serving acknowledgements meanwhile.
    async fn poll(&mut self, lifecycle: &mut Lifecycle) -> Polled {
        let Self { task, batch, line, commits, .. } = self;
        let mut poll = task.poll(batch);
        loop {
            tokio::select! {
                biased;
                polled = &mut poll => return Polled::Ended(polled),
                () = lifecycle.changed() => return Polled::Interrupted,
                () = commits.wake() => return Polled::Interrupted,
                () = line.outlet.progress() => {
                    // Also when a record failed or reached a topic first: the loop begins with looking for that.
                    if !line.outlet.settle_quietly() {
                        return Polled::Interrupted;
                    }
                }
            }
        }
    }

    async fn poll_failed(&mut self, error: Error, lifecycle: &Lifecycle) -> Result<()> {
        if error.kind() != ErrorKind::Retriable {
            return Err(error);
        }
        let delay = POLL_BACKOFF_MIN.saturating_mul(1 << self.poll_failures.min(10)).min(POLL_BACKOFF_MAX);
        self.poll_failures += 1;
        warn!(
            task = %self.line.id, delay_ms = delay.as_millis() as u64, trace = error.trace(),
            "failed to poll records from SourceTask. Will retry operation."
        );
        pause(delay, lifecycle).await
    }

    async fn send_batch(&mut self, lifecycle: &Lifecycle) -> Result<()> {
        let Self { task, batch, line, commits, .. } = self;
        // Not before: a reset of the topics may have come while the source was polled.
        line.forget_topics(lifecycle.topics_forgotten());
        line.outlet.records.take(batch.len());
        for record in batch.drain() {
            if let Err(stuck) = line.push(record) {
                line.unstick(stuck, &mut **task, commits, lifecycle).await?;
            }
        }
        line.outlet.producer.hand_over();
        if let Some(position) = batch.take_advanced() {
            let ticket = line.outlet.tracker.track(position);
            line.outlet.tracker.ack(ticket);
        }
        Ok(())
    }

    /// Moves no records until the task is resumed or to stop. What is on its way arrives and is committed.
    async fn rest(&mut self, lifecycle: &mut Lifecycle) -> Result<()> {
        lifecycle.tell(TaskEvent::Paused).await;
        let mut hurried = false;
        while lifecycle.paused() && !lifecycle.stopping() {
            if !hurried && self.line.outlet.outstanding() == 0 {
                self.commits.hurry();
                hurried = true;
            }
            tokio::select! {
                () = lifecycle.changed() => {}
                () = self.commits.wake() => {}
                () = self.line.outlet.progress() => {}
            }
            self.line.outlet.settle(&*self.task)?;
            serve_commits(&mut *self.task, &mut self.commits, &mut self.line.outlet.tracker).await;
        }
        if !lifecycle.stopping() {
            lifecycle.tell(TaskEvent::Running).await;
        }
        Ok(())
    }

    /// Waits for acknowledgements and commits, within the time that a task has for stopping.
    async fn final_commit(&mut self, spec: &TaskSpec, lifecycle: &Lifecycle, since: Instant) -> Result<()> {
        let flush = millis(spec.worker.offset_flush_timeout_ms);
        // Closing takes time as well.
        let budget = match lifecycle.stopping() {
            true => millis(spec.worker.task_shutdown_graceful_timeout_ms).mul_f32(0.8),
            false => flush,
        };
        let deadline = since + budget;
        let Self { task, commits, line, .. } = self;
        let _ =
            timeout_at(since + flush.min(budget.mul_f32(0.6)), line.outlet.all_settled(&mut **task)).await;
        let tracker = &mut line.outlet.tracker;
        if tracker.pending() > 0 {
            debug!(task = %spec.id, records = tracker.pending(), "ends with records that are not acknowledged");
        }
        if let Ok(Some(positions)) = timeout_at(deadline, commits.finish()).await {
            tracker.stored(&positions);
        }
        begin_commit(&mut **task, commits, tracker);
        match timeout_at(deadline, commits.finish()).await {
            Ok(Some(positions)) => task.committed(&positions).await,
            Ok(None) => Ok(()),
            Err(_) => Err(Error::retriable("Timed out waiting to flush offsets to storage")),
        }
    }
}

fn dead_letter_settings(keys: &SourceErrorKeys) -> Option<dead_letters::Settings> {
    keys.errors_deadletterqueue_source_enable.then(|| dead_letters::Settings {
        topic: keys.errors_deadletterqueue_topic_name.trim().to_owned(),
        replication_factor: keys.errors_deadletterqueue_topic_replication_factor,
        context_headers: keys.errors_deadletterqueue_context_headers_enable,
    })
}

fn begin_commit(task: &mut dyn SourceTask, commits: &mut Commits, tracker: &AckTracker) {
    let positions = tracker.committable();
    let offsets = positions.iter().map(|position| task.offset(*position)).collect();
    commits.begin(positions, offsets);
}

/// Ends a commit that is done and begins one that is due. Does not wait for Kafka.
async fn serve_commits(task: &mut dyn SourceTask, commits: &mut Commits, tracker: &mut AckTracker) {
    if commits.has_ended()
        && let Some(positions) = commits.finish().await
    {
        tracker.stored(&positions);
        if let Err(error) = task.committed(&positions).await {
            warn!(trace = error.trace(), "the task failed to take note of committed offsets");
        }
    }
    if commits.is_due() {
        begin_commit(task, commits, tracker);
    }
}
