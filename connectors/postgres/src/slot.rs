//! The replication slot: what the server says of it, making it and dropping it.

use std::time::Duration;

use raccord_plugin::{Error, Result};
use tokio_postgres::{Client, SimpleQueryMessage};
use tracing::{info, warn};

use crate::classify::cause;
use crate::settings::Settings;
use crate::setup::{in_recovery, literal, one_text, server_version};
use crate::wire::sql::sql_error;
use crate::wire::{Lsn, Session, WireError};

/// How often a slot without confirmed position is looked at again, and how long is waited between.
const ATTEMPTS: u32 = 900;
const PAUSE: Duration = Duration::from_secs(2);
/// After how long, and then how often, is said for whom a slot that is being made waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Transactions that a slot which is being made may wait for, oldest first. No texts of statements: they hold values.
const RUNNING: &str = "\
    SELECT string_agg(format('pid %s of %s (%s) since %s', pid, usename, state, xact_start::timestamp(0)), ', ' ORDER BY xact_start) \
    FROM pg_catalog.pg_stat_activity \
    WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '5 seconds'";

/// A replication slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Up to where the server may have forgotten: streaming begins here at the earliest.
    pub confirmed_flush: Lsn,
    /// The oldest transaction whose catalog rows are kept.
    pub catalog_xmin: i64,
}

/// What there is under the slot's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A slot that the server has given up, with its reason: it can only be dropped.
    Lost(String),
    /// A slot.
    Slot(Slot),
}

/// A slot that was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlot {
    /// Where its stream begins.
    pub consistent_point: Lsn,
    /// The snapshot that shows everything before that and nothing after. Lives as long as the session that made the slot
    /// does nothing else.
    pub snapshot_name: String,
}

/// How long a slot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Until it is dropped.
    Kept,
    /// The same, and standbys take it over (PostgreSQL 17 and later).
    Failover,
    /// As long as the session that makes it.
    Temporary,
}

/// What there is under the slot's name for pgoutput in this database. A slot whose position is not confirmed yet,
/// because old transactions still run, is waited for.
///
/// # Errors
/// What the server says, or that the wait was in vain.
pub async fn read(client: &Client, settings: &Settings) -> Result<Found> {
    let name = &settings.config.keys.postgres.slot_name;
    // What older servers have not is looked up in the row as a whole.
    let statement = format!(
        "SELECT coalesce(confirmed_flush_lsn, restart_lsn)::text, restart_lsn::text, coalesce(catalog_xmin::text::bigint, 0)::text, \
                coalesce(to_jsonb(s)->>'wal_status', ''), \
                coalesce(to_jsonb(s)->>'invalidation_reason', CASE to_jsonb(s)->>'conflicting' WHEN 'true' THEN 'conflict' END, '') \
         FROM pg_catalog.pg_replication_slots s \
         WHERE slot_name = {} AND database = {} AND plugin = 'pgoutput'",
        literal(name),
        literal(settings.config.database()),
    );
    for _ in 0..ATTEMPTS {
        let messages = client.simple_query(&statement).await.map_err(|error| cause(sql_error(error)))?;
        let Some(row) = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        }) else {
            return Ok(Found::Missing);
        };
        let (status, reason) = (row.get(3).unwrap_or_default(), row.get(4).unwrap_or_default());
        if status == "lost" || !reason.is_empty() {
            let reason = if reason.is_empty() { "wal_removed" } else { reason };
            return Ok(Found::Lost(reason.to_owned()));
        }
        if status == "unreserved" {
            warn!(
                slot = name,
                "the server is about to remove log that this slot needs: wal_status is unreserved"
            );
        }
        let lsn = |column| row.get(column).and_then(Lsn::parse);
        if let (Some(confirmed_flush), Some(_)) = (lsn(0), lsn(1)) {
            let catalog_xmin = row.get(2).and_then(|xmin| xmin.parse().ok()).unwrap_or(0);
            return Ok(Found::Slot(Slot { confirmed_flush, catalog_xmin }));
        }
        warn!(
            slot = name,
            "Cannot obtain valid replication slot; a concurrent transaction probably blocks it, or it was invalidated"
        );
        tokio::time::sleep(PAUSE).await;
    }
    Err(Error::fatal(
        "Unable to obtain valid replication slot. Make sure there are no long-running transactions running in parallel \
         as they may hinder the allocation of the replication slot when starting this connector",
    )
    .hint("look at wal_status in pg_replication_slots: a lost slot has to be dropped, and a new snapshot taken"))
}

/// Makes a slot and exports its snapshot. Waits for the transactions that run, and says so; `client` asks who they are.
///
/// # Errors
/// What the server says.
pub async fn create(
    session: &mut Session,
    client: &Client,
    settings: &Settings,
    name: &str,
    life: Life,
) -> Result<NewSlot, WireError> {
    let name = crate::setup::identifier(name);
    let (temporary, options) = match life {
        Life::Kept => ("", ""),
        Life::Failover => ("", "( FAILOVER )"),
        Life::Temporary => ("TEMPORARY", ""),
    };
    let command = format!("CREATE_REPLICATION_SLOT {name} {temporary} LOGICAL pgoutput {options}");
    info!("Creating replication slot with command {command}");
    let mut tries = 0;
    let rows = loop {
        match made(session, client, &command).await {
            Err(WireError::Server(error)) if matches!(error.code.as_str(), "57014" | "55P03") => {
                tries += 1;
                if tries > settings.config.keys.postgres.slot_max_retries {
                    return Err(WireError::Server(error));
                }
                warn!(%error, tries, "Creation of replication slot timed out; please make sure that there are no long running queries on the database");
                tokio::time::sleep(settings.slot_retry_delay).await;
            }
            rows => break rows?,
        }
    };
    let cell = |column: usize| rows.first().and_then(|row| row.get(column)?.clone());
    match (cell(1).as_deref().and_then(Lsn::parse), cell(2)) {
        (Some(consistent_point), Some(snapshot_name)) => Ok(NewSlot { consistent_point, snapshot_name }),
        _ => Err(WireError::Protocol("No replication slot found".to_owned())),
    }
}

/// Runs the command, and says from time to time for whom it waits.
async fn made(
    session: &mut Session,
    client: &Client,
    command: &str,
) -> Result<Vec<Vec<Option<String>>>, WireError> {
    let made = session.query(command);
    tokio::pin!(made);
    loop {
        tokio::select! {
            rows = &mut made => return rows,
            () = tokio::time::sleep(PATIENCE) => tell_who_runs(client).await,
        }
    }
}

/// Says which transactions have to end before a slot or a snapshot is there.
pub async fn tell_who_runs(client: &Client) {
    match one_text(client, RUNNING).await {
        Ok(running) => warn!(
            transactions = running.unwrap_or_default(),
            "waiting for transactions that run on the server to end"
        ),
        Err(error) => warn!(%error, "waiting for transactions that run on the server to end"),
    }
}

/// Whether `slot.failover` is asked for and possible: PostgreSQL 17 or later, and not on a standby.
///
/// # Errors
/// What the server says.
pub async fn life(client: &Client, settings: &Settings) -> Result<Life, WireError> {
    let asked = settings.config.keys.postgres.slot_failover;
    match asked && server_version(client).await? >= 170_000 && !in_recovery(client).await? {
        true => Ok(Life::Failover),
        false => Ok(Life::Kept),
    }
}

/// Drops a slot.
///
/// # Errors
/// What the server says.
pub async fn drop(client: &Client, name: &str) -> Result<(), WireError> {
    one_text(client, &format!("SELECT pg_drop_replication_slot({})", literal(name))).await.map(std::mem::drop)
}
