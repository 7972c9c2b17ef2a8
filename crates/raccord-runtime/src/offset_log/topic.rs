//! Offsets in a compacted topic.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::{Error, OffsetMap, RawConfig, Result, SourceOffset};
use tokio::sync::{mpsc, oneshot};

use super::{OffsetKeeper, OffsetTable};
use crate::ports::{CompactedLog, Kafka, LogRecord, LogTopic};

/// Batches on their way from the consumer to the table. Each is a fetch; the reader does nothing but apply them.
const BATCHES_MAX: usize = 16;

/// An open offsets topic.
pub struct TopicOffsets {
    table: Arc<Mutex<OffsetTable>>,
    log: Box<dyn CompactedLog>,
    barriers: mpsc::Sender<oneshot::Sender<()>>,
}

impl TopicOffsets {
    /// Opens the topic and reads it to the end.
    ///
    /// # Errors
    /// As [`Kafka::open_log`].
    pub async fn open(kafka: &dyn Kafka, topic: LogTopic, properties: &RawConfig) -> Result<Self> {
        let table = Arc::new(Mutex::new(OffsetTable::new()));
        let (records, received) = mpsc::channel(BATCHES_MAX);
        // Barriers are rare; a full queue makes a reader wait its turn.
        let (barriers, barrier_queue) = mpsc::channel(8);
        tokio::spawn(follow(table.clone(), received, barrier_queue));
        let log = kafka.open_log(topic, properties, records).await?;
        let offsets = Self { table, log, barriers };
        offsets.barrier().await?;
        Ok(offsets)
    }

    /// Waits until everything that has been received is in the table.
    async fn barrier(&self) -> Result<()> {
        let (done, wait) = oneshot::channel();
        let closed = || Error::retriable("the reader of the offsets topic has stopped");
        self.barriers.send(done).await.map_err(|_| closed())?;
        wait.await.map_err(|_| closed())
    }

    async fn catch_up(&self) -> Result<()> {
        self.log.read_to_end().await?;
        self.barrier().await
    }
}

async fn follow(
    table: Arc<Mutex<OffsetTable>>,
    mut records: mpsc::Receiver<Vec<LogRecord>>,
    mut barriers: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let apply = |batch: Vec<LogRecord>| {
        let mut table = table.lock();
        for record in batch {
            let Some(key) = &record.key else { continue };
            if !table.apply(key, record.value.as_deref()) {
                tracing::warn!(
                    partition = record.partition,
                    offset = record.offset,
                    "skipping a record of the offsets topic that is not an offset"
                );
            }
        }
    };
    let mut open = true;
    while open {
        tokio::select! {
            biased;
            batch = records.recv() => match batch {
                Some(batch) => apply(batch),
                None => open = false,
            },
            barrier = barriers.recv() => match barrier {
                Some(done) => {
                    while let Ok(batch) = records.try_recv() {
                        apply(batch);
                    }
                    // The asker may have given up.
                    let _ = done.send(());
                }
                None => open = false,
            },
        }
    }
}

#[async_trait]
impl OffsetKeeper for TopicOffsets {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        self.catch_up().await?;
        let table = self.table.lock();
        Ok(partitions.iter().map(|partition| table.get(connector, partition).cloned()).collect())
    }

    async fn all(&self, connector: &str) -> Result<Vec<SourceOffset>> {
        self.catch_up().await?;
        Ok(self.table.lock().all(connector))
    }

    async fn set(&self, connector: &str, offsets: &[SourceOffset]) -> Result<()> {
        let records = self.table.lock().records(connector, offsets);
        self.log.append(records).await
    }
}
