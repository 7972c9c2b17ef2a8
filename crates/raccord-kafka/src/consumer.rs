//! The consumer of a sink task.
//!
//! # Why nothing is lost or reordered
//! - librdkafka brings the records of a partition in order. After a seek, a pause or a rebalance it drops what it had
//!   fetched before, so nothing old follows something new.
//! - A rebalance is not answered in librdkafka's callback: it becomes an event, and librdkafka waits for the answer until
//!   the next poll. So the sink can flush and commit partitions while they are still its own. Records that were fetched
//!   before come before the event.
//! - Nothing is committed but what `commit` is told.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use raccord_config::JavaRegex;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result, TopicPartition};
use raccord_runtime::ports::{Consumer, ConsumerEvent, Fetched, Subscription};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::classify;
use crate::consumer_native::{NativeConsumer, Rebalance};
use crate::oauth::Login;
use crate::properties::{ClientKind, client_config, max_poll_records};

/// Bounds of a batch, unless the user sets `max.poll.records`.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// How long one look at the names of all topics may take, and how soon it is repeated when it failed.
const TOPICS_TIMEOUT_MS: i32 = 10_000;
const TOPICS_RETRY: Duration = Duration::from_secs(1);
/// How often a regex is matched against the topics there are: `metadata.max.age.ms` and its default.
const METADATA_MAX_AGE: &str = "metadata.max.age.ms";
const METADATA_MAX_AGE_MS: u64 = 300_000;
/// How long closing waits for leaving the group; it goes on after that.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Topics that a regex does not mean unless `exclude.internal.topics=false`.
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A consumer over librdkafka.
pub struct RdConsumer {
    native: NativeConsumer,
    records_max: usize,
    pattern: Option<Pattern>,
    /// The change of the assignment that the last event told of.
    told: Option<Told>,
}

/// A rebalance that is carried out at the next poll.
struct Told {
    rebalance: Rebalance,
    /// What was asked for partitions that are being assigned.
    offsets: HashMap<TopicPartition, i64>,
    paused: HashSet<TopicPartition>,
}

/// A subscription by regex. The regex is Java's, which librdkafka's own cannot be trusted to understand.
struct Pattern {
    regex: JavaRegex,
    exclude_internal: bool,
    interval: Duration,
    due: Instant,
    looking: Option<JoinHandle<std::result::Result<Vec<String>, Code>>>,
    subscribed: BTreeSet<String>,
}

impl RdConsumer {
    /// Makes the consumer from Java properties and subscribes; it connects by itself.
    ///
    /// # Errors
    /// `Error::config` naming the property that cannot be used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(properties: &RawConfig, subscription: Subscription) -> Result<Self> {
        let config = client_config(properties, ClientKind::Consumer)?;
        let native = NativeConsumer::new(&config, Login::of(properties)?.as_ref())?;
        let pattern = match subscription {
            Subscription::Topics(topics) => {
                native.subscribe(&topics).map_err(|code| failed("subscribe to topics", code))?;
                None
            }
            Subscription::Regex(regex) => Some(Pattern::new(&regex, properties)?),
            Subscription::Partition(partition) => {
                let assignment = Rebalance { assign: true, lost: false, partitions: vec![partition] };
                let assigned = native.carry_out(&assignment, &HashMap::new());
                assigned.map_err(|code| failed("be assigned a partition", code))?;
                None
            }
        };
        let records_max = max_poll_records(properties)?.unwrap_or(BATCH_RECORDS);
        Ok(Self { native, records_max, pattern, told: None })
    }

    /// Carries out the change that the last event told of.
    fn answer(&mut self) -> Result<()> {
        let Some(told) = self.told.take() else { return Ok(()) };
        let outcome = self.native.carry_out(&told.rebalance, &told.offsets);
        match outcome {
            Ok(()) => {}
            // The group has gone on without this member: the next events tell what is true now.
            Err(code) => warn!("librdkafka did not take the rebalance: {code}"),
        }
        if told.paused.is_empty() {
            return Ok(());
        }
        let paused: Vec<TopicPartition> = told.paused.into_iter().collect();
        self.native.pause(&paused).map_err(|code| failed("pause partitions", code))
    }

    fn next_event(&mut self) -> Option<ConsumerEvent> {
        let rebalance = self.native.rebalance()?;
        let partitions = rebalance.partitions.clone();
        let event = match rebalance.assign {
            true => ConsumerEvent::Assigned(partitions),
            false => ConsumerEvent::Revoked { partitions, lost: rebalance.lost },
        };
        self.told = Some(Told { rebalance, offsets: HashMap::new(), paused: HashSet::new() });
        Some(event)
    }

    /// The change being told of, if it brings this partition.
    fn coming(&mut self, partition: &TopicPartition) -> Option<&mut Told> {
        let told = self.told.as_mut()?;
        (told.rebalance.assign && told.rebalance.partitions.contains(partition)).then_some(told)
    }

    /// Waits for something to happen.
    async fn wait(&mut self, deadline: Instant) -> Result<()> {
        let Self { native, pattern, .. } = self;
        tokio::select! {
            () = native.queue.wait() => Ok(()),
            () = sleep_until(deadline) => Ok(()),
            topics = look(pattern, native) => {
                if let (Some(pattern), Some(topics)) = (pattern.as_mut(), topics) {
                    pattern.subscribe(topics, native)?;
                }
                Ok(())
            }
        }
    }
}

