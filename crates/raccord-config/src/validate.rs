//! Validation through REST: every key with its value, its findings, what to offer for it and whether to show it.
//! Kafka's `ConfigDef.validateAll`.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::json;

use crate::def::missing;
use crate::{Classes, ConfigDef, ConfigKey, ParsedConfig, RawConfig, Value};

/// What validation says of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigValue {
    /// The key.
    pub name: String,
    /// Its parsed value; null when it could not be parsed.
    pub value: Value,
    /// What to offer.
    pub recommended_values: Vec<Value>,
    /// What is wrong.
    pub errors: Vec<String>,
    /// Whether to show it.
    pub visible: bool,
}

impl ConfigValue {
    /// A visible key without value.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Value::Null,
            recommended_values: Vec::new(),
            errors: Vec::new(),
            visible: true,
        }
    }

    /// Connect's `ConfigValueInfo`.
    pub fn to_json(&self) -> serde_json::Value {
        let recommended: Vec<Option<String>> = self.recommended_values.iter().map(Value::to_text).collect();
        json!({
            "name": self.name,
            "value": self.value.to_text(),
            "recommended_values": recommended,
            "errors": self.errors,
            "visible": self.visible,
        })
    }
}

impl ConfigDef {
    /// Validates every key of this definition. Keys that are named as dependents but not defined are findings of their
    /// own. In the order of the definition.
    pub fn validate_all(&self, raw: &RawConfig, classes: &dyn Classes) -> IndexMap<String, ConfigValue> {
        let mut values: IndexMap<String, ConfigValue> =
            self.keys().map(|key| (key.name.clone(), ConfigValue::new(&key.name))).collect();
        for name in self.undefined_dependents() {
            let mut value = ConfigValue::new(name);
            value.errors.push(format!("{name} is referred in the dependents, but not defined."));
            value.visible = false;
            values.insert(name.to_owned(), value);
        }
        let roots = self.keys_without_parent();
        let mut parsed = ParsedConfig::with_capacity(self.keys().count());
        self.walk(&roots, &mut |key| {
            let value = values.get_mut(&key.name).expect("every defined key has a value");
            parse_key(key, raw, classes, value);
            parsed.insert(key.name.clone(), value.value.clone());
        });
        self.walk(&roots, &mut |key| {
            let value = values.get_mut(&key.name).expect("every defined key has a value");
            recommend(key, &parsed, value);
        });
        values
    }

    fn undefined_dependents(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.keys().flat_map(|key| &key.dependents) {
            if self.key(name).is_none() && !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    fn keys_without_parent(&self) -> Vec<&ConfigKey> {
        let children: HashSet<&str> =
            self.keys().flat_map(|key| key.dependents.iter().map(String::as_str)).collect();
        self.keys().filter(|key| !children.contains(key.name.as_str())).collect()
    }

    /// Visits keys and, after each, its dependents. A key with two parents is visited twice, as in Kafka, where that
    /// repeats its findings; a circle has no root and is not visited.
    fn walk<'a>(&'a self, keys: &[&'a ConfigKey], visit: &mut dyn FnMut(&'a ConfigKey)) {
        for key in keys {
            visit(key);
            let dependents: Vec<&ConfigKey> =
                key.dependents.iter().filter_map(|name| self.key(name)).collect();
            self.walk(&dependents, visit);
        }
    }
}

fn parse_key(key: &ConfigKey, raw: &RawConfig, classes: &dyn Classes, out: &mut ConfigValue) {
    let value = match (key.written_name(raw), &key.default) {
        (Some(name), _) => Value::parse(&key.name, raw.get(name), key.kind, classes),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(missing(&key.name)),
    };
    let value = value.unwrap_or_else(|message| {
        out.errors.push(message);
        Value::Null
    });
    if let Some(validator) = &key.validator
        && let Err(message) = validator.check(&key.name, &value)
    {
        out.errors.push(message);
    }
    out.value = value;
}

fn recommend(key: &ConfigKey, parsed: &ParsedConfig, out: &mut ConfigValue) {
    let Some(recommender) = &key.recommender else { return };
    match recommender.valid_values(&key.name, parsed) {
        Ok(mut values) => {
            if !out.recommended_values.is_empty() {
                values.retain(|value| out.recommended_values.contains(value));
            }
            out.recommended_values = values;
            out.visible = recommender.visible(&key.name, parsed);
        }
        Err(message) => out.errors.push(message),
    }
}
