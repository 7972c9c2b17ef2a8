//! What signals ask for: incremental snapshots beside the stream, and blocking ones in front of it.
//!
//! # Why nothing is lost or reordered
//! - The algorithm of incremental snapshots is argued in [`raccord_cdc::incremental`]. Its premise is that all changes
//!   between the watermarks are seen while the rows of the chunk wait. It holds because the stream stands still while a
//!   chunk is read ([`OnDemand::is_busy`]): the low watermark lies behind the place where it stands.
//! - A row of the signal table is acted upon before its own record is made, and the record carries what the action made of
//!   the snapshot's progress. A poll that is dropped in between meets the row again and knows that it has been acted upon.
//! - The rows of a window carry the position of the record before them, because the row that closes the window has no
//!   record yet: a restart between them sees that row again. Its watermark is then one of an earlier run, and the chunk is
//!   read anew.
//! - A connector that must not write has no watermarks in the log. There the window closes when the stream has come to
//!   where the log ended after the chunk was read; changes of transactions that were over before are not newer than the
//!   rows and take none out.
//! - A blocking snapshot begins behind the record of its signal, while the stream waits. What happens meanwhile is streamed
//!   afterwards: a row may be told as it was read and then, once more, by the changes that led there.
//!
//! While no snapshot is under way all of this costs the stream one comparison for each row.

mod channels;
mod chunks;
mod keys;
mod topic;

use std::sync::Arc;

use raccord_cdc::incremental::{Context, Window};
use raccord_cdc::{
    Notification, Signal, SignalRecord, SnapshotEvent, SnapshotEventKind, SnapshotMarker, SnapshotRequest,
    TableId,
};
use raccord_data::{Record, Value};
use raccord_plugin::{Error, ErrorKind, Result, SourceBatch, TopicReaders};
use tokio::time::{Duration, Instant};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::captured::CapturedTable;
use crate::catalog::TypeRegistry;
use crate::classify::cause;
use crate::columns::ColumnSettings;
use crate::emit::{Change, Emitter, now};
use crate::metrics::Metrics;
use crate::offset::{OffsetState, Positions, SnapshotKind, SnapshotState};
use crate::progress::{Outlet, now_ms};
use crate::settings::Settings;
use crate::setup;
use crate::snapshot::Snapshot;
use crate::stream::GENERAL_APPLICATION;
use crate::wire::Lsn;

use channels::Channels;
use chunks::{ChunkReader, ChunkRow, ReadOnlyWindow, Reading, Request};

/// How long a window without watermarks waits before it asks the server how far it has come.
const ASK_PAUSE: Duration = Duration::from_millis(50);
/// The page of the log, and how many bytes its header takes at most.
const LOG_PAGE: u64 = 8192;
const LOG_HEADER: u64 = 40;

/// Where records go, and the place in the stream at which they are made.
pub struct Output<'a> {
    /// Makes them.
    pub emitter: &'a Emitter,
    /// The place.
    pub state: &'a mut OffsetState,
    /// Gives tickets.
    pub positions: &'a mut Positions,
    /// Takes them.
    pub batch: &'a mut SourceBatch,
}

/// The snapshots of a stream that signals ask for.
pub struct OnDemand {
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    metrics: Arc<Metrics>,
    /// The signal table, where its rows are looked at.
    signal_table: Option<TableId>,
    /// The same by its oid in the stream.
    signal_relation: Option<u32>,
    /// Whether the row at hand has been acted upon.
    acted: bool,
    channels: Option<Channels>,
    incremental: Incremental,
    blocking: Blocking,
}

/// Incremental snapshots.
struct Incremental {
    /// Whether they can be asked for: there is a signal table for watermarks, or none is needed.
    is_configured: bool,
    context: Context,
    /// Between chunks of a snapshot.
    reader: Option<ChunkReader>,
    reading: Option<AbortOnDropHandle<Result<Reading>>>,
    table: Option<Arc<CapturedTable>>,
    window: Window<ChunkRow>,
    read_only: Option<ReadOnlyWindow>,
    ask_at: Option<Instant>,
    /// Where the stream began: what the rows of a window carry when no record was made before.
    start: OffsetState,
}

