//! The status topic: who runs what and how it goes, and which topics a connector uses.

pub mod codec;
mod table;

pub use codec::{State, Status, StatusKey, TopicStatus};
pub use table::{StatusTable, StatusWrite};
