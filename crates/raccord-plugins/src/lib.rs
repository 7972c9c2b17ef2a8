//! The list of all plugins that this binary brings.
//!
//! A plugin exists because a line here says so: search for its class and read on from there.

use raccord_connector_file as file;
use raccord_connector_postgres as postgres;
use raccord_converters::plugins as converters;
use raccord_plugin::Plugin;
use raccord_transforms::{debezium, kafka::plugins as kafka};

/// All plugins: connectors, then transforms, predicates, converters, header converters.
pub static PLUGINS: &[Plugin] = &[
    file::SOURCE,
    file::SINK,
    postgres::SOURCE,
    debezium::DECODE_LOGICAL_DECODING_MESSAGE_CONTENT,
    debezium::BY_LOGICAL_TABLE_ROUTER,
    debezium::CONTENT_BASED_ROUTER,
    debezium::EXTRACT_CHANGED_RECORD_STATE,
    debezium::EXTRACT_NEW_RECORD_STATE,
    debezium::EXTRACT_SCHEMA_TO_NEW_RECORD,
    debezium::FILTER,
    debezium::HEADER_TO_VALUE,
    debezium::SCHEMA_CHANGE_EVENT_FILTER,
    debezium::TIMEZONE_CONVERTER,
    debezium::VECTOR_TO_JSON_CONVERTER,
    debezium::EVENT_ROUTER,
    debezium::PARTITION_ROUTING,
    debezium::ACTIVATE_TRACING_SPAN,
    kafka::CAST_KEY,
    kafka::CAST_VALUE,
    kafka::DROP_HEADERS,
    kafka::EXTRACT_FIELD_KEY,
    kafka::EXTRACT_FIELD_VALUE,
    kafka::FILTER,
    kafka::FLATTEN_KEY,
    kafka::FLATTEN_VALUE,
    kafka::HEADER_FROM_KEY,
    kafka::HEADER_FROM_VALUE,
    kafka::HOIST_FIELD_KEY,
    kafka::HOIST_FIELD_VALUE,
    kafka::INSERT_FIELD_KEY,
    kafka::INSERT_FIELD_VALUE,
    kafka::INSERT_HEADER,
    kafka::MASK_FIELD_KEY,
    kafka::MASK_FIELD_VALUE,
    kafka::REGEX_ROUTER,
    kafka::REPLACE_FIELD_KEY,
    kafka::REPLACE_FIELD_VALUE,
    kafka::SET_SCHEMA_METADATA_KEY,
    kafka::SET_SCHEMA_METADATA_VALUE,
    kafka::TIMESTAMP_CONVERTER_KEY,
    kafka::TIMESTAMP_CONVERTER_VALUE,
    kafka::TIMESTAMP_ROUTER,
    kafka::VALUE_TO_KEY,
    kafka::HAS_HEADER_KEY,
    kafka::RECORD_IS_TOMBSTONE,
    kafka::TOPIC_NAME_MATCHES,
    converters::DEBEZIUM_BINARY_DATA,
    converters::DEBEZIUM_BYTE_ARRAY,
    converters::BOOLEAN,
    converters::BYTE_ARRAY,
    converters::DOUBLE,
    converters::FLOAT,
    converters::INTEGER,
    converters::LONG,
    converters::SHORT,
    converters::JSON,
    converters::STRING,
    converters::DEBEZIUM_BINARY_DATA_HEADER,
    converters::DEBEZIUM_BYTE_ARRAY_HEADER,
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
        for converter in converters::CONVERTERS.iter().chain(converters::DEBEZIUM_CONVERTERS) {
            let listed = PLUGINS
                .iter()
                .any(|plugin| plugin.class == converter.class && plugin.kind() == converter.kind());
            assert!(listed, "{converter:?}");
        }
    }

    #[test]
    fn every_transform_of_debezium_is_listed() {
        for transform in debezium::TRANSFORMS {
            assert!(PLUGINS.iter().any(|plugin| plugin.class == transform.class), "{transform:?}");
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
