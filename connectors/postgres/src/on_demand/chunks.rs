//! Reading a chunk: the low watermark, the rows, the high watermark, on sessions of their own.
//!
//! Watermarks are rows of the signal table: one is inserted before the rows are read and one after, or the first is
//! deleted again (`incremental.snapshot.watermarking.strategy`). With `read.only` nothing may be written; then the low
//! watermark is the oldest transaction that is under way, and the high one the end of the log.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use raccord_cdc::incremental::{Bounds, Collection, Context, KeyColumn, condition, expand};
use raccord_cdc::java_objects::JavaObject;
use raccord_cdc::{ScanStatus, SignalRecord, SnapshotEvent, SnapshotEventKind, SnapshotRequest, TableId};
use raccord_data::{Struct, java_order};
use raccord_plugin::{Error, ErrorKind, Result};
use tracing::{debug, error, info, warn};

use super::keys;
use crate::captured::CapturedTable;
use crate::catalog::{TypeRegistry, all_tables, read_table};
use crate::classify::{cause, with_cause};
use crate::columns::ColumnSettings;
use crate::copy::{self, next_row, split};
use crate::raw::Raw;
use crate::settings::Settings;
use crate::setup::{self, identifier, initial_statements, literal, qualified};
use crate::snapshot::selection;
use crate::stream::GENERAL_APPLICATION;
use crate::wire::sql::SqlSession;
use crate::wire::{Lsn, Purpose, Session, WireError};

/// Where a connector that must not write begins and ends a window.
const READ_ONLY_WATERMARK: &str = "\
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text, \
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text";

/// A row of a chunk.
pub struct ChunkRow {
    /// Key and row, as the record has them.
    pub row: Struct,
    /// The key that chunks go by.
    pub chunk_key: Arc<[JavaObject]>,
    /// About how many bytes it has.
    pub bytes: usize,
}

/// Rows between two watermarks.
pub struct Chunk {
    /// The table.
    pub table: Arc<CapturedTable>,
    /// Its rows with the keys of their records.
    pub rows: Vec<(Option<Struct>, ChunkRow)>,
}

/// The watermarks of a connector that must not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOnlyWindow {
    /// Transactions before this one were over when the chunk was read.
    pub low_xid: u32,
    /// When the stream has come so far, it has shown everything that the chunk may have seen.
    pub high: Lsn,
}

/// What reading led to.
pub struct Reading {
    /// For the next chunk.
    pub reader: ChunkReader,
    /// Where the snapshot stands now.
    pub context: Context,
    /// What happened.
    pub events: Vec<SnapshotEvent>,
    /// The rows; without them the window has nothing to write.
    pub chunk: Option<Chunk>,
    /// The window of a connector that must not write.
    pub read_only: Option<ReadOnlyWindow>,
}

/// A snapshot that a signal asks for, with the signal's id.
pub struct Request {
    /// What to read.
    pub request: SnapshotRequest,
    /// The signal.
    pub signal: SignalRecord,
}

/// Reads chunks.
pub struct ChunkReader {
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    /// Connected when they are needed: catalog, and rows and watermarks.
    sessions: Option<Sessions>,
    /// The table at hand, as it was when the last chunk was read.
    table: Option<Arc<CapturedTable>>,
}

struct Sessions {
    sql: SqlSession,
    rows: Session,
    types: TypeRegistry,
}

/// Why a table cannot be read.
enum Unreadable {
    /// For this reason.
    Skipped(ScanStatus),
    /// The whole attempt is over.
    Failed(Error),
}

impl From<Error> for Unreadable {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A statement that the server refuses concerns the table; everything else the attempt.
fn refused(error: WireError, table: &TableId) -> Unreadable {
    match error {
        WireError::Server(server) if !server.code.starts_with("57") && !server.code.starts_with("08") => {
            error!(%table, error = server.message, "Snapshotting of table failed. Skipping it");
            Unreadable::Skipped(ScanStatus::SqlException)
        }
        error => Unreadable::Failed(cause(error)),
    }
}

/// The columns that chunks of a table go by.
struct ChunkKey {
    /// Their places in the table.
    places: Vec<usize>,
    columns: Vec<KeyColumn>,
}

impl ChunkReader {
    /// Reads nothing yet.
    pub fn new(settings: Arc<Settings>, columns: Arc<ColumnSettings>) -> Self {
        Self { settings, columns, sessions: None, table: None }
    }

