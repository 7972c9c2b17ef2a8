//! A connector's view of the offsets.

use std::sync::Arc;

use async_trait::async_trait;
use raccord_plugin::{OffsetMap, OffsetReader, Result, SourceOffset};

use crate::task::OffsetStore;

/// A place where offsets of all connectors are kept.
#[async_trait]
pub trait OffsetKeeper: Send + Sync {
    /// The newest offset of each partition.
    ///
    /// # Errors
    /// Retriable when the place cannot be read now.
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>>;

    /// All partitions of a connector that have an offset.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn all(&self, connector: &str) -> Result<Vec<SourceOffset>>;

    /// Writes offsets and waits until they are durable.
    ///
    /// # Errors
    /// Retriable when they may not be durable.
    async fn set(&self, connector: &str, offsets: &[SourceOffset]) -> Result<()>;
}

/// The offsets of one connector: in the worker's place, and in one of its own if it has `offsets.storage.topic`.
pub struct ConnectorOffsets {
    connector: Arc<str>,
    worker: Arc<dyn OffsetKeeper>,
    own: Option<Arc<dyn OffsetKeeper>>,
}

impl ConnectorOffsets {
    /// The view of that connector.
    pub fn new(
        connector: Arc<str>,
        worker: Arc<dyn OffsetKeeper>,
        own: Option<Arc<dyn OffsetKeeper>>,
    ) -> Self {
        Self { connector, worker, own }
    }

    /// All partitions with an offset. What is in the connector's own place comes before the worker's.
    ///
    /// # Errors
    /// Retriable when a place cannot be read now.
    pub async fn all(&self) -> Result<Vec<SourceOffset>> {
        let mut all = self.worker.all(&self.connector).await?;
        if let Some(own) = &self.own {
            for offset in own.all(&self.connector).await? {
                let canonical = super::codec::canonical(&offset.partition);
                all.retain(|other| super::codec::canonical(&other.partition) != canonical);
                all.push(offset);
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl OffsetReader for ConnectorOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let mut offsets = self.worker.get(&self.connector, partitions).await?;
        if let Some(own) = &self.own {
            for (offset, own) in offsets.iter_mut().zip(own.get(&self.connector, partitions).await?) {
                *offset = own.or(offset.take());
            }
        }
        Ok(offsets)
    }
}

#[async_trait]
impl OffsetStore for ConnectorOffsets {
    /// The connector's own place counts, and the worker's follows, so that one can go back to it. Deletions take the
    /// other way round: if only the second of two happened, the offset would come back from the first.
    async fn write(&self, offsets: Vec<SourceOffset>) -> Result<()> {
        let Some(own) = &self.own else {
            return self.worker.set(&self.connector, &offsets).await;
        };
        let (values, deletions): (Vec<_>, Vec<_>) =
            offsets.iter().cloned().partition(|offset| offset.offset.is_some());
        if !deletions.is_empty() {
            self.worker.set(&self.connector, &deletions).await?;
        }
        own.set(&self.connector, &offsets).await?;
        if !values.is_empty()
            && let Err(error) = self.worker.set(&self.connector, &values).await
        {
            tracing::warn!(connector = %self.connector, %error, "cannot copy offsets to the worker's offsets topic");
        }
        Ok(())
    }
}

/// No offsets: what a sink connector reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOffsets;

#[async_trait]
impl OffsetReader for NoOffsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        Ok(vec![None; partitions.len()])
    }
}

#[async_trait]
impl OffsetStore for NoOffsets {
    async fn write(&self, _offsets: Vec<SourceOffset>) -> Result<()> {
        Ok(())
    }
}
