//! Task instances of this worker.

use super::Coordinator;
use super::event::{Answer, Effect, Epoch, TaskNews};
use super::local::{LocalTask, Phase};
use super::timers::Timer;
use crate::herder::{HerderError, TargetState};
use crate::status_log::{State, StatusKey};
use crate::task::{TaskId, TaskTarget};

impl Coordinator {
    pub(super) fn wants_task(&self, id: &TaskId) -> bool {
        !self.stopping && self.group.has_task(id) && self.config.has_task(id)
    }

    fn task_target(&self, id: &TaskId) -> TaskTarget {
        match self.config.target(&id.connector) {
            TargetState::Started => TaskTarget::Started,
            // The tasks of a stopped connector are about to go.
            TargetState::Paused | TargetState::Stopped => TaskTarget::Paused,
        }
    }

    /// All tasks of a connector that this worker has to do with.
    pub(super) fn local_tasks_of(&self, connector: &str) -> Vec<TaskId> {
        let first = TaskId { connector: connector.into(), task: 0 };
        let tasks = self.tasks.range(first..).map(|(id, _)| id);
        tasks.take_while(|id| &*id.connector == connector).cloned().collect()
    }

    /// Stops what should not run, starts what should, and passes target states on.
    pub(super) fn settle_tasks(&mut self) {
        let ids: Vec<TaskId> = self.tasks.keys().cloned().collect();
        for id in ids {
            if !self.wants_task(&id) {
                self.stop_task_instance(&id);
                continue;
            }
            let target = self.task_target(&id);
            let Some(local) = self.tasks.get_mut(&id) else { continue };
            if local.is_live() && local.target != target {
                local.target = target;
                let epoch = local.epoch;
                self.emit(Effect::SetTaskTarget(id, epoch, target));
            }
        }
        if self.group.is_settled() && !self.stopping {
            let missing: Vec<TaskId> = self
                .group
                .tasks()
                .filter(|id| !self.tasks.contains_key(*id) && self.config.has_task(id))
                .cloned()
                .collect();
            for id in missing {
                self.start_task_instance(id);
            }
        }
        self.settle_task_restarts();
    }

    fn start_task_instance(&mut self, id: TaskId) {
        let (Some(connector_config), Some(task_config)) =
            (self.config.connector(&id.connector).cloned(), self.config.task(&id).cloned())
        else {
            return;
        };
        let target = self.task_target(&id);
        let epoch = self.next_epoch();
        let local = LocalTask {
            epoch,
            phase: Phase::Starting,
            target,
            version: self.plugin_of(&connector_config).map(|plugin| plugin.version),
            restarting: false,
            running_since_ms: None,
        };
        self.tasks.insert(id.clone(), local);
        tracing::info!(task = %id, "Starting task {id}");
        let tasks = self.config.task_count(&id.connector);
        let done = self.task_restarts.remove(&id).unwrap_or_default();
        self.emit(Effect::StartTask { id, epoch, connector_config, task_config, tasks, target });
        for request in done {
            self.emit(Effect::Answer(request, Ok(Answer::Done)));
        }
    }

    /// Stops an instance, if there is one; `settle` starts the next one if there should be one.
    pub(super) fn stop_task_instance(&mut self, id: &TaskId) {
        let Some(local) = self.tasks.get_mut(id) else { return };
        match local.phase {
            Phase::Stopping => {}
            Phase::Failed => {
                self.tasks.remove(id);
            }
            Phase::Starting | Phase::In(_) => {
                local.phase = Phase::Stopping;
                let epoch = local.epoch;
                let at_ms = self.now_ms + self.settings.task_stop_timeout_ms;
                self.timers.set(at_ms, Timer::TaskStop(id.clone(), epoch));
                self.emit(Effect::StopTask(id.clone(), epoch));
            }
        }
    }

    /// As stopping, but the status says RESTARTING from now on, so that nobody takes the state before for that after.
    pub(super) fn bounce_task_instance(&mut self, id: &TaskId) {
        let Some(local) = self.tasks.get_mut(id) else { return };
        local.restarting = true;
        let version = local.version;
        self.say(StatusKey::Task(id.clone()), State::Restarting, None, version);
        self.stop_task_instance(id);
    }

    /// New configs, or more or fewer tasks: what runs stops, and starts again when the group has agreed.
    pub(super) fn on_tasks_changed(&mut self, connector: &str) {
        self.group.rejoin = true;
        self.forget_failures(connector, None);
        for id in self.local_tasks_of(connector) {
            self.stop_task_instance(&id);
        }
    }

    pub(super) fn on_task_stuck(&mut self, id: &TaskId, epoch: Epoch) {
        if self.tasks.get(id).is_some_and(|local| local.epoch == epoch) {
            tracing::error!(task = %id, "Graceful stop of task {id} failed.");
            self.emit(Effect::AbandonTask(id.clone(), epoch));
            self.on_task_gone(id);
        }
    }

    fn on_task_gone(&mut self, id: &TaskId) {
        let Some(local) = self.tasks.remove(id) else { return };
        self.timers.cancel(&Timer::TaskStop(id.clone(), local.epoch));
        if !local.restarting || !self.wants_task(id) {
            self.say(StatusKey::Task(id.clone()), State::Unassigned, None, local.version);
        }
    }

    pub(super) fn on_task(&mut self, id: &TaskId, epoch: Epoch, news: TaskNews) {
        let Some(local) = self.tasks.get_mut(id).filter(|local| local.epoch == epoch) else { return };
        let stopping = local.phase == Phase::Stopping;
        if matches!(news, TaskNews::NotMade(_)) {
            // Nothing was made whose version Connect could ask for.
            local.version = None;
        }
        let version = local.version;
        let (phase, state, trace) = match news {
            TaskNews::Topic(topic) => {
                self.say_topic(id, &topic);
                return;
            }
            TaskNews::Failed(_) | TaskNews::NotMade(_) | TaskNews::Stopped if stopping => {
                self.on_task_gone(id);
                return;
            }
            _ if stopping || local.phase == Phase::Failed => return,
            TaskNews::Running => (Phase::In(TaskTarget::Started), State::Running, None),
            TaskNews::Paused => (Phase::In(TaskTarget::Paused), State::Paused, None),
            TaskNews::Failed(trace) | TaskNews::NotMade(trace) => (Phase::Failed, State::Failed, Some(trace)),
            // It ended by itself: nothing runs, and nothing starts it again but a restart.
            TaskNews::Stopped => (Phase::Failed, State::Unassigned, None),
        };
        local.phase = phase;
        if state == State::Running {
            local.running_since_ms.get_or_insert(self.now_ms);
        }
        let ran_ms = local.running_since_ms.map_or(0, |since_ms| self.now_ms - since_ms);
        self.say(StatusKey::Task(id.clone()), state, trace, version);
        if state == State::Failed {
            self.plan_auto_restart(id, epoch, ran_ms);
        }
    }

    fn answer_task_restarts(&mut self, id: &TaskId, outcome: Result<Answer, HerderError>) {
        for request in self.task_restarts.remove(id).unwrap_or_default() {
            self.emit(Effect::Answer(request, outcome.clone()));
        }
    }

    /// A restart whose task is gone, or is another worker's now, will never be done here.
    fn settle_task_restarts(&mut self) {
        if !self.group.is_settled() || self.stopping {
            return;
        }
        let hopeless: Vec<TaskId> =
            self.task_restarts.keys().filter(|id| !self.wants_task(id)).cloned().collect();
        for id in hopeless {
            self.answer_task_restarts(&id, Err(HerderError::new(404, format!("Unknown task: {id}"))));
        }
    }
}
