//! The topic settings this broker knows: one table with name, type, default, limits and the broker-level name.
//!
//! Names, types, defaults and the wording of refusals are Kafka 4.3's (`TopicConfig`, `LogConfig`, `ConfigDef`), so
//! that tools show and users read what they are used to. Settings without a meaning on a single node (throttling,
//! tiered storage) are kept and shown, and do nothing.

use std::collections::BTreeMap;

use crate::config::BrokerConfig;
use crate::log::{CleanupPolicy, LogSettings};

/// Type of a setting; the number is the one DescribeConfigs uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// Which values are allowed, beyond the type.
#[derive(Debug, Clone, Copy)]
enum Allowed {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    OneOf(&'static [&'static str]),
}

/// One setting.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The broker-wide default's name in `server.properties`.
    pub(crate) broker_name: Option<&'static str>,
    pub(crate) kind: Kind,
    default: fn(&BrokerConfig) -> String,
    allowed: Allowed,
}

const MAX_LONG: &str = "9223372036854775807";
const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

macro_rules! key {
    ($name:literal, $broker:expr, $kind:ident, $default:expr, $allowed:expr) => {
        Key { name: $name, broker_name: $broker, kind: Kind::$kind, default: $default, allowed: $allowed }
    };
}

/// All topic settings, by name.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key!("cleanup.policy", Some("log.cleanup.policy"), List, |_| "delete".into(), Allowed::OneOf(&["compact", "delete"])),
    key!("compression.gzip.level", Some("compression.gzip.level"), Int, |_| "-1".into(), Allowed::Between(-1, 9)),
    key!("compression.lz4.level", Some("compression.lz4.level"), Int, |_| "9".into(), Allowed::Between(1, 17)),
    key!("compression.type", Some("compression.type"), String, |_| "producer".into(), Allowed::OneOf(CODECS)),
    key!("compression.zstd.level", Some("compression.zstd.level"), Int, |_| "3".into(), Allowed::Between(-131_072, 22)),
    key!("delete.retention.ms", Some("log.cleaner.delete.retention.ms"), Long, |_| "86400000".into(), Allowed::AtLeast(0)),
    key!("file.delete.delay.ms", Some("log.segment.delete.delay.ms"), Long, |_| "60000".into(), Allowed::AtLeast(0)),
    key!("flush.messages", Some("log.flush.interval.messages"), Long, |_| MAX_LONG.into(), Allowed::AtLeast(1)),
    key!("flush.ms", Some("log.flush.interval.ms"), Long, |_| MAX_LONG.into(), Allowed::AtLeast(0)),
    key!("follower.replication.throttled.replicas", None, List, |_| String::new(), Allowed::Any),
    key!("index.interval.bytes", Some("log.index.interval.bytes"), Int, |_| "4096".into(), Allowed::AtLeast(0)),
    key!("leader.replication.throttled.replicas", None, List, |_| String::new(), Allowed::Any),
    key!("local.retention.bytes", Some("log.local.retention.bytes"), Long, |_| "-2".into(), Allowed::AtLeast(-2)),
    key!("local.retention.ms", Some("log.local.retention.ms"), Long, |_| "-2".into(), Allowed::AtLeast(-2)),
    key!("max.compaction.lag.ms", Some("log.cleaner.max.compaction.lag.ms"), Long, |_| MAX_LONG.into(), Allowed::AtLeast(1)),
    key!("max.message.bytes", Some("message.max.bytes"), Int, |c| c.message_max_bytes.to_string(), Allowed::AtLeast(0)),
    key!("message.timestamp.after.max.ms", Some("log.message.timestamp.after.max.ms"), Long, |_| "3600000".into(), Allowed::AtLeast(0)),
    key!("message.timestamp.before.max.ms", Some("log.message.timestamp.before.max.ms"), Long, |_| MAX_LONG.into(), Allowed::AtLeast(0)),
    key!("message.timestamp.type", Some("log.message.timestamp.type"), String, |_| "CreateTime".into(), Allowed::OneOf(&["CreateTime", "LogAppendTime"])),
    key!("min.cleanable.dirty.ratio", Some("log.cleaner.min.cleanable.ratio"), Double, |_| "0.5".into(), Allowed::Between(0, 1)),
    key!("min.compaction.lag.ms", Some("log.cleaner.min.compaction.lag.ms"), Long, |_| "0".into(), Allowed::AtLeast(0)),
    key!("min.insync.replicas", Some("min.insync.replicas"), Int, |_| "1".into(), Allowed::AtLeast(1)),
    key!("preallocate", Some("log.preallocate"), Boolean, |_| "false".into(), Allowed::Any),
    key!("remote.log.copy.disable", None, Boolean, |_| "false".into(), Allowed::Any),
    key!("remote.log.delete.on.disable", None, Boolean, |_| "false".into(), Allowed::Any),
    key!("remote.storage.enable", None, Boolean, |_| "false".into(), Allowed::Any),
    key!("retention.bytes", Some("log.retention.bytes"), Long, |c| c.log_retention_bytes.to_string(), Allowed::Any),
    key!("retention.ms", Some("log.retention.ms"), Long, |c| c.log_retention_ms.to_string(), Allowed::AtLeast(-1)),
    key!("segment.bytes", Some("log.segment.bytes"), Int, |c| c.log_segment_bytes.to_string(), Allowed::AtLeast(1 << 20)),
    key!("segment.index.bytes", Some("log.index.size.max.bytes"), Int, |_| "10485760".into(), Allowed::AtLeast(4)),
    key!("segment.jitter.ms", Some("log.roll.jitter.ms"), Long, |_| "0".into(), Allowed::AtLeast(0)),
    key!("segment.ms", Some("log.roll.ms"), Long, |_| "604800000".into(), Allowed::AtLeast(1)),
    key!("unclean.leader.election.enable", Some("unclean.leader.election.enable"), Boolean, |_| "false".into(), Allowed::Any),
];

