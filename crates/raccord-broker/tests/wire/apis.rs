//! Every API in every version the broker advertises.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;

use crate::client::*;

#[test]
fn produce_and_fetch_in_every_version() {
    let broker = Running::start();
    let mut client = broker.client();
    assert_eq!(client.create("t", 1, &[]), 0);
    let id = client.topic_id("t");
    let mut count = 0;
    for version in 3..=13 {
        let mut request = produce_request("t", batch(&["a", "b"], NOBODY), 1);
        if version >= 13 {
            request.topic_data[0].name = Default::default();
            request.topic_data[0].topic_id = id;
        }
        let response = client.call(&request, version);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, count), "version {version}");
        count += 2;
    }
    for version in 4..=18 {
        let mut request = fetch_request("t", 3);
        if version >= 13 {
            request.topics[0].topic = Default::default();
            request.topics[0].topic_id = id;
        }
        let response = client.call(&request, version);
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark, data.last_stable_offset), (0, count, count));
        let records = decode(data.records.clone().expect("records"));
        assert_eq!(records.iter().filter(|r| r.offset >= 3).count() as i64, count - 3, "version {version}");
    }
    // A topic id that nobody has.
    let mut request = fetch_request("t", 0);
    request.topics[0].topic = Default::default();
    request.topics[0].topic_id = uuid::Uuid::new_v4();
    let code = client.call(&request, 13).responses[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::UnknownTopicId.code());
}

