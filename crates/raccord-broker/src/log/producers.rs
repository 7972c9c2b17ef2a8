//! What a partition remembers about producers: sequence numbers for idempotence, open and aborted transactions.
//!
//! A producer's last five batches are kept, as clients have at most five in flight: a repeated one is answered with
//! its first answer instead of being appended twice. Rules and error codes are those of Kafka's producer state.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::LogError;
use super::batch::{Header, add_sequence};

/// Batches remembered per producer.
const WINDOW: usize = 5;
/// Producers remembered per partition; the longest idle ones are forgotten beyond it.
const PRODUCERS_MAX: usize = 50_000;

/// A batch that can be recognised when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp_ms: i64,
}

/// State of one producer id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) batches: VecDeque<Remembered>,
    pub(crate) coordinator_epoch: i32,
    /// First offset of the open transaction.
    pub(crate) open_from: Option<i64>,
    /// Time of the last batch or marker.
    pub(crate) last_timestamp_ms: i64,
}

/// A transaction that ended in an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the abort marker.
    pub(crate) last_offset: i64,
}

/// Verdict about a batch that carries a sequence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    Duplicate(Remembered),
}

/// All producers of a partition.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset of each open transaction, with its producer.
    #[serde(skip)]
    open: BTreeMap<i64, i64>,
}

impl Producers {
    /// Rebuilds what is not stored.
    pub(crate) fn restored(mut self) -> Producers {
        self.open = self.by_id.iter().filter_map(|(id, p)| p.open_from.map(|o| (o, *id))).collect();
        self
    }

    /// Judges a client's batch before it is appended.
    pub(crate) fn check(&self, header: &Header) -> Result<Verdict, LogError> {
        let Some(known) = self.by_id.get(&header.producer_id) else {
            return Ok(Verdict::Append);
        };
        if header.producer_epoch < known.epoch {
            return Err(LogError::ProducerEpoch { offered: header.producer_epoch, current: known.epoch });
        }
        if header.base_sequence >= 0 {
            if let Some(seen) = known.duplicate(header) {
                return Ok(Verdict::Duplicate(seen));
            }
            known.check_sequence(header)?;
        }
        if known.open_from.is_some() && known.epoch == header.producer_epoch && !header.is_transactional() {
            return Err(LogError::TransactionState(
                "a transaction is open but the batch is not transactional",
            ));
        }
        Ok(Verdict::Append)
    }

    /// Judges an end-of-transaction marker.
    pub(crate) fn check_marker(&self, id: i64, epoch: i16, coordinator_epoch: i32) -> Result<(), LogError> {
        match self.by_id.get(&id) {
            Some(p) if epoch < p.epoch => Err(LogError::ProducerEpoch { offered: epoch, current: p.epoch }),
            Some(p) if coordinator_epoch < p.coordinator_epoch => {
                Err(LogError::CoordinatorFenced { offered: coordinator_epoch, current: p.coordinator_epoch })
            }
            _ => Ok(()),
        }
    }

    /// Notes an appended (or recovered) data batch, whose header has its final base offset.
    pub(crate) fn note(&mut self, header: &Header) {
        if header.producer_id < 0 {
            return;
        }
        let producer =
            self.by_id.entry(header.producer_id).or_insert_with(|| Producer::new(header.producer_epoch));
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.last_timestamp_ms = header.max_timestamp;
        if header.base_sequence >= 0 {
            if producer.batches.len() == WINDOW {
                producer.batches.pop_front();
            }
            producer.batches.push_back(Remembered {
                first_sequence: header.base_sequence,
                last_sequence: header.last_sequence(),
                first_offset: header.base_offset,
                last_offset: header.last_offset(),
                timestamp_ms: header.max_timestamp,
            });
        }
        if header.is_transactional() && producer.open_from.is_none() {
            producer.open_from = Some(header.base_offset);
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    /// Notes a marker at the header's offset; returns the transaction if it was aborted.
    pub(crate) fn note_marker(
        &mut self,
        header: &Header,
        coordinator_epoch: i32,
        committed: bool,
    ) -> Option<Aborted> {
        let id = header.producer_id;
        let producer = self.by_id.entry(id).or_insert_with(|| Producer::new(header.producer_epoch));
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.coordinator_epoch = coordinator_epoch;
        producer.last_timestamp_ms = header.max_timestamp;
        let first_offset = producer.open_from.take()?;
        self.open.remove(&first_offset);
        (!committed).then_some(Aborted { producer_id: id, first_offset, last_offset: header.base_offset })
    }

    /// First offset that belongs to an undecided transaction.
    pub(crate) fn first_unstable(&self) -> Option<i64> {
        self.open.first_key_value().map(|(offset, _)| *offset)
    }

    /// All producers, for DescribeProducers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&i64, &Producer)> {
        self.by_id.iter()
    }

    /// Forgets producers without an open transaction that were last heard before `horizon_ms`, or are too many.
    pub(crate) fn expire(&mut self, horizon_ms: i64) {
        self.by_id.retain(|_, p| p.open_from.is_some() || p.last_timestamp_ms >= horizon_ms);
        if self.by_id.len() > PRODUCERS_MAX {
            let mut times: Vec<i64> = self.by_id.values().map(|p| p.last_timestamp_ms).collect();
            times.sort_unstable();
            let horizon = times[times.len() - PRODUCERS_MAX];
            self.by_id.retain(|_, p| p.open_from.is_some() || p.last_timestamp_ms >= horizon);
        }
    }
}

impl Producer {
    fn new(epoch: i16) -> Producer {
        Producer {
            epoch,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            open_from: None,
            last_timestamp_ms: -1,
        }
    }

    fn duplicate(&self, header: &Header) -> Option<Remembered> {
        let same = |b: &&Remembered| {
            b.first_sequence == header.base_sequence && b.last_sequence == header.last_sequence()
        };
        if self.epoch == header.producer_epoch { self.batches.iter().find(same).copied() } else { None }
    }

    fn check_sequence(&self, header: &Header) -> Result<(), LogError> {
        let expected = match self.batches.back() {
            // A new epoch begins again at 0; so does a producer of which only a marker is known.
            _ if self.epoch != header.producer_epoch => 0,
            None => 0,
            Some(last) => add_sequence(last.last_sequence, 1),
        };
        if header.base_sequence == expected {
            return Ok(());
        }
        Err(LogError::Sequence { producer_id: header.producer_id, offered: header.base_sequence, expected })
    }
}

#[cfg(test)]
#[path = "producers_tests.rs"]
mod tests;
