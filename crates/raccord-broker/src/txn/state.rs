//! One transactional id and its transitions, as pure functions.
//!
//! Each transition takes the present state and gives the next one or Kafka's error; the coordinator writes the next one
//! before it becomes the present. Epochs fence: whoever asks for the producer id again gets a higher epoch, and every
//! request of the former holder is then refused.

use crate::group::state_log::ProducerTag;
use crate::group::{Name, PartitionName};
use kafka_protocol::error::ResponseError;
use std::collections::BTreeSet;

/// No epoch: the producer id has not been handed out yet, or the former epoch is not known.
pub(super) const NO_EPOCH: i16 = -1;
/// The last epoch that is handed out; one above is left for fencing. The next producer gets a new producer id.
const EPOCH_LAST: i16 = i16::MAX - 1;

/// Kafka's transaction states, with the numbers of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Empty = 0,
    Ongoing = 1,
    PrepareCommit = 2,
    PrepareAbort = 3,
    CompleteCommit = 4,
    CompleteAbort = 5,
    Dead = 6,
    PrepareEpochFence = 7,
}

impl Status {
    const ALL: [Status; 8] = [
        Status::Empty,
        Status::Ongoing,
        Status::PrepareCommit,
        Status::PrepareAbort,
        Status::CompleteCommit,
        Status::CompleteAbort,
        Status::Dead,
        Status::PrepareEpochFence,
    ];

    pub fn id(self) -> i8 {
        self as i8
    }

    pub fn from_id(id: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.id() == id)
    }

    /// The name in ListTransactions and DescribeTransactions.
    pub fn name(self) -> &'static str {
        match self {
            Status::Empty => "Empty",
            Status::Ongoing => "Ongoing",
            Status::PrepareCommit => "PrepareCommit",
            Status::PrepareAbort => "PrepareAbort",
            Status::CompleteCommit => "CompleteCommit",
            Status::CompleteAbort => "CompleteAbort",
            Status::Dead => "Dead",
            Status::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Decided, markers not all written.
    pub fn is_prepared(self) -> bool {
        matches!(self, Status::PrepareCommit | Status::PrepareAbort)
    }
}

/// What is known of a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transaction {
    /// `transactional.id`.
    pub id: Name,
    /// Its producer id.
    pub producer_id: i64,
    /// The epoch that may write, [`NO_EPOCH`] before the first InitProducerId.
    pub epoch: i16,
    /// The epoch before, to recognise an InitProducerId whose answer was lost.
    pub last_epoch: i16,
    /// `transaction.timeout.ms` of the producer.
    pub timeout_ms: i32,
    /// State.
    pub status: Status,
    /// Partitions that take part.
    pub partitions: BTreeSet<PartitionName>,
    /// Start of the running transaction, -1 without one.
    pub start_ms: i64,
    /// Last change.
    pub updated_ms: i64,
}

/// What InitProducerId leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Init {
    /// The producer id and epoch to hand out.
    Ready(Transaction),
    /// A transaction is open: this is its abort, under an epoch that fences its producer. Then ask again.
    AbortFirst(Transaction),
}

/// What EndTxn leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// That is how it ended already.
    Already,
    /// The decision to be written.
    Decided(Transaction),
}

impl Transaction {
    /// A transactional id seen for the first time.
    pub fn new(id: Name, producer_id: i64, now_ms: i64) -> Self {
        Transaction {
            id,
            producer_id,
            epoch: NO_EPOCH,
            last_epoch: NO_EPOCH,
            timeout_ms: 0,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            start_ms: -1,
            updated_ms: now_ms,
        }
    }

    /// Who may write.
    pub fn producer(&self) -> ProducerTag {
        ProducerTag { id: self.producer_id, epoch: self.epoch }
    }

