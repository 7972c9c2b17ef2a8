//! Starting: what there is on the server, what the stored offset says, and so whether a snapshot comes first.

use std::sync::Arc;

use raccord_plugin::{Error, ErrorKind, OffsetMap, Result};
use tracing::{info, warn};

use crate::anchor::Anchor;
use crate::captured::CapturedTable;
use crate::catalog::TypeRegistry;
use crate::classify::{cannot_connect, cannot_start, cause, debezium, interrupted, with_cause};
use crate::columns::ColumnSettings;
use crate::gap::{self, Identity, LogEnd};
use crate::metrics::Metrics;
use crate::offset::OffsetState;
use crate::relations::Relations;
use crate::replication;
use crate::settings::Settings;
use crate::setup;
use crate::slot::{self, Found, NewSlot, Slot};
use crate::slot_watch::SlotWatch;
use crate::snapshot::Snapshot;
use crate::stream::{GENERAL_APPLICATION, Start, Stream};
use crate::wire::sql::{SqlSession, sql_error};
use crate::wire::{Lsn, Purpose, Session, WalStream, WireError};

/// The name by which the server knows the session that streams.
pub const STREAMING_APPLICATION: &str = "Debezium Streaming";

/// The server whose log a task has read, once it has.
pub type KnownServer = Arc<tokio::sync::Mutex<Option<Identity>>>;

/// What starting led to.
pub enum Started {
    /// A snapshot, and what streaming behind it needs.
    Snapshot(Box<Snapshot>, Box<Afterwards>),
    /// No snapshot: streaming may begin.
    Ready(Box<Afterwards>, Box<Start>),
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
    /// Looks at the slot.
    watch: SlotWatch,
}

/// Starts a task. `stored` is the stored offset, `raw` the same as it was stored, `known` what the task knows from before.
///
/// # Errors
/// Retriable when the server cannot be reached; everything else fails the task.
pub async fn start(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    stored: Option<OffsetState>,
    raw: Option<OffsetMap>,
    known: KnownServer,
    metrics: Arc<Metrics>,
) -> Result<Started> {
    let sql = setup::connect(&settings, GENERAL_APPLICATION).await.map_err(cannot_connect)?;
    let streams = settings.snapshot_mode.streams();
    if streams {
        setup::check_wal_level(&settings, &sql.client).await.map_err(cannot_connect)?;
    }
    setup::guardrail(&sql.client, &settings).await?;
    let types = TypeRegistry::read(&sql.client).await.map_err(cannot_connect)?;
    let server_version = setup::server_version(&sql.client).await.map_err(cannot_connect)?;
    let found = slot::read(&sql.client, &settings).await?;
    let mut session = match (streams, replication_session(&settings), &found) {
        (false, ..) => None,
        (true, session, Found::Missing) => Some(session.await.map_err(slot_not_made)?),
        (true, session, _) => Some(session.await.map_err(|error| interrupted(cause(error)))?),
    };
    let stored = Stored { state: stored, raw };
    let stored = stored.if_usable(&settings, &sql, session.as_mut(), &found, &known).await?;
    let slot = match session.as_mut() {
        Some(session) => slot_to_stream(&settings, &sql, session, found).await?,
        None => SlotAtHand::without_streaming(found),
    };
    let unfinished = stored.as_ref().is_some_and(|stored| stored.snapshot.is_some());
    if settings.snapshot_mode.takes_snapshot(stored.is_some(), unfinished) {
        let unfinished = stored.as_ref().and_then(|stored| slot.unfinished(stored, &settings));
        let anchor = match (unfinished, &slot) {
            (Some(anchor), _) => anchor,
            (None, SlotAtHand::New(new)) => Anchor::of_new(new),
            (None, SlotAtHand::Old(slot)) => {
                Anchor::beside(slot, &settings, &sql).await.map_err(interrupted)?
            }
            (None, SlotAtHand::None) => Anchor::default(),
        };
        // A session that made no slot would only sit idle for as long as the snapshot takes.
        let session = session.filter(|_| matches!(slot, SlotAtHand::New(_)));
        let watch = SlotWatch::begin(&settings, &metrics).await.map_err(cause).map_err(interrupted)?;
        let snapshot =
            Snapshot::start(settings, &columns, &sql, &types, &anchor, metrics).await.map_err(interrupted)?;
        let afterwards = Afterwards { sql, types, session, server_version, watch };
        return Ok(Started::Snapshot(Box::new(snapshot), Box::new(afterwards)));
    }
    if !streams {
        return Ok(Started::Nothing);
    }
    let begin = match stored {
        Some(stored) => {
            let lsn = stored.lsn_proc.or(stored.lsn).unwrap_or_default();
            info!("Retrieved latest position from stored offset '{lsn}'");
            Start { search: stored.lsn_proc.is_some(), state: stored, lsn, beats: false, tables: Vec::new() }
        }
        None => {
            let state = current_position(&sql).await.map_err(cannot_connect)?;
            let lsn = slot.default_start(&state);
            Start { state, lsn, search: false, beats: false, tables: Vec::new() }
        }
    };
    let watch = SlotWatch::begin(&settings, &metrics).await.map_err(cause).map_err(interrupted)?;
    let afterwards = Afterwards { sql, types, session, server_version, watch };
    Ok(Started::Ready(Box::new(afterwards), Box::new(begin)))
}

