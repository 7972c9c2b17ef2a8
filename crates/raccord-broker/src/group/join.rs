//! Joining: from the first JoinGroup to the answers that open a generation.
//!
//! A client without an id gets one and must come back with it (two steps), so a client that dies right away leaves no
//! ghost. A static member keeps its place by `group.instance.id`: a newcomer with the same one takes the place over and
//! fences its predecessor, and if the chosen protocol stays the same, nobody else notices.

use super::fields::Reader;
use super::machine::{Answer, Context, Join, JoinAnswer, Persisting, Purpose, SyncAnswer};
use super::state::{Group, GroupState, JoinTimer, Member, Name};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use std::collections::BTreeSet;

impl Group {
    pub(super) fn join(&mut self, join: Join, cx: &mut Context<'_>) {
        if let Err((member_id, error)) = self.try_join(&join, cx) {
            cx.answer(join.token, Answer::Join(JoinAnswer::refuse(member_id, error)));
        }
    }

    fn try_join(&mut self, join: &Join, cx: &mut Context<'_>) -> Result<(), (Name, ResponseError)> {
        let refuse = |error| (join.member_id.clone(), error);
        let metadata: usize = join.protocols.iter().map(|(_, metadata)| metadata.len()).sum();
        let others = self.members.values().filter(|member| member.id != join.member_id);
        let total: usize = metadata + others.map(Member::metadata_bytes).sum::<usize>();
        let limits = cx.limits;
        if metadata > limits.member_metadata_bytes_max || total > limits.group_metadata_bytes_max {
            tracing::warn!(
                group = %self.id, metadata, total, max = limits.group_metadata_bytes_max,
                "JoinGroup refused: the members' metadata is too large"
            );
            return Err(refuse(ResponseError::MessageTooLarge));
        }
        if !self.has_room_for(&join.member_id, cx.limits.members_max) {
            self.drop_member(&join.member_id, ResponseError::GroupMaxSizeReached, cx);
            self.complete_join_if_all_joined(cx);
            return Err(("".into(), ResponseError::GroupMaxSizeReached));
        }
        if self.state == GroupState::Dead {
            return Err(refuse(ResponseError::CoordinatorNotAvailable));
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            return Err(refuse(ResponseError::InconsistentGroupProtocol));
        }
        match (join.member_id.is_empty(), &join.instance_id) {
            (true, None) => self.join_newcomer(join, cx),
            (true, Some(instance)) => {
                match self.static_members.get(instance).cloned() {
                    None => self.admit(join, join.fresh_id.clone(), cx),
                    Some(predecessor) => self.replace_static(join, &predecessor, cx),
                }
                Ok(())
            }
            (false, instance) => {
                if self.pending.contains_key(&join.member_id) {
                    if instance.is_some() {
                        // An id is only promised to dynamic members.
                        return Err(refuse(ResponseError::UnknownServerError));
                    }
                    self.admit(join, join.member_id.clone(), cx);
                    return Ok(());
                }
                self.check_member(&join.member_id, instance.as_deref()).map_err(refuse)?;
                self.rejoin(join, cx);
                Ok(())
            }
        }
    }

