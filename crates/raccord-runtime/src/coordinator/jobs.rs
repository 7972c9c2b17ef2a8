//! Changes of the config topic, one after the other.
//!
//! A job checks what it needs when its turn comes, since the one before it may have changed everything; writes; and is
//! over when what it wrote was read back. When a write fails nobody knows whether it is in the topic: the next job
//! begins with reading to the end.

use std::collections::VecDeque;

use raccord_plugin::RawConfig;

use super::Coordinator;
use super::event::{Answer, Effect, Epoch, RequestId};
use super::timers::Timer;
use crate::config_log::codec::{self, Record};
use crate::config_log::{RestartRequest, SessionKey};
use crate::herder::{ConnectorInfo, ConnectorStatus, HerderError, HerderResult, OffsetEntry, TargetState};
use crate::plugins;
use crate::task::TaskId;

/// More waiting jobs than this are refused.
const WAITING_MAX: usize = 1_000;
/// After a failed attempt to distribute a session key or to catch up.
const RETRY_MS: u64 = 1_000;

/// A change to make.
#[derive(Debug)]
pub(super) enum Job {
    Put {
        request: RequestId,
        name: String,
        config: RawConfig,
        initial_state: Option<TargetState>,
        replace: bool,
    },
    Delete {
        request: RequestId,
        name: String,
    },
    Target {
        request: RequestId,
        name: String,
        state: TargetState,
    },
    Restart {
        request: RequestId,
        restart: RestartRequest,
    },
    Offsets {
        request: RequestId,
        name: String,
        offsets: Option<Vec<OffsetEntry>>,
    },
    Logger {
        request: RequestId,
        namespace: String,
        level: String,
    },
    /// Task configs of the instance with that epoch.
    Publish {
        name: String,
        epoch: Epoch,
        tasks: Vec<RawConfig>,
        resolved: RawConfig,
    },
    SessionKey,
    /// Reads to the end, then joins.
    CatchUp,
    /// Answers only.
    Nothing(RequestId),
}

impl Job {
    fn request(&self) -> Option<RequestId> {
        match self {
            Self::Put { request, .. }
            | Self::Delete { request, .. }
            | Self::Target { request, .. }
            | Self::Restart { request, .. }
            | Self::Offsets { request, .. }
            | Self::Logger { request, .. }
            | Self::Nothing(request) => Some(*request),
            Self::Publish { .. } | Self::SessionKey | Self::CatchUp => None,
        }
    }
}

/// What to do when the write under way is done.
#[derive(Debug)]
enum Active {
    Put {
        request: RequestId,
        new: bool,
        info: Box<ConnectorInfo>,
    },
    Delete {
        request: RequestId,
    },
    /// The zero tasks of a connector to be stopped have been committed; its state comes next.
    Stop {
        request: RequestId,
        name: String,
    },
    Target {
        request: RequestId,
        name: String,
        state: TargetState,
    },
    Restart {
        request: RequestId,
        restart: RestartRequest,
        planned: Box<ConnectorStatus>,
    },
    Offsets {
        request: RequestId,
        name: String,
        offsets: Option<Vec<OffsetEntry>>,
    },
    Logger {
        request: RequestId,
    },
    /// The task configs are there; the commit comes next.
    Tasks {
        name: String,
        count: usize,
    },
    Commit {
        name: String,
    },
    SessionKey,
    CatchUp,
    /// A write failed before; the next job may begin.
    Certainty,
}

/// Jobs that wait, and the one under way.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    waiting: VecDeque<Job>,
    active: Option<Active>,
    stage: String,
    /// A write failed and may or may not be in the topic.
    unsure: bool,
}

impl Jobs {
    pub fn is_busy(&self) -> bool {
        self.active.is_some()
    }

    pub fn stage(&self) -> Option<&str> {
        self.active.as_ref().map(|_| self.stage.as_str())
    }

    pub fn forget(&mut self, request: RequestId) {
        self.waiting.retain(|job| job.request() != Some(request));
    }

    pub fn drain(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.waiting).iter().filter_map(Job::request).collect()
    }

    fn has(&self, wanted: impl Fn(&Job) -> bool) -> bool {
        self.waiting.iter().any(wanted)
    }
}

impl Coordinator {
    pub(super) fn push_job(&mut self, job: Job) {
        if let Job::Publish { name, .. } = &job {
            // Only the newest configs matter.
            self.jobs
                .waiting
                .retain(|other| !matches!(other, Job::Publish { name: other, .. } if other == name));
        }
        match job.request() {
            Some(request) if self.jobs.waiting.len() >= WAITING_MAX => {
                let error =
                    HerderError::new(503, "Too many requests wait for the config topic; try again later");
                self.emit(Effect::Answer(request, Err(error)));
            }
            _ => self.jobs.waiting.push_back(job),
        }
    }

