//! What the records of an offsets topic (or file) add up to.
//!
//! Compaction compares bytes, people and connectors compare values: `{"a":1,"b":2}` and `{"b":2,"a":1}` are one partition
//! but two keys. So a partition is found by its value, every form of its key that has been seen is remembered, a
//! write uses the newest form and a deletion deletes all of them.

use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexMap;
use raccord_plugin::{OffsetMap, SourceOffset};

use super::codec;

/// A key and value to be written.
pub type OffsetRecord = (Bytes, Option<Bytes>);

#[derive(Debug)]
struct Entry {
    partition: OffsetMap,
    /// Every form of the key with a live value, the newest last.
    keys: Vec<Bytes>,
    offset: OffsetMap,
}

/// Offsets of all connectors.
#[derive(Debug, Default)]
pub struct OffsetTable {
    connectors: HashMap<String, IndexMap<String, Entry>>,
}

impl OffsetTable {
    /// No offsets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a record in. Says whether it could be read.
    pub fn apply(&mut self, key: &Bytes, value: Option<&[u8]>) -> bool {
        let Some((connector, partition)) = codec::decode_key(key) else {
            return false;
        };
        let canonical = codec::canonical(&partition);
        let entries = self.connectors.entry(connector.clone()).or_default();
        match value.map(codec::decode_value) {
            Some(Some(offset)) => {
                let entry = entries.entry(canonical).or_insert_with(|| Entry {
                    partition: partition.clone(),
                    keys: Vec::new(),
                    offset: OffsetMap::new(),
                });
                entry.keys.retain(|known| known != key);
                entry.keys.push(key.clone());
                entry.offset = offset;
                entry.partition = partition;
            }
            Some(None) => return false,
            None => {
                if let Some(entry) = entries.get_mut(&canonical) {
                    entry.keys.retain(|known| known != key);
                    if entry.keys.is_empty() {
                        entries.shift_remove(&canonical);
                    }
                }
                if entries.is_empty() {
                    self.connectors.remove(&connector);
                }
            }
        }
        true
    }

    /// The offset of a partition.
    pub fn get(&self, connector: &str, partition: &OffsetMap) -> Option<&OffsetMap> {
        let entries = self.connectors.get(connector)?;
        Some(&entries.get(&codec::canonical(partition))?.offset)
    }

    /// All partitions of a connector with their offsets, in the order in which they first came.
    pub fn all(&self, connector: &str) -> Vec<SourceOffset> {
        let entries = self.connectors.get(connector).into_iter().flatten();
        entries
            .map(|(_, entry)| SourceOffset {
                partition: entry.partition.clone(),
                offset: Some(entry.offset.clone()),
            })
            .collect()
    }

    /// The records that write these offsets.
    pub fn records(&self, connector: &str, offsets: &[SourceOffset]) -> Vec<OffsetRecord> {
        let entries = self.connectors.get(connector);
        let mut records = Vec::with_capacity(offsets.len());
        for SourceOffset { partition, offset } in offsets {
            let entry = entries.and_then(|entries| entries.get(&codec::canonical(partition)));
            let fresh = || codec::encode_key(connector, partition);
            match (offset, entry) {
                (Some(offset), entry) => {
                    let key = entry.and_then(|entry| entry.keys.last().cloned()).unwrap_or_else(fresh);
                    records.push((key, Some(codec::encode_value(offset))));
                }
                (None, Some(entry)) => records.extend(entry.keys.iter().map(|key| (key.clone(), None))),
                (None, None) => records.push((fresh(), None)),
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> OffsetMap {
        serde_json::from_str(text).unwrap()
    }

    fn put(table: &mut OffsetTable, key: &'static str, value: Option<&'static str>) {
        assert!(table.apply(&Bytes::from(key), value.map(str::as_bytes)));
    }

    #[test]
    fn finds_by_value_and_writes_with_the_form_that_is_there() {
        let mut table = OffsetTable::new();
        put(&mut table, r#"["c", {"server":"s","database":"d"}]"#, Some(r#"{"lsn":1}"#));
        let partition = map(r#"{"database":"d","server":"s"}"#);
        assert_eq!(table.get("c", &partition), Some(&map(r#"{"lsn":1}"#)));
        let offset = SourceOffset { partition: partition.clone(), offset: Some(map(r#"{"lsn":2}"#)) };
        let records = table.records("c", &[offset]);
        assert_eq!(records[0].0, r#"["c", {"server":"s","database":"d"}]"#);
        assert_eq!(table.get("d", &partition), None);
    }

    #[test]
    fn deletes_every_form_of_a_key() {
        let mut table = OffsetTable::new();
        put(&mut table, r#"["c",{"a":1,"b":2}]"#, Some(r#"{"lsn":1}"#));
        put(&mut table, r#"["c",{"b":2,"a":1}]"#, Some(r#"{"lsn":2}"#));
        let partition = map(r#"{"a":1,"b":2}"#);
        assert_eq!(table.get("c", &partition), Some(&map(r#"{"lsn":2}"#)));
        let records = table.records("c", &[SourceOffset { partition: partition.clone(), offset: None }]);
        assert_eq!(records.len(), 2);
        for (key, value) in records {
            assert_eq!(value, None);
            table.apply(&key, None);
        }
        assert_eq!(table.get("c", &partition), None);
        assert!(table.connectors.is_empty());
    }

    #[test]
    fn lists_what_is_there() {
        let mut table = OffsetTable::new();
        put(&mut table, r#"["c",{"f":"x"}]"#, Some(r#"{"position":1}"#));
        put(&mut table, r#"["c",{"f":"y"}]"#, Some(r#"{"position":2}"#));
        put(&mut table, r#"["c",{"f":"x"}]"#, None);
        let all = table.all("c");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].partition, map(r#"{"f":"y"}"#));
        assert!(!table.apply(&Bytes::from("nonsense"), Some(b"{}")));
    }
}
