//! The snapshot: all rows of the captured tables as they were at one position of the log.
//!
//! # Why nothing is lost between snapshot and streaming
//! The [`Anchor`] gives a position, and a snapshot that shows what was committed before it; its module argues that.
//! Every reader imports that snapshot ([`sessions`]), so a row is read by all of them or streamed, and never neither. The
//! session that exported it does nothing else until all have imported it, because that would end it.
//!
//! # Why a crash loses nothing
//! The offset says `snapshot: INITIAL` until the last record, whose offset says that it is completed. Any offset
//! before makes the next start take the snapshot again: from its beginning, or from where it was, as [`reached`] argues.
//!
//! # Order
//! Tables in the order of the patterns of `table.include.list`, then by name. With one reader, records have Debezium's
//! markers: the first and the last of all, of each table. The last record of each table is held back until it is known
//! whether it is the last of all. With several readers tables are read at once, and there is no first; a large table is
//! read in [`parts`], and then it ends with the last of these.

mod parts;
pub mod reached;
mod reader;
mod sessions;
mod table_read;
mod tables;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::vec;

use raccord_cdc::{SnapshotMarker, SnapshotRequest, TableId};
use raccord_data::Struct;
use raccord_plugin::{Error, Result, SourceBatch};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use self::reached::Mark;
use self::reader::{Part, Read, ReadFailure, Reader, Told};
use self::sessions::{keeps_one_snapshot, lock};
pub use self::table_read::selection;
use self::table_read::{Row, TableRead, Wanted};
use crate::anchor::Anchor;
use crate::captured::CapturedTable;
use crate::catalog::{TypeRegistry, read_table};
use crate::classify::cause;
use crate::columns::ColumnSettings;
use crate::emit::Emitter;
use crate::metrics::Metrics;
use crate::offset::{OffsetState, Positions, SnapshotKind, SnapshotState};
use crate::progress::{Outlet, Progress};
use crate::settings::Settings;
use crate::wire::Session;
use crate::wire::sql::SqlSession;

/// Chunks of rows that a reader may be ahead.
const CHUNKS_AHEAD: usize = 4;

/// A snapshot under way.
pub struct Snapshot {
    emitter: Emitter,
    state: OffsetState,
    tables: Vec<Arc<TableRead>>,
    chunks: mpsc::Receiver<Result<Told, ReadFailure>>,
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
    /// The source block made last, and of which table's rows with which marker it is.
    source: Option<(usize, SnapshotMarker, Struct)>,
    /// The table that could not be read.
    failed: Option<usize>,
    _readers: Vec<AbortOnDropHandle<()>>,
}

