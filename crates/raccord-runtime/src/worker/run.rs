//! The one task that owns the coordinator: takes what comes, one after the other, and starts what follows from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use raccord_plugin::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};

use super::effects::Shell;
use super::open::{self, Opened, Storage};
use super::{Shared, status_writer::StatusWriter};
use crate::coordinator::{
    Answer, ConnectorEvent, Coordinator, Epoch, Event, Request, RequestId, Settings, TaskNews,
};
use crate::group::{GroupEvent, SingleWorker, WorkerGroup};
use crate::herder::HerderResult;
use crate::ports::LogRecord;
use crate::status_log::StatusKey;
use crate::task::TaskId;

/// Where an answer goes.
pub type Reply = oneshot::Sender<HerderResult<Answer>>;

/// What comes to the coordinator from requests and from what runs beside it.
pub enum Mail {
    /// REST asks.
    Request(RequestId, Request, Reply),
    /// REST has given up.
    Abandoned(RequestId),
    /// An answer from what ran beside the coordinator.
    Answer(RequestId, HerderResult<Answer>),
    /// A write of the config topic has ended.
    ConfigDone(std::result::Result<(), String>),
    /// Statuses have been written and read back.
    StatusSettled(Vec<(StatusKey, u64)>),
    /// News of a connector.
    Connector(String, Epoch, ConnectorEvent),
    /// News of a task.
    Task(TaskId, Epoch, TaskNews),
}

/// After the coordinator has ended: how long the last statuses may take, and leaving the group.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);
/// How long stopping may take: longer than any connector or task may.
const STOP_MARGIN: Duration = Duration::from_secs(15);

static LAST_REQUEST: AtomicU64 = AtomicU64::new(0);

/// A number for a request that no other has.
pub fn request_id() -> RequestId {
    LAST_REQUEST.fetch_add(1, Ordering::Relaxed)
}

/// Runs a worker from its start to its end.
pub async fn run(
    shared: Arc<Shared>,
    storage: Storage,
    group: Option<Box<dyn WorkerGroup>>,
    mail: mpsc::Sender<Mail>,
    mailbox: mpsc::Receiver<Mail>,
) {
    let outcome = run_to_end(&shared, storage, group, mail, mailbox).await;
    match &outcome {
        Ok(()) => tracing::info!("Herder stopped"),
        Err(error) => tracing::error!(trace = error.trace(), "the worker cannot run"),
    }
    let outcome = outcome.map_err(|error| match error.hint_text() {
        Some(hint) => format!("{} ({hint})", error.message()),
        None => error.message().to_owned(),
    });
    shared.ended.send_replace(Some(outcome));
}

async fn run_to_end(
    shared: &Arc<Shared>,
    storage: Storage,
    group: Option<Box<dyn WorkerGroup>>,
    mail: mpsc::Sender<Mail>,
    mailbox: mpsc::Receiver<Mail>,
) -> Result<()> {
    tracing::info!("Herder starting");
    let (opened, config, status) = tokio::select! {
        opened = open::open(shared, &storage) => opened?,
        () = shared.stop.cancelled() => return Ok(()),
    };
    shared.stage.complete(shared.clock.now_ms());
    let sessioned = shared.config.connect_protocol.eq_ignore_ascii_case("sessioned")
        && matches!(storage, Storage::Topics);
    let group = group
        .unwrap_or_else(|| Box::new(SingleWorker::new(format!("http://{}/", shared.worker_id), sessioned)));
    let mut worker = Worker::new(shared.clone(), opened, group, mail);
    worker.begin(config.initial, status.initial);
    let streams = Streams { config: config.records, status: status.records, mailbox };
    worker.follow(streams).await
}

struct Streams {
    config: mpsc::Receiver<Vec<LogRecord>>,
    status: mpsc::Receiver<Vec<LogRecord>>,
    mailbox: mpsc::Receiver<Mail>,
}

struct Worker {
    shared: Arc<Shared>,
    coordinator: Coordinator,
    shell: Shell,
    opened: Arc<Opened>,
    ended: bool,
}

enum Next {
    Config(Option<Vec<LogRecord>>),
    Status(Option<Vec<LogRecord>>),
    Mail(Option<Mail>),
    Group(GroupEvent),
    Tick,
    Stop,
}

impl Worker {
    fn new(
        shared: Arc<Shared>,
        opened: Arc<Opened>,
        group: Box<dyn WorkerGroup>,
        mail: mpsc::Sender<Mail>,
    ) -> Self {
        let config = &shared.config;
        let settings = Settings {
            worker_id: shared.worker_id.clone(),
            plugins: shared.plugins,
            task_stop_timeout_ms: u64::try_from(config.task_shutdown_graceful_timeout_ms).unwrap_or(0),
            topic_tracking: config.topic_tracking_enable,
            key_ttl_ms: u64::try_from(config.inter_worker_key_ttl_ms).unwrap_or(0),
            key_algorithm: config.inter_worker_key_generation_algorithm.clone(),
            key_bytes: key_bytes(config.inter_worker_key_size),
            rng: StdRng::from_os_rng(),
            restart: shared.restart.clone(),
        };
        let statuses = StatusWriter::start(opened.status_log.clone(), mail.clone());
        let shell = Shell::new(shared.clone(), opened.clone(), group, statuses, mail);
        Self { coordinator: Coordinator::new(settings), shared, shell, opened, ended: false }
    }

