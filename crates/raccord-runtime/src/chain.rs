//! The transforms of a connector with their predicates, in order; and finding the plugins that a task's config names.

use std::sync::Arc;

use raccord_plugin::data::Record;
use raccord_plugin::{
    Converter, Error, HeaderConverter, Make, Plugin, PluginKind, Predicate, RawConfig, Result, Role,
    Transform,
};

use crate::config::{ConnectorCommon, WorkerConfig};
use crate::tolerance::Stage;
use crate::validate::check_aliased;

pub use crate::tolerance::Failure;

/// The chain of transforms of one task.
pub struct Chain {
    steps: Vec<Step>,
}

struct Step {
    class: &'static str,
    transform: Box<dyn Transform>,
    condition: Option<Condition>,
}

struct Condition {
    predicate: Box<dyn Predicate>,
    negate: bool,
}

/// A transform failed.
pub struct ChainFailure {
    /// Which one; [`Chain::apply`] can go on from there.
    pub step: usize,
    /// The record as it was before that transform, if it was to be kept.
    pub record: Option<Record>,
    /// What went wrong.
    pub failure: Failure,
}

impl Chain {
    /// Makes the transforms that the connector's config names.
    ///
    /// # Errors
    /// `Error::config` naming the key that cannot be used, or a `ConnectException` around what the transform said.
    pub fn new(plugins: &'static [Plugin], names: &ConnectorCommon, config: &RawConfig) -> Result<Self> {
        check_aliased(plugins, config)?;
        let step = |alias: &String| Step::new(plugins, alias, names, config).map_err(wrapped);
        let steps = names.transforms.iter().map(step).collect::<Result<_>>()?;
        Ok(Self { steps })
    }

    /// Whether there are no transforms.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Applies the transforms from the given one on. `None` when one dropped the record. With `keep`, a failure brings the
    /// record back, so that it can be tried again; that costs a copy of the record for each transform.
    pub fn apply(
        &mut self,
        mut record: Record,
        from: usize,
        keep: bool,
    ) -> Result<Option<Record>, Box<ChainFailure>> {
        for (index, step) in self.steps.iter_mut().enumerate().skip(from) {
            let kept = keep.then(|| record.clone());
            match step.apply(record) {
                Ok(Some(next)) => record = next,
                Ok(None) => return Ok(None),
                Err(error) => {
                    let failure = Failure { stage: Stage::Transformation, class: step.class, error };
                    return Err(Box::new(ChainFailure { step: index, record: kept, failure }));
                }
            }
        }
        Ok(Some(record))
    }
}

/// Connect wraps whatever a transform or predicate throws while it is configured.
fn wrapped(error: Error) -> Error {
    Error::config(format!("{}: {}", error.java_class(), error.message()))
        .class("org.apache.kafka.connect.errors.ConnectException")
        .caused_by(error)
}

impl Step {
    fn new(
        plugins: &'static [Plugin],
        alias: &str,
        names: &ConnectorCommon,
        config: &RawConfig,
    ) -> Result<Self> {
        let prefix = format!("transforms.{alias}.");
        let mut own = config.with_prefix(&prefix);
        let key = format!("{prefix}type");
        let plugin = named(plugins, PluginKind::Transformation, &key, own.get("type"))?;
        let Make::Transformation(make) = plugin.make else {
            return Err(Error::fatal(format!("{} is no transform", plugin.class)));
        };
        // As Java's parseBoolean, which does not trim.
        let negate = own.get("negate").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let condition = match own.get("predicate").map(str::trim).filter(|alias| !alias.is_empty()) {
            Some(alias) if !names.predicates.iter().any(|name| name == alias) => {
                let key = format!("predicates.{alias}.plugin.version");
                return Err(wrapped(Error::config(format!("Unknown configuration '{key}'"))));
            }
            Some(alias) => Some(Condition { predicate: predicate(plugins, alias, config)?, negate }),
            None => None,
        };
        // A transform may have keys of these names itself: they are then its own.
        for key in ["type", "predicate", "negate"] {
            if (plugin.config)().key(key).is_none() {
                own.remove(key);
            }
        }
        Ok(Self { class: plugin.class, transform: make(&own)?, condition })
    }

    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        if let Some(condition) = &mut self.condition
            && condition.predicate.test(&record)? == condition.negate
        {
            return Ok(Some(record));
        }
        self.transform.apply(record)
    }
}

