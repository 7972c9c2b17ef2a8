//! Streaming: messages of pgoutput in, records out.
//!
//! # Why nothing is lost or reordered
//! - Frames come from [`WalStream`] whole and in order, and are taken one after the other. The place in the stream moves
//!   on together with what a message makes, with no await between the two; a poll that is dropped while the catalog is
//!   asked for a relation has moved nothing and meets the same message again.
//! - The server is told to forget only what was stored ([`Stream::confirm`]): the commit that a stored offset names. All
//!   before that commit was acknowledged by Kafka before the offset was written.
//! - A row's position is stored only when no other row with the same position follows it. Rows of one multi-insert share
//!   a position; all but the last of them carry the position before, so that a restart between them repeats them all.
//!   To know, the next message is looked at, which is always there: see `hold` in the reader.
//! - After a restart the search phase (`wal_position`) leaves out what was stored and nothing else.
//! - Records are made in the order of the stream, which is that of commits; within a transaction it is the order in which
//!   the changes were made.

use std::sync::Arc;

use bytes::Bytes;
use raccord_cdc::{Operation, SnapshotMarker, TableId, TransactionRecords};
use raccord_data::{Text, Value};
use raccord_plugin::{Error, Result, SourceBatch, TopicReaders};
use tracing::{info, warn};

use crate::captured::CapturedTable;
use crate::catalog::schema_of;
use crate::classify::{cause, debezium};
use crate::columns::ColumnSettings;
use crate::emit::{Change, Emitter, Place, now};
use crate::heartbeat::Heartbeat;
use crate::messages::MessageRecords;
use crate::offset::{MessageType, OffsetState, Positions};
use crate::on_demand::{OnDemand, Output};
use crate::pgoutput::{Message, Relation, decode};
use crate::relations::Relations;
use crate::reselect::{Reselected, Reselector};
use crate::settings::Settings;
use crate::shown::Shown;
use crate::slot_watch::SlotWatch;
use crate::transactions::Transactions;
use crate::wal_position::{Kind, WalPositionLocator};
use crate::wire::frames::{Frame, Frames};
use crate::wire::reader::POSTGRES_EPOCH_S;
use crate::wire::sql::SqlSession;
use crate::wire::{Lsn, WalStream};

/// The name under which transaction metadata count logical messages.
const MESSAGES: &str = "LOGICAL_DECODING_MESSAGE";
/// How much log without a captured change is let grow before the stored position moves on by itself: a segment.
const QUIET_BYTES: u64 = 16 * 1024 * 1024;
/// About how many bytes a record has besides its cells.
const RECORD_BYTES: usize = 256;
/// The name by which the server knows the session that asks for tables.
pub const GENERAL_APPLICATION: &str = "Debezium General";

/// The stream of a slot, and what is known of its tables.
pub struct Stream {
    settings: Arc<Settings>,
    pub emitter: Emitter,
    /// None between the two passes of a search.
    wal: Option<WalStream>,
    frames: Frames,
    /// Asks the catalog.
    sql: SqlSession,
    watch: SlotWatch,
    shown: Shown,
    reselector: Reselector,
    relations: Relations,
    state: OffsetState,
    transaction: Option<Transaction>,
    /// Whether its commit has not come yet.
    in_transaction: bool,
    /// Of the last message that was processed whole.
    completed: Option<Lsn>,
    locator: Option<WalPositionLocator>,
    messages: MessageRecords,
    transactions: Option<Transactions>,
    heartbeat: Option<Heartbeat>,
    on_demand: OnDemand,
    /// Whether anything was received: before that, nothing is confirmed.
    received: bool,
    /// Messages since the last record, to warn about a log that grows.
    unsent: u64,
}

#[derive(Clone, Copy)]
struct Transaction {
    id: i64,
    commit_time_us: i64,
}

/// What became of a message.
enum Step {
    /// It is done.
    Done,
    /// It says what a table looks like: the catalog has to be asked.
    Relation(Relation),
    /// It is a row of the signal table, by its oid.
    Signal(u32, Change),
    /// It is a row of which columns have to be read again.
    Reselect(Box<Row>, Vec<usize>),
    /// It is the one that the first pass looked for.
    Found,
}

