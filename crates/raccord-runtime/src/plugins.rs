//! Finding a connector's plugin by the names that users give.

use raccord_plugin::{Make, Plugin};

use crate::herder::ConnectorType;

/// The connector with that class: its full name, an alias, its simple name, or that without `Connector`.
pub fn connector(plugins: &'static [Plugin], class: &str) -> Option<&'static Plugin> {
    let class = class.trim();
    let named = |plugin: &&Plugin| {
        let simple = plugin.simple_name();
        plugin.class == class
            || plugin.aliases.contains(&class)
            || simple == class
            || simple.strip_suffix("Connector") == Some(class)
    };
    plugins.iter().filter(|plugin| is_connector(plugin)).find(named)
}

fn is_connector(plugin: &Plugin) -> bool {
    matches!(plugin.make, Make::Source { .. } | Make::Sink { .. })
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
