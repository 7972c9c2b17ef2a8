//! The coordinator through its requests, on a log in memory.

use super::coordinator::{GroupCoordinator, GroupSettings};
use super::memory_log::{MemoryLog, SomePartitions};
use super::state::GroupLimits;
use super::timers::Clock;
use crate::request::RequestContext;
use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError as E;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, StrBytes};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct Rig {
    log: Arc<MemoryLog>,
    groups: Arc<GroupCoordinator>,
    settings: GroupSettings,
    stop: CancellationToken,
}

fn ctx() -> RequestContext {
    RequestContext {
        correlation_id: 1,
        client_id: Some(StrBytes::from_static_str("test")),
        peer: [127, 0, 0, 1].into(),
        gone: CancellationToken::new(),
    }
}

fn s(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Rig {
    fn new(change: impl FnOnce(&mut GroupSettings)) -> Self {
        let mut settings = GroupSettings {
            limits: GroupLimits {
                initial_rebalance_delay_ms: 0,
                session_timeout_min_ms: 50,
                ..GroupLimits::default()
            },
            ..GroupSettings::default()
        };
        change(&mut settings);
        Rig::on(Arc::new(MemoryLog::new(3)), settings)
    }

    fn on(log: Arc<MemoryLog>, settings: GroupSettings) -> Self {
        let clock = Arc::new(Clock::new());
        let groups =
            GroupCoordinator::load(settings.clone(), log.clone(), Arc::new(SomePartitions), clock).unwrap();
        let groups = Arc::new(groups);
        let stop = CancellationToken::new();
        let (running, until) = (groups.clone(), stop.clone());
        tokio::spawn(async move { running.run(until).await });
        Rig { log, groups, settings, stop }
    }

    /// The same log, read by a coordinator that comes after a crash.
    fn restarted(&self) -> Self {
        self.stop.cancel();
        Rig::on(self.log.clone(), self.settings.clone())
    }

    async fn join(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        version: i16,
    ) -> JoinGroupResponse {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(s("range"))
            .with_metadata(Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0]));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(s(member))
            .with_group_instance_id(instance.map(s))
            .with_session_timeout_ms(1_000)
            .with_rebalance_timeout_ms(1_000)
            .with_protocol_type(s("consumer"))
            .with_protocols(vec![protocol]);
        self.groups.join_group(&ctx(), request, version).await
    }

    async fn sync(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        gives: &[(&str, &str)],
    ) -> SyncGroupResponse {
        let assignment = |(member, share): &(&str, &str)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(s(member))
                .with_assignment(Bytes::copy_from_slice(share.as_bytes()))
        };
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(s(member))
            .with_generation_id(generation)
            .with_assignments(gives.iter().map(assignment).collect());
        self.groups.sync_group(&ctx(), request, 5).await
    }

    async fn heartbeat(&self, group: &str, member: &str, generation: i32) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(s(member))
            .with_generation_id(generation);
        self.groups.heartbeat(&ctx(), request, 4).await.error_code
    }

    async fn commit(&self, group: &str, member: &str, generation: i32, topic: &str, offset: i64) -> i16 {
        self.commit_with(group, member, generation, topic, offset, "m").await
    }

    async fn commit_with(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        topic: &str,
        offset: i64,
        metadata: &str,
    ) -> i16 {
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_metadata(Some(s(metadata)));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(s(topic)))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(s(member))
            .with_generation_id_or_member_epoch(generation)
            .with_topics(vec![topic]);
        self.groups.offset_commit(&ctx(), request, 9).await.topics[0].partitions[0].error_code
    }

    /// The offset of partition 0 of `t`.
    async fn offset(&self, group: &str) -> i64 {
        let topic =
            OffsetFetchRequestTopics::default().with_name(TopicName(s("t"))).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(s(group)))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let answer = self.groups.offset_fetch(&ctx(), request, 9).await;
        answer.groups[0].topics[0].partitions[0].committed_offset
    }

    /// A stable group of one member; its id.
    async fn stable(&self, group: &str) -> String {
        let id = self.join(group, "", None, 9).await.member_id.to_string();
        let joined = self.join(group, &id, None, 9).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        assert_eq!(self.sync(group, &id, 1, &[(&id, "all")]).await.assignment, "all");
        id
    }

    async fn states(&self) -> Vec<String> {
        let answer = self.groups.list_groups(&ctx(), ListGroupsRequest::default(), 5).await;
        let mut all: Vec<_> =
            answer.groups.iter().map(|g| format!("{} {}", g.group_id.as_str(), g.group_state)).collect();
        all.sort();
        all
    }

    async fn delete(&self, group: &str) -> i16 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(s(group))]);
        self.groups.delete_groups(&ctx(), request, 2).await.results[0].error_code
    }
}