    /// Takes up a request, if there is one, and reads the next chunk. What the server refuses is warned of, and then the
    /// snapshot stays where it is.
    ///
    /// # Errors
    /// When the server cannot be reached, or a value cannot be read.
    pub async fn read(mut self, mut context: Context, request: Option<Request>) -> Result<Reading> {
        let mut events = Vec::new();
        let (chunk, read_only) = match self.next(&mut context, request, &mut events).await {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Record => {
                warn!(trace = error.trace(), "The signal may not have been processed");
                // Rows that lie between no watermarks are not written.
                context.revert_chunk();
                (None, None)
            }
            Err(error) => return Err(error),
        };
        if !context.is_running() {
            self.sessions = None;
        }
        Ok(Reading { reader: self, context, events, chunk, read_only })
    }

    async fn next(
        &mut self,
        context: &mut Context,
        request: Option<Request>,
        events: &mut Vec<SnapshotEvent>,
    ) -> Result<(Option<Chunk>, Option<ReadOnlyWindow>)> {
        if let Some(Request { request, signal }) = request {
            let tables = expand(&request.tables, &self.known_tables().await?).map_err(Error::record)?;
            let begins = context.add(&tables, &request, signal.id.as_deref());
            if !begins {
                return Ok((None, None));
            }
            events.push(context.event(SnapshotEventKind::Started));
        }
        self.stop(context, events).await?;
        if !context.is_running() || context.is_paused() {
            info!("No chunk is read: the incremental snapshot is paused or over");
            return Ok((None, None));
        }
        context.start_chunk(chunk_id());
        let low = self.watermark(context, true).await?;
        let mut chunk = None;
        while let Some(collection) = context.current().cloned() {
            match self.chunk(&collection, context).await {
                Ok(read) if read.rows.is_empty() => {
                    let id = &collection.id;
                    info!("No data returned by the query, incremental snapshotting of table '{id}' finished");
                    completed(context, id, ScanStatus::Succeeded, events);
                }
                Ok(read) => {
                    events.push(context.event(in_progress(&collection, context)));
                    chunk = Some(read);
                    break;
                }
                Err(Unreadable::Skipped(status)) => completed(context, &collection.id, status, events),
                Err(Unreadable::Failed(error)) => return Err(error),
            }
        }
        let high = self.watermark(context, false).await?;
        Ok((chunk, low.zip(high).map(|((low_xid, _), (_, high))| ReadOnlyWindow { low_xid, high })))
    }

    async fn sessions(&mut self) -> Result<&mut Sessions> {
        let sessions = match self.sessions.take() {
            Some(sessions) => sessions,
            None => {
                let sql = setup::connect(&self.settings, GENERAL_APPLICATION).await.map_err(cause)?;
                let types = TypeRegistry::read(&sql.client).await.map_err(cause)?;
                let rows = Session::connect(&self.settings.endpoint, Purpose::Sql, GENERAL_APPLICATION).await;
                let mut rows = rows.map_err(cause)?;
                for statement in initial_statements(&self.settings.config) {
                    rows.query(&statement).await.map_err(cause)?;
                }
                Sessions { sql, rows, types }
            }
        };
        Ok(self.sessions.insert(sessions))
    }

    /// The names of all captured tables, in the order in which Debezium's set of them gives them.
    async fn known_tables(&mut self) -> Result<Vec<String>> {
        let settings = Arc::clone(&self.settings);
        let sessions = self.sessions().await?;
        let tables = all_tables(&sessions.sql.client).await.map_err(cause)?;
        let mut names: Vec<String> =
            tables.iter().filter(|table| settings.captures(table)).map(ToString::to_string).collect();
        let slots = (names.len() * 4 / 3 + 1).max(16);
        java_order::sort_with_capacity(&mut names, |name| name, slots);
        Ok(names)
    }

