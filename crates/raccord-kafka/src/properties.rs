//! Java client properties to librdkafka's: what users have in their files and connector configs keeps working.
//!
//! [`TABLE`](crate::properties_table::TABLE) says for each Java property what becomes of it. Defaults are those of Kafka's
//! Java clients where they decide what is delivered, and librdkafka's own (or smaller) where they only decide how much
//! memory is used.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use parking_lot::Mutex;
use raccord_plugin::{Error, RawConfig, Result};
use rdkafka::config::ClientConfig;
use tracing::warn;

use crate::properties_security;
use crate::properties_table::{TABLE, Use};

/// What a client is for. A property that is for another kind of client is left out silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// Producer.
    Producer,
    /// Consumer.
    Consumer,
    /// Admin client.
    Admin,
}

impl ClientKind {
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::Producer => 1,
            Self::Consumer => 2,
            Self::Admin => 4,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Admin => "admin client",
        }
    }

    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Bounds of what waits for Kafka; about 17 MB with the client's own structures around small records.
            Self::Producer => &[
                ("partitioner", "murmur2_random"),
                ("message.max.bytes", "1048576"),
                ("queue.buffering.max.kbytes", "8192"),
                ("queue.buffering.max.messages", "50000"),
            ],
            // Java's consumer delivers aborted transactions by default, checks CRCs and lets topics be created. Bounds of
            // what was fetched ahead: enough for several batches.
            Self::Consumer => &[
                ("isolation.level", "read_uncommitted"),
                ("check.crcs", "true"),
                ("allow.auto.create.topics", "true"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("queued.min.messages", "20000"),
                ("queued.max.messages.kbytes", "8192"),
                ("fetch.queue.backoff.ms", "5"),
                ("fetch.max.bytes", "8388608"),
            ],
            Self::Admin => &[],
        }
    }
}

/// Defaults of Kafka's clients that librdkafka has otherwise: it would wait up to ten seconds for a broker that is back, and
/// a tenth of a second before it asks again for a topic's leader, which each new client has to.
const SHARED_DEFAULTS: &[(&str, &str)] = &[
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("topic.metadata.refresh.fast.interval.ms", "10"),
];

/// What a property became: settings of librdkafka.
pub(crate) type Settings = Vec<(&'static str, String)>;

/// Translates a property bag. Says once, in one log line, which properties have no effect.
///
/// # Errors
/// `Error::config` naming the property that cannot be used, and what to use instead.
pub fn client_config(properties: &RawConfig, kind: ClientKind) -> Result<ClientConfig> {
    let settings = translate(properties, kind)?;
    let mut config = ClientConfig::new();
    for (key, value) in settings {
        config.set(key, value);
    }
    Ok(config)
}

/// The settings by themselves, with the same errors.
pub(crate) fn translate(properties: &RawConfig, kind: ClientKind) -> Result<BTreeMap<String, String>> {
    let mut settings: BTreeMap<String, String> = SHARED_DEFAULTS
        .iter()
        .chain(kind.defaults())
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut unused = Vec::new();
    for (name, value) in properties.iter() {
        let Some(value) = value.map(str::trim) else { continue };
        let mut entries = TABLE.iter().filter(|(known, ..)| *known == name).peekable();
        if entries.peek().is_none() {
            unused.push(name);
        }
        let Some((.., treatment)) = entries.find(|(_, kinds, _)| kinds & kind.bit() != 0) else { continue };
        let invalid = |reason: String| {
            Error::config(format!("Invalid value {value} for configuration {name}: {reason}"))
        };
        match treatment {
            Use::Same => drop(settings.insert(name.to_owned(), value.to_owned())),
            Use::As(other) => drop(settings.insert((*other).to_owned(), value.to_owned())),
            Use::Clamp(others, min, max) => {
                let number: i64 = value.parse().map_err(|_| invalid("Not a number".to_owned()))?;
                for other in *others {
                    settings.insert((*other).to_owned(), number.clamp(*min, *max).to_string());
                }
            }
            Use::With(convert) => {
                settings.extend(
                    convert(value).map_err(invalid)?.into_iter().map(|(key, value)| (key.to_owned(), value)),
                );
            }
            Use::Elsewhere | Use::Quiet => {}
            Use::Warned => unused.push(name),
        }
    }
    for (key, value) in properties_security::settings(properties)? {
        settings.insert(key.to_owned(), value);
    }
    if kind == ClientKind::Producer {
        bound_queue(properties, &mut settings);
    }
    if kind == ClientKind::Consumer {
        bound_answers(&mut settings);
    }
    if settings.get("group.protocol").is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer")) {
        // With the new protocol these are the broker's; librdkafka refuses to start with them.
        for key in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
            settings.remove(key);
        }
    }
    report_unused(&unused, kind);
    Ok(settings)
}

