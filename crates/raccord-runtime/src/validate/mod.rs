//! What `PUT /connector-plugins/{plugin}/config/validate` answers, and which plugin a name in a config stands for.
//!
//! The answer is made as Connect's `AbstractHerder` makes it: the keys that every connector has, enriched by what the
//! worker and the plugins say; the keys of transforms and predicates; the connector's own keys and its own look at the
//! outside world; then client overrides and converters.

mod aliases;
mod client_keys;
mod clients;
mod connector;
mod converters;
mod framework;
mod infos;
mod registry;
mod sink;
mod source;
mod version;
mod worker;

pub use aliases::check_aliased;
pub use client_keys::{Client, client_definition};
pub use connector::{plugin_config, validate, validate_unresolved};
pub use infos::{ConfigInfo, ConfigInfos};
pub use registry::{NotFound, Registry};
pub use version::{VersionRange, version_range};
pub use worker::check_worker_plugins;
