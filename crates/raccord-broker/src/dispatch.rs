//! The one table of what this broker speaks: API keys with their version ranges, and the handler of each.
//!
//! A range is what is advertised *and* what is accepted. It may be narrower than Kafka's: EndTxn stops at 4 and no
//! `transaction.version` feature is shown, so clients take the classic transaction flow; the KIP-848 group keys are
//! left out, so consumers take the classic group protocol.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, StrBytes};

use crate::broker::Broker;
use crate::frame::Reply;
use crate::guard;
use crate::handlers::*;
use crate::{handlers, request::RequestContext};

/// One API this broker answers.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

const fn api(key: ApiKey, min: i16, max: i16) -> Api {
    Api { key, min, max }
}

/// All APIs, in key order.
pub(crate) const APIS: &[Api] = &[
    api(ApiKey::Produce, 3, 13),
    api(ApiKey::Fetch, 4, 18),
    api(ApiKey::ListOffsets, 1, 10),
    api(ApiKey::Metadata, 0, 13),
    api(ApiKey::OffsetCommit, 2, 9),
    api(ApiKey::OffsetFetch, 1, 9),
    api(ApiKey::FindCoordinator, 0, 6),
    api(ApiKey::JoinGroup, 0, 9),
    api(ApiKey::Heartbeat, 0, 4),
    api(ApiKey::LeaveGroup, 0, 5),
    api(ApiKey::SyncGroup, 0, 5),
    api(ApiKey::DescribeGroups, 0, 6),
    api(ApiKey::ListGroups, 0, 5),
    api(ApiKey::ApiVersions, 0, 4),
    api(ApiKey::CreateTopics, 2, 7),
    api(ApiKey::DeleteTopics, 1, 6),
    api(ApiKey::DeleteRecords, 0, 2),
    api(ApiKey::InitProducerId, 0, 5),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4),
    api(ApiKey::AddPartitionsToTxn, 0, 3),
    api(ApiKey::AddOffsetsToTxn, 0, 3),
    api(ApiKey::EndTxn, 0, 4),
    api(ApiKey::TxnOffsetCommit, 0, 3),
    api(ApiKey::DescribeAcls, 1, 3),
    api(ApiKey::DescribeConfigs, 1, 4),
    api(ApiKey::AlterConfigs, 0, 2),
    api(ApiKey::DescribeLogDirs, 1, 4),
    api(ApiKey::CreatePartitions, 0, 3),
    api(ApiKey::DeleteGroups, 0, 2),
    api(ApiKey::IncrementalAlterConfigs, 0, 1),
    api(ApiKey::ListPartitionReassignments, 0, 0),
    api(ApiKey::OffsetDelete, 0, 0),
    api(ApiKey::DescribeCluster, 0, 2),
    api(ApiKey::DescribeProducers, 0, 0),
    api(ApiKey::DescribeTransactions, 0, 0),
    api(ApiKey::ListTransactions, 0, 1),
    api(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Why a request gets no answer but a closed connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("API key {0} is not served here")]
    UnknownKey(i16),
    #[error("{0:?} version {1} is not served here")]
    UnknownVersion(ApiKey, i16),
    #[error("request does not parse: {0}")]
    Malformed(String),
    #[error("answer does not encode: {0}")]
    Encode(String),
}

