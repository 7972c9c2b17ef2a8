//! Compacted topics as tables: the internal topics of Connect.
//!
//! Opening a topic reads what is in it with a consumer of its own that never waits for more, because the start of the
//! worker waits for it. From there on a thread follows the topic with a consumer that does wait, and passes records on;
//! an appended record comes back through it like everybody else's. How far reading has come stands beside it, so
//! `read_to_end` asks the broker for the end of each partition and waits until the thread has passed it.
//!
//! Where a partition ends in what no reader sees (markers of transactions, compacted-away records) there never is a
//! record at the end: librdkafka then reports the end itself, which counts as well. A partition that is empty counts as
//! read at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result};
use raccord_runtime::ports::{Admin, CompactedLog, LogRecord, LogTopic, NewTopic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::Offset;
use rdkafka::util::Timeout;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use crate::admin::RdAdmin;
use crate::classify::{self, classify};
use crate::client::{LogContext, LoggedIn};
use crate::native::{PartitionReader, ReadOutcome};
use crate::oauth::Login;

/// How long one append or one read to the end may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the reader's thread waits at once; bounds how long closing takes.
const READ_WAIT: Duration = Duration::from_millis(200);

/// Between two requests for the ends of partitions that are not served at the moment.
const ENDS_RETRY: Duration = Duration::from_millis(50);
/// How long a topic that was created may take until a broker knows it, and how often it is asked.
const APPEAR_PATIENCE: Duration = Duration::from_secs(5);
const APPEAR_RETRY: Duration = Duration::from_millis(10);

/// How long a broker may wait for records before it answers a fetch of what is there anyway: not at all.
const CATCH_UP_WAIT_MS: u32 = 1;
/// The same for what comes later. librdkafka may leave a partition out of the first fetch, which delays its first record
/// by as much.
const FOLLOW_WAIT_MS: u32 = 100;

type LogConsumer = LoggedIn<BaseConsumer<LogContext>>;

/// What the readers of a topic are made of.
pub(crate) struct LogReader {
    pub(crate) config: ClientConfig,
    pub(crate) login: Option<Arc<Login>>,
}

/// The producer that all internal topics share.
pub(crate) struct LogProducer {
    client: LoggedIn<FutureProducer<LogContext>>,
    context: LogContext,
}

impl LogProducer {
    /// Makes the producer; it connects by itself.
    ///
    /// # Errors
    /// `Error::config` when librdkafka refuses a property.
    pub(crate) fn new(config: &ClientConfig, login: Option<&Arc<Login>>) -> Result<Self> {
        let context = LogContext::default();
        let client = config
            .create_with_context(context.clone())
            .map_err(|error| classify("make a producer", &error))?;
        Ok(Self { client: LoggedIn::new(client, login, &context), context })
    }
}

/// The next offset of each partition that the reader has passed on.
type Progress = BTreeMap<i32, i64>;

/// An open compacted topic. Dropping it ends its reader.
pub struct RdLog {
    topic: String,
    partitions: Vec<i32>,
    admin: RdAdmin,
    producer: Arc<LogProducer>,
    progress: watch::Receiver<Progress>,
    _reader: DropGuard,
}

/// Where records go and how far they have come.
struct Reader {
    topic: String,
    records: mpsc::Sender<Vec<LogRecord>>,
    progress: watch::Sender<Progress>,
}

impl RdLog {
    /// Opens the topic and reads it to its end; see [`raccord_runtime::ports::Kafka::open_log`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn open(
        topic: LogTopic,
        admin: RdAdmin,
        consumer: LogReader,
        producer: Arc<LogProducer>,
        records: mpsc::Sender<Vec<LogRecord>>,
    ) -> Result<Self> {
        let Prepared { partitions, fresh } = prepare(&topic, &admin).await?;
        debug!(topic = topic.name, partitions = partitions.len(), fresh, "described");
        let (start, ends): (Progress, _) = if fresh {
            // There is nothing to catch up with, and the brokers may take a moment until they serve all partitions.
            (partitions.iter().map(|partition| (*partition, 0)).collect(), Vec::new())
        } else {
            let (start, ends) = tokio::try_join!(
                admin.offsets(&topic.name, &partitions, Offset::Beginning),
                admin.offsets(&topic.name, &partitions, Offset::End),
            )?;
            (start.into_iter().collect(), ends)
        };
        let (sender, progress) = watch::channel(start);
        let cancel = CancellationToken::new();
        let reader = Reader { topic: topic.name.clone(), records, progress: sender };
        let thread = std::thread::Builder::new().name(format!("log {}", topic.name));
        let log = Self {
            topic: topic.name,
            partitions,
            admin,
            producer,
            progress,
            _reader: cancel.clone().drop_guard(),
        };
        let (caught_up, outcome) = oneshot::channel();
        thread
            .spawn(move || reader.run(&consumer, &ends, caught_up, &cancel))
            .map_err(|error| Error::fatal("cannot start a thread").caused_by(error))?;
        match tokio::time::timeout(PATIENCE, outcome).await {
            Ok(Ok(outcome)) => outcome?,
            Ok(Err(_)) => return Err(Error::fatal(format!("the reader of topic {} has ended", log.topic))),
            Err(_) => return Err(too_slow(&log.topic)),
        }
        debug!(topic = log.topic, "read to the end");
        Ok(log)
    }

    /// The end of each partition. A partition that has no leader at the moment, or is not served yet as it has just been
    /// created, is asked again.
    async fn ends(&self) -> Result<Vec<(i32, i64)>> {
        loop {
            match self.admin.offsets(&self.topic, &self.partitions, Offset::End).await {
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    debug!(topic = self.topic, %error, "asking for the ends again");
                    tokio::time::sleep(ENDS_RETRY).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn wait_for(&self, ends: &[(i32, i64)]) -> Result<()> {
        let passed = |progress: &Progress| {
            ends.iter().all(|(partition, end)| progress.get(partition).is_some_and(|next| next >= end))
        };
        match self.progress.clone().wait_for(passed).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::fatal(format!("the reader of topic {} has ended", self.topic))),
        }
    }
}

#[async_trait]
impl CompactedLog for RdLog {
    async fn append(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        let deliveries: Vec<_> = records
            .iter()
            .map(|(key, value)| {
                let mut record = FutureRecord::to(&self.topic).key(key.as_ref());
                record.payload = value.as_deref();
                self.producer.client.send_result(record).map_err(|(error, _)| error)
            })
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| classify(&format!("write to topic {}", self.topic), &error))?;
        let acknowledged = try_join_all(deliveries);
        let acknowledged = tokio::select! {
            biased;
            outcome = tokio::time::timeout(PATIENCE, acknowledged) => outcome,
            refusal = self.producer.context.refused() => {
                return Err(refusal.error(&format!("write to topic {}", self.topic)));
            }
        };
        match acknowledged {
            Ok(Ok(outcomes)) => {
                for outcome in outcomes {
                    outcome
                        .map_err(|(error, _)| classify(&format!("write to topic {}", self.topic), &error))?;
                }
                Ok(())
            }
            Ok(Err(_)) => Err(Error::retriable(format!("writing to topic {} was interrupted", self.topic))),
            Err(_) => {
                Err(Error::retriable(format!("topic {} did not acknowledge in {PATIENCE:?}", self.topic))
                    .class("org.apache.kafka.common.errors.TimeoutException"))
            }
        }
    }

    async fn read_to_end(&self) -> Result<()> {
        let work = async {
            let ends = self.ends().await?;
            self.wait_for(&ends).await
        };
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(too_slow(&self.topic)))
    }
}

