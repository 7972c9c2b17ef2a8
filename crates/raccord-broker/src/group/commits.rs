//! OffsetCommit, OffsetFetch and OffsetDelete on the wire.

use super::coordinator::{Cell, GroupCoordinator};
use super::fields::STRING_BYTES_MAX;
use super::membership::{check_group_id, name, text};
use super::offsets::{Committed, Committer};
use super::records::{OffsetValue, RecordKey};
use super::state::{GroupState, Name, PartitionName};
use super::state_log::StateRecord;
use crate::request::RequestContext;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;

/// From this version on OffsetFetch asks for several groups.
const FETCH_BATCH: i16 = 8;

/// An offset that a request wants to commit, and what became of it.
pub(super) struct Wish {
    pub partition: PartitionName,
    pub value: OffsetValue,
    pub error: Option<ResponseError>,
}

impl GroupCoordinator {
    /// A wish, refused at once if it cannot be granted whatever the group says.
    pub(super) fn wish(&self, topic: &Name, partition: i32, mut value: OffsetValue) -> Wish {
        let metadata_max = self.settings.offset_metadata_bytes_max.min(STRING_BYTES_MAX);
        let error = if !self.catalog.has_partition(topic, partition) {
            Some(ResponseError::UnknownTopicOrPartition)
        } else if value.metadata.len() > metadata_max {
            Some(ResponseError::OffsetMetadataTooLarge)
        } else {
            None
        };
        if error.is_some() {
            value.metadata = String::new();
        }
        Wish { partition: PartitionName { topic: topic.clone(), partition }, value, error }
    }

    /// OffsetCommit 2 to 9.
    pub async fn offset_commit(
        &self,
        _ctx: &RequestContext,
        request: OffsetCommitRequest,
        _version: i16,
    ) -> OffsetCommitResponse {
        let now_ms = self.clock.now_ms();
        let expire_ms = if request.retention_time_ms >= 0 {
            now_ms.saturating_add(request.retention_time_ms)
        } else {
            -1
        };
        let mut wishes = Vec::new();
        for topic in &request.topics {
            let topic_name = name(&topic.name);
            for p in &topic.partitions {
                let value = OffsetValue {
                    kafka_offset: p.committed_offset,
                    leader_epoch: p.committed_leader_epoch,
                    metadata: p.committed_metadata.as_ref().map_or_else(String::new, |m| m.to_string()),
                    commit_ms: now_ms,
                    expire_ms,
                };
                wishes.push(self.wish(&topic_name, p.partition_index, value));
            }
        }
        let who = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id_or_member_epoch,
            transactional: false,
        };
        if let Err(error) = self.commit_wishes(&request.group_id, &who, &mut wishes) {
            wishes.iter_mut().for_each(|wish| wish.error = Some(wish.error.unwrap_or(error)));
        }
        let mut outcomes = wishes.iter().map(|wish| wish.error.map_or(0, |error| error.code()));
        let topics = request.topics.iter().map(|topic| {
            let partition = |(index, error_code)| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(error_code)
            };
            let indexes: Vec<i32> = topic.partitions.iter().map(|p| p.partition_index).collect();
            let partitions = indexes.into_iter().zip(&mut outcomes).map(partition).collect();
            OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }

    fn commit_wishes(
        &self,
        group: &str,
        who: &Committer<'_>,
        wishes: &mut [Wish],
    ) -> Result<(), ResponseError> {
        if group.len() > STRING_BYTES_MAX {
            return Err(ResponseError::InvalidGroupId);
        }
        // A commit from outside any generation makes the group if need be: tools and manual assignment.
        let outcome = self.with_group(group, who.generation < 0, |cell| {
            cell.group.check_commit(who)?;
            if who.generation >= 0 {
                cell.group.note_commit(who.member_id, self.clock.now_ms());
                self.reschedule(cell);
            }
            let granted = || wishes.iter().filter(|wish| wish.error.is_none());
            let record = |wish: &Wish| StateRecord {
                key: RecordKey::encode_offset(group, &wish.partition),
                value: Some(wish.value.encode()),
            };
            let records: Vec<_> = granted().map(record).collect();
            if records.is_empty() {
                return Ok(());
            }
            self.append(group, &records)?;
            for wish in granted() {
                let order = self.next_commit();
                cell.offsets.commit(wish.partition.clone(), Committed { value: wish.value.clone(), order });
            }
            Ok(())
        })?;
        outcome.unwrap_or(Err(ResponseError::IllegalGeneration))
    }