/// A blocking snapshot.
enum Blocking {
    None,
    /// Asked for; it begins when the row at hand has its record.
    Asked(SnapshotRequest),
    Starting(AbortOnDropHandle<Result<Snapshot>>),
    Running(Box<Snapshot>),
}

impl OnDemand {
    /// Takes up an incremental snapshot that the offset tells of.
    ///
    /// # Errors
    /// When the offset's keys of it cannot be read.
    pub fn new(
        settings: &Arc<Settings>,
        columns: &Arc<ColumnSettings>,
        metrics: Arc<Metrics>,
        start: &mut OffsetState,
    ) -> Result<Self> {
        let context = match start.further.as_deref() {
            Some(further) => Context::load(further).map_err(|error| Error::fatal(error.to_string()))?,
            None => Context::default(),
        };
        let events = &settings.config.keys.events;
        let table = events.signal_data_collection.as_deref().filter(|table| !table.trim().is_empty());
        let is_configured = table.is_some() || settings.config.unlisted.read_only;
        let signal_table = table
            .filter(|_| channels::is_enabled(settings, "source"))
            .and_then(raccord_cdc::incremental::parse_table)
            .map(|id| TableId { catalog: None, ..id });
        let mut further = start.further.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        further.retain(|key, _| !Context::owns(key));
        start.further = (!further.is_empty()).then(|| Arc::new(further));
        let mut on_demand = Self {
            settings: Arc::clone(settings),
            columns: Arc::clone(columns),
            metrics,
            signal_table,
            signal_relation: None,
            acted: false,
            channels: None,
            incremental: Incremental {
                is_configured,
                context,
                reader: None,
                reading: None,
                table: None,
                window: Window::default(),
                read_only: None,
                ask_at: None,
                start: start.clone(),
            },
            blocking: Blocking::None,
        };
        start.incremental = on_demand.incremental.context.progress();
        if on_demand.incremental.context.is_running() && is_configured {
            info!("Incremental snapshot in progress, need to read new chunk on start");
            let event = on_demand.incremental.context.event(SnapshotEventKind::Started);
            on_demand.metrics.incremental(&event, 0, now_ms());
            on_demand.read(None);
        }
        Ok(on_demand)
    }

    /// Begins to look for signals where the config says.
    ///
    /// # Errors
    /// When the config of a channel is not complete.
    pub fn listen(&mut self, topics: &Arc<dyn TopicReaders>) -> Result<()> {
        self.channels = Channels::open(&self.settings, topics)?;
        Ok(())
    }

    /// Takes note of a table that the stream tells of.
    pub fn learn(&mut self, relation: u32, id: &TableId) {
        if self.signal_table.as_ref() == Some(id) {
            self.signal_relation = Some(relation);
        }
    }

    /// Whether rows of a table are signals.
    #[inline]
    pub fn is_signal(&self, relation: u32) -> bool {
        self.signal_relation == Some(relation)
    }

    /// Whether something has to be done before the stream goes on.
    pub fn is_busy(&self) -> bool {
        let blocks = match self.blocking {
            Blocking::None => false,
            Blocking::Asked(_) => !self.acted,
            Blocking::Starting(_) | Blocking::Running(_) => true,
        };
        blocks || self.incremental.reading.is_some()
    }

