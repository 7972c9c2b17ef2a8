//! Connector instances of this worker.

use raccord_plugin::RawConfig;

use super::Coordinator;
use super::event::{Answer, ConnectorEvent, Effect, Epoch};
use super::jobs::Job;
use super::local::{Generating, LocalConnector, Phase};
use super::timers::Timer;
use crate::connect_json::java_copy;
use crate::herder::{HerderError, TargetState};
use crate::placeholders;
use crate::status_log::{State, StatusKey};

/// How long a connector may take to stop, as Connect's `CONNECTOR_GRACEFUL_SHUTDOWN_TIMEOUT_MS`.
const STOP_TIMEOUT_MS: u64 = 5_000;
/// Generating task configs is repeated after this time, twice as long after each failure.
const GENERATE_BACKOFF_MS: u64 = 250;
const GENERATE_BACKOFF_MAX_MS: u64 = 60_000;

impl Coordinator {
    fn wants_connector(&self, name: &str) -> bool {
        !self.stopping && self.group.has_connector(name) && self.config.contains(name)
    }

    /// Stops what should not run, starts what should, and passes target states on.
    pub(super) fn settle_connectors(&mut self) {
        let names: Vec<String> = self.connectors.keys().cloned().collect();
        for name in names {
            if !self.wants_connector(&name) {
                self.stop_connector_instance(&name);
            } else {
                self.pass_target_on(&name);
            }
        }
        if self.group.is_settled() && !self.stopping {
            let missing: Vec<String> = self
                .group
                .connectors()
                .filter(|name| !self.connectors.contains_key(*name) && self.config.contains(name))
                .cloned()
                .collect();
            for name in missing {
                self.start_connector_instance(&name);
            }
        }
        self.settle_connector_restarts();
    }

    fn pass_target_on(&mut self, name: &str) {
        let target = self.config.target(name);
        let Some(local) = self.connectors.get_mut(name) else { return };
        // A failed connector can be stopped, nothing else.
        let deaf = local.phase == Phase::Failed && target != TargetState::Stopped;
        if local.is_live() && !deaf && local.target != target {
            local.target = target;
            let effect = Effect::SetConnectorTarget(name.to_owned(), local.epoch, target);
            self.emit(effect);
        }
    }

    fn start_connector_instance(&mut self, name: &str) {
        let Some(config) = self.config.connector(name).cloned() else { return };
        let target = self.config.target(name);
        let epoch = self.next_epoch();
        let local = LocalConnector {
            epoch,
            phase: Phase::Starting,
            target,
            version: self.plugin_of(&config).map(|plugin| plugin.version),
            generating: Generating::No,
            failures: 0,
            restarting: false,
        };
        self.connectors.insert(name.to_owned(), local);
        tracing::info!(connector = name, "Starting connector {name}");
        self.emit(Effect::StartConnector { name: name.to_owned(), epoch, config, target });
    }

    /// Stops an instance, if there is one; `settle` starts the next one if there should be one.
    pub(super) fn stop_connector_instance(&mut self, name: &str) {
        let Some(local) = self.connectors.get_mut(name).filter(|local| local.is_live()) else { return };
        local.phase = Phase::Stopping;
        let epoch = local.epoch;
        self.timers.cancel(&Timer::Generate(name.to_owned(), epoch));
        self.timers.set(self.now_ms + STOP_TIMEOUT_MS, Timer::ConnectorStop(name.to_owned(), epoch));
        self.emit(Effect::StopConnector(name.to_owned(), epoch));
    }

    /// As stopping, but the status says RESTARTING from now on, so that nobody takes the state before for that after.
    pub(super) fn bounce_connector_instance(&mut self, name: &str) {
        let Some(local) = self.connectors.get_mut(name) else { return };
        local.restarting = true;
        let version = local.version;
        self.say(StatusKey::Connector(name.to_owned()), State::Restarting, None, version);
        self.stop_connector_instance(name);
    }

