//! The shell around the transactions: owns them, writes their transitions, sends markers.
//!
//! One lock per transactional id, held for a transition with its write and its markers. A single node writes markers
//! itself, so EndTxn is answered when everything is visible; only if a marker cannot be written does the rest happen
//! later, by the timer, and the producer is told to come back (CONCURRENT_TRANSACTIONS).

use super::records;
use super::state::{Status, Transaction};
use crate::group::state_log::{ProducerTag, Replayed, StateLog, StateLogError, StateRecord, partition_of};
use crate::group::timers::{Clock, Timers};
use crate::group::{GroupCoordinator, Name, PartitionName};
use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The topic whose markers go through the groups.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What the coordinator needs of the rest of the broker.
pub(crate) trait TransactionPorts: Send + Sync + 'static {
    /// Whether the topic has that partition.
    fn has_partition(&self, topic: &str, partition: i32) -> bool;

    /// Ends a producer's transaction on a data partition. A partition that is gone needs no marker: that is a success.
    fn append_marker(
        &self,
        topic: &str,
        partition: i32,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError>;

    /// A producer id never given out before.
    fn allocate_producer_id(&self) -> std::io::Result<i64>;
}

/// Settings of the coordinator. Kafka's broker settings in brackets.
#[derive(Debug, Clone)]
pub(crate) struct TransactionSettings {
    /// Longest timeout a producer may ask for (`transaction.max.timeout.ms`).
    pub timeout_max_ms: i32,
    /// How long an unused transactional id is remembered (`transactional.id.expiration.ms`).
    pub id_expiration_ms: i64,
    /// How often that is looked at (`transaction.remove.expired.transaction.cleanup.interval.ms`).
    pub expiration_check_interval_ms: u64,
    /// Transactional ids that may exist at once.
    pub ids_max: usize,
    /// Pause before markers that could not be written are tried again.
    pub retry_ms: i64,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        TransactionSettings {
            timeout_max_ms: 900_000,
            id_expiration_ms: 7 * 24 * 3_600_000,
            expiration_check_interval_ms: 3_600_000,
            ids_max: 100_000,
            retry_ms: 1_000,
        }
    }
}

/// A transactional id with what hangs on it.
pub(super) struct Cell {
    pub transaction: Transaction,
    timer_ms: Option<i64>,
    /// Taken out of the map; whoever still holds the cell must look it up again.
    dropped: bool,
}

/// All transactional ids of the broker.
pub(crate) struct TransactionCoordinator {
    pub(super) settings: TransactionSettings,
    log: Arc<dyn StateLog>,
    pub(super) ports: Arc<dyn TransactionPorts>,
    pub(super) groups: Arc<GroupCoordinator>,
    pub(super) clock: Arc<Clock>,
    cells: Mutex<HashMap<Name, Arc<Mutex<Cell>>>>,
    timers: Timers,
}

impl TransactionCoordinator {
    /// Reads what the log holds and completes what was decided before a crash. Blocks; called after the groups are
    /// loaded and before the broker listens.
    pub fn load(
        settings: TransactionSettings,
        log: Arc<dyn StateLog>,
        ports: Arc<dyn TransactionPorts>,
        groups: Arc<GroupCoordinator>,
        clock: Arc<Clock>,
    ) -> Result<Self, StateLogError> {
        let coordinator = TransactionCoordinator {
            settings,
            log,
            ports,
            groups,
            clock,
            cells: Mutex::default(),
            timers: Timers::default(),
        };
        let mut found: HashMap<Name, Transaction> = HashMap::new();
        let mut skipped = 0usize;
        for partition in 0..coordinator.log.partitions() {
            coordinator.log.replay(partition, &mut |replayed| {
                if replay_one(replayed, &mut found).is_err() {
                    skipped += 1;
                }
            })?;
        }
        if skipped > 0 {
            tracing::warn!(skipped, "records of __transaction_state that do not parse were left out");
        }
        for (id, transaction) in found {
            let cell = Arc::new(Mutex::new(Cell { transaction, timer_ms: None, dropped: false }));
            coordinator.cells.lock().insert(id, cell.clone());
            let mut cell = cell.lock();
            coordinator.complete_if_prepared(&mut cell);
            coordinator.reschedule(&mut cell);
        }
        Ok(coordinator)
    }

