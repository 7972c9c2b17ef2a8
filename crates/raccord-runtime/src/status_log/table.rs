//! What the records of the status topic add up to, together with this worker's writes that are still on their way.
//!
//! A write of this worker shows at once: until it was read back it hides what the topic says. So `/status` is never
//! behind what the worker itself knows, and an older record of its own that comes back late cannot undo it. When the
//! write has been read back (or has been given up), the topic is the truth again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::codec::{State, Status, StatusKey, TopicStatus};
use crate::ports::LogRecord;
use crate::task::TaskId;

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWrite {
    /// What it is about.
    pub key: StatusKey,
    /// Value bytes; `None` deletes.
    pub value: Option<Bytes>,
    /// Given back to [`StatusTable::settled`].
    pub sequence: u64,
}

#[derive(Clone, Debug)]
struct Cell<T> {
    topic: Option<T>,
    local: Option<(u64, Option<T>)>,
}

impl<T> Default for Cell<T> {
    fn default() -> Self {
        Self { topic: None, local: None }
    }
}

impl<T> Cell<T> {
    fn get(&self) -> Option<&T> {
        match &self.local {
            Some((_, value)) => value.as_ref(),
            None => self.topic.as_ref(),
        }
    }

    fn settle(&mut self, sequence: u64) {
        if self.local.as_ref().is_some_and(|(last, _)| *last == sequence) {
            self.local = None;
        }
    }

    fn is_gone(&self) -> bool {
        self.topic.is_none() && self.local.is_none()
    }
}

/// Statuses of connectors and tasks, and topics in use.
#[derive(Debug, Default)]
pub struct StatusTable {
    connectors: HashMap<String, Cell<Status>>,
    tasks: HashMap<String, BTreeMap<u32, Cell<Status>>>,
    topics: HashMap<String, BTreeMap<String, Cell<TopicStatus>>>,
    sequence: u64,
}

impl StatusTable {
    /// An empty topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// The status of a connector.
    pub fn connector(&self, name: &str) -> Option<&Status> {
        self.connectors.get(name)?.get()
    }

    /// The status of a task.
    pub fn task(&self, id: &TaskId) -> Option<&Status> {
        self.tasks.get(&*id.connector)?.get(&id.task)?.get()
    }

    /// The statuses of all tasks of a connector by number.
    pub fn tasks(&self, connector: &str) -> impl Iterator<Item = (u32, &Status)> {
        let tasks = self.tasks.get(connector).into_iter().flatten();
        tasks.filter_map(|(task, cell)| Some((*task, cell.get()?)))
    }

    /// The topics that a connector uses, sorted.
    pub fn topics(&self, connector: &str) -> impl Iterator<Item = &TopicStatus> {
        self.topics.get(connector).into_iter().flatten().filter_map(|(_, cell)| cell.get())
    }

    /// Whether a connector is known to use a topic.
    pub fn has_topic(&self, connector: &str, topic: &str) -> bool {
        let cell = self.topics.get(connector).and_then(|topics| topics.get(topic));
        cell.is_some_and(|cell| cell.get().is_some())
    }

    /// All connectors that have a status, themselves or in their tasks, sorted.
    pub fn connectors(&self) -> BTreeSet<String> {
        let live = |cells: &BTreeMap<u32, Cell<Status>>| cells.values().any(|cell| cell.get().is_some());
        let own = self.connectors.iter().filter(|(_, cell)| cell.get().is_some()).map(|(name, _)| name);
        let tasks = self.tasks.iter().filter(|(_, cells)| live(cells)).map(|(name, _)| name);
        own.chain(tasks).cloned().collect()
    }

    /// All connectors with topics, sorted.
    pub fn connectors_with_topics(&self) -> BTreeSet<String> {
        self.topics.keys().filter(|name| self.topics(name).next().is_some()).cloned().collect()
    }

    /// Writes the status of a connector or task; `None` deletes it.
    pub fn put(&mut self, key: StatusKey, status: Option<Status>) -> StatusWrite {
        self.sequence += 1;
        let sequence = self.sequence;
        let value = status.as_ref().map(Status::encode);
        if let Some(cell) = self.status_cell(&key) {
            cell.local = Some((sequence, status));
        }
        StatusWrite { key, value, sequence }
    }

    /// As [`put`](Self::put), unless another worker of a newer generation has written meanwhile: then it is right and
    /// nothing happens.
    pub fn put_safe(&mut self, key: StatusKey, status: Status) -> Option<StatusWrite> {
        let newer = self.status_cell(&key).and_then(|cell| cell.get()).is_some_and(|current| {
            current.worker_id != status.worker_id && current.generation > status.generation
        });
        (!newer).then(|| self.put(key, Some(status)))
    }

