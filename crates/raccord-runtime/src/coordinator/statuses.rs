//! Writing statuses.

use super::Coordinator;
use super::event::Effect;
use crate::ports::LogRecord;
use crate::status_log::{State, Status, StatusKey, TopicStatus};
use crate::task::TaskId;

impl Coordinator {
    fn status(&self, state: State, trace: Option<String>, version: Option<&str>) -> Status {
        Status {
            state,
            trace,
            worker_id: self.settings.worker_id.clone(),
            generation: self.group.generation(),
            version: version.map(str::to_owned),
        }
    }

    /// Says what became of a connector or task. States that another worker may have overtaken meanwhile are written only
    /// if none has.
    pub(super) fn say(&mut self, key: StatusKey, state: State, trace: Option<String>, version: Option<&str>) {
        let status = self.status(state, trace, version);
        let write = match state {
            State::Failed | State::Unassigned => self.status.put_safe(key, status),
            _ => Some(self.status.put(key, Some(status))),
        };
        if let Some(write) = write {
            self.emit(Effect::WriteStatus(write));
        }
    }

    pub(super) fn unsay(&mut self, key: StatusKey) {
        let write = self.status.put(key, None);
        self.emit(Effect::WriteStatus(write));
    }

    pub(super) fn say_topic(&mut self, id: &TaskId, topic: &str) {
        if !self.settings.topic_tracking || self.status.has_topic(&id.connector, topic) {
            return;
        }
        let status = TopicStatus {
            topic: topic.to_owned(),
            connector: id.connector.to_string(),
            task: id.task,
            discovered_ms: self.now_ms as i64,
        };
        let write = self.status.put_topic(status);
        self.emit(Effect::WriteStatus(write));
    }

    pub(super) fn forget_topics(&mut self, connector: &str) {
        for write in self.status.forget_topics(connector) {
            self.emit(Effect::WriteStatus(write));
        }
    }

    pub(super) fn on_status_record(&mut self, record: &LogRecord) {
        if !self.status.apply(record) {
            tracing::warn!(
                partition = record.partition,
                offset = record.offset,
                "skipping a record of the status topic that is not a status"
            );
        }
        // Somebody, here or elsewhere, has reset the topics of a connector.
        if record.value.is_none()
            && let Some(StatusKey::Topic { connector, .. }) =
                record.key.as_deref().and_then(StatusKey::decode)
        {
            for id in self.local_tasks_of(&connector) {
                if let Some(local) = self.tasks.get(&id).filter(|local| local.is_live()) {
                    let effect = Effect::ForgetTopics(id, local.epoch);
                    self.emit(effect);
                }
            }
        }
    }

    /// The leader deletes the statuses of what does not exist any more, once it has stopped here.
    pub(super) fn clean_statuses(&mut self) {
        if !self.group.is_settled() || !self.group.leader() || !self.group.clean {
            return;
        }
        // What stops here still has a last word to say.
        let waiting = self.connectors.keys().any(|name| !self.config.contains(name))
            || self.tasks.keys().any(|id| !self.config.has_task(id));
        for name in self.status.connectors() {
            let exists = self.config.contains(&name);
            let tasks: Vec<u32> = self.status.tasks(&name).map(|(task, _)| task).collect();
            for task in tasks {
                let id = TaskId { connector: name.as_str().into(), task };
                if self.config.has_task(&id) {
                    continue;
                }
                if !self.tasks.contains_key(&id) {
                    self.unsay(StatusKey::Task(id));
                }
            }
            if exists || self.status.connector(&name).is_none() {
                continue;
            }
            if !self.connectors.contains_key(&name) {
                self.unsay(StatusKey::Connector(name));
            }
        }
        for name in self.status.connectors_with_topics() {
            if self.config.contains(&name) {
                continue;
            }
            if self.local_tasks_of(&name).is_empty() {
                self.forget_topics(&name);
            }
        }
        self.group.clean = waiting;
    }
}
