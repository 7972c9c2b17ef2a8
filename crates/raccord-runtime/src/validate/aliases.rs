//! Keys of transforms and predicates, which a connector names by aliases: `transforms.<alias>.…`. Connect's
//! `EnrichablePlugin`.

use raccord_config::{
    AnyClass, ConfigDef, ConfigKey, Importance, Type, Validator, Value, Width, invalid_value,
};
use raccord_plugin::{Error, Plugin, PluginKind, RawConfig};

use super::VersionRange;
use super::framework::{check_kind, classes, connector_range, text, versions_of};
use super::registry::{Registry, kind_name};

/// Adds the keys of all transforms and predicates that the config names. Those of a plugin that cannot be found are
/// left out: the finding stands at its `type`.
pub(super) fn enrich(def: &mut ConfigDef, registry: Registry, raw: &RawConfig) {
    for (list, group, kind) in [
        ("transforms", "Transforms", PluginKind::Transformation),
        ("predicates", "Predicates", PluginKind::Predicate),
    ] {
        let Ok(Value::List(mut names)) = Value::parse(list, raw.get(list), Type::List, &AnyClass) else {
            continue;
        };
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        for alias in names {
            let one = Aliased { prefix: format!("{list}.{alias}."), alias, kind, registry };
            one.define(def, &format!("{group}: {}", one.alias), raw);
        }
    }
}

/// Checks the keys of transforms and predicates as a task that starts checks them.
///
/// # Errors
/// The first thing that is wrong, in Connect's words.
pub fn check_aliased(plugins: &'static [Plugin], raw: &RawConfig) -> Result<(), Error> {
    let registry = Registry::new(plugins);
    for (list, kind) in [("transforms", "Transformation"), ("predicates", "Predicate")] {
        let Ok(Value::List(names)) = Value::parse(list, raw.get(list), Type::List, &AnyClass) else {
            continue;
        };
        let without_type = names.iter().map(|name| format!("{list}.{name}.type"));
        if let Some(key) = without_type.into_iter().find(|key| raw.get(key).is_none()) {
            return Err(Error::config(invalid_value(&key, "null", &format!("Not a {kind}"))));
        }
    }
    let mut def = ConfigDef::new();
    enrich(&mut def, registry, raw);
    match def.parse(raw, &registry) {
        Ok(_) => Ok(()),
        Err(findings) => Err(Error::config(findings.first())),
    }
}

#[derive(Clone)]
struct Aliased {
    alias: String,
    prefix: String,
    kind: PluginKind,
    registry: Registry,
}

impl Aliased {
    fn define(&self, def: &mut ConfigDef, group: &str, raw: &RawConfig) {
        let (type_key, version_key) =
            (format!("{}type", self.prefix), format!("{}plugin.version", self.prefix));
        let default_version = self.registry.version(raw.get(&type_key), &[self.kind]);
        let (word, what) = (kind_name(self.kind), kind_name(self.kind).to_lowercase());
        def.define(ConfigKey {
            validator: Some(self.type_validator(raw, &version_key)),
            importance: Importance::High,
            documentation: format!("The class of the {what} '{}'.", self.alias).into(),
            group: Some(group.to_owned()),
            order: 0,
            width: Width::Long,
            display_name: format!("{word} type for {}", self.alias),
            recommender: Some(classes(self.registry, self.kind)),
            ..ConfigKey::new(&type_key, Type::Class)
        });
        def.define(ConfigKey {
            default: Some(text(default_version)),
            validator: Some(self.version_validator(raw, &type_key)),
            importance: Importance::High,
            documentation: format!("The version of the {what} '{}', or a range of versions.", self.alias)
                .into(),
            group: Some(group.to_owned()),
            order: 1,
            width: Width::Long,
            display_name: format!("{word} version for {}", self.alias),
            recommender: Some(versions_of(self.registry, type_key.clone(), self.kind)),
            ..ConfigKey::new(&version_key, Type::String)
        });
        if let Some(keys) = self.plugin_keys(raw, &type_key, &version_key) {
            def.embed(&self.prefix, group, 2, &keys);
        }
    }

