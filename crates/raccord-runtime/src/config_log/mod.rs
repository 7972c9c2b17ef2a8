//! The config topic: its records ([`codec`]) and the state that they add up to ([`ConfigTable`]).
//!
//! The topic is the truth about connectors and tasks. Nothing takes effect before it was read back from there, so that
//! every worker of the group, of whatever make, sees the same changes in the same order.

pub mod codec;
mod table;

pub use codec::{ConfigRecord, Record, RestartRequest, SessionKey};
pub use table::{Change, ConfigTable};
