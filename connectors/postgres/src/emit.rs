//! From a change to its records: envelope, tombstone, the pair of records of a changed key.
//!
//! # Positions
//! A change may make several records. Only the last of them carries the position of the change; the ones before carry
//! that of the change before it. So when an offset is stored between them, the whole change comes again after a
//! restart, and none of its records can be missing.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use raccord_cdc::{EventTimes, NEW_KEY_HEADER, OLD_KEY_HEADER, Operation, SnapshotMarker, SourceTimes};
use raccord_data::java_equals::all_java_equal;
use raccord_data::{Header, Position, Record, Struct, Text, Value};
use raccord_plugin::{Result, SourceBatch};

use crate::captured::CapturedTable;
use crate::metrics::Seen;
use crate::offset::{MessageType, OffsetState, Positions};
use crate::pgoutput::{Cell, Tuple};
use crate::reselect::Reselected;
use crate::settings::Settings;
use crate::transactions::Transactions;

/// Bytes of a record besides its cells, for the bound of a batch.
const RECORD_BYTES: usize = 256;

/// A change of a row, as the stream gives it.
pub enum Change {
    /// Inserted.
    Insert(Tuple),
    /// Updated; with the old row or its key, if the replica identity gives it.
    Update(Option<Tuple>, Tuple),
    /// Deleted.
    Delete(Tuple),
}

impl Change {
    /// As the offset names it.
    pub fn kind(&self) -> MessageType {
        match self {
            Self::Insert(_) => MessageType::Insert,
            Self::Update(..) => MessageType::Update,
            Self::Delete(_) => MessageType::Delete,
        }
    }

    /// As a record names it, unless its key has changed.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Insert(_) => Operation::Create,
            Self::Update(..) => Operation::Update,
            Self::Delete(_) => Operation::Delete,
        }
    }

    /// The row before and the row after, where there are such.
    pub fn rows(&self) -> (Option<&Tuple>, Option<&Tuple>) {
        match self {
            Self::Insert(new) => (None, Some(new)),
            Self::Update(old, new) => (old.as_ref(), Some(new)),
            Self::Delete(old) => (Some(old), None),
        }
    }
}

/// Where in the stream a message stands, and what its records need of that.
pub struct Place<'a> {
    /// The position.
    pub state: &'a mut OffsetState,
    /// Gives tickets for it.
    pub positions: &'a mut Positions,
    /// Whether the next message has the same position: then even the last record carries the position before.
    pub continues: bool,
}

impl Place<'_> {
    /// The ticket of the last record of the message.
    fn last(&mut self) -> Position {
        match self.continues {
            true => self.positions.last_ticket(),
            false => self.positions.ticket(self.state),
        }
    }
}

/// A row with its key.
type KeyAndRow = (Option<Struct>, Struct);

/// Makes records.
pub struct Emitter {
    settings: Arc<Settings>,
    new_key_header: Arc<str>,
    old_key_header: Arc<str>,
    /// Where the cells of the tuples at hand are, kept for the room.
    new_cells: Vec<Cell>,
    old_cells: Vec<Cell>,
    /// What has come through the stream.
    pub seen: Seen,
}

/// Where the records of a change go, and what all of them need.
struct Outlet<'a> {
    table: &'a CapturedTable,
    place: Place<'a>,
    transactions: Option<&'a mut Transactions>,
    bytes: usize,
    batch: &'a mut SourceBatch,
}

/// A record without its position.
struct Draft {
    operation: Operation,
    key: Option<Struct>,
    before: Option<Struct>,
    after: Option<Struct>,
    header: Option<Header>,
}

impl Draft {
    fn new(operation: Operation, key: Option<Struct>, before: Option<Struct>, after: Option<Struct>) -> Self {
        Self { operation, key, before, after, header: None }
    }
}

impl Emitter {
    /// For a task with these settings.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            new_key_header: NEW_KEY_HEADER.into(),
            old_key_header: OLD_KEY_HEADER.into(),
            new_cells: Vec::new(),
            old_cells: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Puts the records of a change into the batch; says whether there were any.
    ///
    /// # Errors
    /// When a cell is not of its column's type.
    pub fn change(
        &mut self,
        table: &CapturedTable,
        change: &Change,
        reselected: &Reselected,
        place: Place<'_>,
        transactions: Option<&mut Transactions>,
        batch: &mut SourceBatch,
    ) -> Result<bool> {
        let (old, new) = change.rows();
        let bytes = old.map_or(0, Tuple::bytes) + new.map_or(0, Tuple::bytes) + RECORD_BYTES;
        let mut outlet = Outlet { table, place, transactions, bytes, batch };
        Ok(match self.rows(table, old, new, reselected)? {
            (None, Some((key, row))) if matches!(change, Change::Insert(_)) => {
                self.put(Draft::new(Operation::Create, key, None, Some(row)), true, &mut outlet)
            }
            (Some((key, row)), None) => {
                self.put(Draft::new(Operation::Delete, key, Some(row), None), true, &mut outlet)
            }
            (old, Some((new_key, row))) => self.update(old, new_key, row, &mut outlet),
            (None, None) => false,
        })
    }