    /// The implicit keys and those of the plugin; nothing when the plugin cannot be had.
    fn plugin_keys(&self, raw: &RawConfig, type_key: &str, version_key: &str) -> Option<ConfigDef> {
        let class = self.registry.full_name(raw.get(type_key)?.trim());
        self.check(raw, class, raw.get(version_key)).ok()?;
        let plugin = self.registry.find(class, &[self.kind])?;
        let mut keys = ConfigDef::new();
        if self.kind == PluginKind::Transformation {
            keys.define_all(&implicit_keys());
        }
        for key in (plugin.config)().keys().filter(|key| !key.internal) {
            // The implicit keys mask those of the plugin.
            if keys.key(&key.name).is_none() {
                keys.define(key.clone());
            }
        }
        Some(keys)
    }

    /// # Errors
    /// What is wrong with a plugin of this class and version.
    fn check(&self, raw: &RawConfig, class: &str, version: Option<&str>) -> Result<(), String> {
        if raw.get("connector.class").is_none() || connector_range(raw).is_err() {
            return Ok(());
        }
        let range = VersionRange::requirement(version)?;
        check_kind(self.registry, class, self.kind)?;
        match self.registry.find(class, &[self.kind]) {
            Some(plugin) => self
                .registry
                .check_version(plugin, range.as_ref())
                .map_err(|error| error.message().to_owned()),
            None => Ok(()),
        }
    }

    fn type_validator(&self, raw: &RawConfig, version_key: &str) -> Validator {
        let (one, raw, version_key) = (self.clone(), raw.clone(), version_key.to_owned());
        let description = format!("valid configs for {} {}", self.alias, kind_name(self.kind).to_lowercase());
        Validator::new(description, move |_, value| {
            one.check_negate(&raw)?;
            match value.as_class() {
                Some(class) => one.check(&raw, class.as_str(), raw.get(&version_key)),
                None => Ok(()),
            }
        })
    }

    /// Only a version that cannot be had is a finding here; the rest stands at the class.
    fn version_validator(&self, raw: &RawConfig, type_key: &str) -> Validator {
        let (one, raw, type_key) = (self.clone(), raw.clone(), type_key.to_owned());
        Validator::new("", move |_, value| {
            let (Some(version), Some(class)) = (value.as_str(), raw.get(&type_key)) else { return Ok(()) };
            if raw.get("connector.class").is_none() || connector_range(&raw).is_err() {
                return Ok(());
            }
            let range = VersionRange::requirement(Some(version))?;
            match one.registry.find(class.trim(), &[one.kind]) {
                Some(plugin) => one
                    .registry
                    .check_version(plugin, range.as_ref())
                    .map_err(|error| error.message().to_owned()),
                None => Ok(()),
            }
        })
    }

    fn check_negate(&self, raw: &RawConfig) -> Result<(), String> {
        let (negate, predicate) = (format!("{}negate", self.prefix), format!("{}predicate", self.prefix));
        if self.kind == PluginKind::Transformation
            && raw.contains_key(&negate)
            && !raw.contains_key(&predicate)
        {
            return Err(format!(
                "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be \
                 negated."
            ));
        }
        Ok(())
    }
}

/// What every transform has.
fn implicit_keys() -> ConfigDef {
    let mut keys = ConfigDef::new();
    keys.define(ConfigKey {
        default: Some(Value::Null),
        documentation: "The name of a predicate: the transform applies to records that match it.".into(),
        ..ConfigKey::new("predicate", Type::String)
    });
    keys.define(ConfigKey {
        default: Some(Value::Boolean(false)),
        documentation: "Whether the transform applies to records that do not match the predicate instead."
            .into(),
        ..ConfigKey::new("negate", Type::Boolean)
    });
    keys
}
