//! Creating, deleting and growing topics, and DeleteRecords.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_records_request::DeleteRecordsPartition;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::each_partition;
use crate::broker::Broker;
use crate::dispatch::text;
use crate::log::PartitionLog;
use crate::topic_config::{self, KEYS, Overrides};
use crate::topics::{NewTopic, TopicError, refuse};

const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// CreateTopics.
pub(crate) fn create_topics(
    broker: &Broker,
    request: CreateTopicsRequest,
    _version: i16,
) -> CreateTopicsResponse {
    let mut seen: HashMap<StrBytes, usize> = HashMap::new();
    for topic in &request.topics {
        *seen.entry(topic.name.0.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        match seen.get(&topic.name.0) {
            Some(0) | None => continue,
            Some(1) => results.push(create_topic(broker, topic, request.validate_only)),
            Some(_) => {
                seen.insert(topic.name.0.clone(), 0);
                let e = TopicError {
                    code: ResponseError::InvalidRequest,
                    message: "Duplicate topic name.".into(),
                };
                results.push(failed(CreatableTopicResult::default().with_name(topic.name), e));
            }
        }
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn failed(result: CreatableTopicResult, e: TopicError) -> CreatableTopicResult {
    result
        .with_error_code(e.code.code())
        .with_error_message(Some(text(e.message)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}

fn create_topic(broker: &Broker, topic: CreatableTopic, validate_only: bool) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    let created = plan(broker, &topic).and_then(|new| {
        if validate_only {
            Ok((Uuid::nil(), broker.topics().check_new(&new)?, new.overrides))
        } else {
            let created = broker.topics().create(&new)?;
            Ok((created.id, created.partition_count(), new.overrides))
        }
    });
    match created {
        Ok((id, partitions, overrides)) => result
            .with_topic_id(id)
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(Some(effective(broker, &overrides))),
        Err(e) => failed(result, e),
    }
}

/// Turns a request into a plan, checking what only a cluster of more nodes could do.
fn plan(broker: &Broker, topic: &CreatableTopic) -> Result<NewTopic, TopicError> {
    let mut partitions = topic.num_partitions;
    if !topic.assignments.is_empty() {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let message = "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.";
            return refuse(ResponseError::InvalidRequest, message);
        }
        let here = BrokerId(broker.config().node_id);
        let mut indexes: Vec<i32> = topic.assignments.iter().map(|a| a.partition_index).collect();
        indexes.sort_unstable();
        let consecutive = indexes.iter().enumerate().all(|(i, p)| i as i32 == *p);
        if !consecutive || topic.assignments.iter().any(|a| a.broker_ids != [here]) {
            let message = format!(
                "The manual partition assignment must give every partition from 0 on the one replica {}.",
                here.0
            );
            return refuse(ResponseError::InvalidReplicaAssignment, message);
        }
        partitions = indexes.len() as i32;
    } else if topic.replication_factor != -1 && topic.replication_factor <= 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return refuse(ResponseError::InvalidReplicationFactor, message);
    } else if topic.replication_factor > 1 {
        let n = topic.replication_factor;
        let message = format!(
            "Unable to replicate the partition {n} time(s): The target replication factor of {n} cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned."
        );
        return refuse(ResponseError::InvalidReplicationFactor, message);
    } else if partitions < -1 || partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return refuse(ResponseError::InvalidPartitions, message);
    }
    let mut overrides = Overrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!("Null value not supported for topic configs: {}", config.name);
            return refuse(ResponseError::InvalidConfig, message);
        };
        overrides.insert(config.name.to_string(), value.to_string());
    }
    Ok(NewTopic { name: topic.name.to_string(), partitions, overrides })
}

fn effective(broker: &Broker, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let changed = broker.topics().broker_overrides();
    KEYS.iter()
        .map(|key| {
            let source = if overrides.contains_key(key.name) {
                SOURCE_TOPIC
            } else if key.broker_name.is_some_and(|name| changed.contains_key(name)) {
                SOURCE_BROKER
            } else {
                SOURCE_DEFAULT
            };
            let value = topic_config::value(key, overrides, &changed, broker.config());
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(key.name))
                .with_value(Some(text(value)))
                .with_config_source(source)
        })
        .collect()
}

