//! Metadata and DescribeTopicPartitions: which topics there are, and that this broker leads them all.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest,
    MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::dispatch::text;
use crate::log::LEADER_EPOCH;
use crate::topics::{NewTopic, Topic, check_name, is_internal};

/// Bits of what may be done with a topic or cluster when there are no ACLs (Kafka's `AclOperation` codes).
const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// The same for the cluster.
pub(crate) const CLUSTER_OPERATIONS: i32 = 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// "Not asked for."
pub(crate) const NO_OPERATIONS: i32 = i32::MIN;
/// Partitions in one DescribeTopicPartitions answer (`max.request.partition.size.limit`).
const PARTITIONS_MAX: i32 = 2000;

/// Metadata. Creates unknown topics where the client and the broker's settings allow it.
pub(crate) fn metadata(broker: &Broker, request: MetadataRequest, version: i16) -> MetadataResponse {
    let all = match &request.topics {
        None => true,
        // Version 0 has no null: an empty list means all.
        Some(topics) => version == 0 && topics.is_empty(),
    };
    let may_create = broker.config().auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
    let operations =
        if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { NO_OPERATIONS };
    let topics = if all {
        broker.topics().all().iter().map(|t| describe(broker, t, operations)).collect()
    } else {
        let wanted = request.topics.unwrap_or_default();
        wanted.into_iter().map(|t| look_up(broker, t, may_create, operations)).collect()
    };
    let (host, port) = broker.advertised();
    let node = MetadataResponseBroker::default()
        .with_node_id(node_id(broker))
        .with_host(text(host))
        .with_port(i32::from(port));
    let cluster =
        if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NO_OPERATIONS };
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(broker.topics().cluster_id())))
        .with_controller_id(node_id(broker))
        .with_topics(topics)
        .with_cluster_authorized_operations(cluster)
}

/// This broker's id, the leader and only replica of everything.
pub(crate) fn node_id(broker: &Broker) -> BrokerId {
    BrokerId(broker.config().node_id)
}

fn look_up(
    broker: &Broker,
    wanted: MetadataRequestTopic,
    create: bool,
    operations: i32,
) -> MetadataResponseTopic {
    let failed = |name: Option<TopicName>, code: ResponseError| {
        MetadataResponseTopic::default()
            .with_name(name)
            .with_topic_id(wanted.topic_id)
            .with_error_code(code.code())
            .with_topic_authorized_operations(NO_OPERATIONS)
    };
    let Some(name) = wanted.name.clone() else {
        return match broker.topics().get_by_id(&wanted.topic_id) {
            Some(topic) => describe(broker, &topic, operations),
            None => failed(None, ResponseError::UnknownTopicId),
        };
    };
    if let Some(topic) = broker.topics().get(&name) {
        return describe(broker, &topic, operations);
    }
    if check_name(&name).is_err() {
        return failed(Some(name), ResponseError::InvalidTopicException);
    }
    if !create || is_internal(&name) {
        return failed(Some(name), ResponseError::UnknownTopicOrPartition);
    }
    let new = NewTopic { name: name.to_string(), partitions: -1, ..NewTopic::default() };
    match broker.topics().create(&new) {
        Ok(topic) => {
            tracing::info!(topic = %name.0, "created a topic on first use");
            describe(broker, &topic, operations)
        }
        Err(e) if e.code == ResponseError::TopicAlreadyExists => match broker.topics().get(&name) {
            Some(topic) => describe(broker, &topic, operations),
            None => failed(Some(name), ResponseError::UnknownTopicOrPartition),
        },
        Err(e) => failed(Some(name), e.code),
    }
}

fn describe(broker: &Broker, topic: &Arc<Topic>, operations: i32) -> MetadataResponseTopic {
    let node = node_id(broker);
    let partitions = (0..topic.partition_count())
        .map(|p| {
            MetadataResponsePartition::default()
                .with_partition_index(p)
                .with_leader_id(node)
                .with_leader_epoch(LEADER_EPOCH)
                .with_replica_nodes(vec![node])
                .with_isr_nodes(vec![node])
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(topic.name.clone())))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions)
        .with_topic_authorized_operations(operations)
}

/// DescribeTopicPartitions: like Metadata, page by page.
pub(crate) fn describe_topic_partitions(
    broker: &Broker,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<StrBytes> = if request.topics.is_empty() {
        broker.topics().all().iter().map(|t| t.name.clone()).collect()
    } else {
        request.topics.into_iter().map(|t| t.name.0).collect()
    };
    names.sort();
    names.dedup();
    let mut rest = request.response_partition_limit.clamp(1, PARTITIONS_MAX);
    let mut first = 0;
    if let Some(cursor) = request.cursor {
        names.retain(|name| *name >= cursor.topic_name.0);
        if names.first() == Some(&cursor.topic_name.0) {
            first = cursor.partition_index.max(0);
        }
    }
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        if rest == 0 {
            let cursor = Cursor::default().with_topic_name(TopicName(name)).with_partition_index(first);
            return response.with_next_cursor(Some(cursor));
        }
        let Some(topic) = broker.topics().get(&name) else {
            let code = match check_name(&name) {
                Ok(()) => ResponseError::UnknownTopicOrPartition,
                Err(e) => e.code,
            };
            let unknown = DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(TopicName(name)))
                .with_error_code(code.code())
                .with_topic_authorized_operations(NO_OPERATIONS);
            response.topics.push(unknown);
            continue;
        };
        let count = topic.partition_count();
        let last = count.min(first.saturating_add(rest));
        response.topics.push(page(broker, &topic, first..last));
        rest -= (last - first).max(0);
        if last < count {
            let cursor = Cursor::default().with_topic_name(TopicName(name)).with_partition_index(last);
            return response.with_next_cursor(Some(cursor));
        }
        first = 0;
    }
    response
}

fn page(broker: &Broker, topic: &Topic, range: std::ops::Range<i32>) -> DescribeTopicPartitionsResponseTopic {
    let node = node_id(broker);
    let partitions = range
        .map(|p| {
            DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(p)
                .with_leader_id(node)
                .with_leader_epoch(LEADER_EPOCH)
                .with_replica_nodes(vec![node])
                .with_isr_nodes(vec![node])
                .with_eligible_leader_replicas(Some(Vec::new()))
                .with_last_known_elr(Some(Vec::new()))
        })
        .collect();
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(topic.name.clone())))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions)
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
}
