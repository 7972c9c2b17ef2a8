//! Where an incremental snapshot stands.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::keys::parse_table;
use crate::java_objects::{self, JavaObject};
use crate::{SnapshotEvent, SnapshotEventKind, SnapshotRequest, TableId};

const COLLECTIONS: &str = "incremental_snapshot_collections";
const COLLECTION_ID: &str = "incremental_snapshot_collections_id";
const COLLECTION_CONDITION: &str = "incremental_snapshot_collections_additional_condition";
const COLLECTION_SURROGATE_KEY: &str = "incremental_snapshot_collections_surrogate_key";
const CORRELATION_ID: &str = "incremental_snapshot_correlation_id";
const MAXIMUM_KEY: &str = "incremental_snapshot_maximum_key";
const PRIMARY_KEY: &str = "incremental_snapshot_primary_key";

/// A key, by column.
type Key = Arc<[JavaObject]>;

/// A table to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub id: TableId,
    /// A condition for its rows, without parentheses; empty for none.
    condition: String,
    /// The column to go by instead of the key; empty for none.
    surrogate_key: String,
}

impl Collection {
    /// The condition for its rows, in parentheses.
    pub fn condition(&self) -> Option<String> {
        (!self.condition.is_empty()).then(|| format!("({})", self.condition))
    }

    /// The column to go by instead of the key.
    pub fn surrogate_key(&self) -> Option<&str> {
        (!self.surrogate_key.is_empty()).then_some(&*self.surrogate_key)
    }
}

/// A key of a stored offset that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetKeyError {
    /// The offset's key.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for OffsetKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored offset's '{}' cannot be read: {}", self.key, self.message)
    }
}

impl std::error::Error for OffsetKeyError {}

/// What an offset says of the snapshot: rendered when it is stored, which is seldom.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    last_sent: Option<Key>,
    maximum: Option<Key>,
    collections: Arc<[Collection]>,
    correlation_id: Option<Arc<str>>,
}

impl Progress {
    /// The entries of the offset.
    pub fn entries(&self) -> [(&'static str, Value); 4] {
        let collection = |collection: &Collection| {
            json!({
                COLLECTION_ID: collection.id.to_string(),
                COLLECTION_CONDITION: collection.condition(),
                COLLECTION_SURROGATE_KEY: collection.surrogate_key(),
            })
        };
        let collections: Vec<Value> = self.collections.iter().map(collection).collect();
        [
            (PRIMARY_KEY, java_objects::to_hex(self.last_sent.as_deref()).into()),
            (MAXIMUM_KEY, java_objects::to_hex(self.maximum.as_deref()).into()),
            (COLLECTIONS, Value::Array(collections).to_string().into()),
            (CORRELATION_ID, self.correlation_id.as_deref().map_or(Value::Null, Value::from)),
        ]
    }
}

/// Where an incremental snapshot stands. Without tables none is under way.
#[derive(Clone, Debug, Default)]
pub struct Context {
    collections: VecDeque<Collection>,
    /// The same as offsets show it.
    shown: Option<Arc<[Collection]>>,
    /// The last key of the chunk that was read last.
    chunk_end: Option<Key>,
    /// The key of the last row that was written.
    last_sent: Option<Key>,
    /// The greatest key of the table when it was begun.
    maximum: Option<Key>,
    chunk_id: Option<String>,
    window_open: bool,
    paused: bool,
    stops: Vec<String>,
    correlation_id: Option<Arc<str>>,
    rows_scanned: u64,
}

impl Context {
    /// Reads a stored offset.
    ///
    /// # Errors
    /// The first key that cannot be read.
    pub fn load(offset: &Map<String, Value>) -> Result<Self, OffsetKeyError> {
        let text = |key: &str| offset.get(key).and_then(Value::as_str);
        let key_of = |key: &'static str| match text(key) {
            Some(text) => match java_objects::from_hex(text) {
                Ok(objects) => Ok(objects.map(Arc::from)),
                Err(error) => Err(OffsetKeyError { key, message: error.to_string() }),
            },
            None => Ok(None),
        };
        let chunk_end: Option<Key> = key_of(PRIMARY_KEY)?;
        let mut context = Self {
            last_sent: chunk_end.clone(),
            chunk_end,
            maximum: key_of(MAXIMUM_KEY)?,
            correlation_id: text(CORRELATION_ID).map(Arc::from),
            ..Self::default()
        };
        if let Some(text) = text(COLLECTIONS) {
            context.collections = read_collections(text).ok_or_else(|| OffsetKeyError {
                key: COLLECTIONS,
                message: format!("{text} is no list of tables"),
            })?;
        }
        // A key without greatest key cannot bound a chunk.
        if context.maximum.is_none() {
            context.chunk_end = None;
        }
        Ok(context)
    }