struct PendingRow {
    row: Row,
    first: bool,
    /// How far its table has been read once its record is written.
    mark: Option<Mark>,
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
        let captured = tables::captured(&settings, sql).await?;
        let page_rows = settings.snapshot_page_rows;
        let reached = page_rows.map(|_| anchor.reached.clone().unwrap_or_default());
        let is_read = |id: &&TableId| {
            !settings.is_signal_table(id) && !reached.as_ref().is_some_and(|reached| reached.is_done(id))
        };
        let ids: Vec<TableId> = captured.iter().filter(is_read).cloned().collect();
        let threads_max = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let is_one = anchor.exported.is_some() || keeps_one_snapshot(&settings);
        let blocks = match threads_max > 1 && is_one && page_rows.is_none() {
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
        let (mut sessions, mut state) = sessions::open(&settings, anchor, threads).await?;
        state.reached.clone_from(&reached);
        if let Some(first) = sessions.first_mut() {
            lock(&settings, first, &ids).await.map_err(cause)?;
        }
        info!("Snapshot step 5 - Reading structure of captured tables");
        let mut tables = Vec::with_capacity(ids.len());
        for (id, conditions) in ids.iter().zip(&conditions) {
            let Some(table) = read_table(&sql.client, id, types).await.map_err(cause)? else { continue };
            let captured = CapturedTable::new(table, types, &settings, columns);
            let statement = settings.select_override(id);
            let wanted = match (page_rows, &reached) {
                (Some(rows), Some(reached)) => Wanted::Pages { rows, behind: reached.key(id) },
                _ => Wanted::Parts(conditions),
            };
            tables.push(Arc::new(TableRead::new(sql, captured, statement, wanted).await?));
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
        let ids = tables::asked_for(&settings, sql, request).await?;
        let threads = settings.config.keys.connector.snapshot_max_threads.max(1).unsigned_abs() as usize;
        let (mut sessions, read_at) =
            sessions::open(&settings, &Anchor::default(), threads.min(ids.len().max(1))).await?;
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
            let whole = [String::new()];
            tables.push(Arc::new(TableRead::new(sql, captured, statement, Wanted::Parts(&whole)).await?));
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
        let parts = tables
            .iter()
            .enumerate()
            .flat_map(|(place, read)| (0..read.parts()).map(move |part| (place, Arc::clone(read), part)));
        let queue: Arc<Mutex<VecDeque<Part>>> = Arc::new(Mutex::new(parts.collect()));
        let readers = sessions.into_iter().map(|session| {
            let reader = Reader {
                session,
                queue: Arc::clone(&queue),
                sender: sender.clone(),
                timeout: settings.query_timeout,
            };
            AbortOnDropHandle::new(tokio::spawn(reader.run()))
        });
        Self {
            emitter: Emitter::new(Arc::clone(&settings)),
            state,
            pending: tables.iter().map(|_| None).collect(),
            parts_left: tables.iter().map(|read| read.parts()).collect(),
            tables_left: tables.len(),
            single,
            progress,
            source: None,
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

    /// The tables that were read, compiled.
    pub fn tables(&self) -> Vec<Arc<CapturedTable>> {
        self.tables.iter().map(|read| Arc::clone(&read.table)).collect()
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
            let told = match self.chunks.try_recv() {
                Ok(told) => told,
                Err(_) if !batch.is_empty() => return Ok(false),
                Err(_) => self
                    .chunks
                    .recv()
                    .await
                    .ok_or_else(|| Error::retriable("the readers of the snapshot ended"))?,
            };
            let Told { table, what } = told.map_err(|ReadFailure { table, error }| {
                self.failed = table;
                error
            })?;
            self.progress.reached(table, &self.state, &mut Outlet { positions, batch });
            match what {
                Read::Rows(rows) => self.rows = Some((table, rows.into_iter())),
                Read::PageEnd(key) => self.mark(table, Mark::UpTo(key)),
                Read::End => self.part_ended(table, positions, batch),
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
                self.emit(table, before, marker, positions, batch);
            }
            None => self.release(positions, batch),
        }
        self.pending[table] = Some(PendingRow { row, first, mark: None });
    }

    /// Sets a mark once the row is written that came last, where marks are asked for.
    fn mark(&mut self, table: usize, mark: Mark) {
        match &mut self.pending[table] {
            Some(last) => last.mark = Some(mark),
            None => self.set_mark(table, mark),
        }
    }

    fn set_mark(&mut self, table: usize, mark: Mark) {
        if let Some(reached) = &mut self.state.reached {
            Arc::make_mut(reached).set(self.tables[table].table.plan.id(), mark);
        }
    }

    fn part_ended(&mut self, table: usize, positions: &mut Positions, batch: &mut SourceBatch) {
        self.parts_left[table] -= 1;
        if self.parts_left[table] > 0 {
            return;
        }
        self.tables_left -= 1;
        self.mark(table, Mark::Done);
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
        self.emit(table, row, marker, positions, batch);
    }

    /// Emits the last row of all.
    fn complete(&mut self, positions: &mut Positions, batch: &mut SourceBatch) {
        if let Some(snapshot) = &mut self.state.snapshot {
            snapshot.completed = true;
        }
        self.state.reached = None;
        if let Some((table, row)) = self.held.take() {
            self.emit(table, row, SnapshotMarker::Last, positions, batch);
        }
        let behind = OffsetState { snapshot: None, ..self.state.clone() };
        self.progress.completed(&behind, &mut Outlet { positions, batch });
    }

    fn emit(
        &mut self,
        table: usize,
        PendingRow { row, mark, .. }: PendingRow,
        marker: SnapshotMarker,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) {
        if let Some(mark) = mark {
            self.set_mark(table, mark);
        }
        let source = self.source_of(table, marker);
        let table = &self.tables[table].table;
        let position = positions.ticket(&self.state);
        self.emitter.read(table, table.plan.structs(row.cells), source, position, row.bytes, batch);
    }

    /// The source block of a row: the same for all rows of a table that are neither first nor last.
    fn source_of(&mut self, table: usize, marker: SnapshotMarker) -> Struct {
        if let Some((of, with, source)) = &self.source
            && (*of, *with) == (table, marker)
        {
            return source.clone();
        }
        let source = self.emitter.source_of(&self.tables[table].table, marker, &self.state).shared();
        self.source = Some((table, marker, source.clone()));
        source
    }
}
