//! Which properties each Kafka client gets: those of the worker itself, and those of connectors and their tasks.
//!
//! Connectors' clients have Connect's defaults, then the worker's `producer.`, `consumer.` and `admin.` keys, then the
//! connector's `producer.override.` and the like; the later ones count. Whether a connector may override a property was
//! checked when its config was accepted.

use raccord_plugin::RawConfig;

use crate::config::{WorkerConfig, is_client_key};
use crate::task::TaskId;

/// What the worker's keys for the clients of connectors begin with: not for its own.
const PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

/// Properties of a task's producer: nothing is lost or reordered, however long Kafka is away.
pub(crate) fn producer(worker: &WorkerConfig, connector: &RawConfig, client_id: String) -> RawConfig {
    let mut properties = RawConfig::from([
        ("bootstrap.servers", worker.bootstrap_servers.join(",")),
        ("max.block.ms", i64::MAX.to_string()),
        ("enable.idempotence", "false".to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("client.id", client_id),
    ]);
    extend(&mut properties, worker.raw.with_prefix("producer."));
    extend(&mut properties, connector.with_prefix("producer.override."));
    properties
}

/// Properties of a sink task's consumer.
pub(crate) fn consumer(worker: &WorkerConfig, connector: &RawConfig, id: &TaskId) -> RawConfig {
    let mut properties = RawConfig::from([
        ("group.id", format!("connect-{}", id.connector)),
        ("client.id", format!("connector-consumer-{id}")),
        ("bootstrap.servers", worker.bootstrap_servers.join(",")),
        ("auto.offset.reset", "earliest".to_owned()),
    ]);
    extend(&mut properties, worker.raw.with_prefix("consumer."));
    extend(&mut properties, connector.with_prefix("consumer.override."));
    // Offsets are committed by the sink's loop alone.
    properties.insert("enable.auto.commit", "false".to_owned());
    properties
}

/// Properties of the admin client for a sink connector's group.
pub(crate) fn group_admin(worker: &WorkerConfig, connector: &RawConfig, name: &str) -> RawConfig {
    admin(worker, connector, format!("connector-worker-adminclient-{name}"))
}

/// Properties of an admin client that creates topics for a task. The worker's own keys count for admin clients as well, as
/// they always did: its `client.id` included.
pub(crate) fn admin(worker: &WorkerConfig, connector: &RawConfig, client_id: String) -> RawConfig {
    let mut properties = RawConfig::from([("client.id", client_id)]);
    extend(&mut properties, own_keys(worker));
    extend(&mut properties, worker.raw.with_prefix("admin."));
    extend(&mut properties, connector.with_prefix("admin.override."));
    properties
}

/// The consumer group of a sink connector.
pub(crate) fn sink_group(worker: &WorkerConfig, connector: &RawConfig, name: &str) -> String {
    let own = connector.get("consumer.override.group.id").or_else(|| worker.raw.get("consumer.group.id"));
    own.map_or_else(|| format!("connect-{name}"), str::to_owned)
}

/// Properties of the worker's clients for one purpose, such as an internal topic: all its keys but those for connectors.
pub fn internal(worker: &WorkerConfig, purpose: &str) -> RawConfig {
    let mut properties = own_keys(worker);
    let mut client_id = worker.group_id.clone();
    if !worker.client_id.trim().is_empty() {
        client_id = format!("{client_id}-{}", worker.client_id);
    }
    properties.insert("client.id", format!("{client_id}-{purpose}"));
    properties
}

/// Properties of the clients for a connector's own offsets topic: one set for its reader, its writer and the admin client,
/// with what the worker and the connector say for any of them.
pub(crate) fn own_offsets(worker: &WorkerConfig, connector: &RawConfig, name: &str) -> RawConfig {
    let mut properties = internal(worker, &format!("offsets-{name}"));
    for prefix in PREFIXES {
        extend(&mut properties, worker.raw.with_prefix(prefix));
        extend(&mut properties, connector.with_prefix(&format!("{prefix}override.")));
    }
    properties
}

/// The worker's keys that are properties of clients, without those for connectors' clients. `group.id` is the workers'
/// group, which is no client's.
fn own_keys(worker: &WorkerConfig) -> RawConfig {
    let own = worker.raw.iter().filter(|(key, _)| is_client_key(key));
    let mut properties: RawConfig =
        own.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
    properties.insert("bootstrap.servers", worker.bootstrap_servers.join(","));
    properties.remove("group.id");
    properties
}

fn extend(properties: &mut RawConfig, more: RawConfig) {
    for (key, value) in more {
        properties.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(raw: &[(&str, &str)]) -> WorkerConfig {
        WorkerConfig {
            raw: raw.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect(),
            bootstrap_servers: vec!["a:1".into(), "b:2".into()],
            group_id: "g".into(),
            ..WorkerConfig::default()
        }
    }

    fn check(properties: &RawConfig, key: &str, expect: Option<&str>) {
        assert_eq!(properties.get(key), expect, "{key}");
    }

    #[test]
    fn the_connector_overrides_the_worker_and_the_worker_the_defaults() {
        let worker = worker(&[
            ("producer.acks", "1"),
            ("producer.linger.ms", "7"),
            ("consumer.max.poll.records", "9"),
            ("admin.retries", "2"),
            ("admin.request.timeout.ms", "1000"),
            ("security.protocol", "SSL"),
            ("group.id", "g"),
        ]);
        let connector =
            RawConfig::from([("producer.override.linger.ms", "8"), ("admin.override.retries", "3")]);
        let id = TaskId { connector: "c".into(), task: 2 };
        let properties = producer(&worker, &connector, "connector-producer-c-2".to_owned());
        check(&properties, "acks", Some("1"));
        check(&properties, "linger.ms", Some("8"));
        check(&properties, "bootstrap.servers", Some("a:1,b:2"));
        check(&properties, "client.id", Some("connector-producer-c-2"));
        check(&properties, "security.protocol", None);
        let properties = consumer(&worker, &connector, &id);
        check(&properties, "group.id", Some("connect-c"));
        check(&properties, "max.poll.records", Some("9"));
        for properties in [admin(&worker, &connector, "a".to_owned()), group_admin(&worker, &connector, "c")]
        {
            check(&properties, "security.protocol", Some("SSL"));
            check(&properties, "retries", Some("3"));
            check(&properties, "request.timeout.ms", Some("1000"));
            check(&properties, "producer.acks", None);
            check(&properties, "group.id", None);
        }
    }

    #[test]
    fn the_worker_s_client_id_goes_before_that_of_admin_clients() {
        let client_id = |raw: &[(&str, &str)], connector: RawConfig| {
            admin(&worker(raw), &connector, "connector-adminclient-c-2".to_owned())
                .get("client.id")
                .map(str::to_owned)
        };
        let none = RawConfig::new();
        assert_eq!(client_id(&[], none.clone()).as_deref(), Some("connector-adminclient-c-2"));
        assert_eq!(client_id(&[("client.id", "w")], none.clone()).as_deref(), Some("w"));
        let prefixed = [("client.id", "w"), ("admin.client.id", "a")];
        assert_eq!(client_id(&prefixed, none).as_deref(), Some("a"));
        let own = RawConfig::from([("admin.override.client.id", "o")]);
        assert_eq!(client_id(&prefixed, own).as_deref(), Some("o"));
    }

    #[test]
    fn the_worker_s_own_clients_take_its_plain_keys_alone() {
        let mut worker = worker(&[
            ("security.protocol", "SSL"),
            ("producer.acks", "1"),
            ("admin.retries", "3"),
            ("group.id", "g"),
        ]);
        let properties = internal(&worker, "configs");
        check(&properties, "client.id", Some("g-configs"));
        check(&properties, "security.protocol", Some("SSL"));
        for key in ["producer.acks", "acks", "admin.retries", "retries", "group.id"] {
            check(&properties, key, None);
        }
        worker.client_id = "w1".to_owned();
        check(&internal(&worker, "configs"), "client.id", Some("g-w1-configs"));
    }

    #[test]
    fn a_sink_s_group() {
        let check = |raw: &[(&str, &str)], connector: RawConfig, expect: &str| {
            assert_eq!(sink_group(&worker(raw), &connector, "c"), expect);
        };
        check(&[], RawConfig::new(), "connect-c");
        check(&[("consumer.group.id", "w")], RawConfig::new(), "w");
        check(&[("consumer.group.id", "w")], RawConfig::from([("consumer.override.group.id", "own")]), "own");
    }
}
