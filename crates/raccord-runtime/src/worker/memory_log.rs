//! A compacted topic in memory: what a standalone worker has in the place of the config and status topics.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use raccord_plugin::{Error, Result};
use tokio::sync::{Mutex, mpsc};

use super::open::Stream;
use crate::ports::{CompactedLog, LogRecord};

/// Writes on their way to the coordinator, which reads them all the time.
const BATCHES_MAX: usize = 16;

struct MemoryLog {
    reader: mpsc::Sender<Vec<LogRecord>>,
    next: Mutex<i64>,
}

/// A new, empty topic. What is appended is only passed on, not kept: nobody else will ever read it.
pub fn open() -> (Arc<dyn CompactedLog>, Stream) {
    let (reader, records) = mpsc::channel(BATCHES_MAX);
    (Arc::new(MemoryLog { reader, next: Mutex::new(0) }), Stream { initial: Vec::new(), records })
}

#[async_trait]
impl CompactedLog for MemoryLog {
    async fn append(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<()> {
        // The lock is held until the batch is passed on, so that batches arrive in the order of their offsets.
        let mut next = self.next.lock().await;
        let batch = records.into_iter().enumerate().map(|(index, (key, value))| LogRecord {
            partition: 0,
            offset: *next + index as i64,
            timestamp: 0,
            key: Some(key),
            value,
        });
        let batch: Vec<_> = batch.collect();
        *next += batch.len() as i64;
        self.reader.send(batch).await.map_err(|_| Error::retriable("the worker has ended"))
    }

    async fn read_to_end(&self) -> Result<()> {
        Ok(())
    }
}