/// A topic that is there and fit for its purpose.
struct Prepared {
    partitions: Vec<i32>,
    /// It was created just now, by this call, so nothing was in it.
    fresh: bool,
}

/// Creates the topic when it is missing, and checks it.
async fn prepare(topic: &LogTopic, admin: &RdAdmin) -> Result<Prepared> {
    let (count, fresh) = match partition_count(topic, admin).await? {
        Some(count) => {
            check_policy(topic, admin).await?;
            (count, false)
        }
        None => {
            let fresh = create(topic, admin).await?;
            (await_topic(topic, admin).await?, fresh)
        }
    };
    if topic.partitions_exact && count != topic.partitions {
        return Err(Error::config(format!(
            "Topic '{}' supplied via the '{}' property is required to have a single partition in order to guarantee \
             consistency of connector configurations, but found {count} partitions.",
            topic.name, topic.setting
        )));
    }
    Ok(Prepared { partitions: (0..count).collect(), fresh })
}

/// `None` if the topic does not exist.
async fn partition_count(topic: &LogTopic, admin: &RdAdmin) -> Result<Option<i32>> {
    Ok(admin.describe_topics(&[&topic.name]).await?.first().map(|found| found.partitions))
}

/// Creates the topic, and says whether it was not another worker that did so first.
async fn create(topic: &LogTopic, admin: &RdAdmin) -> Result<bool> {
    let mut settings = RawConfig::from([("cleanup.policy", "compact")]);
    for (key, value) in topic.settings.iter().filter(|(key, _)| *key != "cleanup.policy") {
        settings.insert(key, value.map(str::to_owned));
    }
    let request = NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        settings,
    };
    let created = admin.create_together(request).await.map_err(|error| {
        Error::new(
            error.kind(),
            format!("cannot create topic '{}' of '{}': {}", topic.name, topic.setting, error.message()),
        )
        .class(error.java_class())
        .hint(format!(
            "a cluster with fewer brokers needs a smaller {}",
            topic.setting.replace(".topic", ".replication.factor")
        ))
    })?;
    if created {
        info!(topic = topic.name, "created");
    }
    Ok(created)
}

/// A broker may know of a new topic a moment later than another says that it exists.
async fn await_topic(topic: &LogTopic, admin: &RdAdmin) -> Result<i32> {
    let deadline = Instant::now() + APPEAR_PATIENCE;
    loop {
        match partition_count(topic, admin).await? {
            Some(count) => return Ok(count),
            None if Instant::now() >= deadline => {
                return Err(Error::retriable(format!(
                    "topic '{}' was created but does not show up",
                    topic.name
                )));
            }
            None => tokio::time::sleep(APPEAR_RETRY).await,
        }
    }
}

