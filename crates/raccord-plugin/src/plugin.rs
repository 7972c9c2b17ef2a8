//! The descriptor of a plugin: what is registered.

use std::fmt;
use std::sync::Arc;

use crate::{
    ConfigDef, Converter, HeaderConverter, Predicate, RawConfig, Result, SinkConnector, SinkTask,
    SourceConnector, SourceTask, Transform,
};

/// The version of Apache Kafka whose Connect worker and plugins this program stands for. Workers and Kafka's own plugins
/// report it, because tools and `plugin.version` ranges in configs compare with it.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The kinds of plugin, as `GET /connector-plugins` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// Source connector.
    Source,
    /// Sink connector.
    Sink,
    /// Converter of keys and values.
    Converter,
    /// Converter of header values.
    HeaderConverter,
    /// Transform.
    Transformation,
    /// Predicate.
    Predicate,
}

impl PluginKind {
    /// The value of `type` in REST answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
            Self::Transformation => "transformation",
            Self::Predicate => "predicate",
        }
    }
}

/// What a converter is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Record keys.
    Key,
    /// Record values.
    Value,
}

/// How instances are made. Constructors take the plugin's own config (prefixes already removed) where the plugin is
/// configured at once; connectors and tasks get theirs when they start.
#[derive(Clone, Copy)]
pub enum Make {
    /// A source connector and its tasks.
    Source {
        /// Makes the connector.
        connector: fn() -> Box<dyn SourceConnector>,
        /// Makes a task.
        task: fn() -> Box<dyn SourceTask>,
    },
    /// A sink connector and its tasks.
    Sink {
        /// Makes the connector.
        connector: fn() -> Box<dyn SinkConnector>,
        /// Makes a task.
        task: fn() -> Box<dyn SinkTask>,
    },
    /// A converter.
    Converter(fn(&RawConfig, Role) -> Result<Arc<dyn Converter>>),
    /// A header converter.
    HeaderConverter(fn(&RawConfig) -> Result<Arc<dyn HeaderConverter>>),
    /// A transform.
    Transformation(fn(&RawConfig) -> Result<Box<dyn Transform>>),
    /// A predicate.
    Predicate(fn(&RawConfig) -> Result<Box<dyn Predicate>>),
}

/// A plugin, registered by one line in the list of all plugins.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// The Java class name that users have in their configs.
    pub class: &'static str,
    /// Further full class names that mean the same plugin. Simple names and names without `Connector` need no entry.
    pub aliases: &'static [&'static str],
    /// The version that REST shows.
    pub version: &'static str,
    /// The definition of the plugin's own keys.
    pub config: fn() -> &'static ConfigDef,
    /// How instances are made.
    pub make: Make,
}

impl Plugin {
    /// The kind, which follows from how instances are made.
    pub fn kind(&self) -> PluginKind {
        match self.make {
            Make::Source { .. } => PluginKind::Source,
            Make::Sink { .. } => PluginKind::Sink,
            Make::Converter(_) => PluginKind::Converter,
            Make::HeaderConverter(_) => PluginKind::HeaderConverter,
            Make::Transformation(_) => PluginKind::Transformation,
            Make::Predicate(_) => PluginKind::Predicate,
        }
    }

    /// The class name without its package, with `$` kept: `Cast$Value`.
    pub fn simple_name(&self) -> &'static str {
        self.class.rsplit('.').next().unwrap_or(self.class)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("class", &self.class)
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
