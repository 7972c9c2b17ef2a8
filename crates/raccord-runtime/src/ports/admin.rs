//! Topics and groups, administered.

use async_trait::async_trait;
use raccord_plugin::{RawConfig, Result, TopicPartition};

/// A topic to create.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Partitions; -1 for the broker's default.
    pub partitions: i32,
    /// Replication factor; -1 for the broker's default.
    pub replication_factor: i16,
    /// Topic configs.
    pub settings: RawConfig,
}

/// A topic as it is.
#[derive(Clone, Debug)]
pub struct TopicDescription {
    /// Name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
}

/// A kafka_offset of a partition: one that a consumer group committed, or the partition's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The next kafka_offset to read.
    pub offset: i64,
}

/// An admin client. All calls are retriable errors while Kafka cannot be reached.
#[async_trait]
pub trait Admin: Send + Sync {
    /// The cluster's id; `None` when the broker does not say.
    ///
    /// # Errors
    /// Retriable when Kafka does not answer.
    async fn cluster_id(&self) -> Result<Option<String>>;

    /// Creates topics; one that exists already is no error. Says which were created.
    ///
    /// # Errors
    /// The broker's reason, in its own words, for the first topic that could not be created.
    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<String>>;

    /// Describes those of the topics that exist.
    ///
    /// # Errors
    /// The broker's reason.
    async fn describe_topics(&self, names: &[&str]) -> Result<Vec<TopicDescription>>;

    /// The end of each partition of a topic: the kafka_offset that its next record gets. Empty for an unknown topic.
    ///
    /// # Errors
    /// The broker's reason.
    async fn end_offsets(&self, topic: &str) -> Result<Vec<GroupOffset>>;

    /// The committed offsets of a group; empty for an unknown group.
    ///
    /// # Errors
    /// The broker's reason.
    async fn group_offsets(&self, group: &str) -> Result<Vec<GroupOffset>>;

    /// Sets committed offsets of a group without members.
    ///
    /// # Errors
    /// The broker's reason, e.g. that the group has members.
    async fn alter_group_offsets(&self, group: &str, offsets: &[GroupOffset]) -> Result<()>;

    /// Forgets the committed offsets of these partitions.
    ///
    /// # Errors
    /// The broker's reason.
    async fn delete_group_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<()>;

    /// Deletes a group; an unknown group is no error.
    ///
    /// # Errors
    /// The broker's reason, e.g. that the group has members.
    async fn delete_group(&self, group: &str) -> Result<()>;
}
