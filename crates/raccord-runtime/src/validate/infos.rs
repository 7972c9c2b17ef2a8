//! The answer of a validation: Connect's `ConfigInfos`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use raccord_config::{ConfigDef, ConfigKey, ConfigValue, RawConfig, Value};
use raccord_data::java_order;
use serde_json::json;

use crate::redaction::redact;

/// A key with what validation says of it.
#[derive(Clone, Debug)]
pub struct ConfigInfo {
    /// The definition; `None` for a value without a known key.
    pub key: Option<ConfigKey>,
    /// The value; `None` for a key that validation said nothing of.
    pub value: Option<ConfigValue>,
}

/// All keys of a connector with what validation says of them.
#[derive(Clone, Debug, Default)]
pub struct ConfigInfos {
    /// `connector.class` as it was given.
    pub name: String,
    /// How many findings there are. A client override or converter key counts once, whatever it has.
    pub error_count: usize,
    /// All groups in order.
    pub groups: Vec<String>,
    /// All keys in order.
    pub configs: Vec<ConfigInfo>,
}

impl ConfigInfos {
    /// Values beside their keys, values without a key first: Connect's `generateResult`. Of two values for a key the
    /// later counts.
    pub(super) fn of_keys(name: &str, def: &ConfigDef, values: Vec<ConfigValue>) -> Self {
        let mut infos = Self { name: name.to_owned(), groups: def.groups().to_vec(), ..Self::default() };
        let mut by_key: HashMap<String, ConfigValue> = HashMap::new();
        for value in values {
            if def.key(&value.name).is_some() {
                by_key.insert(value.name.clone(), value);
            } else {
                infos.error_count += value.errors.len();
                infos.configs.push(ConfigInfo { key: None, value: Some(value) });
            }
        }
        for key in def.keys().filter(|key| !key.internal) {
            let value = by_key.remove(&key.name);
            infos.error_count += value.as_ref().map_or(0, |value| value.errors.len());
            infos.configs.push(ConfigInfo { key: Some(key.clone()), value });
        }
        infos
    }

    /// Values of a plugin inside the connector, whose keys have a prefix there: Connect's `prefixedConfigInfos`.
    pub(super) fn of_prefixed(prefix: &str, def: &ConfigDef, values: Vec<ConfigValue>) -> Self {
        let mut infos = Self::default();
        for value in values {
            let key = def.key(&value.name).cloned().map(|mut key| {
                key.name = format!("{prefix}{}", key.name);
                key
            });
            if let Some(group) = key.as_ref().and_then(|key| key.group.as_ref())
                && !infos.groups.contains(group)
            {
                infos.groups.push(group.clone());
            }
            infos.error_count += usize::from(!value.errors.is_empty());
            let value = ConfigValue { name: format!("{prefix}{}", value.name), visible: true, ..value };
            infos.configs.push(ConfigInfo { key, value: Some(value) });
        }
        infos
    }

    /// Adds what comes from another part of the connector.
    pub(super) fn merge(&mut self, other: Self) {
        self.error_count += other.error_count;
        self.configs.extend(other.configs);
        let known: HashSet<String> = self.groups.iter().cloned().collect();
        self.groups.extend(other.groups.into_iter().filter(|group| !known.contains(group)));
    }

    /// Shows placeholders instead of what they were replaced with, and no findings that could quote it: as Kafka Connect
    /// does since 4.3.2.
    pub(crate) fn redacted(mut self, original: &RawConfig, resolved: &RawConfig) -> Self {
        let mut replaced = false;
        for value in self.configs.iter_mut().filter_map(|config| config.value.as_mut()) {
            let placeholder = original.get(&value.name);
            if resolved.get(&value.name).is_some_and(|text| Some(text) != placeholder) {
                replaced = true;
                value.value = Value::String(placeholder.unwrap_or_default().to_owned());
                value.recommended_values.clear();
                if !value.errors.is_empty() {
                    value.errors = vec![format!(
                        "Invalid value for configuration '{}': the value resolved from the config provider reference \
                         failed validation",
                        value.name
                    )];
                }
            } else {
                for error in &mut value.errors {
                    if let Cow::Owned(redacted) = redact(error) {
                        *error = redacted;
                    }
                }
            }
        }
        if replaced {
            self.error_count = self.errors().count();
        }
        self
    }

    /// The JSON of REST.
    pub fn to_json(&self) -> serde_json::Value {
        let configs: Vec<serde_json::Value> = self
            .configs
            .iter()
            .map(|config| {
                json!({
                    "definition": config.key.as_ref().map(ConfigKey::to_json),
                    "value": config.value.as_ref().map(ConfigValue::to_json),
                })
            })
            .collect();
        json!({
            "name": self.name,
            "error_count": self.error_count,
            "groups": self.groups,
            "configs": configs,
        })
    }

    /// All findings in order.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs
            .iter()
            .filter_map(|config| config.value.as_ref())
            .flat_map(|value| value.errors.iter().map(String::as_str))
    }

    /// What POST and PUT of a connector answer with status 400; `None` when the config is valid.
    pub fn first_error_text(&self) -> Option<String> {
        if self.error_count == 0 {
            return None;
        }
        let mut text = format!(
            "Connector configuration is invalid and contains the following {} error(s):",
            self.error_count
        );
        for error in self.errors() {
            text.push('\n');
            text.push_str(error);
        }
        text.push_str(
            "\nYou can also find the above list of errors at the endpoint \
             `/connector-plugins/{connectorType}/config/validate`",
        );
        Some(text)
    }
}

/// The values in the order of the Java map that Connect keeps them in.
pub(super) fn in_java_order(values: IndexMap<String, ConfigValue>) -> Vec<ConfigValue> {
    let mut values: Vec<ConfigValue> = values.into_values().collect();
    java_order::sort_by_key(&mut values, |value| &value.name);
    values
}
