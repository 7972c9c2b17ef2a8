//! Tables: which there are, their columns, keys and replica identities.

use std::sync::Arc;

use raccord_cdc::{Column, Table, TableId};
use tokio_postgres::{Client, Row};

use super::registry::{NO_MODIFIER, TypeRegistry};
use crate::columns::oids as oid;
use crate::pgoutput::Relation;
use crate::wire::WireError;
use crate::wire::sql::sql_error;

/// Ordinary and partitioned tables, without built-in schemas, as the JDBC driver tells them apart.
const TABLES: &str = "\
    SELECT n.nspname::text, c.relname::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

const COLUMNS: &str = "\
    SELECT a.attname::text, a.atttypid, a.atttypmod, \
           a.attnotnull OR (t.typtype = 'd' AND t.typnotnull), \
           pg_catalog.pg_get_expr(d.adbin, d.adrelid), \
           coalesce(to_jsonb(a)->>'attgenerated', ''), \
           CASE WHEN pg_catalog.pg_type_is_visible(t.oid) THEN NULL ELSE tn.nspname::text END \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON a.attrelid = c.oid \
    JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
    JOIN pg_catalog.pg_type t ON a.atttypid = t.oid \
    JOIN pg_catalog.pg_namespace tn ON t.typnamespace = tn.oid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped \
    ORDER BY a.attnum";

const PRIMARY_KEY: &str = "\
    SELECT a.attname::text \
    FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class c ON i.indrelid = c.oid \
    JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
    WHERE n.nspname = $1 AND c.relname = $2 AND i.indisprimary \
      AND k.place <= coalesce((to_jsonb(i)->>'indnkeyatts')::int, i.indnatts) \
    ORDER BY k.place";

/// Columns of the unique indexes, in the order in which the JDBC driver gives them: clustered, hash, others; then by name.
const UNIQUE_INDEXES: &str = "\
    SELECT ic.relname::text, trim(both '\"' from pg_catalog.pg_get_indexdef(i.indexrelid, k.place, false)) \
    FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class c ON i.indrelid = c.oid \
    JOIN pg_catalog.pg_class ic ON i.indexrelid = ic.oid \
    JOIN pg_catalog.pg_am am ON ic.relam = am.oid \
    JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
    CROSS JOIN LATERAL generate_series(1, i.indnatts) AS k(place) \
    WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique \
    ORDER BY CASE WHEN i.indisclustered THEN 1 WHEN am.amname = 'hash' THEN 2 ELSE 3 END, ic.relname, k.place";

/// A column with what only PostgreSQL knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogColumn {
    /// What every connector knows of columns.
    pub column: Column,
    /// The type's oid.
    pub type_oid: u32,
    /// The type modifier, or -1.
    pub type_modifier: i32,
    /// Whether its value is computed from other columns: pgoutput does not send it.
    pub generated: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogTable {
    /// Its name.
    pub id: TableId,
    /// Its columns in order.
    pub columns: Vec<CatalogColumn>,
    /// Columns of its primary key, or of the first unique index.
    pub key: Vec<Arc<str>>,
}

impl CatalogTable {
    /// The table as every connector knows it.
    pub fn table(&self) -> Table {
        Table {
            id: self.id.clone(),
            columns: self.columns.iter().map(|column| column.column.clone()).collect(),
            key: self.key.clone(),
        }
    }

    /// The table as a relation message describes it, with what the message lacks taken from the catalog: whether
    /// columns may be null, their defaults and comments, and the key. Columns are those of the message, so that
    /// its tuples fit whatever has happened to the table since.
    pub fn of_relation(
        relation: &Relation,
        catalog: Option<&Self>,
        known: Option<&Self>,
        types: &TypeRegistry,
    ) -> Self {
        let columns: Vec<CatalogColumn> = relation
            .columns
            .iter()
            .map(|column| {
                let name: Arc<str> = column.name.as_str().into();
                let read = catalog
                    .and_then(|table| table.columns.iter().find(|column| *column.column.name == *name));
                let (length, scale) = match column.type_modifier {
                    NO_MODIFIER => {
                        (types.default_length(column.type_oid), types.default_scale(column.type_oid))
                    }
                    modifier => {
                        (types.precision(column.type_oid, modifier), types.scale(column.type_oid, modifier))
                    }
                };
                CatalogColumn {
                    column: Column {
                        type_name: types
                            .get(column.type_oid)
                            .map_or_else(|| "unknown".into(), |pg_type| pg_type.name.clone()),
                        jdbc_type: types.jdbc_type(column.type_oid),
                        length,
                        scale: Some(scale),
                        optional: read.is_none_or(|column| column.column.optional),
                        comment: None,
                        default_expression: read.and_then(|column| column.column.default_expression.clone()),
                        name,
                    },
                    type_oid: column.type_oid,
                    type_modifier: column.type_modifier,
                    generated: false,
                }
            })
            .collect();
        let named = |name: &Arc<str>| columns.iter().any(|column| column.column.name == *name);
        let key = match catalog {
            Some(catalog) => &catalog.key,
            None => known.map_or(&[][..], |known| &known.key),
        };
        let key = key.iter().filter(|name| named(name)).cloned().collect();
        Self { id: TableId::in_schema(schema_of(relation), relation.table.as_str()), columns, key }
    }
}

