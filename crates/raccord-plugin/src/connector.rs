//! Connectors: they validate a config and divide the work into tasks.

use std::sync::Arc;

use async_trait::async_trait;

use crate::offset::SourceOffset;
use crate::{Error, OffsetReader, RawConfig, Result};

/// What a running connector may ask of the worker.
pub trait ConnectorEvents: Send + Sync {
    /// Asks for [`SourceConnector::task_configs`] to be called again, because the source has changed.
    fn request_task_reconfiguration(&self);

    /// Fails the connector (not its tasks) with this error.
    fn fail(&self, error: Error);
}

/// Given to a connector when it starts.
#[derive(Clone)]
pub struct ConnectorContext {
    /// The connector's name.
    pub connector: Arc<str>,
    /// What it may ask of the worker.
    pub events: Arc<dyn ConnectorEvents>,
    /// Committed source offsets; reads nothing for a sink.
    pub offsets: Arc<dyn OffsetReader>,
}

/// What a source says about exactly-once delivery with a given config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// Supported with this config.
    Supported,
    /// Not supported with this config.
    Unsupported,
    /// The connector does not say.
    Unknown,
}

/// A source connector. One instance per running connector; calls come one at a time.
#[async_trait]
pub trait SourceConnector: Send + Sync {
    /// Checks a config against the outside world (files, databases), after the config definition has been checked.
    /// Called on a fresh instance that is never started, at any time, without side effects. Add findings by
    /// returning `(key, message)` pairs.
    async fn validate(&self, _config: &RawConfig) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Called once, before everything below.
    ///
    /// # Errors
    /// Any error makes the connector FAILED.
    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()>;

    /// Divides the work: one config per task, at most `max_tasks` of them. Called after `start` and whenever a
    /// reconfiguration was requested.
    ///
    /// # Errors
    /// Retriable errors are repeated with back-off.
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>>;

    /// Checks offsets that a user wants to write, and carries the change to an external system if offsets live there
    /// too. Called on a fresh instance that is not started, while the connector is STOPPED. Says whether the
    /// connector knows that the change works: `true` gives the plain success message, `false` the hint.
    ///
    /// # Errors
    /// `Error::record` with the class `…DataException` or the like makes REST answer 400.
    async fn alter_offsets(&mut self, _config: &RawConfig, _offsets: &[SourceOffset]) -> Result<bool> {
        Ok(false)
    }

    /// Whether exactly-once delivery works with this config.
    fn exactly_once_support(&self, _config: &RawConfig) -> ExactlyOnceSupport {
        ExactlyOnceSupport::Unknown
    }

    /// Called once after `start`, even when that failed.
    async fn stop(&mut self) {}
}

/// A sink connector. One instance per running connector; calls come one at a time.
#[async_trait]
pub trait SinkConnector: Send + Sync {
    /// See [`SourceConnector::validate`].
    async fn validate(&self, _config: &RawConfig) -> Vec<(String, String)> {
        Vec::new()
    }

    /// See [`SourceConnector::start`].
    ///
    /// # Errors
    /// Any error makes the connector FAILED.
    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()>;

    /// See [`SourceConnector::task_configs`].
    ///
    /// # Errors
    /// Retriable errors are repeated with back-off.
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>>;

    /// Checks kafka_offsets that a user wants to set for the sink's consumer group (`None` resets a partition). See
    /// [`SourceConnector::alter_offsets`].
    ///
    /// # Errors
    /// As there.
    async fn alter_offsets(
        &mut self,
        _config: &RawConfig,
        _offsets: &[(crate::TopicPartition, Option<i64>)],
    ) -> Result<bool> {
        Ok(false)
    }

    /// Called once after `start`, even when that failed.
    async fn stop(&mut self) {}
}