/// Streams on from the position of a snapshot that was taken, which has compiled these tables.
///
/// # Errors
/// What the server or the network says.
pub async fn stream_behind_snapshot(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    afterwards: Afterwards,
    state: OffsetState,
    tables: Vec<Arc<CapturedTable>>,
) -> Result<Started> {
    let delay = settings.config.keys.connector.streaming_delay_ms.max(0).unsigned_abs();
    tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
    let lsn = state.lsn.unwrap_or_default();
    let start = Start { state, lsn, search: false, beats: true, tables };
    stream(settings, columns, afterwards, start).await
}

/// What was stored.
struct Stored {
    state: Option<OffsetState>,
    /// The same as it was stored.
    raw: Option<OffsetMap>,
}

impl Stored {
    /// The stored offset, if the log still has it.
    ///
    /// # Errors
    /// When it has not and no snapshot may fill the gap.
    async fn if_usable(
        self,
        settings: &Settings,
        sql: &SqlSession,
        session: Option<&mut Session>,
        slot: &Found,
        known: &KnownServer,
    ) -> Result<Option<OffsetState>> {
        let mode = settings.snapshot_mode;
        let mut gap = None;
        if let Some(session) = session {
            gap = gap::identify(session, self.state.as_ref(), &mut *known.lock().await).await?;
        }
        let Some(stored) = self.state else {
            info!("Connector started with no previous offset");
            return Ok(None);
        };
        if stored.snapshot.is_some() {
            if !mode.takes_snapshot(true, true) {
                return Err(debezium(
                    "The connector previously stopped while taking a snapshot, but now the connector is configured to never \
                     allow snapshots. Reconfigure the connector to use snapshots initially or when needed.",
                ));
            }
            // On another log the marks of a snapshot that was begun mean nothing.
            let reached = stored.reached.clone().filter(|_| gap.is_none());
            return Ok(Some(OffsetState { reached, ..stored }));
        }
        if !settings.config.keys.connector.internal_log_position_check_enable || !mode.streams() {
            return Ok(Some(stored));
        }
        if gap.is_none() {
            let end = log_end(sql).await.map_err(cannot_connect)?;
            gap = gap::find(&stored, slot, end)?;
        }
        let Some(gap) = gap else { return Ok(Some(stored)) };
        warn!(?gap, "Last recorded offset is no longer available on the server.");
        if mode.snapshots_on_data_error() {
            info!("Attempting to snapshot data to fill the gap.");
            return Ok(None);
        }
        Err(gap.error(&stored, self.raw, settings))
    }
}

/// Where the server's log ends.
async fn log_end(sql: &SqlSession) -> Result<LogEnd, WireError> {
    let statement = "\
        SELECT CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
                    ELSE pg_current_wal_lsn() END::text, \
               pg_is_in_recovery()";
    let row = sql.client.query_one(statement, &[]).await.map_err(sql_error)?;
    let lsn: Option<String> = row.get(0);
    Ok(LogEnd { lsn: lsn.as_deref().and_then(Lsn::parse).unwrap_or_default(), standby: row.get(1) })
}

/// The slot that a start found or made.
enum SlotAtHand {
    /// It was there before.
    Old(Slot),
    /// It was made just now.
    New(NewSlot),
    /// There is none, and nothing will be streamed.
    None,
}

impl SlotAtHand {
    fn without_streaming(found: Found) -> Self {
        match found {
            Found::Slot(slot) => Self::Old(slot),
            Found::Missing | Found::Lost(_) => Self::None,
        }
    }