    pub(super) fn read_config_then_rejoin(&mut self) {
        self.jobs.waiting.push_front(Job::CatchUp);
    }

    /// The leader of a group that signs internal requests hands out a key, and a new one when it is too old.
    pub(super) fn settle_keys(&mut self) {
        let group = &self.group;
        if !group.is_settled() || !group.leader() || !group.sessioned() || self.stopping {
            return;
        }
        let settings = &self.settings;
        let expiry = self.config.session_key().and_then(|key| {
            let fits = key.algorithm == settings.key_algorithm && key.key.len() == settings.key_bytes;
            match settings.key_ttl_ms {
                _ if !fits => None,
                0 => Some(u64::MAX),
                ttl => Some(u64::try_from(key.created_ms).unwrap_or(0).saturating_add(ttl)),
            }
        });
        let due = expiry.is_none_or(|expiry| expiry <= self.now_ms);
        let queued = self.jobs.has(|job| matches!(job, Job::SessionKey))
            || matches!(self.jobs.active, Some(Active::SessionKey));
        if self.timers.is_set(&Timer::SessionKey) || queued {
            return;
        }
        match expiry {
            _ if due => self.jobs.waiting.push_back(Job::SessionKey),
            Some(expiry) if expiry < u64::MAX => self.timers.set(expiry, Timer::SessionKey),
            _ => {}
        }
    }

    pub(super) fn settle_jobs(&mut self) {
        while self.jobs.active.is_none() && self.caught_up && !self.stopping {
            // Before the first round nobody knows who leads.
            if self.jobs.waiting.is_empty() || !self.group.has_joined() {
                return;
            }
            if self.jobs.unsure {
                self.read_config(Active::Certainty, "reading to the end of the config topic".to_owned());
                return;
            }
            if let Some(job) = self.jobs.waiting.pop_front() {
                self.begin(job);
            }
        }
    }

    fn answer(&mut self, request: RequestId, answer: HerderResult<Answer>) {
        self.emit(Effect::Answer(request, answer));
    }

    fn write(&mut self, active: Active, stage: String, records: Vec<Record>) {
        self.jobs.active = Some(active);
        self.jobs.stage = stage;
        self.emit(Effect::WriteConfig(records));
    }

    fn read_config(&mut self, active: Active, stage: String) {
        self.jobs.active = Some(active);
        self.jobs.stage = stage;
        self.emit(Effect::ReadConfig);
    }

    fn begin(&mut self, job: Job) {
        let refusal = (!self.group.leader() && !matches!(job, Job::CatchUp))
            .then(|| HerderError::new(409, "Cannot complete request because this worker is not the leader"));
        match (job.request(), refusal) {
            (Some(request), Some(error)) => self.answer(request, Err(error)),
            _ => match self.begin_as_leader(job) {
                Ok(()) => {}
                Err((request, error)) => self.answer(request, Err(error)),
            },
        }
    }

    fn begin_as_leader(&mut self, job: Job) -> Result<(), (RequestId, HerderError)> {
        match job {
            Job::Put { request, name, config, initial_state, replace } => {
                self.begin_put(request, name, config, initial_state, replace)
            }
            Job::Delete { request, name } => self.begin_delete(request, &name),
            Job::Target { request, name, state } => self.begin_target(request, name, state),
            Job::Restart { request, restart } => self.begin_restart(request, restart),
            Job::Offsets { request, name, offsets } => {
                let stage = "reading to the end of the config topic".to_owned();
                self.read_config(Active::Offsets { request, name, offsets }, stage);
                Ok(())
            }
            Job::Logger { request, namespace, level } => {
                let stage = format!("writing the level of logger {namespace} to the config topic");
                self.write(Active::Logger { request }, stage, vec![codec::logger(&namespace, &level)]);
                Ok(())
            }
            Job::Publish { name, epoch, tasks, resolved } => {
                self.begin_publish(name, epoch, &tasks, &resolved);
                Ok(())
            }
            Job::SessionKey => {
                self.begin_session_key();
                Ok(())
            }
            Job::CatchUp => {
                let stage = "reading to the end of the config topic".to_owned();
                self.read_config(Active::CatchUp, stage);
                Ok(())
            }
            Job::Nothing(request) => {
                self.answer(request, Ok(Answer::Done));
                Ok(())
            }
        }
    }

