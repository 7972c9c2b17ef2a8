//! Map entries being put, as Java's maps take them.

use std::collections::HashMap;

use raccord_data::{Value, java_order};

/// Entries in the order in which their keys came first: the order of a `LinkedHashMap`.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    entries: Vec<(Value, Value)>,
    places: HashMap<i32, Vec<usize>>,
}

impl Entries {
    /// Puts an entry. An equal key keeps its place and gets the new value; a `byte[]` equals nothing but itself.
    pub fn put(&mut self, key: Value, value: Value) {
        let same_hash = self.places.entry(java_order::value_hash(&key)).or_default();
        let same =
            same_hash.iter().find(|place| !matches!(key, Value::Bytes(_)) && self.entries[**place].0 == key);
        match same {
            Some(place) => self.entries[*place].1 = value,
            None => {
                same_hash.push(self.entries.len());
                self.entries.push((key, value));
            }
        }
    }

    /// The entries.
    pub fn into_vec(self) -> Vec<(Value, Value)> {
        self.entries
    }
}