    /// The place of a snapshot that was not completed, if it may be gone on with.
    fn unfinished(&self, stored: &OffsetState, settings: &Settings) -> Option<Anchor> {
        settings.snapshot_page_rows?;
        match self {
            Self::Old(slot) if settings.snapshot_mode.streams() => Anchor::of_unfinished(stored, Some(slot)),
            Self::Old(_) | Self::None => Anchor::of_unfinished(stored, None),
            // What was committed before it was made is not streamed.
            Self::New(_) => None,
        }
    }

    /// Where streaming begins without stored offset and snapshot: at the new slot, or where the slot is.
    fn default_start(&self, now: &OffsetState) -> Lsn {
        let current = now.lsn.unwrap_or_default();
        match self {
            Self::New(new) => new.consistent_point,
            Self::Old(slot) => slot.confirmed_flush.min(current),
            Self::None => current,
        }
    }
}

/// The slot to stream from; made when there is none, or only a lost one that may be replaced.
async fn slot_to_stream(
    settings: &Settings,
    sql: &SqlSession,
    session: &mut Session,
    found: Found,
) -> Result<SlotAtHand> {
    match found {
        Found::Slot(slot) => return Ok(SlotAtHand::Old(slot)),
        Found::Missing => {}
        Found::Lost(reason) if !settings.snapshot_mode.snapshots_on_data_error() => {
            return Err(gap::lost(settings, &reason));
        }
        Found::Lost(reason) => {
            warn!(
                reason,
                "The replication slot is lost: it is dropped and made anew, as snapshot.mode allows"
            );
            let dropped = slot::drop(&sql.client, &settings.config.keys.postgres.slot_name).await;
            dropped.map_err(|error| cannot_start("Cannot drop the lost replication slot", error))?;
        }
    }
    make_slot(settings, sql, session).await.map(SlotAtHand::New)
}

/// Makes the slot, after the publication.
async fn make_slot(settings: &Settings, sql: &SqlSession, session: &mut Session) -> Result<NewSlot> {
    setup::publication(&sql.client, settings).await.map_err(fatal)?;
    let life = slot::life(&sql.client, settings).await.map_err(slot_not_made)?;
    let name = &settings.config.keys.postgres.slot_name;
    let slot = slot::create(session, &sql.client, settings, name, life).await.map_err(slot_not_made)?;
    info!(slot = name, at = %slot.consistent_point, "Created replication slot");
    Ok(slot)
}

fn slot_not_made(error: WireError) -> Error {
    let mut message = "Creation of replication slot failed".to_owned();
    if error.to_string().contains("already exists") {
        message += "; when setting up multiple connectors for the same database host, please make sure to use a distinct \
                    replication slot name for each.";
    }
    cannot_start(&message, error)
}

/// What fails while a task starts is not tried again.
fn fatal(error: Error) -> Error {
    let message = error.message().to_owned();
    error.becoming(ErrorKind::Fatal, message)
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
///
/// # Errors
/// What the server or the network says.
pub async fn stream(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    afterwards: Afterwards,
    start: Start,
) -> Result<Started> {
    begin_to_stream(settings, columns, afterwards, start).await.map_err(interrupted)
}

async fn begin_to_stream(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    afterwards: Afterwards,
    mut start: Start,
) -> Result<Started> {
    let Afterwards { sql, types, session, server_version, watch } = afterwards;
    setup::publication(&sql.client, &settings).await?;
    setup::replica_identities(&sql.client, &settings).await?;
    let lsn = start.lsn;
    let session = match session {
        Some(session) => session,
        None => replication_session(&settings).await.map_err(cause)?,
    };
    let wal = begin(&settings, session, server_version, lsn).await?;
    let compiled = std::mem::take(&mut start.tables);
    let relations = Relations::new(settings.clone(), columns.clone(), types, compiled);
    let mut stream = Stream::new(settings.clone(), &columns, wal, sql, relations, watch, start)?;
    if stream.is_searching() {
        stream.search().await?;
        stream.stop_first_pass().await;
        let session = replication_session(&settings).await.map_err(cause)?;
        stream.second_pass(begin(&settings, session, server_version, lsn).await?);
    }
    Ok(Started::Stream(Box::new(stream)))
}

async fn replication_session(settings: &Settings) -> Result<Session, WireError> {
    Session::connect(&settings.endpoint, Purpose::Replication, STREAMING_APPLICATION).await
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
        session = replication_session(settings).await.map_err(cause)?;
    }
}
