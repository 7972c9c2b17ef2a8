//! What must hold at every effect, and what must be left when everything has calmed down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::{Answer, Effect, Epoch, RequestId};
use super::{ConfigOp, Instance, Todo, World, configured};
use crate::group::GroupView;
use crate::herder::{HerderResult, TargetState};
use crate::ports::LogRecord;
use crate::status_log::{Status, StatusKey};
use crate::task::TaskTarget;

impl World {
    pub(super) fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Answer(id, answer) => self.on_answer(id, &answer),
            Effect::WriteConfig(records) => self.on_config_op(ConfigOp::Write(records)),
            Effect::ReadConfig => self.on_config_op(ConfigOp::Read),
            Effect::WriteStatus(write) => self.status_writes.push_back(write),
            Effect::StartConnector { name, epoch, config, target } => {
                assert!(!self.connectors.contains_key(&name), "two instances of {name}");
                assert_eq!(self.table.connector(&name), Some(&config), "{name} starts with another config");
                assert!(self.assigned.connectors.contains(&name), "{name} is not assigned");
                let hangs = self.chance(3);
                let todo = VecDeque::from([Todo::Reach(target)]);
                self.connectors.insert(name, Instance { epoch, todo, state: None, failed: false, hangs });
            }
            Effect::SetConnectorTarget(name, epoch, target) => {
                self.connector(&name, epoch).todo.push_back(Todo::Reach(target));
            }
            Effect::GenerateTasks(name, epoch) => {
                self.connector(&name, epoch).todo.push_back(Todo::Generate);
            }
            Effect::StopConnector(name, epoch) => self.connector(&name, epoch).todo.push_back(Todo::Stop),
            Effect::AbandonConnector(name, epoch) => {
                self.connector(&name, epoch);
                self.connectors.remove(&name);
            }
            Effect::StartTask { id, epoch, task_config, connector_config, tasks, target } => {
                assert!(!self.tasks.contains_key(&id), "two instances of {id}");
                assert!(self.table.has_task(&id), "{id} does not exist");
                assert_eq!(self.table.task(&id), Some(&task_config), "{id} starts with another config");
                assert_eq!(self.table.connector(&id.connector), Some(&connector_config));
                assert_eq!(tasks, self.table.task_count(&id.connector));
                assert!(self.assigned.tasks.contains(&id), "{id} is not assigned");
                let hangs = self.chance(3);
                let todo = VecDeque::from([Todo::Reach(target)]);
                self.tasks.insert(id, Instance { epoch, todo, state: None, failed: false, hangs });
            }
            Effect::SetTaskTarget(id, epoch, target) => {
                // One that has failed just now does not listen any more.
                if let Some(task) = self.tasks.get_mut(&id) {
                    assert_eq!(task.epoch, epoch);
                    task.todo.push_back(Todo::Reach(target));
                }
            }
            Effect::StopTask(id, epoch) => match self.tasks.get_mut(&id) {
                Some(task) => {
                    assert_eq!(task.epoch, epoch);
                    task.todo.push_back(Todo::Stop);
                }
                None => panic!("{id} is told to stop but is not there"),
            },
            Effect::AbandonTask(id, _) => assert!(self.tasks.remove(&id).is_some()),
            Effect::Join(view) => {
                assert!(self.joining.is_none(), "joins twice");
                assert!(!self.revoking, "joins before it has given up what was taken away");
                self.joining = Some(view);
            }
            Effect::RevocationDone => {
                assert!(std::mem::take(&mut self.revoking));
                let configured = configured(&self.table);
                self.joining = Some(GroupView { config_offset: self.table.offset(), configured });
            }
            Effect::ModifyOffsets { request, name, .. } => {
                assert_eq!(self.table.target(&name), TargetState::Stopped);
                assert_eq!(self.table.task_count(&name), 0);
                self.on_answer(request, &Ok(Answer::Message(String::new())));
            }
            Effect::ForgetTopics(..) | Effect::SetLogger(..) | Effect::Ended => {}
        }
    }

    pub(super) fn on_answer(&mut self, id: RequestId, _answer: &HerderResult<Answer>) {
        let known = self.open.remove(&id) || self.abandoned.remove(&id);
        assert!(known, "request {id} is answered twice, or was never asked");
    }

    fn on_config_op(&mut self, op: ConfigOp) {
        assert!(self.config_op.is_none(), "two writes of the config topic at once");
        self.config_op = Some(op);
    }

    fn connector(&mut self, name: &str, epoch: Epoch) -> &mut Instance<TargetState> {
        let instance = self.connectors.get_mut(name).expect("the instance is there");
        assert_eq!(instance.epoch, epoch, "{name}: an order for another instance");
        instance
    }

    pub(super) fn check_calm(&self) {
        assert!(self.open.is_empty(), "requests {:?} were never answered", self.open);
        let exists: BTreeSet<String> = self.table.connectors().into_iter().collect();
        let assigned: BTreeSet<String> = self.assigned.connectors.iter().cloned().collect();
        assert_eq!(exists, assigned, "not everything is assigned");
        let running: BTreeSet<String> = self.connectors.keys().cloned().collect();
        assert_eq!(exists, running, "not everything runs that exists, or the other way round");
        for (name, instance) in &self.connectors {
            let target = self.table.target(name);
            assert!(!self.table.is_inconsistent(name), "{name} is inconsistent");
            if instance.failed {
                self.check_status(&StatusKey::Connector(name.clone()), "FAILED");
                continue;
            }
            assert_eq!(instance.state, Some(target), "{name}");
            let state = match target {
                TargetState::Started => "RUNNING",
                TargetState::Paused => "PAUSED",
                TargetState::Stopped => "STOPPED",
            };
            self.check_status(&StatusKey::Connector(name.clone()), state);
            let count = self.table.task_count(name) as usize;
            match target {
                TargetState::Started => {
                    assert_eq!(Some(&count), self.wanted_tasks.get(name), "tasks of {name}")
                }
                TargetState::Stopped => assert_eq!(count, 0, "{name} is stopped and has tasks"),
                TargetState::Paused => {}
            }
        }
        for id in exists.iter().flat_map(|name| self.table.tasks(name)) {
            let target = match self.table.target(&id.connector) {
                TargetState::Started => (TaskTarget::Started, "RUNNING"),
                _ => (TaskTarget::Paused, "PAUSED"),
            };
            match self.tasks.get(&id) {
                Some(instance) => {
                    assert_eq!(instance.state, Some(target.0), "{id}");
                    self.check_status(&StatusKey::Task(id), target.1);
                }
                // It has failed, or is gone after a restart that came too late.
                None => self.check_status(&StatusKey::Task(id), "FAILED"),
            }
        }
        for id in self.tasks.keys() {
            assert!(self.table.has_task(id), "{id} runs and does not exist");
        }
        for (key, status) in self.latest_statuses() {
            let connector = match &key {
                StatusKey::Connector(name) => exists.contains(name),
                StatusKey::Task(id) => self.table.has_task(id),
                StatusKey::Topic { connector, .. } => exists.contains(connector),
            };
            assert!(connector || status.is_none(), "{key:?} has a status and does not exist");
        }
    }

    /// The newest record of each key of the status topic.
    fn latest_statuses(&self) -> BTreeMap<StatusKey, Option<Vec<u8>>> {
        let decode = |record: &LogRecord| {
            let key = StatusKey::decode(record.key.as_deref().unwrap_or_default()).expect("a key of ours");
            (key, record.value.as_ref().map(|value| value.to_vec()))
        };
        self.status.iter().map(decode).collect()
    }

    fn check_status(&self, key: &StatusKey, expect: &str) {
        let statuses = self.latest_statuses();
        let written = statuses.get(key).and_then(Option::as_deref).and_then(Status::decode);
        assert_eq!(written.as_ref().map(|status| status.state.name()), Some(expect), "in the topic: {key:?}");
        let known = match key {
            StatusKey::Connector(name) => self.coordinator.status.connector(name),
            StatusKey::Task(id) => self.coordinator.status.task(id),
            StatusKey::Topic { .. } => None,
        };
        assert_eq!(known, written.as_ref(), "known: {key:?}");
    }
}
