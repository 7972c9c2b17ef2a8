//! A request to produce, what a broker answers for each partition, and what becomes of the batch then.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::accumulator::{Failure, Place};
use super::batch::Batch;

/// A batch that is with a broker.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) place: Place,
    pub(super) topic: Arc<str>,
    pub(super) batch: Batch,
}

/// What is to become of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    Written,
    /// It may succeed when sent again.
    Again(Failure),
    /// Only smaller ones are taken.
    Smaller(Failure),
    /// Sending it again would not help.
    Refused(Refused),
}

/// Why a batch is refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) whole: Failure,
    /// Records that are the reason: their numbers in the batch. When there are any, the others are only in bad company.
    pub(super) records: Vec<(i32, Failure)>,
}

/// The request for batches of different partitions.
pub(super) fn request(sent: &mut [Sent], acks: i16, timeout_ms: i32) -> ProduceRequest {
    // A topic may be named once only.
    sent.sort_unstable_by_key(|sent| sent.place.topic);
    let topics = sent
        .chunk_by_mut(|one, other| one.place.topic == other.place.topic)
        .map(|batches| {
            let name = StrBytes::from_string(batches[0].topic.to_string());
            let partitions = batches.iter_mut().map(|sent| {
                PartitionProduceData::default()
                    .with_index(sent.place.partition as i32)
                    .with_records(Some(sent.batch.close()))
            });
            TopicProduceData::default().with_name(TopicName(name)).with_partition_data(partitions.collect())
        })
        .collect();
    ProduceRequest::default().with_acks(acks).with_timeout_ms(timeout_ms).with_topic_data(topics)
}

/// The fate of each batch, in their order. A broker that is silent about one is asked again.
pub(super) fn fates(sent: &[Sent], response: &ProduceResponse) -> Vec<Fate> {
    let mut answers: HashMap<(&str, usize), &PartitionProduceResponse> = HashMap::new();
    for topic in &response.responses {
        for partition in &topic.partition_responses {
            let index = usize::try_from(partition.index).unwrap_or(usize::MAX);
            answers.insert((topic.name.as_str(), index), partition);
        }
    }
    let fate = |sent: &Sent| match answers.get(&(&*sent.topic, sent.place.partition)) {
        Some(answer) => fate(answer),
        None => Fate::Again(Failure::new(RDKafkaErrorCode::NetworkException, None)),
    };
    sent.iter().map(fate).collect()
}

fn fate(answer: &PartitionProduceResponse) -> Fate {
    let Some(error) = ResponseError::try_from_code(answer.error_code) else { return Fate::Written };
    let failure = failure(answer.error_code, answer.error_message.as_ref().map(StrBytes::as_str));
    match error {
        ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => Fate::Smaller(failure),
        error if error.is_retriable() => Fate::Again(failure),
        _ => {
            let text = |message: &Option<StrBytes>| message.as_ref().map(|text| text.as_str().to_owned());
            let records = answer.record_errors.iter().map(|record| {
                let text = text(&record.batch_index_error_message);
                let text = text.unwrap_or_else(|| failure.text.clone());
                (record.batch_index, Failure { code: failure.code, text })
            });
            Fate::Refused(Refused { records: records.collect(), whole: failure })
        }
    }
}

/// A code of the protocol.
pub(super) fn failure(code: i16, text: Option<&str>) -> Failure {
    let code = RDKafkaRespErr::try_from(i32::from(code)).unwrap_or(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN);
    Failure::new(code.into(), text)
}