    /// After a change of its config.
    pub(super) fn restart_connector_instance(&mut self, name: &str) {
        self.stop_connector_instance(name);
    }

    pub(super) fn on_connector_stuck(&mut self, name: &str, epoch: Epoch) {
        if self.connectors.get(name).is_some_and(|local| local.epoch == epoch) {
            tracing::error!(
                connector = name,
                "Connector '{name}' failed to properly shut down, has become unresponsive, and may be consuming \
                 external resources. Correct the configuration for this connector or remove the connector. After \
                 fixing the connector, it may be necessary to restart this worker to release any consumed resources."
            );
            self.emit(Effect::AbandonConnector(name.to_owned(), epoch));
            self.on_connector_gone(name);
        }
    }

    fn on_connector_gone(&mut self, name: &str) {
        let Some(local) = self.connectors.remove(name) else { return };
        self.timers.cancel(&Timer::ConnectorStop(name.to_owned(), local.epoch));
        if !local.restarting || !self.wants_connector(name) {
            self.say(StatusKey::Connector(name.to_owned()), State::Unassigned, None, local.version);
        }
    }

    pub(super) fn on_connector(&mut self, name: &str, epoch: Epoch, event: ConnectorEvent) {
        let Some(local) = self.connectors.get_mut(name).filter(|local| local.epoch == epoch) else {
            return;
        };
        if event == ConnectorEvent::Stopped {
            if local.phase == Phase::Stopping {
                self.on_connector_gone(name);
            } else {
                self.on_connector_failed(name, "the connector ended by itself".to_owned());
            }
            return;
        }
        if local.phase == Phase::Stopping {
            return;
        }
        match event {
            ConnectorEvent::Reached(state) => self.on_connector_reached(name, state),
            ConnectorEvent::Failed(trace) => self.on_connector_failed(name, trace),
            ConnectorEvent::Generated { tasks, resolved } => {
                local.failures = 0;
                self.on_generated(name, epoch, tasks, resolved);
            }
            ConnectorEvent::NotGenerated(why) => {
                tracing::error!(
                    connector = name,
                    why,
                    "Failed to reconfigure connector's tasks ({name}), retrying after backoff."
                );
                self.generate_later(name);
                self.answer_connector_restarts(name, Ok(Answer::Done));
            }
            ConnectorEvent::ReconfigurationRequested => self.generate(name),
            ConnectorEvent::Stopped => {}
        }
    }

    fn on_connector_reached(&mut self, name: &str, reached: TargetState) {
        let Some(local) = self.connectors.get_mut(name) else { return };
        local.phase = Phase::In(reached);
        let version = local.version;
        let state = match reached {
            TargetState::Started => State::Running,
            TargetState::Paused => State::Paused,
            TargetState::Stopped => State::Stopped,
        };
        self.say(StatusKey::Connector(name.to_owned()), state, None, version);
        if reached == TargetState::Started {
            self.generate(name);
        } else {
            self.answer_connector_restarts(name, Ok(Answer::Done));
        }
    }

    fn on_connector_failed(&mut self, name: &str, trace: String) {
        let Some(local) = self.connectors.get_mut(name).filter(|local| local.phase != Phase::Failed) else {
            return;
        };
        local.phase = Phase::Failed;
        local.generating = Generating::No;
        let version = local.version;
        tracing::error!(connector = name, trace, "Connector {name} has failed");
        self.say(StatusKey::Connector(name.to_owned()), State::Failed, Some(trace), version);
        let error = HerderError::new(500, format!("Failed to start connector: {name}"));
        self.answer_connector_restarts(name, Err(error));
    }

