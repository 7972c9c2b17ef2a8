//! Source offsets: their bytes ([`codec`]), what they add up to ([`OffsetTable`]), and the places where they are kept:
//! a compacted topic ([`TopicOffsets`]), a file ([`FileOffsets`]), or two topics at once ([`ConnectorOffsets`] reads and
//! writes the connector's own topic before the worker's).

pub mod codec;
mod file;
mod java_map;
mod store;
mod table;
mod topic;

pub use file::FileOffsets;
pub use store::{ConnectorOffsets, NoOffsets, OffsetKeeper};
pub use table::OffsetTable;
pub use topic::TopicOffsets;
