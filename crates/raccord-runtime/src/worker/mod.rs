//! A running worker: the shell around the coordinator.
//!
//! `start` returns at once; internal topics are opened in the background while REST already answers `/health`. Requests
//! that come meanwhile wait. One task owns the [`crate::coordinator`] and feeds it one event after the other; what
//! takes time runs beside it and comes back as an event.

mod answers;
mod connector;
mod effects;
mod memory_log;
mod metrics;
mod offsets;
mod open;
mod run;
mod stage;
mod standalone;
mod status_writer;
mod task_runner;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use raccord_plugin::{Error, Plugin, RawConfig, Result};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Providers, Resolved, RestartKeys, WorkerConfig};
use crate::group::WorkerGroup;
use crate::loggers::{LogLevels, Loggers};
use crate::metrics::Registry;
use crate::offset_log::TopicOffsets;
use crate::ports::Kafka;
use crate::redaction::keep_secret;

pub use standalone::{StandaloneConnector, StandaloneHerder};

/// What a worker is made of.
pub struct Deps {
    /// Its config.
    pub config: Arc<WorkerConfig>,
    /// All plugins.
    pub plugins: &'static [Plugin],
    /// Makes Kafka clients.
    pub kafka: Arc<dyn Kafka>,
    /// The program's log levels.
    pub log_levels: Arc<dyn LogLevels>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// `host:port` under which other workers and users reach this worker's REST API: `worker_id` in statuses.
    pub worker_id: String,
    /// The version that `GET /` shows.
    pub version: String,
    /// The commit that `GET /` shows.
    pub commit: String,
    /// The group; `None` for a worker that is alone.
    pub group: Option<Box<dyn WorkerGroup>>,
}

/// What all parts of a worker share.
struct Shared {
    config: Arc<WorkerConfig>,
    plugins: &'static [Plugin],
    kafka: Arc<dyn Kafka>,
    clock: Arc<dyn Clock>,
    worker_id: String,
    version: String,
    commit: String,
    loggers: Loggers,
    /// What its tasks count.
    metrics: Arc<Registry>,
    stage: stage::StageCell,
    /// What was found when the worker came up; `None` until then.
    started: watch::Sender<Option<Arc<open::Opened>>>,
    /// How it ended; `None` while it runs.
    ended: watch::Sender<Option<std::result::Result<(), String>>>,
    /// Cancelled when the worker is to stop.
    stop: CancellationToken,
    /// Replaces placeholders in connector configs.
    providers: Providers,
    /// When failed tasks start again by themselves, unless their connector says otherwise.
    restart: RestartKeys,
    /// Offsets topics that connectors have of their own, by topic and connector.
    own_offsets: tokio::sync::Mutex<HashMap<(String, String), Weak<TopicOffsets>>>,
}

/// Replaces placeholders in a config, and keeps what they were replaced with out of all texts from now on.
///
/// # Errors
/// When a provider cannot give a value.
fn resolve(shared: &Shared, config: &RawConfig) -> Result<Resolved> {
    let mut resolved = shared.providers.resolve(config).map_err(Error::config)?;
    keep_secret(std::mem::take(&mut resolved.secrets));
    Ok(resolved)
}

/// A worker of a cluster, with its state in Kafka topics.
pub struct DistributedHerder {
    shared: Arc<Shared>,
    mail: mpsc::Sender<run::Mail>,
}

/// Requests and news that wait for the coordinator. It takes microseconds for each; a full queue slows the senders.
const MAIL_MAX: usize = 1024;

impl DistributedHerder {
    /// Starts a worker in the background of the current tokio runtime. See [`Self::ended`] for its end.
    pub fn start(deps: Deps) -> Arc<Self> {
        Self::launch(deps, open::Storage::Topics)
    }

    fn launch(deps: Deps, storage: open::Storage) -> Arc<Self> {
        let (mail, mailbox) = mpsc::channel(MAIL_MAX);
        // Loading the config has checked them.
        let providers = Providers::of(&deps.config.raw).unwrap_or_else(|why| {
            tracing::error!(why, "placeholders in connector configs are not replaced");
            Providers::default()
        });
        let restart = RestartKeys::of_worker(&deps.config.raw);
        let shared = Arc::new(Shared {
            restart,
            config: deps.config,
            plugins: deps.plugins,
            kafka: deps.kafka,
            loggers: Loggers::new(deps.log_levels, deps.clock.clone()),
            metrics: Arc::default(),
            stage: stage::StageCell::new(
                "initializing and reading to the end of internal topics",
                deps.clock.now_ms(),
            ),
            clock: deps.clock,
            worker_id: deps.worker_id,
            version: deps.version,
            commit: deps.commit,
            started: watch::Sender::new(None),
            ended: watch::Sender::new(None),
            stop: CancellationToken::new(),
            providers,
            own_offsets: tokio::sync::Mutex::default(),
        });
        let herder = Arc::new(Self { shared: shared.clone(), mail: mail.clone() });
        tokio::spawn(run::run(shared, storage, deps.group, mail, mailbox));
        herder
    }

    /// Stops connectors and tasks, says so in the status topic, leaves the group and waits for the end.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        // How it ended matters to who waits for the end.
        let _ = self.ended().await;
    }

    /// Waits for the end of the worker.
    ///
    /// # Errors
    /// Why it could not start, e.g. that an internal topic is not compacted.
    pub async fn ended(&self) -> Result<()> {
        let mut ended = self.shared.ended.subscribe();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(why))) => Err(Error::fatal(why.clone())),
            _ => Ok(()),
        }
    }

    /// Waits until the worker is up or has ended.
    ///
    /// # Errors
    /// As [`Self::ended`].
    pub async fn ready(&self) -> Result<()> {
        let mut started = self.shared.started.subscribe();
        tokio::select! {
            _ = started.wait_for(Option::is_some) => Ok(()),
            ended = self.ended() => ended,
        }
    }
}
