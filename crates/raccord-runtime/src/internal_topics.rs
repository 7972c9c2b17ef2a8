//! What follows from the worker's config for the internal topics.

use raccord_plugin::RawConfig;

use crate::config::WorkerConfig;
use crate::ports::LogTopic;

/// The config topic: one partition, always.
pub fn config_topic(config: &WorkerConfig) -> LogTopic {
    LogTopic {
        name: config.config_storage_topic.clone(),
        setting: "config.storage.topic",
        partitions: 1,
        partitions_exact: true,
        replication_factor: config.config_storage_replication_factor,
        settings: topic_settings(config, "config.storage."),
    }
}

/// The status topic.
pub fn status_topic(config: &WorkerConfig) -> LogTopic {
    LogTopic {
        name: config.status_storage_topic.clone(),
        setting: "status.storage.topic",
        partitions: config.status_storage_partitions,
        partitions_exact: false,
        replication_factor: config.status_storage_replication_factor,
        settings: topic_settings(config, "status.storage."),
    }
}

/// The offsets topic.
pub fn offset_topic(config: &WorkerConfig) -> LogTopic {
    LogTopic {
        name: config.offset_storage_topic.clone(),
        setting: "offset.storage.topic",
        partitions: config.offset_storage_partitions,
        partitions_exact: false,
        replication_factor: config.offset_storage_replication_factor,
        settings: topic_settings(config, "offset.storage."),
    }
}

/// A connector's own offsets topic, created like the worker's.
pub fn own_offset_topic(config: &WorkerConfig, name: &str) -> LogTopic {
    LogTopic { name: name.to_owned(), setting: "offsets.storage.topic", ..offset_topic(config) }
}

/// `config.storage.min.insync.replicas` and the like: topic configs with a prefix.
fn topic_settings(config: &WorkerConfig, prefix: &str) -> RawConfig {
    let mut settings = config.raw.with_prefix(prefix);
    for known in ["topic", "partitions", "replication.factor", "file.filename"] {
        settings.remove(known);
    }
    if settings.remove("cleanup.policy").is_some() {
        tracing::warn!("Ignoring '{prefix}cleanup.policy': internal topics are compacted");
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(raw: &[(&str, &str)]) -> WorkerConfig {
        WorkerConfig {
            raw: raw.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect(),
            bootstrap_servers: vec!["a:1".into()],
            group_id: "g".into(),
            config_storage_topic: "configs".into(),
            ..WorkerConfig::default()
        }
    }

    #[test]
    fn internal_topics_take_prefixed_settings() {
        let config = config(&[
            ("config.storage.topic", "configs"),
            ("config.storage.replication.factor", "1"),
            ("config.storage.min.insync.replicas", "2"),
            ("config.storage.cleanup.policy", "delete"),
        ]);
        let topic = config_topic(&config);
        assert_eq!(topic.name, "configs");
        assert!(topic.partitions_exact);
        assert_eq!(topic.settings, RawConfig::from([("min.insync.replicas", "2")]));
    }
}