fn predicate(plugins: &'static [Plugin], alias: &str, config: &RawConfig) -> Result<Box<dyn Predicate>> {
    let prefix = format!("predicates.{alias}.");
    let mut own = config.with_prefix(&prefix);
    let plugin = named(plugins, PluginKind::Predicate, &format!("{prefix}type"), own.get("type"))?;
    own.remove("type");
    match plugin.make {
        Make::Predicate(make) => make(&own),
        _ => Err(Error::fatal(format!("{} is no predicate", plugin.class))),
    }
}

/// A converter with its Java class name.
pub(crate) struct NamedConverter {
    pub class: &'static str,
    pub converter: Arc<dyn Converter>,
}

/// The converters of a task: the connector's where it names some, else the worker's.
pub(crate) struct Converters {
    pub key: NamedConverter,
    pub value: NamedConverter,
    pub header_class: &'static str,
    pub header: Arc<dyn HeaderConverter>,
}

impl Converters {
    /// Makes them. A connector that names a converter configures it alone: the worker's sub-keys are not inherited.
    ///
    /// # Errors
    /// `Error::config` naming the key that cannot be used.
    pub fn new(
        plugins: &'static [Plugin],
        names: &ConnectorCommon,
        config: &RawConfig,
        worker: &WorkerConfig,
    ) -> Result<Self> {
        let converter = |key: &'static str, own: Option<&str>, default: &str, role| {
            let (name, config) = choose(key, own, default, config, worker);
            let plugin = named(plugins, PluginKind::Converter, key, name)?;
            match plugin.make {
                Make::Converter(make) => {
                    Ok(NamedConverter { class: plugin.class, converter: make(&config, role)? })
                }
                _ => Err(Error::fatal(format!("{} is no converter", plugin.class))),
            }
        };
        let key_name = names.key_converter.as_ref().map(|class| class.as_str());
        let value_name = names.value_converter.as_ref().map(|class| class.as_str());
        let key = converter("key.converter", key_name, worker.key_converter.as_str(), Role::Key)?;
        let value = converter("value.converter", value_name, worker.value_converter.as_str(), Role::Value)?;

        let header_name = names.header_converter.as_ref().map(|class| class.as_str());
        let (name, config) =
            choose("header.converter", header_name, worker.header_converter.as_str(), config, worker);
        let plugin = named(plugins, PluginKind::HeaderConverter, "header.converter", name)?;
        let header = match plugin.make {
            Make::HeaderConverter(make) => make(&config)?,
            _ => return Err(Error::fatal(format!("{} is no header converter", plugin.class))),
        };
        Ok(Self { key, value, header_class: plugin.class, header })
    }
}

fn choose<'a>(
    key: &str,
    own: Option<&'a str>,
    default: &'a str,
    connector: &RawConfig,
    worker: &WorkerConfig,
) -> (Option<&'a str>, RawConfig) {
    let prefix = format!("{key}.");
    match own {
        Some(name) => (Some(name), connector.with_prefix(&prefix)),
        None => (Some(default), worker.raw.with_prefix(&prefix)),
    }
}

/// Finds a plugin by full class name, alias, simple name, or simple name without its kind (`Json` for `JsonConverter`).
fn named(
    plugins: &'static [Plugin],
    kind: PluginKind,
    key: &str,
    name: Option<&str>,
) -> Result<&'static Plugin> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Error::config(format!(
            "Missing required configuration \"{key}\" which has no default value."
        )));
    };
    let suffixes: &[&str] = match kind {
        PluginKind::Converter => &["Converter"],
        PluginKind::HeaderConverter => &["HeaderConverter", "Converter"],
        PluginKind::Transformation => &["Transformation"],
        PluginKind::Predicate => &["Predicate"],
        PluginKind::Source | PluginKind::Sink => &["Connector"],
    };
    let matches = |plugin: &&Plugin| {
        let simple = plugin.simple_name();
        plugin.class == name
            || plugin.aliases.contains(&name)
            || simple == name
            || suffixes.iter().any(|suffix| simple.strip_suffix(suffix) == Some(name))
    };
    plugins.iter().filter(|plugin| plugin.kind() == kind).find(matches).ok_or_else(|| {
        Error::config(format!(
            "Invalid value {name} for configuration {key}: Class {name} could not be found."
        ))
        .hint("GET /connector-plugins?connectorsOnly=false lists all that there are")
    })
}
