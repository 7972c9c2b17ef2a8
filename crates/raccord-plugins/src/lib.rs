//! The list of all plugins that this binary brings.
//!
//! A plugin exists because a line here says so: search for its class and read on from there.

use raccord_connector_file as file;
use raccord_converters::plugins as converters;
use raccord_plugin::Plugin;

/// All plugins: connectors, then converters, then header converters.
pub static PLUGINS: &[Plugin] = &[
    file::SOURCE,
    file::SINK,
    converters::BOOLEAN,
    converters::BYTE_ARRAY,
    converters::DOUBLE,
    converters::FLOAT,
    converters::INTEGER,
    converters::LONG,
    converters::SHORT,
    converters::JSON,
    converters::STRING,
    converters::BOOLEAN_HEADER,
    converters::BYTE_ARRAY_HEADER,
    converters::DOUBLE_HEADER,
    converters::FLOAT_HEADER,
    converters::INTEGER_HEADER,
    converters::LONG_HEADER,
    converters::SHORT_HEADER,
    converters::JSON_HEADER,
    converters::SIMPLE_HEADER,
    converters::STRING_HEADER,
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_converter_is_listed() {
        for converter in converters::CONVERTERS {
            let listed = PLUGINS
                .iter()
                .any(|plugin| plugin.class == converter.class && plugin.kind() == converter.kind());
            assert!(listed, "{converter:?}");
        }
    }

    #[test]
    fn no_plugin_is_listed_twice() {
        let mut seen = HashSet::new();
        for plugin in PLUGINS {
            for class in plugin.aliases.iter().chain([&plugin.class]) {
                assert!(seen.insert((*class, plugin.kind())), "{class}");
            }
        }
    }

    #[test]
    fn every_definition_can_be_built() {
        for plugin in PLUGINS {
            assert!(!plugin.version.is_empty());
            let _ = (plugin.config)();
        }
    }
}
