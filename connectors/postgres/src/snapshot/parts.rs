//! Parts of tables: a large table is read by several readers at once, each taking ranges of its blocks.
//!
//! # Why each row is read once
//! All readers see one snapshot, and in one snapshot a row has one version, at one place (`ctid`). The ranges follow each
//! other without gap, the first has no lower and the last no upper bound. So they are only made where all readers do
//! see the same snapshot: not when each statement has one of its own (`read_committed`) and none was exported.
//!
//! PostgreSQL reads a range of blocks alone since version 14; before, every reader would read the whole table.

use std::collections::HashMap;

use raccord_cdc::TableId;
use raccord_plugin::Result;

use crate::classify::cause;
use crate::wire::sql::{SqlSession, sql_error};

/// The fewest blocks of a part: 16 megabytes where a block has 8 kilobytes.
const BLOCKS_MIN: u64 = 2048;
/// More parts than readers, so that no reader is left with much more to do than the others.
const PARTS_PER_READER: u64 = 4;

/// How many blocks the tables have that can be read by ranges of blocks.
///
/// # Errors
/// What the server or the network says.
pub async fn blocks(sql: &SqlSession) -> Result<HashMap<TableId, u64>> {
    let query = "SELECT n.nspname::text, c.relname::text, \
                 pg_relation_size(c.oid) / current_setting('block_size')::bigint \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam \
                 WHERE c.relkind = 'r' AND a.amname = 'heap' \
                 AND current_setting('server_version_num')::int >= 140000";
    let rows = sql.client.query(query, &[]).await.map_err(|error| cause(sql_error(error)))?;
    let table = |row: &tokio_postgres::Row| {
        let (schema, table): (&str, &str) = (row.get(0), row.get(1));
        (TableId::in_schema(schema, table), row.get::<_, i64>(2).max(0).unsigned_abs())
    };
    Ok(rows.iter().map(table).collect())
}

/// The conditions of the parts of a table; one without a condition when it is not worth to be split.
pub fn conditions(blocks: u64, readers: usize) -> Vec<String> {
    let parts = (blocks / BLOCKS_MIN).min(PARTS_PER_READER * readers as u64).max(1);
    let begin = |part: u64| blocks * part / parts;
    let condition = |part: u64| {
        let from = (part > 0).then(|| format!("ctid >= '({},0)'", begin(part)));
        let to = (part + 1 < parts).then(|| format!("ctid < '({},0)'", begin(part + 1)));
        let bounds: Vec<String> = from.into_iter().chain(to).collect();
        match bounds.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", bounds.join(" AND ")),
        }
    };
    (0..parts).map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_and_are_open_at_both_ends() {
        assert_eq!(conditions(0, 4), [""]);
        assert_eq!(conditions(2 * BLOCKS_MIN - 1, 4), [""]);
        assert_eq!(
            conditions(3 * BLOCKS_MIN, 4),
            [
                " WHERE ctid < '(2048,0)'",
                " WHERE ctid >= '(2048,0)' AND ctid < '(4096,0)'",
                " WHERE ctid >= '(4096,0)'",
            ]
        );
        assert_eq!(conditions(1 << 30, 2).len(), 8);
    }
}
