//! What the records of the config topic add up to.
//!
//! Compaction shapes the rules: task configs take effect only with a commit that finds all of them; a commit that does
//! not leaves the connector *inconsistent*, without tasks, until its configs are written anew; task and commit
//! records of removed connectors stay in the topic and mean nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use raccord_data::java_order;
use raccord_plugin::RawConfig;

use super::codec::{self, ConfigRecord, RestartRequest, SessionKey, Skip};
use crate::connect_json::copy_slots;
use crate::herder::TargetState;
use crate::ports::LogRecord;
use crate::task::TaskId;

/// What a record changed, as far as somebody must act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A connector's config was written, of a new connector or an existing one.
    Connector {
        /// Connector name.
        name: String,
        /// Whether it did not exist before.
        new: bool,
    },
    /// A connector was removed.
    Removed(String),
    /// An existing connector should do something else.
    Target(String),
    /// Tasks have new configs, or there are more or fewer tasks.
    Tasks(String),
    /// There is a new key for internal requests.
    SessionKey,
    /// Restart now.
    Restart(RestartRequest),
    /// Set the level of a logger.
    Logger(String, String),
}

type TaskConfigs = BTreeMap<u32, Arc<RawConfig>>;

/// The state of the config topic.
#[derive(Clone, Debug, Default)]
pub struct ConfigTable {
    offset: i64,
    connectors: IndexMap<String, Arc<RawConfig>>,
    targets: HashMap<String, TargetState>,
    tasks: HashMap<String, TaskConfigs>,
    deferred: HashMap<String, TaskConfigs>,
    task_counts: HashMap<String, u32>,
    inconsistent: HashSet<String>,
    applied: HashMap<String, Arc<RawConfig>>,
    generations: HashMap<String, u32>,
    fencing_counts: HashMap<String, u32>,
    fencing_pending: HashSet<String>,
    session_key: Option<SessionKey>,
}

impl ConfigTable {
    /// An empty topic.
    pub fn new() -> Self {
        Self::default()
    }

    /// The offset of the last record read, plus one: what workers compare in the group.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Whether a connector exists.
    pub fn contains(&self, connector: &str) -> bool {
        self.connectors.contains_key(connector)
    }

    /// All connectors in the order in which Connect lists them.
    pub fn connectors(&self) -> Vec<String> {
        let mut names: Vec<String> = self.connectors.keys().cloned().collect();
        let slots = copy_slots(names.len());
        java_order::sort_with_capacity(&mut names, |name| name, slots);
        names
    }

    /// The config of a connector as it was written.
    pub fn connector(&self, connector: &str) -> Option<&Arc<RawConfig>> {
        self.connectors.get(connector)
    }

    /// The config of the connector with which its tasks were generated.
    pub fn applied(&self, connector: &str) -> Option<&Arc<RawConfig>> {
        self.applied.get(connector)
    }

    /// What a connector should do.
    pub fn target(&self, connector: &str) -> TargetState {
        self.targets.get(connector).copied().unwrap_or(TargetState::Started)
    }

    /// The number of tasks of the last commit, also of an inconsistent connector.
    pub fn task_count(&self, connector: &str) -> u32 {
        self.task_counts.get(connector).copied().unwrap_or(0)
    }

    /// The tasks that may run: none of an inconsistent connector.
    pub fn tasks(&self, connector: &str) -> impl Iterator<Item = TaskId> + use<> {
        let count = if self.inconsistent.contains(connector) { 0 } else { self.task_count(connector) };
        let connector: Arc<str> = connector.into();
        (0..count).map(move |task| TaskId { connector: connector.clone(), task })
    }

    /// The config of a task.
    pub fn task(&self, id: &TaskId) -> Option<&Arc<RawConfig>> {
        self.tasks.get(&*id.connector)?.get(&id.task)
    }

    /// Whether this task may run.
    pub fn has_task(&self, id: &TaskId) -> bool {
        self.contains(&id.connector)
            && !self.inconsistent.contains(&*id.connector)
            && id.task < self.task_count(&id.connector)
    }

    /// Whether the last commit of the connector did not find all task configs.
    pub fn is_inconsistent(&self, connector: &str) -> bool {
        self.inconsistent.contains(connector)
    }

    /// How many times the connector's tasks were written, from 0.
    pub fn task_generation(&self, connector: &str) -> Option<u32> {
        self.generations.get(connector).copied()
    }

    /// The last number of tasks that may have run with transactions.
    pub fn fencing_count(&self, connector: &str) -> Option<u32> {
        self.fencing_counts.get(connector).copied()
    }

