//! The worker: what runs where, and the loops that move records.
//!
//! The runtime knows plugins by their traits only and Kafka by its own [`ports`] only. It decides (coordinator),
//! runs (source and sink loops), and answers ([`Herder`]); it never sees a concrete connector, a Kafka client or
//! HTTP.

mod ack_tracker;
pub mod chain;
pub mod client_properties;
pub mod clock;
pub mod config;
pub mod config_log;
mod connect_json;
pub mod coordinator;
mod dead_letters;
pub mod error_metrics;
pub mod group;
pub mod herder;
mod internal_topics;
pub mod loggers;
pub mod metrics;
pub mod offset_log;
mod placeholders;
mod plugins;
pub mod ports;
pub mod redaction;
pub mod replay;
mod sink;
mod source;
pub mod status_log;
pub mod task;
mod tolerance;
mod topic_creation;
pub mod validate;
pub mod worker;

pub use herder::Herder;
pub use worker::{Deps, DistributedHerder, StandaloneHerder};
