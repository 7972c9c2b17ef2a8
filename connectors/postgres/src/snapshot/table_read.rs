//! A table as it is read: the statements, and what becomes of the rows that they give.

use std::sync::Arc;

use bytes::Bytes;
use raccord_cdc::RowCells;
use raccord_data::Value;
use raccord_plugin::{Error, Result};
use tracing::{debug, info};

use crate::captured::CapturedTable;
use crate::classify::{cause, with_cause};
use crate::copy::{self, next_row, split};
use crate::raw::Raw;
use crate::setup::{identifier, literal, qualified};
use crate::wire::WireError;
use crate::wire::sql::{SqlSession, sql_error};

/// A table with the statements that read it.
pub(super) struct TableRead {
    /// The table.
    pub(super) table: Arc<CapturedTable>,
    /// For each column of the table its place in the rows; `None` when it is not read.
    places: Vec<Option<usize>>,
    pub(super) way: Way,
}

/// Where the fields of a row are.
pub(super) type Fields = Vec<Option<(usize, usize)>>;

/// How a table is to be read.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// In parts, with these conditions.
    Parts(&'a [String]),
    /// In pages of that many rows behind that key, if the table has one.
    Pages {
        /// Of a page.
        rows: u64,
        /// Empty for the beginning.
        behind: &'a [String],
    },
}

/// How a table is read.
pub(super) enum Way {
    /// By statements that read its parts, at once or one after the other.
    Parts(Vec<String>),
    /// Page by page in the order of its key, so that another snapshot can go on behind any page.
    Pages(Pages),
}

/// Pages of a table in the order of its key, which is unique and has no nulls.
pub(super) struct Pages {
    /// `COPY (SELECT …, the key as text FROM …`
    select: String,
    /// The columns of the key as identifiers, with commas between.
    key: String,
    /// How many columns there are before the key.
    columns: usize,
    /// Of a page.
    pub(super) rows: u64,
    /// The key of the last row that is not read any more; empty for none.
    pub(super) behind: Vec<String>,
}

/// A row with its key.
pub(super) struct Row {
    pub(super) cells: RowCells,
    /// As long as it is in COPY.
    pub(super) bytes: usize,
}

impl TableRead {
    /// `statement` reads it, when it is not the usual one; else it is read as `wanted`.
    pub(super) async fn new(
        sql: &SqlSession,
        table: Arc<CapturedTable>,
        statement: Option<&str>,
        wanted: Wanted<'_>,
    ) -> Result<Self> {
        let id = table.plan.id();
        let from = match statement {
            Some(statement) => format!("({}) AS \"_\"", statement.trim().trim_end_matches(';')),
            None => qualified(id),
        };
        // An override may leave columns out.
        let described = match statement.is_some() {
            true => match sql.client.prepare(&format!("SELECT * FROM {from}")).await.map_err(sql_error) {
                Ok(prepared) => {
                    Some(prepared.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>())
                }
                // Its reader meets that again, and then it is told which table it was.
                Err(WireError::Server(_)) => None,
                Err(error) => return Err(cause(error)),
            },
            false => None,
        };
        let there =
            |name: &str| described.as_ref().is_none_or(|names| names.iter().any(|there| there == name));
        let (places, selected) = selection(&table, there);
        let whole = [String::new()];
        let way = match (statement, wanted) {
            (None, Wanted::Pages { rows, behind }) => {
                Pages::new(&table, &selected, rows, behind).map(Way::Pages)
            }
            _ => None,
        };
        let way = way.unwrap_or_else(|| {
            let conditions = match (statement, wanted) {
                (None, Wanted::Parts(conditions)) => conditions,
                // The rows of a statement of a user have no place in the table.
                _ => &whole,
            };
            let copy = |condition: &String| {
                let copy = copy::statement(&format!("SELECT {} FROM {from}{condition}", selected.join(", ")));
                info!(table = %id, "Exporting data with statement {copy}");
                copy
            };
            Way::Parts(conditions.iter().map(copy).collect())
        });
        Ok(Self { table, places, way })
    }

    /// How many parts of it end on their own.
    pub(super) fn parts(&self) -> usize {
        match &self.way {
            Way::Parts(copies) => copies.len(),
            Way::Pages(_) => 1,
        }
    }