    /// What was in the topics when they were opened.
    fn begin(&mut self, config: Vec<LogRecord>, status: Vec<LogRecord>) {
        self.step(Event::Config(config));
        self.step(Event::Status(status));
        self.step(Event::CaughtUp);
        self.shared.started.send_replace(Some(self.opened.clone()));
        tracing::info!("Herder started");
    }

    async fn follow(&mut self, mut streams: Streams) -> Result<()> {
        let mut outcome = Ok(());
        let mut stopping = false;
        let mut patience = None;
        while !self.ended {
            let deadline = self.coordinator.deadline();
            let wait = deadline.map(|at_ms| at_ms.saturating_sub(self.shared.clock.now_ms()));
            let next = tokio::select! {
                biased;
                batch = streams.config.recv() => Next::Config(batch),
                batch = streams.status.recv() => Next::Status(batch),
                event = self.shell.group.next() => Next::Group(event),
                () = self.shared.stop.cancelled(), if !stopping => Next::Stop,
                mail = streams.mailbox.recv() => Next::Mail(mail),
                () = pause(wait) => Next::Tick,
                () = until(patience) => break,
            };
            match next {
                Next::Config(Some(batch)) => self.step(Event::Config(batch)),
                Next::Status(Some(batch)) => self.step(Event::Status(batch)),
                Next::Config(None) | Next::Status(None) | Next::Mail(None) => {
                    outcome = Err(Error::fatal("an internal topic is not being read any more"));
                    break;
                }
                Next::Group(event) => self.step(Event::Group(event)),
                Next::Tick => self.step(Event::Tick),
                Next::Mail(Some(mail)) => self.on_mail(mail, &mut streams),
                Next::Stop => {
                    stopping = true;
                    patience = Some(tokio::time::Instant::now() + STOP_MARGIN + self.task_stop_timeout());
                    tracing::info!("Herder stopping");
                    self.step(Event::Shutdown);
                }
            }
        }
        let last_words = async {
            self.shell.statuses.flushed().await;
            self.shell.group.leave().await;
        };
        if tokio::time::timeout(LAST_WORDS_MAX, last_words).await.is_err() {
            tracing::warn!("Kafka did not take the last statuses in time");
        }
        outcome
    }

    fn task_stop_timeout(&self) -> Duration {
        Duration::from_millis(
            u64::try_from(self.shared.config.task_shutdown_graceful_timeout_ms).unwrap_or(0),
        )
    }

    fn on_mail(&mut self, mail: Mail, streams: &mut Streams) {
        match mail {
            Mail::Request(id, request, reply) => {
                self.shell.expect(id, reply);
                self.step(Event::Request(id, request));
            }
            Mail::Abandoned(id) => {
                self.shell.give_up(id);
                self.step(Event::Abandoned(id));
            }
            Mail::Answer(id, answer) => self.shell.answer(id, answer),
            Mail::ConfigDone(outcome) => {
                // What was written has been passed to the channel before; it must be known before its success is.
                while let Ok(batch) = streams.config.try_recv() {
                    self.step(Event::Config(batch));
                }
                self.step(Event::ConfigDone(outcome));
            }
            Mail::StatusSettled(settled) => {
                while let Ok(batch) = streams.status.try_recv() {
                    self.step(Event::Status(batch));
                }
                for (key, sequence) in settled {
                    self.step(Event::StatusSettled(key, sequence));
                }
            }
            Mail::Connector(name, epoch, event) => {
                if event == ConnectorEvent::Stopped {
                    self.shell.forget_connector(&name, epoch);
                }
                self.step(Event::Connector(name, epoch, event));
            }
            Mail::Task(id, epoch, news) => {
                if matches!(news, TaskNews::Failed(_) | TaskNews::NotMade(_) | TaskNews::Stopped) {
                    self.shell.forget_task(&id, epoch);
                }
                self.step(Event::Task(id, epoch, news));
            }
        }
    }

    fn step(&mut self, event: Event) {
        let now_ms = self.shared.clock.now_ms();
        let effects = self.coordinator.step(now_ms, event);
        self.shared.stage.set(self.coordinator.stage(), now_ms);
        for effect in effects {
            self.ended |= self.shell.run(effect);
        }
    }
}

async fn pause(wait_ms: Option<u64>) {
    match wait_ms {
        Some(wait_ms) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
        None => std::future::pending().await,
    }
}

/// Waits for a time; for ever when there is none.
pub async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The size of a key in bytes, from `inter.worker.key.size` in bits; Java's default for HmacSHA256 otherwise.
fn key_bytes(bits: Option<i32>) -> usize {
    match bits.map(usize::try_from) {
        Some(Ok(bits)) if bits > 0 => bits.div_ceil(8),
        _ => 32,
    }
}
