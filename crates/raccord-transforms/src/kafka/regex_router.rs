//! `RegexRouter`: gives records whose topic a pattern matches another topic.

use std::sync::Arc;

use raccord_config::{Config, JavaRegex, Replacement, Validator};
use raccord_data::Record;
use raccord_plugin::{Error, Plugin, Result, Transform};

use crate::exception;

/// The plugin.
pub const PLUGIN: Plugin =
    super::transform("org.apache.kafka.connect.transforms.RegexRouter", RegexRouterConfig::def, |raw| {
        let config: RegexRouterConfig = super::parse(raw)?;
        let pattern = JavaRegex::new(&config.regex).map_err(|error| Error::config(error.to_string()))?;
        let replacement = pattern.replacement(&config.replacement);
        Ok(Box::new(RegexRouter { pattern, replacement, last: None }))
    });

#[derive(Debug, Config)]
struct RegexRouterConfig {
    /// A Java regular expression that matches the whole name of the topic.
    #[config(importance = High, validator = Validator::regex())]
    regex: String,
    /// The new name; `$1` or `${name}` stand for groups of the expression.
    #[config(importance = High)]
    replacement: String,
}

struct RegexRouter {
    pattern: JavaRegex,
    replacement: Replacement,
    /// The topic of the record before, and what became of it.
    last: Option<(Arc<str>, Arc<str>)>,
}

impl Transform for RegexRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let routed = match &self.last {
            Some((topic, routed)) if *topic == record.topic => Arc::clone(routed),
            _ => self.route(&record.topic)?,
        };
        record.topic = routed;
        Ok(Some(record))
    }
}

impl RegexRouter {
    /// Matching looks at the whole topic, replacing at the first part that fits.
    fn route(&mut self, topic: &Arc<str>) -> Result<Arc<str>> {
        let routed = match self.pattern.full_match(topic).map_err(exception::regex)? {
            true => {
                let routed = self.pattern.replace_first(topic, &self.replacement);
                Arc::from(routed.map_err(exception::regex)?)
            }
            false => Arc::clone(topic),
        };
        self.last = Some((Arc::clone(topic), Arc::clone(&routed)));
        Ok(routed)
    }
}
