//! The broker as a whole: start, what handlers can reach, stop.
//!
//! It runs on threads of its own. Appends and reads go to files directly, and a slow disk then holds up the broker's
//! clients only, not whatever else the process does.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{EnterGuard, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::now_ms;
use crate::config::{BrokerConfig, BrokerError};
use crate::coordinators::Coordinators;
use crate::group::GroupCoordinator;
use crate::producer_ids::ProducerIds;
use crate::server::{self, BUDGET_UNIT};
use crate::topics::Topics;
use crate::txn::TransactionCoordinator;

const LOCK_FILE: &str = ".lock";
/// How often due checkpoints are looked for.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for a share of the memory for answers.
const ANSWER_BUDGET_WAIT: Duration = Duration::from_millis(500);
/// Longest wait for requests under way when the broker stops.
const DRAIN_MS: u64 = 3_000;

/// A running broker, as its handlers see it. Made by [`Broker::start`].
pub struct Broker {
    config: Arc<BrokerConfig>,
    advertised: (String, u16),
    topics: Arc<Topics>,
    producer_ids: Arc<ProducerIds>,
    coordinators: Coordinators,
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    stop: CancellationToken,
    /// Held as long as any task can still write.
    _lock: File,
}

impl Broker {
    /// Opens the data folder, listens, and serves on threads of its own until the handle is shut down or dropped.
    ///
    /// # Errors
    /// [`BrokerError`]: each message names what is wrong and the remedy.
    pub fn start(config: BrokerConfig) -> Result<BrokerHandle, BrokerError> {
        check_settings(&config)?;
        let lock = lock_data_dir(&config.data_dir)?;
        let config = Arc::new(config);
        // Listening before reading the logs: a port in use is told at once.
        let listener = listen(&config)?;
        let local_addr = listener.local_addr().map_err(|e| listen_error(&config, e))?;
        let threads = Threads::start(&config)?;
        let topics = Arc::new(Topics::open(config.clone())?);
        let ids = ProducerIds::open(&config.data_dir)
            .map_err(|source| BrokerError::DataDir { path: config.data_dir.clone(), source })?;
        let producer_ids = Arc::new(ids);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let coordinators = {
            let _inside = threads.enter();
            Coordinators::open(&config, &topics, &producer_ids, &stop, &tasks)?
        };
        let units =
            |bytes: usize| Arc::new(Semaphore::new((bytes / BUDGET_UNIT).clamp(1, u32::MAX as usize / 2)));
        let broker = Arc::new(Broker {
            advertised: advertised(&config, local_addr),
            topics,
            producer_ids,
            coordinators,
            requests: units(config.max_in_flight_bytes.max(config.request_max_bytes)),
            answers: units(config.max_in_flight_bytes.max(config.fetch_max_bytes)),
            stop: stop.clone(),
            _lock: lock,
            config,
        });
        {
            let _inside = threads.enter();
            let listener = TcpListener::from_std(listener).map_err(|e| listen_error(&broker.config, e))?;
            tasks.spawn(server::accept(broker.clone(), listener, tasks.clone()));
            tasks.spawn(maintain(broker.clone()));
            tasks.spawn(write_checkpoints(broker.clone()));
        }
        tracing::info!(address = %local_addr, data = %broker.config.data_dir.display(), "broker is up");
        Ok(BrokerHandle { local_addr, broker, threads, tasks })
    }

    pub(crate) fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// Host and port that clients are told.
    pub(crate) fn advertised(&self) -> (&str, u16) {
        (&self.advertised.0, self.advertised.1)
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(crate) fn producer_ids(&self) -> &ProducerIds {
        &self.producer_ids
    }

    pub(crate) fn groups(&self) -> &GroupCoordinator {
        &self.coordinators.groups
    }

    pub(crate) fn txns(&self) -> &TransactionCoordinator {
        &self.coordinators.txns
    }

    /// Tells the coordinators that a topic is gone.
    pub(crate) fn topic_deleted(&self, topic: &str) {
        self.groups().topic_deleted(topic);
    }

    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for room for a request of so many bytes.
    pub(crate) async fn request_budget(&self, bytes: usize) -> OwnedSemaphorePermit {
        acquire(&self.requests, bytes).await
    }

    /// Waits a moment for room for an answer of so many bytes. `None`: readers that take nothing hold all of it, and the
    /// answer should be a small one.
    pub(crate) async fn answer_budget(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(ANSWER_BUDGET_WAIT, acquire(&self.answers, bytes)).await.ok()
    }
}

async fn acquire(semaphore: &Arc<Semaphore>, bytes: usize) -> OwnedSemaphorePermit {
    let units = bytes.div_ceil(BUDGET_UNIT).min(u32::MAX as usize) as u32;
    semaphore.clone().acquire_many_owned(units.max(1)).await.expect("the budgets are never closed")
}

/// A started broker. Dropping it without [`shutdown`](Self::shutdown) stops it like a crash: nothing acknowledged is
/// lost, and the next start checks the ends of the logs.
pub struct BrokerHandle {
    local_addr: SocketAddr,
    broker: Arc<Broker>,
    threads: Threads,
    tasks: TaskTracker,
}

impl BrokerHandle {
    /// The address really listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// `host:port` that clients are told to connect to.
    pub fn advertised(&self) -> String {
        let (host, port) = self.broker.advertised();
        format!("{host}:{port}")
    }