/// The schema of a relation; pgoutput leaves pg_catalog out.
pub fn schema_of(relation: &Relation) -> &str {
    match relation.schema.as_str() {
        "" => "pg_catalog",
        schema => schema,
    }
}

/// All tables, ordered by name.
///
/// # Errors
/// What the server says.
pub async fn all_tables(client: &Client) -> Result<Vec<TableId>, WireError> {
    let rows = client.query(TABLES, &[]).await.map_err(sql_error)?;
    let id = |row: &Row| TableId::in_schema(row.get::<_, String>(0), row.get::<_, String>(1));
    let mut ids: Vec<_> = rows.iter().map(id).collect();
    ids.sort_by_key(ToString::to_string);
    Ok(ids)
}

/// Reads a table; `None` when it is not there.
///
/// # Errors
/// What the server says.
pub async fn read_table(
    client: &Client,
    id: &TableId,
    types: &TypeRegistry,
) -> Result<Option<CatalogTable>, WireError> {
    let schema = id.schema.as_deref().unwrap_or("public");
    let rows = client.query(COLUMNS, &[&schema, &&*id.table]).await.map_err(sql_error)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = rows.iter().map(|row| {
        let (type_oid, modifier): (u32, i32) = (row.get(1), row.get(2));
        let not_null: bool = row.get(3);
        let generated: String = row.get(5);
        let generated = !generated.is_empty();
        let default: Option<String> = row.get(4);
        let default = default.filter(|_| !generated);
        let counts = default.as_deref().is_some_and(|default| default.contains("nextval("));
        let base = types.get(type_oid).and_then(|pg_type| pg_type.base);
        let (length, scale) = match base {
            Some(_) => (types.default_length(type_oid), Some(types.default_scale(type_oid))),
            // The driver says of a number without precision that it has neither.
            None if type_oid == oid::NUMERIC && modifier == NO_MODIFIER => (0, None),
            None => {
                (types.precision_or_display_size(type_oid, modifier), Some(types.scale(type_oid, modifier)))
            }
        };
        CatalogColumn {
            column: Column {
                name: row.get::<_, String>(0).into(),
                type_name: type_name(types, type_oid, counts, row.get(6)),
                jdbc_type: types.jdbc_type(type_oid),
                length,
                scale,
                optional: !not_null,
                comment: None,
                default_expression: default.map(Arc::from),
            },
            type_oid,
            type_modifier: modifier,
            generated,
        }
    });
    let columns = columns.collect();
    Ok(Some(CatalogTable { id: id.clone(), columns, key: key_columns(client, id).await? }))
}

/// The driver's name of a column's type: numbers that count by themselves are `serial`, and a type that is not on the
/// search path is qualified.
fn type_name(types: &TypeRegistry, oid: u32, counts: bool, schema: Option<String>) -> Arc<str> {
    let name = types.get(oid).map_or("unknown", |pg_type| &pg_type.name);
    match (name, counts, schema) {
        ("int4", true, _) => "serial".into(),
        ("int8", true, _) => "bigserial".into(),
        ("int2", true, _) => "smallserial".into(),
        (name, _, None) => name.into(),
        (name, _, Some(schema)) => format!("\"{schema}\".\"{name}\"").into(),
    }
}

/// The columns of a table's primary key or, without one, of the first unique index over plain columns.
async fn key_columns(client: &Client, id: &TableId) -> Result<Vec<Arc<str>>, WireError> {
    let schema = id.schema.as_deref().unwrap_or("public");
    let rows = client.query(PRIMARY_KEY, &[&schema, &&*id.table]).await.map_err(sql_error)?;
    if !rows.is_empty() {
        return Ok(rows.iter().map(|row| row.get::<_, String>(0).into()).collect());
    }
    let rows = client.query(UNIQUE_INDEXES, &[&schema, &&*id.table]).await.map_err(sql_error)?;
    let columns: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(first_plain_index(&columns))
}

/// The columns of the first index that has no expression in it.
fn first_plain_index(columns: &[(String, String)]) -> Vec<Arc<str>> {
    columns
        .chunk_by(|a, b| a.0 == b.0)
        .find(|index| index.iter().all(|(_, column)| !is_expression(column)))
        .map(|index| index.iter().map(|(_, column)| column.as_str().into()).collect())
        .unwrap_or_default()
}

/// `lower(name)` or `(a + b)`.
fn is_expression(column: &str) -> bool {
    column.contains('(') && column.ends_with(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_falls_back_to_the_first_index_of_plain_columns() {
        let check = |columns: &[(&str, &str)], expect: &[&str]| {
            let columns: Vec<_> =
                columns.iter().map(|(index, column)| ((*index).to_owned(), (*column).to_owned())).collect();
            let found = first_plain_index(&columns);
            assert_eq!(found.iter().map(|name| &**name).collect::<Vec<_>>(), expect);
        };
        check(&[("a", "x"), ("a", "y"), ("b", "z")], &["x", "y"]);
        check(&[("a", "lower(x)"), ("b", "z")], &["z"]);
        check(&[("a", "x"), ("a", "(x + y)")], &[]);
        check(&[], &[]);
    }
}
