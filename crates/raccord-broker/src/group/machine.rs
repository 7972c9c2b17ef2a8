//! The group state machine: `step(now, event) -> effects`.
//!
//! It is Kafka's classic protocol as a pure function of a [`Group`]. The shell (`coordinator.rs`) feeds it requests and
//! the passing of time and carries out what it asks for: answer a parked request, write the group's record. Timers are
//! data ([`Group::next_deadline_ms`]), so a test drives hours in microseconds and replays any schedule by seed.
//!
//! Invariants, held by the simulation in `simulation.rs`:
//! - A request is answered exactly once, at the latest when its timer runs out: each parked token stands in exactly one
//!   member, and every path that drops a member or a phase answers its tokens first.
//! - A SyncGroup is answered with an assignment only after the record of that generation was written, so a generation
//!   that a member knows is a generation that survives a crash.
//! - The generation rises by one per completed join phase and never otherwise.

use super::records::{GroupValue, MemberValue};
use super::state::{Group, GroupLimits, GroupState, JoinTimer, Name, Token};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;

/// A JoinGroup request.
#[derive(Debug, Clone)]
pub struct Join {
    /// Whom to answer.
    pub token: Token,
    /// Empty when the client has no id yet.
    pub member_id: Name,
    /// Id to give out if one is needed; unique. For a static member it is prefixed by the instance id.
    pub fresh_id: Name,
    /// `group.instance.id`.
    pub instance_id: Option<Name>,
    /// Client id.
    pub client_id: Name,
    /// Client host.
    pub client_host: Name,
    /// Session timeout.
    pub session_timeout_ms: i32,
    /// Rebalance timeout.
    pub rebalance_timeout_ms: i32,
    /// Protocol type.
    pub protocol_type: Name,
    /// Protocols by preference.
    pub protocols: Vec<(Name, Bytes)>,
    /// The client understands MEMBER_ID_REQUIRED (JoinGroup 4 and later).
    pub two_steps: bool,
    /// The client understands `skip_assignment` (JoinGroup 9).
    pub may_skip_assignment: bool,
}

/// A SyncGroup request.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Whom to answer.
    pub token: Token,
    /// Member.
    pub member_id: Name,
    /// `group.instance.id`.
    pub instance_id: Option<Name>,
    /// Generation the client is in.
    pub generation: i32,
    /// Protocol type, when the client says it.
    pub protocol_type: Option<Name>,
    /// Protocol, when the client says it.
    pub protocol: Option<Name>,
    /// Assignments by member, from the leader.
    pub assignments: Vec<(Name, Bytes)>,
}

/// A member to be removed by LeaveGroup.
#[derive(Debug, Clone)]
pub struct Leaver {
    /// Member id; may be empty for a static member.
    pub member_id: Name,
    /// `group.instance.id`.
    pub instance_id: Option<Name>,
}

/// What happens to a group.
#[derive(Debug, Clone)]
pub enum Event {
    /// JoinGroup.
    Join(Join),
    /// SyncGroup.
    Sync(Sync),
    /// Heartbeat.
    Heartbeat {
        /// Whom to answer.
        token: Token,
        /// Member.
        member_id: Name,
        /// `group.instance.id`.
        instance_id: Option<Name>,
        /// Generation the client is in.
        generation: i32,
    },
    /// LeaveGroup.
    Leave {
        /// Whom to answer.
        token: Token,
        /// Who leaves.
        leavers: Vec<Leaver>,
    },
    /// The write asked for by [`Effect::Persist`] ended.
    Persisted {
        /// Ticket of the effect.
        ticket: u64,
        /// What went wrong, if anything.
        failed: Option<ResponseError>,
    },
    /// Time has passed.
    Tick,
}

/// An answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To JoinGroup.
    Join(JoinAnswer),
    /// To SyncGroup.
    Sync(SyncAnswer),
    /// To Heartbeat.
    Heartbeat(Option<ResponseError>),
    /// To LeaveGroup: the outcome of each leaver in order.
    Leave(Vec<Option<ResponseError>>),
}

