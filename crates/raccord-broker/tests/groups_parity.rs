//! The same requests to Apache Kafka 4.3.1 and to this broker: the same answers.
//!
//! Each step of the conversation says what matters of an answer in a line, error codes above all; member ids become
//! `me` or `other`. The real broker is the oracle, so there are no expectations in this file.
#![allow(clippy::unwrap_used)]

mod real;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
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
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use real::{ApacheKafka, BrokerProcess, ask, produce, wait_for};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
#[ignore = "a process that the other tests start"]
fn broker_process() {
    real::serve_until_killed();
}

fn s(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A subscription to `t`.
const SUBSCRIPTION: &[u8] = &[0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 0];

/// Kafka puts partitions that do not exist first; the order means nothing.
fn by_index(codes: impl Iterator<Item = (i32, i16)>) -> Vec<i16> {
    let mut codes: Vec<_> = codes.collect();
    codes.sort();
    codes.into_iter().map(|(_, code)| code).collect()
}

/// One side of the comparison.
struct Side {
    stream: TcpStream,
    said: Vec<String>,
    producer: (i64, i16),
}

impl Side {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        for kind in [0, 1] {
            // Makes the internal topics; a fresh Kafka needs a moment for them.
            wait_for("the coordinators", 60, || {
                let request =
                    FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![s("x")]);
                let found = ask(&mut stream, ApiKey::FindCoordinator, 6, &request)?;
                (found.coordinators[0].error_code == 0).then_some(())
            });
        }
        Side { stream, said: Vec::new(), producer: (-1, -1) }
    }

    /// Asks until the coordinator has loaded (14, 15, 16 say that it has not), and notes the answer.
    fn say(&mut self, what: &str, mut exchange: impl FnMut(&mut Side) -> (Vec<i16>, String)) {
        let start = Instant::now();
        loop {
            let (codes, text) = exchange(self);
            if !codes.iter().any(|code| (14..=16).contains(code)) || start.elapsed() > Duration::from_secs(30)
            {
                self.said.push(format!("{what}: {codes:?} {text}"));
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn join(&mut self, what: &str, version: i16, request: &JoinGroupRequest) -> StrBytes {
        let mut id = s("");
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::JoinGroup, version, request).unwrap();
            id = answer.member_id.clone();
            let who = |of: &StrBytes| match of.as_str() {
                "" => "nobody",
                of if of == answer.member_id.as_str() => "me",
                _ => "other",
            };
            let text = format!(
                "generation {} type {:?} protocol {:?} leader {} id {} skip {} members {:?}",
                answer.generation_id,
                answer.protocol_type.as_deref(),
                answer.protocol_name.as_deref(),
                who(&answer.leader),
                answer.member_id.is_empty(),
                answer.skip_assignment,
                answer.members.iter().map(|m| (who(&m.member_id), m.metadata.len())).collect::<Vec<_>>(),
            );
            (vec![answer.error_code], text)
        });
        id
    }

    fn sync(&mut self, what: &str, request: &SyncGroupRequest) {
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::SyncGroup, 5, request).unwrap();
            let text = format!(
                "{:?} {:?} {:?}",
                answer.protocol_type.as_deref(),
                answer.protocol_name.as_deref(),
                answer.assignment
            );
            (vec![answer.error_code], text)
        });
    }

    fn beat(&mut self, what: &str, group: &str, member: &StrBytes, instance: Option<&str>, generation: i32) {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(member.clone())
            .with_group_instance_id(instance.map(s))
            .with_generation_id(generation);
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::Heartbeat, 4, &request).unwrap();
            (vec![answer.error_code], String::new())
        });
    }

    fn commit(
        &mut self,
        what: &str,
        group: &str,
        member: &StrBytes,
        generation: i32,
        topic: &str,
        metadata: &str,
    ) {
        let partition = |index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(5)
                .with_committed_metadata(Some(s(metadata)))
        };
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(s(topic)))
            .with_partitions(vec![partition(0), partition(99)]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(member.clone())
            .with_generation_id_or_member_epoch(generation)
            .with_topics(vec![topic]);
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::OffsetCommit, 8, &request).unwrap();
            (
                by_index(answer.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code))),
                String::new(),
            )
        });
    }

    fn fetch(&mut self, what: &str, group: &str) {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName(s("t")))
            .with_partition_indexes(vec![0, 1, 99]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(s(group)))
            .with_topics(Some(vec![topic]));
        let all = OffsetFetchRequestGroup::default().with_group_id(GroupId(s(group))).with_topics(None);
        for group in [asked, all] {
            let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true);
            self.say(what, |side| {
                let answer =
                    ask(&mut side.stream, ApiKey::OffsetFetch, 9, &request).unwrap().groups.remove(0);
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let text = partitions.map(|p| {
                    format!("{} {} {} {:?}", p.partition_index, p.committed_offset, p.error_code, p.metadata)
                });
                (vec![answer.error_code], text.collect::<Vec<_>>().join(", "))
            });
        }
        let topic = OffsetFetchRequestTopic::default()
            .with_name(TopicName(s("t")))
            .with_partition_indexes(vec![0, 99]);
        let request =
            OffsetFetchRequest::default().with_group_id(GroupId(s(group))).with_topics(Some(vec![topic]));
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::OffsetFetch, 5, &request).unwrap();
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            let text = partitions.map(|p| format!("{} {}", p.committed_offset, p.error_code));
            (vec![answer.error_code], text.collect::<Vec<_>>().join(", "))
        });
    }

    fn describe(&mut self, what: &str, group: &str) {
        for version in [5, 6] {
            let request = DescribeGroupsRequest::default()
                .with_groups(vec![GroupId(s(group))])
                .with_include_authorized_operations(true);
            self.say(what, |side| {
                let answer = ask(&mut side.stream, ApiKey::DescribeGroups, version, &request).unwrap();
                let group = &answer.groups[0];
                let member = |m: &describe_groups_response::DescribedGroupMember| {
                    (m.client_host.to_string(), m.member_metadata.len(), m.member_assignment.len())
                };
                let text = format!(
                    "{} {} {} {:?} {} {:?}",
                    group.group_state,
                    group.protocol_type,
                    group.protocol_data,
                    group.members.iter().map(member).collect::<Vec<_>>(),
                    group.authorized_operations,
                    group.error_message.as_deref(),
                );
                (vec![group.error_code], text)
            });
        }
    }

    fn list(&mut self, what: &str, states: &[&str], types: &[&str]) {
        let of = |names: &[&str]| names.iter().map(|name| s(name)).collect();
        let request =
            ListGroupsRequest::default().with_states_filter(of(states)).with_types_filter(of(types));
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::ListGroups, 5, &request).unwrap();
            let line = |g: &list_groups_response::ListedGroup| {
                format!("{} {} {} {}", g.group_id.as_str(), g.protocol_type, g.group_state, g.group_type)
            };
            let mut lines: Vec<_> = answer.groups.iter().map(line).collect();
            lines.sort();
            (vec![answer.error_code], lines.join(", "))
        });
    }

    fn delete(&mut self, what: &str, group: &str) {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(s(group))]);
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::DeleteGroups, 2, &request).unwrap();
            (vec![answer.results[0].error_code], String::new())
        });
    }

    fn delete_offset(&mut self, what: &str, group: &str, topic: &str) {
        let partition = OffsetDeleteRequestPartition::default();
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(TopicName(s(topic)))
            .with_partitions(vec![partition]);
        let request =
            OffsetDeleteRequest::default().with_group_id(GroupId(s(group))).with_topics(vec![topic]);
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::OffsetDelete, 0, &request).unwrap();
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code);
            ([answer.error_code].into_iter().chain(partitions).collect(), String::new())
        });
    }

    fn leave(&mut self, what: &str, group: &str, members: &[(&StrBytes, Option<&str>)]) {
        let member = |(id, instance): &(&StrBytes, Option<&str>)| {
            MemberIdentity::default().with_member_id((*id).clone()).with_group_instance_id(instance.map(s))
        };
        let request = LeaveGroupRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_members(members.iter().map(member).collect());
        self.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::LeaveGroup, 5, &request).unwrap();
            let members = answer.members.iter().map(|m| m.error_code);
            ([answer.error_code].into_iter().chain(members).collect(), String::new())
        });
    }
}

