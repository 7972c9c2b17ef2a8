//! Transaction metadata (`provide.transaction.metadata`): which transaction a row belongs to and its number in it, and
//! records for the begin and the end of transactions.
//!
//! What has been counted is part of the offset, so that counting goes on after a restart in the middle of a transaction.

use std::sync::Arc;

use raccord_cdc::TransactionRecords;
use raccord_data::{Position, Record, Text, Value, java_order};
use raccord_plugin::OffsetMap;

use crate::offset::OffsetState;

const ID: &str = "transaction_id";
const COUNT_PREFIX: &str = "transaction_data_collection_order_";

/// The transaction under way.
pub struct Transactions {
    records: TransactionRecords,
    id: Option<String>,
    total: i64,
    /// Rows by table.
    by_table: Vec<(String, i64)>,
}

impl Transactions {
    /// Goes on from a stored offset.
    pub fn new(records: TransactionRecords, state: &OffsetState) -> Self {
        let mut transactions = Self { records, id: None, total: 0, by_table: Vec::new() };
        for (key, value) in state.further.iter().flat_map(|further| further.iter()) {
            if key == ID {
                transactions.id = value.as_str().map(str::to_owned);
            } else if let (Some(table), Some(count)) = (key.strip_prefix(COUNT_PREFIX), value.as_i64()) {
                transactions.by_table.push((table.to_owned(), count));
                transactions.total += count;
            }
        }
        transactions
    }

    /// A transaction begins.
    pub fn begin(&mut self, xid: i64, state: &mut OffsetState) {
        (self.id, self.total) = (Some(xid.to_string()), 0);
        self.by_table.clear();
        self.store(state);
    }

    /// The record of its begin.
    pub fn begin_record(&self, state: &OffsetState, position: Position) -> Record {
        self.records.begin(&self.shown_id(state), milliseconds(state), position)
    }

    /// Counts a row; gives the block that its envelope has.
    pub fn event(&mut self, table: &str, state: &mut OffsetState) -> Value {
        self.total += 1;
        let count = match self.by_table.iter_mut().find(|(counted, _)| counted == table) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.by_table.push((table.to_owned(), 1));
                1
            }
        };
        self.store(state);
        TransactionRecords::block(&self.shown_id(state), self.total, count)
    }

    /// The record of its end.
    pub fn end_record(&mut self, state: &OffsetState, position: Position) -> Option<Record> {
        self.id.as_ref()?;
        java_order::sort_by_key(&mut self.by_table, |(table, _)| table);
        let counts = self.by_table.iter().map(|(table, count)| (table.as_str(), *count));
        Some(self.records.end(&self.shown_id(state), self.total, counts, milliseconds(state), position))
    }

    /// The transaction is over.
    pub fn end(&mut self, state: &mut OffsetState) {
        (self.id, self.total) = (None, 0);
        self.by_table.clear();
        self.store(state);
    }

    /// Debezium shows the id with the position of the record at hand.
    fn shown_id(&self, state: &OffsetState) -> Text {
        let lsn = state.lsn.map_or(0, |lsn| lsn.signed());
        Text::from(format!("{}:{lsn}", self.id.as_deref().unwrap_or("null")))
    }

    fn store(&self, state: &mut OffsetState) {
        let others = state.further.iter().flat_map(|further| further.iter());
        let others = others.filter(|(key, _)| *key != ID && !key.starts_with(COUNT_PREFIX));
        let mut further: OffsetMap = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        if let Some(id) = &self.id {
            further.insert(ID.to_owned(), id.as_str().into());
        }
        for (table, count) in &self.by_table {
            further.insert(format!("{COUNT_PREFIX}{table}"), (*count).into());
        }
        state.further = (!further.is_empty()).then(|| Arc::new(further));
    }
}

fn milliseconds(state: &OffsetState) -> i64 {
    state.ts_us.unwrap_or(0).div_euclid(1000)
}
