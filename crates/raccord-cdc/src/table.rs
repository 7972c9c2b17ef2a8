//! Tables as the catalog describes them, before anything is derived from them.

use std::fmt;
use std::sync::Arc;

/// The name of a table: catalog (database), schema, table. Which parts exist depends on the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// Database; `None` where a connection sees one database only.
    pub catalog: Option<Arc<str>>,
    /// Schema.
    pub schema: Option<Arc<str>>,
    /// Table.
    pub table: Arc<str>,
}

impl TableId {
    /// `schema.table`, the names of PostgreSQL.
    pub fn in_schema(schema: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        Self { catalog: None, schema: Some(schema.into()), table: table.into() }
    }

    /// The parts that there are, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        [self.catalog.as_deref(), self.schema.as_deref(), Some(&*self.table)].into_iter().flatten()
    }

    /// The parts that name the table within a database.
    pub fn schema_parts(&self) -> impl Iterator<Item = &str> {
        [self.schema.as_deref(), Some(&*self.table)].into_iter().flatten()
    }

    /// The parts that name the table within a server without schemas.
    pub fn database_parts(&self) -> impl Iterator<Item = &str> {
        [self.catalog.as_deref(), Some(&*self.table)].into_iter().flatten()
    }
}

impl fmt::Display for TableId {
    /// The parts with dots between them: what the include and exclude lists are matched with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

/// The JDBC types that the rules for columns tell apart (`java.sql.Types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JdbcType {
    /// One of the character types: masks apply to these only.
    Character,
    /// Everything else.
    Other,
}

/// A column as the catalog describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name.
    pub name: Arc<str>,
    /// Name of the type, as the JDBC driver gives it (`int4`, `varchar`, `_text`).
    pub type_name: Arc<str>,
    /// Whether it holds characters, seen through JDBC.
    pub jdbc_type: JdbcType,
    /// Length or precision as the JDBC driver gives it; -1 when there is none.
    pub length: i32,
    /// Digits behind the point, or of fractional seconds, as the JDBC driver gives it.
    pub scale: Option<i32>,
    /// Whether it may be null.
    pub optional: bool,
    /// Comment of the catalog, where comments are asked for.
    pub comment: Option<Arc<str>>,
    /// Default expression of the catalog.
    pub default_expression: Option<Arc<str>>,
}

/// A table as the catalog describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name.
    pub id: TableId,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Names of the columns of the primary key, or of the unique index that stands for it, in key order.
    pub key: Vec<Arc<str>>,
}

impl Table {
    /// The place of the column with that name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }
}
