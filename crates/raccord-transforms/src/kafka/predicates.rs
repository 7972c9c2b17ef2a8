//! The predicates: a header of a name, no value, the topic's name.

use std::sync::Arc;

use raccord_config::{Config, JavaRegex, Validator};
use raccord_data::Record;
use raccord_plugin::{Error, Plugin, Predicate, Result};

use super::NoConfig;
use crate::exception;

/// `HasHeaderKey`.
pub const HAS_HEADER_KEY: Plugin = super::predicate(
    "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    HasHeaderKeyConfig::def,
    |raw| Ok(Box::new(HasHeaderKey { name: super::parse::<HasHeaderKeyConfig>(raw)?.name })),
);

/// `RecordIsTombstone`.
pub const RECORD_IS_TOMBSTONE: Plugin = super::predicate(
    "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    NoConfig::def,
    |_| Ok(Box::new(RecordIsTombstone)),
);

/// `TopicNameMatches`.
pub const TOPIC_NAME_MATCHES: Plugin = super::predicate(
    "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    TopicNameMatchesConfig::def,
    |raw| {
        let config: TopicNameMatchesConfig = super::parse(raw)?;
        let pattern = JavaRegex::new(&config.pattern).map_err(|error| Error::config(error.to_string()))?;
        Ok(Box::new(TopicNameMatches { pattern, last: None }))
    },
);

#[derive(Debug, Config)]
struct HasHeaderKeyConfig {
    /// The name of the header.
    #[config(validator = Validator::non_empty())]
    name: String,
}

/// True for records with at least one header of the name.
struct HasHeaderKey {
    name: String,
}

impl Predicate for HasHeaderKey {
    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(record.headers.iter().any(|header| *header.key == *self.name))
    }
}

/// True for records without a value.
struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(record.value.is_null())
    }
}

#[derive(Debug, Config)]
struct TopicNameMatchesConfig {
    /// A Java regular expression that matches the whole name of the topic.
    #[config(validator = Validator::non_empty().and(Validator::regex()))]
    pattern: String,
}

/// True for records of topics whose whole name the pattern matches.
struct TopicNameMatches {
    pattern: JavaRegex,
    /// The topic of the record before, and whether it matches.
    last: Option<(Arc<str>, bool)>,
}

impl Predicate for TopicNameMatches {
    fn test(&mut self, record: &Record) -> Result<bool> {
        if let Some((topic, matches)) = &self.last
            && *topic == record.topic
        {
            return Ok(*matches);
        }
        let matches = self.pattern.full_match(&record.topic).map_err(exception::regex)?;
        self.last = Some((Arc::clone(&record.topic), matches));
        Ok(matches)
    }
}
