//! What follows from the worker's config for the internal topics and the clients that read and write them.

use raccord_plugin::RawConfig;

use crate::config::WorkerConfig;
use crate::ports::LogTopic;

/// What overrides of connectors' clients begin with: not for the worker's own.
const CLIENT_PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

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

/// Properties of the clients for an internal topic: all keys of the worker but those for connectors.
pub fn internal_client(config: &WorkerConfig, purpose: &str) -> RawConfig {
    let mut properties = own_keys(config);
    let mut client_id = config.group_id.clone();
    if !config.client_id.trim().is_empty() {
        client_id = format!("{client_id}-{}", config.client_id);
    }
    properties.insert("client.id", format!("{client_id}-{purpose}"));
    // `group.id` is the workers' group; the readers of internal topics are in none.
    properties.remove("group.id");
    properties
}

/// Properties of the worker's own admin client.
pub fn admin_client(config: &WorkerConfig) -> RawConfig {
    let mut properties = internal_client(config, "admin");
    for (key, value) in config.raw.with_prefix("admin.") {
        properties.insert(key, value);
    }
    properties
}

fn own_keys(config: &WorkerConfig) -> RawConfig {
    let own =
        config.raw.iter().filter(|(key, _)| !CLIENT_PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
    let mut properties: RawConfig =
        own.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
    properties.insert("bootstrap.servers", config.bootstrap_servers.join(","));
    properties
}

/// Properties of the admin client for a sink connector's group.
pub fn connector_admin_client(config: &WorkerConfig, name: &str, connector: &RawConfig) -> RawConfig {
    let mut properties = own_keys(config);
    properties.remove("group.id");
    properties.insert("client.id", format!("connector-worker-adminclient-{name}"));
    for (key, value) in config.raw.with_prefix("admin.") {
        properties.insert(key, value);
    }
    for (key, value) in connector.with_prefix("admin.override.") {
        properties.insert(key, value);
    }
    properties
}

/// The consumer group of a sink connector.
pub fn sink_group(config: &WorkerConfig, name: &str, connector: &RawConfig) -> String {
    let own = connector.get("consumer.override.group.id").or_else(|| config.raw.get("consumer.group.id"));
    own.map_or_else(|| format!("connect-{name}"), str::to_owned)
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

    #[test]
    fn internal_clients_take_the_worker_s_keys() {
        let config = config(&[
            ("security.protocol", "SSL"),
            ("producer.acks", "1"),
            ("admin.retries", "3"),
            ("group.id", "g"),
        ]);
        let client = internal_client(&config, "configs");
        assert_eq!(client.get("client.id"), Some("g-configs"));
        assert_eq!(client.get("security.protocol"), Some("SSL"));
        assert!(!client.contains_key("producer.acks") && !client.contains_key("group.id"));
        assert_eq!(admin_client(&config).get("retries"), Some("3"));
        let connector = RawConfig::from([("admin.override.retries", "4")]);
        assert_eq!(connector_admin_client(&config, "c", &connector).get("retries"), Some("4"));
    }

    #[test]
    fn a_sink_s_group() {
        let check = |raw: &[(&str, &str)], connector: RawConfig, expect: &str| {
            assert_eq!(sink_group(&config(raw), "c", &connector), expect);
        };
        check(&[], RawConfig::new(), "connect-c");
        check(&[("consumer.group.id", "w")], RawConfig::new(), "w");
        check(&[("consumer.group.id", "w")], RawConfig::from([("consumer.override.group.id", "own")]), "own");
    }
}
