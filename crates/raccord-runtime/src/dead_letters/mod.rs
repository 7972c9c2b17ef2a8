//! Dead letters: records that could not be processed, written to a topic of their own.
//!
//! # Why none is lost
//! A letter is taken ([`DeadLetters::post`]) when its record is given up, before anything else happens to the record. The loops
//! commit nothing past a record whose letter is not written: a sink commits only after [`DeadLetters::flush`] said that all
//! letters are, and a source acknowledges the record's ticket with the letter's ([`DeadLetters::take_written`]). A letter
//! that Kafka does not take fails the task, so that the record is read again after a restart. Connect only logs that, and
//! commits beyond.
//!
//! As in Connect a record is reported whether it is skipped or fails the task.

mod headers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info, warn};

pub(crate) use self::headers::{Context, PREFIX};
use crate::client_properties;
use crate::error_metrics::{Count, ErrorMetrics};
use crate::ports::{Acks, Admin, EncodedHeaders, NewTopic, Outgoing, Producer, SendError};
use crate::task::{Lifecycle, TaskId, TaskSpec};
use crate::tolerance::Failure;

/// As Connect's: letters are in order.
const PARTITIONS: i32 = 1;
/// How long to wait before a letter is sent again that the producer could not take for now.
const SEND_BACKOFF: Duration = Duration::from_millis(100);
/// The ticket of a letter whose record is to be read again, or that needs none.
pub(crate) const NO_TICKET: u64 = u64::MAX;

/// What a connector's config says about its dead letter queue.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub topic: String,
    pub replication_factor: i16,
    pub context_headers: bool,
}

/// A record that could not be processed, as it is written.
pub(crate) struct Letter {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: EncodedHeaders,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Where the record comes from, for the headers that tell.
    pub context: Context,
    /// Comes back from [`DeadLetters::take_written`], unless it is [`NO_TICKET`].
    pub ticket: u64,
}

/// The dead letter queue of one task.
pub(crate) struct DeadLetters {
    id: TaskId,
    topic: Arc<str>,
    producer: Box<dyn Producer>,
    context_headers: bool,
    metrics: Arc<ErrorMetrics>,
    /// Letters that the producer had no room for, their headers complete.
    waiting: VecDeque<Letter>,
    /// When the producer, which does not know the topic yet, is asked again.
    retry_at: Option<Instant>,
    acks: Acks,
    written: Vec<u64>,
    /// The first letter that was not taken, until it is reported.
    failure: Option<Error>,
    /// Whether a letter was not taken.
    failed: bool,
}

impl DeadLetters {
    /// Opens the queue, making its topic if it is missing.
    ///
    /// # Errors
    /// When the topic can be neither found nor made.
    pub(crate) async fn open(spec: &TaskSpec, settings: Settings) -> Result<Self> {
        let (id, config, worker) = (&spec.id, &spec.connector_config, &spec.worker);
        let named = |error: Error| {
            error.causing(format!("Could not initialize dead letter queue with topic={}", settings.topic))
        };
        let admin = client_properties::admin(worker, config, format!("connector-dlq-adminclient-{id}"));
        let admin = spec.kafka.admin(&admin).map_err(named)?;
        make_topic(&*admin, &settings).await.map_err(named)?;
        let producer = client_properties::producer(worker, config, format!("connector-dlq-producer-{id}"));
        Ok(Self {
            id: id.clone(),
            topic: settings.topic.as_str().into(),
            producer: spec.kafka.producer(&producer).map_err(named)?,
            context_headers: settings.context_headers,
            metrics: spec.metrics.errors.clone(),
            waiting: VecDeque::new(),
            retry_at: None,
            acks: Acks::default(),
            written: Vec::new(),
            failure: None,
            failed: false,
        })
    }

    /// Takes a letter. Wait with [`posted`](Self::posted) before the next one where that is possible.
    pub(crate) fn post(&mut self, mut letter: Letter, failure: &Failure) {
        self.metrics.add(Count::DeadLetter);
        if self.context_headers {
            letter.headers.extend(std::mem::take(&mut letter.context).headers(&self.id, failure));
        }
        self.waiting.push_back(letter);
        if self.retry_at.is_none() {
            self.send_waiting();
        }
    }

