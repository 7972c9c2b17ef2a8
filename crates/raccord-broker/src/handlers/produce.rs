//! Produce, and what else is about producers.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, InitProducerIdResponse, ProduceRequest,
    ProduceResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{each_partition, find_partition, find_topic};
use crate::broker::Broker;
use crate::dispatch::text;
use crate::frame::Reply;
use crate::group::PartitionName;
use crate::group::state_log::ProducerTag;
use crate::log::{Appended, Header, LogError, Origin, PartitionLog};
use crate::topics::Topic;

/// First version with topic ids instead of names.
const TOPIC_IDS: i16 = 13;
/// First version that may carry zstd.
const ZSTD: i16 = 7;
const CODEC_ZSTD: u8 = 4;

/// Appends each partition's batch; every partition succeeds or fails for itself.
pub(crate) fn produce(broker: &Broker, request: ProduceRequest, version: i16) -> ProduceResponse {
    let terms =
        Terms { acks: request.acks, version, transactional_id: request.transactional_id.map(|id| id.0) };
    let responses =
        request.topic_data.into_iter().map(|topic| produce_topic(broker, topic, &terms)).collect();
    ProduceResponse::default().with_responses(responses)
}

/// What holds for all partitions of a request.
struct Terms {
    acks: i16,
    version: i16,
    transactional_id: Option<StrBytes>,
}

/// Without acks an error can only be told by closing the connection.
pub(crate) fn reply_without_acks(response: &ProduceResponse) -> Reply {
    let failed = response.responses.iter().flat_map(|t| &t.partition_responses).any(|p| p.error_code != 0);
    if failed { Reply::Close } else { Reply::Nothing }
}

fn produce_topic(broker: &Broker, data: TopicProduceData, terms: &Terms) -> TopicProduceResponse {
    let topic = find_topic(broker, &data.name, data.topic_id, terms.version >= TOPIC_IDS);
    let partitions = data
        .partition_data
        .into_iter()
        .map(|p| {
            let index = p.index;
            let done = match &topic {
                Err(code) => Err(Failure::Code(*code)),
                Ok(topic) if topic.is_internal() => Err(Failure::Code(ResponseError::InvalidTopicException)),
                Ok(topic) => find_partition(topic, index)
                    .map_err(Failure::Code)
                    .and_then(|log| append(broker, topic, &log, p, terms)),
            };
            respond(index, done)
        })
        .collect();
    TopicProduceResponse::default()
        .with_name(data.name)
        .with_topic_id(data.topic_id)
        .with_partition_responses(partitions)
}

enum Failure {
    Code(ResponseError),
    Log(LogError),
}

impl From<LogError> for Failure {
    fn from(e: LogError) -> Failure {
        Failure::Log(e)
    }
}

fn append(
    broker: &Broker,
    topic: &Topic,
    log: &PartitionLog,
    data: PartitionProduceData,
    terms: &Terms,
) -> Result<Appended, Failure> {
    let records = data.records.unwrap_or_default();
    check_form(&records, terms.version)?;
    if !(-1..=1).contains(&terms.acks) {
        return Err(LogError::RequiredAcks(terms.acks).into());
    }
    if terms.acks == -1 && log.settings().min_insync_replicas > 1 {
        return Err(LogError::NotEnoughReplicas.into());
    }
    let Some(producer) = transaction_of(&records) else {
        return Ok(log.append(records, Origin::Client)?);
    };
    let Some(id) = &terms.transactional_id else {
        return Err(
            LogError::TransactionState("a transactional batch came without a transactional id").into()
        );
    };
    // Under the transaction's lock: no record can land behind the marker that ends it.
    let partition = PartitionName { topic: (*topic.name).into(), partition: data.index };
    let appended =
        broker.txns().while_open(id, producer, &[partition], || log.append(records, Origin::Client));
    Ok(appended.map_err(Failure::Code)??)
}

/// The producer of a transactional batch.
fn transaction_of(records: &Bytes) -> Option<ProducerTag> {
    let header = Header::parse(records).ok()?;
    header.is_transactional().then_some(ProducerTag { id: header.producer_id, epoch: header.producer_epoch })
}

fn check_form(records: &Bytes, version: i16) -> Result<(), LogError> {
    let invalid =
        |what: &str| Err(LogError::InvalidRecord(format!("Produce requests with version {version} {what}")));
    if records.is_empty() {
        return invalid("must have at least one record batch per partition");
    }
    if records.len() > 16 && records[16] != 2 {
        return invalid("are only allowed to contain record batches with magic version 2");
    }
    if version < ZSTD && records.len() > 22 && records[22] & 0x07 == CODEC_ZSTD {
        return Err(LogError::UnsupportedCompression(format!(
            "Produce requests with version {version} are not allowed to use ZStandard compression"
        )));
    }
    Ok(())
}

fn respond(index: i32, done: Result<Appended, Failure>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match done {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time_ms)
            .with_log_start_offset(appended.log_start_offset),
        Err(failure) => {
            let response = response.with_base_offset(-1).with_log_start_offset(-1);
            match failure {
                Failure::Code(code) => response.with_error_code(code.code()),
                Failure::Log(e) => respond_error(response, &e),
            }
        }
    }
}

fn respond_error(response: PartitionProduceResponse, e: &LogError) -> PartitionProduceResponse {
    if let LogError::Storage(e) = e {
        tracing::error!(error = %e, "an append failed");
    }
    let message = text(e.to_string());
    let records = match e {
        LogError::MissingKeys(indexes) => indexes
            .iter()
            .map(|i| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(*i)
                    .with_batch_index_error_message(Some(message.clone()))
            })
            .collect(),
        _ => Vec::new(),
    };
    response.with_error_code(e.code().code()).with_record_errors(records).with_error_message(Some(message))
}

/// InitProducerId of an idempotent producer without transactions.
pub(crate) fn init_producer_id(broker: &Broker) -> InitProducerIdResponse {
    match broker.producer_ids().allocate() {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(0),
        Err(e) => {
            tracing::error!(error = %e, "cannot allocate producer ids");
            InitProducerIdResponse::default()
                .with_error_code(ResponseError::CoordinatorNotAvailable.code())
                .with_producer_id((-1).into())
                .with_producer_epoch(-1)
        }
    }
}

/// DescribeProducers.
pub(crate) fn describe_producers(
    broker: &Broker,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|t| {
            let partitions =
                each_partition(broker, &t.name, &t.partition_indexes, |p| *p, describe_partition);
            TopicResponse::default().with_name(t.name).with_partitions(partitions)
        })
        .collect();
    DescribeProducersResponse::default().with_topics(topics)
}

fn describe_partition(index: &i32, log: Result<Arc<PartitionLog>, ResponseError>) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(*index);
    let log = match log {
        Ok(log) => log,
        Err(code) => return response.with_error_code(code.code()),
    };
    let producers = log
        .producers()
        .iter()
        .map(|(id, p)| {
            ProducerState::default()
                .with_producer_id((*id).into())
                .with_producer_epoch(i32::from(p.epoch))
                .with_last_sequence(p.batches.back().map_or(-1, |b| b.last_sequence))
                .with_last_timestamp(p.last_timestamp_ms)
                .with_coordinator_epoch(p.coordinator_epoch)
                .with_current_txn_start_offset(p.open_from.unwrap_or(-1))
        })
        .collect();
    response.with_active_producers(producers)
}