    /// An update is one record, or two when the key has changed.
    fn update(
        &mut self,
        old: Option<KeyAndRow>,
        new_key: Option<Struct>,
        row: Struct,
        outlet: &mut Outlet<'_>,
    ) -> bool {
        let (old_key, old_row) = old.map_or((None, None), |(key, row)| (key, Some(row)));
        // Both sides are of the same schemas: cells say everything.
        let same_row = || old_row.as_ref().is_some_and(|old| all_java_equal(old.cells(), row.cells()));
        if self.settings.config.unlisted.skip_messages_without_change && same_row() {
            return false;
        }
        let same_key = match (&old_key, &new_key) {
            (Some(old), Some(new)) => all_java_equal(old.cells(), new.cells()),
            (old, _) => old.is_none(),
        };
        if same_key {
            return self.put(Draft::new(Operation::Update, new_key, old_row, Some(row)), true, outlet);
        }
        let header = |name: &Arc<str>, key: &Option<Struct>| {
            Some(Header {
                key: name.clone(),
                schema: outlet.table.plan.key_schema().cloned(),
                value: key.clone().map_or(Value::Null, Value::from),
            })
        };
        let delete = Draft {
            header: header(&self.new_key_header, &new_key),
            ..Draft::new(Operation::Delete, old_key.clone(), old_row, None)
        };
        let create = Draft {
            header: header(&self.old_key_header, &old_key),
            ..Draft::new(Operation::Create, new_key, None, Some(row))
        };
        let deleted = self.put(delete, self.settings.skipped.contains(Operation::Create), outlet);
        self.put(create, true, outlet) || deleted
    }

    fn rows(
        &mut self,
        table: &CapturedTable,
        old: Option<&Tuple>,
        new: Option<&Tuple>,
        reselected: &Reselected,
    ) -> Result<(Option<KeyAndRow>, Option<KeyAndRow>)> {
        let Self { old_cells, new_cells, .. } = self;
        let cells_of = |tuple: &Tuple, cells: &mut Vec<Cell>| {
            cells.clear();
            cells.extend(tuple.cells());
        };
        let old = old.filter(|old| !old.is_empty());
        let old_row = match old {
            Some(old) => {
                cells_of(old, old_cells);
                Some(table.plan.row(|column| table.value(column, old_cells.get(column), old))?)
            }
            None => None,
        };
        let new_row = match new.filter(|new| !new.is_empty()) {
            Some(new) => {
                cells_of(new, new_cells);
                let value = |column| {
                    if let Some((_, value)) = reselected.iter().find(|(place, _)| *place == column) {
                        return Ok(value.clone());
                    }
                    match (new_cells.get(column), old, old_cells.get(column)) {
                        // The old row has the value of a large cell that did not change.
                        (Some(Cell::Unchanged), Some(old), cell @ Some(Cell::Text(_))) => {
                            table.value(column, cell, old)
                        }
                        (cell, ..) => table.value(column, cell, new),
                    }
                };
                Some(table.plan.row(value)?)
            }
            None => None,
        };
        Ok((old_row, new_row))
    }

    /// Puts the record of a row that a snapshot has read.
    pub fn read(
        &self,
        table: &CapturedTable,
        (key, row): KeyAndRow,
        source: Struct,
        position: Position,
        bytes: usize,
        batch: &mut SourceBatch,
    ) {
        let draft = Draft::new(Operation::Read, key, None, Some(row));
        let record = self.record(table, draft, source, Value::Null, position);
        batch.push(record, bytes + RECORD_BYTES);
    }

    /// Puts the record that a table was emptied: on its topic, without key.
    pub fn truncate(
        &mut self,
        table: &CapturedTable,
        mut place: Place<'_>,
        transactions: Option<&mut Transactions>,
        batch: &mut SourceBatch,
    ) {
        let transaction = match transactions {
            Some(transactions) => transactions.event(&table.name, place.state),
            None => Value::Null,
        };
        self.seen.event(Operation::Truncate, place.state);
        let position = place.last();
        let draft = Draft::new(Operation::Truncate, None, None, None);
        let source = self.source_of(table, SnapshotMarker::False, place.state);
        let mut record = self.record(table, draft, source, transaction, position);
        record.key_schema = None;
        batch.push(record, RECORD_BYTES);
    }