    /// Adds the rows of frames of CopyData, up to one that cannot be read, and gives the last one as it came. `fields`
    /// says then where its fields are.
    pub(super) fn decode(
        &self,
        mut frames: Bytes,
        fields: &mut Fields,
        rows: &mut Vec<Row>,
    ) -> Result<Option<Bytes>> {
        let mut last = None;
        while let Some(row) = next_row(&mut frames) {
            let row = row?;
            split(&row, fields).ok_or_else(|| Error::fatal("a row of COPY is broken"))?;
            let cell = |column: usize| {
                let place = self.places[column];
                let field = place.and_then(|place| fields.get(place).copied().flatten());
                let plan = &self.table.columns[column];
                match field {
                    Some((start, end)) => {
                        self.table.converted(column, plan.decode_binary(Raw::part(&row, start, end)))
                    }
                    None => Ok::<Value, Error>(plan.null()),
                }
            };
            let cells = self.table.plan.cells(cell).map_err(|error| self.failed(Error::fatal, error))?;
            rows.push(Row { cells, bytes: row.len() });
            last = Some(row);
        }
        Ok(last)
    }

    pub(super) fn failed(&self, kind: fn(String) -> Error, error: Error) -> Error {
        with_cause(kind(format!("Snapshotting of table {} failed", self.table.plan.id())), error)
    }
}

impl Pages {
    /// `None` for a table without a key that rows can be told apart and put in order by.
    fn new(table: &CapturedTable, selected: &[String], rows: u64, behind: &[String]) -> Option<Self> {
        let names = &table.table.key;
        let is_total = |name: &Arc<str>| {
            let column = table.table.columns.iter().find(|column| column.column.name == *name);
            column.is_some_and(|column| !column.column.optional)
        };
        if names.is_empty() || !names.iter().all(is_total) {
            return None;
        }
        let from = qualified(table.plan.id());
        // With the table's name: what is selected may have the same names.
        let key: Vec<String> = names.iter().map(|name| format!("{from}.{}", identifier(name))).collect();
        let texts = key.iter().map(|column| format!("{column}::text"));
        let columns: Vec<String> = selected.iter().cloned().chain(texts).collect();
        info!(table = %table.plan.id(), ?behind, "Exporting data in pages of {rows} rows");
        Some(Self {
            select: format!("SELECT {} FROM {from}", columns.join(", ")),
            key: key.join(", "),
            columns: selected.len(),
            rows,
            behind: if behind.len() == names.len() { behind.to_vec() } else { Vec::new() },
        })
    }

    /// The statement that reads the page behind a key.
    pub(super) fn statement(&self, behind: &[String]) -> String {
        let Self { select, key, rows, .. } = self;
        let values: Vec<String> = behind.iter().map(|text| literal(text)).collect();
        let condition = match values.is_empty() {
            true => String::new(),
            false => format!(" WHERE ({key}) > ({})", values.join(", ")),
        };
        let copy = copy::statement(&format!("{select}{condition} ORDER BY {key} LIMIT {rows}"));
        debug!("Exporting a page with statement {copy}");
        copy
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: &Bytes, fields: &Fields) -> Vec<String> {
        let texts = fields.get(self.columns..).unwrap_or_default().iter().flatten();
        texts.map(|(start, end)| String::from_utf8_lossy(&row[*start..*end]).into_owned()).collect()
    }
}

/// What to select of a table: for each of its columns the place in the rows, `None` when it is not read; and the columns
/// as expressions of SQL.
pub fn selection(table: &CapturedTable, there: impl Fn(&str) -> bool) -> (Vec<Option<usize>>, Vec<String>) {
    let mut places = vec![None; table.columns.len()];
    let mut selected = Vec::new();
    for (index, plan) in table.columns.iter().enumerate() {
        let name = &table.table.columns[index].column.name;
        let needed = table.plan.value_columns().contains(&index)
            || table.plan.key_cells().iter().any(|cell| cell.column == index);
        if needed && there(name) {
            places[index] = Some(selected.len());
            let cast = if plan.select_as_text() { "::text" } else { "" };
            selected.push(format!("{}{cast}", identifier(name)));
        }
    }
    (places, selected)
}