/// The version range served for `key`.
pub(crate) fn lookup(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

fn decode<R: Decodable>(body: &mut Bytes, key: ApiKey, version: i16) -> Result<R, Refused> {
    guard::check(key, version, body).map_err(|e| Refused::Malformed(format!("{key:?} v{version}: {e}")))?;
    R::decode(body, version).map_err(|e| Refused::Malformed(format!("{key:?} v{version}: {e}")))
}

/// Handles one request. Handlers of the coordinators have the form
/// `async fn name(&self, ctx: &RequestContext, request: NameRequest, version: i16) -> NameResponse`.
pub(crate) async fn dispatch(
    broker: &Broker,
    ctx: &RequestContext,
    key: ApiKey,
    version: i16,
    mut body: Bytes,
) -> Result<Reply, Refused> {
    // Answers a request from an expression over the decoded request `$r`.
    macro_rules! answer {
        ($request:ty, |$r:ident| $body:expr) => {{
            let $r: $request = decode(&mut body, key, version)?;
            Reply::message(&$body, ctx.correlation_id, version)
        }};
    }
    // Boxed: coordinator futures hold whole requests; without the box each connection would carry the largest.
    macro_rules! coordinate {
        ($request:ty, $coordinator:ident . $method:ident) => {
            answer!($request, |r| Box::pin(broker.$coordinator().$method(ctx, r, version)).await)
        };
    }
    match key {
        ApiKey::Produce => {
            let request: ProduceRequest = decode(&mut body, key, version)?;
            let acks = request.acks;
            let response = produce::produce(broker, request, version);
            if acks == 0 {
                Ok(produce::reply_without_acks(&response))
            } else {
                Reply::message(&response, ctx.correlation_id, version)
            }
        }
        ApiKey::Fetch => {
            let request: FetchRequest = decode(&mut body, key, version)?;
            fetch::fetch(broker, ctx, request, version).await
        }
        ApiKey::ListOffsets => {
            answer!(ListOffsetsRequest, |r| list_offsets::list_offsets(broker, r, version))
        }
        ApiKey::Metadata => answer!(MetadataRequest, |r| metadata::metadata(broker, r, version)),
        ApiKey::OffsetForLeaderEpoch => {
            answer!(OffsetForLeaderEpochRequest, |r| list_offsets::offset_for_leader_epoch(broker, r))
        }
        ApiKey::ApiVersions if version == cluster::UNKNOWN_API_VERSIONS => {
            Reply::message(&cluster::api_versions(version), ctx.correlation_id, 0)
        }
        ApiKey::ApiVersions => answer!(ApiVersionsRequest, |_r| cluster::api_versions(version)),
        ApiKey::FindCoordinator => {
            answer!(FindCoordinatorRequest, |r| cluster::find_coordinator(broker, r, version))
        }
        ApiKey::DescribeCluster => answer!(DescribeClusterRequest, |r| cluster::describe_cluster(broker, r)),
        ApiKey::DescribeAcls => answer!(DescribeAclsRequest, |_r| cluster::describe_acls()),
        ApiKey::DescribeLogDirs => answer!(DescribeLogDirsRequest, |r| cluster::describe_log_dirs(broker, r)),
        ApiKey::CreateTopics => {
            answer!(CreateTopicsRequest, |r| topics::create_topics(broker, r, version))
        }
        ApiKey::DeleteTopics => {
            answer!(DeleteTopicsRequest, |r| topics::delete_topics(broker, r, version))
        }
        ApiKey::CreatePartitions => {
            answer!(CreatePartitionsRequest, |r| topics::create_partitions(broker, r))
        }
        ApiKey::DeleteRecords => answer!(DeleteRecordsRequest, |r| topics::delete_records(broker, r)),
        ApiKey::DescribeTopicPartitions => {
            answer!(DescribeTopicPartitionsRequest, |r| metadata::describe_topic_partitions(broker, r))
        }
        ApiKey::ListPartitionReassignments => {
            answer!(ListPartitionReassignmentsRequest, |_r| cluster::list_partition_reassignments())
        }
        ApiKey::DescribeConfigs => {
            answer!(DescribeConfigsRequest, |r| configs::describe_configs(broker, r, version))
        }
        ApiKey::AlterConfigs => answer!(AlterConfigsRequest, |r| configs::alter_configs(broker, r)),
        ApiKey::IncrementalAlterConfigs => {
            answer!(IncrementalAlterConfigsRequest, |r| configs::incremental_alter_configs(broker, r))
        }
        ApiKey::DescribeProducers => {
            answer!(DescribeProducersRequest, |r| produce::describe_producers(broker, r))
        }

        ApiKey::OffsetCommit => coordinate!(OffsetCommitRequest, groups.offset_commit),
        ApiKey::OffsetFetch => coordinate!(OffsetFetchRequest, groups.offset_fetch),
        ApiKey::JoinGroup => coordinate!(JoinGroupRequest, groups.join_group),
        ApiKey::Heartbeat => coordinate!(HeartbeatRequest, groups.heartbeat),
        ApiKey::LeaveGroup => coordinate!(LeaveGroupRequest, groups.leave_group),
        ApiKey::SyncGroup => coordinate!(SyncGroupRequest, groups.sync_group),
        ApiKey::DescribeGroups => coordinate!(DescribeGroupsRequest, groups.describe_groups),
        ApiKey::ListGroups => coordinate!(ListGroupsRequest, groups.list_groups),
        ApiKey::DeleteGroups => coordinate!(DeleteGroupsRequest, groups.delete_groups),
        ApiKey::OffsetDelete => coordinate!(OffsetDeleteRequest, groups.offset_delete),

        ApiKey::InitProducerId => {
            let request: InitProducerIdRequest = decode(&mut body, key, version)?;
            let response = match request.transactional_id {
                Some(_) => Box::pin(broker.txns().init_producer_id(ctx, request, version)).await,
                None => handlers::produce::init_producer_id(broker),
            };
            Reply::message(&response, ctx.correlation_id, version)
        }
        ApiKey::AddPartitionsToTxn => coordinate!(AddPartitionsToTxnRequest, txns.add_partitions_to_txn),
        ApiKey::AddOffsetsToTxn => coordinate!(AddOffsetsToTxnRequest, txns.add_offsets_to_txn),
        ApiKey::EndTxn => coordinate!(EndTxnRequest, txns.end_txn),
        ApiKey::TxnOffsetCommit => coordinate!(TxnOffsetCommitRequest, txns.txn_offset_commit),
        ApiKey::DescribeTransactions => coordinate!(DescribeTransactionsRequest, txns.describe_transactions),
        ApiKey::ListTransactions => coordinate!(ListTransactionsRequest, txns.list_transactions),
        other => Err(Refused::UnknownKey(other as i16)),
    }
}

/// Text for a field of an answer.
pub(crate) fn text(s: impl Into<String>) -> StrBytes {
    StrBytes::from_string(s.into())
}
