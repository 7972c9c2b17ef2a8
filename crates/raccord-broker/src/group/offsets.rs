//! The offsets of a group: committed ones, those pending in transactions, and when they expire.
//!
//! A pending offset is invisible until its transaction commits. Commits carry a rising number (their order in the log),
//! so an offset committed plainly while a transaction was open is not undone by the transaction's older one.

use super::records::OffsetValue;
use super::state::{Group, GroupState, Name, PartitionName};
use kafka_protocol::error::ResponseError;
use std::collections::BTreeMap;

/// A committed offset and its place in the order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// What was committed.
    pub value: OffsetValue,
    /// Place in the order of commits.
    pub order: u64,
}

/// All offsets of a group.
#[derive(Debug, Clone, Default)]
pub struct Offsets {
    committed: BTreeMap<PartitionName, Committed>,
    /// By producer id.
    pending: BTreeMap<i64, BTreeMap<PartitionName, Committed>>,
}

impl Offsets {
    /// Takes a commit.
    pub fn commit(&mut self, partition: PartitionName, commit: Committed) {
        self.committed.insert(partition, commit);
    }

    /// Takes a commit that is part of a transaction.
    pub fn commit_pending(&mut self, producer_id: i64, partition: PartitionName, commit: Committed) {
        self.pending.entry(producer_id).or_default().insert(partition, commit);
    }

    /// Ends a producer's transaction: its offsets become visible, or vanish.
    pub fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let Some(pending) = self.pending.remove(&producer_id) else { return };
        if !committed {
            return;
        }
        for (partition, commit) in pending {
            let newer = self.committed.get(&partition).is_some_and(|present| present.order > commit.order);
            if !newer {
                self.committed.insert(partition, commit);
            }
        }
    }

    /// Forgets a partition altogether, its pending offsets too.
    pub fn purge(&mut self, partition: &PartitionName) {
        self.committed.remove(partition);
        self.pending.values_mut().for_each(|of| {
            of.remove(partition);
        });
        self.pending.retain(|_, of| !of.is_empty());
    }

    /// A partition's committed offset.
    pub fn get(&self, partition: &PartitionName) -> Option<&Committed> {
        self.committed.get(partition)
    }

    /// Partitions with a committed offset.
    pub fn committed_partitions(&self) -> impl Iterator<Item = &PartitionName> {
        self.committed.keys()
    }

    /// Partitions with an offset, committed or pending.
    pub fn partitions(&self) -> impl Iterator<Item = &PartitionName> {
        let pending = self.pending.values().flat_map(BTreeMap::keys);
        self.committed.keys().chain(pending.filter(|partition| !self.committed.contains_key(*partition)))
    }

    /// Whether a transaction that is still open has an offset for the partition.
    pub fn is_unstable(&self, partition: &PartitionName) -> bool {
        self.pending.values().any(|of| of.contains_key(partition))
    }

    /// Producers with open transactions.
    pub fn producers(&self) -> impl Iterator<Item = i64> {
        self.pending.keys().copied()
    }

    /// Nothing committed, nothing pending.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// Partitions whose offset has expired. `offsets.retention.minutes` counts from the moment the group became empty,
    /// for a group without members from the commit, and in a stable consumer group for topics nobody subscribes to.
    pub fn expired(&self, group: &Group, now_ms: i64, retention_ms: i64) -> Vec<PartitionName> {
        let since = group.retention_start();
        let is_expired = |partition: &PartitionName, value: &OffsetValue| {
            if group.is_subscribed(&partition.topic) || self.is_unstable(partition) {
                return false;
            }
            let start_ms = match since {
                RetentionStart::Never => return false,
                RetentionStart::Commit => value.commit_ms,
                RetentionStart::At(at_ms) => at_ms,
            };
            if value.expire_ms >= 0 { now_ms >= value.expire_ms } else { now_ms - start_ms >= retention_ms }
        };
        let expired =
            self.committed.iter().filter(|(partition, commit)| is_expired(partition, &commit.value));
        expired.map(|(partition, _)| partition.clone()).collect()
    }
}

/// From when on the retention of a group's offsets counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionStart {
    /// Active members keep the offsets alive.
    Never,
    /// Each offset from its commit.
    Commit,
    /// All from one moment, milliseconds since 1970.
    At(i64),
}

/// Who commits, as far as the request says.
#[derive(Debug, Clone)]
pub struct Committer<'a> {
    /// Member id; empty for a client outside the group.
    pub member_id: &'a str,
    /// `group.instance.id`.
    pub instance_id: Option<&'a str>,
    /// Generation, negative for a client outside the group.
    pub generation: i32,
    /// Part of a transaction.
    pub transactional: bool,
}

