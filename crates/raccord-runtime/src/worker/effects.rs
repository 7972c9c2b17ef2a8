//! Carrying out what the coordinator wants. Nothing in here waits: what takes time is spawned.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::Result;
use tokio::sync::mpsc;

use super::connector::ConnectorHandle;
use super::open::Opened;
use super::run::{Mail, Reply};
use super::status_writer::StatusWriter;
use super::task_runner::TaskRunner;
use super::{Shared, connector, offsets, task_runner};
use crate::config_log::codec::Record;
use crate::coordinator::{Answer, ConnectorEvent, Effect, Epoch, RequestId, TaskNews};
use crate::group::WorkerGroup;
use crate::herder::HerderResult;
use crate::ports::CompactedLog;
use crate::task::TaskId;

/// A write and its reading back together, as Connect's `READ_WRITE_TOTAL_TIMEOUT_MS`.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What runs.
pub struct Shell {
    shared: Arc<Shared>,
    opened: Arc<Opened>,
    pub group: Box<dyn WorkerGroup>,
    pub statuses: Arc<StatusWriter>,
    mail: mpsc::Sender<Mail>,
    replies: HashMap<RequestId, Reply>,
    connectors: HashMap<String, (Epoch, ConnectorHandle)>,
    tasks: HashMap<TaskId, (Epoch, TaskRunner)>,
}

impl Shell {
    pub fn new(
        shared: Arc<Shared>,
        opened: Arc<Opened>,
        group: Box<dyn WorkerGroup>,
        statuses: Arc<StatusWriter>,
        mail: mpsc::Sender<Mail>,
    ) -> Self {
        Self {
            shared,
            opened,
            group,
            statuses,
            mail,
            replies: HashMap::new(),
            connectors: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    /// Keeps the way back to who asks.
    pub fn expect(&mut self, id: RequestId, reply: Reply) {
        self.replies.insert(id, reply);
    }

    /// Nobody waits any more.
    pub fn give_up(&mut self, id: RequestId) {
        self.replies.remove(&id);
    }

    /// Answers, if somebody still waits.
    pub fn answer(&mut self, id: RequestId, answer: HerderResult<Answer>) {
        if let Some(reply) = self.replies.remove(&id) {
            // The asker may be gone.
            let _ = reply.send(answer);
        }
    }

    /// Carries out an effect. Says whether it was the last one.
    pub fn run(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Answer(id, answer) => self.answer(id, answer),
            Effect::WriteConfig(records) => self.write_config(Some(records)),
            Effect::ReadConfig => self.write_config(None),
            Effect::WriteStatus(write) => self.statuses.push(write),
            Effect::StartConnector { name, epoch, config, target } => {
                let start = connector::Start { name: name.clone(), epoch, config, target };
                let handle = connector::start(&self.shared, &self.opened, start, self.mail.clone());
                self.connectors.insert(name, (epoch, handle));
            }
            Effect::SetConnectorTarget(name, epoch, target) => {
                self.with_connector(&name, epoch, |handle| handle.set_target(target));
            }
            Effect::GenerateTasks(name, epoch) => {
                self.with_connector(&name, epoch, ConnectorHandle::generate);
            }
            Effect::StopConnector(name, epoch) => {
                if !self.with_connector(&name, epoch, ConnectorHandle::stop) {
                    self.later(Mail::Connector(name, epoch, ConnectorEvent::Stopped));
                }
            }
            Effect::AbandonConnector(name, epoch) => {
                self.with_connector(&name, epoch, ConnectorHandle::abandon);
                self.connectors.remove(&name);
            }
            Effect::StartTask { id, epoch, connector_config, task_config, tasks, target } => {
                let start = task_runner::Start {
                    id: id.clone(),
                    epoch,
                    connector_config,
                    task_config,
                    tasks,
                    target,
                };
                let runner =
                    task_runner::start(self.shared.clone(), self.opened.clone(), start, self.mail.clone());
                self.tasks.insert(id, (epoch, runner));
            }
            Effect::SetTaskTarget(id, epoch, target) => {
                self.with_task(&id, epoch, |runner| runner.set_target(target));
            }
            Effect::ForgetTopics(id, epoch) => {
                self.with_task(&id, epoch, TaskRunner::forget_topics);
            }
            Effect::StopTask(id, epoch) => {
                if !self.with_task(&id, epoch, TaskRunner::stop) {
                    self.later(Mail::Task(id, epoch, TaskNews::Stopped));
                }
            }
            Effect::AbandonTask(id, epoch) => {
                self.with_task(&id, epoch, TaskRunner::abandon);
                self.tasks.remove(&id);
            }
            Effect::Join(view) => self.group.join(view),
            Effect::RevocationDone => self.group.revocation_done(),
            Effect::ModifyOffsets { request, name, config, offsets } => {
                let (shared, opened, mail) = (self.shared.clone(), self.opened.clone(), self.mail.clone());
                tokio::spawn(async move {
                    let answer = offsets::modify(&shared, &opened, &name, &config, offsets).await;
                    // The worker may have ended.
                    let _ = mail.send(Mail::Answer(request, answer.map(Answer::Message))).await;
                });
            }
            Effect::SetLogger(namespace, level) => {
                if let Err(error) = self.shared.loggers.set(&namespace, &level) {
                    tracing::warn!(namespace, level, %error, "Ignoring request to set invalid level");
                }
            }
            Effect::Ended => return true,
        }
        false
    }

    /// The instance has ended.
    pub fn forget_connector(&mut self, name: &str, epoch: Epoch) {
        if self.connectors.get(name).is_some_and(|(current, _)| *current == epoch) {
            self.connectors.remove(name);
        }
    }

    /// The instance has ended.
    pub fn forget_task(&mut self, id: &TaskId, epoch: Epoch) {
        if self.tasks.get(id).is_some_and(|(current, _)| *current == epoch) {
            self.tasks.remove(id);
        }
    }

    fn with_connector(&self, name: &str, epoch: Epoch, act: impl FnOnce(&ConnectorHandle)) -> bool {
        let found = self.connectors.get(name).filter(|(current, _)| *current == epoch);
        found.map(|(_, handle)| act(handle)).is_some()
    }

    fn with_task(&self, id: &TaskId, epoch: Epoch, act: impl FnOnce(&TaskRunner)) -> bool {
        let found = self.tasks.get(id).filter(|(current, _)| *current == epoch);
        found.map(|(_, runner)| act(runner)).is_some()
    }

    fn later(&self, mail: Mail) {
        let sender = self.mail.clone();
        tokio::spawn(async move {
            // The worker may have ended.
            let _ = sender.send(mail).await;
        });
    }

    fn write_config(&self, records: Option<Vec<Record>>) {
        let (log, mail) = (self.opened.config_log.clone(), self.mail.clone());
        tokio::spawn(async move {
            let outcome = match tokio::time::timeout(WRITE_TIMEOUT, append(&*log, records)).await {
                Ok(outcome) => outcome.map_err(|error| error.message().to_owned()),
                Err(_) => Err("Kafka did not answer within 30 seconds".to_owned()),
            };
            // The worker may have ended.
            let _ = mail.send(Mail::ConfigDone(outcome)).await;
        });
    }
}

async fn append(log: &dyn CompactedLog, records: Option<Vec<Record>>) -> Result<()> {
    match records {
        Some(records) => log.append_and_read(records).await,
        None => log.read_to_end().await,
    }
}