fn joins(group: &str, member: &StrBytes) -> JoinGroupRequest {
    let protocol = |name: &str| {
        JoinGroupRequestProtocol::default().with_name(s(name)).with_metadata(Bytes::from_static(SUBSCRIPTION))
    };
    JoinGroupRequest::default()
        .with_group_id(GroupId(s(group)))
        .with_member_id(member.clone())
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(s("consumer"))
        .with_protocols(vec![protocol("range"), protocol("sticky")])
}

fn syncs(group: &str, member: &StrBytes, generation: i32) -> SyncGroupRequest {
    let share = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"share"));
    SyncGroupRequest::default()
        .with_group_id(GroupId(s(group)))
        .with_member_id(member.clone())
        .with_generation_id(generation)
        .with_protocol_type(Some(s("consumer")))
        .with_protocol_name(Some(s("range")))
        .with_assignments(vec![share])
}

fn dynamic_members(side: &mut Side) {
    let (none, ghost) = (s(""), s("ghost"));
    side.join("join without a group", 9, &joins("", &none));
    side.join("short session", 9, &joins("g", &none).with_session_timeout_ms(5_999));
    side.join("long session", 9, &joins("g", &none).with_session_timeout_ms(1_800_001));
    side.join("join of a stranger", 9, &joins("g", &ghost));
    side.join("no protocols", 9, &joins("g", &none).with_protocols(Vec::new()));
    side.join("no protocol type", 9, &joins("g", &none).with_protocol_type(s("")));
    let me = side.join("first step", 9, &joins("g", &none));
    side.beat("beat of a promise", "g", &me, None, -1);
    side.join("second step", 9, &joins("g", &me));
    side.describe("describe before sync", "g");
    side.commit("commit before sync", "g", &me, 1, "t", "m");
    side.join("join again before sync", 9, &joins("g", &me));
    side.sync("sync of the future", &syncs("g", &me, 2));
    side.sync("sync of a stranger", &syncs("g", &ghost, 1));
    side.sync("sync without a group", &syncs("none", &me, 1));
    side.sync("sync with an empty group", &syncs("", &me, 1));
    side.sync("sync with another protocol", &syncs("g", &me, 1).with_protocol_name(Some(s("sticky"))));
    side.sync("sync", &syncs("g", &me, 1));
    side.sync("sync again", &syncs("g", &me, 1));
    side.beat("beat", "g", &me, None, 1);
    side.beat("beat of the past", "g", &me, None, 0);
    side.beat("beat of a stranger", "g", &ghost, None, 1);
    side.beat("beat of an unknown instance", "g", &me, Some("i"), 1);
    side.beat("beat without a group", "none", &me, None, 1);
    side.beat("beat with an empty group", "", &me, None, 1);
    let range = joins("g", &none).protocols;
    side.join("another type", 9, &joins("g", &none).with_protocol_type(s("connect")));
    let other = JoinGroupRequestProtocol::default().with_name(s("other"));
    side.join("no common protocol", 9, &joins("g", &none).with_protocols(vec![other]));
    side.join("leader rejoins", 9, &joins("g", &me).with_protocols(range));
    side.sync("sync of the past", &syncs("g", &me, 1));
    side.sync("next sync", &syncs("g", &me, 2));
    side.commit("commit", "g", &me, 2, "t", "m");
    side.commit("commit of the past", "g", &me, 1, "t", "m");
    side.commit("commit of a stranger", "g", &ghost, 2, "t", "m");
    side.commit("commit from outside", "g", &none, -1, "t", "m");
    side.commit("commit to no group", "none", &me, 2, "t", "m");
    side.commit("commit to no topic", "g", &me, 2, "missing", "m");
    side.commit("commit with long metadata", "g", &me, 2, "t", &"m".repeat(4_097));
    for group in ["g", "none", ""] {
        side.fetch("fetch", group);
        side.describe("describe", group);
        side.delete("delete", group);
        for topic in ["t", "missing"] {
            side.delete_offset("delete offset", group, topic);
        }
    }
    for (states, types) in [
        (&[][..], &[][..]),
        (&["stable"], &[]),
        (&["STABLE", "Empty"], &["Classic"]),
        (&["Nonsense"], &[]),
        (&[], &["consumer"]),
        (&[], &["nonsense"]),
    ] {
        side.list(&format!("list {states:?} {types:?}"), states, types);
    }
    let leavers = [(&ghost, None), (&none, Some("i")), (&none, None), (&me, Some("i"))];
    side.leave("leave of strangers", "g", &leavers);
    side.leave("leave no group", "none", &[(&me, None)]);
    side.leave("leave an empty group", "", &[(&me, None)]);
    let promised = side.join("a promise", 9, &joins("g", &none));
    side.leave("leave", "g", &[(&promised, None), (&me, None)]);
    side.beat("beat after leaving", "g", &me, None, 2);
    side.describe("describe empty", "g");
    side.commit("commit after leaving", "g", &me, 2, "t", "m");
    side.commit("commit from outside", "g", &none, -1, "t", "n");
    side.commit("commit to a new group", "simple", &none, -1, "t", "n");
    side.fetch("fetch", "g");
    side.describe("describe simple", "simple");
    side.list("list", &[], &[]);
    side.delete_offset("delete offset", "g", "t");
    side.fetch("fetch", "g");
    side.delete("delete", "g");
    side.delete("delete", "simple");
    side.list("list", &[], &[]);
}