#[tokio::test]
async fn a_group_and_its_offsets_go_on_after_a_restart() {
    let rig = Rig::new(|_| {});
    let id = rig.stable("g").await;
    assert_eq!(rig.commit("g", &id, 1, "t", 42).await, 0);
    assert_eq!(rig.commit("simple", "", -1, "t", 7).await, 0);
    let rig = rig.restarted();
    assert_eq!((rig.offset("g").await, rig.offset("simple").await), (42, 7));
    assert_eq!(rig.states().await, ["g Stable", "simple Empty"]);
    assert_eq!(rig.heartbeat("g", &id, 1).await, 0, "no rebalance");
    assert_eq!(rig.commit("g", &id, 1, "t", 43).await, 0);
    // Silent now: the session that the restart granted ends.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(rig.states().await, ["g Empty", "simple Empty"]);
    let rig = rig.restarted();
    let id = rig.join("g", "", None, 9).await.member_id.to_string();
    assert_eq!(rig.join("g", &id, None, 9).await.generation_id, 3, "generations go on");
}

#[tokio::test]
async fn nothing_is_acknowledged_that_was_not_written() {
    let rig = Rig::new(|_| {});
    let id = rig.stable("g").await;
    assert_eq!(rig.commit("g", &id, 1, "t", 1).await, 0);
    rig.log.broken.store(true, Ordering::Relaxed);
    assert_eq!(rig.commit("g", &id, 1, "t", 2).await, E::CoordinatorNotAvailable.code());
    assert_eq!(rig.offset("g").await, 1);
    let joined = rig.join("g", &id, None, 9).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    let synced = rig.sync("g", &id, 2, &[(&id, "all")]).await;
    assert_eq!(synced.error_code, E::CoordinatorNotAvailable.code());
    assert_eq!(rig.heartbeat("g", &id, 2).await, E::RebalanceInProgress.code());
    rig.log.broken.store(false, Ordering::Relaxed);
    let joined = rig.join("g", &id, None, 9).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 3));
    assert_eq!(rig.sync("g", &id, 3, &[(&id, "all")]).await.error_code, 0);
}

#[tokio::test]
async fn bad_requests_get_kafkas_errors() {
    let rig = Rig::new(|settings| settings.limits.members_max = 1);
    let id = rig.stable("g").await;
    let is = |code: i16, error: E, what: &str| assert_eq!(code, error.code(), "{what}");
    is(rig.join("", "", None, 9).await.error_code, E::InvalidGroupId, "join without a group");
    is(rig.join("g", "ghost", None, 9).await.error_code, E::GroupMaxSizeReached, "join of a full group");
    is(rig.join("new", "ghost", None, 9).await.error_code, E::UnknownMemberId, "join with an id of no group");
    is(rig.join("new", "", None, 9).await.error_code, E::MemberIdRequired, "first step");
    is(rig.heartbeat("g", "ghost", 1).await, E::UnknownMemberId, "heartbeat of a stranger");
    is(rig.heartbeat("g", &id, 0).await, E::IllegalGeneration, "heartbeat of the past");
    is(rig.heartbeat("none", &id, 1).await, E::UnknownMemberId, "heartbeat without a group");
    is(rig.sync("g", &id, 2, &[]).await.error_code, E::IllegalGeneration, "sync of the future");
    is(rig.sync("none", &id, 1, &[]).await.error_code, E::UnknownMemberId, "sync without a group");
    is(rig.commit("g", &id, 2, "t", 1).await, E::IllegalGeneration, "commit of the future");
    is(rig.commit("g", "", -1, "t", 1).await, E::UnknownMemberId, "commit from outside");
    is(rig.commit("none", "x", 1, "t", 1).await, E::IllegalGeneration, "commit without a group");
    is(rig.commit("g", &id, 1, "no-topic", 1).await, E::UnknownTopicOrPartition, "commit without a topic");
    let long = "m".repeat(4_097);
    is(rig.commit_with("g", &id, 1, "t", 1, &long).await, E::OffsetMetadataTooLarge, "long metadata");
    is(rig.delete("g").await, E::NonEmptyGroup, "deleting an active group");
    is(rig.delete("none").await, E::GroupIdNotFound, "deleting no group");
    assert_eq!(rig.offset("none").await, -1);

    let mut request =
        JoinGroupRequest::default().with_group_id(GroupId(s("g"))).with_protocol_type(s("consumer"));
    for timeout_ms in [0, 49, 1_800_001, i32::MAX] {
        request.session_timeout_ms = timeout_ms;
        let answer = rig.groups.join_group(&ctx(), request.clone(), 9).await;
        is(answer.error_code, E::InvalidSessionTimeout, "session timeout");
    }
    request.session_timeout_ms = 1_000;
    request.group_id = GroupId(s("other"));
    let answer = rig.groups.join_group(&ctx(), request, 9).await;
    is(answer.error_code, E::InconsistentGroupProtocol, "no protocols");
}