    /// Takes tables out of the snapshot that are to be read no further.
    async fn stop(&mut self, context: &mut Context, events: &mut Vec<SnapshotEvent>) -> Result<()> {
        let stops = context.take_stops();
        if stops.is_empty() {
            return Ok(());
        }
        let tables = expand(&stops, &self.known_tables().await?).map_err(Error::record)?;
        info!(?tables, "Removing collections from incremental snapshot");
        let current = context.current().map(|collection| collection.id.to_string());
        let mut stopped = Vec::new();
        for table in tables.iter().filter(|table| Some(*table) != current.as_ref()) {
            match context.remove_waiting(table) {
                true => stopped.push(table.clone()),
                false => {
                    warn!("Could not remove '{table}', collection is not part of the incremental snapshot.")
                }
            }
        }
        if let Some(current) = current.filter(|current| tables.contains(current)) {
            stopped.push(current);
            context.forget_rows_scanned();
            next_table(context, events);
        }
        events.push(context.event(SnapshotEventKind::Aborted { stopped }));
        Ok(())
    }

    /// Sets a watermark; gives the oldest transaction and the end of the log where nothing may be written.
    async fn watermark(&mut self, context: &Context, opens: bool) -> Result<Option<(u32, Lsn)>> {
        let settings = Arc::clone(&self.settings);
        let rows = &mut self.sessions().await?.rows;
        if settings.config.unlisted.read_only {
            let answer = rows.query(READ_ONLY_WATERMARK).await.map_err(cause)?;
            let cell = |place: usize| answer.first().and_then(|row| row.get(place)?.as_deref());
            let low = cell(0).and_then(|xid| xid.parse::<u64>().ok());
            let high = cell(1).and_then(Lsn::parse);
            return match (low, high) {
                (Some(low), Some(high)) => Ok(Some((low as u32, high))),
                _ => Err(Error::fatal(
                    "the server does not tell its snapshot: read.only needs PostgreSQL 13 or later",
                )),
            };
        }
        let table = settings.config.keys.events.signal_data_collection.as_deref().unwrap_or_default();
        let table = raccord_cdc::incremental::parse_table(table)
            .map(|id| id.parts().map(identifier).collect::<Vec<_>>().join("."))
            .ok_or_else(|| Error::config("signal.data.collection is no name of a table"))?;
        let strategy = &settings.config.keys.connector.incremental_snapshot_watermarking_strategy;
        let chunk = context.chunk_id();
        let statement = match (opens, strategy.eq_ignore_ascii_case("insert_delete")) {
            (false, true) => format!("DELETE FROM {table} WHERE id = '{chunk}-open'"),
            (opens, _) => {
                let (end, kind, when) = match opens {
                    true => (
                        "open",
                        "snapshot-window-open",
                        format!("\"openWindowTimestamp\": \"{}\"", instant()),
                    ),
                    false => {
                        let (open, close) = (instant(), instant());
                        let when = format!(
                            "\"openWindowTimestamp\": \"{open}\", \"closeWindowTimestamp\": \"{close}\""
                        );
                        ("close", "snapshot-window-close", when)
                    }
                };
                format!("INSERT INTO {table} VALUES ('{chunk}-{end}', '{kind}', '{{{when}}}')")
            }
        };
        let failed = |error: WireError| {
            let message = "Database error while executing incremental snapshot: no watermark can be written";
            let outer = match &error {
                WireError::Server(_) => Error::record(message),
                _ => Error::retriable(message).class("java.sql.SQLException"),
            };
            with_cause(outer, cause(error))
                .hint("the role of the connector needs INSERT, and DELETE where INSERT_DELETE is set, on the signal table")
        };
        rows.query(&statement).await.map(|_| None).map_err(failed)
    }

    /// Reads the next rows of a table.
    async fn chunk(&mut self, collection: &Collection, context: &mut Context) -> Result<Chunk, Unreadable> {
        let table = self.table(&collection.id).await?;
        let key = chunk_key(&table, collection)?;
        if context.maximum().is_none() {
            let maximum = self.maximum(&table, &key, collection).await?;
            info!("Incremental snapshot for table '{}' begins", collection.id);
            context.set_maximum(maximum);
        }
        let rows = self.rows(&table, &key, collection, context).await?;
        if let Some((_, last)) = rows.last() {
            context.chunk_read(last.chunk_key.to_vec(), rows.len() as u64);
        }
        Ok(Chunk { table, rows })
    }

