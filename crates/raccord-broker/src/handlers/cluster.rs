//! The APIs about the cluster, which is this one node.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    ApiVersionsResponse, DescribeAclsResponse, DescribeClusterRequest, DescribeClusterResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    ListPartitionReassignmentsResponse, TopicName,
};

use super::metadata::{CLUSTER_OPERATIONS, NO_OPERATIONS, node_id};
use crate::broker::Broker;
use crate::dispatch::{APIS, text};

/// Stands for "an ApiVersions version we do not know" on the way to the handler.
pub(crate) const UNKNOWN_API_VERSIONS: i16 = -1;
/// First FindCoordinator version with a list of keys.
const BATCHED: i16 = 4;
const ENDPOINT_BROKERS: i8 = 1;

/// ApiVersions. Fields with default values stay out of the encoding: librdkafka before 2.2 mis-reads tagged fields.
pub(crate) fn api_versions(version: i16) -> ApiVersionsResponse {
    let keys = APIS
        .iter()
        .map(|api| {
            ApiVersion::default()
                .with_api_key(api.key as i16)
                .with_min_version(api.min)
                .with_max_version(api.max)
        })
        .collect();
    let error = if version == UNKNOWN_API_VERSIONS { ResponseError::UnsupportedVersion.code() } else { 0 };
    ApiVersionsResponse::default().with_api_keys(keys).with_error_code(error)
}

/// FindCoordinator: always here, for groups (type 0) and transactions (type 1).
pub(crate) fn find_coordinator(
    broker: &Broker,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let known = matches!(request.key_type, 0 | 1);
    let error = if known { 0 } else { ResponseError::InvalidRequest.code() };
    let message = (!known).then(|| text(format!("key type {} has no coordinator here", request.key_type)));
    let node = if known { node_id(broker) } else { (-1).into() };
    let (host, port) = if known { broker.advertised() } else { ("", 0) };
    if version < BATCHED {
        return FindCoordinatorResponse::default()
            .with_error_code(error)
            .with_error_message(message)
            .with_node_id(node)
            .with_host(text(host))
            .with_port(i32::from(port));
    }
    let coordinators = request
        .coordinator_keys
        .into_iter()
        .map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id(node)
                .with_host(text(host))
                .with_port(i32::from(port))
                .with_error_code(error)
                .with_error_message(message.clone())
        })
        .collect();
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

/// DescribeCluster.
pub(crate) fn describe_cluster(broker: &Broker, request: DescribeClusterRequest) -> DescribeClusterResponse {
    if request.endpoint_type != ENDPOINT_BROKERS {
        return DescribeClusterResponse::default()
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some(text("The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")))
            .with_cluster_authorized_operations(NO_OPERATIONS);
    }
    let (host, port) = broker.advertised();
    let node = DescribeClusterBroker::default()
        .with_broker_id(node_id(broker))
        .with_host(text(host))
        .with_port(i32::from(port));
    let operations =
        if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NO_OPERATIONS };
    DescribeClusterResponse::default()
        .with_endpoint_type(ENDPOINT_BROKERS)
        .with_cluster_id(text(broker.topics().cluster_id()))
        .with_controller_id(node_id(broker))
        .with_brokers(vec![node])
        .with_cluster_authorized_operations(operations)
}

/// DescribeAcls: there is no authorizer.
pub(crate) fn describe_acls() -> DescribeAclsResponse {
    DescribeAclsResponse::default()
        .with_error_code(ResponseError::SecurityDisabled.code())
        .with_error_message(Some(text("No Authorizer is configured.")))
}

/// ListPartitionReassignments: with one node nothing ever moves.
pub(crate) fn list_partition_reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}

/// DescribeLogDirs: the sizes of the partitions asked for, or of all.
pub(crate) fn describe_log_dirs(broker: &Broker, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted = |name: &str, partition: i32| match &request.topics {
        None => true,
        Some(topics) => {
            topics.iter().any(|t| t.topic.as_bytes() == name.as_bytes() && t.partitions.contains(&partition))
        }
    };
    let mut topics = Vec::new();
    for topic in broker.topics().all() {
        let partitions: Vec<_> = (0..)
            .zip(topic.partitions())
            .filter(|(p, _)| wanted(&topic.name, *p))
            .map(|(p, log)| {
                DescribeLogDirsPartition::default()
                    .with_partition_index(p)
                    .with_partition_size(i64::try_from(log.size_bytes()).unwrap_or(i64::MAX))
            })
            .collect();
        if !partitions.is_empty() {
            let name = TopicName(topic.name.clone());
            topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions));
        }
    }
    let dir = broker.config().data_dir.to_string_lossy().into_owned();
    let result = DescribeLogDirsResult::default().with_log_dir(text(dir)).with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}