/// A change of a row, and where it stands.
struct Row {
    lsn: Lsn,
    next_lsn: Option<Lsn>,
    kind: MessageType,
    relation: u32,
    change: Change,
}

/// Where to begin.
pub struct Start {
    /// The position to begin at, and to go on from.
    pub state: OffsetState,
    /// The position that the server is asked for.
    pub lsn: Lsn,
    /// Whether messages up to the stored one have to be looked for.
    pub search: bool,
    /// Whether a heartbeat, if there are any, comes first: so it is behind a snapshot.
    pub beats: bool,
    /// Tables that the snapshot before has compiled.
    pub tables: Vec<Arc<CapturedTable>>,
}

impl Stream {
    /// A stream that has begun at the position of `start`.
    ///
    /// # Errors
    /// When the position has an incremental snapshot that cannot be read.
    pub fn new(
        settings: Arc<Settings>,
        columns: &Arc<ColumnSettings>,
        wal: WalStream,
        sql: SqlSession,
        relations: Relations,
        watch: SlotWatch,
        mut start: Start,
    ) -> Result<Self> {
        let on_demand = OnDemand::new(&settings, columns, watch.metrics(), &mut start.state)?;
        let locator = start.search.then(|| {
            info!(lsn = %start.lsn, "Searching for WAL resume position");
            WalPositionLocator::new(start.state.lsn_commit, start.lsn, start.state.message_type)
        });
        let (keys, plans) = (&settings.config.keys, &settings.plans);
        let transactions = keys.connector.provide_transaction_metadata.then(|| {
            let records = TransactionRecords::new(plans.naming.transaction_topic(), plans.schema_names);
            Transactions::new(records, &start.state)
        });
        Ok(Self {
            emitter: Emitter::new(settings.clone()),
            messages: MessageRecords::new(
                settings.config.topic_prefix(),
                &plans.source,
                plans.schema_names,
                columns.binary,
            ),
            transactions,
            heartbeat: Heartbeat::new(&settings, start.beats),
            settings,
            wal: Some(wal),
            frames: Frames::default(),
            sql,
            watch,
            shown: Shown::default(),
            reselector: Reselector::default(),
            relations,
            completed: Some(start.lsn),
            state: start.state,
            transaction: None,
            in_transaction: false,
            locator,
            on_demand,
            received: false,
            unsent: 0,
        })
    }

    /// Begins to look for signals besides those in the stream.
    ///
    /// # Errors
    /// When the config of a channel is not complete.
    pub fn listen(&mut self, topics: &Arc<dyn TopicReaders>) -> Result<()> {
        self.on_demand.listen(topics)
    }

    /// Whether the first pass is still on: then [`search`](Self::search) is to be called.
    pub fn is_searching(&self) -> bool {
        self.locator.as_ref().is_some_and(|locator| !locator.is_skipping())
    }

    /// First pass: reads until it is known where to go on. Cancel-safe.
    ///
    /// # Errors
    /// What ended the stream.
    pub async fn search(&mut self) -> Result<()> {
        loop {
            while let Some((frame, length)) = self.frames.peek() {
                let found = match frame {
                    Frame::Wal(lsn, data) => matches!(self.look(lsn, &data), Step::Found),
                    Frame::Keepalive(_) | Frame::Other => false,
                };
                self.frames.advance(length);
                if found {
                    return Ok(());
                }
            }
            refill(&mut self.wal, &mut self.frames).await?;
        }
    }

    fn look(&mut self, lsn: Lsn, data: &Bytes) -> Step {
        let Some(locator) = &mut self.locator else { return Step::Found };
        let kind = match data.first() {
            Some(b'B') => Kind::Begin,
            Some(b'C') => Kind::Commit,
            Some(kind) if self.settings.counts(*kind) => Kind::Other,
            _ => return Step::Done,
        };
        match locator.search(lsn, kind) {
            Some(start) => {
                info!(lsn = %start, "WAL resume position discovered");
                Step::Found
            }
            None => Step::Done,
        }
    }

    /// Ends the session of the first pass: a slot has one reader.
    pub async fn stop_first_pass(&mut self) {
        self.frames = Frames::default();
        if let Some(wal) = self.wal.take() {
            wal.close().await;
        }
    }

