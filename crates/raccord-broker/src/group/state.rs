//! What a group is made of: members, votes, generation, and the timers as plain data.
//!
//! Nothing here waits, writes or reads a clock. `join.rs`, `sync.rs` and `leave.rs` hold the transitions; this file holds
//! the bookkeeping they share, so that each count (members awaiting a join, votes for a protocol) is derived from the
//! members and cannot drift from them.

use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A name that many places hold: group ids, member ids, topics. Owned, so it never pins a request's buffer.
pub type Name = Arc<str>;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionName {
    /// Topic.
    pub topic: Name,
    /// Partition number.
    pub partition: i32,
}

/// Identifies a parked request; the shell keeps the other end.
pub type Token = u64;

/// The states of a classic group. Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// No members. May hold offsets.
    Empty,
    /// Waiting for all members to (re)join.
    PreparingRebalance,
    /// All joined; waiting for the leader's assignment.
    CompletingRebalance,
    /// Everyone has its assignment.
    Stable,
    /// Deleted; only seen by a request that raced with the deletion.
    Dead,
}

impl GroupState {
    /// The name shown by ListGroups and DescribeGroups.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

/// Limits and delays of all groups.
#[derive(Debug, Clone)]
pub struct GroupLimits {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i64,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max_ms: i32,
    /// `group.max.size`: members of one group.
    pub members_max: usize,
    /// How long a member that joins for the first time may be silent before it counts as gone: its connection cannot be
    /// watched while its JoinGroup is parked, so without this limit each retry would leave a ghost. Kafka's constant.
    pub new_member_join_timeout_ms: i64,
    /// Bytes of metadata of one member over all its protocols.
    pub member_metadata_bytes_max: usize,
    /// Bytes of metadata of all members of a group; no more than a record of the log can hold.
    pub group_metadata_bytes_max: usize,
}

impl Default for GroupLimits {
    fn default() -> Self {
        GroupLimits {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 1_800_000,
            members_max: 10_000,
            new_member_join_timeout_ms: 300_000,
            member_metadata_bytes_max: 8 << 20,
            group_metadata_bytes_max: 30 << 20,
        }
    }
}

/// One member.
#[derive(Debug, Clone)]
pub struct Member {
    /// Member id.
    pub id: Name,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Name>,
    /// Client id.
    pub client_id: Name,
    /// Client host, `/127.0.0.1`.
    pub client_host: Name,
    /// Time it may take to rejoin.
    pub rebalance_timeout_ms: i32,
    /// Time it may be silent.
    pub session_timeout_ms: i32,
    /// Protocols in the member's order of preference, each with its metadata.
    pub protocols: Vec<(Name, Bytes)>,
    /// What the leader gave it in this generation.
    pub assignment: Bytes,
    /// Its parked JoinGroup.
    pub awaiting_join: Option<Token>,
    /// Its parked SyncGroup.
    pub awaiting_sync: Option<Token>,
    /// It has never completed a join.
    pub is_new: bool,
    /// When its session ends; none while a parked request speaks for it.
    pub session_ends_ms: Option<i64>,
}

impl Member {
    /// Its metadata for a protocol.
    pub fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|(name, _)| &**name == protocol).map(|(_, metadata)| metadata)
    }

    /// The first of its protocols that everybody supports.
    fn vote(&self, candidates: &BTreeSet<&str>) -> Option<&Name> {
        self.protocols.iter().map(|(name, _)| name).find(|name| candidates.contains(&***name))
    }

    /// Bytes of its metadata over all its protocols.
    pub fn metadata_bytes(&self) -> usize {
        self.protocols.iter().map(|(_, metadata)| metadata.len()).sum()
    }

    /// A parked request proves that the member is alive. A new member is the exception, see
    /// [`GroupLimits::new_member_join_timeout_ms`].
    pub fn is_parked(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}

/// When the join phase ends, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinTimer {
    /// First rebalance of an empty group: wait for more members, prolonged while they keep coming.
    Initial {
        /// When to look again.
        at_ms: i64,
        /// Length of the present delay.
        delay_ms: i64,
        /// What is left for prolonging.
        remaining_ms: i64,
    },
    /// Members that have not rejoined by then are out.
    Rebalance {
        /// The deadline.
        at_ms: i64,
    },
}

impl JoinTimer {
    /// When it fires.
    pub fn at_ms(self) -> i64 {
        match self {
            JoinTimer::Initial { at_ms, .. } | JoinTimer::Rebalance { at_ms } => at_ms,
        }
    }
}

/// The state of one group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Group id.
    pub id: Name,
    /// Present state.
    pub state: GroupState,
    /// State before the present one; the initial delay applies when it was `Empty`.
    pub previous: GroupState,
    /// When the present state was entered, -1 for unknown.
    pub state_since_ms: i64,
    /// Generation; 0 before the first rebalance.
    pub generation: i32,
    /// Protocol type of the members. Stays when the group empties, none for a group that only ever held offsets.
    pub protocol_type: Option<Name>,
    /// Protocol chosen for this generation.
    pub protocol: Option<Name>,
    /// Member id of the leader.
    pub leader: Option<Name>,
    /// Members by id, in order of arrival.
    pub members: IndexMap<Name, Member>,
    /// Member ids by `group.instance.id`.
    pub static_members: BTreeMap<Name, Name>,
    /// Member ids that were given out but not used yet, with the time at which they lapse.
    pub pending: BTreeMap<Name, i64>,
    /// Members of this generation whose SyncGroup is still missing.
    pub unsynced: BTreeSet<Name>,
    /// A member came since the initial delay was last looked at.
    pub member_added: bool,
    /// End of the join phase.
    pub join_timer: Option<JoinTimer>,
    /// When members that have not sent SyncGroup are out.
    pub sync_ends_ms: Option<i64>,
    /// The assignment that is being written, with its ticket.
    pub persisting: Option<super::machine::Persisting>,
    /// Topics the members subscribe to (protocol type `consumer` only, when all subscriptions parse).
    pub subscribed: Option<BTreeSet<Name>>,
    /// Number of the last ticket given out.
    pub tickets: u64,
}

