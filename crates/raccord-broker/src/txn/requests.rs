//! The transaction requests on the wire.

use super::coordinator::{Cell, OFFSETS_TOPIC, TransactionCoordinator};
use super::state::{End, Init, NO_EPOCH, Status, Transaction};
use crate::group::fields::STRING_BYTES_MAX;
use crate::group::state_log::ProducerTag;
use crate::group::{Name, PartitionName};
use crate::request::RequestContext;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState as Described};
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, InitProducerIdResponse, ListTransactionsRequest, ListTransactionsResponse,
    ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};

/// From these versions on clients know PRODUCER_FENCED; before, they are told INVALID_PRODUCER_EPOCH.
const INIT_FENCED: i16 = 4;
const ADD_FENCED: i16 = 2;
const END_FENCED: i16 = 2;

fn outcome_code(outcome: Result<(), ResponseError>, version: i16, fenced_from: i16) -> i16 {
    match outcome {
        Ok(()) => 0,
        Err(ResponseError::ProducerFenced) if version < fenced_from => {
            ResponseError::InvalidProducerEpoch.code()
        }
        Err(error) => error.code(),
    }
}

fn text(name: &str) -> StrBytes {
    StrBytes::from_string(name.to_owned())
}

impl TransactionCoordinator {
    /// InitProducerId 0 to 5 with a transactional id.
    pub async fn init_producer_id(
        &self,
        _ctx: &RequestContext,
        request: InitProducerIdRequest,
        version: i16,
    ) -> InitProducerIdResponse {
        match self.init(&request) {
            Ok(producer) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(producer.id))
                .with_producer_epoch(producer.epoch),
            Err(error) => InitProducerIdResponse::default()
                .with_error_code(outcome_code(Err(error), version, INIT_FENCED))
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(NO_EPOCH),
        }
    }

    fn init(&self, request: &InitProducerIdRequest) -> Result<ProducerTag, ResponseError> {
        let id = request.transactional_id.as_ref().map_or("", |id| id.as_str());
        if id.is_empty() || id.len() > STRING_BYTES_MAX {
            return Err(ResponseError::InvalidRequest);
        }
        if request.transaction_timeout_ms <= 0
            || request.transaction_timeout_ms > self.settings.timeout_max_ms
        {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let claimed = match (request.producer_id.0, request.producer_epoch) {
            (-1, -1) => None,
            (-1, _) | (_, -1) => return Err(ResponseError::InvalidRequest),
            (id, epoch) => Some(ProducerTag { id, epoch }),
        };
        self.create(id)?;
        // Of an open transaction only the first round aborts, the second hands out the id.
        for _ in 0..2 {
            let done = self.with_known(id, |cell| {
                let now_ms = self.clock.now_ms();
                let fresh = || self.fresh_producer_id();
                match cell.transaction.init(claimed, request.transaction_timeout_ms, now_ms, fresh)? {
                    Init::Ready(next) => {
                        self.advance(cell, next)?;
                        Ok(Some(cell.transaction.producer()))
                    }
                    Init::AbortFirst(next) => {
                        self.advance(cell, next)?;
                        self.complete_if_prepared(cell);
                        Ok(None)
                    }
                }
            })?;
            if let Some(producer) = done {
                return Ok(producer);
            }
        }
        Err(ResponseError::ConcurrentTransactions)
    }

    /// AddPartitionsToTxn 0 to 3.
    pub async fn add_partitions_to_txn(
        &self,
        _ctx: &RequestContext,
        request: AddPartitionsToTxnRequest,
        version: i16,
    ) -> AddPartitionsToTxnResponse {
        let producer = ProducerTag {
            id: request.v3_and_below_producer_id.0,
            epoch: request.v3_and_below_producer_epoch,
        };
        let mut wanted = BTreeSet::new();
        let mut unknown = BTreeSet::new();
        for topic in &request.v3_and_below_topics {
            let name = Name::from(topic.name.as_str());
            for partition in &topic.partitions {
                let known = self.ports.has_partition(&name, *partition);
                let set = if known { &mut wanted } else { &mut unknown };
                set.insert(PartitionName { topic: name.clone(), partition: *partition });
            }
        }
        let code = if unknown.is_empty() {
            let outcome = self.add(&request.v3_and_below_transactional_id, producer, &wanted);
            outcome_code(outcome, version, ADD_FENCED)
        } else {
            // One that cannot be added keeps the others out as well.
            ResponseError::OperationNotAttempted.code()
        };
        let topics = request.v3_and_below_topics.into_iter().map(|topic| {
            let name = Name::from(topic.name.as_str());
            let result = |partition: &i32| {
                let missing = unknown.contains(&PartitionName { topic: name.clone(), partition: *partition });
                let code = if missing { ResponseError::UnknownTopicOrPartition.code() } else { code };
                AddPartitionsToTxnPartitionResult::default()
                    .with_partition_index(*partition)
                    .with_partition_error_code(code)
            };
            let results = topic.partitions.iter().map(result).collect();
            AddPartitionsToTxnTopicResult::default().with_name(topic.name).with_results_by_partition(results)
        });
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
    }

    fn add(
        &self,
        id: &str,
        producer: ProducerTag,
        partitions: &BTreeSet<PartitionName>,
    ) -> Result<(), ResponseError> {
        self.with_known(id, |cell| match cell.transaction.add(producer, partitions, self.clock.now_ms())? {
            Some(next) => self.advance(cell, next),
            None => Ok(()),
        })
    }

    /// AddOffsetsToTxn 0 to 3.
    pub async fn add_offsets_to_txn(
        &self,
        _ctx: &RequestContext,
        request: AddOffsetsToTxnRequest,
        version: i16,
    ) -> AddOffsetsToTxnResponse {
        let producer = ProducerTag { id: request.producer_id.0, epoch: request.producer_epoch };
        let partitions = BTreeSet::from([self.offsets_partition(&request.group_id)]);
        let outcome = self.add(&request.transactional_id, producer, &partitions);
        AddOffsetsToTxnResponse::default().with_error_code(outcome_code(outcome, version, ADD_FENCED))
    }

    fn offsets_partition(&self, group: &str) -> PartitionName {
        PartitionName { topic: OFFSETS_TOPIC.into(), partition: self.groups.partition_of(group) }
    }

    /// TxnOffsetCommit 0 to 3.
    pub async fn txn_offset_commit(
        &self,
        _ctx: &RequestContext,
        request: TxnOffsetCommitRequest,
        _version: i16,
    ) -> TxnOffsetCommitResponse {
        let producer = ProducerTag { id: request.producer_id.0, epoch: request.producer_epoch };
        let at = [self.offsets_partition(&request.group_id)];
        let commit = || self.groups.commit_in_transaction(&request);
        let outcomes = match self.while_open(&request.transactional_id, producer, &at, commit) {
            Ok(outcomes) => outcomes,
            Err(error) => self.refuse_offsets(&request, error),
        };
        let mut codes = outcomes.into_iter().map(|error| error.map_or(0, |error| error.code()));
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let answer = TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index);
                partitions.push(answer.with_error_code(codes.next().unwrap_or(0)));
            }
            let answer = TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone());
            topics.push(answer.with_partitions(partitions));
        }
        TxnOffsetCommitResponse::default().with_topics(topics)
    }

    /// One error for all, except that a partition that does not exist is told so.
    fn refuse_offsets(
        &self,
        request: &TxnOffsetCommitRequest,
        error: ResponseError,
    ) -> Vec<Option<ResponseError>> {
        let of_topic = |topic: &TxnOffsetCommitRequestTopic| {
            let judge = |index| match self.ports.has_partition(&topic.name, index) {
                true => Some(error),
                false => Some(ResponseError::UnknownTopicOrPartition),
            };
            topic.partitions.iter().map(|partition| judge(partition.partition_index)).collect::<Vec<_>>()
        };
        request.topics.iter().flat_map(of_topic).collect()
    }

    /// EndTxn 0 to 4.
    pub async fn end_txn(
        &self,
        _ctx: &RequestContext,
        request: EndTxnRequest,
        version: i16,
    ) -> EndTxnResponse {
        let producer = ProducerTag { id: request.producer_id.0, epoch: request.producer_epoch };
        let outcome = self.with_known(&request.transactional_id, |cell| {
            match cell.transaction.end(producer, request.committed, self.clock.now_ms())? {
                End::Already => Ok(()),
                End::Decided(next) => {
                    self.advance(cell, next)?;
                    // The decision is written: the transaction ends so, now or by the timer.
                    self.complete_if_prepared(cell);
                    Ok(())
                }
            }
        });
        EndTxnResponse::default().with_error_code(outcome_code(outcome, version, END_FENCED))
    }

    /// ListTransactions 0 and 1.
    pub async fn list_transactions(
        &self,
        _ctx: &RequestContext,
        request: ListTransactionsRequest,
        _version: i16,
    ) -> ListTransactionsResponse {
        let (known, unknown): (Vec<&StrBytes>, Vec<&StrBytes>) =
            request.state_filters.iter().partition(|name| Status::from_name(name).is_some());
        let unknown = unknown.into_iter().cloned().collect();
        let response = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
        if known.is_empty() && !request.state_filters.is_empty() {
            return response;
        }
        let now_ms = self.clock.now_ms();
        let wanted = |transaction: &Transaction| {
            (known.is_empty() || known.iter().any(|name| name.as_str() == transaction.status.name()))
                && (request.producer_id_filters.is_empty()
                    || request.producer_id_filters.contains(&ProducerId(transaction.producer_id)))
                && (request.duration_filter < 0 || now_ms - transaction.start_ms > request.duration_filter)
        };
        let mut states = Vec::new();
        for cell in self.all() {
            let cell = cell.lock();
            let transaction = &cell.transaction;
            if wanted(transaction) {
                let state = Listed::default().with_transactional_id(TransactionalId(text(&transaction.id)));
                let state = state.with_producer_id(ProducerId(transaction.producer_id));
                states
                    .push(state.with_transaction_state(StrBytes::from_static_str(transaction.status.name())));
            }
        }
        response.with_transaction_states(states)
    }

    /// DescribeTransactions 0.
    pub async fn describe_transactions(
        &self,
        _ctx: &RequestContext,
        request: DescribeTransactionsRequest,
        _version: i16,
    ) -> DescribeTransactionsResponse {
        let states = request.transactional_ids.into_iter().map(|id| {
            let state = match self.with_known(&id, |cell| Ok(described(cell))) {
                Ok(state) => state,
                Err(ResponseError::InvalidProducerIdMapping) => {
                    Described::default().with_error_code(ResponseError::TransactionalIdNotFound.code())
                }
                Err(error) => Described::default().with_error_code(error.code()),
            };
            state.with_transactional_id(id)
        });
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }
}

fn described(cell: &mut Cell) -> Described {
    let transaction = &cell.transaction;
    let mut topics: BTreeMap<&Name, Vec<i32>> = BTreeMap::new();
    for partition in &transaction.partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topic = |(name, partitions): (&Name, Vec<i32>)| {
        TopicData::default().with_topic(TopicName(text(name))).with_partitions(partitions)
    };
    Described::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.status.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.start_ms)
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.epoch)
        .with_topics(topics.into_iter().map(topic).collect())
}
