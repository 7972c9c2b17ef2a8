//! Transforms and predicates: chains applied to records by the real classes and by ours, in process on both sides.
//!
//! A request is a chain's config and records; it is the same JSON for both, explained in `parity/java/Transforms.java`,
//! which answers for the real Kafka Connect and Debezium. [`ours`] answers with the runtime's own chain. What was asked
//! and answered is recorded, so that ours can be held to it without a JVM.

mod compact;
mod oracle;
mod ours;
pub mod random;
mod settle;
mod suite;

pub use oracle::Oracle;
pub use ours::answer;
pub use settle::differs;
pub use suite::{Mode, Scenario, load, read_recording, run};
