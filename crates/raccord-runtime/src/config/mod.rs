//! The worker's own keys and the keys that every connector has.

mod connector;
mod security;
mod worker;

pub use connector::{ConnectorCommon, SinkCommon, SourceCommon};
pub use security::{SaslKeys, SslKeys};
pub use worker::WorkerConfig;