    /// Whether a key of an offset belongs to incremental snapshots.
    pub fn owns(key: &str) -> bool {
        key.starts_with("incremental_snapshot_")
    }

    /// Whether there are tables to read.
    pub fn is_running(&self) -> bool {
        !self.collections.is_empty()
    }

    /// What offsets say from now on.
    pub fn progress(&mut self) -> Option<Arc<Progress>> {
        if !self.is_running() {
            return None;
        }
        let collections = &self.collections;
        let collections = self.shown.get_or_insert_with(|| collections.iter().cloned().collect());
        Some(Arc::new(Progress {
            last_sent: self.last_sent.clone(),
            maximum: self.maximum.clone(),
            collections: Arc::clone(collections),
            correlation_id: self.correlation_id.clone(),
        }))
    }

    /// Adds tables; says whether a snapshot begins with that.
    pub fn add(
        &mut self,
        tables: &[String],
        request: &SnapshotRequest,
        correlation_id: Option<&str>,
    ) -> bool {
        let begins = !self.is_running();
        for table in tables {
            let Some(id) = parse_table(table) else {
                tracing::warn!("Unable to parse table identifier from {table}. Skipping it.");
                continue;
            };
            let condition = request.conditions.iter().find(|condition| condition.concerns(table));
            let condition = condition.and_then(|condition| condition.filter.clone()).unwrap_or_default();
            let surrogate_key = request.surrogate_key.clone();
            self.collections.push_back(Collection { id, condition, surrogate_key });
        }
        self.shown = None;
        self.correlation_id = correlation_id.map(Arc::from);
        begins
    }

    /// The table at hand.
    pub fn current(&self) -> Option<&Collection> {
        self.collections.front()
    }

    /// Goes on to the next table; says whether that was the last one.
    pub fn next_table(&mut self) -> bool {
        (self.chunk_end, self.last_sent, self.maximum) = (None, None, None);
        self.collections.pop_front();
        self.shown = None;
        !self.is_running()
    }

    /// Forgets which signal asked for the snapshot.
    pub fn forget_signal(&mut self) {
        self.correlation_id = None;
    }

    /// Begins a chunk whose watermarks have this id.
    pub fn start_chunk(&mut self, id: String) {
        self.chunk_id = Some(id);
    }

    /// The id of the chunk at hand.
    pub fn chunk_id(&self) -> &str {
        self.chunk_id.as_deref().unwrap_or_default()
    }

    /// Whether a watermark is one of the chunk at hand, and not of an earlier run.
    pub fn expects(&self, watermark: &str) -> bool {
        self.chunk_id.as_deref().is_some_and(|chunk| watermark.starts_with(chunk))
    }

    /// The low watermark has come by, or the high one.
    pub fn set_window_open(&mut self, open: bool) {
        self.window_open = open;
    }

    /// Whether changes of the log concern the window.
    pub fn is_window_open(&self) -> bool {
        self.window_open
    }