    /// Begins the second pass on a new stream.
    pub fn second_pass(&mut self, wal: WalStream) {
        self.wal = Some(wal);
        if let Some(locator) = &mut self.locator {
            locator.begin_skipping();
        }
    }

    /// Fills the batch with what there is; waits when there is nothing. Cancel-safe.
    ///
    /// # Errors
    /// What ended the stream, or a message that cannot be processed.
    pub async fn poll(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        loop {
            while !self.on_demand.is_busy()
                && let Some((frame, length)) = self.frames.peek()
            {
                if batch.is_full() {
                    return Ok(());
                }
                let (Frame::Wal(lsn, _) | Frame::Keepalive(lsn)) = frame else {
                    self.frames.advance(length);
                    continue;
                };
                if self.on_demand.has_reached(lsn) {
                    self.with_output(positions, batch, |on_demand, mut out| on_demand.close_window(&mut out));
                    continue;
                }
                match frame {
                    Frame::Wal(lsn, data) => {
                        let next_lsn = self.frames.position_behind(length);
                        match self.process(lsn, data, next_lsn, positions, batch)? {
                            Step::Relation(relation) => self.learn(relation).await?,
                            Step::Signal(relation, change) => {
                                let table = self.relations.get(relation).cloned();
                                let act = |on_demand: &mut OnDemand, mut out: Output<'_>| {
                                    on_demand.row(table.as_ref(), &change, &mut out)
                                };
                                if !self.with_output(positions, batch, act) {
                                    // The same message again, when that is done.
                                    continue;
                                }
                                let kind = change.kind();
                                let row = Row { lsn, next_lsn, kind, relation, change };
                                self.row(row, &Reselected::new(), positions, batch)?;
                            }
                            Step::Reselect(row, wanted) => {
                                let reselected = self.reselect(&row, &wanted).await?;
                                self.completed = Some(row.lsn);
                                self.reached(row.lsn, row.kind);
                                self.row(*row, &reselected, positions, batch)?;
                            }
                            Step::Done | Step::Found => {}
                        }
                    }
                    Frame::Keepalive(lsn) => self.quiet(lsn, positions, batch),
                    Frame::Other => {}
                }
                self.frames.advance(length);
            }
            if self.on_demand.is_busy() {
                if !batch.is_empty() {
                    return Ok(());
                }
                self.work(positions, batch).await?;
                continue;
            }
            let more = self.wal.as_mut().map(WalStream::try_next).transpose().map_err(cause)?.flatten();
            match more {
                Some(chunk) => self.frames.refill(chunk),
                None if batch.is_empty() && !batch.is_advanced() => self.wait(positions, batch).await?,
                None => return Ok(()),
            }
            if self.on_demand.listens() {
                self.with_output(positions, batch, |on_demand, mut out| on_demand.take_signals(&mut out));
            }
        }
    }

    /// Lends what records are made with.
    fn with_output<T>(
        &mut self,
        positions: &mut Positions,
        batch: &mut SourceBatch,
        run: impl FnOnce(&mut OnDemand, Output<'_>) -> T,
    ) -> T {
        let Self { emitter, state, on_demand, .. } = self;
        run(on_demand, Output { emitter, state, positions, batch })
    }

    /// Goes on with what signals have asked for, for which the stream waits.
    async fn work(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        let Self { emitter, state, on_demand, .. } = self;
        let over = on_demand.work(&mut Output { emitter, state, positions, batch }).await?;
        match &mut self.heartbeat {
            Some(heartbeat) if over => heartbeat.beat(positions.ticket(&self.state), batch),
            _ => Ok(()),
        }
    }

    /// Waits for frames, or for a heartbeat that is due.
    async fn wait(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        let asks_at = self.on_demand.asks_at();
        let beats_at = self.heartbeat.as_ref().map(Heartbeat::due);
        let due = beats_at.into_iter().chain(asks_at).min();
        if due.is_none() && !self.on_demand.listens() {
            return refill(&mut self.wal, &mut self.frames).await;
        }
        let signal = tokio::select! {
            refilled = refill(&mut self.wal, &mut self.frames) => return refilled,
            signal = self.on_demand.next_signal() => Some(signal),
            () = until(due) => None,
        };
        if let Some(signal) = signal {
            self.with_output(positions, batch, |on_demand, mut out| on_demand.act(signal, &mut out));
            return Ok(());
        }
        if let (Some(asks_at), Some(wal)) = (asks_at, &self.wal)
            && asks_at <= tokio::time::Instant::now()
        {
            wal.ask();
            self.on_demand.asked();
        }
        self.beat(positions, batch)
    }

    /// Puts a heartbeat into the batch if one is due.
    fn beat(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        match &mut self.heartbeat {
            Some(heartbeat) if heartbeat.due() <= tokio::time::Instant::now() => {
                heartbeat.beat(positions.ticket(&self.state), batch)
            }
            _ => Ok(()),
        }
    }

    /// The server has come far without a captured change: moves the stored position on, so that it may remove the log.
    ///
    /// Nothing is lost by that: every transaction that commits before this position has been sent before the keepalive,
    /// its records have tickets before this one, and the position is stored only when they are acknowledged. One that is
    /// under way commits later and is sent whole. The kind COMMIT makes a restart begin with a whole transaction.
    fn quiet(&mut self, lsn: Lsn, positions: &mut Positions, batch: &mut SourceBatch) {
        let behind = self.state.lsn_commit.or(self.state.lsn).unwrap_or_default();
        let far = lsn.0.saturating_sub(behind.0) >= QUIET_BYTES;
        if !far || self.in_transaction || self.locator.is_some() {
            return;
        }
        self.received = true;
        self.completed = Some(lsn);
        self.state.lsn = Some(lsn);
        self.state.lsn_proc = Some(lsn);
        self.state.lsn_commit = Some(lsn);
        self.state.message_type = Some(MessageType::Commit);
        self.state.snapshot = None;
        batch.advance(positions.ticket(&self.state));
    }

    /// Takes note that a position is stored: the server may forget what lies before its commit.
    pub fn confirm(&self, state: &OffsetState) {
        let flushes = self.received && self.settings.config.keys.postgres.flush_lsn_source;
        if let (true, Some(lsn), Some(wal)) = (flushes, state.flushable(), &self.wal) {
            wal.confirm(lsn);
        }
    }

    /// Ends the session, after what was confirmed has been told.
    pub async fn close(self) {
        if let Some(wal) = self.wal {
            wal.close().await;
        }
    }

    fn process(
        &mut self,
        lsn: Lsn,
        data: Bytes,
        next_lsn: Option<Lsn>,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) -> Result<Step> {
        self.received = true;
        let kind = data.first().copied().unwrap_or_default();
        let boundary = matches!(kind, b'B' | b'C');
        if let Some(locator) = &mut self.locator
            && (boundary || self.settings.counts(kind))
        {
            let skips = locator.skips(lsn).map_err(|unexpected| {
                debezium(format!(
                    "Message with LSN 'LSN{{{}}}' not present among LSNs seen in the location phase. This is unexpected \
                     and can lead to an infinite loop or a data loss.",
                    unexpected.0
                ))
                .hint("the slot or the server is not the one that the stored offset came from: take a new snapshot")
            })?;
            if !skips {
                self.locator = None;
            } else if !boundary {
                return Ok(Step::Done);
            }
        }
        let broken = |error| debezium("a message of the replication stream cannot be read").caused_by(error);
        match decode(data).map_err(broken)? {
            Message::Begin { commit_time_us, xid, .. } => {
                let commit_time_us = commit_time_us + POSTGRES_EPOCH_S * 1_000_000;
                self.transaction = Some(Transaction { id: i64::from(xid), commit_time_us });
                self.in_transaction = true;
                self.reached(lsn, MessageType::Begin);
                if let Some(transactions) = &mut self.transactions {
                    transactions.begin(i64::from(xid), &mut self.state);
                    batch.push(
                        transactions.begin_record(&self.state, positions.ticket(&self.state)),
                        RECORD_BYTES,
                    );
                }
            }
            Message::Commit { .. } => {
                self.in_transaction = false;
                self.completed = Some(lsn);
                self.reached(lsn, MessageType::Commit);
                self.state.lsn_commit = Some(lsn);
                self.beat(positions, batch)?;
                if let Some(transactions) = &mut self.transactions {
                    if let Some(record) = transactions.end_record(&self.state, positions.ticket(&self.state))
                    {
                        batch.push(record, RECORD_BYTES);
                    }
                    transactions.end(&mut self.state);
                }
            }
            Message::Relation(relation) => return Ok(Step::Relation(relation)),
            Message::Insert { relation, new } => {
                let row =
                    Row { lsn, next_lsn, kind: MessageType::Insert, relation, change: Change::Insert(new) };
                return self.change(row, positions, batch);
            }
            Message::Update { relation, old, new } => {
                let row = Row {
                    lsn,
                    next_lsn,
                    kind: MessageType::Update,
                    relation,
                    change: Change::Update(old, new),
                };
                return self.change(row, positions, batch);
            }
            Message::Delete { relation, old } => {
                let row =
                    Row { lsn, next_lsn, kind: MessageType::Delete, relation, change: Change::Delete(old) };
                return self.change(row, positions, batch);
            }
            Message::Truncate { relations } => self.truncate(lsn, &relations, positions, batch),
            Message::Logical { transactional, prefix, content, .. } => {
                self.logical(lsn, transactional, &prefix, content, positions, batch);
            }
            Message::Ignored => {}
        }
        Ok(Step::Done)
    }

    /// Moves the position on to a message.
    fn reached(&mut self, lsn: Lsn, kind: MessageType) {
        self.state.lsn = Some(lsn);
        self.state.lsn_proc = self.completed;
        self.state.message_type = Some(kind);
        self.state.xmin = self.watch.xmin();
        self.state.tx_id = self.transaction.map(|transaction| transaction.id);
        if let Some(transaction) = self.transaction {
            self.state.ts_us = Some(transaction.commit_time_us);
        }
        self.state.snapshot = None;
    }

    /// Takes a change of a row: one of the signal table is acted upon first, and columns that have to be read again are
    /// asked for before anything has moved.
    fn change(&mut self, row: Row, positions: &mut Positions, batch: &mut SourceBatch) -> Result<Step> {
        if self.settings.reselect.is_some()
            && let Some(wanted) = self.wanted(&row)
        {
            return Ok(Step::Reselect(Box::new(row), wanted));
        }
        self.completed = Some(row.lsn);
        self.reached(row.lsn, row.kind);
        if self.on_demand.is_signal(row.relation) {
            return Ok(Step::Signal(row.relation, row.change));
        }
        self.row(row, &Reselected::new(), positions, batch)?;
        Ok(Step::Done)
    }

    /// The columns of a row that are to be read again, if any.
    fn wanted(&self, row: &Row) -> Option<Vec<usize>> {
        let operation = match row.kind {
            MessageType::Insert => Operation::Create,
            MessageType::Update => Operation::Update,
            _ => return None,
        };
        let reselect = self.relations.get(row.relation)?.reselect.as_ref()?;
        let (old, new) = row.change.rows();
        let wanted = reselect.wanted(old, new?);
        (!wanted.is_empty() && !self.settings.skipped.contains(operation)).then_some(wanted)
    }

    /// Reads columns of a row again.
    async fn reselect(&mut self, row: &Row, wanted: &[usize]) -> Result<Reselected> {
        let (Some(table), (_, Some(new))) = (self.relations.get(row.relation), row.change.rows()) else {
            return Ok(Reselected::new());
        };
        let id = self.transaction.map(|transaction| transaction.id);
        self.shown.wait(&self.sql.client, id).await.map_err(cause)?;
        self.reselector.select(&self.settings, table, wanted, new).await
    }

    fn row(
        &mut self,
        Row { lsn, next_lsn, relation, change, .. }: Row,
        reselected: &Reselected,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) -> Result<()> {
        let Some(table) = self.relations.get(relation) else {
            self.emitter.seen.filtered(change.operation());
            self.filtered();
            return Ok(());
        };
        let place = Place { state: &mut self.state, positions, continues: next_lsn == Some(lsn) };
        let before = batch.len();
        let emitted =
            self.emitter.change(table, &change, reselected, place, self.transactions.as_mut(), batch);
        if self.on_demand.watches(table, self.transaction.map(|transaction| transaction.id)) {
            self.on_demand.deduplicate(&batch.records()[before..]);
        }
        let emitted = match emitted {
            Ok(emitted) => emitted,
            Err(error) => {
                let message = format!("Error while processing event of table {} at {lsn}", table.name);
                self.settings.judge_failure(Error::fatal(message).caused_by(error))?;
                false
            }
        };
        match emitted {
            true => self.unsent = 0,
            false => self.filtered(),
        }
        Ok(())
    }

    fn truncate(&mut self, lsn: Lsn, relations: &[u32], positions: &mut Positions, batch: &mut SourceBatch) {
        if self.settings.skipped.contains(Operation::Truncate) {
            return;
        }
        let tables: Vec<_> = relations.iter().filter_map(|id| self.relations.get(*id).cloned()).collect();
        for (place, table) in tables.iter().enumerate() {
            let last = place + 1 == tables.len();
            if last {
                self.completed = Some(lsn);
            }
            self.reached(lsn, MessageType::Truncate);
            let place = Place { state: &mut self.state, positions, continues: !last };
            self.emitter.truncate(table, place, self.transactions.as_mut(), batch);
            self.unsent = 0;
        }
    }

    /// A message outside of transactions is complete by itself.
    fn logical(
        &mut self,
        lsn: Lsn,
        transactional: bool,
        prefix: &[u8],
        content: Bytes,
        positions: &mut Positions,
        batch: &mut SourceBatch,
    ) {
        if !transactional {
            self.transaction = None;
            self.completed = Some(lsn);
        }
        self.reached(lsn, MessageType::Message);
        if !transactional {
            self.state.lsn_commit = Some(lsn);
        }
        let prefix = String::from_utf8_lossy(prefix);
        if !self.settings.message_prefixes.includes(&prefix) {
            return;
        }
        let transaction = match &mut self.transactions {
            Some(transactions) if transactional => transactions.event(MESSAGES, &mut self.state),
            _ => Value::Null,
        };
        let nothing = Text::default();
        let source = self.emitter.source(&nothing, &nothing, SnapshotMarker::False, &self.state);
        let bytes = content.len() + RECORD_BYTES;
        let now_ms = now().nanos / 1_000_000;
        let position = positions.ticket(&self.state);
        batch.push(self.messages.record(&prefix, content, source, transaction, now_ms, position), bytes);
        self.unsent = 0;
    }

    fn filtered(&mut self) {
        self.unsent += 1;
        if self.unsent.is_multiple_of(10_000) && self.settings.config.keys.events.heartbeat_interval_ms == 0 {
            warn!(
                "Received {} events which were all filtered out, so no offset could be committed. This prevents the \
                 replication slot from acknowledging the processed WAL offsets, causing a growing backlog of \
                 non-removeable WAL segments on the database server. Consider to either adjust your filter \
                 configuration or enable heartbeat events (via the heartbeat.interval.ms option) to avoid this situation.",
                self.unsent
            );
        }
    }

    /// Takes note of what a table looks like, as the message and the catalog say together.
    async fn learn(&mut self, relation: Relation) -> Result<()> {
        let id = TableId::in_schema(schema_of(&relation), relation.table.as_str());
        if !self.settings.captures(&id) {
            self.relations.pass_over(relation.id);
            return Ok(());
        }
        let transaction = self.transaction.map(|transaction| transaction.id);
        self.shown.wait(&self.sql.client, transaction).await.map_err(cause)?;
        self.relations.learn(&self.sql.client, &id, &relation).await?;
        self.on_demand.learn(relation.id, &id);
        Ok(())
    }
}

async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Waits for frames. Cancel-safe.
async fn refill(wal: &mut Option<WalStream>, frames: &mut Frames) -> Result<()> {
    let chunk = match wal {
        Some(wal) => wal.next().await.map_err(cause)?,
        None => None,
    };
    let ended = || Error::retriable("the stream ended").class("java.io.IOException");
    frames.refill(chunk.ok_or_else(ended)?);
    Ok(())
}
