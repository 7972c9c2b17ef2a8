//! The task: start, snapshot, stream, and again from the last stored offset when the connection breaks.
//!
//! Starting and the two passes of the search run on a task of their own, because they change things on the server (slot,
//! publication) and a poll may be dropped at any await: what has been begun is waited for by the next poll.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use raccord_cdc::Notification;
use raccord_data::{Position, Record};
use raccord_plugin::{
    Error, ErrorKind, RawConfig, Result, SourceBatch, SourceContext, SourceOffset, SourceTask,
};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::classify::{given_up, interrupted, is_counted};
use crate::columns::ColumnSettings;
use crate::config::TaskConfig;
use crate::driver::DriverSettings;
use crate::exposition;
use crate::metrics::Metrics;
use crate::offset::{OffsetState, Positions, partition, source_offset};
use crate::progress::{Outlet, now_ms};
use crate::settings::Settings;
use crate::setup;
use crate::slot;
use crate::snapshot::Snapshot;
use crate::start::{self, Afterwards, KnownServer, Started};
use crate::stream::Stream;

/// The task.
#[derive(Default)]
pub struct PostgresTask {
    opened: Option<Opened>,
    positions: Positions,
}

struct Opened {
    context: SourceContext,
    settings: Arc<Settings>,
    columns: Arc<ColumnSettings>,
    phase: Phase,
    /// Failures since the last change.
    retries: i32,
    retry_at: Option<Instant>,
    /// What was stored last: streaming may begin to confirm with it.
    stored: Option<OffsetState>,
    server: KnownServer,
    metrics: Arc<Metrics>,
}

enum Phase {
    /// Nothing has been done yet, or the last attempt failed.
    Idle,
    /// Under way.
    Starting(AbortOnDropHandle<Result<Started>>),
    /// Rows of tables.
    Snapshot(Box<Snapshot>, Box<Afterwards>),
    /// Changes.
    Stream(Box<Stream>),
    /// Nothing follows: `snapshot.mode=initial_only`.
    Finished,
}

impl Opened {
    /// Does what the phase needs until there are records.
    async fn poll(&mut self, positions: &mut Positions, batch: &mut SourceBatch) -> Result<()> {
        loop {
            match &mut self.phase {
                Phase::Idle => self.begin(positions).await?,
                Phase::Starting(starting) => {
                    let started = starting
                        .await
                        .unwrap_or_else(|error| Err(Error::fatal("starting broke off").caused_by(error)));
                    self.phase = Phase::Idle;
                    self.started(started?, &mut Outlet { positions, batch })?;
                    if !batch.is_empty() {
                        return Ok(());
                    }
                }
                Phase::Snapshot(snapshot, _) => {
                    let complete = snapshot.poll(positions, batch).await.map_err(interrupted)?;
                    if complete {
                        self.snapshot_completed();
                    }
                    if !batch.is_empty() {
                        return Ok(());
                    }
                }
                Phase::Stream(stream) => {
                    let polled = stream.poll(positions, batch).await.map_err(interrupted);
                    self.metrics.streamed(stream.emitter.seen.take(), now_ms());
                    return polled;
                }
                Phase::Finished => std::future::pending::<()>().await,
            }
        }
    }

    /// Goes on from where starting led to, and tells whether there is a snapshot.
    ///
    /// # Errors
    /// When the config of a channel of signals is not complete.
    fn started(&mut self, started: Started, outlet: &mut Outlet<'_>) -> Result<()> {
        let mut tell = |kind| outlet.tell(&self.settings, &Notification::initial_snapshot(kind), None);
        self.phase = match started {
            Started::Snapshot(snapshot, afterwards) => {
                tell("STARTED");
                Phase::Snapshot(snapshot, afterwards)
            }
            Started::Ready(afterwards, begin) => {
                tell("SKIPPED");
                self.metrics.snapshot_skipped();
                let (settings, columns) = (self.settings.clone(), self.columns.clone());
                let stream = start::stream(settings, columns, *afterwards, *begin);
                Phase::Starting(AbortOnDropHandle::new(tokio::spawn(stream)))
            }
            Started::Stream(mut stream) => {
                stream.listen(&self.context.topics)?;
                self.metrics.connected.store(true, Ordering::Relaxed);
                Phase::Stream(stream)
            }
            Started::Nothing => {
                tell("SKIPPED");
                self.metrics.snapshot_skipped();
                Phase::Finished
            }
        };
        Ok(())
    }

