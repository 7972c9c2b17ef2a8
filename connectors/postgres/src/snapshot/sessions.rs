//! The sessions that read: all of them see the same snapshot.

use raccord_cdc::TableId;
use raccord_plugin::Result;

use crate::anchor::Anchor;
use crate::classify::cause;
use crate::offset::{OffsetState, SnapshotKind, SnapshotState};
use crate::settings::Settings;
use crate::setup::{initial_statements, qualified};
use crate::wire::{Lsn, Purpose, Session, WireError};

/// Sessions that all see the same snapshot, and the position of it.
pub(super) async fn open(
    settings: &Settings,
    anchor: &Anchor,
    count: usize,
) -> Result<(Vec<Session>, OffsetState)> {
    let mut sessions = Vec::with_capacity(count);
    let mut state = OffsetState::default();
    let mut exported = anchor.exported.clone();
    for place in 0..count {
        let mut session =
            Session::connect(&settings.endpoint, Purpose::Sql, crate::stream::GENERAL_APPLICATION)
                .await
                .map_err(cause)?;
        // A table takes as long as it takes; how long the server may be silent meanwhile is watched by the reader.
        session.query("SET statement_timeout = 0").await.map_err(cause)?;
        for statement in initial_statements(&settings.config) {
            session.query(&statement).await.map_err(cause)?;
        }
        if place == 0 {
            state.lsn = log_position(&mut session, anchor).await.map_err(cause)?;
        }
        session.query("BEGIN").await.map_err(cause)?;
        match &exported {
            Some(name) => {
                let import = format!(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{name}'"
                );
                session.query(&import).await.map_err(cause)?;
            }
            None => {
                session.query(isolation(settings)).await.map_err(cause)?;
            }
        }
        if place == 0 {
            state = position(&mut session, state.lsn).await.map_err(cause)?;
            if exported.is_none() && count > 1 {
                let rows = session.query("SELECT pg_export_snapshot()").await.map_err(cause)?;
                exported = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
            }
        }
        sessions.push(session);
    }
    Ok((sessions, state))
}

fn isolation(settings: &Settings) -> &'static str {
    match settings.config.keys.own.snapshot_isolation_mode.trim().to_ascii_lowercase().as_str() {
        "repeatable_read" => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "read_committed" => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
        "read_uncommitted" => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY",
        _ => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
    }
}

/// Whether all statements of all readers see the same snapshot without one that came with the slot.
pub(super) fn keeps_one_snapshot(settings: &Settings) -> bool {
    !isolation(settings).contains(" READ COMMITTED") && !isolation(settings).contains(" READ UNCOMMITTED")
}

/// With `snapshot.locking.mode=shared`, keeps the tables from being altered while they are read.
pub(super) async fn lock(
    settings: &Settings,
    session: &mut Session,
    tables: &[TableId],
) -> Result<(), WireError> {
    let keys = &settings.config.keys;
    if tables.is_empty() || !keys.own.snapshot_locking_mode.eq_ignore_ascii_case("shared") {
        return Ok(());
    }
    let timeout_ms = keys.relational.snapshot_lock_timeout_ms.max(0);
    let mut statements = format!("SET lock_timeout = {timeout_ms};");
    for table in tables {
        statements.push_str(&format!("LOCK TABLE {} IN ACCESS SHARE MODE;", qualified(table)));
    }
    session.query(&statements).await.map(drop)
}

/// Where streaming begins behind a snapshot: where it is anchored or, without a slot, where the log is now.
async fn log_position(session: &mut Session, anchor: &Anchor) -> Result<Option<Lsn>, WireError> {
    if anchor.lsn.is_some() {
        return Ok(anchor.lsn);
    }
    let statement = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END::text";
    Ok(first_cell(&session.query(statement).await?).and_then(Lsn::parse))
}

/// The position of a snapshot's records: with the snapshot's own transaction and time.
async fn position(session: &mut Session, lsn: Option<Lsn>) -> Result<OffsetState, WireError> {
    let version = session.query("SHOW server_version_num").await?;
    let version: u32 = first_cell(&version).and_then(|text| text.parse().ok()).unwrap_or(0);
    let xid = if version >= 130_000 { "pg_current_xact_id()::text" } else { "txid_current()::text" };
    let statement = format!(
        "SELECT CASE WHEN pg_is_in_recovery() THEN '0' ELSE {xid} END, \
         (extract(epoch FROM current_timestamp) * 1000000)::bigint::text"
    );
    let rows = session.query(&statement).await?;
    let number =
        |column: usize| rows.first().and_then(|row| row.get(column)?.as_deref()?.parse::<i64>().ok());
    Ok(OffsetState {
        lsn,
        tx_id: number(0).filter(|xid| *xid > 0),
        ts_us: number(1),
        snapshot: Some(SnapshotState { kind: SnapshotKind::Initial, completed: false }),
        ..OffsetState::default()
    })
}

fn first_cell(rows: &[Vec<Option<String>>]) -> Option<&str> {
    rows.first()?.first()?.as_deref()
}