    /// OffsetFetch 1 to 9.
    pub async fn offset_fetch(
        &self,
        _ctx: &RequestContext,
        request: OffsetFetchRequest,
        version: i16,
    ) -> OffsetFetchResponse {
        let stable = request.require_stable;
        if version < FETCH_BATCH {
            let asked = request.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect::<Vec<_>>()
            });
            let found = self.fetch_offsets(&request.group_id, asked, stable);
            let topics = found.into_iter().map(|(topic, partitions)| {
                let partitions = partitions.into_iter().map(Fetched::into_partition).collect();
                OffsetFetchResponseTopic::default().with_name(topic).with_partitions(partitions)
            });
            return OffsetFetchResponse::default().with_topics(topics.collect());
        }
        let groups = request.groups.into_iter().map(|group| {
            let asked = group.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect::<Vec<_>>()
            });
            let topics =
                self.fetch_offsets(&group.group_id, asked, stable).into_iter().map(|(topic, partitions)| {
                    let partitions = partitions.into_iter().map(Fetched::into_partitions).collect();
                    OffsetFetchResponseTopics::default().with_name(topic).with_partitions(partitions)
                });
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(topics.collect())
        });
        OffsetFetchResponse::default().with_groups(groups.collect())
    }

    /// Offsets of the partitions asked for, or all of the group. A group that does not exist has none; that is not an
    /// error.
    fn fetch_offsets(
        &self,
        group: &str,
        asked: Option<Vec<(TopicName, Vec<i32>)>>,
        stable: bool,
    ) -> Vec<(TopicName, Vec<Fetched>)> {
        let cell = self.find(group);
        let cell = cell.as_ref().map(|cell| cell.lock());
        let cell = cell.as_deref();
        match asked {
            Some(asked) => {
                let fetch = |(topic, indexes): (TopicName, Vec<i32>)| {
                    let topic_name = name(&topic);
                    let of = |index| PartitionName { topic: topic_name.clone(), partition: index };
                    let found = indexes.into_iter().map(|index| Fetched::of(cell, &of(index), stable));
                    let found = found.collect();
                    (topic, found)
                };
                asked.into_iter().map(fetch).collect()
            }
            None => {
                let mut topics: BTreeMap<Name, Vec<Fetched>> = BTreeMap::new();
                for partition in cell.into_iter().flat_map(|cell| cell.offsets.committed_partitions()) {
                    let found = Fetched::of(cell, partition, stable);
                    topics.entry(partition.topic.clone()).or_default().push(found);
                }
                topics.into_iter().map(|(topic, found)| (TopicName(text(&topic)), found)).collect()
            }
        }
    }

    /// OffsetDelete 0.
    pub async fn offset_delete(
        &self,
        _ctx: &RequestContext,
        request: OffsetDeleteRequest,
        _version: i16,
    ) -> OffsetDeleteResponse {
        let refuse = |error: ResponseError| OffsetDeleteResponse::default().with_error_code(error.code());
        if let Err(error) = check_group_id(&request.group_id) {
            return refuse(error);
        }
        let outcome = self.with_group(&request.group_id, false, |cell| {
            let is_consumer = cell.group.protocol_type.as_deref() == Some("consumer");
            if cell.group.state != GroupState::Empty && !is_consumer {
                return Err(ResponseError::NonEmptyGroup);
            }
            let mut deleted = Vec::new();
            let mut topics = Vec::new();
            for topic in &request.topics {
                let topic_name = name(&topic.name);
                let mut partitions = Vec::new();
                for p in &topic.partitions {
                    let partition = PartitionName { topic: topic_name.clone(), partition: p.partition_index };
                    let error_code = if !self.catalog.has_partition(&topic_name, p.partition_index) {
                        ResponseError::UnknownTopicOrPartition.code()
                    } else if cell.group.is_subscribed(&topic_name) {
                        ResponseError::GroupSubscribedToTopic.code()
                    } else {
                        if cell.offsets.partitions().any(|present| *present == partition) {
                            deleted.push(partition);
                        }
                        0
                    };
                    let answer =
                        OffsetDeleteResponsePartition::default().with_partition_index(p.partition_index);
                    partitions.push(answer.with_error_code(error_code));
                }
                let answer = OffsetDeleteResponseTopic::default().with_name(topic.name.clone());
                topics.push(answer.with_partitions(partitions));
            }
            self.remove_offsets(cell, &deleted)?;
            Ok(topics)
        });
        match outcome {
            Ok(Some(Ok(topics))) => OffsetDeleteResponse::default().with_topics(topics),
            Ok(Some(Err(error))) | Err(error) => refuse(error),
            Ok(None) => refuse(ResponseError::GroupIdNotFound),
        }
    }
}

/// The committed offset of a partition, -1 without one.
struct Fetched {
    partition: i32,
    kafka_offset: i64,
    leader_epoch: i32,
    metadata: String,
    error: Option<ResponseError>,
}

impl Fetched {
    fn of(cell: Option<&Cell>, partition: &PartitionName, stable: bool) -> Self {
        let mut found = Fetched {
            partition: partition.partition,
            kafka_offset: -1,
            leader_epoch: -1,
            metadata: String::new(),
            error: None,
        };
        let Some(cell) = cell else { return found };
        if stable && cell.offsets.is_unstable(partition) {
            found.error = Some(ResponseError::UnstableOffsetCommit);
            return found;
        }
        if let Some(commit) = cell.offsets.get(partition) {
            found.kafka_offset = commit.value.kafka_offset;
            found.leader_epoch = commit.value.leader_epoch;
            found.metadata = commit.value.metadata.clone();
        }
        found
    }

    fn into_partition(self) -> OffsetFetchResponsePartition {
        OffsetFetchResponsePartition::default()
            .with_partition_index(self.partition)
            .with_committed_offset(self.kafka_offset)
            .with_committed_leader_epoch(self.leader_epoch)
            .with_metadata(Some(StrBytes::from_string(self.metadata)))
            .with_error_code(self.error.map_or(0, |error| error.code()))
    }

    fn into_partitions(self) -> OffsetFetchResponsePartitions {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(self.partition)
            .with_committed_offset(self.kafka_offset)
            .with_committed_leader_epoch(self.leader_epoch)
            .with_metadata(Some(StrBytes::from_string(self.metadata)))
            .with_error_code(self.error.map_or(0, |error| error.code()))
    }
}
