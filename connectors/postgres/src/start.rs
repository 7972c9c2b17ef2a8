//! Starting: what there is on the server, what the stored offset says, and so whether a snapshot comes first.

use std::sync::Arc;

use raccord_plugin::{Error, OffsetMap, Result};
use tracing::{info, warn};

use crate::catalog::TypeRegistry;
use crate::classify::{cannot_connect, cannot_start, cause, debezium, interrupted, with_cause};
use crate::columns::ColumnSettings;
use crate::offset::OffsetState;
use crate::replication;
use crate::settings::Settings;
use crate::setup::{self, NewSlot, Slot};
use crate::snapshot::Snapshot;
use crate::stream::{GENERAL_APPLICATION, Start, Stream};
use crate::wire::sql::{SqlSession, sql_error};
use crate::wire::{Lsn, Purpose, Session, WalStream, WireError};

/// The name by which the server knows the session that streams.
const STREAMING_APPLICATION: &str = "Debezium Streaming";

/// What starting led to.
pub enum Started {
    /// A snapshot, and what streaming behind it needs.
    Snapshot(Box<Snapshot>, Box<Afterwards>),
    /// Streaming.
    Stream(Box<Stream>),
    /// Neither: that is what the config says.
    Nothing,
}

/// Sessions that streaming goes on with.
pub struct Afterwards {
    sql: SqlSession,
    types: TypeRegistry,
    /// The session that made the slot.
    session: Option<Session>,
    server_version: u32,
}

/// Starts a task. `stored` is the stored offset, `raw` the same as it was stored.
///
/// # Errors
/// Retriable when the server cannot be reached; everything else fails the task.
pub async fn start(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    stored: Option<OffsetState>,
    raw: Option<OffsetMap>,
) -> Result<Started> {
    let sql = setup::connect(&settings, GENERAL_APPLICATION).await.map_err(cannot_connect)?;
    let streams = settings.snapshot_mode.streams();
    if streams {
        setup::check_wal_level(&sql.client).await?;
    }
    let types = TypeRegistry::read(&sql.client).await.map_err(cannot_connect)?;
    let server_version = setup::server_version(&sql.client).await.map_err(cannot_connect)?;
    let slot = setup::read_slot(&sql.client, &settings).await?;
    let stored = usable_offset(&settings, stored, raw, slot.as_ref())?;
    let (mut session, mut new_slot) = (None, None);
    if streams && slot.is_none() {
        let (made_by, made) = make_slot(&settings, &sql).await?;
        (session, new_slot) = (Some(made_by), Some(made));
    }
    let afterwards = Afterwards { sql, types, session, server_version };
    let unfinished = stored.as_ref().is_some_and(|stored| stored.snapshot.is_some());
    if settings.snapshot_mode.takes_snapshot(stored.is_some(), unfinished) {
        let Afterwards { sql, types, .. } = &afterwards;
        let snapshot = Snapshot::start(settings, &columns, sql, types, new_slot.as_ref()).await;
        return Ok(Started::Snapshot(Box::new(snapshot.map_err(interrupted)?), Box::new(afterwards)));
    }
    if !streams {
        return Ok(Started::Nothing);
    }
    let begin = match stored {
        Some(stored) => {
            let lsn = stored.lsn_proc.or(stored.lsn).unwrap_or_default();
            info!("Retrieved latest position from stored offset '{lsn}'");
            Start { search: stored.lsn_proc.is_some(), state: stored, lsn, beats: false }
        }
        None => {
            let state = current_position(&afterwards.sql).await.map_err(cannot_connect)?;
            let lsn = default_start(new_slot.as_ref(), slot.as_ref(), &state);
            Start { state, lsn, search: false, beats: false }
        }
    };
    stream(settings, columns, afterwards, begin).await.map_err(interrupted)
}

/// Streams on from the position of a snapshot that was taken.
///
/// # Errors
/// What the server or the network says.
pub async fn stream_behind_snapshot(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    afterwards: Afterwards,
    state: OffsetState,
) -> Result<Started> {
    let delay = settings.config.keys.connector.streaming_delay_ms.max(0).unsigned_abs();
    tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
    let lsn = state.lsn.unwrap_or_default();
    let start = Start { state, lsn, search: false, beats: true };
    stream(settings, columns, afterwards, start).await.map_err(interrupted)
}

/// The stored offset, if the log still has it.
///
/// # Errors
/// When it has not and no snapshot may fill the gap.
fn usable_offset(
    settings: &Settings,
    stored: Option<OffsetState>,
    raw: Option<OffsetMap>,
    slot: Option<&Slot>,
) -> Result<Option<OffsetState>> {
    let Some(stored) = stored else {
        info!("Connector started with no previous offset");
        return Ok(None);
    };
    let mode = settings.snapshot_mode;
    if stored.snapshot.is_some() {
        if !mode.takes_snapshot(true, true) {
            return Err(debezium(
                "The connector previously stopped while taking a snapshot, but now the connector is configured to never \
                 allow snapshots. Reconfigure the connector to use snapshots initially or when needed.",
            ));
        }
        return Ok(Some(stored));
    }
    if !settings.config.keys.connector.internal_log_position_check_enable || !mode.streams() {
        return Ok(Some(stored));
    }
    let available = slot.is_some_and(|slot| stored.lsn_commit.is_none_or(|commit| slot.restart <= commit));
    if available {
        return Ok(Some(stored));
    }
    warn!("Last recorded offset is no longer available on the server.");
    if mode.snapshots_on_data_error() {
        info!("Attempting to snapshot data to fill the gap.");
        return Ok(None);
    }
    let offset = raw.map(|raw| serde_json::Value::Object(raw).to_string()).unwrap_or_default();
    Err(setup::position_lost(&offset))
}