    /// Does it, until it is done or there are records. Cancel-safe. Says whether a blocking snapshot has ended.
    ///
    /// # Errors
    /// When the server cannot be reached, or a value cannot be read.
    pub async fn work(&mut self, out: &mut Output<'_>) -> Result<bool> {
        if let Some(reading) = &mut self.incremental.reading {
            let read = reading
                .await
                .unwrap_or_else(|error| Err(Error::fatal("reading a chunk broke off").caused_by(error)));
            self.incremental.reading = None;
            let events = self.incremental.take(read?);
            out.state.incremental = self.incremental.context.progress();
            let rows = self.incremental.context.rows_scanned();
            for event in events {
                self.metrics.incremental(&event, rows, now_ms());
                self.tell(Notification::incremental_snapshot(event), out);
            }
            return Ok(false);
        }
        match &mut self.blocking {
            Blocking::None => return Ok(false),
            Blocking::Asked(request) => {
                let start = start_blocking(
                    Arc::clone(&self.settings),
                    Arc::clone(&self.columns),
                    Arc::clone(&self.metrics),
                    request.clone(),
                    out.state.clone(),
                );
                self.blocking = Blocking::Starting(AbortOnDropHandle::new(tokio::spawn(start)));
            }
            Blocking::Starting(starting) => {
                let started = starting
                    .await
                    .unwrap_or_else(|error| Err(Error::fatal("starting broke off").caused_by(error)));
                self.blocking = Blocking::None;
                match started {
                    Ok(snapshot) => {
                        self.tell(Notification::initial_snapshot("STARTED"), out);
                        self.blocking = Blocking::Running(Box::new(snapshot));
                        return Ok(false);
                    }
                    Err(error) => {
                        warn!(trace = error.trace(), "Error while executing requested blocking snapshot.");
                        // A request that cannot be read begins nothing.
                        if error.kind() != ErrorKind::Record {
                            self.tell(Notification::initial_snapshot("STARTED"), out);
                            self.tell(Notification::initial_snapshot("ABORTED"), out);
                        }
                        return Ok(true);
                    }
                }
            }
            Blocking::Running(snapshot) => {
                let over = match snapshot.poll(out.positions, out.batch).await {
                    Ok(complete) => complete,
                    Err(error) => {
                        warn!(trace = error.trace(), "Error while executing requested blocking snapshot.");
                        true
                    }
                };
                if over {
                    info!("Snapshot completed, streaming goes on");
                    self.blocking = Blocking::None;
                }
                return Ok(over);
            }
        }
        Ok(false)
    }

    /// Acts upon a row of the signal table, once; says whether the stream may go on with the row's record.
    pub fn row(&mut self, table: Option<&Arc<CapturedTable>>, change: &Change, out: &mut Output<'_>) -> bool {
        if !self.acted {
            self.acted = true;
            if let Some(signal) = table.and_then(|table| self.signal_of(table, change)) {
                self.act(signal, out);
            }
            if self.incremental.reading.is_some() {
                return false;
            }
        }
        self.acted = false;
        true
    }

    /// The signal that a row is: an insert, or the delete that closes a window.
    fn signal_of(&self, table: &CapturedTable, change: &Change) -> Option<SignalRecord> {
        let strategy = &self.settings.config.keys.connector.incremental_snapshot_watermarking_strategy;
        let tuple = match change {
            Change::Insert(new) => new,
            Change::Delete(old) if strategy.eq_ignore_ascii_case("insert_delete") => old,
            _ => return None,
        };
        let cells: Vec<_> = tuple.cells().collect();
        let (_, row) = table.plan.row(|column| table.value(column, cells.get(column), tuple)).ok()?;
        let [id, kind, data] = row.cells() else {
            warn!("The signal event should have 3 fields but has {}", row.cells().len());
            return None;
        };
        let text = |cell: &Value| match cell {
            Value::String(text) => Some(Some(text.as_str().to_owned())),
            Value::Null => Some(None),
            _ => None,
        };
        let texts = (|| Some(SignalRecord { id: text(id)?, kind: text(kind)?, data: text(data)? }))();
        let Some(signal) = texts else {
            warn!("A row of the signal table is passed over: its three columns have to hold text");
            return None;
        };
        match change {
            Change::Delete(_) => Some(SignalRecord {
                id: Some(signal.id?.replace("open", "close")),
                kind: Some("snapshot-window-close".to_owned()),
                data: None,
            }),
            _ => Some(signal),
        }
    }

    /// Takes up signals of other channels, as long as they leave the stream free.
    pub fn take_signals(&mut self, out: &mut Output<'_>) {
        while let Some(signal) = self.channels.as_mut().and_then(Channels::try_next) {
            self.act(signal, out);
            if self.is_busy() {
                return;
            }
        }
    }

    /// Whether signals may come from elsewhere than the stream.
    pub fn listens(&self) -> bool {
        self.channels.is_some()
    }

