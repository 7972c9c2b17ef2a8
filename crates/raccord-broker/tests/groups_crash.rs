//! kill -9 at random moments: no acknowledged commit is lost, and no generation is given twice.
#![allow(clippy::unwrap_used)]

mod real;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use real::{BrokerProcess, ask, produce, wait_for};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
#[ignore = "a process that the other tests start"]
fn broker_process() {
    real::serve_until_killed();
}

fn s(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn commit(stream: &mut TcpStream, group: &str, offset: i64) -> Option<bool> {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic =
        OffsetCommitRequestTopic::default().with_name(TopicName(s("t"))).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(s(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer = ask(stream, ApiKey::OffsetCommit, 9, &request)?;
    Some(answer.topics[0].partitions[0].error_code == 0)
}

fn fetch(stream: &mut TcpStream, group: &str) -> Option<i64> {
    let topic =
        OffsetFetchRequestTopics::default().with_name(TopicName(s("t"))).with_partition_indexes(vec![0]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(GroupId(s(group))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer = ask(stream, ApiKey::OffsetFetch, 9, &request)?;
    Some(answer.groups[0].topics[0].partitions[0].committed_offset)
}

/// Joins and syncs alone in a group: a whole generation. `None` when the broker went away.
fn generation(stream: &mut TcpStream, group: &str, member: &mut StrBytes) -> Option<i32> {
    let protocol = JoinGroupRequestProtocol::default().with_name(s("p"));
    for _ in 0..3 {
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(s(group)))
            .with_member_id(member.clone())
            .with_session_timeout_ms(6_000)
            .with_rebalance_timeout_ms(6_000)
            .with_protocol_type(s("test"))
            .with_protocols(vec![protocol.clone()]);
        let joined = ask(stream, ApiKey::JoinGroup, 9, &request)?;
        match joined.error_code {
            0 => {
                let request = SyncGroupRequest::default()
                    .with_group_id(GroupId(s(group)))
                    .with_member_id(member.clone())
                    .with_generation_id(joined.generation_id);
                let synced = ask(stream, ApiKey::SyncGroup, 5, &request)?;
                return (synced.error_code == 0).then_some(joined.generation_id);
            }
            79 => *member = joined.member_id,
            // The member was not in the last record of its group.
            25 => *member = s(""),
            other => panic!("unexpected error {other}"),
        }
    }
    None
}

#[test]
fn acknowledged_commits_and_generations_survive_kills() {
    const GROUPS: usize = 4;
    let mut broker = BrokerProcess::start();
    produce(&broker.boot(), "t", 0, (0..3).map(|i| i.to_string()));
    let port = broker.port;
    let stop = Arc::new(AtomicBool::new(false));
    // Per group: the last offset sent, the last one acknowledged.
    let progress = Arc::new(Mutex::new([(0i64, 0i64); GROUPS]));
    let generations = Arc::new(Mutex::new(Vec::new()));
    let connect = move || TcpStream::connect(("127.0.0.1", port)).ok();
    let committer = |index: usize| {
        let (stop, progress) = (stop.clone(), progress.clone());
        std::thread::spawn(move || {
            let mut stream = None;
            while !stop.load(Ordering::Relaxed) {
                let Some(connected) = stream.as_mut() else {
                    stream = connect();
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let offset = progress.lock().unwrap()[index].0 + 1;
                progress.lock().unwrap()[index].0 = offset;
                match commit(connected, &format!("g{index}"), offset) {
                    Some(true) => progress.lock().unwrap()[index].1 = offset,
                    Some(false) => panic!("a commit was refused"),
                    None => stream = None,
                }
            }
        })
    };
    let member = {
        let (stop, generations) = (stop.clone(), generations.clone());
        std::thread::spawn(move || {
            let (mut stream, mut id) = (None, s(""));
            while !stop.load(Ordering::Relaxed) {
                let Some(connected) = stream.as_mut() else {
                    stream = connect();
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                match generation(connected, "members", &mut id) {
                    Some(generation) => generations.lock().unwrap().push(generation),
                    None => stream = None,
                }
            }
        })
    };
    let committers: Vec<_> = (0..GROUPS).map(committer).collect();
    for round in 0..12u64 {
        std::thread::sleep(Duration::from_millis(100 + round * 37 % 190));
        broker.crash();
        let known = *progress.lock().unwrap();
        broker.restart();
        let mut stream = wait_for("a connection", 10, connect);
        for (index, (_, acknowledged)) in known.iter().enumerate() {
            let found = fetch(&mut stream, &format!("g{index}")).expect("the broker answers");
            let sent = progress.lock().unwrap()[index].0;
            assert!(
                (*acknowledged..=sent).contains(&found),
                "round {round}: g{index} acknowledged {acknowledged}, sent {sent}, found {found}"
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    committers.into_iter().for_each(|thread| thread.join().unwrap());
    member.join().unwrap();
    assert!(progress.lock().unwrap().iter().all(|(_, acknowledged)| *acknowledged > 20), "{progress:?}");
    let generations = generations.lock().unwrap();
    assert!(generations.len() > 20, "only {} generations", generations.len());
    assert!(generations.windows(2).all(|pair| pair[0] < pair[1]), "a generation came twice");
}
