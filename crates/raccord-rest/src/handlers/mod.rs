//! Handlers: from a request to a call of the herder and back. One module per kind of resource.

pub mod connectors;
pub mod internal;
pub mod loggers;
pub mod metrics;
pub mod offsets;
pub mod plugins;
pub mod root;
pub mod tasks;

use raccord_plugin::RawConfig;

use crate::answer::Failure;

/// The text with which Connect answers a null in the place of a config.
const NO_CONFIG: &str = "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null";

/// A config that must be there.
fn present(config: Option<RawConfig>) -> Result<RawConfig, Failure> {
    config.ok_or_else(|| Failure::new(500, NO_CONFIG))
}