    /// Whether tasks of an older generation may still hold transactions.
    pub fn fencing_pending(&self, connector: &str) -> bool {
        self.fencing_pending.contains(connector)
    }

    /// The key of internal requests.
    pub fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// Why the record was skipped.
    pub fn apply(&mut self, record: &LogRecord) -> Result<Option<Change>, Skip> {
        let decoded = match &record.key {
            Some(key) => codec::decode(key, record.value.as_deref()),
            None => Err(Skip::Malformed("it has no key".to_owned())),
        };
        if decoded != Err(Skip::NotJson) {
            self.offset = record.offset + 1;
        }
        Ok(match decoded? {
            ConfigRecord::Connector(name, Some(config)) => Some(self.put_connector(name, config)),
            ConfigRecord::Connector(name, None) => {
                self.forget(&name);
                Some(Change::Removed(name))
            }
            ConfigRecord::Task(id, config) => {
                let deferred = self.deferred.entry(id.connector.to_string()).or_default();
                deferred.insert(id.task, Arc::new(config));
                None
            }
            ConfigRecord::Commit(name, tasks) => self.commit(name, tasks)?,
            ConfigRecord::Target(name, state) => self.put_target(name, state),
            ConfigRecord::TaskCount(name, count) => {
                self.fencing_pending.remove(&name);
                self.fencing_counts.insert(name, count);
                None
            }
            ConfigRecord::SessionKey(key) => {
                self.session_key = Some(key);
                Some(Change::SessionKey)
            }
            ConfigRecord::Restart(request) => Some(Change::Restart(request)),
            ConfigRecord::Logger(namespace, level) => Some(Change::Logger(namespace, level)),
        })
    }

    fn put_connector(&mut self, name: String, config: RawConfig) -> Change {
        let new = self.connectors.insert(name.clone(), Arc::new(config)).is_none();
        self.targets.entry(name.clone()).or_insert(TargetState::Started);
        Change::Connector { name, new }
    }

    fn put_target(&mut self, name: String, state: Option<TargetState>) -> Option<Change> {
        let Some(state) = state else {
            // The tombstone of the connector itself is what stops it; one that still exists always has a state.
            self.targets.remove(&name);
            if self.contains(&name) {
                self.targets.insert(name, TargetState::Started);
            }
            return None;
        };
        let before = self.targets.insert(name.clone(), state);
        // A state that comes before its connector is the initial one.
        (before != Some(state) && self.contains(&name)).then_some(Change::Target(name))
    }

    fn commit(&mut self, name: String, tasks: Option<u32>) -> Result<Option<Change>, Skip> {
        let Some(config) = self.connectors.get(&name).cloned() else {
            self.forget(&name);
            return Ok(None);
        };
        let Some(count) = tasks else {
            return Err(Skip::Malformed("its value is not an object".to_owned()));
        };
        // After a reduction of tasks compaction may leave configs of more tasks than the commit names: those are in
        // the way of nobody.
        let deferred = self.deferred.remove(&name).unwrap_or_default();
        if (0..count).all(|task| deferred.contains_key(&task)) {
            if !deferred.is_empty() {
                self.tasks.entry(name.clone()).or_default().extend(deferred);
                self.generations.entry(name.clone()).and_modify(|generation| *generation += 1).or_insert(0);
            }
            self.inconsistent.remove(&name);
            self.applied.insert(name.clone(), config);
        } else {
            self.inconsistent.insert(name.clone());
        }
        self.task_counts.insert(name.clone(), count);
        self.fencing_pending.insert(name.clone());
        Ok(Some(Change::Tasks(name)))
    }

