//! The connectors: one task for the source, as many as asked for the sink, and what may be written as offsets.

use async_trait::async_trait;
use raccord_plugin::{
    ConnectorContext, Error, ExactlyOnceSupport, RawConfig, Result, SinkConnector, SourceConnector,
    SourceOffset, TopicPartition,
};
use tracing::info;

use crate::config::{SinkConfig, SourceConfig};
use crate::source::{FILENAME_FIELD, POSITION_FIELD};

/// Reads one file, so it has one task.
#[derive(Default)]
pub struct FileStreamSourceConnector {
    config: RawConfig,
}

/// Appends to one file; every task appends to the same.
#[derive(Default)]
pub struct FileStreamSinkConnector {
    config: RawConfig,
}

#[async_trait]
impl SourceConnector for FileStreamSourceConnector {
    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()> {
        let file = SourceConfig::read(config)?.file.filter(|file| !file.is_empty());
        info!(
            connector = &*context.connector,
            "reading from {}",
            file.as_deref().unwrap_or("standard input")
        );
        self.config = config.clone();
        Ok(())
    }

    fn task_configs(&mut self, _max_tasks: u32) -> Result<Vec<RawConfig>> {
        Ok(vec![self.config.clone()])
    }

    async fn alter_offsets(&mut self, config: &RawConfig, offsets: &[SourceOffset]) -> Result<bool> {
        if SourceConfig::read(config)?.file.filter(|file| !file.is_empty()).is_none() {
            return Err(Error::fatal(
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for \
                 input and offsets are not tracked.",
            ));
        }
        offsets.iter().try_for_each(check_offset)?;
        Ok(true)
    }

    fn exactly_once_support(&self, config: &RawConfig) -> ExactlyOnceSupport {
        match config.get("file") {
            Some(file) if !file.is_empty() => ExactlyOnceSupport::Supported,
            _ => ExactlyOnceSupport::Unsupported,
        }
    }
}

/// The offset of any partition may be removed; one that is set must name a file and a place in it.
fn check_offset(entry: &SourceOffset) -> Result<()> {
    let Some(offset) = &entry.offset else { return Ok(()) };
    let position = offset.get(POSITION_FIELD).ok_or_else(|| {
        Error::fatal(format!("Offset objects should either be null or contain the key '{POSITION_FIELD}'"))
    })?;
    let position = position.as_i64().ok_or_else(|| {
        Error::fatal(format!(
            "The value for the '{POSITION_FIELD}' key in the offset is expected to be a Long value"
        ))
    })?;
    if position < 0 {
        return Err(Error::fatal(format!(
            "The value for the '{POSITION_FIELD}' key in the offset should be a non-negative value"
        )));
    }
    if !entry.partition.contains_key(FILENAME_FIELD) {
        return Err(Error::fatal(format!("Partition objects should contain the key '{FILENAME_FIELD}'")));
    }
    Ok(())
}

#[async_trait]
impl SinkConnector for FileStreamSinkConnector {
    async fn start(&mut self, context: ConnectorContext, config: &RawConfig) -> Result<()> {
        let file = SinkConfig::read(config)?.file.filter(|file| !file.is_empty());
        info!(connector = &*context.connector, "writing to {}", file.as_deref().unwrap_or("standard output"));
        self.config = config.clone();
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        Ok(vec![self.config.clone(); max_tasks as usize])
    }

    async fn alter_offsets(
        &mut self,
        _config: &RawConfig,
        _offsets: &[(TopicPartition, Option<i64>)],
    ) -> Result<bool> {
        Ok(true)
    }
}
