//! `ReselectColumnsPostProcessor`: values that the log does not have, or that are null, are read from the table as it is
//! now, before the record is made.
//!
//! The row is asked for by its key, and comes as a row of a snapshot does (binary COPY), so that values are converted
//! as there. Nothing has moved when the server is asked: a poll that is dropped meanwhile meets the same message again.

use std::sync::Arc;

use bytes::Bytes;
use raccord_cdc::Patterns;
use raccord_config::RawConfig;
use raccord_data::Value;
use raccord_plugin::{Error, Result};
use tracing::warn;

use crate::captured::CapturedTable;
use crate::classify::{cause, debezium, with_cause};
use crate::copy::{self, next_row, split};
use crate::pgoutput::{Cell, Tuple};
use crate::raw::Raw;
use crate::settings::Settings;
use crate::setup::{identifier, literal, qualified};
use crate::wire::{Purpose, Session, WireError};

/// The processor's class, the only one that there is here.
const CLASS: &str = "io.debezium.processors.reselect.ReselectColumnsPostProcessor";
/// The name by which the server knows the session that reads again.
const APPLICATION: &str = "Debezium General";

/// What is read again.
#[derive(Clone, Debug)]
pub struct ReselectSettings {
    columns: Selection,
    unavailable: bool,
    null: bool,
    /// Whether the row is found by the record's key, and not by the primary key.
    event_key: bool,
    fails: bool,
}

/// Which columns: names are `schema.table:column`.
#[derive(Clone, Debug)]
enum Selection {
    All,
    Only(Patterns),
    AllBut(Patterns),
}

impl ReselectSettings {
    /// Reads `post.processors` and the keys of those that it names.
    ///
    /// # Errors
    /// `Error::config` for a processor of another class, or an expression that is none.
    pub fn read(config: &RawConfig, names: Option<&str>) -> Result<Option<Self>> {
        let mut found = None;
        for name in names.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let key = |key: &str| {
                let newer = config.get(&format!("post.processors.{name}.{key}"));
                newer.or_else(|| config.get(&format!("{name}.{key}"))).filter(|text| !text.trim().is_empty())
            };
            if key("type").map(str::trim) != Some(CLASS) {
                return Err(Error::config(format!(
                    "The 'post.processors' value is invalid: {name}.type has to be {CLASS}; other processors are classes of \
                     the user's, which cannot run here"
                )));
            }
            let truth = |name: &str| key(name).is_none_or(|text| !text.trim().eq_ignore_ascii_case("false"));
            let patterns = |name: &str, text: &str| {
                Patterns::list(text)
                    .map_err(|error| Error::config(format!("The '{name}' value is invalid: {error}")))
            };
            let columns = match (key("reselect.columns.include.list"), key("reselect.columns.exclude.list")) {
                (Some(text), _) => Selection::Only(patterns("reselect.columns.include.list", text)?),
                (None, Some(text)) => Selection::AllBut(patterns("reselect.columns.exclude.list", text)?),
                (None, None) => Selection::All,
            };
            found = Some(Self {
                columns,
                unavailable: truth("reselect.unavailable.values"),
                null: truth("reselect.null.values"),
                event_key: key("reselect.use.event.key")
                    .is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
                fails: key("reselect.error.handling.mode")
                    .is_some_and(|text| text.trim().eq_ignore_ascii_case("fail")),
            });
        }
        Ok(found)
    }

    fn includes(&self, table: &str, column: &str) -> bool {
        let name = format!("{table}:{column}");
        match &self.columns {
            Selection::All => true,
            Selection::Only(patterns) => patterns.matches(&name),
            Selection::AllBut(patterns) => !patterns.matches(&name),
        }
    }
}

/// What is read again of one table, compiled.
#[derive(Debug)]
pub struct TableReselect {
    /// For each column of the table whether it may be read again when it is unavailable, and when it is null.
    columns: Vec<(bool, bool)>,
    /// Columns by whose values the row is found.
    key: Vec<usize>,
}

impl TableReselect {
    /// Compiles a table; `None` when none of its columns is read again, or its records have no key.
    pub fn new(table: &CapturedTable, settings: &Settings) -> Option<Self> {
        let reselect = settings.reselect.as_ref()?;
        table.plan.key_schema()?;
        if settings.is_signal_table(table.plan.id()) {
            return None;
        }
        let place =
            |name: &Arc<str>| table.table.columns.iter().position(|column| column.column.name == *name);
        let key = match reselect.event_key {
            true => table.plan.key_cells().iter().map(|cell| cell.column).collect(),
            false => table.table.key.iter().filter_map(place).collect(),
        };
        let mut columns = vec![(false, false); table.columns.len()];
        for (field, column) in table.plan.value_schema().fields().iter().zip(table.plan.value_columns()) {
            if reselect.includes(&table.name, table.columns[*column].name()) {
                // A null that shows as the column's default is none.
                columns[*column] = (reselect.unavailable, reselect.null && field.schema.default.is_none());
            }
        }
        columns.iter().any(|column| *column != (false, false)).then_some(Self { columns, key })
    }

    /// The places of the columns of this row that are to be read again.
    pub fn wanted(&self, old: Option<&Tuple>, new: &Tuple) -> Vec<usize> {
        let mut old = old.map(Tuple::cells);
        let mut wanted = Vec::new();
        for (place, cell) in new.cells().enumerate() {
            let old = old.as_mut().and_then(Iterator::next);
            let Some((unavailable, null)) = self.columns.get(place) else { break };
            let again = match cell {
                Cell::Null => *null,
                // The old row has it.
                Cell::Unchanged => *unavailable && !matches!(old, Some(Cell::Text(_))),
                Cell::Text(_) => false,
            };
            if again {
                wanted.push(place);
            }
        }
        wanted
    }
}

