//! The keys of both connectors, as Kafka's have them.

use raccord_config::{Config, RawConfig, Validator};
use raccord_plugin::{Error, Result};

/// Keys of the source.
#[derive(Clone, Debug, Config)]
pub struct SourceConfig {
    /// The file to read. Without it, standard input is read.
    #[config(importance = High)]
    pub file: Option<String>,
    /// The topic to write to.
    #[config(importance = High, validator = Validator::non_empty())]
    pub topic: String,
    /// How many lines one poll of the file gives at most.
    #[config(default = 2000, importance = Low)]
    pub batch_size: i32,
}

/// Keys of the sink.
#[derive(Clone, Debug, Config)]
pub struct SinkConfig {
    /// The file to append to. Without it, lines go to standard output.
    #[config(importance = High)]
    pub file: Option<String>,
}

impl SourceConfig {
    /// Reads the task's config.
    ///
    /// # Errors
    /// `Error::config` with the first finding, worded as Kafka's ConfigException.
    pub fn read(config: &RawConfig) -> Result<Self> {
        Self::parse(config).map_err(|findings| Error::config(findings.to_string()))
    }
}

impl SinkConfig {
    /// Reads the task's config.
    ///
    /// # Errors
    /// `Error::config` with the first finding, worded as Kafka's ConfigException.
    pub fn read(config: &RawConfig) -> Result<Self> {
        Self::parse(config).map_err(|findings| Error::config(findings.to_string()))
    }
}
