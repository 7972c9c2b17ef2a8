//! FileStreamSource and FileStreamSink: lines of a file to a topic, and a topic to lines of a file.

mod config;
mod connector;
mod lines;
mod sink;
mod source;

use raccord_config::Config;
use raccord_plugin::{KAFKA_VERSION, Make, Plugin};

pub use lines::{Line, LineBuffer};

/// `FileStreamSource`.
pub const SOURCE: Plugin = Plugin {
    class: "org.apache.kafka.connect.file.FileStreamSourceConnector",
    aliases: &[],
    version: KAFKA_VERSION,
    config: config::SourceConfig::def,
    make: Make::Source {
        connector: || Box::new(connector::FileStreamSourceConnector::default()),
        task: || Box::new(source::FileStreamSourceTask::new()),
    },
};

/// `FileStreamSink`.
pub const SINK: Plugin = Plugin {
    class: "org.apache.kafka.connect.file.FileStreamSinkConnector",
    aliases: &[],
    version: KAFKA_VERSION,
    config: config::SinkConfig::def,
    make: Make::Sink {
        connector: || Box::new(connector::FileStreamSinkConnector::default()),
        task: || Box::new(sink::FileStreamSinkTask::default()),
    },
};