    /// The table as it is now: compiled anew when its columns have changed.
    async fn table(&mut self, id: &TableId) -> Result<Arc<CapturedTable>, Unreadable> {
        if !self.settings.captures(id) || id.schema.is_none() {
            warn!("'{id}' is not a captured table, its incremental snapshot is skipped");
            return Err(Unreadable::Skipped(ScanStatus::UnknownSchema));
        }
        let (settings, columns) = (Arc::clone(&self.settings), Arc::clone(&self.columns));
        let known = self.table.take();
        let Sessions { sql, types, .. } = self.sessions().await?;
        let read = read_table(&sql.client, id, types).await.map_err(cause)?;
        let Some(mut read) = read else {
            warn!("Schema not found for table '{id}', its incremental snapshot is skipped");
            return Err(Unreadable::Skipped(ScanStatus::UnknownSchema));
        };
        if read.columns.iter().any(|column| types.get(column.type_oid).is_none()) {
            *types = TypeRegistry::read(&sql.client).await.map_err(cause)?;
        }
        // The log does not have generated columns, so rows that are read do not have them either.
        read.columns.retain(|column| !column.generated);
        let table = match known {
            Some(table) if table.table == read => table,
            _ => CapturedTable::new(read, types, &settings, &columns),
        };
        self.table = Some(Arc::clone(&table));
        Ok(table)
    }

    async fn maximum(
        &mut self,
        table: &CapturedTable,
        key: &ChunkKey,
        collection: &Collection,
    ) -> Result<Vec<JavaObject>, Unreadable> {
        let id = &collection.id;
        let filter = collection.condition().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        let order = order(id, key, " DESC");
        let statement =
            format!("SELECT {} FROM {}{filter} ORDER BY {order} LIMIT 1", texts(key), qualified(id));
        let Sessions { rows, types, .. } = self.sessions().await?;
        let rows = rows.query(&statement).await.map_err(|error| refused(error, id))?;
        let Some(row) = rows.into_iter().next() else {
            info!(
                "No maximum key returned by the query, incremental snapshotting of table '{id}' finished as it is empty"
            );
            return Err(Unreadable::Skipped(ScanStatus::Empty));
        };
        let part = |(place, text): (&usize, Option<String>)| {
            keys::object(&table.table.columns[*place], types, text.as_deref())
        };
        Ok(key.places.iter().zip(row).map(part).collect())
    }