    /// Stops: no new requests, the running ones are finished, logs are synced with a checkpoint each.
    pub async fn shutdown(mut self) {
        self.broker.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(Duration::from_millis(DRAIN_MS), self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not finish in time and are cut");
        }
        let broker = self.broker.clone();
        let runtime = self.threads.0.take();
        let done = tokio::task::spawn_blocking(move || {
            if let Some(runtime) = runtime {
                runtime.shutdown_timeout(Duration::from_millis(DRAIN_MS));
            }
            broker.topics.close();
        });
        if done.await.is_err() {
            tracing::error!("closing the logs failed; the next start checks their ends");
        }
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        self.broker.stop.cancel();
    }
}

/// The broker's runtime. Dropping it does not wait, so that it may be dropped inside another runtime, as happens when
/// a start fails half-way.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(config: &BrokerConfig) -> Result<Threads, BrokerError> {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get().min(4));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.unwrap_or(cores).max(1))
            .max_blocking_threads(4)
            .thread_name("raccord-broker")
            .enable_all()
            .build();
        runtime.map(|runtime| Threads(Some(runtime))).map_err(BrokerError::Threads)
    }

    fn enter(&self) -> EnterGuard<'_> {
        self.0.as_ref().expect("the runtime is taken out at shutdown only").enter()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn check_settings(config: &BrokerConfig) -> Result<(), BrokerError> {
    let refuse = |name, value: String, reason| Err(BrokerError::Setting { name, value, reason });
    if config.num_partitions < 1 {
        return refuse("num_partitions", config.num_partitions.to_string(), "it must be 1 or more");
    }
    if config.message_max_bytes < 1 {
        return refuse("message_max_bytes", config.message_max_bytes.to_string(), "it must be 1 or more");
    }
    if config.log_segment_bytes < 1024 {
        return refuse("log_segment_bytes", config.log_segment_bytes.to_string(), "it must be 1024 or more");
    }
    if config.max_connections == 0 {
        return refuse("max_connections", "0".to_string(), "it must be 1 or more");
    }
    Ok(())
}

fn lock_data_dir(dir: &Path) -> Result<File, BrokerError> {
    let failed = |source: io::Error| BrokerError::DataDir { path: dir.to_path_buf(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    let file =
        File::options().write(true).create(true).truncate(false).open(dir.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BrokerError::DataDirLocked { path: dir.to_path_buf() }),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

fn listen(config: &BrokerConfig) -> Result<std::net::TcpListener, BrokerError> {
    let listener = std::net::TcpListener::bind((config.host.as_str(), config.port))
        .map_err(|e| listen_error(config, e))?;
    listener.set_nonblocking(true).map_err(|e| listen_error(config, e))?;
    Ok(listener)
}

fn listen_error(config: &BrokerConfig, source: io::Error) -> BrokerError {
    let (host, port) = (config.host.clone(), config.port);
    match source.kind() {
        io::ErrorKind::AddrInUse => BrokerError::PortInUse { host, port },
        _ => BrokerError::Listen { host, port, source },
    }
}

fn advertised(config: &BrokerConfig, local: SocketAddr) -> (String, u16) {
    let host = match &config.advertised_host {
        Some(host) => host.clone(),
        None if local.ip().is_unspecified() => "localhost".to_string(),
        None => config.host.clone(),
    };
    (host, config.advertised_port.unwrap_or(local.port()))
}

async fn maintain(broker: Arc<Broker>) {
    let interval = Duration::from_millis(broker.config.retention_check_interval_ms.max(1));
    loop {
        tokio::select! {
            () = broker.stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let inner = broker.clone();
        let run = tokio::task::spawn_blocking(move || {
            inner.topics.maintain(now_ms(), &|| inner.stop.is_cancelled());
        });
        if run.await.is_err() {
            tracing::error!("a maintenance pass over the logs panicked; the next one starts in {interval:?}");
        }
    }
}

async fn write_checkpoints(broker: Arc<Broker>) {
    loop {
        tokio::select! {
            () = broker.stop.cancelled() => return,
            () = tokio::time::sleep(CHECKPOINT_INTERVAL) => {}
        }
        let inner = broker.clone();
        let run = tokio::task::spawn_blocking(move || inner.topics.checkpoint_due(now_ms()));
        if run.await.is_err() {
            tracing::error!("writing checkpoints panicked");
        }
    }
}
