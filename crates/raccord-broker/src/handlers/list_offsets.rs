//! Offsets by time, and the end of a leader epoch.

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::{check_epoch, each_partition, isolation};
use crate::broker::Broker;
use crate::log::{Isolation, LEADER_EPOCH, PartitionLog, TimeQuery};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// ListOffsets.
pub(crate) fn list_offsets(
    broker: &Broker,
    request: ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let isolation = isolation(request.isolation_level);
    let topics = request
        .topics
        .into_iter()
        .map(|t| {
            let answer = |p: &ListOffsetsPartition, log: Result<Arc<PartitionLog>, _>| {
                let response =
                    ListOffsetsPartitionResponse::default().with_partition_index(p.partition_index);
                match log.and_then(|log| look_up(&log, p, isolation)) {
                    Ok(Some((offset, timestamp))) => response
                        .with_offset(offset)
                        .with_timestamp(timestamp)
                        .with_leader_epoch(if version >= 4 { LEADER_EPOCH } else { -1 }),
                    Ok(None) => response,
                    Err(code) => response.with_error_code(code.code()),
                }
            };
            let partitions = each_partition(broker, &t.name, &t.partitions, |p| p.partition_index, answer);
            ListOffsetsTopicResponse::default().with_name(t.name).with_partitions(partitions)
        })
        .collect();
    ListOffsetsResponse::default().with_topics(topics)
}

fn look_up(
    log: &PartitionLog,
    p: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<(i64, i64)>, ResponseError> {
    check_epoch(p.current_leader_epoch)?;
    let query = match p.timestamp {
        LATEST => TimeQuery::Latest,
        EARLIEST | EARLIEST_LOCAL => TimeQuery::Earliest,
        MAX_TIMESTAMP => TimeQuery::MaxTimestamp,
        LATEST_TIERED => return Ok(None),
        time if time >= 0 => TimeQuery::At(time),
        _ => return Err(ResponseError::UnsupportedVersion),
    };
    log.query(query, isolation).map_err(|e| e.code())
}

/// OffsetForLeaderEpoch: there is one epoch, and it ends where the log ends.
pub(crate) fn offset_for_leader_epoch(
    broker: &Broker,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|t| {
            let partitions = each_partition(broker, &t.topic, &t.partitions, |p| p.partition, epoch_end);
            OffsetForLeaderTopicResult::default().with_topic(t.topic).with_partitions(partitions)
        })
        .collect();
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

fn epoch_end(p: &OffsetForLeaderPartition, log: Result<Arc<PartitionLog>, ResponseError>) -> EpochEndOffset {
    let response =
        EpochEndOffset::default().with_partition(p.partition).with_leader_epoch(-1).with_end_offset(-1);
    match log.and_then(|log| check_epoch(p.current_leader_epoch).map(|()| log)) {
        Err(code) => response.with_error_code(code.code()),
        Ok(_) if p.leader_epoch < LEADER_EPOCH => response,
        // For a later epoch than any known the answer stays undefined, as Kafka's does.
        Ok(_) if p.leader_epoch > LEADER_EPOCH => response,
        Ok(log) => response.with_leader_epoch(LEADER_EPOCH).with_end_offset(log.high_watermark()),
    }
}
