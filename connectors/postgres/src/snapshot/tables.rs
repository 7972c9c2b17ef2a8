//! Which tables are read, in Debezium's order.

use raccord_cdc::{Patterns, SnapshotRequest, TableId};
use raccord_plugin::{Error, Result};

use crate::catalog::all_tables;
use crate::classify::cause;
use crate::settings::Settings;
use crate::setup::qualified;
use crate::wire::sql::SqlSession;

/// The tables that a signal asks for, in Debezium's order.
pub(super) async fn asked_for(
    settings: &Settings,
    sql: &SqlSession,
    request: &SnapshotRequest,
) -> Result<Vec<TableId>> {
    let mut patterns = Vec::with_capacity(request.tables.len());
    for entry in &request.tables {
        patterns.push(Patterns::list(entry).map_err(|error| Error::record(error.to_string()))?);
    }
    let asked_for = |id: &TableId| {
        let (name, quoted) = (id.to_string(), qualified(id));
        patterns.iter().any(|pattern| pattern.matches(&name) || pattern.matches(&quoted))
    };
    let mut ids = all_tables(&sql.client).await.map_err(cause)?;
    ids.retain(|id| settings.captures(id) && asked_for(id));
    Ok(in_order(settings, ids))
}

/// The tables to read, in Debezium's order, with the table of signals among them.
pub(super) async fn captured(settings: &Settings, sql: &SqlSession) -> Result<Vec<TableId>> {
    let mut ids = all_tables(&sql.client).await.map_err(cause)?;
    let included = |id: &TableId| {
        let name = id.to_string();
        let chosen = settings
            .snapshot_tables
            .as_ref()
            .is_none_or(|patterns| patterns.matches(&name) || patterns.matches(&qualified(id)));
        settings.captures(id) && chosen
    };
    ids.retain(included);
    Ok(in_order(settings, ids))
}

/// Tables in the order of the expressions of `table.include.list`.
fn in_order(settings: &Settings, ids: Vec<TableId>) -> Vec<TableId> {
    let Some(entries) = &settings.config.keys.relational_events.table_include_list else { return ids };
    let mut ordered = Vec::with_capacity(ids.len());
    for entry in entries {
        let Ok(pattern) = Patterns::list(entry) else { continue };
        for id in &ids {
            if pattern.matches(&id.to_string()) && !ordered.contains(id) && !settings.is_signal_table(id) {
                ordered.push(id.clone());
            }
        }
    }
    ordered.extend(ids.into_iter().filter(|id| settings.is_signal_table(id)));
    ordered
}
