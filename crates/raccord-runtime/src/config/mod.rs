//! The worker's own keys and the keys that every connector has.

mod connector;
mod distributed;
mod policy;
mod rest;
mod security;
pub(crate) mod topic;
mod worker;

pub use connector::{ConnectorCommon, SinkCommon, SourceCommon};
pub use distributed::SIGNATURE_ALGORITHMS;
pub use policy::OverridePolicy;
pub use security::{SaslKeys, SslKeys};
pub use worker::WorkerConfig;
