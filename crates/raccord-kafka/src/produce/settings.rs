//! What the batch producer is told, from the settings that Java's properties were translated to.

use std::collections::BTreeMap;
use std::time::Duration;

/// Kafka's own default of `linger.ms`, which librdkafka has as well.
const LINGER: Duration = Duration::from_millis(5);

/// How long records wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linger {
    /// The user sets `linger.ms`: so long from the first record of a batch on.
    Each(Duration),
    /// Not set: so long from one request to the next. A record that comes after a silence goes at once.
    Between(Duration),
}

/// The settings of a producer.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `host:port` each.
    pub(super) servers: Vec<String>,
    pub(super) client_id: String,
    /// 1, or -1 for all replicas in sync.
    pub(super) acks: i16,
    pub(super) linger: Linger,
    /// A batch that has so many bytes waits no longer.
    pub(super) batch_bytes: usize,
    /// The largest record, and the largest request unless one batch alone is larger.
    pub(super) request_bytes: usize,
    /// Bound of all records whose fate is not known.
    pub(super) buffer_bytes: usize,
    /// How long a record is tried; `None` for ever.
    pub(super) delivery_timeout: Option<Duration>,
    /// How long a record waits for its topic to be there.
    pub(super) topic_patience: Duration,
    pub(super) retries: u32,
    pub(super) request_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) retry_backoff: Backoff,
    pub(super) reconnect_backoff: Backoff,
    /// How old what is known of topics may get.
    pub(super) metadata_age: Duration,
}

/// Waits between attempts: the first, doubled each time up to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// The wait behind the given number of failures, of which there was at least one.
    pub(super) fn after(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest.max(self.first))
    }
}

/// Settings that may have any value: they say nothing about what is sent, or only how librdkafka does it.
const WITHOUT_EFFECT: &[&str] = &[
    "client.dns.lookup",
    "connections.max.idle.ms",
    "enable.metrics.push",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "queue.buffering.max.messages",
    "socket.timeout.ms",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
];

/// Settings that the batch producer has with this value only.
const ONLY: &[(&str, &[&str])] = &[
    ("acks", &["all", "-1", "1"]),
    ("compression.type", &["none"]),
    ("enable.idempotence", &["false"]),
    ("max.in.flight.requests.per.connection", &["1"]),
    ("partitioner", &["murmur2_random"]),
    ("security.protocol", &["plaintext"]),
    ("socket.receive.buffer.bytes", &["0"]),
    ("socket.send.buffer.bytes", &["0"]),
];

impl Settings {
    /// The settings; `None` when they ask for what the batch producer does not do, down to settings it does not know.
    pub(super) fn of(settings: &BTreeMap<String, String>) -> Option<Self> {
        let mut own = Self {
            servers: Vec::new(),
            client_id: "raccord".to_owned(),
            acks: -1,
            linger: Linger::Between(LINGER),
            batch_bytes: 1_000_000,
            request_bytes: 1_048_576,
            buffer_bytes: 8 << 20,
            delivery_timeout: Some(Duration::from_mins(2)),
            topic_patience: Duration::from_mins(1),
            retries: u32::MAX,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            retry_backoff: Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) },
            reconnect_backoff: Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) },
            metadata_age: Duration::from_mins(5),
        };
        // The order of requests is kept by having one on its way.
        let mut one_at_a_time = false;
        for (key, value) in settings {
            let (key, value) = (key.as_str(), value.as_str());
            if WITHOUT_EFFECT.contains(&key) {
                continue;
            }
            if let Some((_, values)) = ONLY.iter().find(|(known, _)| *known == key) {
                if !values.iter().any(|known| known.eq_ignore_ascii_case(value)) {
                    return None;
                }
                match key {
                    "acks" => own.acks = if value == "1" { 1 } else { -1 },
                    "max.in.flight.requests.per.connection" => one_at_a_time = true,
                    _ => {}
                }
                continue;
            }
            own.set(key, value)?;
        }
        // No batch is larger than the largest record may be.
        own.batch_bytes = own.batch_bytes.min(own.request_bytes);
        (one_at_a_time && !own.servers.is_empty()).then_some(own)
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let number = || value.parse::<u64>().ok();
        let ms = || number().map(Duration::from_millis);
        let bytes = || number().and_then(|bytes| usize::try_from(bytes).ok());
        match key {
            "bootstrap.servers" => self.servers = value.split(',').map(server).collect::<Option<_>>()?,
            "client.id" => self.client_id = value.to_owned(),
            "linger.ms" => self.linger = Linger::Each(ms()?),
            "batch.size" => self.batch_bytes = bytes()?,
            "message.max.bytes" => self.request_bytes = bytes()?,
            "queue.buffering.max.kbytes" => self.buffer_bytes = bytes()?.saturating_mul(1024),
            "message.timeout.ms" => self.delivery_timeout = ms().filter(|timeout| !timeout.is_zero()),
            "topic.metadata.propagation.max.ms" => self.topic_patience = ms()?,
            "message.send.max.retries" => self.retries = number()?.try_into().unwrap_or(u32::MAX),
            "request.timeout.ms" => self.request_timeout = ms()?,
            "socket.connection.setup.timeout.ms" => self.connect_timeout = ms()?,
            "retry.backoff.ms" => self.retry_backoff.first = ms()?,
            "retry.backoff.max.ms" => self.retry_backoff.longest = ms()?,
            "reconnect.backoff.ms" => self.reconnect_backoff.first = ms()?,
            "reconnect.backoff.max.ms" => self.reconnect_backoff.longest = ms()?,
            "metadata.max.age.ms" => self.metadata_age = ms()?,
            _ => return None,
        }
        Some(())
    }
}