    async fn rows(
        &mut self,
        table: &Arc<CapturedTable>,
        key: &ChunkKey,
        collection: &Collection,
        context: &Context,
    ) -> Result<Vec<(Option<Struct>, ChunkRow)>, Unreadable> {
        let (places, selected) = selection(table, |_| true);
        let statement = statement(&self.settings, key, collection, context, &selected);
        debug!(statement, "reading a chunk");
        let Sessions { rows, types, .. } = self.sessions().await?;
        rows.copy_out(&statement).await.map_err(|error| refused(error, &collection.id))?;
        let (mut read, mut fields) = (Vec::new(), Vec::new());
        while let Some(mut frames) = rows.copied().await.map_err(|error| refused(error, &collection.id))? {
            while let Some(row) = next_row(&mut frames) {
                let row = row?;
                split(&row, &mut fields).ok_or_else(|| Error::fatal("a row of COPY is broken"))?;
                read.push(chunk_row(table, key, types, &row, &fields, &places, selected.len())?);
            }
        }
        Ok(read)
    }
}

fn in_progress(collection: &Collection, context: &Context) -> SnapshotEventKind {
    let texts =
        |key: Option<&[JavaObject]>| key.unwrap_or_default().iter().map(ToString::to_string).collect();
    SnapshotEventKind::InProgress {
        table: collection.id.to_string(),
        maximum_key: texts(context.maximum()),
        last_key: texts(context.chunk_end()),
    }
}

/// A table is done.
fn completed(context: &mut Context, table: &TableId, status: ScanStatus, events: &mut Vec<SnapshotEvent>) {
    let rows = context.rows_scanned();
    events.push(context.event(SnapshotEventKind::TableScanCompleted {
        table: table.to_string(),
        rows,
        status,
    }));
    if status == ScanStatus::Succeeded {
        context.forget_rows_scanned();
    }
    next_table(context, events);
}

fn next_table(context: &mut Context, events: &mut Vec<SnapshotEvent>) {
    if context.next_table() {
        info!("Incremental snapshot completed");
        events.push(context.event(SnapshotEventKind::Completed));
        context.forget_signal();
    }
}

/// The columns that chunks go by: the surrogate key, or those of the record's key.
fn chunk_key(table: &CapturedTable, collection: &Collection) -> Result<ChunkKey, Unreadable> {
    let columns = &table.table.columns;
    let places: Vec<usize> = match collection.surrogate_key() {
        Some(name) => match columns.iter().position(|column| &*column.column.name == name) {
            Some(place) => vec![place],
            None => {
                warn!("Surrogate key \"{name}\" doesn't exist in table \"{}\"", collection.id);
                return Err(Unreadable::Skipped(ScanStatus::SqlException));
            }
        },
        None => table.plan.key_cells().iter().map(|cell| cell.column).collect(),
    };
    if places.is_empty() {
        warn!(
            "Incremental snapshot for table '{}' skipped because the table has no primary keys",
            collection.id
        );
        return Err(Unreadable::Skipped(ScanStatus::NoPrimaryKey));
    }
    let column = |place: &usize| {
        let column = &columns[*place].column;
        KeyColumn { identifier: identifier(&column.name), optional: column.optional }
    };
    Ok(ChunkKey { columns: places.iter().map(column).collect(), places })
}

/// `"a"::text, "b"::text`.
fn texts(key: &ChunkKey) -> String {
    key.columns.iter().map(|column| format!("{}::text", column.identifier)).collect::<Vec<_>>().join(", ")
}

/// Columns are named with their table, because what is selected may have the same names.
fn order(id: &TableId, key: &ChunkKey, direction: &str) -> String {
    let column = |column: &KeyColumn| format!("{}.{}{direction}", qualified(id), column.identifier);
    key.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// The statement that copies the next rows, with the text of their keys behind the columns.
fn statement(
    settings: &Settings,
    key: &ChunkKey,
    collection: &Collection,
    context: &Context,
    selected: &[String],
) -> String {
    let literals = |objects: &[JavaObject]| {
        objects.iter().map(|object| keys::text(object).map(|text| literal(&text))).collect::<Vec<_>>()
    };
    let mut conditions = Vec::new();
    if let (Some(behind), Some(up_to)) = (context.chunk_end(), context.maximum()) {
        let (behind, up_to) = (literals(behind), literals(up_to));
        conditions.push(condition(&key.columns, Bounds { behind: &behind, up_to: &up_to }));
    }
    conditions.extend(collection.condition());
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let mut columns = selected.to_vec();
    columns.push(texts(key));
    copy::statement(&format!(
        "SELECT {} FROM {}{filter} ORDER BY {} LIMIT {}",
        columns.join(", "),
        qualified(&collection.id),
        order(&collection.id, key, ""),
        settings.config.keys.own.incremental_snapshot_chunk_size.max(1),
    ))
}

fn chunk_row(
    table: &CapturedTable,
    key: &ChunkKey,
    types: &TypeRegistry,
    row: &Bytes,
    fields: &[Option<(usize, usize)>],
    places: &[Option<usize>],
    behind: usize,
) -> Result<(Option<Struct>, ChunkRow)> {
    let field =
        |place: usize| fields.get(place).copied().flatten().map(|(start, end)| Raw::part(row, start, end));
    let cell = |column: usize| {
        let plan = &table.columns[column];
        match places[column].and_then(field) {
            Some(bytes) => plan.decode_binary(bytes),
            None => Ok(plan.null()),
        }
    };
    let failed =
        |error| with_cause(Error::fatal(format!("Snapshotting of table {} failed", table.plan.id())), error);
    let (record_key, cells) = table.plan.row(cell).map_err(failed)?;
    let part = |(index, place): (usize, &usize)| {
        let text = field(behind + index).map(|text| String::from_utf8_lossy(&text).into_owned());
        keys::object(&table.table.columns[*place], types, text.as_deref())
    };
    let chunk_key = key.places.iter().enumerate().map(part).collect();
    Ok((record_key, ChunkRow { row: cells, chunk_key, bytes: row.len() }))
}

/// A random UUID: watermarks of different runs must not be taken for each other.
fn chunk_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The moment, as Java writes it.
fn instant() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let second = since.as_secs() as i64;
    let of_day = second.rem_euclid(86_400);
    let date = raccord_cdc::java_objects::date_text(second.div_euclid(86_400));
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{:06}Z", since.subsec_micros())
}
