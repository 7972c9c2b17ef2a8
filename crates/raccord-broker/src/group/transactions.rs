//! Offsets that are committed inside a transaction.
//!
//! TxnOffsetCommit writes transactional records and keeps the offsets pending; the transaction coordinator ends them
//! with a marker. Both come in under the lock of the transaction, so no offset can slip in behind its marker.

use super::commits::Wish;
use super::coordinator::GroupCoordinator;
use super::membership::name;
use super::offsets::{Committed, Committer};
use super::records::{OffsetValue, RecordKey};
use super::state_log::{ProducerTag, StateLogError, StateRecord};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TxnOffsetCommitRequest;

impl GroupCoordinator {
    /// Takes the offsets of a TxnOffsetCommit whose transaction was found open. One outcome per partition, in order.
    pub fn commit_in_transaction(&self, request: &TxnOffsetCommitRequest) -> Vec<Option<ResponseError>> {
        let now_ms = self.clock.now_ms();
        let mut wishes = Vec::new();
        for topic in &request.topics {
            let topic_name = name(&topic.name);
            for p in &topic.partitions {
                let value = OffsetValue {
                    kafka_offset: p.committed_offset,
                    leader_epoch: p.committed_leader_epoch,
                    metadata: p.committed_metadata.as_ref().map_or_else(String::new, |m| m.to_string()),
                    commit_ms: now_ms,
                    expire_ms: -1,
                };
                wishes.push(self.wish(&topic_name, p.partition_index, value));
            }
        }
        if let Err(error) = self.commit_pending(request, &wishes) {
            wishes.iter_mut().for_each(|wish| wish.error = Some(wish.error.unwrap_or(error)));
        }
        wishes.into_iter().map(|wish| wish.error).collect()
    }

    fn commit_pending(&self, request: &TxnOffsetCommitRequest, wishes: &[Wish]) -> Result<(), ResponseError> {
        super::membership::check_group_id(&request.group_id)?;
        let who = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id,
            transactional: true,
        };
        let producer = ProducerTag { id: request.producer_id.0, epoch: request.producer_epoch };
        let outcome = self.with_group(&request.group_id, who.generation < 0, |cell| {
            cell.group.check_commit(&who)?;
            let granted = || wishes.iter().filter(|wish| wish.error.is_none());
            let record = |wish: &Wish| StateRecord {
                key: RecordKey::encode_offset(&request.group_id, &wish.partition),
                value: Some(wish.value.encode()),
            };
            let records: Vec<_> = granted().map(record).collect();
            if records.is_empty() {
                return Ok(());
            }
            let partition = self.partition_of(&request.group_id);
            let appended = self.log.append(partition, &records, self.clock.now_ms(), Some(producer));
            appended.map_err(|error| self.report(&request.group_id, &error))?;
            for wish in granted() {
                let commit = Committed { value: wish.value.clone(), order: self.next_commit() };
                cell.offsets.commit_pending(producer.id, wish.partition.clone(), commit);
            }
            self.note_open(&cell.group.id, producer.id);
            Ok(())
        })?;
        outcome.unwrap_or(Err(ResponseError::IllegalGeneration))
    }

    /// Ends a producer's transaction on a partition of `__consumer_offsets`: the marker, then memory.
    pub fn end_transaction(
        &self,
        partition: i32,
        producer: ProducerTag,
        committed: bool,
    ) -> Result<(), StateLogError> {
        self.log.append_marker(partition, producer, committed)?;
        for group in self.take_open(partition, producer.id) {
            let _ =
                self.with_group(&group, false, |cell| cell.offsets.end_transaction(producer.id, committed));
        }
        Ok(())
    }
}