/// `host:port`, without the protocol that may stand before it; `None` when the port is missing.
fn server(text: &str) -> Option<String> {
    let address = text.rsplit_once("://").map_or(text, |(_, address)| address);
    address.contains(':').then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use raccord_plugin::RawConfig;

    use super::*;
    use crate::properties::{ClientKind, translate};

    fn of(properties: &[(&str, &str)]) -> Option<Settings> {
        let mut all = RawConfig::from([
            ("bootstrap.servers", "a:1,PLAINTEXT://b:2".to_owned()),
            ("max.block.ms", i64::MAX.to_string()),
            ("enable.idempotence", "false".to_owned()),
            ("acks", "all".to_owned()),
            ("max.in.flight.requests.per.connection", "1".to_owned()),
            ("delivery.timeout.ms", i32::MAX.to_string()),
            ("client.id", "connector-producer-c-0".to_owned()),
        ]);
        for (key, value) in properties {
            all.insert(*key, Some((*value).to_owned()));
        }
        Settings::of(&translate(&all, ClientKind::Producer).unwrap())
    }

    #[test]
    fn what_connect_sets_is_taken() {
        let settings = of(&[]).unwrap();
        assert_eq!(settings.servers, ["a:1", "b:2"]);
        assert_eq!((settings.acks, settings.delivery_timeout), (-1, None));
        assert_eq!(settings.linger, Linger::Between(LINGER));
        assert_eq!(settings.buffer_bytes, 8 << 20);
        let settings = of(&[("linger.ms", "0"), ("batch.size", "16384"), ("acks", "1")]).unwrap();
        assert_eq!(settings.linger, Linger::Each(Duration::ZERO));
        assert_eq!((settings.batch_bytes, settings.acks), (16384, 1));
        assert_eq!(of(&[("max.request.size", "2000")]).unwrap().batch_bytes, 2000);
    }

    #[test]
    fn anything_else_is_left_to_librdkafka() {
        for (key, value) in [
            ("acks", "0"),
            ("compression.type", "zstd"),
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "5"),
            ("security.protocol", "SASL_SSL"),
            ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
            ("send.buffer.bytes", "65536"),
        ] {
            let mut properties = vec![(key, value)];
            if value == "SASL_SSL" {
                let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
                properties.push(("sasl.mechanism", "PLAIN"));
                let jaas = format!("{module} required username=\"a\" password=\"b\";");
                assert!(of(&[properties[0], properties[1], ("sasl.jaas.config", &jaas)]).is_none());
                continue;
            }
            assert!(of(&properties).is_none(), "{key}={value}");
        }
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_millis(300) };
        let waits: Vec<u128> = (1..=5).map(|failures| backoff.after(failures).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 300, 300]);
    }
}
