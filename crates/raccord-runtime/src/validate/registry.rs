//! Which plugin a name in a config stands for: the full class name, the simple name, or the simple name without the
//! word for its kind, as Connect's class loader and `Plugins.newConnector` have it.

use raccord_config::Classes;
use raccord_plugin::{Plugin, PluginKind};

use super::VersionRange;

/// The plugins of this program, asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct Registry {
    plugins: &'static [Plugin],
}

/// Why a connector was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// There is no such connector, or more than one.
    Class(String),
    /// There is, but not in a version that was asked for.
    Version {
        /// The text of Connect's exception.
        message: String,
        /// The versions that there are.
        available: Vec<&'static str>,
    },
}

impl Registry {
    /// Looks in these.
    pub fn new(plugins: &'static [Plugin]) -> Self {
        Self { plugins }
    }

    /// The full class name for a name: an alias that means one class only, or the name itself.
    pub fn full_name<'a>(&self, name: &'a str) -> &'a str {
        if let Some(plugin) = self.plugins.iter().find(|plugin| plugin.aliases.contains(&name)) {
            return plugin.class;
        }
        let mut classes =
            self.plugins.iter().filter(|plugin| simple_name(plugin) == name || pruned_name(plugin) == name);
        match classes.next() {
            Some(first) if classes.all(|other| other.class == first.class) => first.class,
            _ => name,
        }
    }

    /// The plugins with this name that are of one of these kinds.
    pub fn find(&self, name: &str, kinds: &[PluginKind]) -> Option<&'static Plugin> {
        let full = self.full_name(name);
        self.plugins.iter().find(|plugin| plugin.class == full && kinds.contains(&plugin.kind()))
    }

    /// A plugin with this name of any kind. Where a class is of several kinds, the one that Connect would take it for
    /// when it shows its definition.
    pub fn find_any(&self, name: &str) -> Option<&'static Plugin> {
        let full = self.full_name(name);
        self.plugins.iter().filter(|plugin| plugin.class == full).min_by_key(|plugin| plugin.kind())
    }

    /// The version of the plugin with this name and one of these kinds.
    pub fn version(&self, name: Option<&str>, kinds: &[PluginKind]) -> Option<&'static str> {
        self.find(name?, kinds).map(|plugin| plugin.version)
    }

    /// All plugins of this kind by name.
    pub fn of_kind(&self, kind: PluginKind) -> Vec<&'static Plugin> {
        let mut found: Vec<&'static Plugin> =
            self.plugins.iter().filter(|plugin| plugin.kind() == kind).collect();
        found.sort_by_key(|plugin| plugin.class);
        found
    }

    /// The nested classes that stand for a class which is abstract in Java, as `Cast$Key` and `Cast$Value` for `Cast`.
    pub(super) fn variants(&self, class: &str, kind: PluginKind) -> Vec<&'static str> {
        self.of_kind(kind)
            .into_iter()
            .map(|plugin| plugin.class)
            .filter(|name| name.strip_prefix(class).is_some_and(|rest| rest.starts_with('$')))
            .collect()
    }

    /// The connector with this name in a version that is in the range.
    ///
    /// # Errors
    /// In Connect's words, with all connectors that there are.
    pub fn connector(&self, name: &str, range: Option<&VersionRange>) -> Result<&'static Plugin, NotFound> {
        let kinds = [PluginKind::Source, PluginKind::Sink];
        let plugin = match self.find(name, &kinds) {
            Some(plugin) => plugin,
            None => self.connector_by_simple_name(name)?,
        };
        self.check_version(plugin, range)?;
        Ok(plugin)
    }

    fn connector_by_simple_name(&self, name: &str) -> Result<&'static Plugin, NotFound> {
        let mut all = self.of_kind(PluginKind::Sink);
        all.extend(self.of_kind(PluginKind::Source));
        all.sort_by_key(|plugin| plugin.class);
        let matches: Vec<&'static Plugin> = all
            .iter()
            .copied()
            .filter(|plugin| {
                let simple = simple_name(plugin);
                simple == name || simple.strip_suffix("Connector") == Some(name)
            })
            .collect();
        let described = || all.iter().map(|plugin| describe(plugin)).collect::<Vec<_>>().join(", ");
        match matches[..] {
            [plugin] => Ok(plugin),
            [] => Err(NotFound::Class(format!(
                "Failed to find any class that implements Connector and which name matches {name}, available \
                 connectors are: {}",
                described()
            ))),
            _ => Err(NotFound::Class(format!(
                "More than one connector matches alias {name}. Please use full package and class name instead. \
                 Classes found: {}",
                described()
            ))),
        }
    }

    /// Checks that the plugin's version is in the range.
    ///
    /// # Errors
    /// In Connect's words.
    pub fn check_version(&self, plugin: &Plugin, range: Option<&VersionRange>) -> Result<(), NotFound> {
        let Some(range) = range.filter(|range| !range.contains(plugin.version)) else { return Ok(()) };
        let available: Vec<&'static str> = self
            .plugins
            .iter()
            .filter(|other| other.class == plugin.class)
            .map(|other| other.version)
            .collect();
        let message = format!(
            "Plugin {} not found that matches the version range {range}, available versions: [{}]",
            plugin.class,
            available.join(", ")
        );
        Err(NotFound::Version { message, available })
    }
}

impl NotFound {
    /// The text of Connect's exception.
    pub fn message(&self) -> &str {
        match self {
            Self::Class(message) | Self::Version { message, .. } => message,
        }
    }
}

/// The classes that exist are those of the plugins, and those in which they are nested.
impl Classes for Registry {
    fn resolve(&self, name: &str) -> Option<String> {
        let full = self.full_name(name);
        let outer = |class: &'static str| class.split_once('$').map_or(class, |(outer, _)| outer);
        let known = self.plugins.iter().any(|plugin| plugin.class == full || outer(plugin.class) == full);
        known.then(|| full.to_owned())
    }
}

/// Java's `getSimpleName`: `Value` for `org.apache.kafka.connect.transforms.Cast$Value`.
fn simple_name(plugin: &Plugin) -> &'static str {
    plugin.class.rsplit(['.', '$']).next().unwrap_or(plugin.class)
}

/// The simple name up to the last word for the plugin's kind.
fn pruned_name(plugin: &Plugin) -> &'static str {
    let simple = simple_name(plugin);
    match simple.rfind(kind_name(plugin.kind())) {
        Some(at) if at > 0 => &simple[..at],
        _ => simple,
    }
}

/// The simple name of the interface that plugins of this kind implement.
pub(super) fn kind_name(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Source | PluginKind::Sink => "Connector",
        PluginKind::Converter => "Converter",
        PluginKind::HeaderConverter => "HeaderConverter",
        PluginKind::Transformation => "Transformation",
        PluginKind::Predicate => "Predicate",
    }
}

/// A plugin as Connect's messages show it.
fn describe(plugin: &Plugin) -> String {
    let (class, version, kind) = (plugin.class, plugin.version, plugin.kind().as_str());
    format!(
        "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, type={kind}, \
         typeName='{kind}', location='classpath'}}"
    )
}