    /// Waits until the producer has taken all letters.
    ///
    /// # Errors
    /// When a letter is not written; cancelled when the task is to stop meanwhile.
    pub(crate) async fn posted(&mut self, lifecycle: &Lifecycle) -> Result<()> {
        self.check()?;
        while !self.waiting.is_empty() {
            tokio::select! {
                () = self.progress() => self.check()?,
                () = lifecycle.stop_requested() => return Err(Error::cancelled()),
            }
        }
        Ok(())
    }

    fn send_waiting(&mut self) {
        while let Some(letter) = self.waiting.front() {
            let outgoing = Outgoing {
                topic: &self.topic,
                partition: None,
                timestamp: letter.timestamp,
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers: &letter.headers,
                ticket: letter.ticket,
            };
            match self.producer.send(&outgoing) {
                Ok(()) => {}
                Err(SendError::Full) => break,
                Err(SendError::Rejected(error)) if error.kind() == ErrorKind::Retriable => {
                    warn!(task = %self.id, trace = error.trace(), "Failed to send a dead letter. Backing off before retrying");
                    self.retry_at = Some(Instant::now() + SEND_BACKOFF);
                    break;
                }
                Err(SendError::Rejected(error)) => self.lost(error),
            }
            self.waiting.pop_front();
        }
        self.producer.hand_over();
    }

    /// Takes note of the fates that have become known.
    ///
    /// # Errors
    /// When a letter was not written, now or before.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.take_acks();
        if !self.failed {
            return Ok(());
        }
        let message = format!("Could not produce message to dead letter queue. topic={}", self.topic);
        Err(match self.failure.take() {
            Some(cause) => cause.causing(message),
            None => Error::fatal(message),
        })
    }

    /// As [`check`](Self::check), but leaves a failure for it to report.
    pub(crate) fn take_acks(&mut self) {
        if self.producer.outstanding() > 0 {
            self.acks.clear();
            self.producer.drain_acks(&mut self.acks);
            self.written.extend(self.acks.delivered.drain(..).filter(|ticket| *ticket != NO_TICKET));
            for (_, error) in std::mem::take(&mut self.acks.failed) {
                self.lost(error);
            }
        }
        if !self.waiting.is_empty() && self.retry_at.is_none_or(|at| at <= Instant::now()) {
            self.retry_at = None;
            self.send_waiting();
        }
    }

    fn lost(&mut self, error: Error) {
        self.metrics.add(Count::DeadLetterFailure);
        error!(
            task = %self.id, trace = error.trace(),
            "Could not produce message to dead letter queue. topic={}", self.topic
        );
        self.failed = true;
        self.failure.get_or_insert(error);
    }

    /// Whether a letter was not written.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Tickets of letters that are written, since the last call.
    pub(crate) fn take_written(&mut self) -> std::vec::Drain<'_, u64> {
        self.written.drain(..)
    }

    /// Number of letters on their way.
    pub(crate) fn outstanding(&self) -> usize {
        self.producer.outstanding() + self.waiting.len()
    }

    /// Waits until fates may have become known. Cancel-safe.
    pub(crate) async fn progress(&mut self) {
        match self.retry_at {
            Some(at) => tokio::select! {
                () = self.producer.progress() => {}
                () = sleep_until(at) => {}
            },
            None => self.producer.progress().await,
        }
    }

    /// Waits until all letters are written, at most that long. Says whether they are.
    ///
    /// # Errors
    /// When a letter was not taken.
    pub(crate) async fn flush(&mut self, patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        self.check()?;
        while self.outstanding() > 0 {
            if timeout_at(deadline, self.progress()).await.is_err() {
                return Ok(false);
            }
            self.check()?;
        }
        Ok(true)
    }
}

async fn make_topic(admin: &dyn Admin, settings: &Settings) -> Result<()> {
    if !admin.describe_topics(&[&settings.topic]).await?.is_empty() {
        return Ok(());
    }
    info!("Topic {} doesn't exist. Will attempt to create topic.", settings.topic);
    let topic = NewTopic {
        name: settings.topic.clone(),
        partitions: PARTITIONS,
        replication_factor: settings.replication_factor,
        settings: RawConfig::new(),
    };
    admin.create_topics(&[topic]).await.map(drop)
}
