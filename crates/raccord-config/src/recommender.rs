//! Values to choose from, and whether a key matters, given the other values.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::Value;

/// Parsed values by key.
pub type ParsedConfig = HashMap<String, Value>;

type Values = dyn Fn(&str, &ParsedConfig) -> Result<Vec<Value>, String> + Send + Sync;
type Visible = dyn Fn(&str, &ParsedConfig) -> bool + Send + Sync;

/// Says which values to offer for a key and whether to show it, given the values of all keys.
#[derive(Clone)]
pub struct Recommender {
    values: Arc<Values>,
    visible: Arc<Visible>,
}

impl fmt::Debug for Recommender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recommender")
    }
}

impl Recommender {
    /// Offers values; the key is always shown.
    pub fn values(
        values: impl Fn(&str, &ParsedConfig) -> Result<Vec<Value>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { values: Arc::new(values), visible: Arc::new(|_, _| true) }
    }

    /// Offers these texts; the key is always shown.
    pub fn texts(texts: &'static [&'static str]) -> Self {
        Self::values(|_, _| Ok(texts.iter().map(|text| Value::String((*text).to_owned())).collect()))
    }

    /// Shows the key only if this holds.
    pub fn visible_if(self, visible: impl Fn(&str, &ParsedConfig) -> bool + Send + Sync + 'static) -> Self {
        Self { visible: Arc::new(visible), ..self }
    }

    /// The values to offer.
    ///
    /// # Errors
    /// A finding for this key.
    pub fn valid_values(&self, name: &str, parsed: &ParsedConfig) -> Result<Vec<Value>, String> {
        (self.values)(name, parsed)
    }

    /// Whether to show the key.
    pub fn visible(&self, name: &str, parsed: &ParsedConfig) -> bool {
        (self.visible)(name, parsed)
    }

    /// The same for a key with a prefix: it sees the keys with that prefix, without it.
    pub(crate) fn embedded(&self, prefix: &str) -> Self {
        let inner = move |prefix: &str, parsed: &ParsedConfig| -> ParsedConfig {
            parsed
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
                .collect()
        };
        let (values, visible) = (self.values.clone(), self.visible.clone());
        let (prefix, same) = (prefix.to_owned(), prefix.to_owned());
        Self {
            values: Arc::new(move |name, parsed| {
                values(name.strip_prefix(&prefix).unwrap_or(name), &inner(&prefix, parsed))
            }),
            visible: Arc::new(move |name, parsed| {
                visible(name.strip_prefix(&same).unwrap_or(name), &inner(&same, parsed))
            }),
        }
    }
}