    /// Asks a running connector for its task configs.
    pub(super) fn generate(&mut self, name: &str) {
        let started = self.config.target(name) == TargetState::Started;
        let Some(local) = self.connectors.get_mut(name) else { return };
        if local.phase != Phase::In(TargetState::Started) || !started {
            return;
        }
        local.generating = match local.generating {
            Generating::No => Generating::Yes,
            Generating::Yes | Generating::Again => {
                local.generating = Generating::Again;
                return;
            }
        };
        let effect = Effect::GenerateTasks(name.to_owned(), local.epoch);
        self.emit(effect);
    }

    /// After a failure to get task configs or to write them.
    pub(super) fn generate_later(&mut self, name: &str) {
        let Some(local) = self.connectors.get_mut(name) else { return };
        local.generating = Generating::No;
        let backoff = GENERATE_BACKOFF_MS << local.failures.min(10);
        local.failures += 1;
        let timer = Timer::Generate(name.to_owned(), local.epoch);
        self.timers.set(self.now_ms + backoff.min(GENERATE_BACKOFF_MAX_MS), timer);
    }

    fn on_generated(&mut self, name: &str, epoch: Epoch, tasks: Vec<RawConfig>, resolved: RawConfig) {
        let again = self
            .connectors
            .get_mut(name)
            .is_some_and(|local| std::mem::take(&mut local.generating) == Generating::Again);
        self.answer_connector_restarts(name, Ok(Answer::Done));
        if let Some(config) = self.config.connector(name) {
            let tasks = tasks.into_iter().map(|task| unresolved(config, task)).collect();
            self.push_job(Job::Publish { name: name.to_owned(), epoch, tasks, resolved });
        }
        if again {
            self.generate(name);
        }
    }

    /// Whether the tasks that run do so with other configs than these, or were made from another connector config.
    pub(super) fn tasks_differ(&mut self, name: &str, tasks: &[RawConfig], resolved: &RawConfig) -> bool {
        if tasks.len() != self.config.task_count(name) as usize || self.config.is_inconsistent(name) {
            return true;
        }
        let same = self
            .config
            .tasks(name)
            .zip(tasks)
            .all(|(id, task)| self.config.task(&id).is_some_and(|current| same_config(current, task)));
        let (Some(config), Some(applied)) = (self.config.connector(name), self.config.applied(name)) else {
            return true;
        };
        if !same || !same_config(config, applied) {
            return true;
        }
        // The text is the same; what it refers to may have changed since it was compared first.
        let before = self.resolved.entry(name.to_owned()).or_insert_with(|| resolved.clone());
        !same_config(before, resolved)
    }

    pub(super) fn answer_connector_restarts(&mut self, name: &str, outcome: Result<Answer, HerderError>) {
        for request in self.connector_restarts.remove(name).unwrap_or_default() {
            self.emit(Effect::Answer(request, outcome.clone()));
        }
    }

    /// A restart whose connector is gone, or is another worker's now, will never be done here.
    fn settle_connector_restarts(&mut self) {
        if !self.group.is_settled() || self.stopping {
            return;
        }
        let hopeless: Vec<String> =
            self.connector_restarts.keys().filter(|name| !self.wants_connector(name)).cloned().collect();
        for name in hopeless {
            let error = HerderError::new(404, format!("Unknown connector: {name}"));
            self.answer_connector_restarts(&name, Err(error));
        }
    }
}

/// Equal as Java maps are.
pub(super) fn same_config(left: &RawConfig, right: &RawConfig) -> bool {
    left.len() == right.len()
        && left.iter().all(|(key, value)| right.contains_key(key) && right.get(key) == value)
}

/// Puts placeholders back where the task's config has a key of the connector's whose value came from one: secrets stay
/// out of the topic. In the order in which a Java worker would write the map.
fn unresolved(connector: &RawConfig, task: RawConfig) -> RawConfig {
    let mut task = java_copy(task);
    for (key, value) in connector.iter() {
        if task.contains_key(key) && value.is_some_and(placeholders::has_any) {
            task.insert(key, value.map(str::to_owned));
        }
    }
    task
}
