//! ListGroups, DescribeGroups and DeleteGroups on the wire.

use super::coordinator::GroupCoordinator;
use super::membership::text;
use super::state::{Group, GroupState, Member};
use crate::request::RequestContext;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
};
use kafka_protocol::protocol::StrBytes;

/// The only group type here. The other one of Kafka, `consumer`, belongs to the newer protocol.
const GROUP_TYPE: &str = "classic";
/// From this version on DescribeGroups says that a group does not exist; before, it called it dead.
const DESCRIBE_NOT_FOUND: i16 = 6;
/// Bits of READ, DELETE, DESCRIBE, ALTER_CONFIGS and DESCRIBE_CONFIGS: all that Kafka knows of a group, since nothing
/// is forbidden here. Source: `AclOperation` codes.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

impl GroupCoordinator {
    /// ListGroups 0 to 5.
    pub async fn list_groups(
        &self,
        _ctx: &RequestContext,
        request: ListGroupsRequest,
        _version: i16,
    ) -> ListGroupsResponse {
        let allows = |filter: &[StrBytes], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let mut groups = Vec::new();
        if allows(&request.types_filter, GROUP_TYPE) {
            for cell in self.all() {
                let cell = cell.lock();
                let group = &cell.group;
                if group.state != GroupState::Dead && allows(&request.states_filter, group.state.name()) {
                    groups.push(listed(group));
                }
            }
        }
        ListGroupsResponse::default().with_groups(groups)
    }

    /// DescribeGroups 0 to 6.
    pub async fn describe_groups(
        &self,
        _ctx: &RequestContext,
        request: DescribeGroupsRequest,
        version: i16,
    ) -> DescribeGroupsResponse {
        let groups = request.groups.into_iter().map(|id| {
            let found = self.with_group(&id, false, |cell| described(&cell.group));
            let group = found.ok().flatten().unwrap_or_else(|| not_found(&id, version)).with_group_id(id);
            // Before version 3 the field does not exist; it is then not asked for either.
            match request.include_authorized_operations && group.error_code == 0 {
                true => group.with_authorized_operations(ALL_OPERATIONS),
                false => group,
            }
        });
        DescribeGroupsResponse::default().with_groups(groups.collect())
    }

    /// DeleteGroups 0 to 2.
    pub async fn delete_groups(
        &self,
        _ctx: &RequestContext,
        request: DeleteGroupsRequest,
        _version: i16,
    ) -> DeleteGroupsResponse {
        let results = request.groups_names.into_iter().map(|id| {
            let outcome = self.with_group(&id, false, |cell| match cell.group.state {
                GroupState::Empty => self.delete(cell),
                _ => Err(ResponseError::NonEmptyGroup),
            });
            let error_code = match outcome {
                Ok(Some(Ok(()))) => 0,
                Ok(Some(Err(error))) | Err(error) => error.code(),
                Ok(None) => ResponseError::GroupIdNotFound.code(),
            };
            DeletableGroupResult::default().with_group_id(id).with_error_code(error_code)
        });
        DeleteGroupsResponse::default().with_results(results.collect())
    }
}

fn listed(group: &Group) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(&group.id)))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_group_type(StrBytes::from_static_str(GROUP_TYPE))
}

/// Metadata and assignments are shown of a stable group only: during a rebalance they belong to no generation.
fn described(group: &Group) -> DescribedGroup {
    let protocol = group.protocol.as_deref().filter(|_| group.state == GroupState::Stable);
    let member = |member: &Member| {
        let shown = DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance_id.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host));
        match protocol {
            Some(protocol) => shown
                .with_member_metadata(member.metadata(protocol).cloned().unwrap_or_default())
                .with_member_assignment(member.assignment.clone()),
            None => shown,
        }
    };
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(protocol.unwrap_or_default()))
        .with_members(group.members.values().map(member).collect())
}

fn not_found(id: &GroupId, version: i16) -> DescribedGroup {
    let dead = DescribedGroup::default().with_group_state(StrBytes::from_static_str(GroupState::Dead.name()));
    if version < DESCRIBE_NOT_FOUND {
        return dead;
    }
    dead.with_error_code(ResponseError::GroupIdNotFound.code())
        .with_error_message(Some(StrBytes::from_string(format!("Group {} not found.", id.as_str()))))
}