    fn forget(&mut self, name: &str) {
        self.connectors.shift_remove(name);
        self.task_counts.remove(name);
        self.tasks.remove(name);
        self.deferred.remove(name);
        self.applied.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_log::codec::Record;

    struct Topic {
        table: ConfigTable,
        next: i64,
    }

    impl Topic {
        fn new() -> Self {
            Self { table: ConfigTable::new(), next: 0 }
        }

        fn put(&mut self, (key, value): Record) -> Option<Change> {
            let record = LogRecord { partition: 0, offset: self.next, timestamp: 0, key: Some(key), value };
            self.next += 1;
            self.table.apply(&record).unwrap()
        }

        fn task_ids(&self, connector: &str) -> Vec<u32> {
            self.table.tasks(connector).map(|id| id.task).collect()
        }
    }

    fn config(value: &str) -> RawConfig {
        RawConfig::from([("k", value)])
    }

    fn task(connector: &str, task: u32) -> TaskId {
        TaskId { connector: connector.into(), task }
    }

    #[test]
    fn task_configs_wait_for_their_commit() {
        let mut topic = Topic::new();
        let change = topic.put(codec::connector("c", &config("1")));
        assert_eq!(change, Some(Change::Connector { name: "c".into(), new: true }));
        assert_eq!(topic.put(codec::task(&task("c", 0), &config("a"))), None);
        assert!(topic.task_ids("c").is_empty());
        assert_eq!(topic.put(codec::commit("c", 1)), Some(Change::Tasks("c".into())));
        assert_eq!(topic.task_ids("c"), [0]);
        assert_eq!(topic.table.task(&task("c", 0)).unwrap().get("k"), Some("a"));
        assert_eq!(topic.table.applied("c").unwrap().get("k"), Some("1"));
        assert_eq!(topic.table.offset(), 3);
        topic.put(codec::connector("c", &config("2")));
        assert_eq!(topic.table.applied("c").unwrap().get("k"), Some("1"));
    }

    #[test]
    fn an_incomplete_commit_makes_the_connector_inconsistent() {
        let mut topic = Topic::new();
        topic.put(codec::connector("c", &config("1")));
        topic.put(codec::task(&task("c", 1), &config("b")));
        topic.put(codec::commit("c", 2));
        assert!(topic.table.is_inconsistent("c"));
        assert!(topic.task_ids("c").is_empty());
        assert_eq!(topic.table.task_count("c"), 2);
        // What came before an incomplete commit does not count later.
        topic.put(codec::task(&task("c", 0), &config("a")));
        topic.put(codec::commit("c", 2));
        assert!(topic.table.is_inconsistent("c"));
        topic.put(codec::task(&task("c", 0), &config("a")));
        topic.put(codec::task(&task("c", 1), &config("b")));
        topic.put(codec::commit("c", 2));
        assert_eq!(topic.task_ids("c"), [0, 1]);
    }

    #[test]
    fn leftovers_of_a_removed_connector_mean_nothing() {
        let mut topic = Topic::new();
        topic.put(codec::task(&task("c", 0), &config("a")));
        assert_eq!(topic.put(codec::commit("c", 1)), None);
        topic.put(codec::connector("c", &config("1")));
        assert!(topic.task_ids("c").is_empty());
        let [connector, target] = codec::removal("c");
        assert_eq!(topic.put(connector), Some(Change::Removed("c".into())));
        assert_eq!(topic.put(target), None);
        assert!(!topic.table.contains("c"));
    }

    #[test]
    fn an_initial_state_comes_before_its_connector() {
        let mut topic = Topic::new();
        assert_eq!(topic.put(codec::target("c", TargetState::Stopped)), None);
        topic.put(codec::connector("c", &config("1")));
        assert_eq!(topic.table.target("c"), TargetState::Stopped);
        assert_eq!(topic.put(codec::target("c", TargetState::Stopped)), None);
        assert_eq!(topic.put(codec::target("c", TargetState::Started)), Some(Change::Target("c".into())));
        // Only the target's tombstone: back to running.
        topic.put(codec::target("c", TargetState::Paused));
        topic.put(codec::removal("c")[1].clone());
        assert_eq!(topic.table.target("c"), TargetState::Started);
    }

    #[test]
    fn fencing_is_pending_between_a_commit_and_the_count() {
        let mut topic = Topic::new();
        topic.put(codec::connector("c", &config("1")));
        topic.put(codec::commit("c", 0));
        assert!(topic.table.fencing_pending("c"));
        topic.put(codec::task_count("c", 3));
        assert!(!topic.table.fencing_pending("c"));
        assert_eq!(topic.table.fencing_count("c"), Some(3));
    }

    #[test]
    fn only_json_moves_the_offset() {
        let mut topic = Topic::new();
        let record = |key: &'static str, value: &'static str, offset| LogRecord {
            partition: 0,
            offset,
            timestamp: 0,
            key: Some(key.into()),
            value: Some(value.into()),
        };
        assert!(topic.table.apply(&record("what", "{}", 4)).is_err());
        assert_eq!(topic.table.offset(), 5);
        assert!(topic.table.apply(&record("connector-x", "{", 5)).is_err());
        assert_eq!(topic.table.offset(), 5);
    }

    #[test]
    fn connectors_are_listed_in_the_order_of_a_java_map() {
        let mut topic = Topic::new();
        for name in ["local-file-sink", "a", "local-file-source"] {
            topic.put(codec::connector(name, &config("1")));
        }
        let mut expect = vec!["local-file-sink", "a", "local-file-source"];
        java_order::sort_by_key(&mut expect, |name| name);
        assert_eq!(topic.table.connectors(), expect);
    }
}