/// DeleteTopics, by name or (from version 6) by id.
pub(crate) fn delete_topics(
    broker: &Broker,
    request: DeleteTopicsRequest,
    version: i16,
) -> DeleteTopicsResponse {
    let wanted: Vec<DeleteTopicState> = if version >= 6 {
        request.topics
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)))
            .collect()
    };
    let responses = wanted
        .into_iter()
        .map(|t| {
            let result = DeletableTopicResult::default().with_name(t.name.clone()).with_topic_id(t.topic_id);
            match delete_topic(broker, &t) {
                Ok((name, id)) => result.with_name(Some(name.into())).with_topic_id(id),
                Err(e) => result.with_error_code(e.code.code()).with_error_message(Some(text(e.message))),
            }
        })
        .collect();
    DeleteTopicsResponse::default().with_responses(responses)
}

fn delete_topic(broker: &Broker, wanted: &DeleteTopicState) -> Result<(StrBytes, Uuid), TopicError> {
    let topic = match &wanted.name {
        Some(name) => broker.topics().get(name).ok_or(ResponseError::UnknownTopicOrPartition),
        None => broker.topics().get_by_id(&wanted.topic_id).ok_or(ResponseError::UnknownTopicId),
    };
    let topic = match topic {
        Ok(topic) => topic,
        Err(code) => return refuse(code, "This server does not host this topic-partition."),
    };
    if topic.is_internal() {
        let message = format!("{} holds the broker's own state and cannot be deleted.", topic.name);
        return refuse(ResponseError::InvalidTopicException, message);
    }
    broker.topics().delete(&topic)?;
    broker.topic_deleted(&topic.name);
    Ok((topic.name.clone(), topic.id))
}

/// CreatePartitions.
pub(crate) fn create_partitions(
    broker: &Broker,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let results = request
        .topics
        .into_iter()
        .map(|t| {
            let done = grow(broker, &t, request.validate_only);
            let result = CreatePartitionsTopicResult::default().with_name(t.name);
            match done {
                Ok(()) => result,
                Err(e) => result.with_error_code(e.code.code()).with_error_message(Some(text(e.message))),
            }
        })
        .collect();
    CreatePartitionsResponse::default().with_results(results)
}

fn grow(broker: &Broker, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), TopicError> {
    let Some(topic) = broker.topics().get(&wanted.name) else {
        return refuse(
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        );
    };
    if topic.is_internal() {
        let message = format!("the number of partitions of {} is fixed", topic.name);
        return refuse(ResponseError::InvalidTopicException, message);
    }
    if let Some(assignments) = &wanted.assignments {
        let here = BrokerId(broker.config().node_id);
        let more = wanted.count.saturating_sub(topic.partition_count());
        if assignments.len() as i32 != more || assignments.iter().any(|a| a.broker_ids != [here]) {
            let message =
                format!("Each of the {more} new partition(s) needs an assignment to replica {}.", here.0);
            return refuse(ResponseError::InvalidReplicaAssignment, message);
        }
    }
    broker.topics().add_partitions(&topic, wanted.count, validate_only)
}

/// DeleteRecords.
pub(crate) fn delete_records(broker: &Broker, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|t| {
            let partitions =
                each_partition(broker, &t.name, &t.partitions, |p| p.partition_index, delete_before);
            DeleteRecordsTopicResult::default().with_name(t.name).with_partitions(partitions)
        })
        .collect();
    DeleteRecordsResponse::default().with_topics(topics)
}

fn delete_before(
    p: &DeleteRecordsPartition,
    log: Result<Arc<PartitionLog>, ResponseError>,
) -> DeleteRecordsPartitionResult {
    let result = DeleteRecordsPartitionResult::default().with_partition_index(p.partition_index);
    let done = log.and_then(|log| match log.settings().cleanup.delete {
        true => log.delete_records(p.offset).map_err(|e| e.code()),
        false => Err(ResponseError::PolicyViolation),
    });
    match done {
        Ok(low) => result.with_low_watermark(low),
        Err(code) => result.with_low_watermark(-1).with_error_code(code.code()),
    }
}