    /// Notes that a connector uses a topic.
    pub fn put_topic(&mut self, status: TopicStatus) -> StatusWrite {
        let key = StatusKey::Topic { connector: status.connector.clone(), topic: status.topic.clone() };
        self.write_topic(key, Some(status))
    }

    /// Forgets that a connector uses these topics.
    pub fn forget_topics(&mut self, connector: &str) -> Vec<StatusWrite> {
        let topics: Vec<String> = self.topics(connector).map(|status| status.topic.clone()).collect();
        let key = |topic| StatusKey::Topic { connector: connector.to_owned(), topic };
        topics.into_iter().map(|topic| self.write_topic(key(topic), None)).collect()
    }

    fn write_topic(&mut self, key: StatusKey, status: Option<TopicStatus>) -> StatusWrite {
        self.sequence += 1;
        let sequence = self.sequence;
        let value = status.as_ref().map(TopicStatus::encode);
        if let StatusKey::Topic { connector, topic } = &key {
            let cells = self.topics.entry(connector.clone()).or_default();
            cells.entry(topic.clone()).or_default().local = Some((sequence, status));
        }
        StatusWrite { key, value, sequence }
    }

    /// A write, and all before it for the same key, has been read back or given up.
    pub fn settled(&mut self, key: &StatusKey, sequence: u64) {
        match key {
            StatusKey::Topic { connector, topic } => {
                if let Some(cells) = self.topics.get_mut(connector) {
                    if let Some(cell) = cells.get_mut(topic) {
                        cell.settle(sequence);
                    }
                    cells.retain(|_, cell| !cell.is_gone());
                }
            }
            key => {
                if let Some(cell) = self.status_cell(key) {
                    cell.settle(sequence);
                }
            }
        }
        self.sweep(key);
    }

    /// Takes a record of the topic in. Says whether it could be read.
    pub fn apply(&mut self, record: &LogRecord) -> bool {
        let Some(key) = record.key.as_deref().and_then(StatusKey::decode) else {
            return false;
        };
        let value = record.value.as_deref();
        let read = match &key {
            StatusKey::Topic { connector, topic } => {
                let status = value.map(TopicStatus::decode);
                if status != Some(None) {
                    let cells = self.topics.entry(connector.clone()).or_default();
                    cells.entry(topic.clone()).or_default().topic = status.flatten();
                    return true;
                }
                false
            }
            key => match value.map(Status::decode) {
                Some(None) => false,
                status => {
                    self.apply_status(key, status.flatten());
                    true
                }
            },
        };
        self.sweep(&key);
        read
    }

    fn apply_status(&mut self, key: &StatusKey, status: Option<Status>) {
        let is_task = matches!(key, StatusKey::Task(_));
        let Some(cell) = self.status_cell(key) else { return };
        // A worker that lost a task may say UNASSIGNED after the new owner said RUNNING.
        let stale = is_task
            && status.as_ref().is_some_and(|new| {
                new.state == State::Unassigned
                    && cell
                        .topic
                        .as_ref()
                        .is_some_and(|old| old.state == State::Running && old.generation >= new.generation)
                    && cell.topic.as_ref().is_some_and(|old| old.worker_id != new.worker_id)
            });
        if !stale {
            cell.topic = status;
        }
    }

    fn status_cell(&mut self, key: &StatusKey) -> Option<&mut Cell<Status>> {
        match key {
            StatusKey::Connector(name) => Some(self.connectors.entry(name.clone()).or_default()),
            StatusKey::Task(id) => {
                let tasks = self.tasks.entry(id.connector.to_string()).or_default();
                Some(tasks.entry(id.task).or_default())
            }
            StatusKey::Topic { .. } => None,
        }
    }