#[tokio::test]
async fn a_static_member_takes_its_place_back_without_a_rebalance() {
    let rig = Rig::new(|_| {});
    let first = rig.join("g", "", Some("i"), 9).await;
    let old = first.member_id.to_string();
    assert!(first.error_code == 0 && old.starts_with("i-"), "one step");
    assert_eq!(rig.sync("g", &old, 1, &[(&old, "all")]).await.assignment, "all");
    let again = rig.join("g", "", Some("i"), 9).await;
    let new = again.member_id.to_string();
    assert_eq!((again.error_code, again.generation_id, again.skip_assignment), (0, 1, true));
    assert_ne!(old, new);
    let old_beats = HeartbeatRequest::default()
        .with_group_id(GroupId(s("g")))
        .with_member_id(s(&old))
        .with_group_instance_id(Some(s("i")))
        .with_generation_id(1);
    assert_eq!(rig.groups.heartbeat(&ctx(), old_beats, 4).await.error_code, E::FencedInstanceId.code());
    assert_eq!(rig.sync("g", &new, 1, &[]).await.assignment, "all", "keeps its assignment");
    // The new id is what a crash brings back.
    let rig = rig.restarted();
    assert_eq!(rig.heartbeat("g", &new, 1).await, 0);
    // An old client must not see itself leading, or it would assign anew.
    let old_client = rig.join("g", "", Some("i"), 5).await;
    assert_eq!((old_client.error_code, old_client.members.len()), (0, 0));
    assert_ne!(old_client.leader, old_client.member_id);
    // Leaves by its instance id alone, as the admin client does it.
    let member = MemberIdentity::default().with_group_instance_id(Some(s("i")));
    let request = LeaveGroupRequest::default().with_group_id(GroupId(s("g"))).with_members(vec![member]);
    let left = rig.groups.leave_group(&ctx(), request, 5).await;
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(rig.states().await, ["g Empty"]);
}

#[tokio::test]
async fn a_parked_join_is_answered_when_the_other_members_time_is_up() {
    let rig = Rig::new(|_| {});
    let slow = rig.stable("g").await;
    let id = rig.join("g", "", None, 9).await.member_id.to_string();
    let started = std::time::Instant::now();
    let (joined, beat) = tokio::join!(rig.join("g", &id, None, 9), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.heartbeat("g", &slow, 1).await
    });
    assert_eq!(beat, E::RebalanceInProgress.code());
    assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, 2, 1));
    assert!(started.elapsed() >= Duration::from_millis(900), "the rebalance timeout is waited for");
    assert_eq!(rig.heartbeat("g", &slow, 1).await, E::UnknownMemberId.code());
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_handler() {
    let rig = Rig::new(|_| {});
    rig.stable("g").await;
    let id = rig.join("g", "", None, 9).await.member_id.to_string();
    let ctx = ctx();
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(s("g")))
        .with_member_id(s(&id))
        .with_session_timeout_ms(1_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(s("consumer"))
        .with_protocols(vec![JoinGroupRequestProtocol::default().with_name(s("range"))]);
    let waits = rig.groups.join_group(&ctx, request, 9);
    ctx.gone.cancel();
    let answer = tokio::time::timeout(Duration::from_secs(1), waits).await.expect("the handler ends");
    assert_eq!(answer.error_code, E::CoordinatorNotAvailable.code(), "keeps its member id");
}

