//! A running worker with its REST API, in whichever mode.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use raccord_config::{RawConfig, properties};
use raccord_kafka::RdKafka;
use raccord_plugin::KAFKA_VERSION;
use raccord_plugins::PLUGINS;
use raccord_rest::{RestServer, RestSettings, jaas_file};
use raccord_runtime::clock::SystemClock;
pub use raccord_runtime::config::Mode;
use raccord_runtime::config::{Loaded, OverridePolicy, load};
use raccord_runtime::validate::check_worker_plugins;
use raccord_runtime::worker::{Deps, DistributedHerder, StandaloneHerder};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::logging::Levels;

/// How long REST may take to finish the answers it has begun.
const REST_PATIENCE: Duration = Duration::from_secs(5);

/// A worker that runs.
pub struct Worker {
    herder: Arc<DistributedHerder>,
    shutdown: CancellationToken,
    rest: JoinHandle<()>,
}

/// Reads a worker's properties file.
pub fn read_properties(path: &Path) -> Result<RawConfig> {
    properties::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The text of an error with the remedy, on one line.
pub fn one_line(error: &raccord_plugin::Error) -> anyhow::Error {
    match error.hint_text() {
        Some(hint) => anyhow!("{} ({hint})", error.message()),
        None => anyhow!("{}", error.message()),
    }
}

impl Worker {
    /// Starts a worker. REST answers when this returns; see [`ready`](Self::ready) for the worker itself.
    pub fn start(mode: Mode, raw: &RawConfig) -> Result<Self> {
        let loaded = load(raw, mode).map_err(|findings| anyhow!("{findings}"))?;
        report(&loaded);
        OverridePolicy::of(&loaded.config).iter().for_each(report_policy);
        check_worker_plugins(&loaded.config, PLUGINS).map_err(|findings| anyhow!("{findings}"))?;
        let config = Arc::new(loaded.config);
        let jaas = jaas_file(&config.raw, std::env::var("KAFKA_OPTS").ok().as_deref());
        let settings = RestSettings::read(&config.raw, jaas.as_deref()).map_err(|error| one_line(&error))?;
        let server = RestServer::bind(settings).map_err(|error| one_line(&error))?;
        let url = server.advertised_url();
        let deps = Deps {
            config,
            plugins: PLUGINS,
            kafka: Arc::new(RdKafka::default()),
            log_levels: Arc::new(Levels),
            clock: Arc::new(SystemClock),
            worker_id: worker_id(&url),
            version: KAFKA_VERSION.to_owned(),
            commit: option_env!("RACCORD_COMMIT").unwrap_or("unknown").to_owned(),
            group: None,
        };
        let herder = match mode {
            Mode::Distributed => DistributedHerder::start(deps),
            Mode::Standalone => StandaloneHerder::start(deps),
        };
        let shutdown = CancellationToken::new();
        let rest = tokio::spawn({
            let (herder, shutdown) = (herder.clone(), shutdown.clone());
            async move {
                if let Err(error) = server.serve(herder, shutdown).await {
                    error!(%error, "the REST server has ended");
                }
            }
        });
        info!("REST API on {url}");
        Ok(Self { herder, shutdown, rest })
    }

    /// The herder.
    pub fn herder(&self) -> &DistributedHerder {
        &self.herder
    }

    /// Waits until the worker is up.
    pub async fn ready(&self) -> Result<()> {
        self.herder.ready().await.map_err(|error| one_line(&error))
    }

    /// Runs until the process is told to stop or the worker ends by itself, then stops everything in order.
    pub async fn run(self) -> Result<()> {
        let outcome = tokio::select! {
            outcome = until_stopped() => outcome,
            ended = self.herder.ended() => ended.map_err(|error| one_line(&error)),
        };
        self.stop().await;
        outcome
    }

    /// Stops connectors and tasks, commits their offsets, and closes the REST API.
    pub async fn stop(self) {
        info!("Kafka Connect stopping");
        self.herder.stop().await;
        self.shutdown.cancel();
        // What a client has not taken by then, it does not get.
        let _ = tokio::time::timeout(REST_PATIENCE, self.rest).await;
        info!("Kafka Connect stopped");
    }
}

/// Says what the worker runs with, and which keys it does not know.
fn report(loaded: &Loaded) {
    for (key, value) in &loaded.effective {
        debug!("{key} = {value}");
    }
    if !loaded.unknown.is_empty() {
        warn!("These configurations were supplied but are not known: {}", loaded.unknown.join(", "));
    }
}

/// Says which client settings connectors may override where that is about to change.
fn report_policy(policy: &OverridePolicy) {
    if *policy == OverridePolicy::Principal {
        warn!(
            "The Principal ConnectorClientConfigOverridePolicy is deprecated, use the Allowlist policy instead. To \
             replicate the Principal policy behavior, set the connector.client.config.override.allowlist configuration \
             to \"sasl.jaas.config,sasl.mechanism,security.protocol\""
        );
    }
}

/// `host:port` of the URL.
fn worker_id(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, address)| address).trim_end_matches('/').to_owned()
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn until_stopped() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot watch SIGHUP")?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.context("cannot watch Ctrl-C"),
        _ = term.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

/// The runtime that everything of a worker runs on.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")
}

/// Runs a program to its end, then leaves without waiting for reads that block for ever, such as of standard input.
pub fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}