impl Group {
    /// A group without members.
    pub fn new(id: Name, now_ms: i64) -> Self {
        Group {
            id,
            state: GroupState::Empty,
            previous: GroupState::Empty,
            state_since_ms: now_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            member_added: false,
            join_timer: None,
            sync_ends_ms: None,
            persisting: None,
            subscribed: None,
            tickets: 0,
        }
    }

    /// Enters a state.
    pub fn enter(&mut self, state: GroupState, now_ms: i64) {
        self.previous = self.state;
        self.state = state;
        self.state_since_ms = now_ms;
    }

    /// Adds a member; the first one brings the protocol type and leads.
    pub fn insert(&mut self, member: Member, protocol_type: &Name) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        self.pending.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out; the longest-serving of the rest leads if it led.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.shift_remove(id)?;
        if let Some(instance) = &member.instance_id
            && self.static_members.get(instance).is_some_and(|of| **of == *id)
        {
            self.static_members.remove(instance);
        }
        if self.leads(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.unsynced.remove(id);
        Some(member)
    }

    /// Whether this member leads.
    pub fn leads(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// Members whose JoinGroup is parked.
    pub fn joining(&self) -> usize {
        self.members.values().filter(|member| member.awaiting_join.is_some()).count()
    }

    /// Everyone known has joined, and nobody was promised a place.
    pub fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.joining() == self.members.len()
    }

    /// The longest rebalance timeout of the members.
    pub fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    /// Protocols that all members support.
    fn candidates(&self) -> BTreeSet<&str> {
        let mut members = self.members.values();
        let Some(first) = members.next() else { return BTreeSet::new() };
        let mut candidates: BTreeSet<&str> = first.protocols.iter().map(|(name, _)| &**name).collect();
        for member in members {
            candidates.retain(|name| member.metadata(name).is_some());
        }
        candidates
    }

    /// Whether a member with these protocols fits in.
    pub fn supports(&self, protocol_type: &str, protocols: &[(Name, Bytes)]) -> bool {
        if self.members.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let candidates = self.candidates();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| candidates.contains(&**name))
    }

    /// The protocol with most votes; on a tie the one voted for first.
    pub fn elect_protocol(&self) -> Option<Name> {
        let candidates = self.candidates();
        let mut votes: IndexMap<&Name, usize> = IndexMap::new();
        for name in self.members.values().filter_map(|member| member.vote(&candidates)) {
            *votes.entry(name).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.iter().find(|(_, count)| **count == most).map(|(name, _)| (*name).clone())
    }

    /// When something is due next, with nothing else happening.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let sessions = self
            .members
            .values()
            .filter(|member| !member.is_parked())
            .filter_map(|member| member.session_ends_ms);
        let timers = self.join_timer.map(JoinTimer::at_ms).into_iter().chain(self.sync_ends_ms);
        sessions.chain(timers).chain(self.pending.values().copied()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, protocols: &[&str]) -> Member {
        Member {
            id: id.into(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 1,
            protocols: protocols.iter().map(|name| (Name::from(*name), Bytes::new())).collect(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            session_ends_ms: None,
        }
    }

    #[test]
    fn a_vote_elects_among_what_all_support() {
        let check = |members: &[&[&str]], expect: Option<&str>| {
            let mut group = Group::new("g".into(), 0);
            for (i, protocols) in members.iter().enumerate() {
                group.insert(member(&i.to_string(), protocols), &"consumer".into());
            }
            assert_eq!(group.elect_protocol().as_deref(), expect, "{members:?}");
        };
        check(&[], None);
        check(&[&["range", "roundrobin"]], Some("range"));
        check(
            &[&["range", "roundrobin"], &["roundrobin", "range"], &["roundrobin", "range"]],
            Some("roundrobin"),
        );
        check(&[&["range", "sticky"], &["sticky"]], Some("sticky"));
        check(&[&["a", "b"], &["b", "a"]], Some("a"));
        check(&[&["a"], &["b"]], None);
    }

    #[test]
    fn a_newcomer_must_share_a_protocol_with_everybody() {
        let mut group = Group::new("g".into(), 0);
        let of =
            |names: &[&str]| names.iter().map(|name| (Name::from(*name), Bytes::new())).collect::<Vec<_>>();
        assert!(group.supports("consumer", &of(&["range"])));
        assert!(!group.supports("", &of(&["range"])));
        assert!(!group.supports("consumer", &[]));
        group.insert(member("a", &["range", "sticky"]), &"consumer".into());
        group.insert(member("b", &["sticky"]), &"consumer".into());
        assert!(group.supports("consumer", &of(&["x", "sticky"])));
        assert!(!group.supports("consumer", &of(&["range"])));
        assert!(!group.supports("connect", &of(&["sticky"])));
    }

    #[test]
    fn the_eldest_takes_over_from_a_leader_that_left() {
        let mut group = Group::new("g".into(), 0);
        for id in ["a", "b", "c"] {
            group.insert(member(id, &["x"]), &"consumer".into());
        }
        assert!(group.leads("a"));
        group.remove("a");
        assert!(group.leads("b"));
        group.remove("b");
        group.remove("c");
        assert_eq!(group.leader, None);
    }
}