#[tokio::test]
async fn offsets_expire_and_empty_groups_go() {
    let rig = Rig::new(|settings| {
        settings.offsets_retention_ms = 200;
        settings.retention_check_interval_ms = 50;
    });
    let id = rig.stable("active").await;
    assert_eq!(rig.commit("active", &id, 1, "t", 1).await, 0);
    assert_eq!(rig.commit("simple", "", -1, "t", 1).await, 0);
    assert_eq!(rig.offset("simple").await, 1);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(rig.heartbeat("active", &id, 1).await, 0);
    }
    assert_eq!((rig.offset("simple").await, rig.offset("active").await), (-1, 1));
    assert_eq!(rig.states().await, ["active Stable"]);
    assert_eq!(rig.restarted().states().await, ["active Stable"], "with tombstones");
}

#[tokio::test]
async fn deleted_groups_topics_and_offsets_stay_deleted() {
    let rig = Rig::new(|_| {});
    for (group, topic) in [("a", "t"), ("b", "t"), ("c", "t"), ("c", "u")] {
        assert_eq!(rig.commit(group, "", -1, topic, 5).await, 0);
    }
    assert_eq!(rig.delete("a").await, 0);
    let partition = OffsetDeleteRequestPartition::default();
    let topic =
        OffsetDeleteRequestTopic::default().with_name(TopicName(s("t"))).with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(GroupId(s("b"))).with_topics(vec![topic]);
    let deleted = rig.groups.offset_delete(&ctx(), request.clone(), 0).await;
    assert_eq!((deleted.error_code, deleted.topics[0].partitions[0].error_code), (0, 0));
    rig.groups.topic_deleted("u");
    let id = rig.stable("d").await;
    assert_eq!(rig.commit("d", &id, 1, "t", 9).await, 0);
    let subscribed = rig.groups.offset_delete(&ctx(), request.with_group_id(GroupId(s("d"))), 0).await;
    assert_eq!(subscribed.topics[0].partitions[0].error_code, E::GroupSubscribedToTopic.code());
    for rig in [&rig, &rig.restarted()] {
        let offsets =
            [rig.offset("a").await, rig.offset("b").await, rig.offset("c").await, rig.offset("d").await];
        assert_eq!(offsets, [-1, -1, 5, 9]);
        let request = OffsetFetchRequest::default().with_group_id(GroupId(s("c")));
        let all = rig.groups.offset_fetch(&ctx(), request.with_topics(None), 7).await;
        assert_eq!(all.topics.len(), 1, "u is gone");
    }
}

#[tokio::test]
async fn groups_are_bounded() {
    let rig = Rig::new(|settings| settings.groups_max = 2);
    assert_eq!(rig.commit("a", "", -1, "t", 5).await, 0);
    assert_eq!(rig.commit("b", "", -1, "t", 5).await, 0);
    assert_eq!(rig.commit("c", "", -1, "t", 5).await, E::PolicyViolation.code());
    assert_eq!(rig.join("c", "", None, 9).await.error_code, E::PolicyViolation.code());
    assert_eq!(rig.delete("a").await, 0);
    assert_eq!(rig.commit("c", "", -1, "t", 5).await, 0);
    assert_eq!(rig.delete("b").await, 0);
    // What came to nothing takes no place.
    assert_eq!(rig.commit("d", "", -1, "no-topic", 5).await, E::UnknownTopicOrPartition.code());
    assert_eq!(rig.states().await, ["c Empty"]);
    let promised = rig.join("d", "", None, 9).await;
    assert_eq!(promised.error_code, E::MemberIdRequired.code());
    assert_eq!(rig.states().await, ["c Empty", "d Empty"]);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(rig.states().await, ["c Empty"], "the promise lapsed");
}

