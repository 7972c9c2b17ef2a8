//! What a server committed, in order, and whether a topic has it.
//!
//! A slot that the connector does not know is read with `test_decoding` at the end. For a table then is checked:
//!
//! - Walking through the topic, each record is of the change behind the furthest one seen so far, or of one seen before (a
//!   repeat, which at-least-once delivery allows after a crash). Anything else is a loss or a reordering. So the order of
//!   changes of a key holds as well.
//! - The furthest change is the last one.
//! - The rows that the topic's keys and values come to are those of the table.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::postgres::Psql;
use crate::kafka::Raw;

/// The name of the slot.
const SLOT: &str = "truth";

/// Positions of the changes of each table, in the order of commits.
#[derive(Debug, Default)]
pub struct Truth(HashMap<String, Vec<u64>>);

/// Why a topic is not what it should be.
pub enum Wrong {
    /// Something may still come.
    Late(String),
    /// It is too late for that.
    Lost(anyhow::Error),
}

impl Truth {
    /// Makes the slot: what is committed from now on is kept.
    ///
    /// # Errors
    /// What the server says.
    pub fn begin(psql: Psql, database: &str) -> Result<()> {
        let make = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')");
        psql.run(database, &make).map(drop)
    }

    /// Reads what the slot kept.
    ///
    /// # Errors
    /// What the server says.
    pub fn read(psql: Psql, database: &str) -> Result<Truth> {
        let select = format!(
            "SELECT lsn, data FROM pg_logical_slot_peek_changes('{SLOT}', NULL, NULL, 'skip-empty-xacts', '1')"
        );
        let mut truth = Truth::default();
        for line in psql.run(database, &select)?.lines() {
            let Some((lsn, data)) = line.split_once('|') else { continue };
            let Some(rest) = data.strip_prefix("table public.") else { continue };
            let (high, low) = lsn.split_once('/').context("an LSN has two parts")?;
            let lsn = u64::from_str_radix(high, 16)? << 32 | u64::from_str_radix(low, 16)?;
            let table = rest.split(':').next().unwrap_or_default().trim_matches('"');
            truth.0.entry(table.to_owned()).or_default().push(lsn);
        }
        Ok(truth)
    }

    /// How many changes a table had.
    pub fn count(&self, table: &str) -> usize {
        self.0.get(table).map_or(0, Vec::len)
    }

    /// Checks a topic of JSON without schemas; gives how many records were repeats. With a snapshot, the changes before
    /// the first one that is streamed behind the last row of a snapshot are in the rows.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(
        &self,
        psql: Psql,
        database: &str,
        table: &str,
        records: &[Raw],
        with_snapshot: bool,
    ) -> Result<usize, Wrong> {
        let truth = self.0.get(table).map(Vec::as_slice).unwrap_or_default();
        let lost = |text: String| Wrong::Lost(anyhow!("{table}: {text}"));
        let places: HashMap<u64, usize> =
            truth.iter().enumerate().map(|(place, lsn)| (*lsn, place)).collect();
        let first = if with_snapshot { None } else { Some(0) };
        let (mut next, mut repeats, mut last) = (first, 0, 0);
        let mut rows: BTreeMap<String, Value> = BTreeMap::new();
        for (number, record) in records.iter().enumerate() {
            let (key, value) = (json(record.key.as_deref()).to_string(), json(record.value.as_deref()));
            match value["after"].clone() {
                Value::Null => rows.remove(&key),
                row => rows.insert(key, row),
            };
            if value["op"] == "r" {
                next = first;
                continue;
            }
            let Some(lsn) = value["source"]["lsn"].as_u64() else { continue };
            let Some(&place) = places.get(&lsn) else {
                return Err(lost(format!("record {number} is of no change: {value}")));
            };
            let reached = next.unwrap_or(place);
            if place > reached {
                return Err(lost(format!(
                    "record {number} is of change {place}, but {reached} has not come yet"
                )));
            }
            // The two records of a changed key are of one change.
            repeats += usize::from(place < reached && lsn != last);
            next = Some(reached.max(place + 1));
            last = lsn;
        }
        let reached = next.unwrap_or(0);
        if reached < truth.len() {
            return Err(Wrong::Late(format!("{table}: {reached} of {} changes have come", truth.len())));
        }
        let expect = table_rows(psql, database, table).map_err(Wrong::Lost)?;
        let mut rows: Vec<Value> = rows.into_values().collect();
        rows.sort_by_key(id);
        match expect == rows {
            true => Ok(repeats),
            // The second record of the last change may be on its way.
            false => Err(Wrong::Late(format!(
                "{table}: the topic comes to {} rows, the table has {}, or they differ",
                rows.len(),
                expect.len()
            ))),
        }
    }
}

fn json(part: Option<&[u8]>) -> Value {
    part.and_then(|part| serde_json::from_slice(part).ok()).unwrap_or_default()
}

fn id(row: &Value) -> Option<i64> {
    row["id"].as_i64()
}

fn table_rows(psql: Psql, database: &str, table: &str) -> Result<Vec<Value>> {
    let found = psql.run(database, &format!("SELECT row_to_json(t) FROM \"{table}\" t"))?;
    let mut rows: Vec<Value> = found.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    rows.sort_by_key(id);
    Ok(rows)
}
