//! Coming up: the cluster's id and the three internal topics, all at once, tried again until Kafka answers.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use crate::client_properties;
use crate::internal_topics;
use crate::offset_log::{FileOffsets, OffsetKeeper, TopicOffsets};
use crate::ports::{CompactedLog, LogRecord, LogTopic};

/// Fetches on their way from a consumer to the coordinator.
const BATCHES_MAX: usize = 16;
/// Between two attempts; twice as long after each, up to the second.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// A worker that waits for Kafka says so this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(30);

/// Where a worker keeps its state.
pub enum Storage {
    /// In Kafka topics.
    Topics,
    /// Configs and statuses in memory, offsets in a file.
    File(PathBuf),
}

/// What a worker that has come up has.
pub struct Opened {
    pub cluster_id: Option<String>,
    pub config_log: Arc<dyn CompactedLog>,
    pub status_log: Arc<dyn CompactedLog>,
    pub offsets: Arc<dyn OffsetKeeper>,
    /// Whether a connector may have an offsets topic of its own.
    pub own_offsets_topics: bool,
}

/// A topic that is followed: what was in it, and what comes.
pub struct Stream {
    pub initial: Vec<LogRecord>,
    pub records: mpsc::Receiver<Vec<LogRecord>>,
}

/// Opens everything.
///
/// # Errors
/// What no waiting will cure, e.g. a config topic with two partitions.
pub async fn open(shared: &Shared, storage: &Storage) -> Result<(Arc<Opened>, Stream, Stream)> {
    let complaints = Complaints::new(shared);
    let cluster_id = until_answered(&complaints, || async {
        let admin = shared.kafka.admin(&client_properties::internal(&shared.config, "shared-admin"))?;
        admin.cluster_id().await
    });
    let (cluster_id, config, status, offsets, own_offsets_topics) = match storage {
        Storage::Topics => {
            let (cluster_id, config, status, offsets) = tokio::try_join!(
                cluster_id,
                until_answered(&complaints, || open_log(
                    shared,
                    internal_topics::config_topic(&shared.config),
                    "configs"
                )),
                until_answered(&complaints, || open_log(
                    shared,
                    internal_topics::status_topic(&shared.config),
                    "statuses"
                )),
                until_answered(&complaints, || open_offsets(shared)),
            )?;
            (cluster_id, config, status, offsets, true)
        }
        Storage::File(path) => {
            let offsets: Arc<dyn OffsetKeeper> = Arc::new(FileOffsets::open(path)?);
            let cluster_id = cluster_id.await?;
            (cluster_id, super::memory_log::open(), super::memory_log::open(), offsets, false)
        }
    };
    let (config_log, config) = config;
    let (status_log, status) = status;
    let opened = Opened { cluster_id, config_log, status_log, offsets, own_offsets_topics };
    Ok((Arc::new(opened), config, status))
}

async fn open_log(shared: &Shared, topic: LogTopic, client: &str) -> Result<(Arc<dyn CompactedLog>, Stream)> {
    let properties = client_properties::internal(&shared.config, client);
    let (sender, mut records) = mpsc::channel(BATCHES_MAX);
    let mut initial = Vec::new();
    let log = {
        let opening = shared.kafka.open_log(topic, &properties, sender);
        tokio::pin!(opening);
        loop {
            tokio::select! {
                biased;
                Some(batch) = records.recv() => initial.extend(batch),
                log = &mut opening => break log?,
            }
        }
    };
    while let Ok(batch) = records.try_recv() {
        initial.extend(batch);
    }
    Ok((Arc::from(log), Stream { initial, records }))
}

async fn open_offsets(shared: &Shared) -> Result<Arc<dyn OffsetKeeper>> {
    let topic = internal_topics::offset_topic(&shared.config);
    let properties: RawConfig = client_properties::internal(&shared.config, "offsets");
    Ok(Arc::new(TopicOffsets::open(&*shared.kafka, topic, &properties).await?))
}

/// Tries until it works or waiting is of no use.
async fn until_answered<T, F: Future<Output = Result<T>>>(
    complaints: &Complaints<'_>,
    attempt: impl Fn() -> F,
) -> Result<T> {
    let mut wait = RETRY;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == ErrorKind::Retriable => complaints.say(&error),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// Says at most once per interval that Kafka does not answer.
struct Complaints<'a> {
    shared: &'a Shared,
    last: Mutex<Option<Instant>>,
}

impl<'a> Complaints<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, last: Mutex::new(None) }
    }

    fn say(&self, error: &Error) {
        let mut last = self.last.lock();
        if last.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
            *last = Some(Instant::now());
            let servers = self.shared.config.bootstrap_servers.join(",");
            tracing::warn!(
                bootstrap_servers = servers,
                %error,
                "cannot reach Kafka yet; trying again until it answers (see bootstrap.servers)"
            );
        }
    }
}
