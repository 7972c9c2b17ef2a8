//! The worker's own keys and the keys that every connector has; reading them from files.

mod connector;
mod distributed;
mod errors;
mod load;
mod policy;
mod providers;
mod rest;
mod security;
pub(crate) mod topic;
mod worker;

pub use connector::{ConnectorCommon, SinkCommon, SourceCommon};
pub use distributed::SIGNATURE_ALGORITHMS;
pub use errors::{RestartKeys, SinkErrorKeys, SourceErrorKeys, check_error_keys};
pub(crate) use load::is_client_key;
pub use load::{Loaded, Mode, load};
pub use policy::OverridePolicy;
pub use providers::{Providers, Resolved};
pub use security::{SaslKeys, SslKeys};
pub use worker::WorkerConfig;