/// Values of some columns of a row.
pub type Reselected = Vec<(usize, Value)>;

/// Reads rows again, on a session of its own.
#[derive(Default)]
pub struct Reselector {
    session: Option<Session>,
}

impl Reselector {
    /// Reads columns of the row that has this key now. What cannot be read is left out, and told.
    ///
    /// # Errors
    /// What cannot be read, when `reselect.error.handling.mode` is `fail`.
    pub async fn select(
        &mut self,
        settings: &Settings,
        table: &CapturedTable,
        wanted: &[usize],
        new: &Tuple,
    ) -> Result<Reselected> {
        let (Some(reselect), Some(compiled)) = (&settings.reselect, &table.reselect) else {
            return Ok(Reselected::new());
        };
        let name = &table.name;
        match self.row(settings, table, &compiled.key, wanted, new).await {
            Ok(Some(row)) => decode(table, wanted, &row),
            Ok(None) if reselect.fails => {
                Err(debezium(format!("Failed to find row in table {name} with the key of the record")).hint(
                    "the row was deleted or its key changed before it was read again: reselect.error.handling.mode=warn leaves the \
                     placeholder in the record",
                ))
            }
            Ok(None) => {
                warn!(table = name, "Failed to find a row that is to be read again: its record stays as it is");
                Ok(Reselected::new())
            }
            Err(error) if reselect.fails => {
                Err(with_cause(debezium(format!("Failed to re-select columns for table {name}")), cause(error)))
            }
            Err(error) => {
                warn!(table = name, %error, "Failed to re-select columns: the record stays as it is");
                Ok(Reselected::new())
            }
        }
    }

    async fn row(
        &mut self,
        settings: &Settings,
        table: &CapturedTable,
        key: &[usize],
        wanted: &[usize],
        new: &Tuple,
    ) -> Result<Option<Bytes>, WireError> {
        let statement = statement(table, key, wanted, new);
        // A session whose answer was not read to its end cannot be used again: it is put back at the end.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::connect(&settings.endpoint, Purpose::Sql, APPLICATION).await?,
        };
        let mut row = None;
        match session.copy_out(&statement).await {
            Ok(()) => {}
            Err(error) => {
                self.session = matches!(error, WireError::Server(_)).then_some(session);
                return Err(error);
            }
        }
        while let Some(mut frames) = session.copied().await? {
            while let Some(found) = next_row(&mut frames) {
                let found = found.map_err(|error| WireError::Protocol(error.message().to_owned()))?;
                row.get_or_insert(found);
            }
        }
        self.session = Some(session);
        Ok(row)
    }
}

fn statement(table: &CapturedTable, key: &[usize], wanted: &[usize], new: &Tuple) -> String {
    let name = |place: usize| identifier(table.columns[place].name());
    let selected: Vec<String> = wanted
        .iter()
        .map(|place| {
            let cast = if table.columns[*place].select_as_text() { "::text" } else { "" };
            format!("{}{cast}", name(*place))
        })
        .collect();
    let cells: Vec<Cell> = new.cells().collect();
    let conditions: Vec<String> = key
        .iter()
        .map(|place| match cells.get(*place) {
            // An untyped literal is read as the column's type, as its text in the log was written.
            Some(Cell::Text(part)) => {
                let text = new.raw(*part);
                format!("{} = {}", name(*place), literal(&String::from_utf8_lossy(&text)))
            }
            _ => format!("{} IS NULL", name(*place)),
        })
        .collect();
    let from = qualified(table.plan.id());
    copy::statement(&format!(
        "SELECT {} FROM {from} WHERE {} LIMIT 1",
        selected.join(", "),
        conditions.join(" AND ")
    ))
}

fn decode(table: &CapturedTable, wanted: &[usize], row: &Bytes) -> Result<Reselected> {
    let mut fields = Vec::new();
    split(row, &mut fields).ok_or_else(|| Error::fatal("a row of COPY is broken"))?;
    let value = |(place, field): (&usize, &Option<(usize, usize)>)| {
        let plan = &table.columns[*place];
        let value = match field {
            Some((start, end)) => {
                table.converted(*place, plan.decode_binary(Raw::part(row, *start, *end)))?
            }
            None => plan.null(),
        };
        Ok((*place, value))
    };
    wanted.iter().zip(&fields).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[(&str, &str)]) -> Result<Option<ReselectSettings>> {
        let mut config = RawConfig::new();
        for (key, value) in keys {
            config.insert(*key, Some((*value).to_owned()));
        }
        ReselectSettings::read(&config, config.get("post.processors"))
    }

    #[test]
    fn keys_are_those_of_the_processor() {
        assert!(read(&[]).unwrap().is_none());
        let settings = read(&[("post.processors", "r"), ("r.type", CLASS)]).unwrap().unwrap();
        assert!(settings.unavailable && settings.null && !settings.event_key && !settings.fails);
        let settings = read(&[
            ("post.processors", "r"),
            ("post.processors.r.type", CLASS),
            ("r.reselect.columns.include.list", "public.t:a,public\\.u:.*"),
            ("r.reselect.null.values", "false"),
            ("r.reselect.error.handling.mode", "FAIL"),
        ])
        .unwrap()
        .unwrap();
        assert!(settings.unavailable && !settings.null && settings.fails);
        for (table, column, included) in
            [("public.t", "a", true), ("public.t", "b", false), ("public.u", "b", true)]
        {
            assert_eq!(settings.includes(table, column), included, "{table}:{column}");
        }
        let error = read(&[("post.processors", "mine"), ("mine.type", "com.example.Mine")]).unwrap_err();
        assert!(error.message().contains("mine.type"), "{}", error.message());
    }
}