/// Waits until it is time to look at the topics, looks, and gives their names. Cancel-safe.
async fn look(pattern: &mut Option<Pattern>, native: &NativeConsumer) -> Option<Vec<String>> {
    let Some(pattern) = pattern else { return std::future::pending().await };
    if pattern.looking.is_none() {
        sleep_until(pattern.due).await;
        let client = native.client();
        pattern.looking = Some(tokio::task::spawn_blocking(move || client.topics(TOPICS_TIMEOUT_MS)));
    }
    let looking = pattern.looking.as_mut()?;
    let outcome = looking.await;
    pattern.looking = None;
    match outcome {
        Ok(Ok(topics)) => {
            pattern.due = Instant::now() + pattern.interval;
            Some(topics)
        }
        failed => {
            pattern.due = Instant::now() + TOPICS_RETRY;
            debug!("cannot list topics: {failed:?}");
            None
        }
    }
}

impl Pattern {
    fn new(regex: &str, properties: &RawConfig) -> Result<Self> {
        let compiled = JavaRegex::new(regex);
        let ms = properties.get(METADATA_MAX_AGE).and_then(|ms| ms.trim().parse().ok());
        Ok(Self {
            regex: compiled.map_err(|error| {
                Error::config(format!("Invalid value {regex} for configuration topics.regex: {error}"))
            })?,
            exclude_internal: properties
                .get("exclude.internal.topics")
                .is_none_or(|value| value.trim() != "false"),
            interval: Duration::from_millis(ms.unwrap_or(METADATA_MAX_AGE_MS).max(100)),
            due: Instant::now(),
            looking: None,
            subscribed: BTreeSet::new(),
        })
    }

    fn means(&self, topic: &str) -> bool {
        let internal = self.exclude_internal && INTERNAL_TOPICS.contains(&topic);
        // A match that would take for ever is no match.
        !internal && self.regex.full_match(topic).unwrap_or(false)
    }

    fn subscribe(&mut self, topics: Vec<String>, native: &NativeConsumer) -> Result<()> {
        let wanted: BTreeSet<String> = topics.into_iter().filter(|topic| self.means(topic)).collect();
        if wanted == self.subscribed {
            return Ok(());
        }
        info!(topics = wanted.len(), "subscribing to the topics that match");
        let list: Vec<String> = wanted.iter().cloned().collect();
        native.subscribe(&list).map_err(|code| failed("subscribe to topics", code))?;
        self.subscribed = wanted;
        Ok(())
    }
}

fn failed(doing: &str, code: Code) -> Error {
    classify::error(doing, code, &code.to_string())
}

/// Errors that come in the place of a record. librdkafka goes on by itself after most of them.
fn fetch_error(code: Code) -> Result<()> {
    let error = failed("consume", code);
    match code {
        Code::PartitionEOF => Ok(()),
        Code::PollExceeded => {
            warn!(
                "the sink was busy for longer than max.poll.interval.ms and lost its partitions; it joins again"
            );
            Ok(())
        }
        _ if error.kind() == ErrorKind::Retriable => {
            warn!("{}", error.message());
            Ok(())
        }
        _ => Err(error),
    }
}

#[async_trait]
impl Consumer for RdConsumer {
    async fn poll(&mut self, timeout: Duration, batch: &mut Fetched) -> Result<ConsumerEvent> {
        let deadline = Instant::now() + timeout;
        clear(batch);
        self.answer()?;
        loop {
            // An event that came with the last records.
            if let Some(event) = self.next_event() {
                return Ok(event);
            }
            if let Some(code) = self.native.fetch(batch, self.records_max, BATCH_BYTES) {
                fetch_error(code)?;
            }
            if !batch.records.is_empty() {
                return Ok(ConsumerEvent::Records);
            }
            if let Some(event) = self.next_event() {
                return Ok(event);
            }
            if let Some(refusal) = self.native.refused() {
                return Err(refusal.error("consume"));
            }
            if Instant::now() >= deadline {
                return Ok(ConsumerEvent::Records);
            }
            self.wait(deadline).await?;
        }
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Result<()> {
        self.native.commit(offsets).await.map_err(|code| failed("commit offsets", code))
    }

    fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<()> {
        if let Some(told) = self.coming(partition) {
            told.offsets.insert(partition.clone(), offset);
            return Ok(());
        }
        self.native.seek(partition, offset).map_err(|code| failed("seek", code))
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut assigned = Vec::with_capacity(partitions.len());
        for partition in partitions {
            match self.coming(partition) {
                Some(told) => drop(told.paused.insert(partition.clone())),
                None => assigned.push(partition.clone()),
            }
        }
        self.native.pause(&assigned).map_err(|code| failed("pause partitions", code))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut assigned = Vec::with_capacity(partitions.len());
        for partition in partitions {
            match self.coming(partition) {
                Some(told) => drop(told.paused.remove(partition)),
                None => assigned.push(partition.clone()),
            }
        }
        self.native.resume(&assigned).map_err(|code| failed("resume partitions", code))
    }

    async fn close(&mut self) {
        let client = self.native.client();
        let close = tokio::task::spawn_blocking(move || client.close());
        match timeout(CLOSE_TIMEOUT, close).await {
            Ok(Ok(Ok(()))) => {}
            outcome => debug!("the consumer did not leave its group in an orderly way: {outcome:?}"),
        }
    }
}

fn clear(batch: &mut Fetched) {
    batch.partitions.clear();
    batch.records.clear();
    batch.headers.clear();
    batch.buffer = bytes::Bytes::new();
}
