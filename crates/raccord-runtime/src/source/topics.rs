//! The topics that a source writes to: creating missing ones as the connector's `topic.creation.*` keys say, and knowing
//! which were written to.

use std::collections::HashSet;
use std::sync::Arc;

use raccord_plugin::{Error, ErrorKind, Result};
use tracing::info;

use crate::ports::{Admin, NewTopic};
use crate::topic_creation::{TopicGroups, shown};

/// Topics that the task has seen.
pub(super) struct Topics {
    creation: Option<Creation>,
    ready: HashSet<Arc<str>>,
    /// The topic of the last record.
    recent: Option<Arc<str>>,
}

/// How missing topics are created.
pub(super) struct Creation {
    pub(super) admin: Arc<dyn Admin>,
    pub(super) groups: TopicGroups,
}

impl Topics {
    /// Without `creation` no topic is created.
    pub(super) fn new(creation: Option<Creation>) -> Self {
        Self { creation, ready: HashSet::new(), recent: None }
    }

    /// Whether records may be sent to the topic without [`prepare`](Self::prepare).
    #[inline]
    pub(super) fn is_ready(&mut self, topic: &Arc<str>) -> bool {
        if self.recent.as_ref().is_some_and(|recent| Arc::ptr_eq(recent, topic) || recent == topic) {
            return true;
        }
        let ready = self.ready.contains(topic);
        if ready {
            self.recent = Some(topic.clone());
        }
        ready
    }

    /// Has every topic prepared anew before its next record.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
        self.recent = None;
    }

    /// Creates the topic if it is missing and that is wanted.
    ///
    /// # Errors
    /// Retriable while Kafka cannot be asked; fatal when it refuses.
    pub(super) async fn prepare(&mut self, topic: &Arc<str>) -> Result<()> {
        if let Some(creation) = &self.creation {
            creation.create_missing(topic).await?;
        }
        self.ready.insert(topic.clone());
        self.recent = Some(topic.clone());
        Ok(())
    }
}

impl Creation {
    async fn create_missing(&self, topic: &str) -> Result<()> {
        let existing =
            self.admin.describe_topics(&[topic]).await.map_err(|error| undescribed(topic, error))?;
        if !existing.is_empty() {
            return Ok(());
        }
        let group = self.groups.first_for(topic);
        let new = group.new_topic(topic);
        match self.admin.create_topics(std::slice::from_ref(&new)).await {
            Ok(_) => {
                info!(topic, group = group.name, "created topic");
                Ok(())
            }
            Err(error) => Err(uncreated(&new, error)),
        }
    }
}

/// The simple name of an error's Java class.
fn class_of(error: &Error) -> &'static str {
    error.java_class().rsplit('.').next().unwrap_or_default()
}

/// In the words of Connect's TopicAdmin.
fn undescribed(topic: &str, error: Error) -> Error {
    if error.kind() == ErrorKind::Retriable {
        return error;
    }
    let message = match class_of(&error) {
        "ClusterAuthorizationException" | "TopicAuthorizationException" => {
            format!("Not authorized to describe topic(s) '{topic}'")
        }
        _ => format!("Error while attempting to describe topics '{topic}'"),
    };
    error.causing(message)
}

/// In the words of Connect's TopicAdmin and AbstractWorkerSourceTask.
fn uncreated(new: &NewTopic, error: Error) -> Error {
    if error.kind() == ErrorKind::Retriable {
        return error;
    }
    let topic = &new.name;
    let message = match class_of(&error) {
        "ClusterAuthorizationException" | "TopicAuthorizationException" => format!(
            "Task failed to create new topic {}. Ensure that the task is authorized to create topics or that the topic \
             exists and restart the task",
            shown(new)
        ),
        // One is the other's kind in Kafka.
        "InvalidConfigurationException" | "InvalidReplicationFactorException" => {
            format!("Unable to create topic(s) '{topic}': {}", error.message())
        }
        _ => format!("Error while attempting to create/find topic(s) '{topic}'"),
    };
    error.causing(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raccord_plugin::RawConfig;

    #[test]
    fn errors_of_creating_a_topic_are_told_in_connects_words() {
        let new = NewTopic {
            name: "t".to_owned(),
            partitions: 1,
            replication_factor: 9,
            settings: RawConfig::new(),
        };
        let check = |class: &'static str, expect: &str| {
            let error = uncreated(&new, Error::config("why").class(class));
            assert_eq!(error.message(), expect);
            assert!(error.trace().ends_with(&format!("\nCaused by: {class}: why")));
        };
        check(
            "org.apache.kafka.common.errors.InvalidReplicationFactorException",
            "Unable to create topic(s) 't': why",
        );
        check(
            "org.apache.kafka.common.errors.PolicyViolationException",
            "Error while attempting to create/find topic(s) 't'",
        );
        check(
            "org.apache.kafka.common.errors.InvalidConfigurationException",
            "Unable to create topic(s) 't': why",
        );
        check(
            "org.apache.kafka.common.errors.TopicAuthorizationException",
            "Task failed to create new topic (name=t, numPartitions=1, replicationFactor=9, replicasAssignments=null, \
             configs={}). Ensure that the task is authorized to create topics or that the topic exists and restart \
             the task",
        );
        assert_eq!(uncreated(&new, Error::retriable("away")).message(), "away");
    }
}
