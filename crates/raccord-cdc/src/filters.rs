//! Which tables and columns are captured.

use crate::{PatternError, Patterns, TableId};

/// An include list, or an exclude list, or neither.
#[derive(Clone, Debug, Default)]
enum Choice {
    #[default]
    Everything,
    Only(Patterns),
    AllBut(Patterns),
}

impl Choice {
    /// As Debezium, an include list wins over an exclude list, and blank lists count as none. (Its validation does
    /// not let both through.)
    fn of(include: Option<&str>, exclude: Option<&str>) -> Result<Self, PatternError> {
        let given =
            |list: Option<&str>| list.filter(|list| !list.trim().is_empty()).map(Patterns::list).transpose();
        Ok(match (given(include)?, given(exclude)?) {
            (Some(include), _) => Self::Only(include),
            (None, Some(exclude)) => Self::AllBut(exclude),
            (None, None) => Self::Everything,
        })
    }

    fn takes(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(patterns) => patterns.matches(name),
            Self::AllBut(patterns) => !patterns.matches(name),
        }
    }
}

/// Decides which tables are captured: `schema.*.list` and `table.*.list`. Built-in tables are the connector's to leave
/// out.
#[derive(Clone, Debug, Default)]
pub struct TableFilter {
    schemas: Choice,
    tables: Choice,
    /// The signal table, which is captured even when the lists leave it out.
    signal_table: Option<String>,
}

impl TableFilter {
    /// Reads the four lists. `signal_table` is `signal.data.collection`.
    ///
    /// # Errors
    /// The first expression that is none.
    pub fn of(
        schema_include: Option<&str>,
        schema_exclude: Option<&str>,
        table_include: Option<&str>,
        table_exclude: Option<&str>,
        signal_table: Option<&str>,
    ) -> Result<Self, PatternError> {
        Ok(Self {
            schemas: Choice::of(schema_include, schema_exclude)?,
            tables: Choice::of(table_include, table_exclude)?,
            signal_table: signal_table.map(str::to_owned),
        })
    }

    /// Whether the lists let the table through. The name that is matched is `schema.table`.
    pub fn includes(&self, id: &TableId) -> bool {
        let name = id.schema_parts().collect::<Vec<_>>().join(".");
        let schema = id.schema.as_deref().unwrap_or_default();
        (self.schemas.takes(schema) && self.tables.takes(&name))
            || self.signal_table.as_deref() == Some(&*name)
    }
}

/// Decides which columns are captured: `column.include.list` and `column.exclude.list`.
#[derive(Clone, Debug, Default)]
pub struct ColumnFilter(Choice);

impl ColumnFilter {
    /// Reads the two lists. As Debezium, a blank include list captures no column.
    ///
    /// # Errors
    /// The first expression that is none.
    pub fn of(include: Option<&str>, exclude: Option<&str>) -> Result<Self, PatternError> {
        match include {
            Some(include) => Patterns::list(include).map(Choice::Only),
            None => Choice::of(None, exclude),
        }
        .map(Self)
    }

    /// Whether the column is captured. The name that is matched is `schema.table.column`.
    pub fn includes(&self, id: &TableId, column: &str) -> bool {
        match &self.0 {
            Choice::Everything => true,
            choice => {
                let parts: Vec<&str> = id.schema_parts().chain([column]).collect();
                choice.takes(&parts.join("."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_tables() {
        let check = |lists: [Option<&str>; 5], table: (&str, &str), expect: bool| {
            let filter = TableFilter::of(lists[0], lists[1], lists[2], lists[3], lists[4]).unwrap();
            assert_eq!(filter.includes(&TableId::in_schema(table.0, table.1)), expect, "{lists:?} {table:?}");
        };
        check([None; 5], ("s", "t"), true);
        check([Some("s"), None, None, None, None], ("s", "t"), true);
        check([Some("s"), None, Some("s.u"), None, None], ("s", "t"), false);
        check([None, Some("s"), None, None, None], ("s", "t"), false);
        check([None, None, None, Some("s[.]t"), None], ("s", "t"), false);
        check([None, None, Some("s.u"), None, Some("s.t")], ("s", "t"), true);
        check([None, None, Some(" "), None, None], ("s", "t"), true);
    }

    #[test]
    fn chooses_columns() {
        let id = TableId::in_schema("s", "t");
        let filter = ColumnFilter::of(None, Some("s.t.secret")).unwrap();
        assert!(filter.includes(&id, "id") && !filter.includes(&id, "secret"));
        let filter = ColumnFilter::of(Some("s.t.(id|name)"), None).unwrap();
        assert!(filter.includes(&id, "ID") && !filter.includes(&id, "secret"));
    }
}
