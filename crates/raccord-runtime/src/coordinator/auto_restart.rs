//! Failed tasks that start again by themselves, where the `errors.restart.*` keys ask for it.
//!
//! The worker that runs a task counts its failures in a row, in memory: another worker, or this one after its own restart,
//! counts anew. So does a restart that somebody asked for, and a new config.

use super::Coordinator;
use super::event::Epoch;
use super::local::Phase;
use super::timers::Timer;
use crate::config::RestartKeys;
use crate::task::TaskId;

impl Coordinator {
    /// A task has failed, after it had been RUNNING for `ran_ms`.
    pub(super) fn plan_auto_restart(&mut self, id: &TaskId, epoch: Epoch, ran_ms: u64) {
        let Some(config) = self.config.connector(&id.connector) else { return };
        let keys = RestartKeys::of(config, &self.settings.restart);
        if keys.errors_restart_max_attempts == 0 {
            return;
        }
        let failures = self.failures.entry(id.clone()).or_default();
        let recovered = u64::try_from(keys.errors_restart_backoff_max_ms).unwrap_or(0);
        *failures = if ran_ms > 0 && ran_ms >= recovered { 1 } else { failures.saturating_add(1) };
        match keys.delay_ms(*failures) {
            Some(delay_ms) => {
                tracing::info!(task = %id, delay_ms, attempt = *failures, "Task {id} has failed and is started again later");
                self.timers.set(self.now_ms + delay_ms, Timer::AutoRestart(id.clone(), epoch));
            }
            None => {
                tracing::error!(
                    task = %id, attempts = keys.errors_restart_max_attempts,
                    "Task {id} has failed after each of its automatic restarts and stays FAILED"
                );
            }
        }
    }

    /// It is time. Whatever has happened to the task meanwhile comes first.
    pub(super) fn on_auto_restart(&mut self, id: &TaskId, epoch: Epoch) {
        let failed =
            self.tasks.get(id).is_some_and(|local| local.epoch == epoch && local.phase == Phase::Failed);
        if failed && self.wants_task(id) {
            tracing::info!(task = %id, "Restarting failed task {id}");
            self.bounce_task_instance(id);
        }
    }

    /// The tasks of a connector, or one of them, begin anew.
    pub(super) fn forget_failures(&mut self, connector: &str, task: Option<u32>) {
        self.failures.retain(|id, _| &*id.connector != connector || task.is_some_and(|task| id.task != task));
    }
}