#[test]
fn every_advertised_version_of_every_api_is_answered() {
    let broker = Running::start();
    let mut client = broker.client();
    let versions = client.call(&ApiVersionsRequest::default(), 3);
    let range = |key: i16| {
        let found = versions.api_keys.iter().find(|k| k.api_key == key);
        found.map(|k| k.min_version..=k.max_version).unwrap_or_else(|| panic!("API {key} is not advertised"))
    };
    assert_eq!(range(ApiKey::EndTxn as i16), 0..=4);
    assert!(!versions.api_keys.iter().any(|k| k.api_key == 68 || k.api_key == 69), "no KIP-848 groups");
    assert!(versions.supported_features.is_empty());
    assert_eq!(client.create("t", 2, &[("cleanup.policy", "compact")]), 0);
    let topic = || text("t");
    macro_rules! all {
        ($request:ty, |$v:ident| $make:expr) => {
            for $v in range(<$request>::KEY) {
                client.call::<$request>(&$make, $v);
            }
        };
    }
    all!(MetadataRequest, |v| MetadataRequest::default().with_topics(if v == 0 {
        Some(Vec::new())
    } else {
        None
    }));
    all!(ApiVersionsRequest, |_v| ApiVersionsRequest::default());
    all!(ListOffsetsRequest, |_v| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(topic().into()).with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    });
    all!(FindCoordinatorRequest, |v| match v {
        0..=3 => FindCoordinatorRequest::default().with_key(text("g")),
        _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g"), text("h")]),
    });
    all!(DescribeClusterRequest, |_v| DescribeClusterRequest::default());
    all!(DescribeAclsRequest, |_v| DescribeAclsRequest::default());
    all!(DescribeLogDirsRequest, |_v| DescribeLogDirsRequest::default().with_topics(None));
    all!(DescribeTopicPartitionsRequest, |_v| {
        DescribeTopicPartitionsRequest::default().with_response_partition_limit(1)
    });
    all!(ListPartitionReassignmentsRequest, |_v| ListPartitionReassignmentsRequest::default());
    all!(DescribeConfigsRequest, |_v| {
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic())
            .with_configuration_keys(None);
        DescribeConfigsRequest::default().with_resources(vec![resource])
    });
    all!(AlterConfigsRequest, |_v| {
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic());
        AlterConfigsRequest::default().with_resources(vec![resource])
    });
    all!(IncrementalAlterConfigsRequest, |_v| {
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic());
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    });
    all!(CreatePartitionsRequest, |_v| {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic().into())
            .with_count(2);
        CreatePartitionsRequest::default().with_topics(vec![topic])
    });
    all!(DeleteRecordsRequest, |_v| {
        let partition = delete_records_request::DeleteRecordsPartition::default();
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic().into())
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    });
    all!(OffsetForLeaderEpochRequest, |_v| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic().into())
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    });
    all!(DescribeProducersRequest, |_v| {
        let topic = describe_producers_request::TopicRequest::default()
            .with_name(topic().into())
            .with_partition_indexes(vec![0, 9]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    });
    all!(InitProducerIdRequest, |_v| InitProducerIdRequest::default().with_transactional_id(None));
    all!(CreateTopicsRequest, |v| {
        let topic = CreatableTopic::default().with_name(text(&format!("c{v}")).into()).with_num_partitions(1);
        CreateTopicsRequest::default().with_topics(vec![topic.with_replication_factor(1)])
    });
    all!(DeleteTopicsRequest, |v| {
        let name: TopicName = text(&format!("c{}", v.max(2))).into();
        match v {
            0..=5 => DeleteTopicsRequest::default().with_topic_names(vec![name]),
            _ => {
                let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
                DeleteTopicsRequest::default().with_topics(vec![topic])
            }
        }
    });
    all!(OffsetCommitRequest, |_v| OffsetCommitRequest::default().with_group_id(text("g").into()));
    all!(OffsetFetchRequest, |v| match v {
        0..=7 => OffsetFetchRequest::default().with_group_id(text("g").into()),
        _ => OffsetFetchRequest::default(),
    });
    all!(JoinGroupRequest, |_v| JoinGroupRequest::default());
    all!(SyncGroupRequest, |_v| SyncGroupRequest::default());
    all!(HeartbeatRequest, |_v| HeartbeatRequest::default());
    all!(LeaveGroupRequest, |_v| LeaveGroupRequest::default());
    all!(DescribeGroupsRequest, |_v| DescribeGroupsRequest::default().with_groups(vec![text("g").into()]));
    all!(ListGroupsRequest, |_v| ListGroupsRequest::default());
    all!(DeleteGroupsRequest, |_v| DeleteGroupsRequest::default().with_groups_names(vec![text("g").into()]));
    all!(OffsetDeleteRequest, |_v| OffsetDeleteRequest::default().with_group_id(text("g").into()));
    all!(AddOffsetsToTxnRequest, |_v| AddOffsetsToTxnRequest::default());
    all!(AddPartitionsToTxnRequest, |_v| AddPartitionsToTxnRequest::default());
    all!(EndTxnRequest, |_v| EndTxnRequest::default());
    all!(TxnOffsetCommitRequest, |_v| TxnOffsetCommitRequest::default());
    all!(ListTransactionsRequest, |_v| ListTransactionsRequest::default());
    all!(DescribeTransactionsRequest, |_v| DescribeTransactionsRequest::default());
}

#[test]
fn metadata_tells_the_address_listened_on_and_creates_topics_where_allowed() {
    let broker = Running::start();
    let mut client = broker.client();
    let ask = |client: &mut Client, name: &str, create: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(text(name).into()));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(create);
        client.call(&request, 9)
    };
    let response = ask(&mut client, "made", true);
    let port = broker.handle.as_ref().expect("runs").local_addr().port();
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("127.0.0.1", i32::from(port)));
    assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 1));
    let code = |name: &str, create| ask(&mut broker.client(), name, create).topics[0].error_code;
    assert_eq!(code("not-made", false), ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(code("bad name!", true), ResponseError::InvalidTopicException.code());
    let closed = Running::start_with(|c| c.auto_create_topics = false);
    let code = ask(&mut closed.client(), "x", true).topics[0].error_code;
    assert_eq!(code, ResponseError::UnknownTopicOrPartition.code());
}

