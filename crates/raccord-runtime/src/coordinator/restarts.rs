//! Restarts by plan: `POST /connectors/{name}/restart?includeTasks=…&onlyFailed=…`.
//!
//! The request goes through the config topic, so that every worker restarts what it runs.

use super::Coordinator;
use crate::config_log::RestartRequest;
use crate::herder::{ConnectorStatus, StatusEntry};
use crate::status_log::{State, Status};
use crate::task::TaskId;

/// What a request restarts: the connector's status with RESTARTING where it will.
pub(super) struct Plan {
    pub status: ConnectorStatus,
    pub connector: bool,
    pub tasks: Vec<u32>,
}

/// A status as REST shows it.
pub(super) fn entry(status: &Status) -> StatusEntry {
    StatusEntry {
        state: status.state.name().to_owned(),
        worker_id: status.worker_id.clone(),
        trace: status.trace.clone(),
        version: status.version.clone(),
    }
}

impl Coordinator {
    /// `None` when the connector has no status.
    pub(super) fn restart_plan(&self, request: &RestartRequest) -> Option<Plan> {
        let mut status = self.connector_status(&request.connector)?;
        let hit = |state: &str| !request.only_failed || state == State::Failed.name();
        let restarting = || State::Restarting.name().to_owned();
        let connector = hit(&status.connector.state);
        if connector {
            status.connector.state = restarting();
        }
        let mut tasks = Vec::new();
        for (task, entry) in &mut status.tasks {
            if request.include_tasks && hit(&entry.state) {
                entry.state = restarting();
                tasks.push(*task);
            }
        }
        Some(Plan { status, connector, tasks })
    }

    /// Carries out the requests that were read, once the group has settled.
    pub(super) fn settle_restarts(&mut self) {
        if !self.group.is_settled() || self.stopping {
            return;
        }
        for (name, request) in std::mem::take(&mut self.restarts) {
            let Some(plan) = self.restart_plan(&request) else {
                tracing::debug!(connector = %name, "Skipping restart since no status is available");
                continue;
            };
            tracing::info!(connector = %name, restart_connector = plan.connector, tasks = ?plan.tasks, "Restarting");
            if plan.connector && self.group.has_connector(&name) {
                self.bounce_connector_instance(&name);
            }
            for task in plan.tasks {
                let id = TaskId { connector: name.as_str().into(), task };
                if self.group.has_task(&id) {
                    self.forget_failures(&name, Some(task));
                    self.bounce_task_instance(&id);
                }
            }
        }
        // What had failed has no instance to wait for.
        self.settle_tasks();
    }
}