/// Connect refuses to start on a topic that would forget records by time.
async fn check_policy(topic: &LogTopic, admin: &RdAdmin) -> Result<()> {
    let configs = match admin.topic_configs(&topic.name).await {
        Ok(configs) => configs,
        Err(error) => {
            debug!(topic = topic.name, %error, "cannot read the topic's configs, so its cleanup.policy is not checked");
            return Ok(());
        }
    };
    let policy = configs.get("cleanup.policy").cloned().flatten();
    match policy.as_deref() {
        None | Some("compact") => Ok(()),
        Some(policy) => Err(Error::config(format!(
            "Topic '{}' supplied via the '{}' property is required to have 'cleanup.policy=compact' to guarantee \
             consistency and durability of connector state, but found the topic currently has 'cleanup.policy={policy}'. \
             Continuing would likely result in eventually losing connector state and problems restarting this Connect \
             cluster in the future. Change the '{}' property in the Connect worker configurations to use a topic with \
             'cleanup.policy=compact'.",
            topic.name, topic.setting, topic.setting
        ))),
    }
}

fn too_slow(topic: &str) -> Error {
    Error::retriable(format!("could not read topic {topic} to its end in {PATIENCE:?}"))
        .class("java.util.concurrent.TimeoutException")
}

impl Reader {
    /// The thread: reads up to the ends, says so, and follows until the log is dropped or nobody listens.
    fn run(
        self,
        source: &LogReader,
        ends: &[(i32, i64)],
        caught_up: oneshot::Sender<Result<()>>,
        cancel: &CancellationToken,
    ) {
        let followed =
            self.catch_up(source, ends, cancel).and_then(|()| self.consumer(source, FOLLOW_WAIT_MS));
        let (outcome, follower) = match followed {
            Ok(follower) => (Ok(()), Some(follower)),
            Err(error) => (Err(error), None),
        };
        // Who opened the log may have given up meanwhile.
        let _ = caught_up.send(outcome);
        let Some((consumer, mut reader)) = follower else { return };
        while !cancel.is_cancelled() && self.pass_on(&consumer, &mut reader, READ_WAIT) {}
    }

    fn catch_up(&self, source: &LogReader, ends: &[(i32, i64)], cancel: &CancellationToken) -> Result<()> {
        let behind = || {
            let progress = self.progress.borrow();
            ends.iter().any(|(partition, end)| progress.get(partition).is_none_or(|next| next < end))
        };
        if !behind() {
            return Ok(());
        }
        let (consumer, mut reader) = self.consumer(source, CATCH_UP_WAIT_MS)?;
        while behind() && !cancel.is_cancelled() && self.pass_on(&consumer, &mut reader, READ_WAIT) {}
        // Leaving takes librdkafka a moment that nobody needs to wait for.
        std::thread::spawn(move || drop((reader, consumer)));
        Ok(())
    }

    /// A consumer that reads each partition from where reading has come to.
    fn consumer(
        &self,
        source: &LogReader,
        wait_ms: u32,
    ) -> Result<(Arc<LogConsumer>, PartitionReader<LogContext>)> {
        let mut config = source.config.clone();
        config.set("fetch.wait.max.ms", wait_ms.to_string());
        let context = LogContext::default();
        let consumer: BaseConsumer<LogContext> = config
            .create_with_context(context.clone())
            .map_err(|error| classify("make a consumer", &error))?;
        let consumer = Arc::new(LoggedIn::new(consumer, source.login.as_ref(), &context));
        let from: Vec<_> =
            self.progress.borrow().iter().map(|(partition, next)| (*partition, *next)).collect();
        let reader = PartitionReader::start(consumer.clone(), &self.topic, &from).map_err(|error| {
            classify::error(&format!("read topic {}", self.topic), error.code, &error.message)
        })?;
        Ok((consumer, reader))
    }

    /// Waits for records and passes them on. Says whether somebody still listens.
    fn pass_on(
        &self,
        consumer: &LogConsumer,
        reader: &mut PartitionReader<LogContext>,
        wait: Duration,
    ) -> bool {
        let mut batch = Vec::new();
        let mut passed = Vec::new();
        for outcome in reader.read(wait) {
            match outcome {
                ReadOutcome::Record(record) => {
                    passed.push((record.partition, record.offset + 1));
                    batch.push(record);
                }
                ReadOutcome::End { partition, offset } => passed.push((partition, offset)),
                ReadOutcome::Problem(error) => {
                    warn!(topic = self.topic, error = error.message, "reading goes on by itself")
                }
            }
        }
        // Serves errors and statistics, which come through another queue.
        let _ = consumer.poll(Timeout::After(Duration::ZERO));
        if !batch.is_empty() && self.records.blocking_send(batch).is_err() {
            return false;
        }
        if !passed.is_empty() {
            self.progress.send_modify(|progress| progress.extend(passed));
        }
        true
    }
}
