//! A group as it comes back from the log.

use super::records::{GroupValue, MemberValue};
use super::state::{Group, GroupState, Member, Name};

impl Group {
    /// Rebuilds a group from its record. Members get a full session from now on: they were alive when the record was
    /// written, and whether they still are must show. They go on in the same generation without a rebalance.
    pub fn restore(id: Name, value: GroupValue, now_ms: i64) -> Self {
        let mut group = Group::new(id, now_ms);
        let protocol = value.protocol.as_deref().map(Name::from);
        let protocol_type = Name::from(value.protocol_type);
        for stored in value.members {
            group.insert(Member::restore(stored, protocol.as_ref(), now_ms), &protocol_type);
        }
        group.state = if group.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        group.previous = group.state;
        group.state_since_ms = value.state_since_ms;
        group.generation = value.generation;
        group.protocol_type = Some(protocol_type).filter(|name| !name.is_empty());
        group.leader =
            value.leader.map(Name::from).filter(|id| group.members.contains_key(id)).or(group.leader);
        group.protocol = protocol;
        group.subscribed = group.subscriptions();
        group
    }
}

impl Member {
    fn restore(stored: MemberValue, protocol: Option<&Name>, now_ms: i64) -> Self {
        Member {
            id: Name::from(stored.member_id),
            instance_id: stored.instance_id.map(Name::from),
            client_id: Name::from(stored.client_id),
            client_host: Name::from(stored.client_host),
            rebalance_timeout_ms: stored.rebalance_timeout_ms,
            session_timeout_ms: stored.session_timeout_ms,
            protocols: protocol.map(|name| (name.clone(), stored.subscription)).into_iter().collect(),
            assignment: stored.assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            session_ends_ms: Some(now_ms + i64::from(stored.session_timeout_ms)),
        }
    }
}
