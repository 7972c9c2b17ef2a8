//! A definition: keys in order.

use std::cmp::Ordering;

use indexmap::IndexMap;

use crate::{Classes, ConfigKey, Finding, Findings, ParsedConfig, RawConfig, Value};

/// The keys of one plugin, or of the worker, in order.
#[derive(Clone, Debug, Default)]
pub struct ConfigDef {
    keys: IndexMap<String, ConfigKey>,
    groups: Vec<String>,
}

impl ConfigDef {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. One that is there already is replaced, keeping its place.
    pub fn define(&mut self, key: ConfigKey) -> &mut Self {
        if let Some(group) = key.group.as_ref().filter(|group| !self.groups.contains(group)) {
            self.groups.push(group.clone());
        }
        self.keys.insert(key.name.clone(), key);
        self
    }

    /// Adds all keys of another definition as they are.
    pub fn define_all(&mut self, other: &Self) -> &mut Self {
        for key in other.keys() {
            self.define(key.clone());
        }
        self
    }

    /// Adds all keys of another definition with a prefix, in one group, numbered from `first_order`: Kafka's `embed`.
    pub fn embed(&mut self, prefix: &str, group: &str, first_order: i32, child: &Self) -> &mut Self {
        for (order, key) in (first_order..).zip(child.sorted()) {
            self.define(ConfigKey {
                name: format!("{prefix}{}", key.name),
                validator: key.validator.as_ref().map(|validator| validator.embedded(prefix)),
                group: Some(match &key.group {
                    Some(inner) => format!("{group}: {inner}"),
                    None => group.to_owned(),
                }),
                order,
                dependents: key.dependents.iter().map(|name| format!("{prefix}{name}")).collect(),
                recommender: key.recommender.as_ref().map(|recommender| recommender.embedded(prefix)),
                ..key.clone()
            });
        }
        self
    }

    /// The definition with those keys only for which this holds.
    pub fn filtered(&self, keep: impl Fn(&ConfigKey) -> bool) -> Self {
        let mut def = Self::new();
        for key in self.keys().filter(|key| keep(key)) {
            def.define(key.clone());
        }
        def
    }

    /// A key.
    pub fn key(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.get(name)
    }

    /// A key, to change it.
    pub fn key_mut(&mut self, name: &str) -> Option<&mut ConfigKey> {
        self.keys.get_mut(name)
    }

    /// All keys in the order of their definition.
    pub fn keys(&self) -> impl Iterator<Item = &ConfigKey> {
        self.keys.values()
    }

    /// The groups in the order in which they first came up.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// All keys by group, place in the group, required first, importance, name: the order of Kafka's reference.
    pub fn sorted(&self) -> Vec<&ConfigKey> {
        let place = |key: &ConfigKey| key.group.as_ref().map(|g| self.groups.iter().position(|o| o == g));
        let mut keys: Vec<&ConfigKey> = self.keys.values().collect();
        keys.sort_by(|a, b| {
            place(a).cmp(&place(b)).then(a.order.cmp(&b.order)).then_with(|| {
                match (a.default.is_some(), b.default.is_some()) {
                    (false, true) => Ordering::Less,
                    (true, false) => Ordering::Greater,
                    _ => a.importance.cmp(&b.importance).then_with(|| a.name.cmp(&b.name)),
                }
            })
        });
        keys
    }

    /// Parses all keys: Kafka's `ConfigDef.parse`, but with all findings instead of the first.
    ///
    /// # Errors
    /// All that is wrong in the order of the definition.
    pub fn parse(&self, raw: &RawConfig, classes: &dyn Classes) -> Result<ParsedConfig, Findings> {
        let mut values = ParsedConfig::with_capacity(self.keys.len());
        let mut findings = Vec::new();
        for key in self.keys() {
            match self.parse_key(key, raw, classes) {
                Ok(value) => {
                    values.insert(key.name.clone(), value);
                }
                Err(message) => findings.push(Finding { key: key.name.clone(), message }),
            }
        }
        Findings::check(findings)?;
        Ok(values)
    }

    fn parse_key(&self, key: &ConfigKey, raw: &RawConfig, classes: &dyn Classes) -> Result<Value, String> {
        let mut value = match key.written_name(raw) {
            Some(name) => Value::parse(&key.name, raw.get(name), key.kind, classes)?,
            None => key.default.clone().ok_or_else(|| missing(&key.name))?,
        };
        if let Some(validator) = &key.validator {
            if let Value::List(items) = &mut value
                && validator.removes_duplicates()
            {
                let mut seen = std::collections::HashSet::new();
                items.retain(|item| seen.insert(item.clone()));
            }
            validator.check(&key.name, &value)?;
        }
        Ok(value)
    }

    /// The JSON of `GET /connector-plugins/{plugin}/config` for these keys.
    pub fn to_json(&self) -> serde_json::Value {
        self.keys().filter(|key| !key.internal).map(ConfigKey::to_json).collect()
    }
}

/// What Kafka says of a required key that is not there.
pub(crate) fn missing(name: &str) -> String {
    format!("Missing required configuration \"{name}\" which has no default value.")
}

impl ConfigKey {
    /// The name under which the key is written in a config: its own, or an old one.
    pub(crate) fn written_name<'a>(&'a self, raw: &RawConfig) -> Option<&'a str> {
        if raw.contains_key(&self.name) {
            return Some(&self.name);
        }
        self.aliases.iter().copied().find(|alias| raw.contains_key(alias))
    }
}
