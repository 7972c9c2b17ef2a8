//! Which client properties the producers, consumers and admin clients of a task get: Connect's defaults, then the
//! worker's `producer.`, `consumer.` and `admin.` keys, then the connector's `producer.override.` and the like.
//!
//! Whether a connector may override a property was checked when its config was accepted.

use raccord_plugin::RawConfig;

use crate::config::WorkerConfig;
use crate::task::TaskId;

/// What overrides and defaults of clients begin with in worker and connector configs.
const PREFIXES: [&str; 3] = ["producer.", "consumer.", "admin."];

/// Properties of a source task's producer: nothing is lost or reordered, however long Kafka is away.
pub(crate) fn producer(worker: &WorkerConfig, connector: &RawConfig, id: &TaskId) -> RawConfig {
    let mut properties = RawConfig::from([
        ("bootstrap.servers", worker.bootstrap_servers.join(",")),
        ("max.block.ms", i64::MAX.to_string()),
        ("enable.idempotence", "false".to_owned()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("client.id", format!("connector-producer-{id}")),
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
    properties.insert("enable.auto.commit", "false".to_owned());
    properties
}

/// Properties of the admin client that creates a source's topics. The worker's own keys count as well, as they always did.
pub(crate) fn admin(worker: &WorkerConfig, connector: &RawConfig, id: &TaskId) -> RawConfig {
    let own = worker.raw.iter().filter(|(key, _)| !PREFIXES.iter().any(|prefix| key.starts_with(prefix)));
    let mut properties: RawConfig =
        own.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
    properties.insert("bootstrap.servers", worker.bootstrap_servers.join(","));
    properties.insert("client.id", format!("connector-adminclient-{id}"));
    extend(&mut properties, worker.raw.with_prefix("admin."));
    extend(&mut properties, connector.with_prefix("admin.override."));
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

    #[test]
    fn the_connector_overrides_the_worker_and_the_worker_the_defaults() {
        let raw = RawConfig::from([
            ("producer.acks", "1"),
            ("producer.linger.ms", "7"),
            ("consumer.max.poll.records", "9"),
            ("security.protocol", "SSL"),
        ]);
        let worker =
            WorkerConfig { bootstrap_servers: vec!["a:1".into(), "b:2".into()], raw, ..Default::default() };
        let connector =
            RawConfig::from([("producer.override.linger.ms", "8"), ("admin.override.retries", "3")]);
        let id = TaskId { connector: "c".into(), task: 2 };
        let properties = producer(&worker, &connector, &id);
        let check =
            |properties: &RawConfig, key: &str, expect| assert_eq!(properties.get(key), expect, "{key}");
        check(&properties, "acks", Some("1"));
        check(&properties, "linger.ms", Some("8"));
        check(&properties, "bootstrap.servers", Some("a:1,b:2"));
        check(&properties, "client.id", Some("connector-producer-c-2"));
        check(&properties, "security.protocol", None);
        let properties = consumer(&worker, &connector, &id);
        check(&properties, "group.id", Some("connect-c"));
        check(&properties, "max.poll.records", Some("9"));
        let properties = admin(&worker, &connector, &id);
        check(&properties, "security.protocol", Some("SSL"));
        check(&properties, "retries", Some("3"));
        check(&properties, "producer.acks", None);
    }
}
