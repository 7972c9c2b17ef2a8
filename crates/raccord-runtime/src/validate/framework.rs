//! The keys that Connect gives every connector, with the defaults and choices that follow from the worker and from the
//! plugins there are: Connect's `enrichedConfigDef`.

use raccord_config::{Class, Config, ConfigDef, Recommender, Validator, Value};
use raccord_plugin::{Plugin, PluginKind, RawConfig};

use super::VersionRange;
use super::registry::{Registry, kind_name};
use crate::config::{ConnectorCommon, SinkCommon, SourceCommon, WorkerConfig};

/// The three converters: key, key of its version, kind.
pub(super) const CONVERTERS: [(&str, &str, PluginKind); 3] = [
    ("header.converter", "header.converter.plugin.version", PluginKind::HeaderConverter),
    ("key.converter", "key.converter.plugin.version", PluginKind::Converter),
    ("value.converter", "value.converter.plugin.version", PluginKind::Converter),
];

const CONNECTORS: [PluginKind; 2] = [PluginKind::Sink, PluginKind::Source];

/// The keys for a connector of this kind, as `GET /connector-plugins/{plugin}/config` shows them.
pub(super) fn plain(registry: Registry, plugin: &Plugin) -> ConfigDef {
    let def = match plugin.kind() {
        PluginKind::Sink => SinkCommon::def().clone(),
        _ => SourceCommon::def().clone(),
    };
    with_plugins(def, registry, plugin.class)
}

/// The keys of a connector of which only the name is known.
pub(super) fn common(registry: Registry, class: &str) -> ConfigDef {
    with_plugins(ConnectorCommon::def().clone(), registry, class)
}

fn with_plugins(mut def: ConfigDef, registry: Registry, class: &str) -> ConfigDef {
    set_default(&mut def, "connector.plugin.version", text(registry.version(Some(class), &CONNECTORS)));
    set_recommender(&mut def, "connector.plugin.version", shown_with("connector.class"));
    for (class, version, kind) in CONVERTERS {
        set_validator(&mut def, class, class_of_kind(registry, kind));
        set_recommender(&mut def, version, shown_with(class));
    }
    def
}

/// Offers nothing; the key is shown when another one has a value.
fn shown_with(other: &'static str) -> Recommender {
    Recommender::values(|_, _| Ok(Vec::new()))
        .visible_if(move |_, parsed| parsed.get(other).is_some_and(|value| !value.is_null()))
}

/// The keys for a connector with this config on this worker.
pub(super) fn enriched(
    registry: Registry,
    plugin: &Plugin,
    raw: &RawConfig,
    worker: &WorkerConfig,
) -> ConfigDef {
    let mut def = plain(registry, plugin);
    set_default(
        &mut def,
        "connector.plugin.version",
        text(registry.version(raw.get("connector.class"), &CONNECTORS)),
    );
    set_recommender(&mut def, "connector.plugin.version", connector_versions(registry));
    for (class, version, kind) in CONVERTERS {
        let (default, default_version) = converter_defaults(registry, class, version, kind, raw, worker);
        set_default(&mut def, class, default);
        set_default(&mut def, version, default_version);
        set_recommender(&mut def, class, classes(registry, kind));
        set_recommender(&mut def, version, converter_versions(registry, class, kind));
    }
    def
}

/// Default class and version of a converter: the worker's, unless the connector names its own.
fn converter_defaults(
    registry: Registry,
    class: &str,
    version: &str,
    kind: PluginKind,
    raw: &RawConfig,
    worker: &WorkerConfig,
) -> (Value, Value) {
    let of_worker = match kind {
        PluginKind::HeaderConverter => Some(worker.header_converter.as_str()),
        _ => worker.raw.get(class),
    };
    let of_connector = raw.get(class);
    if of_connector.is_none() && of_worker.is_none() {
        return (Value::Null, Value::Null);
    }
    let default =
        of_worker.map_or(Value::Null, |name| Value::Class(Class::new(registry.full_name(name.trim()))));
    let default_version = match of_connector {
        Some(name) => registry.version(Some(name), &[kind]),
        None => worker.raw.get(version).or_else(|| registry.version(of_worker, &[kind])),
    };
    (default, text(default_version))
}

