//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup on the wire.

use super::coordinator::GroupCoordinator;
use super::fields::STRING_BYTES_MAX;
use super::machine::{Answer, Event, Join, JoinAnswer, Leaver, Sync, SyncAnswer};
use super::state::{Name, Token};
use crate::request::RequestContext;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

/// From this version on JoinGroup may answer MEMBER_ID_REQUIRED.
const JOIN_TWO_STEPS: i16 = 4;
/// From this version on a JoinGroup answer may carry a null protocol.
const JOIN_NULL_PROTOCOL: i16 = 7;
/// From this version on a JoinGroup answer may say `skip_assignment`.
const JOIN_SKIP_ASSIGNMENT: i16 = 9;
/// From this version on LeaveGroup names several members.
const LEAVE_BATCH: i16 = 3;

pub(super) fn name(text: &StrBytes) -> Name {
    Name::from(text.as_str())
}

fn opt_name(text: &Option<StrBytes>) -> Option<Name> {
    text.as_ref().map(name)
}

pub(super) fn text(name: &str) -> StrBytes {
    StrBytes::from_string(name.to_owned())
}

pub(super) fn code(error: Option<ResponseError>) -> i16 {
    error.map_or(0, |error| error.code())
}

/// Own bytes: a slice of the request would keep the whole request in memory for as long as the member lives.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Group ids are kept as the stored formats can carry them.
pub(super) fn check_group_id(group: &str) -> Result<(), ResponseError> {
    match group.is_empty() || group.len() > STRING_BYTES_MAX {
        true => Err(ResponseError::InvalidGroupId),
        false => Ok(()),
    }
}

impl GroupCoordinator {
    /// Submits an event to a group and waits for its answer. `None`: there is no such group.
    async fn ask(
        &self,
        ctx: &RequestContext,
        group: &str,
        create: bool,
        token: Token,
        event: Event,
    ) -> Result<Option<Answer>, ResponseError> {
        let Some(answer) = self.with_group(group, create, |cell| self.submit(cell, token, event))? else {
            return Ok(None);
        };
        tokio::select! {
            answer = answer => answer.map(Some).map_err(|_| ResponseError::CoordinatorNotAvailable),
            // If the broker stops, this still reaches the client, which then comes back under the same member id.
            () = ctx.gone.cancelled() => Err(ResponseError::CoordinatorNotAvailable),
        }
    }

    /// JoinGroup 0 to 9.
    pub async fn join_group(
        &self,
        ctx: &RequestContext,
        request: JoinGroupRequest,
        version: i16,
    ) -> JoinGroupResponse {
        let answer = match self.join_event(ctx, &request, version) {
            Err(error) => JoinAnswer::refuse(name(&request.member_id), error),
            Ok(join) => {
                let token = join.token;
                let create = join.member_id.is_empty();
                drop(request.protocols);
                match self.ask(ctx, &request.group_id, create, token, Event::Join(join)).await {
                    Ok(Some(Answer::Join(answer))) => answer,
                    Ok(_) => JoinAnswer::refuse(name(&request.member_id), ResponseError::UnknownMemberId),
                    Err(error) => JoinAnswer::refuse(name(&request.member_id), error),
                }
            }
        };
        join_response(answer, version)
    }

    fn join_event(
        &self,
        ctx: &RequestContext,
        request: &JoinGroupRequest,
        version: i16,
    ) -> Result<Join, ResponseError> {
        check_group_id(&request.group_id)?;
        let limits = &self.settings.limits;
        let allowed = limits.session_timeout_min_ms..=limits.session_timeout_max_ms;
        if !allowed.contains(&request.session_timeout_ms) {
            return Err(ResponseError::InvalidSessionTimeout);
        }
        let instance_id = opt_name(&request.group_instance_id);
        let too_long = |text: &str| text.len() > STRING_BYTES_MAX;
        let names = request.protocols.iter().map(|protocol| protocol.name.as_str());
        let names = names.chain(instance_id.as_deref()).chain([request.protocol_type.as_str()]);
        // An instance id of this length still leaves room for the member id made of it.
        if names.map(str::len).any(|len| len > STRING_BYTES_MAX - 40) || too_long(&request.member_id) {
            return Err(ResponseError::InvalidRequest);
        }
        let client_id = ctx.client_id.as_ref().map_or("", |id| id.as_str());
        // The prefix is cut so that the id still fits the stored formats.
        let prefix = instance_id.as_deref().unwrap_or(client_id);
        let prefix = prefix.get(..prefix.len().min(STRING_BYTES_MAX - 40)).unwrap_or_default();
        let protocols = request.protocols.iter().map(|p| (name(&p.name), own(&p.metadata)));
        let rebalance_ms =
            if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
        Ok(Join {
            token: self.next_token(),
            member_id: name(&request.member_id),
            fresh_id: Name::from(format!("{prefix}-{}", uuid::Uuid::new_v4())),
            instance_id,
            client_id: Name::from(client_id),
            client_host: Name::from(ctx.client_host()),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: rebalance_ms.max(0),
            protocol_type: name(&request.protocol_type),
            protocols: protocols.collect(),
            two_steps: version >= JOIN_TWO_STEPS,
            may_skip_assignment: version >= JOIN_SKIP_ASSIGNMENT,
        })
    }

