//! `Filter`: drops every record, usually those that a predicate picks.

use raccord_config::Config;
use raccord_data::Record;
use raccord_plugin::{Plugin, Result, Transform};

use super::NoConfig;

/// The plugin.
pub const PLUGIN: Plugin =
    super::transform("org.apache.kafka.connect.transforms.Filter", NoConfig::def, |_| Ok(Box::new(Filter)));

struct Filter;

impl Transform for Filter {
    fn apply(&mut self, _: Record) -> Result<Option<Record>> {
        Ok(None)
    }
}
