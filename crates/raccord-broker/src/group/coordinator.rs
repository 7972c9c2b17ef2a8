//! The shell around the groups: owns them, feeds them events, carries out their effects.
//!
//! One lock per group, held for a step and the write it asks for, never over an await. A request that must wait leaves
//! the sending half of a one-shot channel in the cell under its token; the machine answers every token, so nothing waits
//! forever. Lock order where several are held: a transaction's, then a group's, then the index of open transactions.

use super::machine::{self, Answer, Effect, Event};
use super::offsets::{Committed, Offsets};
use super::records::{GroupValue, OffsetValue, RecordKey};
use super::state::{Group, GroupLimits, GroupState, Name, PartitionName, Token};
use super::state_log::{Replayed, StateLog, StateLogError, StateRecord, partition_of};
use super::timers::{Clock, Timers};
use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Which partitions exist: offsets are kept for real ones only.
pub(crate) trait PartitionCatalog: Send + Sync + 'static {
    /// Whether the topic has that partition.
    fn has_partition(&self, topic: &str, partition: i32) -> bool;
}

/// Settings of the coordinator. Kafka's broker settings in brackets.
#[derive(Debug, Clone)]
pub(crate) struct GroupSettings {
    /// Limits of each group.
    pub limits: GroupLimits,
    /// Groups that may exist at once.
    pub groups_max: usize,
    /// Largest metadata of a committed offset (`offset.metadata.max.bytes`).
    pub offset_metadata_bytes_max: usize,
    /// How long offsets outlive their group (`offsets.retention.minutes`).
    pub offsets_retention_ms: i64,
    /// How often that is looked at (`offsets.retention.check.interval.ms`).
    pub retention_check_interval_ms: u64,
}

impl Default for GroupSettings {
    fn default() -> Self {
        GroupSettings {
            limits: GroupLimits::default(),
            groups_max: 100_000,
            offset_metadata_bytes_max: 4_096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            retention_check_interval_ms: 600_000,
        }
    }
}

/// A group with all that hangs on it.
pub(super) struct Cell {
    pub group: Group,
    pub offsets: Offsets,
    parked: HashMap<Token, oneshot::Sender<Answer>>,
    timer_ms: Option<i64>,
    /// The group's record stands in the log, so deleting the group needs a tombstone.
    stored: bool,
}

impl Cell {
    fn new(group: Group) -> Self {
        Cell { group, offsets: Offsets::default(), parked: HashMap::new(), timer_ms: None, stored: false }
    }
}

/// All groups of the broker.
pub(crate) struct GroupCoordinator {
    pub(super) settings: GroupSettings,
    pub(super) log: Arc<dyn StateLog>,
    pub(super) catalog: Arc<dyn PartitionCatalog>,
    pub(super) clock: Arc<Clock>,
    groups: Mutex<HashMap<Name, Arc<Mutex<Cell>>>>,
    timers: Timers,
    tokens: AtomicU64,
    /// Order of offset commits.
    commits: AtomicU64,
    /// Groups with pending offsets, by partition of the log and producer id.
    open: Mutex<HashMap<(i32, i64), HashSet<Name>>>,
}

impl GroupCoordinator {
    /// Reads everything that the log holds. Blocks; called before the broker listens.
    pub fn load(
        settings: GroupSettings,
        log: Arc<dyn StateLog>,
        catalog: Arc<dyn PartitionCatalog>,
        clock: Arc<Clock>,
    ) -> Result<Self, StateLogError> {
        let coordinator = GroupCoordinator {
            settings,
            log,
            catalog,
            clock,
            groups: Mutex::default(),
            timers: Timers::default(),
            tokens: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            open: Mutex::default(),
        };
        for partition in 0..coordinator.log.partitions() {
            coordinator.load_partition(partition)?;
        }
        Ok(coordinator)
    }

    fn load_partition(&self, partition: i32) -> Result<(), StateLogError> {
        let mut offsets: HashMap<Name, Offsets> = HashMap::new();
        let mut values: HashMap<Name, GroupValue> = HashMap::new();
        let mut skipped = 0usize;
        self.log.replay(partition, &mut |replayed| {
            let order = self.next_commit();
            if replay_one(replayed, order, &mut offsets, &mut values).is_err() {
                skipped += 1;
            }
        })?;
        if skipped > 0 {
            tracing::warn!(
                partition,
                skipped,
                "records of __consumer_offsets that do not parse were left out"
            );
        }
        let now_ms = self.clock.now_ms();
        offsets.retain(|_, of| !of.is_empty());
        let names: HashSet<Name> = offsets.keys().chain(values.keys()).cloned().collect();
        let mut groups = self.groups.lock();
        for name in names {
            let value = values.remove(&name);
            let stored = value.is_some();
            let group = match value {
                Some(value) => Group::restore(name.clone(), value, now_ms),
                None => Group::new(name.clone(), -1),
            };
            let mut cell = Cell { stored, ..Cell::new(group) };
            cell.offsets = offsets.remove(&name).unwrap_or_default();
            for producer in cell.offsets.producers() {
                self.open.lock().entry((partition, producer)).or_default().insert(name.clone());
            }
            self.reschedule(&mut cell);
            groups.insert(name, Arc::new(Mutex::new(cell)));
        }
        Ok(())
    }

