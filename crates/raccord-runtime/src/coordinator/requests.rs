//! REST's requests: reads are answered at once, changes become jobs.

use super::Coordinator;
use super::event::{Answer, Effect, Request, RequestId};
use super::jobs::Job;
use super::restarts::entry;
use crate::config_log::RestartRequest;
use crate::herder::{ConnectorInfo, ConnectorStatus, HerderError, HerderResult, StatusEntry, TaskRef};
use crate::plugins;
use crate::task::TaskId;

impl Coordinator {
    pub(super) fn on_request(&mut self, id: RequestId, request: Request) {
        if self.stopping {
            let error = HerderError::new(500, "Worker is shutting down");
            self.emit(Effect::Answer(id, Err(error)));
            return;
        }
        let answer = match request {
            Request::Ping => Ok(Answer::Done),
            Request::Connectors => Ok(Answer::Connectors(self.config.connectors())),
            Request::Info(name) => self.connector_info(&name).map(Answer::Info),
            Request::Status(name) => self
                .connector_status(&name)
                .map(Answer::Status)
                .ok_or_else(|| not_found(format!("No status found for connector {name}"))),
            Request::Tasks(name) => self.task_configs(&name),
            Request::TaskStatus(task) => self
                .task_entry(&task)
                .map(Answer::TaskStatus)
                .ok_or_else(|| not_found(format!("No status found for task {task}"))),
            Request::Topics(name) => {
                // Those of a connector that was removed are being forgotten.
                let topics = self.status.topics(&name).filter(|_| self.config.contains(&name));
                Ok(Answer::Topics(topics.map(|status| status.topic.clone()).collect()))
            }
            Request::ResetTopics(name) => {
                self.forget_topics(&name);
                Ok(Answer::Done)
            }
            Request::RestartConnector(name) => match self.restart_connector(id, name) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            Request::RestartTask(task) => match self.restart_task(id, task) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            change => {
                self.push_job(job(id, change));
                return;
            }
        };
        self.emit(Effect::Answer(id, answer));
    }

    /// The asker has given up: what has not begun is left undone.
    pub(super) fn on_abandoned(&mut self, id: RequestId) {
        self.jobs.forget(id);
        self.waits_forget(id);
        self.connector_restarts.values_mut().chain(self.task_restarts.values_mut()).for_each(|requests| {
            requests.retain(|request| *request != id);
        });
        self.connector_restarts.retain(|_, requests| !requests.is_empty());
        self.task_restarts.retain(|_, requests| !requests.is_empty());
    }

    /// Answers everything that is still open when the worker ends.
    pub(super) fn refuse_rest(&mut self) {
        let mut open = self.jobs.drain();
        open.extend(self.waits_drain());
        open.extend(std::mem::take(&mut self.connector_restarts).into_values().flatten());
        open.extend(std::mem::take(&mut self.task_restarts).into_values().flatten());
        for request in open {
            let error = HerderError::new(500, "Worker is shutting down");
            self.emit(Effect::Answer(request, Err(error)));
        }
    }

    pub(super) fn connector_info(&self, name: &str) -> HerderResult<ConnectorInfo> {
        let Some(config) = self.config.connector(name) else {
            return Err(not_found(format!("Connector {name} not found")));
        };
        Ok(ConnectorInfo {
            name: name.to_owned(),
            config: config.as_ref().clone(),
            tasks: self.task_refs(name),
            kind: plugins::kind(self.plugin_of(config)),
        })
    }

    pub(super) fn task_refs(&self, name: &str) -> Vec<TaskRef> {
        self.config.tasks(name).map(|id| TaskRef { connector: name.to_owned(), task: id.task }).collect()
    }

    /// A connector that was removed has no status any more, even while its last one is being deleted.
    pub(super) fn connector_status(&self, name: &str) -> Option<ConnectorStatus> {
        let config = self.config.connector(name)?;
        let connector = entry(self.status.connector(name)?);
        let tasks = self.status.tasks(name).map(|(task, status)| (task, entry(status))).collect();
        let kind = plugins::kind(self.plugin_of(config));
        Some(ConnectorStatus { name: name.to_owned(), connector, tasks, kind })
    }

    fn task_entry(&self, id: &TaskId) -> Option<StatusEntry> {
        self.config.connector(&id.connector)?;
        self.status.task(id).map(entry)
    }

    fn task_configs(&self, name: &str) -> HerderResult<Answer> {
        if !self.config.contains(name) {
            return Err(not_found(format!("Connector {name} not found")));
        }
        let config = |id: TaskId| {
            let config = self.config.task(&id).map(|config| config.as_ref().clone()).unwrap_or_default();
            (TaskRef { connector: name.to_owned(), task: id.task }, config)
        };
        Ok(Answer::Tasks(self.config.tasks(name).map(config).collect()))
    }

    fn restart_connector(&mut self, request: RequestId, name: String) -> HerderResult<()> {
        if !self.config.contains(&name) {
            return Err(not_found(format!("Unknown connector: {name}")));
        }
        if self.group.is_settled() && !self.group.has_connector(&name) {
            return Err(not_here());
        }
        self.connector_restarts.entry(name.clone()).or_default().push(request);
        self.stop_connector_instance(&name);
        Ok(())
    }

    fn restart_task(&mut self, request: RequestId, id: TaskId) -> HerderResult<()> {
        if !self.config.contains(&id.connector) {
            return Err(not_found(format!("Unknown connector: {}", id.connector)));
        }
        if self.config.task(&id).is_none() {
            return Err(not_found(format!("Unknown task: {id}")));
        }
        if self.group.is_settled() && !self.group.has_task(&id) {
            return Err(not_here());
        }
        self.task_restarts.entry(id.clone()).or_default().push(request);
        self.forget_failures(&id.connector, Some(id.task));
        // Until it runs (or fails again) its status tells so, not what it was before.
        self.bounce_task_instance(&id);
        Ok(())
    }
}

/// What Connect says when it knows no worker to forward a request to.
fn not_here() -> HerderError {
    HerderError::new(
        409,
        "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
    )
}

fn not_found(message: String) -> HerderError {
    HerderError::new(404, message)
}

fn job(request: RequestId, change: Request) -> Job {
    match change {
        Request::Put { name, config, initial_state, replace } => {
            Job::Put { request, name, config, initial_state, replace }
        }
        Request::Delete(name) => Job::Delete { request, name },
        Request::SetTarget(name, state) => Job::Target { request, name, state },
        Request::Restart { name, include_tasks, only_failed } => {
            Job::Restart { request, restart: RestartRequest { connector: name, only_failed, include_tasks } }
        }
        Request::ModifyOffsets(name, offsets) => Job::Offsets { request, name, offsets },
        Request::SetLogger(namespace, level) => Job::Logger { request, namespace, level },
        Request::Ping
        | Request::Connectors
        | Request::Info(_)
        | Request::Status(_)
        | Request::Tasks(_)
        | Request::TaskStatus(_)
        | Request::Topics(_)
        | Request::ResetTopics(_)
        | Request::RestartTask(_)
        | Request::RestartConnector(_) => Job::Nothing(request),
    }
}
