//! The snapshot: all rows of the captured tables as they were at one position of the log.
//!
//! # Why nothing is lost between snapshot and streaming
//! Making a slot exports a snapshot that shows exactly what was committed before the slot's consistent point; streaming
//! begins at that point. Every reader imports that snapshot ([`readers`]), so a row is read by all of them or streamed, and
//! never neither. The session that made the slot does nothing else until all have imported it, because that would end it.
//!
//! A slot that was there before is older than the snapshot: then streaming begins where the log was right before the
//! snapshot, so that what is between is streamed as well as read. (Debezium asks for the position after the snapshot.)
//!
//! # Why a crash loses nothing
//! The offset says `snapshot: INITIAL` until the last record, whose offset says that it is completed. Any offset
//! before makes the next start take the snapshot again.
//!
//! # Order
//! Tables in the order of the patterns of `table.include.list`, then by name. With one reader, records have Debezium's
//! markers: the first and the last of all, of each table. The last record of each table is held back until it is known
//! whether it is the last of all. With several readers tables are read at once, and there is no first; a large table is
//! read in [`parts`], and then it ends with the last of these.

mod parts;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use raccord_cdc::{Patterns, SnapshotMarker, SnapshotRequest, TableId};
use raccord_data::Value;
use raccord_plugin::{Error, Result, SourceBatch};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::captured::CapturedTable;
use crate::catalog::{TypeRegistry, all_tables, read_table};
use crate::classify::{cause, with_cause};
use crate::columns::ColumnSettings;
use crate::emit::Emitter;
use crate::offset::{OffsetState, Positions, SnapshotKind, SnapshotState};
use crate::settings::Settings;
use crate::setup::{NewSlot, identifier, initial_statements, qualified};
use crate::wire::sql::SqlSession;
use crate::wire::{Lsn, Purpose, Session, WireError};

/// Chunks of rows that a reader may be ahead.
const CHUNKS_AHEAD: usize = 16;
/// The first bytes of a binary COPY.
const COPY_SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// A snapshot under way.
pub struct Snapshot {
    emitter: Emitter,
    state: OffsetState,
    tables: Vec<Arc<TableRead>>,
    chunks: mpsc::Receiver<Result<RowChunk>>,
    /// Rows of readers that are not looked at yet.
    frames: Option<RowChunk>,
    /// The last row of each table that is being read, until the next one or the end of the table is known.
    pending: Vec<Option<PendingRow>>,
    /// The last row of the table that ended last.
    held: Option<(usize, PendingRow)>,
    /// Parts of each table that have not ended.
    parts_left: Vec<usize>,
    tables_left: usize,
    single: bool,
    fields: Vec<Option<(usize, usize)>>,
    _readers: Vec<AbortOnDropHandle<()>>,
}

/// A table with the statements that read it.
struct TableRead {
    table: Arc<CapturedTable>,
    /// For each column of the table its place in the rows; `None` when it is not read.
    places: Vec<Option<usize>>,
    /// The statements that read its parts.
    copies: Vec<String>,
}

/// Frames of CopyData of one table; without frames, the end of one of its parts.
struct RowChunk {
    table: usize,
    frames: Option<Bytes>,
}

struct PendingRow {
    row: Bytes,
    first: bool,
}