/// Settings that someone has set, by name.
pub(crate) type Overrides = BTreeMap<String, String>;

/// The setting of this topic-level name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.name == name)
}

/// The setting of this broker-level name.
pub(crate) fn find_broker(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.broker_name == Some(name))
}

impl Key {
    /// The default that `config` gives.
    pub(crate) fn default(&self, config: &BrokerConfig) -> String {
        (self.default)(config)
    }

    /// Checks a value as Kafka's ConfigDef does; `name` is what the user called the setting.
    pub(crate) fn check(&self, name: &str, value: &str) -> Result<(), String> {
        let invalid = |why: String| Err(format!("Invalid value {value} for configuration {name}: {why}"));
        let trimmed = value.trim();
        let number = match self.kind {
            Kind::Boolean if !matches!(trimmed.to_ascii_lowercase().as_str(), "true" | "false") => {
                return invalid("Expected value to be either true or false".to_string());
            }
            Kind::Int => match trimmed.parse::<i32>() {
                Ok(n) => f64::from(n),
                Err(_) => return invalid("Not a number of type INT".to_string()),
            },
            Kind::Long => match trimmed.parse::<i64>() {
                Ok(n) => n as f64,
                Err(_) => return invalid("Not a number of type LONG".to_string()),
            },
            Kind::Double => match trimmed.parse::<f64>() {
                Ok(n) if n.is_finite() => n,
                _ => return invalid("Not a number of type DOUBLE".to_string()),
            },
            _ => 0.0,
        };
        match self.allowed {
            Allowed::AtLeast(min) if number < min as f64 => invalid(format!("Value must be at least {min}")),
            Allowed::Between(min, _) if number < min as f64 => {
                invalid(format!("Value must be at least {min}"))
            }
            Allowed::Between(_, max) if number > max as f64 => {
                invalid(format!("Value must be no more than {max}"))
            }
            Allowed::OneOf(values) => {
                let parts: Vec<&str> = match self.kind {
                    Kind::List => trimmed.split(',').map(str::trim).collect(),
                    _ => vec![value],
                };
                match parts.iter().find(|part| !values.contains(part)) {
                    Some(bad) => Err(format!(
                        "Invalid value {bad} for configuration {name}: String must be one of: {}",
                        values.join(", ")
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Checks all of a topic's settings.
pub(crate) fn check_all(overrides: &Overrides) -> Result<(), String> {
    for (name, value) in overrides {
        let key = find(name).ok_or_else(|| format!("Unknown topic config name: {name}"))?;
        key.check(name, value)?;
    }
    Ok(())
}

/// The value in force: the topic's, else the broker's changed default, else the built-in default.
pub(crate) fn value(key: &Key, topic: &Overrides, broker: &Overrides, config: &BrokerConfig) -> String {
    let changed = || key.broker_name.and_then(|name| broker.get(name));
    topic.get(key.name).or_else(changed).cloned().unwrap_or_else(|| key.default(config))
}

/// Compiles the values in force for a topic's logs. All values have been checked before.
pub(crate) fn compile(topic: &Overrides, broker: &Overrides, config: &BrokerConfig) -> LogSettings {
    let text =
        |name: &str| value(find(name).expect("names in this module are in the table"), topic, broker, config);
    let long = |name: &str| text(name).trim().parse::<i64>().unwrap_or_default();
    let policy = text("cleanup.policy");
    LogSettings {
        cleanup: CleanupPolicy { delete: policy.contains("delete"), compact: policy.contains("compact") },
        compression: match text("compression.type").as_str() {
            "uncompressed" => Some(0),
            "gzip" => Some(1),
            "snappy" => Some(2),
            "lz4" => Some(3),
            "zstd" => Some(4),
            _ => None,
        },
        delete_retention_ms: long("delete.retention.ms"),
        index_interval_bytes: long("index.interval.bytes") as u64,
        max_compaction_lag_ms: long("max.compaction.lag.ms"),
        max_message_bytes: long("max.message.bytes") as usize,
        timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
        timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
        append_time: text("message.timestamp.type") == "LogAppendTime",
        min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").trim().parse().unwrap_or(0.5),
        min_compaction_lag_ms: long("min.compaction.lag.ms"),
        min_insync_replicas: long("min.insync.replicas") as i32,
        retention_bytes: long("retention.bytes"),
        retention_ms: long("retention.ms"),
        segment_bytes: long("segment.bytes") as u64,
        segment_ms: long("segment.ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expect: Option<&str>) {
        let got = check_all(&Overrides::from([(name.to_string(), value.to_string())])).err();
        assert_eq!(got.as_deref(), expect, "{name}={value}");
    }

    #[test]
    fn values_are_judged_as_kafka_judges_them() {
        check("retention.ms", "-1", None);
        check(
            "retention.ms",
            "-2",
            Some("Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        );
        check(
            "retention.ms",
            "x",
            Some("Invalid value x for configuration retention.ms: Not a number of type LONG"),
        );
        check("cleanup.policy", "compact,delete", None);
        check(
            "cleanup.policy",
            "shred",
            Some(
                "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
            ),
        );
        check("min.cleanable.dirty.ratio", "0.01", None);
        check(
            "min.cleanable.dirty.ratio",
            "1.5",
            Some(
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
        );
        check(
            "preallocate",
            "maybe",
            Some(
                "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
            ),
        );
        check("colour", "red", Some("Unknown topic config name: colour"));
    }

    #[test]
    fn a_topic_wins_over_the_broker_and_the_broker_over_the_default() {
        let config = BrokerConfig::default();
        let own = Overrides::from([("retention.ms".to_string(), "5".to_string())]);
        let broker = Overrides::from([("log.retention.ms".to_string(), "7".to_string())]);
        let none = Overrides::new();
        let ms = |t: &Overrides, b: &Overrides| compile(t, b, &config).retention_ms;
        assert_eq!((ms(&own, &broker), ms(&none, &broker), ms(&none, &none)), (5, 7, 604_800_000));
    }

    #[test]
    fn the_defaults_pass_their_own_checks() {
        for key in KEYS {
            if !key.default(&BrokerConfig::default()).is_empty() {
                key.check(key.name, &key.default(&BrokerConfig::default())).expect(key.name);
            }
        }
        assert_eq!(
            compile(&Overrides::new(), &Overrides::new(), &BrokerConfig::default()),
            LogSettings::default()
        );
    }
}
