//! Java's maps being filled: which entry a key replaces, and in which order the entries come out.

use std::collections::HashMap;

use crate::{Text, Value, java_order};

/// Entries in the order in which their keys came first: the order of a `LinkedHashMap`.
#[derive(Debug, Default)]
pub struct LinkedEntries {
    entries: Vec<(Value, Value)>,
    places: HashMap<i32, Vec<usize>>,
}

impl LinkedEntries {
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

/// Entries in the order of a `HashMap`, whose keys are texts: see [`java_order`]. Few entries are expected, so a key is
/// found by looking at all of them.
#[derive(Debug)]
pub struct HashEntries {
    entries: Vec<(Value, Value)>,
    slots: usize,
}

impl HashEntries {
    /// `new HashMap<>()`.
    pub fn new() -> Self {
        Self { entries: Vec::new(), slots: 16 }
    }

    /// `new HashMap<>(capacity)`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), slots: capacity.max(1).next_power_of_two() }
    }

    /// `new HashMap<>(map)`, in the order of the map's iteration. The table is sized as Java 17 does it; later ones take a
    /// smaller one for 3, 6, 12, … entries.
    pub fn copy_of(entries: Vec<(Value, Value)>) -> Self {
        let slots = match entries.len() {
            0 => 16,
            size => (size as f32 / 0.75 + 1.0) as usize,
        };
        Self { entries, slots: slots.next_power_of_two() }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.place(key).map(|place| &self.entries[place].1)
    }

    /// Puts an entry; an equal key keeps its place.
    pub fn put(&mut self, key: &str, value: Value) {
        match self.place(key) {
            Some(place) => self.entries[place].1 = value,
            None => self.push(Value::String(Text::from(key)), value),
        }
    }

    /// As [`put`](Self::put), of a key that is a value already.
    pub fn put_text(&mut self, key: Text, value: Value) {
        match self.place(&key) {
            Some(place) => self.entries[place].1 = value,
            None => self.push(Value::String(key), value),
        }
    }

    fn push(&mut self, key: Value, value: Value) {
        self.entries.push((key, value));
        // Java doubles the table after it has put the entry that is too many, and never makes it smaller.
        if self.entries.len() > self.slots * 3 / 4 {
            self.slots *= 2;
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.place(key).map(|place| self.entries.remove(place).1)
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(found, _)| found.as_str() == Some(key))
    }

    /// The map, in the order in which Java iterates over it.
    pub fn into_map(mut self) -> Value {
        java_order::sort_by_hash(&mut self.entries, |(key, _)| java_order::value_hash(key), self.slots);
        Value::Map(self.entries)
    }
}

impl Default for HashEntries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["a", "b", "c", "id", "name", "ts", "x.y", "é", "Aa", "BB", "key1", "key2", "zz"];

    fn keys(map: HashEntries) -> String {
        let Value::Map(entries) = map.into_map() else { unreachable!("it is a map") };
        let keys: Vec<&str> = entries.iter().filter_map(|(key, _)| key.as_str()).collect();
        keys.join(" ")
    }

    #[test]
    fn iterates_as_a_copied_hash_map() {
        // As printed by Java 17 after `new HashMap<>(map)`, a put and a remove.
        let check = |count: usize, expect: &str| {
            let entries = NAMES[..count].iter().map(|name| (Value::from(*name), Value::Null)).collect();
            let mut map = HashEntries::copy_of(entries);
            map.put("new", Value::Null);
            map.remove("a");
            assert_eq!(keys(map), expect);
        };
        check(1, "new");
        check(3, "new b c");
        check(6, "new b c name id ts");
        check(12, "Aa BB key1 key2 new b x.y c é name id ts");
        check(13, "Aa BB key1 zz key2 new b x.y c é name id ts");
    }

    #[test]
    fn iterates_as_a_hash_map_with_a_capacity() {
        let check = |count: usize, expect: &str| {
            let mut map = HashEntries::with_capacity(count);
            for name in NAMES[..count].iter().rev() {
                map.put(name, Value::Null);
            }
            assert_eq!(keys(map), expect);
        };
        check(1, "a");
        check(3, "a b c");
        check(6, "name a b id c ts");
        check(12, "key1 BB Aa key2 a x.y b c name é id ts");
        check(13, "zz key1 BB Aa key2 a x.y b c é name id ts");
    }
}