    /// InitProducerId. `claimed` is what the client says it holds (it wants its epoch raised), `fresh_id` gives a new
    /// producer id in case the epochs are used up.
    pub fn init(
        &self,
        claimed: Option<ProducerTag>,
        timeout_ms: i32,
        now_ms: i64,
        fresh_id: impl FnOnce() -> Result<i64, ResponseError>,
    ) -> Result<Init, ResponseError> {
        if claimed.is_some_and(|claimed| !self.knows(claimed)) {
            return Err(ResponseError::ProducerFenced);
        }
        match self.status {
            Status::PrepareCommit | Status::PrepareAbort => Err(ResponseError::ConcurrentTransactions),
            Status::Ongoing => Ok(Init::AbortFirst(self.fence(now_ms)?)),
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => {
                let next = Transaction {
                    status: Status::Empty,
                    timeout_ms,
                    partitions: BTreeSet::new(),
                    start_ms: -1,
                    updated_ms: now_ms,
                    ..self.clone()
                };
                let used_up =
                    self.epoch >= EPOCH_LAST && claimed.is_none_or(|claimed| claimed.epoch == self.epoch);
                if used_up {
                    let last_epoch = if claimed.is_some() { self.epoch } else { NO_EPOCH };
                    return Ok(Init::Ready(Transaction {
                        producer_id: fresh_id()?,
                        epoch: 0,
                        last_epoch,
                        ..next
                    }));
                }
                let (epoch, last_epoch) = self.raise(claimed.map(|claimed| claimed.epoch))?;
                Ok(Init::Ready(Transaction { epoch, last_epoch, ..next }))
            }
            Status::Dead | Status::PrepareEpochFence => Err(ResponseError::UnknownServerError),
        }
    }

    fn knows(&self, claimed: ProducerTag) -> bool {
        // Without an epoch the id may have expired and come back: whatever the client remembers is accepted. After a
        // change of producer id the last epoch of the former one is accepted as well.
        self.epoch == NO_EPOCH || claimed.id == self.producer_id || claimed.epoch >= EPOCH_LAST
    }

    fn raise(&self, claimed: Option<i16>) -> Result<(i16, i16), ResponseError> {
        let raised = if self.epoch == NO_EPOCH { 0 } else { self.epoch + 1 };
        match claimed {
            None => Ok((raised, NO_EPOCH)),
            Some(claimed) if self.epoch == NO_EPOCH || claimed == self.epoch => Ok((raised, self.epoch)),
            // The answer to the same request was lost.
            Some(claimed) if claimed == self.last_epoch => Ok((self.epoch, self.last_epoch)),
            Some(_) => Err(ResponseError::ProducerFenced),
        }
    }

    /// The abort of an open transaction under a raised epoch, which nobody is told.
    fn fence(&self, now_ms: i64) -> Result<Transaction, ResponseError> {
        let epoch = self.epoch.checked_add(1).ok_or(ResponseError::UnknownServerError)?;
        Ok(Transaction {
            epoch,
            last_epoch: NO_EPOCH,
            status: Status::PrepareAbort,
            updated_ms: now_ms,
            ..self.clone()
        })
    }

