//! The whole of a connector's validation, in the order of Connect's `AbstractHerder.validateConnectorConfig`.

use indexmap::IndexMap;
use raccord_config::{AnyClass, ConfigDef, ConfigValue, Value};
use raccord_data::java_order;
use raccord_plugin::{Make, Plugin, PluginKind, RawConfig};

use super::infos::{ConfigInfos, in_java_order};
use super::registry::{NotFound, Registry};
use super::{VersionRange, aliases, clients, converters, framework, sink, source};
use crate::config::{Providers, WorkerConfig, check_error_keys};
use crate::herder::{HerderError, HerderResult};
use crate::redaction::keep_secret;

/// Validates a connector's config: the keys of Connect, of the connector, of its transforms, predicates and converters,
/// and of the Kafka clients it overrides, and the connector's own look at the outside world.
///
/// `plugin` is the name in REST's path, which must fit `connector.class`; `None` when a connector is created or changed.
/// Placeholders in `raw` are resolved.
///
/// # Errors
/// In Connect's words when there is no `connector.class`, or no such connector: status 400, but 500 with the name of an
/// exception before it where REST asked for a validation. 400 when `plugin` is another one. 500 for an overridden
/// client setting that is not of its type.
pub async fn validate(
    plugins: &'static [Plugin],
    worker: &WorkerConfig,
    plugin: Option<&str>,
    raw: RawConfig,
) -> HerderResult<ConfigInfos> {
    check_path(plugin, &raw).map_err(|message| HerderError::new(400, message))?;
    let bad = |message: String| match plugin {
        None => HerderError::new(400, message),
        Some(_) => uncaught("org.apache.kafka.connect.runtime.rest.errors.BadRequestException", &message),
    };
    let Some(class) = raw.get("connector.class").map(str::to_owned) else {
        return Err(bad(format!("Connector config {} contains no connector type", java_map(&raw))));
    };
    let registry = Registry::new(plugins);
    let range = framework::connector_range(&raw).map_err(bad)?;
    let connector = match registry.connector(&class, range.as_ref()) {
        Ok(connector) => connector,
        Err(NotFound::Class(message)) => return Err(bad(message)),
        Err(NotFound::Version { message, available }) => {
            return Ok(without_version(registry, &class, &raw, message, &available));
        }
    };
    let mut def = framework::enriched(registry, connector, &raw, worker);
    aliases::enrich(&mut def, registry, &raw);
    let mut values = def.validate_all(&raw, &registry);
    match connector.kind() {
        PluginKind::Sink => sink::check(&raw, worker, &mut values),
        _ => source::check(connector, &raw, worker, &mut values),
    }
    for (key, message) in check_error_keys(&raw, connector.kind() == PluginKind::Sink) {
        values.entry(key.clone()).or_insert_with(|| unknown(&raw, &key)).errors.push(message);
    }
    add_null_values(&raw, &mut values);
    let from_converters = converters::validate(registry, &raw, &mut values);
    let from_clients = clients::validate(connector.kind(), &raw, worker).map_err(|message| match plugin {
        None => HerderError::new(500, message),
        Some(_) => uncaught("org.apache.kafka.common.config.ConfigException", &message),
    })?;
    let mut infos = with_plugin(connector, &class, def, values, &raw).await;
    infos.merge(from_clients);
    infos.merge(from_converters);
    Ok(infos)
}

/// Validates a connector's config as users write it: replaces placeholders, and shows nothing that they stand for.
///
/// # Errors
/// As [`validate`], and 500 when a provider cannot give a value.
pub async fn validate_unresolved(
    plugins: &'static [Plugin],
    worker: &WorkerConfig,
    providers: &Providers,
    plugin: Option<&str>,
    raw: &RawConfig,
) -> HerderResult<ConfigInfos> {
    check_path(plugin, raw).map_err(|message| HerderError::new(400, message))?;
    // Providers are the worker's alone; Kafka Connect leaves those of a connector out since 4.3.2.
    let raw: RawConfig = raw
        .iter()
        .filter(|(key, _)| *key != "config.providers" && !key.starts_with("config.providers."))
        .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
        .collect();
    let resolved = providers.resolve(&raw).map_err(|message| match plugin {
        None => HerderError::new(500, message),
        Some(_) => uncaught("org.apache.kafka.common.config.ConfigException", &message),
    })?;
    keep_secret(resolved.secrets);
    let infos = validate(plugins, worker, plugin, resolved.config.clone()).await?;
    Ok(infos.redacted(&raw, &resolved.config))
}

/// What REST answers when an exception comes out of a validation: it does not look into what wraps it.
fn uncaught(class: &str, message: &str) -> HerderError {
    HerderError::new(500, format!("{class}: {message}"))
}

