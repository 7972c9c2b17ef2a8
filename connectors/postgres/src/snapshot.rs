//! The snapshot: all rows of the captured tables as they were at one position of the log.
//!
//! # Why nothing is lost between snapshot and streaming
//! The [`Anchor`] gives a position, and a snapshot that shows what was committed before it; its module argues that.
//! Every reader imports that snapshot ([`readers`]), so a row is read by all of them or streamed, and never neither. The
//! session that exported it does nothing else until all have imported it, because that would end it.
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
use std::time::Duration;
use std::vec;

use bytes::Bytes;
use raccord_cdc::{Patterns, SnapshotMarker, SnapshotRequest, TableId};
use raccord_data::{Struct, Value};
use raccord_plugin::{Error, Result, SourceBatch};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::anchor::Anchor;
use crate::captured::CapturedTable;
use crate::catalog::{TypeRegistry, all_tables, read_table};
use crate::classify::{cause, with_cause};
use crate::columns::ColumnSettings;
use crate::copy::{next_row, split};
use crate::emit::Emitter;
use crate::metrics::Metrics;
use crate::offset::{OffsetState, Positions, SnapshotKind, SnapshotState};
use crate::progress::{Outlet, Progress};
use crate::settings::Settings;
use crate::setup::{identifier, initial_statements, qualified};
use crate::wire::session::silent;
use crate::wire::sql::{SqlSession, sql_error};
use crate::wire::{Lsn, Purpose, Session, WireError};

/// Chunks of rows that a reader may be ahead.
const CHUNKS_AHEAD: usize = 4;