impl Group {
    /// Whether this client may commit now.
    pub fn check_commit(&self, who: &Committer<'_>) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if who.generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if who.generation >= 0 || !who.member_id.is_empty() || who.instance_id.is_some() {
            self.check_member(who.member_id, who.instance_id)?;
            if who.generation != self.generation {
                return Err(ResponseError::IllegalGeneration);
            }
        } else if !who.transactional && self.state != GroupState::Empty {
            // A stranger may not move the offsets of an active group.
            return Err(ResponseError::UnknownMemberId);
        }
        if !who.transactional && self.state == GroupState::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// A commit is a sign of life too.
    pub fn note_commit(&mut self, member_id: &str, now_ms: i64) {
        if matches!(self.state, GroupState::Stable | GroupState::PreparingRebalance) {
            self.renew_session(member_id, now_ms);
        }
    }

    fn retention_start(&self) -> RetentionStart {
        match (self.protocol_type.as_deref(), self.state) {
            (None, _) => RetentionStart::Commit,
            (Some(_), GroupState::Empty) if self.state_since_ms >= 0 => {
                RetentionStart::At(self.state_since_ms)
            }
            (Some(_), GroupState::Empty) => RetentionStart::Commit,
            (Some("consumer"), GroupState::Stable) if self.subscribed.is_some() => RetentionStart::Commit,
            _ => RetentionStart::Never,
        }
    }

    /// Whether active consumers subscribe to the topic. Assumed when their subscriptions cannot be read.
    pub fn is_subscribed(&self, topic: &Name) -> bool {
        if self.members.is_empty() {
            return false;
        }
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.protocol_type.as_deref() == Some("consumer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> PartitionName {
        PartitionName { topic: "t".into(), partition }
    }

    fn commit(kafka_offset: i64, order: u64) -> Committed {
        let value = OffsetValue {
            kafka_offset,
            leader_epoch: -1,
            metadata: String::new(),
            commit_ms: 100,
            expire_ms: -1,
        };
        Committed { value, order }
    }

    fn offset(offsets: &Offsets, partition: i32) -> Option<i64> {
        offsets.get(&at(partition)).map(|commit| commit.value.kafka_offset)
    }

    #[test]
    fn pending_offsets_show_only_after_commit() {
        let mut offsets = Offsets::default();
        offsets.commit(at(0), commit(1, 1));
        offsets.commit_pending(7, at(0), commit(2, 2));
        offsets.commit_pending(8, at(1), commit(5, 3));
        assert_eq!((offset(&offsets, 0), offset(&offsets, 1)), (Some(1), None));
        assert!(offsets.is_unstable(&at(0)) && offsets.is_unstable(&at(1)) && !offsets.is_unstable(&at(2)));
        assert_eq!(offsets.partitions().count(), 2);
        offsets.end_transaction(7, true);
        offsets.end_transaction(8, false);
        offsets.end_transaction(9, true);
        assert_eq!((offset(&offsets, 0), offset(&offsets, 1)), (Some(2), None));
        assert!(!offsets.is_unstable(&at(0)) && !offsets.is_unstable(&at(1)));
    }

    #[test]
    fn a_transaction_does_not_undo_a_later_plain_commit() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(7, at(0), commit(2, 1));
        offsets.commit(at(0), commit(9, 2));
        offsets.end_transaction(7, true);
        assert_eq!(offset(&offsets, 0), Some(9));
    }

    #[test]
    fn expiry_counts_from_where_kafka_counts() {
        let check = |prepare: &dyn Fn(&mut Group, &mut Offsets), now_ms: i64, expect: usize| {
            let mut group = Group::new("g".into(), 0);
            let mut offsets = Offsets::default();
            offsets.commit(at(0), commit(1, 1));
            prepare(&mut group, &mut offsets);
            assert_eq!(offsets.expired(&group, now_ms, 1_000).len(), expect, "at {now_ms}: {group:?}");
        };
        check(&|_, _| {}, 1_099, 0);
        check(&|_, _| {}, 1_100, 1);
        let emptied_at_500 = |group: &mut Group, _: &mut Offsets| {
            group.protocol_type = Some("consumer".into());
            group.state_since_ms = 500;
        };
        check(&emptied_at_500, 1_499, 0);
        check(&emptied_at_500, 1_500, 1);
        check(&|_, offsets| offsets.commit_pending(3, at(0), commit(2, 2)), 9_999, 0);
        let with_own_expiry = |_: &mut Group, offsets: &mut Offsets| {
            let mut own = commit(1, 1);
            own.value.expire_ms = 200;
            offsets.commit(at(0), own);
        };
        check(&with_own_expiry, 199, 0);
        check(&with_own_expiry, 200, 1);
    }
}