/// A class that is a plugin of this kind.
pub(super) fn class_of_kind(registry: Registry, kind: PluginKind) -> Validator {
    let description =
        format!("A concrete subclass of {}, A class with a public, no-argument constructor", interface(kind));
    Validator::new(description, move |_, value| match value.as_class() {
        Some(class) => check_kind(registry, class.as_str(), kind),
        None => Ok(()),
    })
}

/// # Errors
/// Kafka's text when the class is a plugin of another kind.
pub(super) fn check_kind(registry: Registry, class: &str, kind: PluginKind) -> Result<(), String> {
    if registry.find(class, &[kind]).is_some() {
        return Ok(());
    }
    let variants = registry.variants(class, kind);
    if !variants.is_empty() {
        return Err(format!(
            "This class is abstract and cannot be created. Did you mean {}?",
            variants.join(", ")
        ));
    }
    Err(format!("Class class {class} does not implement the {} interface", kind_name(kind)))
}

fn interface(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::HeaderConverter => "org.apache.kafka.connect.storage.HeaderConverter",
        PluginKind::Converter => "org.apache.kafka.connect.storage.Converter",
        PluginKind::Transformation => "org.apache.kafka.connect.transforms.Transformation",
        PluginKind::Predicate => "org.apache.kafka.connect.transforms.predicates.Predicate",
        PluginKind::Source | PluginKind::Sink => "org.apache.kafka.connect.connector.Connector",
    }
}

/// Offers all plugins of this kind.
pub(super) fn classes(registry: Registry, kind: PluginKind) -> Recommender {
    Recommender::values(move |_, _| {
        let mut names: Vec<&str> = registry.of_kind(kind).iter().map(|plugin| plugin.class).collect();
        names.dedup();
        Ok(names.into_iter().map(|name| Value::Class(Class::new(name))).collect())
    })
}

fn connector_versions(registry: Registry) -> Recommender {
    Recommender::values(move |_, parsed| {
        let class = parsed.get("connector.class").and_then(Value::as_str);
        Ok(registry.version(class, &CONNECTORS).map(|version| text(Some(version))).into_iter().collect())
    })
    .visible_if(|_, parsed| parsed.get("connector.class").is_some_and(|class| !class.is_null()))
}

/// Offers the versions of the class in another key; shown only when there is one.
fn converter_versions(registry: Registry, class: &'static str, kind: PluginKind) -> Recommender {
    versions_of(registry, class.to_owned(), kind)
        .visible_if(move |_, parsed| parsed.get(class).is_some_and(|class| !class.is_null()))
}

/// Offers the versions of the class in another key.
pub(super) fn versions_of(registry: Registry, class_key: String, kind: PluginKind) -> Recommender {
    Recommender::values(move |_, parsed| {
        let class = parsed.get(&class_key).and_then(Value::as_class).map(Class::as_str);
        Ok(registry.version(class, &[kind]).map(|version| text(Some(version))).into_iter().collect())
    })
}

/// The range in the key `connector.plugin.version`.
///
/// # Errors
/// Maven's text when it is not a range.
pub(super) fn connector_range(raw: &RawConfig) -> Result<Option<VersionRange>, String> {
    VersionRange::requirement(raw.get("connector.plugin.version"))
}

pub(super) fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

fn set_default(def: &mut ConfigDef, name: &str, value: Value) {
    if let Some(key) = def.key_mut(name) {
        key.default = Some(value);
    }
}

fn set_validator(def: &mut ConfigDef, name: &str, validator: Validator) {
    if let Some(key) = def.key_mut(name) {
        key.validator = Some(validator);
    }
}

fn set_recommender(def: &mut ConfigDef, name: &str, recommender: Recommender) {
    if let Some(key) = def.key_mut(name) {
        key.recommender = Some(recommender);
    }
}