    /// Pauses or resumes; says whether that changed anything.
    pub fn set_paused(&mut self, paused: bool) -> bool {
        let changes = self.is_running() && self.paused != paused;
        if changes {
            self.paused = paused;
        }
        changes
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Asks for a stop of tables, all of them when there are none. Takes effect before the next chunk.
    pub fn request_stop(&mut self, tables: Vec<String>) {
        if self.is_running() {
            self.stops.extend(if tables.is_empty() { vec![".*".to_owned()] } else { tables });
        }
    }

    /// Takes out what is to be stopped.
    pub fn take_stops(&mut self) -> Vec<String> {
        std::mem::take(&mut self.stops)
    }

    /// Takes tables that wait out of the snapshot; says whether there were any with that name.
    pub fn remove_waiting(&mut self, table: &str) -> bool {
        let before = self.collections.len();
        let mut first = true;
        self.collections
            .retain(|collection| std::mem::take(&mut first) || collection.id.to_string() != table);
        self.shown = None;
        self.collections.len() < before
    }

    /// The greatest key of the table.
    pub fn maximum(&self) -> Option<&[JavaObject]> {
        self.maximum.as_deref()
    }

    /// Notes the greatest key.
    pub fn set_maximum(&mut self, key: Vec<JavaObject>) {
        self.maximum = Some(key.into());
    }

    /// The key behind which the next chunk begins; `None` at the beginning of a table.
    pub fn chunk_end(&self) -> Option<&[JavaObject]> {
        self.chunk_end.as_deref()
    }

    /// Notes the last key of a chunk of so many rows.
    pub fn chunk_read(&mut self, last: Vec<JavaObject>, rows: u64) {
        self.chunk_end = Some(last.into());
        self.rows_scanned += rows;
    }

    /// Forgets a chunk that could not be marked: the next one begins behind the last row that was written.
    pub fn revert_chunk(&mut self) {
        self.chunk_end.clone_from(&self.last_sent);
    }

    /// How many rows were read of the table, and of those before it whose reading the database refused.
    pub fn rows_scanned(&self) -> u64 {
        self.rows_scanned
    }

    /// Counts the rows of the next table by themselves.
    pub fn forget_rows_scanned(&mut self) {
        self.rows_scanned = 0;
    }

    /// Notes that the row with this key is written.
    pub fn sent(&mut self, key: Key) {
        self.last_sent = Some(key);
    }

    /// An event of this moment.
    pub fn event(&self, kind: SnapshotEventKind) -> SnapshotEvent {
        SnapshotEvent {
            kind,
            tables: self.collections.iter().map(|collection| collection.id.to_string()).collect(),
            correlation_id: self.correlation_id.as_deref().map(str::to_owned),
        }
    }
}

fn read_collections(text: &str) -> Option<VecDeque<Collection>> {
    let list: Vec<Map<String, Value>> = serde_json::from_str(text).ok()?;
    let collection = |entry: &Map<String, Value>| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let condition = text(COLLECTION_CONDITION);
        // Debezium puts another pair of parentheses around with each restart.
        let inner = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        Some(Collection {
            id: parse_table(text(COLLECTION_ID))?,
            condition: inner.unwrap_or(condition).to_owned(),
            surrogate_key: text(COLLECTION_SURROGATE_KEY).to_owned(),
        })
    };
    list.iter().map(collection).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SnapshotRequest {
        SnapshotRequest { tables: Vec::new(), conditions: Vec::new(), surrogate_key: String::new() }
    }

    fn offset(context: &mut Context) -> Map<String, Value> {
        let progress = context.progress().unwrap();
        progress.entries().into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    #[test]
    fn goes_on_where_the_last_row_was_written() {
        let mut context = Context::default();
        assert!(context.progress().is_none());
        assert!(context.add(&["public.a".to_owned(), "public.b".to_owned()], &request(), Some("s1")));
        assert!(!context.add(&["public.c".to_owned()], &request(), Some("s2")));
        let stored = offset(&mut context);
        assert_eq!(stored[PRIMARY_KEY], "aced000570");
        assert_eq!(
            stored[COLLECTIONS].as_str().unwrap().split_once("},").unwrap().0,
            "[{\"incremental_snapshot_collections_id\":\"public.a\",\
             \"incremental_snapshot_collections_additional_condition\":null,\
             \"incremental_snapshot_collections_surrogate_key\":null"
        );
        context.set_maximum(vec![JavaObject::Integer(9)]);
        context.chunk_read(vec![JavaObject::Integer(4)], 4);
        context.sent(Arc::from([JavaObject::Integer(3)]));
        context.chunk_read(vec![JavaObject::Integer(8)], 4);
        context.revert_chunk();
        assert_eq!(context.chunk_end(), Some(&[JavaObject::Integer(3)][..]));
        let loaded = Context::load(&offset(&mut context)).unwrap();
        assert_eq!(loaded.chunk_end(), Some(&[JavaObject::Integer(3)][..]));
        assert_eq!(loaded.maximum(), Some(&[JavaObject::Integer(9)][..]));
        assert_eq!(loaded.collections, context.collections);
        assert_eq!(loaded.correlation_id.as_deref(), Some("s2"));
        assert!(!context.next_table());
        assert_eq!(offset(&mut context)[MAXIMUM_KEY], "aced000570");
    }

    #[test]
    fn a_stop_leaves_the_table_at_hand_to_the_caller() {
        let mut context = Context::default();
        context.add(&["public.a".to_owned(), "public.b".to_owned()], &request(), None);
        context.request_stop(Vec::new());
        assert_eq!(context.take_stops(), [".*"]);
        assert!(context.remove_waiting("public.b") && !context.remove_waiting("public.a"));
        assert!(context.next_table());
        context.request_stop(Vec::new());
        assert!(context.take_stops().is_empty());
    }

    #[test]
    fn broken_offsets_are_told() {
        let check = |key: &'static str, value: &str| {
            let offset = Map::from_iter([(key.to_owned(), value.into())]);
            assert_eq!(Context::load(&offset).unwrap_err().key, key);
        };
        check(PRIMARY_KEY, "xx");
        check(MAXIMUM_KEY, "aced0005");
        check(COLLECTIONS, "{");
        check(COLLECTIONS, "[{}]");
        assert!(!Context::load(&Map::new()).unwrap().is_running());
    }
}