    /// Checks that a request comes from the producer that holds the id.
    pub fn check_producer(&self, producer: ProducerTag) -> Result<(), ResponseError> {
        if producer.id != self.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if producer.epoch != self.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        Ok(())
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn. `None`: nothing new.
    pub fn add(
        &self,
        producer: ProducerTag,
        partitions: &BTreeSet<PartitionName>,
        now_ms: i64,
    ) -> Result<Option<Transaction>, ResponseError> {
        self.check_producer(producer)?;
        match self.status {
            Status::PrepareCommit | Status::PrepareAbort => Err(ResponseError::ConcurrentTransactions),
            Status::Ongoing if partitions.is_subset(&self.partitions) => Ok(None),
            Status::Ongoing => {
                let partitions = self.partitions.union(partitions).cloned().collect();
                Ok(Some(Transaction { partitions, updated_ms: now_ms, ..self.clone() }))
            }
            Status::Empty | Status::CompleteCommit | Status::CompleteAbort => Ok(Some(Transaction {
                status: Status::Ongoing,
                partitions: partitions.clone(),
                start_ms: now_ms,
                updated_ms: now_ms,
                ..self.clone()
            })),
            Status::Dead | Status::PrepareEpochFence => Err(ResponseError::UnknownServerError),
        }
    }

    /// EndTxn.
    pub fn end(&self, producer: ProducerTag, commit: bool, now_ms: i64) -> Result<End, ResponseError> {
        self.check_producer(producer)?;
        let (prepared, complete) = match commit {
            true => (Status::PrepareCommit, Status::CompleteCommit),
            false => (Status::PrepareAbort, Status::CompleteAbort),
        };
        match self.status {
            Status::Ongoing => {
                Ok(End::Decided(Transaction { status: prepared, updated_ms: now_ms, ..self.clone() }))
            }
            status if status == complete => Ok(End::Already),
            status if status == prepared => Err(ResponseError::ConcurrentTransactions),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// When the running transaction times out.
    pub fn deadline_ms(&self) -> Option<i64> {
        (self.status == Status::Ongoing).then(|| self.start_ms.saturating_add(i64::from(self.timeout_ms)))
    }

    /// The abort of a transaction that has timed out.
    pub fn timed_out(&self, now_ms: i64) -> Option<Transaction> {
        self.deadline_ms().filter(|at_ms| *at_ms <= now_ms)?;
        self.fence(now_ms).ok()
    }

    /// All markers are written.
    pub fn complete(&self, now_ms: i64) -> Transaction {
        let status = match self.status {
            Status::PrepareCommit => Status::CompleteCommit,
            _ => Status::CompleteAbort,
        };
        Transaction { status, partitions: BTreeSet::new(), updated_ms: now_ms, ..self.clone() }
    }

    /// Checks that a write belongs to the open transaction.
    pub fn check_open(&self, producer: ProducerTag, partition: &PartitionName) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        match self.status {
            Status::PrepareCommit | Status::PrepareAbort => Err(ResponseError::ConcurrentTransactions),
            Status::Ongoing if self.partitions.contains(partition) => Ok(()),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Whether the id may be forgotten after so long without use.
    pub fn expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        let idle = matches!(self.status, Status::Empty | Status::CompleteCommit | Status::CompleteAbort);
        idle && now_ms - self.updated_ms >= expiration_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(status: Status, epoch: i16) -> Transaction {
        let mut transaction = Transaction::new("t".into(), 7, 0);
        transaction.status = status;
        transaction.epoch = epoch;
        if status != Status::Empty {
            transaction.partitions.insert(PartitionName { topic: "x".into(), partition: 0 });
            transaction.start_ms = 10;
            transaction.timeout_ms = 100;
        }
        transaction
    }

    fn tag(id: i64, epoch: i16) -> ProducerTag {
        ProducerTag { id, epoch }
    }

    #[test]
    fn init_hands_out_rising_epochs_and_new_ids_when_they_are_used_up() {
        let check = |from: Transaction,
                     claimed: Option<ProducerTag>,
                     expect: Result<(i64, i16, i16), ResponseError>| {
            let got = from.init(claimed, 50, 1, || Ok(8)).map(|init| match init {
                Init::Ready(next) => (next.producer_id, next.epoch, next.last_epoch),
                Init::AbortFirst(next) => panic!("abort first: {next:?}"),
            });
            assert_eq!(got, expect, "{from:?} {claimed:?}");
        };
        let fenced = Err(ResponseError::ProducerFenced);
        check(with(Status::Empty, NO_EPOCH), None, Ok((7, 0, -1)));
        check(with(Status::Empty, NO_EPOCH), Some(tag(99, 5)), Ok((7, 0, -1)));
        check(with(Status::CompleteCommit, 3), None, Ok((7, 4, -1)));
        check(with(Status::CompleteAbort, 3), Some(tag(7, 3)), Ok((7, 4, 3)));
        check(with(Status::CompleteAbort, 3), Some(tag(7, 2)), fenced);
        check(with(Status::CompleteAbort, 3), Some(tag(6, 3)), fenced);
        check(Transaction { last_epoch: 2, ..with(Status::Empty, 3) }, Some(tag(7, 2)), Ok((7, 3, 2)));
        check(with(Status::Empty, 32_765), None, Ok((7, 32_766, -1)));
        check(with(Status::Empty, 32_766), None, Ok((8, 0, -1)));
        check(with(Status::Empty, 32_766), Some(tag(7, 32_766)), Ok((8, 0, 32_766)));
        check(with(Status::CompleteAbort, i16::MAX), None, Ok((8, 0, -1)));
        check(with(Status::PrepareAbort, 3), None, Err(ResponseError::ConcurrentTransactions));
    }

    #[test]
    fn init_aborts_what_is_open_under_a_higher_epoch() {
        let Ok(Init::AbortFirst(next)) = with(Status::Ongoing, 3).init(None, 50, 1, || Ok(8)) else {
            panic!()
        };
        assert_eq!((next.status, next.epoch, next.producer_id), (Status::PrepareAbort, 4, 7));
        assert_eq!(next.partitions.len(), 1);
        let Ok(Init::Ready(next)) = next.complete(2).init(None, 50, 3, || Ok(8)) else { panic!() };
        assert_eq!((next.status, next.epoch, next.timeout_ms), (Status::Empty, 5, 50));
        assert!(next.partitions.is_empty());
    }

    #[test]
    fn partitions_are_added_to_what_runs() {
        let at = |topic: &str| BTreeSet::from([PartitionName { topic: topic.into(), partition: 0 }]);
        let add = |status, epoch, topic| with(status, 3).add(tag(7, epoch), &at(topic), 20);
        assert_eq!(add(Status::Ongoing, 3, "x"), Ok(None));
        let next = add(Status::Ongoing, 3, "y").unwrap().unwrap();
        assert_eq!((next.partitions.len(), next.start_ms), (2, 10));
        for idle in [Status::Empty, Status::CompleteCommit, Status::CompleteAbort] {
            let next = add(idle, 3, "y").unwrap().unwrap();
            assert_eq!((next.status, next.partitions.len(), next.start_ms), (Status::Ongoing, 1, 20));
        }
        assert_eq!(add(Status::PrepareCommit, 3, "y"), Err(ResponseError::ConcurrentTransactions));
        assert_eq!(add(Status::Ongoing, 2, "y"), Err(ResponseError::ProducerFenced));
        assert_eq!(
            with(Status::Ongoing, 3).add(tag(6, 3), &at("y"), 0),
            Err(ResponseError::InvalidProducerIdMapping)
        );
    }

    #[test]
    fn ending_follows_the_table_of_kafka() {
        use ResponseError::{ConcurrentTransactions, InvalidTxnState};
        let check = |status, commit, expect: Result<Option<Status>, ResponseError>| {
            let got = with(status, 3).end(tag(7, 3), commit, 1).map(|end| match end {
                End::Already => None,
                End::Decided(next) => Some(next.status),
            });
            assert_eq!(got, expect, "{status:?} {commit}");
        };
        check(Status::Ongoing, true, Ok(Some(Status::PrepareCommit)));
        check(Status::Ongoing, false, Ok(Some(Status::PrepareAbort)));
        check(Status::CompleteCommit, true, Ok(None));
        check(Status::CompleteCommit, false, Err(InvalidTxnState));
        check(Status::CompleteAbort, false, Ok(None));
        check(Status::CompleteAbort, true, Err(InvalidTxnState));
        check(Status::PrepareCommit, true, Err(ConcurrentTransactions));
        check(Status::PrepareCommit, false, Err(InvalidTxnState));
        check(Status::PrepareAbort, false, Err(ConcurrentTransactions));
        check(Status::Empty, true, Err(InvalidTxnState));
        assert_eq!(with(Status::Ongoing, 3).end(tag(7, 2), true, 1), Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn a_transaction_times_out_under_a_higher_epoch() {
        assert_eq!(with(Status::Ongoing, 3).timed_out(109), None);
        let next = with(Status::Ongoing, 3).timed_out(110).unwrap();
        assert_eq!((next.status, next.epoch), (Status::PrepareAbort, 4));
        assert_eq!(with(Status::CompleteCommit, 3).timed_out(999), None);
        assert!(
            with(Status::CompleteCommit, 3).expired(1_000, 1_000)
                && !with(Status::Ongoing, 3).expired(1_000, 1)
        );
    }

    #[test]
    fn writes_must_belong_to_the_open_transaction() {
        let x = PartitionName { topic: "x".into(), partition: 0 };
        let y = PartitionName { topic: "y".into(), partition: 0 };
        let check = |status, epoch, partition| with(status, 3).check_open(tag(7, epoch), partition);
        assert_eq!(check(Status::Ongoing, 3, &x), Ok(()));
        assert_eq!(check(Status::Ongoing, 3, &y), Err(ResponseError::InvalidTxnState));
        assert_eq!(check(Status::Ongoing, 2, &x), Err(ResponseError::ProducerFenced));
        assert_eq!(check(Status::Empty, 3, &x), Err(ResponseError::InvalidTxnState));
        assert_eq!(check(Status::PrepareCommit, 3, &x), Err(ResponseError::ConcurrentTransactions));
    }

    #[test]
    fn names_and_numbers_go_both_ways() {
        for status in Status::ALL {
            assert_eq!(Status::from_id(status.id()), Some(status));
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!((Status::from_id(8), Status::from_name("ongoing")), (None, None));
    }
}