    /// Runs timeouts, retries and expiry until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let every = Duration::from_millis(self.settings.expiration_check_interval_ms.max(1));
        let mut expiry = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                due = self.timers.due(&self.clock) => due.iter().for_each(|(at_ms, id)| self.tick(*at_ms, id)),
                _ = expiry.tick() => self.expire_ids(),
            }
        }
    }

    fn tick(&self, at_ms: i64, id: &Name) {
        let Some(cell) = self.find(id) else { return };
        let mut cell = cell.lock();
        if cell.timer_ms == Some(at_ms) {
            cell.timer_ms = None;
        }
        if let Some(next) = cell.transaction.timed_out(self.clock.now_ms()) {
            tracing::info!(transactional_id = %id, "the transaction timed out: aborted");
            // A failure is logged; the transaction is still over its time at the next tick.
            let _ = self.advance(&mut cell, next);
        }
        self.complete_if_prepared(&mut cell);
        self.reschedule(&mut cell);
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Mutex<Cell>>> {
        self.cells.lock().get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Mutex<Cell>>> {
        self.cells.lock().values().cloned().collect()
    }

    /// Runs `act` on a transactional id that is known.
    pub(super) fn with_known<T>(
        &self,
        id: &str,
        act: impl FnOnce(&mut Cell) -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        loop {
            let cell = self.find(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
            let mut cell = cell.lock();
            if !cell.dropped {
                let outcome = act(&mut cell);
                self.reschedule(&mut cell);
                return outcome;
            }
        }
    }

    /// Makes sure that a transactional id is known.
    pub(super) fn create(&self, id: &str) -> Result<(), ResponseError> {
        if self.find(id).is_some() {
            return Ok(());
        }
        let producer_id = self.fresh_producer_id()?;
        let mut cells = self.cells.lock();
        if cells.len() >= self.settings.ids_max && !cells.contains_key(id) {
            let max = self.settings.ids_max;
            tracing::warn!(
                transactional_id = id,
                max,
                "refused: too many transactional ids, let unused ones expire"
            );
            return Err(ResponseError::PolicyViolation);
        }
        let name = Name::from(id);
        let fresh = || {
            let transaction = Transaction::new(name.clone(), producer_id, self.clock.now_ms());
            Arc::new(Mutex::new(Cell { transaction, timer_ms: None, dropped: false }))
        };
        cells.entry(name.clone()).or_insert_with(fresh);
        Ok(())
    }

    pub(super) fn fresh_producer_id(&self) -> Result<i64, ResponseError> {
        self.ports.allocate_producer_id().map_err(|error| {
            tracing::error!(%error, "cannot allocate a producer id");
            ResponseError::CoordinatorNotAvailable
        })
    }

    /// Writes a transition; then it is the present state.
    pub(super) fn advance(&self, cell: &mut Cell, next: Transaction) -> Result<(), ResponseError> {
        let record =
            StateRecord { key: records::encode_key(&next.id), value: Some(records::encode_value(&next)) };
        self.append(&next.id, record)?;
        cell.transaction = next;
        Ok(())
    }

    fn append(&self, id: &str, record: StateRecord) -> Result<(), ResponseError> {
        let partition = partition_of(id, self.log.partitions());
        self.log.append(partition, &[record], self.clock.now_ms(), None).map_err(|error| {
            tracing::error!(transactional_id = id, %error, "cannot write to __transaction_state");
            ResponseError::CoordinatorNotAvailable
        })
    }

    /// Sends the markers of a decided transaction and closes it. False: something could not be written; the timer
    /// tries again.
    pub(super) fn complete_if_prepared(&self, cell: &mut Cell) -> bool {
        let transaction = &cell.transaction;
        if !transaction.status.is_prepared() {
            return true;
        }
        let committed = transaction.status == Status::PrepareCommit;
        let producer = transaction.producer();
        for partition in &transaction.partitions {
            if let Err(error) = self.send_marker(partition, producer, committed) {
                let (topic, partition) = (&partition.topic, partition.partition);
                tracing::error!(transactional_id = %transaction.id, %topic, partition, %error, "marker not written");
                return false;
            }
        }
        let next = transaction.complete(self.clock.now_ms());
        self.advance(cell, next).is_ok()
    }

    fn send_marker(
        &self,
        at: &PartitionName,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        if &*at.topic == OFFSETS_TOPIC {
            return self.groups.end_transaction(at.partition, producer, committed);
        }
        self.ports.append_marker(&at.topic, at.partition, producer, committed)
    }

    fn reschedule(&self, cell: &mut Cell) {
        let retry =
            cell.transaction.status.is_prepared().then(|| self.clock.now_ms() + self.settings.retry_ms);
        // A transaction whose abort cannot be written stays over its time: it is not tried more often than a marker.
        let deadline = cell.transaction.deadline_ms().map(|at_ms| match at_ms <= self.clock.now_ms() {
            true => self.clock.now_ms() + self.settings.retry_ms,
            false => at_ms,
        });
        self.timers.schedule(&cell.transaction.id, &mut cell.timer_ms, retry.or(deadline));
    }

    fn expire_ids(&self) {
        for cell in self.all() {
            let mut cell = cell.lock();
            if cell.dropped || !cell.transaction.expired(self.clock.now_ms(), self.settings.id_expiration_ms)
            {
                continue;
            }
            let id = cell.transaction.id.clone();
            let tombstone = StateRecord { key: records::encode_key(&id), value: None };
            if self.append(&id, tombstone).is_ok() {
                tracing::info!(transactional_id = %id, "not used for long: forgotten");
                cell.dropped = true;
                self.cells.lock().remove(&id);
            }
        }
    }

    /// Runs `write` while the transaction is certainly open and holds all the partitions, so that no record lands
    /// behind the marker that ends it. `write` must not wait.
    ///
    /// # Errors
    /// Kafka's code for a producer that is unknown, or not inside a transaction with these partitions. Of a fenced one
    /// it is INVALID_PRODUCER_EPOCH: writes have never been answered with PRODUCER_FENCED.
    pub fn while_open<T>(
        &self,
        id: &str,
        producer: ProducerTag,
        partitions: &[PartitionName],
        write: impl FnOnce() -> T,
    ) -> Result<T, ResponseError> {
        let outcome = self.with_known(id, |cell| {
            for partition in partitions {
                cell.transaction.check_open(producer, partition)?;
            }
            Ok(write())
        });
        outcome.map_err(|error| match error {
            ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
            error => error,
        })
    }
}

fn replay_one(
    replayed: Replayed,
    found: &mut HashMap<Name, Transaction>,
) -> Result<(), crate::group::fields::FieldError> {
    let Replayed::Record { key, value, .. } = replayed else { return Ok(()) };
    let id = records::decode_key(&key)?;
    match value {
        Some(value) => {
            found.insert(id.clone(), records::decode_value(id, &value)?);
        }
        None => {
            found.remove(&id);
        }
    }
    Ok(())
}