#[tokio::test]
async fn metadata_is_bounded() {
    let rig = Rig::new(|settings| settings.limits.group_metadata_bytes_max = 20);
    let first = rig.join("g", "", None, 3).await;
    assert_eq!(first.error_code, 0);
    assert_eq!(rig.join("g", "", None, 3).await.error_code, E::MessageTooLarge.code(), "13 and 13 bytes");
    assert_eq!(rig.join("g", &first.member_id, None, 3).await.error_code, 0, "counted once");
}

/// An answer must encode at each version that its request can have.
fn encodes<T: Encodable>(answer: &T, version: i16) {
    let mut bytes = BytesMut::new();
    answer
        .encode(&mut bytes, version)
        .unwrap_or_else(|e| panic!("{} {version}: {e}", std::any::type_name::<T>()));
}

#[tokio::test]
async fn answers_encode_at_every_version() {
    let rig = Rig::new(|_| {});
    let id = rig.stable("g").await;
    assert_eq!(rig.commit("g", &id, 1, "t", 1).await, 0);
    for v in 0..=9 {
        encodes(&rig.join("g", "ghost", None, v).await, v);
        // Joins at once: the leader of a group of one.
        encodes(&rig.join(&format!("g{v}"), "", (v >= 5).then_some("i"), v).await, v);
    }
    for v in 0..=5 {
        encodes(&rig.sync("g", &id, 1, &[]).await, v);
        let listed = rig.groups.list_groups(&ctx(), ListGroupsRequest::default(), v).await;
        assert!(listed.groups.len() > 1);
        encodes(&listed, v);
        let member = MemberIdentity::default().with_member_id(s("ghost"));
        let leave = LeaveGroupRequest::default().with_group_id(GroupId(s("g"))).with_members(vec![member]);
        encodes(&rig.groups.leave_group(&ctx(), leave.with_member_id(s("ghost")), v).await, v);
        let leave = LeaveGroupRequest::default();
        encodes(&rig.groups.leave_group(&ctx(), leave, v).await, v);
    }
    for v in 0..=4 {
        let beat = HeartbeatRequest::default().with_group_id(GroupId(s("g")));
        encodes(&rig.groups.heartbeat(&ctx(), beat, v).await, v);
    }
    for v in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(s("g")), GroupId(s("none"))]);
        let described = rig.groups.describe_groups(&ctx(), request, v).await;
        assert_eq!(described.groups[0].members[0].member_assignment, "all");
        assert_eq!(described.groups[1].error_code != 0, v >= 6);
        encodes(&described, v);
    }
    for v in 2..=9 {
        let partition = OffsetCommitRequestPartition::default();
        let topic = OffsetCommitRequestTopic::default().with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default().with_group_id(GroupId(s("g"))).with_topics(vec![topic]);
        encodes(&rig.groups.offset_commit(&ctx(), request, v).await, v);
    }
    for v in 1..=9 {
        for all in [false, true] {
            let old = OffsetFetchRequestTopic::default()
                .with_name(TopicName(s("t")))
                .with_partition_indexes(vec![0]);
            let new = OffsetFetchRequestTopics::default()
                .with_name(TopicName(s("t")))
                .with_partition_indexes(vec![0]);
            let group = OffsetFetchRequestGroup::default()
                .with_group_id(GroupId(s("g")))
                .with_topics((!all).then(|| vec![new]));
            let request = OffsetFetchRequest::default()
                .with_group_id(GroupId(s("g")))
                .with_topics((!all).then(|| vec![old]))
                .with_groups(vec![group]);
            let answer = rig.groups.offset_fetch(&ctx(), request, v).await;
            assert_eq!(answer.topics.len() + answer.groups.iter().map(|g| g.topics.len()).sum::<usize>(), 1);
            encodes(&answer, v);
        }
    }
    for v in 0..=2 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(s("none"))]);
        encodes(&rig.groups.delete_groups(&ctx(), request, v).await, v);
    }
}