    /// Waits for a signal of another channel. Cancel-safe.
    pub async fn next_signal(&mut self) -> SignalRecord {
        match &mut self.channels {
            Some(channels) => channels.next().await,
            None => std::future::pending().await,
        }
    }

    /// Does what a signal asks for, or begins to.
    pub fn act(&mut self, signal: SignalRecord, out: &mut Output<'_>) {
        let Some(action) = Signal::read(&signal) else { return };
        let incremental = &mut self.incremental;
        let id = signal.id.clone().unwrap_or_default();
        match action {
            Signal::Log(message) => {
                let offset = serde_json::Value::Object(out.state.write()).to_string();
                info!("{}", message.replacen("{}", &offset, 1));
            }
            Signal::SchemaChanges => {
                info!("the columns of tables are read from the catalog: the signal has no effect")
            }
            Signal::Blocking(request) => self.blocking = Blocking::Asked(request),
            _ if !incremental.is_configured => {
                warn!("Incremental snapshot is not properly configured: signal.data.collection is not set");
            }
            Signal::Incremental(request) => self.read(Some(Request { request, signal })),
            Signal::Stop(tables) => incremental.context.request_stop(tables),
            Signal::Pause => {
                if incremental.context.set_paused(true) {
                    let event = incremental.context.event(SnapshotEventKind::Paused);
                    self.metrics.incremental(&event, 0, now_ms());
                    self.tell(Notification::incremental_snapshot(event), out);
                }
            }
            Signal::Resume => {
                if incremental.context.set_paused(false) {
                    let event = incremental.context.event(SnapshotEventKind::Resumed);
                    self.metrics.incremental(&event, 0, now_ms());
                    self.tell(Notification::incremental_snapshot(event), out);
                    self.read(None);
                }
            }
            Signal::WindowOpen | Signal::WindowClose if !incremental.context.expects(&id) => {
                info!("Received a watermark with id = '{id}' of another run, request ignored");
            }
            Signal::WindowOpen => incremental.context.set_window_open(true),
            Signal::WindowClose => {
                incremental.context.set_window_open(false);
                self.write_window(out);
                self.read(None);
            }
        }
        out.state.incremental = self.incremental.context.progress();
    }

    /// Begins to read the next chunk, or takes up a request.
    fn read(&mut self, request: Option<Request>) {
        let incremental = &mut self.incremental;
        if request.is_none() && !incremental.context.is_running() {
            incremental.reader = None;
            return;
        }
        let reader = incremental.reader.take();
        let reader = reader.unwrap_or_else(|| ChunkReader::new(self.settings.clone(), self.columns.clone()));
        let reading = reader.read(std::mem::take(&mut incremental.context), request);
        incremental.reading = Some(AbortOnDropHandle::new(tokio::spawn(reading)));
    }

    /// Whether changes of a table concern the rows that wait.
    #[inline]
    pub fn watches(&self, table: &CapturedTable, xid: Option<i64>) -> bool {
        let incremental = &self.incremental;
        if incremental.window.is_empty() {
            return false;
        }
        let in_window = match &incremental.read_only {
            Some(window) => xid.is_none_or(|xid| !precedes(xid as u32, window.low_xid)),
            None => incremental.context.is_window_open(),
        };
        in_window && incremental.table.as_ref().is_some_and(|current| current.table.id == table.table.id)
    }

    /// Takes the rows out of the window that records tell of.
    pub fn deduplicate(&mut self, records: &[Record]) {
        for record in records {
            if let Value::Struct(key) = &record.key {
                self.incremental.window.remove(key);
            }
        }
    }

    /// Whether the stream has come to the end of a window without watermarks.
    #[inline]
    pub fn has_reached(&self, lsn: Lsn) -> bool {
        match &self.incremental.read_only {
            Some(window) => lsn >= window.high || is_page_behind(window.high, lsn),
            None => false,
        }
    }

    /// Writes the rows of a window without watermarks, and reads the next chunk.
    pub fn close_window(&mut self, out: &mut Output<'_>) {
        self.incremental.read_only = None;
        self.incremental.ask_at = None;
        self.write_window(out);
        self.read(None);
    }