/// Sessions that all see the same snapshot, and the position of it.
async fn readers(
    settings: &Settings,
    new_slot: Option<&NewSlot>,
    count: usize,
) -> Result<(Vec<Session>, OffsetState)> {
    let mut sessions = Vec::with_capacity(count);
    let mut state = OffsetState::default();
    let mut exported = new_slot.map(|slot| slot.snapshot_name.clone());
    for place in 0..count {
        let mut session =
            Session::connect(&settings.endpoint, Purpose::Sql, crate::stream::GENERAL_APPLICATION)
                .await
                .map_err(cause)?;
        for statement in initial_statements(&settings.config) {
            session.query(&statement).await.map_err(cause)?;
        }
        if place == 0 {
            state.lsn = log_position(&mut session, new_slot).await.map_err(cause)?;
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
fn keeps_one_snapshot(settings: &Settings) -> bool {
    !isolation(settings).contains(" READ COMMITTED") && !isolation(settings).contains(" READ UNCOMMITTED")
}

/// With `snapshot.locking.mode=shared`, keeps the tables from being altered while they are read.
async fn lock(settings: &Settings, session: &mut Session, tables: &[TableId]) -> Result<(), WireError> {
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

/// Where streaming begins behind a snapshot: at the slot that was made for it, or where the log was before the snapshot.
async fn log_position(session: &mut Session, new_slot: Option<&NewSlot>) -> Result<Option<Lsn>, WireError> {
    if let Some(slot) = new_slot {
        return Ok(Some(slot.consistent_point));
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

impl Snapshot {
    /// Prepares everything and begins to read. When this returns, all readers have imported the snapshot of the slot.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn start(
        settings: Arc<Settings>,
        columns: &ColumnSettings,
        sql: &SqlSession,
        types: &TypeRegistry,
        new_slot: Option<&NewSlot>,
    ) -> Result<Self> {
        info!("Snapshot step 2 - Determining captured tables");
        let ids = tables_to_read(&settings, sql).await?;
        let threads_max = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let blocks = match threads_max > 1 && (new_slot.is_some() || keeps_one_snapshot(&settings)) {
            true => parts::blocks(sql).await?,
            false => HashMap::new(),
        };
        let conditions: Vec<Vec<String>> = ids
            .iter()
            .map(|id| parts::conditions(blocks.get(id).copied().unwrap_or(0), threads_max))
            .collect();
        let threads = threads_max.min(conditions.iter().map(Vec::len).sum::<usize>().max(1));
        // As Debezium counts its readers, which never share a table.
        let single = threads_max.min(ids.len()) <= 1;
        info!("Snapshot step 4 - Determining snapshot offset");
        let delay = settings.config.keys.connector.snapshot_delay_ms.max(0).unsigned_abs();
        tokio::time::sleep(std::time::Duration::from_millis(delay)).await;
        let (mut sessions, state) = readers(&settings, new_slot, threads).await?;
        if let Some(first) = sessions.first_mut() {
            lock(&settings, first, &ids).await.map_err(cause)?;
        }
        info!("Snapshot step 5 - Reading structure of captured tables");
        let mut tables = Vec::with_capacity(ids.len());
        for (id, conditions) in ids.iter().zip(&conditions) {
            let Some(table) = read_table(&sql.client, id, types).await.map_err(cause)? else { continue };
            let captured = CapturedTable::new(table, types, &settings, columns);
            let statement = settings.select_override(id);
            tables.push(Arc::new(TableRead::new(sql, captured, statement, conditions).await?));
        }
        Ok(Self::begin(settings, sessions, tables, state, single))
    }

    /// Prepares a snapshot that a signal asks for, and begins to read. Its records have the position of `at`, behind which
    /// streaming goes on.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn blocking(
        settings: Arc<Settings>,
        columns: &ColumnSettings,
        sql: &SqlSession,
        types: &TypeRegistry,
        request: &SnapshotRequest,
        at: OffsetState,
    ) -> Result<Self> {
        let ids = tables_asked_for(&settings, sql, request).await?;
        let threads = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let (mut sessions, read_at) = readers(&settings, None, threads.min(ids.len().max(1))).await?;
        if let Some(first) = sessions.first_mut() {
            lock(&settings, first, &ids).await.map_err(cause)?;
        }
        let mut tables = Vec::with_capacity(ids.len());
        for id in &ids {
            let Some(table) = read_table(&sql.client, id, types).await.map_err(cause)? else { continue };
            let captured = CapturedTable::new(table, types, &settings, columns);
            let name = id.to_string();
            let own = request.conditions.iter().find(|condition| condition.pattern == name);
            let statement = own.and_then(|condition| condition.filter.as_deref());
            tables.push(Arc::new(TableRead::new(sql, captured, statement, &[String::new()]).await?));
        }
        let single = sessions.len() == 1;
        let snapshot = Some(SnapshotState { kind: SnapshotKind::Blocking, completed: false });
        let state = OffsetState { snapshot, ts_us: read_at.ts_us, ..at };
        Ok(Self::begin(settings, sessions, tables, state, single))
    }

    /// Begins to read, with as many readers as there are sessions; `single` says whether records are marked as one
    /// reader's.
    fn begin(
        settings: Arc<Settings>,
        sessions: Vec<Session>,
        tables: Vec<Arc<TableRead>>,
        state: OffsetState,
        single: bool,
    ) -> Self {
        info!("Snapshot step 7 - Snapshotting data");
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let copies = tables.iter().enumerate();
        let queue: VecDeque<(usize, String)> = copies
            .flat_map(|(place, read)| read.copies.iter().map(move |copy| (place, copy.clone())))
            .collect();
        let queue = Arc::new(std::sync::Mutex::new(queue));
        let readers = sessions.into_iter().map(|session| {
            let reader = Reader { session, queue: Arc::clone(&queue), sender: sender.clone() };
            AbortOnDropHandle::new(tokio::spawn(reader.run()))
        });
        Self {
            emitter: Emitter::new(Arc::clone(&settings)),
            state,
            pending: tables.iter().map(|_| None).collect(),
            parts_left: tables.iter().map(|read| read.copies.len()).collect(),
            tables_left: tables.len(),
            single,
            chunks,
            frames: None,
            held: None,
            fields: Vec::new(),
            _readers: readers.collect(),
            tables,
        }
    }

    /// The position of the snapshot, from which streaming goes on.
    pub fn state(&self) -> &OffsetState {
        &self.state
    }

    /// Fills the batch; says whether all has been read. Cancel-safe.
    ///
    /// # Errors
    /// What the server or the network says, or a value that cannot be read.
    pub async fn poll(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<bool> {
        loop {
            while let Some(chunk) = &mut self.frames {
                if batch.is_full() {
                    return Ok(false);
                }
                let table = chunk.table;
                match chunk.frames.as_mut().and_then(next_row) {
                    Some(row) => self.row(table, row?, positions, batch)?,
                    None => self.frames = None,
                }
            }
            if self.tables_left == 0 {
                self.complete(positions, batch)?;
                return Ok(true);
            }
            let chunk = match self.chunks.try_recv() {
                Ok(chunk) => chunk,
                Err(_) if !batch.is_empty() => return Ok(false),
                Err(_) => self
                    .chunks
                    .recv()
                    .await
                    .unwrap_or_else(|| Err(Error::retriable("the readers of the snapshot ended"))),
            }?;
            match chunk.frames {
                Some(_) => self.frames = Some(chunk),
                None => self.part_ended(chunk.table, positions, batch)?,
            }
        }
    }

    fn row(
        &mut self,
        table: usize,
        row: Bytes,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) -> Result<()> {
        let before = self.pending[table].take();
        let first = before.is_none();
        match before {
            Some(before) => {
                let marker = match (before.first, self.single && table == 0) {
                    (true, true) => SnapshotMarker::First,
                    (true, false) => SnapshotMarker::FirstInDataCollection,
                    (false, _) => SnapshotMarker::True,
                };
                self.emit(table, &before.row, marker, positions, batch)?;
            }
            None => self.release(positions, batch)?,
        }
        self.pending[table] = Some(PendingRow { row, first });
        Ok(())
    }

    fn part_ended(&mut self, table: usize, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        self.parts_left[table] -= 1;
        if self.parts_left[table] > 0 {
            return Ok(());
        }
        self.tables_left -= 1;
        info!(table = %self.tables[table].table.plan.id(), left = self.tables_left, "Finished exporting a table");
        if let Some(last) = self.pending[table].take() {
            self.release(positions, batch)?;
            self.held = Some((table, last));
        }
        Ok(())
    }

    /// Emits the last row of the table that ended before: it is not the last of all.
    fn release(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        let Some((table, row)) = self.held.take() else { return Ok(()) };
        let marker = match row.first && self.single && table == 0 {
            true => SnapshotMarker::First,
            false => SnapshotMarker::LastInDataCollection,
        };
        self.emit(table, &row.row, marker, positions, batch)
    }

    /// Emits the last row of all.
    fn complete(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        if let Some(snapshot) = &mut self.state.snapshot {
            snapshot.completed = true;
        }
        if let Some((table, row)) = self.held.take() {
            self.emit(table, &row.row, SnapshotMarker::Last, positions, batch)?;
        }
        Ok(())
    }

    fn emit(
        &mut self,
        table: usize,
        row: &Bytes,
        marker: SnapshotMarker,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) -> Result<()> {
        let read = &self.tables[table];
        split(row, &mut self.fields).ok_or_else(|| Error::fatal("a row of COPY is broken"))?;
        let fields = &self.fields;
        let cell = |column: usize| {
            let place = read.places[column];
            let field = place.and_then(|place| fields.get(place).copied().flatten());
            let plan = &read.table.columns[column];
            match field {
                Some((start, end)) => plan.decode_binary(row.slice(start..end)),
                None => Ok::<Value, Error>(plan.null()),
            }
        };
        let key_and_row = read.table.plan.row(cell).map_err(|error| {
            with_cause(Error::fatal(format!("Snapshotting of table {} failed", read.table.plan.id())), error)
        })?;
        let position = positions.ticket(&self.state);
        self.emitter.read(&read.table, key_and_row, marker, &self.state, position, row.len(), batch);
        Ok(())
    }
}

impl TableRead {
    /// `statement` reads it, when it is not the usual one; `conditions` are those of its parts.
    async fn new(
        sql: &SqlSession,
        table: Arc<CapturedTable>,
        statement: Option<&str>,
        conditions: &[String],
    ) -> Result<Self> {
        let id = table.plan.id();
        let from = match statement {
            Some(statement) => format!("({}) AS \"_\"", statement.trim().trim_end_matches(';')),
            None => qualified(id),
        };
        // An override may leave columns out.
        let described = match from.starts_with('(') {
            true => {
                let statement = format!("SELECT * FROM {from}");
                let prepared = sql.client.prepare(&statement).await;
                let prepared = prepared.map_err(|error| cause(crate::wire::sql::sql_error(error)))?;
                Some(prepared.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>())
            }
            false => None,
        };
        let there =
            |name: &str| described.as_ref().is_none_or(|names| names.iter().any(|there| there == name));
        let (places, selected) = selection(&table, there);
        // The rows of a statement of a user have no place in the table.
        let whole = [String::new()];
        let conditions = if described.is_none() { conditions } else { &whole };
        let copy = |condition: &String| {
            let select = format!("SELECT {} FROM {from}{condition}", selected.join(", "));
            let copy = format!("COPY ({select}) TO STDOUT (FORMAT binary)");
            info!(table = %id, "Exporting data with statement {copy}");
            copy
        };
        let copies = conditions.iter().map(copy).collect();
        Ok(Self { table, places, copies })
    }
}

/// What to select of a table: for each of its columns the place in the rows, `None` when it is not read; and the columns
/// as expressions of SQL.
pub fn selection(table: &CapturedTable, there: impl Fn(&str) -> bool) -> (Vec<Option<usize>>, Vec<String>) {
    let mut places = vec![None; table.columns.len()];
    let mut selected = Vec::new();
    for (index, plan) in table.columns.iter().enumerate() {
        let name = &table.table.columns[index].column.name;
        let needed = table.plan.value_columns().contains(&index)
            || table.plan.key_cells().iter().any(|cell| cell.column == index);
        if needed && there(name) {
            places[index] = Some(selected.len());
            let cast = if plan.select_as_text() { "::text" } else { "" };
            selected.push(format!("{}{cast}", identifier(name)));
        }
    }
    (places, selected)
}

/// The tables that a signal asks for, in Debezium's order.
async fn tables_asked_for(
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

/// The tables to read, in Debezium's order.
async fn tables_to_read(settings: &Settings, sql: &SqlSession) -> Result<Vec<TableId>> {
    let mut ids = all_tables(&sql.client).await.map_err(cause)?;
    let signal_table = settings.config.keys.events.signal_data_collection.as_deref();
    let included = |id: &TableId| {
        let name = id.to_string();
        let chosen = settings
            .snapshot_tables
            .as_ref()
            .is_none_or(|patterns| patterns.matches(&name) || patterns.matches(&qualified(id)));
        settings.captures(id) && chosen && signal_table != Some(&*name)
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
            if pattern.matches(&id.to_string()) && !ordered.contains(id) {
                ordered.push(id.clone());
            }
        }
    }
    ordered
}

/// Reads tables one after the other on a session.
struct Reader {
    session: Session,
    queue: Arc<std::sync::Mutex<VecDeque<(usize, String)>>>,
    sender: mpsc::Sender<Result<RowChunk>>,
}

impl Reader {
    async fn run(mut self) {
        if let Err(error) = self.read().await {
            // Nobody listens any more when the task is stopping.
            let _ = self.sender.send(Err(cause(error))).await;
        }
    }

    fn next(&self) -> Option<(usize, String)> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
    }

    async fn read(&mut self) -> Result<(), WireError> {
        while let Some((table, copy)) = self.next() {
            self.session.copy_out(&copy).await?;
            while let Some(frames) = self.session.copied().await? {
                if self.sender.send(Ok(RowChunk { table, frames: Some(frames) })).await.is_err() {
                    return Ok(());
                }
            }
            if self.sender.send(Ok(RowChunk { table, frames: None })).await.is_err() {
                return Ok(());
            }
        }
        self.session.query("ROLLBACK").await.map(drop)
    }
}

/// Takes the next row off the frames: its fields, behind their count.
pub fn next_row(frames: &mut Bytes) -> Option<Result<Bytes>> {
    let broken = || Some(Err(Error::fatal("the data of COPY are broken")));
    loop {
        let length = u32::from_be_bytes(frames.get(1..5)?.try_into().ok()?) as usize + 1;
        if length < 5 || length > frames.len() {
            return broken();
        }
        let mut row = frames.split_to(length);
        row.advance(5);
        if row.starts_with(COPY_SIGNATURE) {
            let flags = COPY_SIGNATURE.len() + 4;
            let Some(mut extension) = row.get(flags..flags + 4) else { return broken() };
            let header = flags + 4 + extension.get_u32() as usize;
            if header > row.len() {
                return broken();
            }
            row.advance(header);
        }
        match row.get(..2).map(|mut count| count.get_i16()) {
            // The end of the data, or a header alone.
            Some(-1) | None => {}
            Some(_) => return Some(Ok(row)),
        }
    }
}

/// Finds where the fields of a row are.
pub fn split(row: &Bytes, fields: &mut Vec<Option<(usize, usize)>>) -> Option<()> {
    fields.clear();
    let count = row.get(..2)?.get_i16();
    let mut place = 2;
    for _ in 0..count {
        let length = row.get(place..place + 4)?.get_i32();
        place += 4;
        match usize::try_from(length) {
            Ok(length) => {
                let end = place.checked_add(length).filter(|end| *end <= row.len())?;
                fields.push(Some((place, end)));
                place = end;
            }
            Err(_) => fields.push(None),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &[u8]) -> Vec<u8> {
        let mut frame = vec![b'd'];
        frame.extend_from_slice(&(data.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(data);
        frame
    }

    #[test]
    fn rows_come_out_of_frames_without_header_and_trailer() {
        let mut first = COPY_SIGNATURE.to_vec();
        first.extend_from_slice(&[0; 8]);
        first.extend_from_slice(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff");
        let mut frames = Bytes::from([frame(&first), frame(b"\0\x01\0\0\0\0"), frame(b"\xff\xff")].concat());
        let mut fields = Vec::new();
        let row = next_row(&mut frames).unwrap().unwrap();
        split(&row, &mut fields).unwrap();
        assert_eq!(fields, [Some((6, 7)), None]);
        let row = next_row(&mut frames).unwrap().unwrap();
        split(&row, &mut fields).unwrap();
        assert_eq!(fields, [Some((6, 6))]);
        assert!(next_row(&mut frames).is_none());
    }

    #[test]
    fn broken_rows_are_errors() {
        let mut fields = Vec::new();
        for row in [&b""[..], b"\0", b"\0\x01\0\0", b"\0\x01\0\0\0\x05abc"] {
            assert!(split(&Bytes::from_static(row), &mut fields).is_none(), "{row:?}");
        }
    }
}