    fn begin_put(
        &mut self,
        request: RequestId,
        name: String,
        config: RawConfig,
        initial_state: Option<TargetState>,
        replace: bool,
    ) -> Result<(), (RequestId, HerderError)> {
        let exists = self.config.contains(&name);
        if exists && !replace {
            return Err((request, HerderError::new(409, format!("Connector {name} already exists"))));
        }
        let mut records: Vec<Record> = Vec::with_capacity(2);
        // A connector that exists changes its state by other requests, which see to its tasks.
        let initial_state = initial_state.filter(|_| !exists);
        records.extend(initial_state.map(|state| codec::target(&name, state)));
        records.push(codec::connector(&name, &config));
        let stage = format!("writing a config for connector {name} to the config topic");
        // The tasks are those of now: what the new config makes of them is not known yet.
        let tasks = self.task_refs(&name);
        let kind = plugins::kind(self.plugin_of(&config));
        let info = Box::new(ConnectorInfo { name, config, tasks, kind });
        self.write(Active::Put { request, new: !exists, info }, stage, records);
        Ok(())
    }

    fn begin_delete(&mut self, request: RequestId, name: &str) -> Result<(), (RequestId, HerderError)> {
        if !self.config.contains(name) {
            return Err((request, HerderError::new(404, format!("Connector {name} not found"))));
        }
        let stage = format!("removing the config for connector {name} from the config topic");
        self.write(Active::Delete { request }, stage, codec::removal(name).into());
        Ok(())
    }

    fn begin_target(
        &mut self,
        request: RequestId,
        name: String,
        state: TargetState,
    ) -> Result<(), (RequestId, HerderError)> {
        if !self.config.contains(&name) {
            return Err((request, HerderError::new(404, format!("Unknown connector {name}"))));
        }
        if state == TargetState::Stopped {
            // No tasks first: a running connector without tasks is healthier than a stopped one with some.
            let stage = format!("writing 0 task configs for connector {name} to the config topic");
            let records = vec![codec::commit(&name, 0)];
            self.write(Active::Stop { request, name }, stage, records);
        } else {
            self.write_target(request, name, state);
        }
        Ok(())
    }

    fn write_target(&mut self, request: RequestId, name: String, state: TargetState) {
        let target = codec::target_name(state);
        let stage = format!("writing the {target} target state for connector {name} to the config topic");
        let records = vec![codec::target(&name, state)];
        self.write(Active::Target { request, name, state }, stage, records);
    }

    fn begin_restart(
        &mut self,
        request: RequestId,
        restart: RestartRequest,
    ) -> Result<(), (RequestId, HerderError)> {
        let name = &restart.connector;
        if !self.config.contains(name) {
            return Err((request, HerderError::new(404, format!("Unknown connector: {name}"))));
        }
        let Some(plan) = self.restart_plan(&restart) else {
            let message = format!("Status for connector {name} not found");
            return Err((request, HerderError::new(404, message)));
        };
        let stage = format!("writing restart request for connector {name} to the config topic");
        let records = vec![codec::restart(&restart)];
        let planned = Box::new(plan.status);
        self.write(Active::Restart { request, restart, planned }, stage, records);
        Ok(())
    }

    fn begin_publish(&mut self, name: String, epoch: Epoch, tasks: &[RawConfig], resolved: &RawConfig) {
        let current = self.connectors.get(&name).is_some_and(|local| local.epoch == epoch && local.is_live());
        if !current || self.config.target(&name) == TargetState::Stopped {
            return;
        }
        if !self.tasks_differ(&name, tasks, resolved) {
            tracing::debug!(connector = %name, "the task configs are the same as before");
            return;
        }
        self.publishing.insert(name.clone(), resolved.clone());
        let count = tasks.len();
        if tasks.is_empty() {
            self.write_commit(name, 0);
            return;
        }
        let connector: std::sync::Arc<str> = name.as_str().into();
        let record =
            |(task, config)| codec::task(&TaskId { connector: connector.clone(), task: task as u32 }, config);
        let records = tasks.iter().enumerate().map(record).collect();
        let stage = format!("writing {count} task configs for connector {name} to the config topic");
        self.write(Active::Tasks { name, count }, stage, records);
    }

    fn write_commit(&mut self, name: String, count: usize) {
        let stage = format!("writing {count} task configs for connector {name} to the config topic");
        let records = vec![codec::commit(&name, count)];
        self.write(Active::Commit { name }, stage, records);
    }

    fn begin_session_key(&mut self) {
        use rand::RngCore;
        let mut key = vec![0; self.settings.key_bytes];
        self.settings.rng.fill_bytes(&mut key);
        let algorithm = self.settings.key_algorithm.clone();
        let key = SessionKey { key, algorithm, created_ms: self.now_ms as i64 };
        let stage = "writing a new session key to the config topic".to_owned();
        self.write(Active::SessionKey, stage, vec![codec::session_key(&key)]);
    }

