//! What each API does. One function per API, named like it; coordinator APIs live with the coordinators.

pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod fetch;
pub(crate) mod list_offsets;
pub(crate) mod metadata;
pub(crate) mod produce;
pub(crate) mod topics;

use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::TopicName;
use uuid::Uuid;

use crate::broker::Broker;
use crate::log::{LEADER_EPOCH, PartitionLog};
use crate::topics::Topic;

/// The topic that a request names, or by id where the version has ids.
pub(crate) fn find_topic(
    broker: &Broker,
    name: &TopicName,
    id: Uuid,
    by_id: bool,
) -> Result<Arc<Topic>, ResponseError> {
    if by_id {
        broker.topics().get_by_id(&id).ok_or(ResponseError::UnknownTopicId)
    } else {
        broker.topics().get(name).ok_or(ResponseError::UnknownTopicOrPartition)
    }
}

/// The partition of a topic.
pub(crate) fn find_partition(topic: &Topic, index: i32) -> Result<Arc<PartitionLog>, ResponseError> {
    topic.partition(index).ok_or(ResponseError::UnknownTopicOrPartition)
}

/// Answers for each partition of a topic for itself: `answer` gets what the request says about the partition, and its
/// log or why there is none.
pub(crate) fn each_partition<P, R>(
    broker: &Broker,
    topic: &TopicName,
    partitions: &[P],
    index: impl Fn(&P) -> i32,
    answer: impl Fn(&P, Result<Arc<PartitionLog>, ResponseError>) -> R,
) -> Vec<R> {
    let topic = broker.topics().get(topic).ok_or(ResponseError::UnknownTopicOrPartition);
    let log = |p| topic.as_ref().map_err(|code| *code).and_then(|t| find_partition(t, index(p)));
    partitions.iter().map(|p| answer(p, log(p))).collect()
}

/// Checks the leader epoch that a client believes in; -1 means that it does not say.
pub(crate) fn check_epoch(epoch: i32) -> Result<(), ResponseError> {
    match epoch {
        e if e < 0 || e == LEADER_EPOCH => Ok(()),
        e if e > LEADER_EPOCH => Err(ResponseError::UnknownLeaderEpoch),
        _ => Err(ResponseError::FencedLeaderEpoch),
    }
}

/// The two isolation levels on the wire; anything else reads as 0, as in Kafka's consumers.
pub(crate) fn isolation(level: i8) -> crate::log::Isolation {
    if level == 1 { crate::log::Isolation::ReadCommitted } else { crate::log::Isolation::ReadUncommitted }
}
