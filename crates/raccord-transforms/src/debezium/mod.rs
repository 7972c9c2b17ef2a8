//! Debezium's transforms that need no database.
//!
//! Each follows its Java class in what it does to records, down to defaults that are filled or not, and in the class and
//! message of exceptions. What a transform needs to know of a schema is found once and kept.

mod activate_tracing_span;
mod by_logical_table_router;
pub mod condition;
mod content_based_router;
mod content_cache;
mod decode_logical_decoding_message_content;
mod envelope;
mod event_router;
mod extract_changed_record_state;
mod extract_new_record_state;
mod extract_schema_to_new_record;
mod field;
mod filter;
mod header_to_value;
mod json_schema;
mod murmur;
mod names;
mod partition_routing;
mod schema_change_event_filter;
mod structs;
mod timezone_converter;
mod vector_to_json_converter;

use std::collections::HashSet;
use std::sync::Arc;

use raccord_plugin::Plugin;

pub use activate_tracing_span::ACTIVATE_TRACING_SPAN;
pub use by_logical_table_router::BY_LOGICAL_TABLE_ROUTER;
pub use content_based_router::CONTENT_BASED_ROUTER;
pub use decode_logical_decoding_message_content::DECODE_LOGICAL_DECODING_MESSAGE_CONTENT;
pub use event_router::EVENT_ROUTER;
pub use extract_changed_record_state::EXTRACT_CHANGED_RECORD_STATE;
pub use extract_new_record_state::EXTRACT_NEW_RECORD_STATE;
pub use extract_schema_to_new_record::EXTRACT_SCHEMA_TO_NEW_RECORD;
pub use filter::FILTER;
pub use header_to_value::HEADER_TO_VALUE;
pub use partition_routing::PARTITION_ROUTING;
pub use schema_change_event_filter::SCHEMA_CHANGE_EVENT_FILTER;
pub use timezone_converter::TIMEZONE_CONVERTER;
pub use vector_to_json_converter::VECTOR_TO_JSON_CONVERTER;

/// The version of Debezium whose transforms these are. REST shows it, and `plugin.version` ranges compare with it.
pub const DEBEZIUM_VERSION: &str = "3.3.2.Final";

/// All transforms of Debezium, by class.
pub static TRANSFORMS: &[Plugin] = &[
    ACTIVATE_TRACING_SPAN,
    BY_LOGICAL_TABLE_ROUTER,
    CONTENT_BASED_ROUTER,
    DECODE_LOGICAL_DECODING_MESSAGE_CONTENT,
    EVENT_ROUTER,
    EXTRACT_CHANGED_RECORD_STATE,
    EXTRACT_NEW_RECORD_STATE,
    EXTRACT_SCHEMA_TO_NEW_RECORD,
    FILTER,
    HEADER_TO_VALUE,
    PARTITION_ROUTING,
    SCHEMA_CHANGE_EVENT_FILTER,
    TIMEZONE_CONVERTER,
    VECTOR_TO_JSON_CONVERTER,
];

/// Declares a transform as a plugin: its constant, class, definition and constructor.
macro_rules! plugin {
    ($(#[$doc:meta])* $name:ident, $class:literal, $def:expr, $new:expr) => {
        $(#[$doc])*
        pub const $name: raccord_plugin::Plugin = raccord_plugin::Plugin {
            class: $class,
            aliases: &[],
            version: $crate::debezium::DEBEZIUM_VERSION,
            config: || {
                static DEF: std::sync::LazyLock<raccord_config::ConfigDef> = std::sync::LazyLock::new(|| $def);
                std::sync::LazyLock::force(&DEF)
            },
            make: raccord_plugin::Make::Transformation(|raw| Ok(Box::new($new(raw)?))),
        };
    };
}
use plugin;

/// How many topics are remembered.
const TOPICS_MAX: usize = 1024;

/// Topics that records were sent to, so that each name is one allocation.
#[derive(Default)]
struct Topics {
    last: Option<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Topics {
    fn named(&mut self, name: &str) -> Arc<str> {
        if let Some(last) = self.last.as_ref().filter(|last| ***last == *name) {
            return Arc::clone(last);
        }
        let topic = match self.known.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                if self.known.len() >= TOPICS_MAX {
                    self.known.clear();
                }
                let topic: Arc<str> = name.into();
                self.known.insert(Arc::clone(&topic));
                topic
            }
        };
        self.last = Some(Arc::clone(&topic));
        topic
    }
}