    /// Runs timers and retention until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let every = Duration::from_millis(self.settings.retention_check_interval_ms.max(1));
        let mut retention = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                due = self.timers.due(&self.clock) => due.iter().for_each(|(at_ms, name)| self.tick(*at_ms, name)),
                _ = retention.tick() => self.expire_offsets(),
            }
        }
    }

    fn tick(&self, at_ms: i64, name: &Name) {
        let Some(cell) = self.find(name) else { return };
        let mut cell = cell.lock();
        if cell.group.state == GroupState::Dead {
            return;
        }
        if cell.timer_ms == Some(at_ms) {
            cell.timer_ms = None;
        }
        self.drive(&mut cell, Event::Tick);
        self.drop_if_unused(&mut cell);
    }

    pub(super) fn find(&self, group: &str) -> Option<Arc<Mutex<Cell>>> {
        self.groups.lock().get(group).cloned()
    }

    /// All groups as of now.
    pub(super) fn all(&self) -> Vec<Arc<Mutex<Cell>>> {
        self.groups.lock().values().cloned().collect()
    }

    /// Runs `act` on a group, created if need be. A group that is deleted between being found and being locked is
    /// looked up again.
    pub(super) fn with_group<T>(
        &self,
        group: &str,
        create: bool,
        act: impl FnOnce(&mut Cell) -> T,
    ) -> Result<Option<T>, ResponseError> {
        loop {
            let cell = match self.find(group) {
                Some(cell) => cell,
                None if !create => return Ok(None),
                None => self.create(group)?,
            };
            let mut cell = cell.lock();
            if cell.group.state != GroupState::Dead {
                let outcome = act(&mut cell);
                self.drop_if_unused(&mut cell);
                return Ok(Some(outcome));
            }
        }
    }

    /// Forgets a group that came to nothing: requests that are refused must not leave groups behind.
    fn drop_if_unused(&self, cell: &mut Cell) {
        let group = &cell.group;
        let used = group.state != GroupState::Empty || !group.pending.is_empty() || !cell.offsets.is_empty();
        if !used && !cell.stored {
            cell.group.state = GroupState::Dead;
            self.groups.lock().remove(&cell.group.id);
        }
    }

    fn create(&self, group: &str) -> Result<Arc<Mutex<Cell>>, ResponseError> {
        let mut groups = self.groups.lock();
        if let Some(present) = groups.get(group) {
            return Ok(present.clone());
        }
        if groups.len() >= self.settings.groups_max {
            tracing::warn!(
                group,
                max = self.settings.groups_max,
                "group refused: too many groups, delete unused ones"
            );
            return Err(ResponseError::PolicyViolation);
        }
        let name = Name::from(group);
        let cell = Arc::new(Mutex::new(Cell::new(Group::new(name.clone(), self.clock.now_ms()))));
        groups.insert(name, cell.clone());
        Ok(cell)
    }

    /// A number that no other request has.
    pub(super) fn next_token(&self) -> Token {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn next_commit(&self) -> u64 {
        self.commits.fetch_add(1, Ordering::Relaxed)
    }

    /// Feeds an event that carries `token` and leaves the other end of the answer in the cell.
    pub(super) fn submit(&self, cell: &mut Cell, token: Token, event: Event) -> oneshot::Receiver<Answer> {
        let (send, receive) = oneshot::channel();
        cell.parked.insert(token, send);
        self.drive(cell, event);
        receive
    }

    /// Steps the machine until it asks for nothing more.
    fn drive(&self, cell: &mut Cell, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now_ms = self.clock.now_ms();
            for effect in machine::step(&mut cell.group, &self.settings.limits, now_ms, event) {
                match effect {
                    Effect::Answer(token, answer) => {
                        if let Some(waiting) = cell.parked.remove(&token) {
                            // The client may have gone meanwhile.
                            let _ = waiting.send(answer);
                        }
                    }
                    Effect::Persist { ticket, value } => {
                        let failed = self.write_group(cell, &value).err();
                        events.push_back(Event::Persisted { ticket, failed });
                    }
                }
            }
        }
        self.reschedule(cell);
    }

    /// Renews what the timer queue knows of a group.
    pub(super) fn reschedule(&self, cell: &mut Cell) {
        let next_ms = cell.group.next_deadline_ms();
        self.timers.schedule(&cell.group.id, &mut cell.timer_ms, next_ms);
    }

    fn write_group(&self, cell: &mut Cell, value: &GroupValue) -> Result<(), ResponseError> {
        let key = RecordKey::encode_group(&cell.group.id);
        let record = StateRecord { key, value: Some(value.encode()) };
        self.append(&cell.group.id, &[record])?;
        cell.stored = true;
        Ok(())
    }

    /// Writes records of a group.
    pub(super) fn append(&self, group: &str, records: &[StateRecord]) -> Result<(), ResponseError> {
        let partition = self.partition_of(group);
        self.log
            .append(partition, records, self.clock.now_ms(), None)
            .map_err(|error| self.report(group, &error))
    }

    /// Logs why a write failed and names the error a client gets.
    pub(super) fn report(&self, group: &str, error: &StateLogError) -> ResponseError {
        tracing::error!(group, %error, "cannot write to __consumer_offsets");
        match error {
            StateLogError::TooLarge => ResponseError::UnknownServerError,
            StateLogError::Unavailable(_) => ResponseError::CoordinatorNotAvailable,
        }
    }

    /// The partition of `__consumer_offsets` that holds a group.
    pub fn partition_of(&self, group: &str) -> i32 {
        partition_of(group, self.log.partitions())
    }

    /// Notes that a group has pending offsets of a producer.
    pub(super) fn note_open(&self, group: &Name, producer_id: i64) {
        let key = (self.partition_of(group), producer_id);
        self.open.lock().entry(key).or_default().insert(group.clone());
    }

    /// Groups with pending offsets of a producer; forgets them.
    pub(super) fn take_open(&self, partition: i32, producer_id: i64) -> HashSet<Name> {
        self.open.lock().remove(&(partition, producer_id)).unwrap_or_default()
    }

    /// Deletes a group without members, with its offsets. The lock on `cell` is the caller's.
    pub(super) fn delete(&self, cell: &mut Cell) -> Result<(), ResponseError> {
        let id = cell.group.id.clone();
        let tombstone = |key| StateRecord { key, value: None };
        let mut records: Vec<_> = cell
            .offsets
            .partitions()
            .map(|partition| tombstone(RecordKey::encode_offset(&id, partition)))
            .collect();
        if cell.stored {
            records.push(tombstone(RecordKey::encode_group(&id)));
        }
        if !records.is_empty() {
            self.append(&id, &records)?;
        }
        cell.group.state = GroupState::Dead;
        cell.offsets = Offsets::default();
        self.groups.lock().remove(&id);
        Ok(())
    }

    /// Drops offsets whose retention has run out, and groups with nothing left.
    pub(super) fn expire_offsets(&self) {
        for cell in self.all() {
            let mut cell = cell.lock();
            let now_ms = self.clock.now_ms();
            let expired = cell.offsets.expired(&cell.group, now_ms, self.settings.offsets_retention_ms);
            if self.remove_offsets(&mut cell, &expired).is_err() {
                continue;
            }
            let unused = cell.group.pending.is_empty() && cell.offsets.is_empty();
            if cell.group.state == GroupState::Empty && unused {
                tracing::info!(group = %cell.group.id, "the group is empty and has no offsets: removed");
                let _ = self.delete(&mut cell);
            }
        }
    }

    /// Writes tombstones for offsets and forgets them.
    pub(super) fn remove_offsets(
        &self,
        cell: &mut Cell,
        partitions: &[PartitionName],
    ) -> Result<(), ResponseError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let id = cell.group.id.clone();
        let tombstone =
            |partition| StateRecord { key: RecordKey::encode_offset(&id, partition), value: None };
        let records: Vec<_> = partitions.iter().map(tombstone).collect();
        self.append(&id, &records)?;
        partitions.iter().for_each(|partition| cell.offsets.purge(partition));
        Ok(())
    }

    /// Drops the offsets of a deleted topic in all groups, as nothing else ever would while their members live.
    pub fn topic_deleted(&self, topic: &str) {
        for cell in self.all() {
            let mut cell = cell.lock();
            let of_topic: Vec<_> =
                cell.offsets.partitions().filter(|p| &*p.topic == topic).cloned().collect();
            let _ = self.remove_offsets(&mut cell, &of_topic);
        }
    }
}