#[test]
fn topics_are_refused_with_kafkas_codes() {
    let broker = Running::start_with(|c| c.max_partitions = 20);
    let mut client = broker.client();
    assert_eq!(client.create("a.b", 2, &[]), 0);
    for (name, partitions, configs, expect) in [
        ("a.b", 1, &[][..], ResponseError::TopicAlreadyExists),
        ("a_b", 1, &[], ResponseError::InvalidTopicException),
        ("", 1, &[], ResponseError::InvalidTopicException),
        ("..", 1, &[], ResponseError::InvalidTopicException),
        (&"x".repeat(250), 1, &[], ResponseError::InvalidTopicException),
        ("sp ace", 1, &[], ResponseError::InvalidTopicException),
        ("zero", 0, &[], ResponseError::InvalidPartitions),
        ("minus", -5, &[], ResponseError::InvalidPartitions),
        ("many", 1000, &[], ResponseError::PolicyViolation),
        ("conf", 1, &[("no.such", "1")], ResponseError::InvalidConfig),
        ("conf", 1, &[("retention.ms", "soon")], ResponseError::InvalidConfig),
    ] {
        assert_eq!(client.create(name, partitions, configs), expect.code(), "{name}");
    }
    assert_eq!(client.create(&"x".repeat(249), 1, &[]), 0);
}

#[test]
fn a_fetch_waits_for_data_and_no_longer() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let started = Instant::now();
    let request = fetch_request("t", 0).with_max_wait_ms(300);
    let empty = client.call(&request, 12).responses[0].partitions[0].clone();
    assert!(empty.records.unwrap_or_default().is_empty());
    let waited = started.elapsed();
    assert!((300..1500).contains(&waited.as_millis()), "{waited:?}");

    let started = Instant::now();
    client.send(&request.clone().with_max_wait_ms(10_000), 12);
    std::thread::sleep(Duration::from_millis(100));
    broker.client().produce("t", batch(&["now"], NOBODY));
    let (_, response) = client.receive::<FetchRequest>(12);
    assert!(started.elapsed() < Duration::from_secs(3), "woken by the append");
    assert_eq!(decode(response.responses[0].partitions[0].records.clone().expect("records")).len(), 1);

    // More bytes than there will be: the wait runs to its end, and what is there is given.
    let started = Instant::now();
    let response = client.call(&request.with_min_bytes(1 << 20), 12);
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(decode(response.responses[0].partitions[0].records.clone().expect("records")).len(), 1);
}

#[test]
fn producing_without_acks_gets_no_answer_and_an_error_closes() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    client.send(&produce_request("t", batch(&["quiet"], NOBODY), 0), 9);
    assert_eq!(client.values("t", 0), ["quiet"], "the next answer is the fetch's");
    client.send(&produce_request("none", batch(&["quiet"], NOBODY), 0), 9);
    client.expect_closed("a failed produce without acks");
}

#[test]
fn produce_errors_are_kafkas() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[("max.message.bytes", "200")]);
    client.create("isr", 1, &[("min.insync.replicas", "2")]);
    client.create("compact", 1, &[("cleanup.policy", "compact")]);
    let code = |client: &mut Client, topic: &str, records: Bytes| client.produce(topic, records).error_code;
    let large = batch(&[&(0..200).map(|i| format!("{}", i * 7919 % 1009)).collect::<String>()], NOBODY);
    assert_eq!(code(&mut client, "t", large), ResponseError::MessageTooLarge.code());
    assert_eq!(code(&mut client, "t", Bytes::new()), ResponseError::InvalidRecord.code());
    assert_eq!(
        code(&mut client, "none", batch(&["x"], NOBODY)),
        ResponseError::UnknownTopicOrPartition.code()
    );
    assert_eq!(code(&mut client, "isr", batch(&["x"], NOBODY)), ResponseError::NotEnoughReplicas.code());
    assert_eq!(code(&mut client, "compact", batch(&["x"], NOBODY)), 0);
    let bad_acks = client.call(&produce_request("t", batch(&["x"], NOBODY), 7), 9);
    let bad_acks = bad_acks.responses[0].partition_responses[0].error_code;
    assert_eq!(bad_acks, ResponseError::InvalidRequiredAcks.code());
}