/// Makes the slot, after the publication.
async fn make_slot(settings: &Settings, sql: &SqlSession) -> Result<(Session, NewSlot)> {
    let failed = |error: WireError| {
        let mut message = "Creation of replication slot failed".to_owned();
        if error.to_string().contains("already exists") {
            message += "; when setting up multiple connectors for the same database host, please make sure to use a \
                        distinct replication slot name for each.";
        }
        cannot_start(&message, error)
    };
    let mut session = Session::connect(&settings.endpoint, Purpose::Replication, STREAMING_APPLICATION)
        .await
        .map_err(|error| cannot_start("Cannot open a replication connection", error))?;
    setup::publication(&sql.client, settings).await.map_err(fatal)?;
    let failover = setup::wants_failover(&sql.client, settings).await.map_err(failed)?;
    let slot = setup::create_slot(&mut session, settings, failover).await.map_err(failed)?;
    info!(slot = settings.config.keys.postgres.slot_name, at = %slot.consistent_point, "Created replication slot");
    Ok((session, slot))
}

/// What fails while a task starts is not tried again.
fn fatal(error: Error) -> Error {
    match error.kind() {
        raccord_plugin::ErrorKind::Retriable => with_cause(debezium("Cannot prepare the publication"), error),
        _ => error,
    }
}

/// Where streaming begins without stored offset: at the new slot, or where the slot is.
fn default_start(new_slot: Option<&NewSlot>, slot: Option<&Slot>, state: &OffsetState) -> Lsn {
    let current = state.lsn.unwrap_or_default();
    match (new_slot, slot) {
        (Some(new), _) => new.consistent_point,
        (None, Some(slot)) => slot.confirmed_flush.min(current),
        (None, None) => current,
    }
}

/// The position where the log is now.
async fn current_position(sql: &SqlSession) -> Result<OffsetState, WireError> {
    let statement = "\
        SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END::text, \
               CASE WHEN pg_is_in_recovery() THEN 0 ELSE txid_current() END, \
               (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let row = sql.client.query_one(statement, &[]).await.map_err(sql_error)?;
    let xid: i64 = row.get(1);
    Ok(OffsetState {
        lsn: Lsn::parse(row.get(0)),
        tx_id: (xid > 0).then_some(xid),
        ts_us: row.get(2),
        ..OffsetState::default()
    })
}

/// Prepares the server and begins to stream; with a search, goes through its two passes.
async fn stream(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    afterwards: Afterwards,
    start: Start,
) -> Result<Started> {
    let Afterwards { sql, types, session, server_version } = afterwards;
    setup::publication(&sql.client, &settings).await?;
    setup::replica_identities(&sql.client, &settings).await?;
    let lsn = start.lsn;
    let session = match session {
        Some(session) => session,
        None => replication_session(&settings).await?,
    };
    let wal = begin(&settings, session, server_version, lsn).await?;
    let mut stream = Stream::new(settings.clone(), columns, wal, sql, types, start)?;
    if stream.is_searching() {
        stream.search().await?;
        stream.stop_first_pass().await;
        let session = replication_session(&settings).await?;
        stream.second_pass(begin(&settings, session, server_version, lsn).await?);
    }
    Ok(Started::Stream(Box::new(stream)))
}

async fn replication_session(settings: &Settings) -> Result<Session> {
    Session::connect(&settings.endpoint, Purpose::Replication, STREAMING_APPLICATION).await.map_err(cause)
}

/// Begins to stream; tries `slot.max.retries` times, since a slot may still be in use by a session that is ending.
async fn begin(settings: &Settings, session: Session, server_version: u32, lsn: Lsn) -> Result<WalStream> {
    let retries = settings.config.keys.postgres.slot_max_retries;
    let mut session = session;
    let mut tries = 0;
    loop {
        let error = match replication::begin(settings, session, server_version, lsn).await {
            Ok(wal) => return Ok(wal),
            Err(error) => error,
        };
        tries += 1;
        if tries > retries {
            let mut message = format!("Failed to start replication stream at LSN{{{lsn}}}");
            if error.message().contains("is active") {
                message += "; when setting up multiple connectors for the same database host, please make sure to use a \
                            distinct replication slot name for each.";
            }
            let outer = Error::new(error.kind(), message).class("io.debezium.DebeziumException");
            return Err(with_cause(outer, error));
        }
        warn!(
            trace = error.trace(),
            "Failed to start replication stream at LSN{{{lsn}}}, waiting for {} ms and retrying, attempt number {tries} over {retries}",
            settings.slot_retry_delay.as_millis(),
        );
        tokio::time::sleep(settings.slot_retry_delay).await;
        session = replication_session(settings).await?;
    }
}