    /// Drops cells that say nothing.
    fn sweep(&mut self, key: &StatusKey) {
        match key {
            StatusKey::Connector(name) => {
                if self.connectors.get(name).is_some_and(Cell::is_gone) {
                    self.connectors.remove(name);
                }
            }
            StatusKey::Task(id) => {
                if let Some(tasks) = self.tasks.get_mut(&*id.connector) {
                    tasks.retain(|_, cell| !cell.is_gone());
                    if tasks.is_empty() {
                        self.tasks.remove(&*id.connector);
                    }
                }
            }
            StatusKey::Topic { connector, .. } => {
                if self.topics.get(connector).is_some_and(BTreeMap::is_empty) {
                    self.topics.remove(connector);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State, worker: &str, generation: i32) -> Status {
        Status { state, trace: None, worker_id: worker.into(), generation, version: None }
    }

    fn record(key: &StatusKey, value: Option<Bytes>) -> LogRecord {
        LogRecord { partition: 0, offset: 0, timestamp: 0, key: Some(key.encode()), value }
    }

    fn connector() -> StatusKey {
        StatusKey::Connector("c".into())
    }

    fn task() -> StatusKey {
        StatusKey::Task(TaskId { connector: "c".into(), task: 0 })
    }

    #[test]
    fn own_writes_show_at_once_and_late_echoes_do_not_undo_them() {
        let mut table = StatusTable::new();
        let running = table.put(connector(), Some(status(State::Running, "w", 1)));
        let paused = table.put(connector(), Some(status(State::Paused, "w", 1)));
        table.apply(&record(&connector(), running.value));
        assert_eq!(table.connector("c").unwrap().state, State::Paused);
        table.settled(&connector(), running.sequence);
        assert_eq!(table.connector("c").unwrap().state, State::Paused);
        table.apply(&record(&connector(), paused.value));
        table.settled(&connector(), paused.sequence);
        assert_eq!(table.connector("c").unwrap().state, State::Paused);
        // Somebody else writes after that.
        table.apply(&record(&connector(), Some(status(State::Running, "v", 2).encode())));
        assert_eq!(table.connector("c").unwrap().worker_id, "v");
    }

    #[test]
    fn what_another_worker_wrote_meanwhile_shows_when_the_own_write_is_settled() {
        let mut table = StatusTable::new();
        let own = table.put(task(), Some(status(State::Unassigned, "w", 1)));
        table.apply(&record(&task(), own.value));
        table.apply(&record(&task(), Some(status(State::Running, "v", 2).encode())));
        table.settled(&task(), own.sequence);
        assert_eq!(table.tasks("c").next().unwrap().1.worker_id, "v");
    }

    #[test]
    fn a_safe_write_yields_to_a_newer_generation_of_another_worker() {
        let mut table = StatusTable::new();
        table.apply(&record(&task(), Some(status(State::Running, "v", 3).encode())));
        assert_eq!(table.put_safe(task(), status(State::Failed, "w", 2)), None);
        assert!(table.put_safe(task(), status(State::Failed, "w", 3)).is_some());
        table.apply(&record(&connector(), Some(status(State::Running, "w", 9).encode())));
        assert!(table.put_safe(connector(), status(State::Failed, "w", 2)).is_some());
    }

    #[test]
    fn a_late_unassigned_of_another_worker_is_ignored() {
        let mut table = StatusTable::new();
        table.apply(&record(&task(), Some(status(State::Running, "v", 3).encode())));
        table.apply(&record(&task(), Some(status(State::Unassigned, "w", 3).encode())));
        assert_eq!(table.tasks("c").next().unwrap().1.state, State::Running);
        table.apply(&record(&task(), Some(status(State::Unassigned, "w", 4).encode())));
        assert_eq!(table.tasks("c").next().unwrap().1.state, State::Unassigned);
    }

    #[test]
    fn a_task_s_status_outlives_the_connector_s() {
        // The worker that deleted them may have died in between; somebody has to delete the other one.
        let mut table = StatusTable::new();
        table.apply(&record(&connector(), Some(status(State::Running, "v", 3).encode())));
        table.apply(&record(&task(), Some(status(State::Running, "v", 3).encode())));
        table.apply(&record(&connector(), None));
        assert_eq!(table.connectors().len(), 1);
        table.apply(&record(&task(), None));
        assert!(table.connectors().is_empty() && table.tasks.is_empty());
    }

    #[test]
    fn topics_come_and_go() {
        let mut table = StatusTable::new();
        let topic = TopicStatus { topic: "t".into(), connector: "c".into(), task: 0, discovered_ms: 5 };
        let write = table.put_topic(topic);
        assert!(table.has_topic("c", "t"));
        table.apply(&record(&write.key, write.value));
        table.settled(&write.key, write.sequence);
        assert!(table.has_topic("c", "t"));
        let forgotten = table.forget_topics("c");
        assert!(!table.has_topic("c", "t"));
        table.apply(&record(&forgotten[0].key, None));
        table.settled(&forgotten[0].key, forgotten[0].sequence);
        assert!(table.topics.is_empty());
    }

    #[test]
    fn garbage_changes_nothing() {
        let mut table = StatusTable::new();
        table.apply(&record(&connector(), Some(status(State::Running, "v", 3).encode())));
        assert!(!table.apply(&record(&connector(), Some("{".into()))));
        assert_eq!(table.connector("c").unwrap().state, State::Running);
    }
}
