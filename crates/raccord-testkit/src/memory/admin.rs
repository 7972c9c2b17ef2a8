//! An admin client of the cluster.

use std::sync::Arc;

use async_trait::async_trait;
use raccord_plugin::{Error, Result, TopicPartition};
use raccord_runtime::ports::{Admin, GroupOffset, NewTopic, TopicDescription};

use super::cluster::Cluster;

/// An admin client.
pub struct MemoryAdmin {
    cluster: Arc<Cluster>,
}

impl MemoryAdmin {
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

fn in_use(group: &str) -> Error {
    Error::fatal(format!("The group {group} is not empty."))
        .class("org.apache.kafka.common.errors.GroupNotEmptyException")
}

#[async_trait]
impl Admin for MemoryAdmin {
    async fn cluster_id(&self) -> Result<Option<String>> {
        self.cluster.lock().answers()?;
        Ok(Some("memory".to_owned()))
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<String>> {
        let mut state = self.cluster.lock();
        state.answers()?;
        let mut created = Vec::new();
        for topic in topics {
            if let Some(error) = state.refusal(&topic.name, 0) {
                return Err(error);
            }
            if state.create(&topic.name, topic.partitions, topic.settings.clone()) {
                created.push(topic.name.clone());
            }
        }
        drop(state);
        self.cluster.changed();
        Ok(created)
    }

    async fn describe_topics(&self, names: &[&str]) -> Result<Vec<TopicDescription>> {
        let state = self.cluster.lock();
        state.answers()?;
        let describe = |name: &&str| {
            let partitions = state.topics.get(*name)?.partitions.len() as i32;
            Some(TopicDescription { name: (*name).to_owned(), partitions })
        };
        Ok(names.iter().filter_map(describe).collect())
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<GroupOffset>> {
        let state = self.cluster.lock();
        state.answers()?;
        let partitions = state.topics.get(topic).into_iter().flat_map(|topic| topic.partitions.iter());
        let end = |(records, partition): (&Vec<_>, i32)| GroupOffset {
            partition: TopicPartition { topic: topic.into(), partition },
            offset: records.len() as i64,
        };
        Ok(partitions.zip(0..).map(end).collect())
    }

    async fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>> {
        let state = self.cluster.lock();
        state.answers()?;
        let offsets = state.groups.get(group).into_iter().flat_map(|group| group.offsets.iter());
        Ok(offsets
            .map(|(partition, offset)| GroupOffset { partition: partition.clone(), offset: *offset })
            .collect())
    }

    async fn alter_group_offsets(&self, group: &str, offsets: &[GroupOffset]) -> Result<()> {
        let mut state = self.cluster.lock();
        state.answers()?;
        let unknown = offsets.iter().find(|offset| {
            let topic = state.topics.get(&*offset.partition.topic);
            topic.is_none_or(|topic| offset.partition.partition as usize >= topic.partitions.len())
        });
        if unknown.is_some() {
            return Err(Error::fatal("This server does not host this topic-partition.")
                .class("org.apache.kafka.common.errors.UnknownTopicOrPartitionException"));
        }
        let known = state.groups.entry(group.to_owned()).or_default();
        if !known.members.is_empty() {
            return Err(Error::fatal("The coordinator is not aware of this member.")
                .class("org.apache.kafka.common.errors.UnknownMemberIdException"));
        }
        known.offsets.extend(offsets.iter().map(|offset| (offset.partition.clone(), offset.offset)));
        Ok(())
    }

    async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()> {
        let mut state = self.cluster.lock();
        state.answers()?;
        let Some(known) = state.groups.get_mut(group) else { return Ok(()) };
        if !known.members.is_empty() {
            return Err(Error::fatal(
                "Deleting offsets of a topic is forbidden while the group is subscribed to it.",
            )
            .class("org.apache.kafka.common.errors.GroupSubscribedToTopicException"));
        }
        known.offsets.retain(|partition, _| !partitions.contains(partition));
        Ok(())
    }

    async fn delete_group(&self, group: &str) -> Result<()> {
        let mut state = self.cluster.lock();
        state.answers()?;
        if state.groups.get(group).is_some_and(|group| !group.members.is_empty()) {
            return Err(in_use(group));
        }
        state.groups.remove(group);
        Ok(())
    }
}