/// Room for as many small records as `buffer.memory` would hold, and for at least a few of the largest allowed.
fn bound_queue(properties: &RawConfig, settings: &mut BTreeMap<String, String>) {
    let number = |settings: &BTreeMap<String, String>, key: &str| -> i64 {
        settings.get(key).and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    let largest_kbytes = number(settings, "message.max.bytes") / 1024 + 1;
    let kbytes = number(settings, "queue.buffering.max.kbytes").max(2 * largest_kbytes);
    settings.insert("queue.buffering.max.kbytes".to_owned(), kbytes.to_string());
    if properties.contains_key("buffer.memory") {
        let records = (kbytes * 1024 / 160).clamp(1000, 10_000_000);
        settings.insert("queue.buffering.max.messages".to_owned(), records.to_string());
    }
}

/// librdkafka wants the largest answer allowed to be larger than the largest fetch.
fn bound_answers(settings: &mut BTreeMap<String, String>) {
    let fetch: i64 = settings.get("fetch.max.bytes").and_then(|value| value.parse().ok()).unwrap_or(0);
    let answer = (fetch + 1_000_000).clamp(100_000_000, i64::from(i32::MAX));
    settings.insert("receive.message.max.bytes".to_owned(), answer.to_string());
}

/// Says once for each property and kind of client, however many clients there are, that it has no effect.
fn report_unused(unused: &[&str], kind: ClientKind) {
    static REPORTED: LazyLock<Mutex<HashSet<(ClientKind, String)>>> = LazyLock::new(Mutex::default);
    /// Names come from users.
    const REPORTED_MAX: usize = 10_000;
    let mut reported = REPORTED.lock();
    let news: Vec<&str> = unused
        .iter()
        .copied()
        .filter(|name| reported.len() < REPORTED_MAX && reported.insert((kind, (*name).to_owned())))
        .collect();
    if !news.is_empty() {
        let names = news.join(", ");
        warn!("These configurations were supplied but have no effect on the {}: {names}", kind.as_str());
    }
}

/// How many records a consumer gives at once: `max.poll.records`, if the user sets it.
pub(crate) fn max_poll_records(properties: &RawConfig) -> Result<Option<usize>> {
    let Some(text) = properties.get("max.poll.records") else { return Ok(None) };
    match text.trim().parse() {
        Ok(count) if count > 0 => Ok(Some(count)),
        _ => Err(Error::config(format!(
            "Invalid value {text} for configuration max.poll.records: Value must be at least 1"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use raccord_plugin::ErrorKind;

    use super::*;

    fn translated(kind: ClientKind, properties: &[(&str, &str)]) -> BTreeMap<String, String> {
        translate(&properties.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect(), kind)
            .unwrap()
    }

    #[test]
    fn java_properties_become_librdkafkas() {
        let check = |kind, java: (&str, &str), expect: &[(&str, &str)]| {
            let settings = translated(kind, &[java]);
            for (key, value) in expect {
                assert_eq!(settings.get(*key).map(String::as_str), Some(*value), "{java:?} as {key}");
            }
        };
        let (producer, consumer) = (ClientKind::Producer, ClientKind::Consumer);
        check(producer, ("acks", "all"), &[("acks", "all")]);
        check(producer, ("delivery.timeout.ms", "2147483647"), &[("message.timeout.ms", "0")]);
        check(producer, ("delivery.timeout.ms", "30000"), &[("message.timeout.ms", "30000")]);
        check(
            producer,
            ("max.block.ms", "9223372036854775807"),
            &[("topic.metadata.propagation.max.ms", "2147483")],
        );
        check(producer, ("batch.size", "0"), &[("batch.size", "1")]);
        check(
            producer,
            ("buffer.memory", "33554432"),
            &[("queue.buffering.max.kbytes", "32768"), ("queue.buffering.max.messages", "209715")],
        );
        check(
            producer,
            ("max.request.size", "104857600"),
            &[("message.max.bytes", "104857600"), ("queue.buffering.max.kbytes", "204802")],
        );
        check(producer, ("send.buffer.bytes", "-1"), &[("socket.send.buffer.bytes", "0")]);
        check(producer, ("security.protocol", "SSL"), &[("security.protocol", "ssl")]);
        check(consumer, ("auto.offset.reset", "none"), &[("auto.offset.reset", "error")]);
        check(consumer, ("group.id", "connect-x"), &[("isolation.level", "read_uncommitted")]);
        check(
            consumer,
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            ),
            &[("partition.assignment.strategy", "range")],
        );
        check(
            consumer,
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"),
            &[("partition.assignment.strategy", "cooperative-sticky")],
        );
    }

    #[test]
    fn properties_of_other_clients_and_of_java_are_left_out() {
        let check = |kind, name: &str| {
            assert!(!translated(kind, &[(name, "1")]).contains_key(name), "{name}");
        };
        check(ClientKind::Consumer, "acks");
        check(ClientKind::Producer, "key.serializer");
        check(ClientKind::Admin, "offset.storage.topic");
        check(ClientKind::Consumer, "max.poll.records");
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_property_named() {
        let check = |name: &str, value: &str| {
            let error = client_config(&RawConfig::from([(name, value)]), ClientKind::Producer).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(name), "{}", error.message());
        };
        check("max.block.ms", "soon");
        check("partitioner.class", "com.example.Mine");
        check("transactional.id", "x");
    }

    /// librdkafka knows every name that the table gives it.
    #[test]
    fn librdkafka_accepts_what_comes_out() {
        let values = |name: &str| match name {
            "bootstrap.servers" => "127.0.0.1:1",
            "acks" => "all",
            "compression.type" => "lz4",
            "enable.idempotence" | "check.crcs" | "allow.auto.create.topics" | "enable.metrics.push" => {
                "false"
            }
            "client.dns.lookup" => "use_all_dns_ips",
            "auto.offset.reset" => "latest",
            "isolation.level" => "read_committed",
            "metadata.recovery.strategy" => "none",
            "group.protocol" => "classic",
            "partition.assignment.strategy" => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            "partitioner.class" => "org.apache.kafka.clients.producer.RoundRobinPartitioner",
            "partitioner.ignore.keys" => "true",
            "security.protocol" => "PLAINTEXT",
            "max.in.flight.requests.per.connection" => "1",
            "client.id" | "group.id" | "group.instance.id" | "client.rack" | "group.remote.assignor" => {
                "text"
            }
            _ => "5000",
        };
        for kind in [ClientKind::Producer, ClientKind::Consumer, ClientKind::Admin] {
            let refused = ["transactional.id"];
            let names = TABLE.iter().map(|(name, ..)| *name).filter(|name| !refused.contains(name));
            let properties: RawConfig = names
                .filter(|name| !name.starts_with("ssl.") && !name.starts_with("sasl."))
                .map(|name| (name, Some(values(name).to_owned())))
                .collect();
            for (key, value) in translate(&properties, kind).unwrap() {
                let mut config = ClientConfig::new();
                config.set(&key, &value);
                config
                    .create_native_config()
                    .unwrap_or_else(|error| panic!("{kind:?}: {key}={value}: {error}"));
            }
        }
    }
}