    /// Puts a record, and a tombstone behind a delete, unless the operation is skipped; says whether it has. `last` is the
    /// last record of the change.
    fn put(&mut self, draft: Draft, last: bool, outlet: &mut Outlet<'_>) -> bool {
        let Outlet { table, place, transactions, bytes, batch } = outlet;
        if self.settings.skipped.contains(draft.operation) {
            return false;
        }
        self.seen.event(draft.operation, place.state);
        let transaction = match transactions {
            Some(transactions) => transactions.event(&table.name, place.state),
            None => Value::Null,
        };
        let before = place.positions.last_ticket();
        let position = if last { place.last() } else { before };
        let followed = self.settings.tombstones && draft.operation == Operation::Delete;
        let own = if followed { before } else { position };
        let source = self.source_of(table, SnapshotMarker::False, place.state);
        let record = self.record(table, draft, source, transaction, own);
        let tombstone = followed.then(|| {
            let mut tombstone = Record::new(record.topic.clone(), None, Value::Null, position);
            tombstone.key_schema.clone_from(&record.key_schema);
            tombstone.key.clone_from(&record.key);
            tombstone.headers = record.headers.clone();
            tombstone
        });
        batch.push(record, *bytes);
        if let Some(tombstone) = tombstone {
            batch.push(tombstone, RECORD_BYTES);
        }
        true
    }

    fn record(
        &self,
        table: &CapturedTable,
        draft: Draft,
        source: Struct,
        transaction: Value,
        position: Position,
    ) -> Record {
        let plan = &table.plan;
        let value = |row: Option<Struct>| row.map_or(Value::Null, Value::from);
        let envelope = plan.envelope().value(
            draft.operation,
            value(draft.before),
            value(draft.after),
            source,
            transaction,
            now(),
        );
        let schema = Some(plan.envelope().schema().clone());
        let mut record = Record::new(plan.topic().clone(), schema, Value::from(envelope), position);
        record.key_schema = plan.key_schema().cloned();
        record.key = value(draft.key);
        record.headers = self.settings.headers.after(draft.header);
        record
    }

    /// The source block of a row of a table.
    pub fn source_of(&self, table: &CapturedTable, marker: SnapshotMarker, state: &OffsetState) -> Struct {
        self.source(&table.schema_name, &table.table_name, marker, state)
    }

    /// The source block of a position.
    pub fn source(&self, schema: &Text, table: &Text, marker: SnapshotMarker, state: &OffsetState) -> Struct {
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::Int64);
        let lsn = state.lsn.map(|lsn| lsn.signed());
        let sequence = sequence(state.lsn_commit.map(|lsn| lsn.signed()), lsn);
        // A row of an incremental snapshot belongs to no place in the log.
        let place = match marker {
            SnapshotMarker::Incremental => [None; 3],
            _ => [state.tx_id, lsn, state.xmin],
        };
        self.settings.source.block(
            SourceTimes { micros: state.ts_us.unwrap_or(0) },
            marker,
            Some(sequence),
            [
                Value::String(schema.clone()),
                Value::String(table.clone()),
                number(place[0]),
                number(place[1]),
                number(place[2]),
            ],
        )
    }
}

/// `["<last commit>","<lsn>"]`, with null for what there is not.
fn sequence(commit: Option<i64>, lsn: Option<i64>) -> Text {
    let mut buffers = [itoa::Buffer::new(), itoa::Buffer::new()];
    let [first, second] = &mut buffers;
    let (quote, commit) = commit.map_or(("", "null"), |number| ("\"", first.format(number)));
    let (own_quote, lsn) = lsn.map_or(("", "null"), |number| ("\"", second.format(number)));
    Text::concat(&["[", quote, commit, quote, ",", own_quote, lsn, own_quote, "]"])
}

/// The moment at which a record is made.
pub fn now() -> EventTimes {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    EventTimes { nanos: since.map_or(0, |since| since.as_nanos() as i64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_json() {
        assert_eq!(sequence(None, Some(24_023_128)).as_str(), r#"[null,"24023128"]"#);
        assert_eq!(sequence(Some(1), Some(2)).as_str(), r#"["1","2"]"#);
    }
}
