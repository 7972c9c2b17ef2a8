//! The worker's own keys and the keys that every connector has.

/// The worker's config. Fields are named as the keys, with underscores for dots.
#[derive(Clone, Debug, Default)]
pub struct WorkerConfig {
    /// The properties as they were read.
    pub raw: raccord_plugin::RawConfig,
}
