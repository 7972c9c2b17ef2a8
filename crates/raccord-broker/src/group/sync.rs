//! Syncing and leaving: from the leader's assignment to a stable group, and out of it again.

use super::machine::{Answer, Context, Leaver, Purpose, Sync, SyncAnswer};
use super::machine::{JoinAnswer, Persisting};
use super::state::{Group, GroupState, Name, Token};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;

impl Group {
    pub(super) fn sync(&mut self, sync: Sync, cx: &mut Context<'_>) {
        if let Err(error) = self.try_sync(&sync, cx) {
            cx.answer(sync.token, Answer::Sync(SyncAnswer::refuse(error)));
        }
    }

    fn try_sync(&mut self, sync: &Sync, cx: &mut Context<'_>) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.check_member(&sync.member_id, sync.instance_id.as_deref())?;
        if sync.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        let differs = |said: &Option<Name>, is: &Option<Name>| said.is_some() && said != is;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(ResponseError::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                self.park_sync(sync, cx);
                Ok(())
            }
            GroupState::Stable => {
                self.note_synced(&sync.member_id);
                let answer = self.sync_answer(&sync.member_id);
                cx.answer(sync.token, Answer::Sync(answer));
                self.renew_session(&sync.member_id, cx.now_ms);
                Ok(())
            }
        }
    }

    fn park_sync(&mut self, sync: &Sync, cx: &mut Context<'_>) {
        self.note_synced(&sync.member_id);
        if let Some(member) = self.members.get_mut(&sync.member_id)
            && let Some(earlier) = member.awaiting_sync.replace(sync.token)
        {
            cx.answer(earlier, Answer::Sync(SyncAnswer::refuse(ResponseError::RebalanceInProgress)));
        }
        if !self.leads(&sync.member_id) || self.persisting.is_some() {
            return;
        }
        // Whom the leader forgot gets an empty share; whom it invented is ignored.
        let share = |id: &Name| {
            let given = sync.assignments.iter().find(|(of, _)| of == id);
            (id.clone(), given.map(|(_, share)| share.clone()).unwrap_or_default())
        };
        let shares: Vec<(Name, Bytes)> = self.members.keys().map(share).collect();
        let ticket = self.persist(Some(&shares), cx);
        let purpose = Purpose::Assignment { generation: self.generation, shares };
        self.persisting = Some(Persisting { ticket, purpose });
    }

    fn note_synced(&mut self, id: &str) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_ends_ms = None;
        }
    }

    /// A record was written, or could not be.
    pub(super) fn persisted(&mut self, ticket: u64, failed: Option<ResponseError>, cx: &mut Context<'_>) {
        let Some(persisting) = self.persisting.take_if(|persisting| persisting.ticket == ticket) else {
            return;
        };
        match (persisting.purpose, failed) {
            (Purpose::Assignment { generation, shares }, None) => {
                if self.state != GroupState::CompletingRebalance || generation != self.generation {
                    return;
                }
                for (id, share) in shares {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.assignment = share;
                    }
                }
                self.settle_syncs(None, cx);
                self.enter(GroupState::Stable, cx.now_ms);
            }
            (Purpose::Assignment { .. }, Some(error)) => {
                if self.state == GroupState::CompletingRebalance {
                    self.settle_syncs(Some(error), cx);
                    self.prepare_rebalance(cx);
                }
            }
            (Purpose::Replacement { token, answer }, None) => cx.answer(token, Answer::Join(answer)),
            (Purpose::Replacement { token, answer }, Some(error)) => {
                // The client tries again with the same instance id, and takes the place over once more.
                cx.answer(token, Answer::Join(JoinAnswer::refuse(answer.member_id, error)));
            }
        }
    }

    /// A write was overtaken by a rebalance: what waits for it is answered now.
    pub(super) fn abandon_persisting(&mut self, cx: &mut Context<'_>) {
        if let Some(Persisting { purpose: Purpose::Replacement { token, answer }, .. }) =
            self.persisting.take()
        {
            let refusal = JoinAnswer::refuse(answer.member_id, ResponseError::RebalanceInProgress);
            cx.answer(token, Answer::Join(refusal));
        }
    }

    /// Answers all parked syncs: with the assignments, or with an error that takes the assignments away.
    pub(super) fn settle_syncs(&mut self, error: Option<ResponseError>, cx: &mut Context<'_>) {
        let ids: Vec<Name> = self.members.keys().cloned().collect();
        for id in ids {
            let success = self.sync_answer(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            if error.is_some() {
                member.assignment = Bytes::new();
            }
            let Some(token) = member.awaiting_sync.take() else { continue };
            cx.answer(token, Answer::Sync(error.map_or(success, SyncAnswer::refuse)));
            self.renew_session(&id, cx.now_ms);
        }
    }

    fn sync_answer(&self, id: &str) -> SyncAnswer {
        SyncAnswer {
            error: None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    /// Members that joined this generation but never sent SyncGroup are out.
    pub(super) fn sync_time_is_up(&mut self, cx: &mut Context<'_>) {
        self.sync_ends_ms = None;
        let late = std::mem::take(&mut self.unsynced);
        if late.is_empty() || !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        for id in late {
            tracing::info!(group = %self.id, member = %id, "did not sync in time: removed from the group");
            self.drop_member(&id, ResponseError::UnknownMemberId, cx);
        }
        self.prepare_rebalance(cx);
    }

    pub(super) fn leave(&mut self, token: Token, leavers: &[Leaver], cx: &mut Context<'_>) {
        if self.state == GroupState::Dead {
            let refusals = leavers.iter().map(|_| Some(ResponseError::CoordinatorNotAvailable)).collect();
            cx.answer(token, Answer::Leave(refusals));
            return;
        }
        let (members, pending) = (self.members.len(), self.pending.len());
        let outcomes = leavers.iter().map(|leaver| self.leave_one(leaver, cx).err()).collect();
        cx.answer(token, Answer::Leave(outcomes));
        if self.members.len() < members {
            self.membership_shrank(cx);
        } else if self.pending.len() < pending {
            // Who only gave a promised place back does not disturb the others.
            self.complete_join_if_all_joined(cx);
        }
    }

    fn leave_one(&mut self, leaver: &Leaver, cx: &mut Context<'_>) -> Result<(), ResponseError> {
        if leaver.member_id.is_empty() {
            let instance = leaver.instance_id.as_ref().ok_or(ResponseError::UnknownMemberId)?;
            let id = self.static_members.get(instance).cloned().ok_or(ResponseError::UnknownMemberId)?;
            self.drop_member(&id, ResponseError::UnknownMemberId, cx);
            return Ok(());
        }
        if self.pending.contains_key(&leaver.member_id) {
            if leaver.instance_id.is_some() {
                return Err(ResponseError::UnknownMemberId);
            }
            self.pending.remove(&leaver.member_id);
            return Ok(());
        }
        self.check_member(&leaver.member_id, leaver.instance_id.as_deref())?;
        self.drop_member(&leaver.member_id, ResponseError::UnknownMemberId, cx);
        Ok(())
    }
}
