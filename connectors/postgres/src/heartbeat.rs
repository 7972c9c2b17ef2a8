//! Heartbeats: a record every `heartbeat.interval.ms` that moves the stored position on, and a statement in the database
//! with each (`heartbeat.action.query`).

use std::sync::Arc;
use std::time::Duration;

use raccord_cdc::HeartbeatRecords;
use raccord_data::Position;
use raccord_plugin::{Error, Result, SourceBatch};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

use crate::classify::{cause, debezium, with_cause};
use crate::emit::now;
use crate::settings::Settings;
use crate::setup;
use crate::wire::WireError;
use crate::wire::sql::sql_error;

/// About how many bytes a heartbeat has.
const RECORD_BYTES: usize = 128;

/// The heartbeats of a task.
pub struct Heartbeat {
    records: HeartbeatRecords,
    interval: Duration,
    due: Instant,
    action: Option<Action>,
}

/// Runs the statement on a session of its own, so that the stream does not wait for it.
struct Action {
    beats: mpsc::Sender<()>,
    failures: mpsc::Receiver<Error>,
    _task: AbortOnDropHandle<()>,
}

impl Heartbeat {
    /// The heartbeats that a config asks for, if any; the first at once or after the interval.
    pub fn new(settings: &Arc<Settings>, at_once: bool) -> Option<Self> {
        let keys = &settings.config.keys;
        let interval =
            u64::try_from(keys.events.heartbeat_interval_ms).ok().filter(|interval| *interval > 0)?;
        let interval = Duration::from_millis(interval);
        let records = HeartbeatRecords::new(
            settings.plans.naming.heartbeat_topic(),
            settings.config.topic_prefix(),
            settings.plans.schema_names,
        );
        let query = keys.relational_events.heartbeat_action_query.clone();
        let action = query.filter(|query| !query.trim().is_empty()).map(|query| Action::new(settings, query));
        let due = if at_once { Instant::now() } else { Instant::now() + interval };
        Some(Self { records, interval, due, action })
    }

    /// When the next one is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Puts a heartbeat into the batch, and has the statement run.
    ///
    /// # Errors
    /// When the statement failed before in a way that has to be told.
    pub fn beat(&mut self, position: Position, batch: &mut SourceBatch) -> Result<()> {
        batch.push(self.records.record(now().nanos / 1_000_000, position), RECORD_BYTES);
        self.due = Instant::now() + self.interval;
        let Some(action) = &mut self.action else { return Ok(()) };
        // A statement that still runs makes the next one needless.
        let _ = action.beats.try_send(());
        match action.failures.try_recv() {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    }
}

impl Action {
    fn new(settings: &Arc<Settings>, query: String) -> Self {
        let (beats, beat) = mpsc::channel(1);
        let (failed, failures) = mpsc::channel(1);
        let task = tokio::spawn(run(Arc::clone(settings), query, beat, failed));
        Self { beats, failures, _task: AbortOnDropHandle::new(task) }
    }
}

async fn run(
    settings: Arc<Settings>,
    query: String,
    mut beat: mpsc::Receiver<()>,
    failed: mpsc::Sender<Error>,
) {
    let mut session = None;
    while beat.recv().await.is_some() {
        let executed = async {
            let sql = match session.take() {
                Some(sql) => sql,
                None => setup::connect(&settings, "Debezium Heartbeat").await?,
            };
            sql.client.batch_execute(&query).await.map_err(sql_error)?;
            session = Some(sql);
            Ok::<(), WireError>(())
        };
        if let Err(error) = executed.await {
            error!(%error, "Could not execute heartbeat action");
            if let Some(error) = judge(error) {
                let _ = failed.try_send(error);
            }
        }
    }
}

/// What a failure of the statement means: two states fail the task, one begins again, the others are only logged.
fn judge(error: WireError) -> Option<Error> {
    let WireError::Server(server) = &error else { return None };
    let code = server.code.clone();
    let message = format!("Could not execute heartbeat action query (Error: {code})");
    match code.as_str() {
        "57P01" | "42P01" => Some(with_cause(debezium(message), cause(error))),
        "57P03" => Some(with_cause(Error::retriable(message), cause(error))),
        _ => None,
    }
}