    fn write_window(&mut self, out: &mut Output<'_>) {
        let before = out.batch.len();
        self.incremental.write_window(out);
        self.metrics.add_incremental_events((out.batch.len() - before) as u64, now_ms());
    }

    /// When the server is to be asked how far it has come.
    pub fn asks_at(&self) -> Option<Instant> {
        self.incremental.ask_at
    }

    /// The server was asked.
    pub fn asked(&mut self) {
        self.incremental.ask_at = self.incremental.read_only.map(|_| Instant::now() + ASK_PAUSE);
    }

    /// Tells what has happened. In front of the record of the signal at hand the position before is stored with it: a
    /// restart meets the signal again, and its record.
    fn tell(&self, notification: Notification, out: &mut Output<'_>) {
        let state = (!self.acted).then_some(&*out.state);
        let mut outlet = Outlet { positions: &mut *out.positions, batch: &mut *out.batch };
        outlet.tell(&self.settings, &notification, state);
    }
}

impl Incremental {
    /// Takes what was read.
    fn take(&mut self, read: Reading) -> Vec<SnapshotEvent> {
        let Reading { reader, context, events, chunk, read_only } = read;
        self.context = context;
        self.reader = self.context.is_running().then_some(reader);
        if let Some(chunk) = chunk {
            self.table = Some(chunk.table);
            for (key, row) in chunk.rows {
                self.window.put(key, row);
            }
        }
        // The last window has no rows, but what it shows may still be waited for.
        self.read_only = read_only.filter(|_| self.context.is_running());
        self.ask_at = self.read_only.map(|_| Instant::now());
        events
    }

    /// Makes the records of the rows that are left.
    fn write_window(&mut self, out: &mut Output<'_>) {
        let Some(table) = &self.table else { return };
        let before = out.positions.latest().unwrap_or(&self.start).clone();
        for (key, row) in self.window.drain() {
            self.context.sent(row.chunk_key);
            let ts_us = Some(now().nanos / 1_000);
            let shown = OffsetState { ts_us, ..out.state.clone() };
            let stored = OffsetState {
                ts_us,
                snapshot: Some(SnapshotState { kind: SnapshotKind::Incremental, completed: true }),
                incremental: self.context.progress(),
                ..before.clone()
            };
            let position = out.positions.ticket(&stored);
            let marker = SnapshotMarker::Incremental;
            let source = out.emitter.source_of(table, marker, &shown);
            out.emitter.read(table, (key, row.row), source, position, row.bytes, out.batch);
        }
    }
}

/// Whether a transaction is older than another: they are counted round in 32 bits.
fn precedes(xid: u32, other: u32) -> bool {
    (xid.wrapping_sub(other) as i32) < 0
}

/// The end of the log may lie behind the header of a page that nothing has been written to yet; the stream then ends
/// where the page begins.
fn is_page_behind(high: Lsn, lsn: Lsn) -> bool {
    high.0 % LOG_PAGE <= LOG_HEADER && lsn.0 >= high.0 - high.0 % LOG_PAGE
}

async fn start_blocking(
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    metrics: Arc<Metrics>,
    request: SnapshotRequest,
    state: OffsetState,
) -> Result<Snapshot> {
    info!("Starting snapshot");
    let sql = setup::connect(&settings, GENERAL_APPLICATION).await.map_err(cause)?;
    let types = TypeRegistry::read(&sql.client).await.map_err(cause)?;
    Snapshot::blocking(settings, &columns, &sql, &types, &request, state, metrics).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_compared_round_the_clock() {
        assert!(precedes(1, 2) && !precedes(2, 2) && !precedes(3, 2));
        assert!(precedes(u32::MAX, 3) && !precedes(3, u32::MAX));
    }

    #[test]
    fn the_end_of_the_log_may_lie_behind_the_header_of_a_new_page() {
        let page = 5 * LOG_PAGE;
        assert!(is_page_behind(Lsn(page + 24), Lsn(page)));
        assert!(is_page_behind(Lsn(page + 40), Lsn(page + 1)));
        assert!(!is_page_behind(Lsn(page + 41), Lsn(page)));
        assert!(!is_page_behind(Lsn(page + 24), Lsn(page - 1)));
    }
}