/// Content of a JoinGroup answer.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinAnswer {
    /// Error.
    pub error: Option<ResponseError>,
    /// Generation, -1 with an error.
    pub generation: i32,
    /// Protocol type.
    pub protocol_type: Option<Name>,
    /// Chosen protocol.
    pub protocol: Option<Name>,
    /// Leader's member id.
    pub leader: Name,
    /// The member's own id.
    pub member_id: Name,
    /// The leader need not assign: the assignment of this generation stands.
    pub skip_assignment: bool,
    /// For the leader: everybody with their metadata.
    pub members: Vec<(Name, Option<Name>, Bytes)>,
}

impl JoinAnswer {
    /// A refusal.
    pub fn refuse(member_id: Name, error: ResponseError) -> Self {
        JoinAnswer {
            error: Some(error),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            member_id,
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

/// Content of a SyncGroup answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncAnswer {
    /// Error.
    pub error: Option<ResponseError>,
    /// Protocol type.
    pub protocol_type: Option<Name>,
    /// Chosen protocol.
    pub protocol: Option<Name>,
    /// The member's assignment.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// A refusal.
    pub fn refuse(error: ResponseError) -> Self {
        SyncAnswer { error: Some(error), protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// What the shell must do, in this order.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Answer a request.
    Answer(Token, Answer),
    /// Write the group's record, then say [`Event::Persisted`] with this ticket.
    Persist {
        /// To be handed back.
        ticket: u64,
        /// The record.
        value: GroupValue,
    },
}

/// What waits for a record to be written.
#[derive(Debug, Clone)]
pub struct Persisting {
    /// Ticket of the write.
    pub ticket: u64,
    /// What it is for.
    pub purpose: Purpose,
}

/// Why a record is being written.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The leader's assignment for a generation, by member.
    Assignment {
        /// The generation.
        generation: i32,
        /// Everybody's share.
        shares: Vec<(Name, Bytes)>,
    },
    /// A static member came back under a new id and nothing else changed: answer it when that is written.
    Replacement {
        /// The JoinGroup to answer.
        token: Token,
        /// With this.
        answer: JoinAnswer,
    },
}

/// What a transition may touch besides the group.
pub(super) struct Context<'a> {
    pub now_ms: i64,
    pub limits: &'a GroupLimits,
    pub effects: Vec<Effect>,
}

impl Context<'_> {
    pub fn answer(&mut self, token: Token, answer: Answer) {
        self.effects.push(Effect::Answer(token, answer));
    }
}

/// Applies an event to a group at a time and says what must be done.
pub fn step(group: &mut Group, limits: &GroupLimits, now_ms: i64, event: Event) -> Vec<Effect> {
    let mut cx = Context { now_ms, limits, effects: Vec::new() };
    // What was due before this event happens before it.
    group.fire_due(&mut cx);
    match event {
        Event::Join(join) => group.join(join, &mut cx),
        Event::Sync(sync) => group.sync(sync, &mut cx),
        Event::Heartbeat { token, member_id, instance_id, generation } => {
            let error = group.heartbeat(&member_id, instance_id.as_deref(), generation, now_ms).err();
            cx.answer(token, Answer::Heartbeat(error));
        }
        Event::Leave { token, leavers } => group.leave(token, &leavers, &mut cx),
        Event::Persisted { ticket, failed } => group.persisted(ticket, failed, &mut cx),
        Event::Tick => {}
    }
    group.fire_due(&mut cx);
    cx.effects
}

impl Group {
    /// Fires every timer that is due. Ends, because each firing removes its timer or moves it into the future, except
    /// an initial delay of zero, which is prolonged at most once per member that came.
    fn fire_due(&mut self, cx: &mut Context<'_>) {
        while self.next_deadline_ms().is_some_and(|at| at <= cx.now_ms) {
            if self.join_timer.is_some_and(|timer| timer.at_ms() <= cx.now_ms) {
                self.join_time_is_up(cx);
            } else if self.sync_ends_ms.is_some_and(|at| at <= cx.now_ms) {
                self.sync_time_is_up(cx);
            } else if let Some(id) = self.due_pending(cx.now_ms) {
                self.pending.remove(&id);
                self.complete_join_if_all_joined(cx);
            } else if let Some(id) = self.due_session(cx.now_ms) {
                self.expel(&id, cx);
            }
        }
    }

