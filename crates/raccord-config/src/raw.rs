//! A config as users write it: text by key.

use indexmap::IndexMap;

/// Keys with text values in the order in which they were given. A key may be present with null, as JSON allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawConfig(IndexMap<String, Option<String>>);

impl RawConfig {
    /// An empty config.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of a key; `None` when it is missing or null.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.as_deref())
    }

    /// Whether the key is there, null included.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets a key, keeping its place when it is there already.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Option<String>>) {
        self.0.insert(key.into(), value.into());
    }

    /// Removes a key, keeping the order of the others.
    pub fn remove(&mut self, key: &str) -> Option<Option<String>> {
        self.0.shift_remove(key)
    }

    /// All keys with their values, nulls included, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that begin with the prefix, without it: Kafka's `originalsWithPrefix`.
    pub fn with_prefix(&self, prefix: &str) -> Self {
        self.iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.map(str::to_owned))))
            .collect()
    }
}

impl<K: Into<String>, V: Into<Option<String>>> FromIterator<(K, V)> for RawConfig {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for RawConfig {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().map(|(key, value)| (key, Some(value.into()))).collect()
    }
}

impl IntoIterator for RawConfig {
    type Item = (String, Option<String>);
    type IntoIter = indexmap::map::IntoIter<String, Option<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