    pub(super) fn on_config_done(&mut self, outcome: Result<(), String>) {
        let Some(active) = self.jobs.active.take() else { return };
        match outcome {
            Ok(()) => {
                if matches!(active, Active::Certainty) {
                    self.jobs.unsure = false;
                }
                self.finish(active);
            }
            Err(why) => {
                self.jobs.unsure = true;
                self.fail(active, &why);
            }
        }
    }

    fn finish(&mut self, active: Active) {
        match active {
            Active::Put { request, new, info } => self.answer(request, Ok(Answer::Put(new, *info))),
            Active::Delete { request } | Active::Logger { request } => {
                self.answer(request, Ok(Answer::Done));
            }
            Active::Stop { request, name } => self.write_target(request, name, TargetState::Stopped),
            Active::Target { request, name, state } => self.wait_for(request, name, state),
            Active::Restart { request, planned, .. } => self.answer(request, Ok(Answer::Status(*planned))),
            Active::Offsets { request, name, offsets } => self.modify_offsets(request, name, offsets),
            Active::Tasks { name, count } => self.write_commit(name, count),
            Active::Commit { name } => {
                if let Some(local) = self.connectors.get_mut(&name) {
                    local.failures = 0;
                }
            }
            Active::CatchUp => self.group.rejoin = true,
            Active::SessionKey | Active::Certainty => {}
        }
    }

    fn modify_offsets(&mut self, request: RequestId, name: String, offsets: Option<Vec<OffsetEntry>>) {
        let Some(config) = self.config.connector(&name).cloned() else {
            let error = HerderError::new(404, format!("Connector {name} not found"));
            return self.answer(request, Err(error));
        };
        let stopped = self.config.target(&name) == TargetState::Stopped && self.config.task_count(&name) == 0;
        if !stopped {
            let message = format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            );
            return self.answer(request, Err(HerderError::new(400, message)));
        }
        self.emit(Effect::ModifyOffsets { request, name, config, offsets });
    }

    fn fail(&mut self, active: Active, why: &str) {
        let (request, what) = match active {
            Active::Put { request, .. } => {
                (request, "Error writing connector configuration to Kafka".to_owned())
            }
            Active::Delete { request } => {
                (request, "Error removing connector configuration from Kafka".to_owned())
            }
            Active::Stop { request, .. } => (request, "Error writing root configuration to Kafka".to_owned()),
            Active::Target { request, .. } => (request, "Error writing target state to Kafka".to_owned()),
            Active::Logger { request } => (request, "Error writing logger level to Kafka".to_owned()),
            Active::Restart { request, restart, .. } => (
                request,
                format!(
                    "Error writing restart request for {{connectorName='{}', onlyFailed={}, includeTasks={}}} to Kafka",
                    restart.connector, restart.only_failed, restart.include_tasks
                ),
            ),
            Active::Offsets { request, .. } => (
                request,
                "Failed to read to end of config topic before modifying connector offsets".to_owned(),
            ),
            Active::Tasks { name, .. } | Active::Commit { name } => {
                tracing::error!(connector = %name, why, "cannot write task configs; trying again after a while");
                self.generate_later(&name);
                return;
            }
            Active::SessionKey => {
                tracing::info!(why, "cannot write a new session key to the config topic; trying again");
                self.timers.set(self.now_ms + RETRY_MS, Timer::SessionKey);
                return;
            }
            Active::CatchUp => {
                tracing::warn!(why, "cannot read to the end of the config topic; trying again");
                self.timers.set(self.now_ms + RETRY_MS, Timer::Rebalance(self.group.generation()));
                return;
            }
            Active::Certainty => {
                self.fail_next(why);
                return;
            }
        };
        self.answer(request, Err(HerderError::new(500, format!("{what}: {why}"))));
    }

    /// The topic cannot be read, so the next job cannot be done either. Those without a request are tried again.
    fn fail_next(&mut self, why: &str) {
        let Some(job) = self.jobs.waiting.pop_front() else { return };
        match job {
            Job::Publish { name, .. } => self.generate_later(&name),
            Job::SessionKey => self.timers.set(self.now_ms + RETRY_MS, Timer::SessionKey),
            Job::CatchUp => {
                self.timers.set(self.now_ms + RETRY_MS, Timer::Rebalance(self.group.generation()));
            }
            job => {
                if let Some(request) = job.request() {
                    let message = format!("Failed to read to the end of the config topic: {why}");
                    self.answer(request, Err(HerderError::new(500, message)));
                }
            }
        }
    }
}