    fn due_pending(&self, now_ms: i64) -> Option<Name> {
        self.pending.iter().find(|(_, at)| **at <= now_ms).map(|(id, _)| id.clone())
    }

    fn due_session(&self, now_ms: i64) -> Option<Name> {
        let due = |member: &&super::state::Member| {
            !member.is_parked() && member.session_ends_ms.is_some_and(|at| at <= now_ms)
        };
        self.members.values().find(due).map(|member| member.id.clone())
    }

    /// Grants a member a full session from now on.
    pub(super) fn renew_session(&mut self, id: &str, now_ms: i64) {
        if let Some(member) = self.members.get_mut(id) {
            member.session_ends_ms = Some(now_ms + i64::from(member.session_timeout_ms));
        }
    }

    /// Removes a member whose session ended.
    fn expel(&mut self, id: &Name, cx: &mut Context<'_>) {
        tracing::info!(group = %self.id, member = %id, "session of the member ended: removed from the group");
        self.drop_member(id, ResponseError::UnknownMemberId, cx);
        self.membership_shrank(cx);
    }

    /// Removes a member and answers what it has parked.
    pub(super) fn drop_member(&mut self, id: &str, error: ResponseError, cx: &mut Context<'_>) {
        let Some(member) = self.remove(id) else { return };
        if let Some(token) = member.awaiting_join {
            cx.answer(token, Answer::Join(JoinAnswer::refuse("".into(), error)));
        }
        if let Some(token) = member.awaiting_sync {
            cx.answer(token, Answer::Sync(SyncAnswer::refuse(error)));
        }
    }

    /// Goes on after members were removed.
    pub(super) fn membership_shrank(&mut self, cx: &mut Context<'_>) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.prepare_rebalance(cx),
            GroupState::PreparingRebalance => self.complete_join_if_all_joined(cx),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    fn join_time_is_up(&mut self, cx: &mut Context<'_>) {
        let Some(timer) = self.join_timer.take() else { return };
        if let JoinTimer::Initial { delay_ms, remaining_ms, .. } = timer
            && self.member_added
            && remaining_ms > 0
        {
            self.member_added = false;
            let next_ms = cx.limits.initial_rebalance_delay_ms.min(remaining_ms);
            self.join_timer = Some(JoinTimer::Initial {
                at_ms: cx.now_ms + next_ms,
                delay_ms: next_ms,
                remaining_ms: (remaining_ms - delay_ms).max(0),
            });
            return;
        }
        self.complete_join(cx);
    }

    /// Checks that a request comes from a present member.
    pub fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(present) if **present != *member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(ResponseError::UnknownMemberId),
        }
    }

    /// A sign of life. During a rebalance the answer tells the member to rejoin.
    fn heartbeat(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(ResponseError::UnknownMemberId),
            GroupState::PreparingRebalance => {
                self.renew_session(member_id, now_ms);
                Err(ResponseError::RebalanceInProgress)
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.renew_session(member_id, now_ms);
                Ok(())
            }
        }
    }

    /// Asks for the group's record to be written, with these assignments in place of the members' present ones.
    pub(super) fn persist(&mut self, shares: Option<&[(Name, Bytes)]>, cx: &mut Context<'_>) -> u64 {
        self.tickets += 1;
        cx.effects.push(Effect::Persist { ticket: self.tickets, value: self.to_value(shares) });
        self.tickets
    }

    /// The group as a record.
    pub fn to_value(&self, shares: Option<&[(Name, Bytes)]>) -> GroupValue {
        let protocol = self.protocol.as_deref();
        let members = self.members.values().map(|member| {
            let share = |shares: &[(Name, Bytes)]| {
                shares
                    .iter()
                    .find(|(id, _)| *id == member.id)
                    .map(|(_, share)| share.clone())
                    .unwrap_or_default()
            };
            MemberValue {
                member_id: member.id.to_string(),
                instance_id: member.instance_id.as_deref().map(str::to_owned),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                subscription: protocol.and_then(|name| member.metadata(name)).cloned().unwrap_or_default(),
                assignment: shares.map_or_else(|| member.assignment.clone(), share),
            }
        });
        GroupValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(str::to_owned),
            leader: self.leader.as_deref().map(str::to_owned),
            state_since_ms: self.state_since_ms,
            members: members.collect(),
        }
    }
}