    /// `group.max.size`. While members gather, those already parked count, so of too many the first ones get in.
    fn has_room_for(&self, member_id: &str, members_max: usize) -> bool {
        let present = self.members.get(member_id);
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                present.is_some_and(|member| member.awaiting_join.is_some()) || self.joining() < members_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                present.is_some() || self.members.len() < members_max
            }
        }
    }

    fn join_newcomer(&mut self, join: &Join, cx: &mut Context<'_>) -> Result<(), (Name, ResponseError)> {
        if !join.two_steps {
            self.admit(join, join.fresh_id.clone(), cx);
            return Ok(());
        }
        // Promised places are bounded like taken ones; each lapses with the session timeout.
        if self.pending.len() >= cx.limits.members_max {
            return Err(("".into(), ResponseError::GroupMaxSizeReached));
        }
        self.pending.insert(join.fresh_id.clone(), cx.now_ms + i64::from(join.session_timeout_ms));
        Err((join.fresh_id.clone(), ResponseError::MemberIdRequired))
    }

    /// Adds a member and rebalances.
    fn admit(&mut self, join: &Join, id: Name, cx: &mut Context<'_>) {
        if self.state == GroupState::PreparingRebalance && self.previous == GroupState::Empty {
            self.member_added = true;
        }
        let member = Member {
            id,
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            awaiting_join: Some(join.token),
            awaiting_sync: None,
            is_new: true,
            session_ends_ms: Some(cx.now_ms + cx.limits.new_member_join_timeout_ms),
        };
        self.insert(member, &join.protocol_type);
        self.rebalance(cx);
    }

    /// A present member joins again.
    fn rejoin(&mut self, join: &Join, cx: &mut Context<'_>) {
        let Some(member) = self.members.get(&join.member_id) else { return };
        let unchanged = member.protocols == join.protocols;
        let settled = match self.state {
            // The answer was lost: give it again.
            GroupState::CompletingRebalance => unchanged,
            // A leader that rejoins wants to assign anew.
            GroupState::Stable => unchanged && !self.leads(&join.member_id),
            _ => false,
        };
        if settled {
            let answer = self.join_answer(&join.member_id);
            cx.answer(join.token, Answer::Join(answer));
            return;
        }
        self.update(join, &join.member_id.clone(), cx);
        self.rebalance(cx);
    }

    /// Takes over what a JoinGroup says of a present member and parks the request. One that is parked already is
    /// answered first: the client has given it up.
    fn update(&mut self, join: &Join, id: &str, cx: &mut Context<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = join.protocols.clone();
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.session_timeout_ms = join.session_timeout_ms;
        if let Some(earlier) = member.awaiting_join.replace(join.token) {
            let refusal = JoinAnswer::refuse(member.id.clone(), ResponseError::RebalanceInProgress);
            cx.answer(earlier, Answer::Join(refusal));
        }
    }

    /// A static member comes back without an id.
    fn replace_static(&mut self, join: &Join, predecessor: &Name, cx: &mut Context<'_>) {
        let leader_before = self.leader.clone();
        let id = join.fresh_id.clone();
        self.rename_static(predecessor, &id, cx);
        self.renew_session(&id, cx.now_ms);
        self.update(join, &id, cx);
        if self.state == GroupState::Stable && self.elect_protocol() == self.protocol {
            self.resume_static(join, &id, leader_before, cx);
        } else {
            self.rebalance(cx);
        }
    }

    /// Gives a member a new id, in place. Whoever still uses the old one is fenced.
    fn rename_static(&mut self, old: &Name, new: &Name, cx: &mut Context<'_>) {
        let Some((index, _, mut member)) = self.members.shift_remove_full(old) else { return };
        if let Some(token) = member.awaiting_join.take() {
            let refusal = JoinAnswer::refuse(old.clone(), ResponseError::FencedInstanceId);
            cx.answer(token, Answer::Join(refusal));
        }
        if let Some(token) = member.awaiting_sync.take() {
            cx.answer(token, Answer::Sync(SyncAnswer::refuse(ResponseError::FencedInstanceId)));
        }
        member.id = new.clone();
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), new.clone());
        }
        if self.leads(old) {
            self.leader = Some(new.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(new.clone());
        }
        self.members.shift_insert(index, new.clone(), member);
    }

    /// A static member came back into a stable group: it goes on with its assignment and nobody rebalances. The new id
    /// is written first, since a crash would otherwise bring the old one back.
    fn resume_static(&mut self, join: &Join, id: &Name, leader_before: Option<Name>, cx: &mut Context<'_>) {
        let leads = self.leads(id);
        let mut answer = JoinAnswer { skip_assignment: false, members: Vec::new(), ..self.join_answer(id) };
        if join.may_skip_assignment {
            answer.skip_assignment = leads;
            answer.members = if leads { self.roster() } else { Vec::new() };
        } else {
            // An old client that sees itself leading would assign anew; it is told the former leader's id instead.
            answer.leader = leader_before.unwrap_or_else(|| "".into());
        }
        if let Some(member) = self.members.get_mut(id) {
            member.awaiting_join = None;
        }
        self.abandon_persisting(cx);
        let ticket = self.persist(None, cx);
        self.persisting =
            Some(Persisting { ticket, purpose: Purpose::Replacement { token: join.token, answer } });
    }

    /// Starts a rebalance, or lets the running one go on.
    fn rebalance(&mut self, cx: &mut Context<'_>) {
        match self.state {
            GroupState::PreparingRebalance => self.complete_join_if_all_joined(cx),
            GroupState::Dead => {}
            _ => self.prepare_rebalance(cx),
        }
    }

    /// Enters the join phase. Whoever waits for an assignment is told to join again.
    pub(super) fn prepare_rebalance(&mut self, cx: &mut Context<'_>) {
        if self.state == GroupState::CompletingRebalance {
            self.settle_syncs(Some(ResponseError::RebalanceInProgress), cx);
        }
        self.abandon_persisting(cx);
        self.sync_ends_ms = None;
        self.unsynced.clear();
        let timeout_ms = self.rebalance_timeout_ms();
        if self.state == GroupState::Empty {
            let delay_ms = cx.limits.initial_rebalance_delay_ms;
            let remaining_ms = (timeout_ms - delay_ms).max(0);
            self.join_timer =
                Some(JoinTimer::Initial { at_ms: cx.now_ms + delay_ms, delay_ms, remaining_ms });
            self.enter(GroupState::PreparingRebalance, cx.now_ms);
            return;
        }
        self.enter(GroupState::PreparingRebalance, cx.now_ms);
        self.join_timer = Some(JoinTimer::Rebalance { at_ms: cx.now_ms + timeout_ms });
        self.complete_join_if_all_joined(cx);
    }

    /// Ends the join phase early when nobody is missing. The initial delay is always waited for.
    pub(super) fn complete_join_if_all_joined(&mut self, cx: &mut Context<'_>) {
        let initial = matches!(self.join_timer, Some(JoinTimer::Initial { .. }));
        if self.state == GroupState::PreparingRebalance && !initial && self.all_joined() {
            self.complete_join(cx);
        }
    }

    /// Ends the join phase: who has not rejoined is out (static members stay), the rest form the next generation.
    pub(super) fn complete_join(&mut self, cx: &mut Context<'_>) {
        self.join_timer = None;
        self.member_added = false;
        let missing = |member: &&Member| member.awaiting_join.is_none() && member.instance_id.is_none();
        let missing: Vec<Name> =
            self.members.values().filter(missing).map(|member| member.id.clone()).collect();
        for id in missing {
            tracing::info!(group = %self.id, member = %id, "did not rejoin in time: removed from the group");
            self.drop_member(&id, ResponseError::UnknownMemberId, cx);
        }
        if !self.members.is_empty() && !self.elect_leader() {
            // Only static members, none of them back yet: wait on for them, until their sessions end.
            self.join_timer =
                Some(JoinTimer::Rebalance { at_ms: cx.now_ms + self.rebalance_timeout_ms().max(1) });
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.subscribed =
                self.protocol_type.as_ref().filter(|t| &***t == "consumer").map(|_| BTreeSet::new());
            self.enter(GroupState::Empty, cx.now_ms);
            self.persist(None, cx);
            return;
        }
        self.protocol = self.elect_protocol();
        self.subscribed = self.subscriptions();
        let (generation, members) = (self.generation, self.members.len());
        tracing::info!(group = %self.id, generation, members, "the group begins a generation");
        self.enter(GroupState::CompletingRebalance, cx.now_ms);
        self.open_generation(cx);
    }

    /// Makes sure that the leader is one that has joined.
    fn elect_leader(&mut self) -> bool {
        let joined = |id: &Name| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        match self.members.values().find(|member| member.awaiting_join.is_some()) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// Answers all joins and starts waiting for the syncs.
    fn open_generation(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<Name> = self.members.keys().cloned().collect();
        for id in &ids {
            let answer = self.join_answer(id);
            let Some(member) = self.members.get_mut(id) else { continue };
            member.is_new = false;
            if let Some(token) = member.awaiting_join.take() {
                cx.answer(token, Answer::Join(answer));
            }
            self.renew_session(id, cx.now_ms);
        }
        self.unsynced = ids.into_iter().collect();
        self.sync_ends_ms = Some(cx.now_ms + self.rebalance_timeout_ms());
    }

    /// The JoinGroup answer of this generation for a member.
    fn join_answer(&self, id: &Name) -> JoinAnswer {
        JoinAnswer {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            member_id: id.clone(),
            skip_assignment: false,
            // In a stable group only a follower gets here: a leader that rejoins starts a rebalance.
            members: if self.leads(id) { self.roster() } else { Vec::new() },
        }
    }

    /// Everybody with the metadata for the chosen protocol.
    fn roster(&self) -> Vec<(Name, Option<Name>, Bytes)> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let entry = |member: &Member| {
            (
                member.id.clone(),
                member.instance_id.clone(),
                member.metadata(protocol).cloned().unwrap_or_default(),
            )
        };
        self.members.values().map(entry).collect()
    }

    /// Topics that the consumers subscribe to; unknown when a subscription does not parse (some clients write their own).
    pub(super) fn subscriptions(&self) -> Option<BTreeSet<Name>> {
        if self.protocol_type.as_deref() != Some("consumer") {
            return None;
        }
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(member.metadata(protocol)?)?);
        }
        Some(topics)
    }
}