fn static_members(side: &mut Side) {
    let none = s("");
    let fixed = |member: &StrBytes| joins("s", member).with_group_instance_id(Some(s("i")));
    let first = side.join("static join", 9, &fixed(&none));
    side.sync("sync", &syncs("s", &first, 1).with_group_instance_id(Some(s("i"))));
    let second = side.join("comes back", 9, &fixed(&none));
    side.beat("old id", "s", &first, Some("i"), 1);
    side.beat("old id without instance", "s", &first, None, 1);
    side.join("old id joins", 9, &fixed(&first));
    side.beat("new id", "s", &second, Some("i"), 1);
    side.sync("sync of the new id", &syncs("s", &second, 1).with_group_instance_id(Some(s("i"))));
    let third = side.join("comes back as an old client", 5, &fixed(&none));
    side.beat("third id", "s", &third, Some("i"), 1);
    side.leave("leave by another id", "s", &[(&first, Some("i"))]);
    side.leave("leave by instance", "s", &[(&none, Some("i"))]);
    side.describe("describe", "s");
    let old = side.join("old client, one step", 3, &joins("o", &none));
    side.sync("sync", &syncs("o", &old, 1));
    side.join("follower or leader again", 0, &joins("o", &old).with_rebalance_timeout_ms(-1));
}

