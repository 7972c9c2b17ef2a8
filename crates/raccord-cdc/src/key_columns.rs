//! `message.key.columns`: which columns form the key where the primary key does not.

use crate::{PatternError, Patterns, Table};

/// The rules of `message.key.columns`: `table:column,column;table:column`, tables as regular expressions.
#[derive(Clone, Debug, Default)]
pub struct KeyColumns(Vec<Patterns>);

impl KeyColumns {
    /// Reads the rules.
    ///
    /// # Errors
    /// The first expression that is none, or a rule without a colon.
    pub fn of(text: Option<&str>) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for rule in text.unwrap_or_default().split(';').filter(|rule| !rule.is_empty()) {
            let Some((table, columns)) = rule.split_once(':') else {
                let message = "a rule has the form table:column,column".to_owned();
                return Err(PatternError { pattern: rule.to_owned(), message });
            };
            for column in columns.split(',') {
                patterns.push(Patterns::list(&format!("{table}.{column}"))?);
            }
        }
        Ok(Self(patterns))
    }

    /// The places of the key's columns: in the order of the rules where one concerns the table, else those of its
    /// primary key.
    pub fn of_table(&self, table: &Table) -> Vec<usize> {
        let mut found = Vec::new();
        for patterns in &self.0 {
            for (index, column) in table.columns.iter().enumerate() {
                if patterns.matches(&format!("{}.{}", table.id, column.name)) {
                    found.push(index);
                }
            }
        }
        if found.is_empty() {
            found.extend(table.key.iter().filter_map(|name| table.index_of(name)));
        }
        found
    }
}