    async fn begin(&mut self, positions: &mut Positions) -> Result<()> {
        if let Some(at) = self.retry_at {
            info!("Awaiting end of restart backoff period after a retriable error");
            tokio::time::sleep_until(at).await;
        }
        self.retry_at = None;
        let partition = partition(self.settings.config.topic_prefix());
        let stored = self.context.offsets.offsets(&[partition]).await?.pop().flatten();
        self.stored = stored.as_ref().map(OffsetState::read);
        // What comes before the first position of this task carries the one that is stored.
        positions.begin_at(self.stored.as_ref());
        let (settings, columns) = (self.settings.clone(), self.columns.clone());
        let starting = start::start(
            settings,
            columns,
            self.stored.clone(),
            stored,
            self.server.clone(),
            self.metrics.clone(),
        );
        self.phase = Phase::Starting(AbortOnDropHandle::new(tokio::spawn(starting)));
        Ok(())
    }

    fn snapshot_completed(&mut self) {
        let Phase::Snapshot(snapshot, afterwards) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        let mut state = snapshot.state().clone();
        state.snapshot = None;
        self.phase = match self.settings.snapshot_mode.streams() {
            true => {
                let stream = start::stream_behind_snapshot(
                    self.settings.clone(),
                    self.columns.clone(),
                    *afterwards,
                    state,
                    snapshot.tables(),
                );
                Phase::Starting(AbortOnDropHandle::new(tokio::spawn(stream)))
            }
            false => Phase::Finished,
        };
    }

    /// Notes a failure; says what becomes of it.
    fn failed(&mut self, error: Error) -> Error {
        self.phase = Phase::Idle;
        self.metrics.connected.store(false, Ordering::Relaxed);
        if error.kind() != ErrorKind::Retriable {
            return error;
        }
        let keys = &self.settings.config.keys.connector;
        if is_counted(&error) {
            let limit = keys.errors_max_retries;
            if limit >= 0 && self.retries >= limit {
                error!("The maximum number of {limit} retries has been attempted");
                return given_up(error);
            }
            self.retries += 1;
        }
        let wait = Duration::from_millis(keys.retriable_restart_connector_wait_ms.max(0).unsigned_abs());
        self.retry_at = Some(Instant::now() + wait);
        error
    }
}

/// Whether a record tells of a row: notifications and heartbeats do not show that a failure is over.
fn is_change(record: &Record) -> bool {
    let schema = record.value_schema.as_ref().and_then(|schema| schema.name.as_deref());
    schema.is_some_and(|name| name.ends_with(".Envelope"))
}

#[async_trait]
impl SourceTask for PostgresTask {
    async fn open(&mut self, context: SourceContext, config: &RawConfig) -> Result<()> {
        let settings = Arc::new(Settings::new(TaskConfig::read(config)?, context.task)?);
        let columns = Arc::new(ColumnSettings::new(&settings.config)?);
        DriverSettings::warn_of_others(config);
        let metrics = Arc::<Metrics>::default();
        context.metrics.register(exposition::reader(Arc::clone(&metrics), &settings));
        self.opened = Some(Opened {
            context,
            settings,
            columns,
            phase: Phase::Idle,
            retries: 0,
            retry_at: None,
            stored: None,
            server: KnownServer::default(),
            metrics,
        });
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        let Some(opened) = &mut self.opened else { return Err(Error::fatal("the task is not open")) };
        match opened.poll(&mut self.positions, batch).await {
            Ok(()) => {
                if opened.retries > 0 && batch.records().iter().any(is_change) {
                    opened.retries = 0;
                }
                Ok(())
            }
            Err(error) => Err(opened.failed(error)),
        }
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let prefix = self.opened.as_ref().map_or("", |opened| opened.settings.config.topic_prefix());
        source_offset(prefix, self.positions.state(position.sequence))
    }

    async fn committed(&mut self, positions: &[Position]) -> Result<()> {
        let (Some(opened), Some(position)) = (&mut self.opened, positions.last()) else { return Ok(()) };
        let Some(state) = self.positions.state(position.sequence).cloned() else { return Ok(()) };
        self.positions.stored(position.sequence);
        if let Phase::Stream(stream) = &opened.phase {
            stream.confirm(&state);
        }
        opened.stored = Some(state);
        Ok(())
    }

    async fn close(&mut self) {
        let Some(opened) = self.opened.take() else { return };
        let drops = opened.settings.config.keys.postgres.slot_drop_on_stop;
        match opened.phase {
            Phase::Stream(stream) => stream.close().await,
            // Only the log is told: no record is taken any more.
            Phase::Snapshot(mut snapshot, _) => {
                snapshot.abort(&mut self.positions, &mut SourceBatch::new(0, 0));
            }
            Phase::Idle | Phase::Starting(_) | Phase::Finished => {}
        }
        if !drops {
            return;
        }
        let name = &opened.settings.config.keys.postgres.slot_name;
        let dropped = async {
            let sql = setup::connect(&opened.settings, "Debezium Drop Slot").await?;
            slot::drop(&sql.client, name).await
        };
        if let Err(error) = dropped.await {
            warn!(slot = name, %error, "cannot drop the replication slot");
        }
    }
}