/// Topics of a consumer's subscription: a version, then the topics, whatever follows. All versions begin so (format
/// source: `ConsumerProtocolSubscription.json` of Kafka 4.3).
fn subscription_topics(metadata: &[u8]) -> Option<Vec<Name>> {
    let mut read = Reader::new(metadata);
    read.i16("version").ok().filter(|version| *version >= 0)?;
    let count = read.array_len(false, "topics").ok()??;
    (0..count).map(|_| read.string(false, "topic").ok().map(Name::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_read_in_all_versions_and_rubbish_is_refused() {
        let check = |bytes: &[u8], expect: Option<&[&str]>| {
            let expect =
                expect.map(|topics| topics.iter().map(|topic| Name::from(*topic)).collect::<Vec<_>>());
            assert_eq!(subscription_topics(bytes), expect, "{bytes:?}");
        };
        check(&[0, 0, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff, 0xff, 0xff], Some(&["a", "bc"]));
        check(&[0, 9, 0, 0, 0, 1, 0, 1, b'a', 1, 2, 3], Some(&["a"]));
        check(&[0, 1, 0, 0, 0, 0], Some(&[]));
        check(&[], None);
        check(&[0xff, 0xff, 0, 0, 0, 0], None);
        check(&[0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 1, b'a'], None);
        check(&[0, 0, 0, 0, 0, 2, 0, 1, b'a'], None);
    }
}