/// The plugin in REST's path may lack its package and the word Connector.
fn check_path(plugin: Option<&str>, raw: &RawConfig) -> Result<(), String> {
    fn normalized(name: &str) -> &str {
        match name.strip_suffix("Connector") {
            Some(short) if !short.is_empty() => short,
            _ => name,
        }
    }
    let (Some(plugin), Some(class)) = (plugin, raw.get("connector.class")) else { return Ok(()) };
    if normalized(class).ends_with(normalized(plugin)) {
        return Ok(());
    }
    Err(format!("Included connector type {class} does not match request type {plugin}"))
}

/// The connector's own keys and findings beside those of Connect.
async fn with_plugin(
    plugin: &'static Plugin,
    class: &str,
    mut def: ConfigDef,
    values: IndexMap<String, ConfigValue>,
    raw: &RawConfig,
) -> ConfigInfos {
    let own = (plugin.config)();
    let mut own_values = own.validate_all(raw, &AnyClass);
    let mut values = values;
    for (key, message) in live_findings(plugin, raw).await {
        let value = match own_values.get_mut(&key) {
            Some(value) => value,
            None => values.entry(key.clone()).or_insert_with(|| unknown(raw, &key)),
        };
        value.errors.push(message);
    }
    def.define_all(own);
    let mut all = in_java_order(values);
    all.extend(in_java_order(own_values));
    ConfigInfos::of_keys(class, &def, all)
}

/// What the connector finds when it looks at the outside world.
async fn live_findings(plugin: &'static Plugin, raw: &RawConfig) -> Vec<(String, String)> {
    match plugin.make {
        Make::Source { connector, .. } => connector().validate(raw).await,
        Make::Sink { connector, .. } => connector().validate(raw).await,
        _ => Vec::new(),
    }
}

/// A value without a key: the text as it is in the config.
pub(super) fn unknown(raw: &RawConfig, key: &str) -> ConfigValue {
    ConfigValue { value: framework::text(raw.get(key)), ..ConfigValue::new(key) }
}

/// JSON's null is no value for any key.
fn add_null_values(raw: &RawConfig, values: &mut IndexMap<String, ConfigValue>) {
    for (key, _) in raw.iter().filter(|(_, value)| value.is_none()) {
        let value = values.entry(key.to_owned()).or_insert_with(|| ConfigValue::new(key));
        value.errors.push("Null value can not be supplied as the configuration value.".to_owned());
    }
}

/// The connector is there, but not in that version: only the common keys can be checked.
fn without_version(
    registry: Registry,
    class: &str,
    raw: &RawConfig,
    message: String,
    available: &[&'static str],
) -> ConfigInfos {
    let def = framework::common(registry, class);
    let mut values = def.validate_all(raw, &registry);
    for key in ["connector.class", "connector.plugin.version"] {
        if let Some(value) = values.get_mut(key) {
            value.errors.push(message.clone());
        }
    }
    if let Some(value) = values.get_mut("connector.plugin.version") {
        value.recommended_values =
            available.iter().map(|version| Value::String((*version).to_owned())).collect();
    }
    add_null_values(raw, &mut values);
    ConfigInfos::of_keys(class, &def, in_java_order(values))
}

/// A map as Java shows it, in the order of a `HashMap` that is a copy of another map: its table has room for a third
/// more entries, plus one.
fn java_map(raw: &RawConfig) -> String {
    let mut entries: Vec<(&str, Option<&str>)> = raw.iter().collect();
    let slots = (entries.len() * 4 / 3 + 1).next_power_of_two();
    java_order::sort_with_capacity(&mut entries, |(key, _)| key, slots);
    let entries: Vec<String> =
        entries.iter().map(|(key, value)| format!("{key}={}", value.unwrap_or("null"))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// The JSON of `GET /connector-plugins/{plugin}/config`: the plugin's own keys, then those of Connect for a connector.
///
/// # Errors
/// 404 for an unknown plugin, 400 for a version that is not there or not a range.
pub fn plugin_config(
    plugins: &'static [Plugin],
    name: &str,
    version: Option<&str>,
) -> HerderResult<serde_json::Value> {
    let registry = Registry::new(plugins);
    let range = VersionRange::requirement(version).map_err(|_| {
        HerderError::new(400, format!("Invalid version specification: {}", version.unwrap_or("null")))
    })?;
    let plugin =
        registry.find_any(name).ok_or_else(|| HerderError::new(404, format!("Unknown plugin {name}.")))?;
    registry.check_version(plugin, range.as_ref()).map_err(|error| HerderError::new(400, error.message()))?;
    let mut def = (plugin.config)().clone();
    if matches!(plugin.kind(), PluginKind::Source | PluginKind::Sink) {
        for key in framework::plain(registry, plugin).keys() {
            if def.key(&key.name).is_none() {
                def.define(key.clone());
            }
        }
    }
    Ok(def.to_json())
}