/// A snapshot under way.
pub struct Snapshot {
    emitter: Emitter,
    state: OffsetState,
    tables: Vec<Arc<TableRead>>,
    chunks: mpsc::Receiver<Result<RowChunk, ReadFailure>>,
    /// Rows of a reader that are not looked at yet, and their table.
    rows: Option<(usize, vec::IntoIter<Row>)>,
    /// The last row of each table that is being read, until the next one or the end of the table is known.
    pending: Vec<Option<PendingRow>>,
    /// The last row of the table that ended last.
    held: Option<(usize, PendingRow)>,
    /// Parts of each table that have not ended.
    parts_left: Vec<usize>,
    tables_left: usize,
    single: bool,
    progress: Progress,
    /// The table that could not be read.
    failed: Option<usize>,
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

/// Rows of one table; without rows, the end of one of its parts.
struct RowChunk {
    table: usize,
    rows: Option<Vec<Row>>,
}

/// A row with its key.
struct Row {
    key: Option<Struct>,
    cells: Struct,
    /// As long as it is in COPY.
    bytes: usize,
}

/// A table that could not be read, if it was one.
struct ReadFailure {
    table: Option<usize>,
    error: Error,
}

struct PendingRow {
    row: Row,
    first: bool,
}

/// Sessions that all see the same snapshot, and the position of it.
async fn readers(settings: &Settings, anchor: &Anchor, count: usize) -> Result<(Vec<Session>, OffsetState)> {
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

impl Snapshot {
    /// Prepares everything and begins to read. When this returns, all readers have imported the snapshot of the anchor.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn start(
        settings: Arc<Settings>,
        columns: &ColumnSettings,
        sql: &SqlSession,
        types: &TypeRegistry,
        anchor: &Anchor,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        info!("Snapshot step 2 - Determining captured tables");
        let captured = captured_tables(&settings, sql).await?;
        let ids: Vec<TableId> = captured.iter().filter(|id| !settings.is_signal_table(id)).cloned().collect();
        let threads_max = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let blocks = match threads_max > 1 && (anchor.exported.is_some() || keeps_one_snapshot(&settings)) {
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
        let (mut sessions, state) = readers(&settings, anchor, threads).await?;
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
        let read = tables.iter().map(|read| read.table.plan.id().clone()).collect();
        let progress = Progress::begin(Arc::clone(&settings), metrics, &sql.client, read, captured)
            .await
            .map_err(cause)?;
        Ok(Self::begin(settings, sessions, tables, state, single, progress))
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
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let ids = tables_asked_for(&settings, sql, request).await?;
        let threads = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let (mut sessions, read_at) =
            readers(&settings, &Anchor::default(), threads.min(ids.len().max(1))).await?;
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
        let read: Vec<TableId> = tables.iter().map(|read| read.table.plan.id().clone()).collect();
        let progress = Progress::begin(Arc::clone(&settings), metrics, &sql.client, read.clone(), read)
            .await
            .map_err(cause)?;
        Ok(Self::begin(settings, sessions, tables, state, single, progress))
    }

    /// Begins to read, with as many readers as there are sessions; `single` says whether records are marked as one
    /// reader's.
    fn begin(
        settings: Arc<Settings>,
        sessions: Vec<Session>,
        tables: Vec<Arc<TableRead>>,
        state: OffsetState,
        single: bool,
        progress: Progress,
    ) -> Self {
        info!("Snapshot step 7 - Snapshotting data");
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let copies = tables.iter().enumerate();
        let queue: VecDeque<Part> = copies
            .flat_map(|(place, read)| (0..read.copies.len()).map(move |part| (place, Arc::clone(read), part)))
            .collect();
        let queue = Arc::new(std::sync::Mutex::new(queue));
        let readers = sessions.into_iter().map(|session| {
            let reader = Reader {
                session,
                queue: Arc::clone(&queue),
                sender: sender.clone(),
                timeout: settings.query_timeout,
                fields: Vec::new(),
            };
            AbortOnDropHandle::new(tokio::spawn(reader.run()))
        });
        Self {
            emitter: Emitter::new(Arc::clone(&settings)),
            state,
            pending: tables.iter().map(|_| None).collect(),
            parts_left: tables.iter().map(|read| read.copies.len()).collect(),
            tables_left: tables.len(),
            single,
            progress,
            failed: None,
            chunks,
            rows: None,
            held: None,
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
        let filled = self.fill(positions, batch).await;
        if filled.is_err() {
            self.abort(positions, batch);
        }
        filled
    }

    /// Tells that the snapshot ends before it is complete.
    pub fn abort(&mut self, positions: &mut Positions, batch: &mut SourceBatch) {
        self.progress.aborted(self.failed.take(), &mut Outlet { positions, batch });
    }

    async fn fill(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<bool> {
        loop {
            while let Some((table, rows)) = &mut self.rows {
                if batch.is_full() {
                    return Ok(false);
                }
                let table = *table;
                match rows.next() {
                    Some(row) => self.row(table, row, positions, batch),
                    None => self.rows = None,
                }
            }
            if self.tables_left == 0 {
                self.complete(positions, batch);
                return Ok(true);
            }
            let chunk = match self.chunks.try_recv() {
                Ok(chunk) => chunk,
                Err(_) if !batch.is_empty() => return Ok(false),
                Err(_) => self
                    .chunks
                    .recv()
                    .await
                    .ok_or_else(|| Error::retriable("the readers of the snapshot ended"))?,
            };
            let chunk = chunk.map_err(|ReadFailure { table, error }| {
                self.failed = table;
                error
            })?;
            self.progress.reached(chunk.table, &self.state, &mut Outlet { positions, batch });
            match chunk.rows {
                Some(rows) => self.rows = Some((chunk.table, rows.into_iter())),
                None => self.part_ended(chunk.table, positions, batch),
            }
        }
    }

    fn row(&mut self, table: usize, row: Row, positions: &mut Positions, batch: &mut SourceBatch) {
        self.progress.row(table);
        let before = self.pending[table].take();
        let first = before.is_none();
        match before {
            Some(before) => {
                let marker = match (before.first, self.single && table == 0) {
                    (true, true) => SnapshotMarker::First,
                    (true, false) => SnapshotMarker::FirstInDataCollection,
                    (false, _) => SnapshotMarker::True,
                };
                self.emit(table, before.row, marker, positions, batch);
            }
            None => self.release(positions, batch),
        }
        self.pending[table] = Some(PendingRow { row, first });
    }

    fn part_ended(&mut self, table: usize, positions: &mut Positions, batch: &mut SourceBatch) {
        self.parts_left[table] -= 1;
        if self.parts_left[table] > 0 {
            return;
        }
        self.tables_left -= 1;
        self.progress.table_ended(table, &self.state, &mut Outlet { positions, batch });
        if let Some(last) = self.pending[table].take() {
            self.release(positions, batch);
            self.held = Some((table, last));
        }
    }

    /// Emits the last row of the table that ended before: it is not the last of all.
    fn release(&mut self, positions: &mut Positions, batch: &mut SourceBatch) {
        let Some((table, row)) = self.held.take() else { return };
        let marker = match row.first && self.single && table == 0 {
            true => SnapshotMarker::First,
            false => SnapshotMarker::LastInDataCollection,
        };
        self.emit(table, row.row, marker, positions, batch);
    }

    /// Emits the last row of all.
    fn complete(&mut self, positions: &mut Positions, batch: &mut SourceBatch) {
        if let Some(snapshot) = &mut self.state.snapshot {
            snapshot.completed = true;
        }
        if let Some((table, row)) = self.held.take() {
            self.emit(table, row.row, SnapshotMarker::Last, positions, batch);
        }
        let behind = OffsetState { snapshot: None, ..self.state.clone() };
        self.progress.completed(&behind, &mut Outlet { positions, batch });
    }

    fn emit(
        &mut self,
        table: usize,
        row: Row,
        marker: SnapshotMarker,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) {
        let table = &self.tables[table].table;
        let position = positions.ticket(&self.state);
        let Row { key, cells, bytes } = row;
        self.emitter.read(table, (key, cells), marker, &self.state, position, bytes, batch);
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
        let described = match statement.is_some() {
            true => match sql.client.prepare(&format!("SELECT * FROM {from}")).await.map_err(sql_error) {
                Ok(prepared) => {
                    Some(prepared.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>())
                }
                // Its reader meets that again, and then it is told which table it was.
                Err(WireError::Server(_)) => None,
                Err(error) => return Err(cause(error)),
            },
            false => None,
        };
        let there =
            |name: &str| described.as_ref().is_none_or(|names| names.iter().any(|there| there == name));
        let (places, selected) = selection(&table, there);
        // The rows of a statement of a user have no place in the table.
        let whole = [String::new()];
        let conditions = if statement.is_none() { conditions } else { &whole };
        let copy = |condition: &String| {
            let select = format!("SELECT {} FROM {from}{condition}", selected.join(", "));
            let copy = format!("COPY ({select}) TO STDOUT (FORMAT binary)");
            info!(table = %id, "Exporting data with statement {copy}");
            copy
        };
        let copies = conditions.iter().map(copy).collect();
        Ok(Self { table, places, copies })
    }

    /// Adds the rows of frames of CopyData, up to one that cannot be read. `fields` is kept for its room.
    fn decode(
        &self,
        mut frames: Bytes,
        fields: &mut Vec<Option<(usize, usize)>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        while let Some(row) = next_row(&mut frames) {
            let row = row?;
            split(&row, fields).ok_or_else(|| Error::fatal("a row of COPY is broken"))?;
            let cell = |column: usize| {
                let place = self.places[column];
                let field = place.and_then(|place| fields.get(place).copied().flatten());
                let plan = &self.table.columns[column];
                match field {
                    Some((start, end)) => {
                        self.table.converted(column, plan.decode_binary(row.slice(start..end)))
                    }
                    None => Ok::<Value, Error>(plan.null()),
                }
            };
            let (key, cells) = self.table.plan.row(cell).map_err(|error| self.failed(Error::fatal, error))?;
            rows.push(Row { key, cells, bytes: row.len() });
        }
        Ok(())
    }

    fn failed(&self, kind: fn(String) -> Error, error: Error) -> Error {
        with_cause(kind(format!("Snapshotting of table {} failed", self.table.plan.id())), error)
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

/// The tables to read, in Debezium's order, with the table of signals among them.
async fn captured_tables(settings: &Settings, sql: &SqlSession) -> Result<Vec<TableId>> {
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

/// A part of a table: the table's place, the table, and which of its statements reads the part.
type Part = (usize, Arc<TableRead>, usize);

/// Reads tables one after the other on a session, beside the thread that makes records of the rows.
struct Reader {
    session: Session,
    queue: Arc<std::sync::Mutex<VecDeque<Part>>>,
    sender: mpsc::Sender<Result<RowChunk, ReadFailure>>,
    timeout: Option<Duration>,
    fields: Vec<Option<(usize, usize)>>,
}

impl Reader {
    async fn run(mut self) {
        while let Some((table, read, part)) = self.next() {
            match self.read(table, &read, &read.copies[part]).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.fail(Some(table), error).await,
            }
        }
        if let Err(error) = self.session.query("ROLLBACK").await {
            self.fail(None, cause(error)).await;
        }
    }

    async fn fail(&self, table: Option<usize>, error: Error) {
        // Nobody listens any more when the task is stopping.
        let _ = self.sender.send(Err(ReadFailure { table, error })).await;
    }

    fn next(&self) -> Option<Part> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front()
    }

    /// Reads a part of a table; says whether somebody still listens.
    async fn read(&mut self, table: usize, read: &TableRead, copy: &str) -> Result<bool> {
        let lost = |error| read.failed(Error::retriable, cause(error));
        // The server tells of the beginning together with the first rows.
        within(self.timeout, self.session.copy_out(copy)).await.map_err(lost)?;
        while let Some(frames) = within(self.timeout, self.session.copied()).await.map_err(lost)? {
            let mut rows = Vec::new();
            let decoded = read.decode(frames, &mut self.fields, &mut rows);
            if self.sender.send(Ok(RowChunk { table, rows: Some(rows) })).await.is_err() {
                return Ok(false);
            }
            decoded?;
        }
        Ok(self.sender.send(Ok(RowChunk { table, rows: None })).await.is_ok())
    }
}

/// Waits for an answer of the server, `database.query.timeout.ms` at most.
async fn within<T>(
    limit: Option<Duration>,
    answer: impl Future<Output = Result<T, WireError>>,
) -> Result<T, WireError> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| silent(limit))?,
        None => answer.await,
    }
}