/// Applies one entry of the log.
fn replay_one(
    replayed: Replayed,
    order: u64,
    offsets: &mut HashMap<Name, Offsets>,
    values: &mut HashMap<Name, GroupValue>,
) -> Result<(), super::fields::FieldError> {
    let (key, value, producer) = match replayed {
        Replayed::Record { key, value, producer } => (key, value, producer),
        Replayed::Marker { producer, committed } => {
            offsets.values_mut().for_each(|of| of.end_transaction(producer.id, committed));
            return Ok(());
        }
    };
    match (RecordKey::decode(&key)?, value) {
        (RecordKey::Offset { group, partition }, Some(value)) => {
            let commit = Committed { value: OffsetValue::decode(&value)?, order };
            let of = offsets.entry(group).or_default();
            match producer {
                Some(producer) => of.commit_pending(producer.id, partition, commit),
                None => of.commit(partition, commit),
            }
        }
        (RecordKey::Offset { group, partition }, None) => {
            offsets.entry(group).or_default().purge(&partition);
        }
        (RecordKey::Group { group }, Some(value)) => {
            values.insert(group, GroupValue::decode(&value)?);
        }
        (RecordKey::Group { group }, None) => {
            values.remove(&group);
        }
        (RecordKey::Other(_), _) => {}
    }
    Ok(())
}