fn transactions(side: &mut Side) {
    let init = |id: &str, timeout_ms, producer: (i64, i16)| {
        InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(s(id))))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
    };
    let no_one = (-1, -1);
    for (what, request) in [
        ("init without id", init("", 60_000, no_one)),
        ("init without time", init("x", 0, no_one)),
        ("init with too much time", init("x", 900_001, no_one)),
        ("init with half a producer", init("x", 60_000, (-1, 3))),
        ("init", init("x", 60_000, no_one)),
        ("init again", init("x", 60_000, no_one)),
    ] {
        side.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::InitProducerId, 4, &request).unwrap();
            side.producer = (answer.producer_id.0, answer.producer_epoch);
            (vec![answer.error_code], format!("epoch {}", answer.producer_epoch))
        });
    }
    let (id, epoch) = side.producer;
    let add = |side: &mut Side, what: &str, name: &str, id: i64, epoch: i16, topic: &str| {
        for version in [1, 3] {
            let topic = AddPartitionsToTxnTopic::default()
                .with_name(TopicName(s(topic)))
                .with_partitions(vec![0, 99]);
            let known =
                AddPartitionsToTxnTopic::default().with_name(TopicName(s("t"))).with_partitions(vec![1]);
            let topics = if topic.name.as_str() == "t" { vec![known] } else { vec![topic, known] };
            let request = AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(TransactionalId(s(name)))
                .with_v3_and_below_producer_id(ProducerId(id))
                .with_v3_and_below_producer_epoch(epoch)
                .with_v3_and_below_topics(topics);
            side.say(what, |side| {
                let answer = ask(&mut side.stream, ApiKey::AddPartitionsToTxn, version, &request).unwrap();
                let mut topics = answer.results_by_topic_v3_and_below;
                topics.sort_by_key(|topic| topic.name.to_string());
                let mut codes = Vec::new();
                for mut topic in topics {
                    topic.results_by_partition.sort_by_key(|p| p.partition_index);
                    codes.extend(topic.results_by_partition.iter().map(|p| p.partition_error_code));
                }
                (codes, String::new())
            });
        }
    };
    let end = |side: &mut Side, what: &str, name: &str, id: i64, epoch: i16, commit: bool| {
        for version in [1, 3] {
            let request = EndTxnRequest::default()
                .with_transactional_id(TransactionalId(s(name)))
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch)
                .with_committed(commit);
            side.say(what, |side| {
                let mut answer = ask(&mut side.stream, ApiKey::EndTxn, version, &request).unwrap();
                // Kafka is still writing markers.
                for _ in 0..50 {
                    if answer.error_code != 51 {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                    answer = ask(&mut side.stream, ApiKey::EndTxn, version, &request).unwrap();
                }
                (vec![answer.error_code], String::new())
            });
        }
    };
    end(side, "end of nothing", "x", id, epoch, true);
    end(side, "end without id", "", id, epoch, true);
    end(side, "end of an unknown id", "nobody", id, epoch, true);
    add(side, "add of an unknown id", "nobody", id, epoch, "t");
    add(side, "add of another producer", "x", id + 100_000, epoch, "t");
    add(side, "add of a zombie", "x", id, epoch - 1, "t");
    add(side, "add of a missing topic", "x", id, epoch, "missing");
    add(side, "add", "x", id, epoch, "t");
    let offsets = |side: &mut Side, what: &str, epoch: i16, generation: i32| {
        let partition = |index| {
            TxnOffsetCommitRequestPartition::default().with_partition_index(index).with_committed_offset(3)
        };
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(s("t")))
            .with_partitions(vec![partition(0), partition(99)]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(s("x")))
            .with_group_id(GroupId(s("tg")))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_generation_id(generation)
            .with_topics(vec![topic]);
        side.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::TxnOffsetCommit, 3, &request).unwrap();
            (
                by_index(answer.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code))),
                String::new(),
            )
        });
    };
    for (what, epoch) in [("add offsets of a zombie", epoch - 1), ("add offsets", epoch)] {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(s("x")))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_group_id(GroupId(s("tg")));
        side.say(what, |side| {
            let answer = ask(&mut side.stream, ApiKey::AddOffsetsToTxn, 3, &request).unwrap();
            (vec![answer.error_code], String::new())
        });
    }
    offsets(side, "offsets of a zombie", epoch - 1, -1);
    offsets(side, "offsets of no generation", epoch, 7);
    offsets(side, "offsets", epoch, -1);
    side.fetch("pending", "tg");
    end(side, "end of a zombie", "x", id, epoch - 1, true);
    end(side, "end", "x", id, epoch, true);
    end(side, "abort after commit", "x", id, epoch, false);
    side.fetch("committed", "tg");
    for ids in [&["x", "nobody"][..], &[""]] {
        let ids: Vec<_> = ids.iter().map(|id| TransactionalId(s(id))).collect();
        let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
        side.say("describe", |side| {
            let answer = ask(&mut side.stream, ApiKey::DescribeTransactions, 0, &request).unwrap();
            let text = answer.transaction_states.iter().map(|state| {
                format!("{} {} {:?}", state.transaction_state, state.transaction_timeout_ms, state.topics)
            });
            let text = text.collect::<Vec<_>>().join(", ");
            (answer.transaction_states.iter().map(|state| state.error_code).collect(), text)
        });
    }
    for states in [&[][..], &["CompleteCommit", "Nonsense"], &["Nonsense"], &["Ongoing"]] {
        let states: Vec<_> = states.iter().map(|state| s(state)).collect();
        let request = ListTransactionsRequest::default().with_state_filters(states).with_duration_filter(-1);
        side.say("list", |side| {
            let answer = ask(&mut side.stream, ApiKey::ListTransactions, 1, &request).unwrap();
            let of = |state: &list_transactions_response::TransactionState| {
                format!("{} {}", state.transactional_id.as_str(), state.transaction_state)
            };
            let text: Vec<_> = answer.transaction_states.iter().map(of).collect();
            (vec![answer.error_code], format!("{text:?} {:?}", answer.unknown_state_filters))
        });
    }
}

#[test]
fn answers_are_those_of_apache_kafka() {
    let (ours, theirs) = (BrokerProcess::start(), ApacheKafka::start());
    let run = |port: u16| {
        produce(&format!("127.0.0.1:{port}"), "t", 0, std::iter::once("x".to_owned()));
        let mut side = Side::connect(port);
        dynamic_members(&mut side);
        static_members(&mut side);
        transactions(&mut side);
        side.said
    };
    let (ours, theirs) = (run(ours.port), run(theirs.port));
    let differ = |(ours, theirs): (&String, &String)| {
        (ours != theirs).then(|| format!("\n ours   {ours}\n Kafka  {theirs}"))
    };
    let differences: Vec<String> = ours.iter().zip(&theirs).filter_map(differ).collect();
    assert!(ours.len() > 150 && ours.len() == theirs.len(), "{} exchanges", ours.len());
    assert!(
        differences.is_empty(),
        "{} of {} differ:{}",
        differences.len(),
        ours.len(),
        differences.concat()
    );
}
