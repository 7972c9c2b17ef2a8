//! Source offsets as Connect stores them: one JSON object for the source partition, one for the place in it.

use async_trait::async_trait;

use crate::Result;

/// A source partition or source offset: a flat JSON object whose key order is kept, because the bytes of the
/// partition are the key of a compacted topic.
pub type OffsetMap = serde_json::Map<String, serde_json::Value>;

/// A source partition with the offset in it; `None` means that the partition has no offset (any more).
#[derive(Clone, Debug, PartialEq)]
pub struct SourceOffset {
    /// Names the source partition, e.g. `{"filename":"/tmp/in.txt"}`.
    pub partition: OffsetMap,
    /// The place in it, e.g. `{"position":1024}`.
    pub offset: Option<OffsetMap>,
}

/// Reads the offsets that were committed for this connector.
#[async_trait]
pub trait OffsetReader: Send + Sync {
    /// The committed offset of each partition, `None` where there is none. Partitions are compared by parsed value,
    /// not by bytes.
    ///
    /// # Errors
    /// Retriable when the offsets topic cannot be read now.
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>>;
}
