//! How far a snapshot has come, so that the next start can go on there (`raccord.snapshot.page.rows`).
//!
//! # Why nothing is lost when another snapshot goes on
//! A snapshot that is taken up again reads what is left in a newer state of the database, and streaming begins where the
//! first snapshot was anchored: at the position L that the offset has kept. What committed before L was shown to the
//! first snapshot, and so to every later one; what committed at or behind L is streamed, because the slot is still there
//! and nothing behind L was confirmed. A row is told apart by its key: rows up to the key that was reached have been
//! written, as they were at L; rows behind it are read now. A row cannot come to lie before that key without a change
//! that is streamed. So every row is read or streamed, and never neither.
//!
//! What differs from a snapshot in one go: a row that is read now may show changes that are streamed again behind it. The
//! state that its records lead to is the same.
//!
//! # When a mark holds
//! A mark is set with the record of the last row that it covers, not when that row was read: that row may be held back
//! while records of other tables go on. An offset is stored when all records before it are, hence all rows that it
//! covers.
//!
//! # Format
//! `raccord_snapshot` in the offset, beside `snapshot: INITIAL`: JSON as text, because values of offsets are no objects.
//! `{"public.a": true, "public.b": ["17"]}`: `a` is done, `b` is up to the row with the key 17. Debezium passes over it
//! and takes the snapshot from its beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use raccord_cdc::TableId;
use serde_json::Value;

/// The key of the offset.
pub const KEY: &str = "raccord_snapshot";

/// How far each table has been read that was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<String, Mark>);

/// How far a table has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// To its end.
    Done,
    /// Up to the row with that key, as text.
    UpTo(Vec<String>),
}

impl Reached {
    /// Reads what an offset has. What is malformed counts as not begun.
    pub fn read(stored: &Value) -> Option<Arc<Self>> {
        let tables: BTreeMap<String, Value> = serde_json::from_str(stored.as_str()?).ok()?;
        let marks = tables.into_iter().filter_map(|(table, mark)| Some((table, Mark::read(&mark)?)));
        Some(Arc::new(Self(marks.collect())))
    }

    /// As the offset has it.
    pub fn write(&self) -> Value {
        let marks = self.0.iter().map(|(table, mark)| (table.clone(), mark.write()));
        Value::String(Value::Object(marks.collect()).to_string())
    }

    /// Whether a table has been read to its end.
    pub fn is_done(&self, table: &TableId) -> bool {
        self.0.get(&table.to_string()) == Some(&Mark::Done)
    }

    /// The key up to which a table has been read; empty when it was not begun.
    pub fn key(&self, table: &TableId) -> &[String] {
        match self.0.get(&table.to_string()) {
            Some(Mark::UpTo(key)) => key,
            _ => &[],
        }
    }

    /// Sets a mark.
    pub fn set(&mut self, table: &TableId, mark: Mark) {
        self.0.insert(table.to_string(), mark);
    }
}

impl Mark {
    fn read(mark: &Value) -> Option<Self> {
        match mark {
            Value::Bool(true) => Some(Self::Done),
            Value::Array(key) => {
                let texts = key.iter().map(|text| text.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().map(Self::UpTo)
            }
            _ => None,
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Done => Value::Bool(true),
            Self::UpTo(key) => key.iter().map(String::as_str).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_as_they_were() {
        let id = |table: &str| TableId::in_schema("public", table);
        let mut reached = Reached::default();
        reached.set(&id("a"), Mark::Done);
        reached.set(&id("b"), Mark::UpTo(vec!["17".to_owned(), "x\"y".to_owned()]));
        let read = Reached::read(&reached.write()).unwrap();
        assert_eq!(*read, reached);
        assert!(read.is_done(&id("a")) && !read.is_done(&id("b")) && !read.is_done(&id("c")));
        assert_eq!(read.key(&id("b")), ["17", "x\"y"]);
        assert!(read.key(&id("a")).is_empty() && read.key(&id("c")).is_empty());
    }

    #[test]
    fn what_is_malformed_counts_as_not_begun() {
        let read = |text: &str| Reached::read(&Value::String(text.to_owned()));
        assert_eq!(read("{").map(|read| (*read).clone()), None);
        assert_eq!(*read(r#"{"t": false, "u": [1]}"#).unwrap(), Reached::default());
    }
}
