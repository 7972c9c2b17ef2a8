//! `TimestampRouter`: puts the record's timestamp into the topic's name.

use std::sync::Arc;

use raccord_config::Config;
use raccord_data::Record;
use raccord_plugin::{Plugin, Result, Transform};

use crate::date_format::SimpleDateFormat;
use crate::exception;

/// The plugin.
pub const PLUGIN: Plugin = super::transform(
    "org.apache.kafka.connect.transforms.TimestampRouter",
    TimestampRouterConfig::def,
    |raw| Ok(Box::new(TimestampRouter::new(super::parse(raw)?))),
);

#[derive(Debug, Config)]
struct TimestampRouterConfig {
    /// The new name, in which `${topic}` and `${timestamp}` stand for the old name and the formatted timestamp.
    #[config(default = "${topic}-${timestamp}", importance = High)]
    topic_format: String,
    /// How the timestamp is written, in UTC: a pattern of Java's SimpleDateFormat.
    #[config(default = "yyyyMMdd", importance = High)]
    timestamp_format: String,
}

struct TimestampRouter {
    topic_format: String,
    /// Or why there is none, which the real one finds out when it needs the format first.
    timestamp_format: Result<SimpleDateFormat, String>,
    last: Option<Last>,
}

/// The record before: names repeat.
struct Last {
    topic: Arc<str>,
    timestamp: String,
    routed: Arc<str>,
}

impl TimestampRouter {
    fn new(config: TimestampRouterConfig) -> Self {
        Self {
            topic_format: config.topic_format,
            timestamp_format: SimpleDateFormat::new(&config.timestamp_format)
                .map_err(|error| error.to_string()),
            last: None,
        }
    }
}

impl Transform for TimestampRouter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let Some(millis) = record.timestamp else {
            // Java's message goes on with the whole record, values included.
            return Err(exception::data(format!("Timestamp missing on record: topic {}", record.topic)));
        };
        let format = self.timestamp_format.as_ref().map_err(exception::illegal_argument)?;
        let timestamp = format.format(millis);
        record.topic = match &self.last {
            Some(last) if last.timestamp == timestamp && last.topic == record.topic => {
                Arc::clone(&last.routed)
            }
            _ => {
                let routed = self.topic_format.replace("${topic}", &record.topic);
                let routed = Arc::<str>::from(routed.replace("${timestamp}", &timestamp));
                let topic = Arc::clone(&record.topic);
                self.last = Some(Last { topic, timestamp, routed: Arc::clone(&routed) });
                routed
            }
        };
        Ok(Some(record))
    }
}
