//! What follows from a connector's class.

use raccord_plugin::{Error, Make, Plugin, RawConfig, Result};

use crate::herder::ConnectorType;
use crate::validate::Registry;

/// The connector plugin of a config; `None` when there is none of that class.
pub fn connector(plugins: &'static [Plugin], config: &RawConfig) -> Option<&'static Plugin> {
    Registry::new(plugins).connector(config.get("connector.class")?, None).ok()
}

/// The connector plugin of a config.
///
/// # Errors
/// In Connect's words, when there is none of that class.
pub fn expect_connector(plugins: &'static [Plugin], config: &RawConfig) -> Result<&'static Plugin> {
    let class = config.get("connector.class").unwrap_or_default();
    Registry::new(plugins).connector(class, None).map_err(|error| Error::fatal(error.message()))
}

/// `type` of the connector in REST answers.
pub fn kind(plugin: Option<&Plugin>) -> ConnectorType {
    match plugin.map(|plugin| plugin.make) {
        Some(Make::Source { .. }) => ConnectorType::Source,
        Some(Make::Sink { .. }) => ConnectorType::Sink,
        _ => ConnectorType::Unknown,
    }
}

/// The Java class of the connector's tasks, which stands in their configs and which a Java worker of the same cluster
/// instantiates. A connector may put `task.class` into its task configs itself; this is what its class name suggests.
pub fn task_class(plugin: &Plugin) -> String {
    if plugin.class.starts_with("io.debezium.") {
        return format!("{}Task", plugin.class);
    }
    format!("{}Task", plugin.class.strip_suffix("Connector").unwrap_or(plugin.class))
}