    /// SyncGroup 0 to 5.
    pub async fn sync_group(
        &self,
        ctx: &RequestContext,
        request: SyncGroupRequest,
        _version: i16,
    ) -> SyncGroupResponse {
        let answer = match check_group_id(&request.group_id) {
            Err(error) => SyncAnswer::refuse(error),
            Ok(()) => {
                let token = self.next_token();
                let assignments =
                    request.assignments.iter().map(|a| (name(&a.member_id), own(&a.assignment)));
                let event = Event::Sync(Sync {
                    token,
                    member_id: name(&request.member_id),
                    instance_id: opt_name(&request.group_instance_id),
                    generation: request.generation_id,
                    protocol_type: opt_name(&request.protocol_type),
                    protocol: opt_name(&request.protocol_name),
                    assignments: assignments.collect(),
                });
                let group_id = request.group_id;
                drop(request.assignments);
                match self.ask(ctx, &group_id, false, token, event).await {
                    Ok(Some(Answer::Sync(answer))) => answer,
                    Ok(_) => SyncAnswer::refuse(ResponseError::UnknownMemberId),
                    Err(error) => SyncAnswer::refuse(error),
                }
            }
        };
        SyncGroupResponse::default()
            .with_error_code(code(answer.error))
            .with_protocol_type(answer.protocol_type.as_deref().map(text))
            .with_protocol_name(answer.protocol.as_deref().map(text))
            .with_assignment(answer.assignment)
    }

    /// Heartbeat 0 to 4.
    pub async fn heartbeat(
        &self,
        ctx: &RequestContext,
        request: HeartbeatRequest,
        _version: i16,
    ) -> HeartbeatResponse {
        let token = self.next_token();
        let event = Event::Heartbeat {
            token,
            member_id: name(&request.member_id),
            instance_id: opt_name(&request.group_instance_id),
            generation: request.generation_id,
        };
        let error = match check_group_id(&request.group_id) {
            Err(error) => Some(error),
            Ok(()) => match self.ask(ctx, &request.group_id, false, token, event).await {
                Ok(Some(Answer::Heartbeat(error))) => error,
                Ok(_) => Some(ResponseError::UnknownMemberId),
                Err(error) => Some(error),
            },
        };
        HeartbeatResponse::default().with_error_code(code(error))
    }

    /// LeaveGroup 0 to 5.
    pub async fn leave_group(
        &self,
        ctx: &RequestContext,
        request: LeaveGroupRequest,
        version: i16,
    ) -> LeaveGroupResponse {
        if let Err(error) = check_group_id(&request.group_id) {
            return LeaveGroupResponse::default().with_error_code(error.code());
        }
        let leavers: Vec<Leaver> = if version < LEAVE_BATCH {
            vec![Leaver { member_id: name(&request.member_id), instance_id: None }]
        } else {
            let leaver = |m: &kafka_protocol::messages::leave_group_request::MemberIdentity| Leaver {
                member_id: name(&m.member_id),
                instance_id: opt_name(&m.group_instance_id),
            };
            request.members.iter().map(leaver).collect()
        };
        let token = self.next_token();
        let event = Event::Leave { token, leavers: leavers.clone() };
        let outcomes = match self.ask(ctx, &request.group_id, false, token, event).await {
            Ok(Some(Answer::Leave(outcomes))) => outcomes,
            _ => vec![Some(ResponseError::UnknownMemberId); leavers.len()],
        };
        if version < LEAVE_BATCH {
            return LeaveGroupResponse::default().with_error_code(code(outcomes.first().copied().flatten()));
        }
        let member = |(leaver, outcome): (&Leaver, &Option<ResponseError>)| {
            MemberResponse::default()
                .with_member_id(text(&leaver.member_id))
                .with_group_instance_id(leaver.instance_id.as_deref().map(text))
                .with_error_code(code(*outcome))
        };
        LeaveGroupResponse::default().with_members(leavers.iter().zip(&outcomes).map(member).collect())
    }
}

fn join_response(answer: JoinAnswer, version: i16) -> JoinGroupResponse {
    let member = |(id, instance, metadata): (Name, Option<Name>, Bytes)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&id))
            .with_group_instance_id(instance.as_deref().map(text))
            .with_metadata(metadata)
    };
    let protocol = answer.protocol.as_deref().map(text);
    JoinGroupResponse::default()
        .with_error_code(code(answer.error))
        .with_generation_id(answer.generation)
        .with_protocol_type(answer.protocol_type.as_deref().map(text))
        .with_protocol_name(if version < JOIN_NULL_PROTOCOL {
            protocol.or_else(|| Some(text("")))
        } else {
            protocol
        })
        .with_leader(text(&answer.leader))
        .with_skip_assignment(answer.skip_assignment)
        .with_member_id(text(&answer.member_id))
        .with_members(answer.members.into_iter().map(member).collect())
}
