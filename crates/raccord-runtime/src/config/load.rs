//! From a worker's properties to its config.

use raccord_config::{AnyClass, Config, ConfigDef, Finding, Findings, Value, invalid_value};
use raccord_plugin::RawConfig;

use super::{OverridePolicy, Providers, Resolved, RestartKeys, WorkerConfig};
use crate::redaction::keep_secret;
use crate::validate::{Client, client_definition};

/// How a worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In a cluster, with its state in Kafka.
    Distributed,
    /// Alone, with its offsets in a file.
    Standalone,
}

/// A worker's config as it was loaded.
#[derive(Debug)]
pub struct Loaded {
    /// The config. Its `raw` has placeholders replaced, since clients are made from it.
    pub config: WorkerConfig,
    /// What replaces placeholders in connector configs.
    pub providers: Providers,
    /// Keys that nothing here knows. Worth a warning: they may be misspelt.
    pub unknown: Vec<String>,
    /// All keys with their values as they are used, secrets hidden, in the order of their names.
    pub effective: Vec<(String, String)>,
}

/// Checks a worker's properties and makes its config of them.
///
/// # Errors
/// All that is wrong, in Kafka's words, in the order of the keys.
pub fn load(properties: &RawConfig, mode: Mode) -> Result<Loaded, Findings> {
    let at_providers = |message: String| Findings::one("config.providers", message);
    let providers = Providers::of(properties).map_err(at_providers)?;
    let Resolved { config: resolved, secrets, .. } = providers.resolve(properties).map_err(at_providers)?;
    keep_secret(secrets);
    let def = match mode {
        Mode::Distributed => WorkerConfig::distributed_def(),
        Mode::Standalone => WorkerConfig::standalone_def(),
    };
    let mut config = WorkerConfig::parse_with(&def, &resolved, &AnyClass)?;
    RestartKeys::parse(&resolved)?;
    // As Kafka's clients do: a first wait that was given is also the longest one, unless that was given too.
    if resolved.contains_key("reconnect.backoff.ms") && !resolved.contains_key("reconnect.backoff.max.ms") {
        config.reconnect_backoff_max_ms = config.reconnect_backoff_ms;
    }
    Findings::check(findings_between_keys(&config, mode))?;
    let unknown = resolved
        .iter()
        .map(|(key, _)| key)
        .filter(|key| def.key(key).is_none() && RestartKeys::def().key(key).is_none())
        .filter(|key| !is_known_elsewhere(key) && !is_client_key(key))
        .map(str::to_owned)
        .collect();
    let effective = effective(&def, &resolved);
    Ok(Loaded { config, providers, unknown, effective })
}

/// What the single keys do not tell.
fn findings_between_keys(config: &WorkerConfig, mode: Mode) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |key: &str, message: String| findings.push(Finding { key: key.to_owned(), message });
    if let Err(message) = OverridePolicy::of(config) {
        add("connector.client.config.override.policy", message);
    }
    if mode == Mode::Standalone {
        return findings;
    }
    let algorithm = &config.inter_worker_signature_algorithm;
    if !config.inter_worker_verification_algorithms.contains(algorithm) {
        let key = "inter.worker.signature.algorithm";
        let message = "Signature algorithm must be present in inter.worker.verification.algorithms list";
        add(key, invalid_value(key, algorithm, message));
    }
    if config.inter_worker_key_size.is_some_and(|bits| bits < 8) {
        let size = config.inter_worker_key_size.unwrap_or_default();
        add(
            "inter.worker.key.size",
            format!(
                "Unable to create key generator with algorithm {} and key size {size}: Key length must be at least 8 \
                 bits",
                config.inter_worker_key_generation_algorithm
            ),
        );
    }
    for (key, topic, message) in [
        (
            "config.storage.topic",
            &config.config_storage_topic,
            "Must specify topic for connector configuration.",
        ),
        ("offset.storage.topic", &config.offset_storage_topic, "Offset storage topic must be specified"),
        ("status.storage.topic", &config.status_storage_topic, "Must specify topic for connector status."),
    ] {
        if topic.is_empty() {
            add(key, message.to_owned());
        }
    }
    findings
}

/// Whether a key that the worker does not define is meant for something else than its own clients: those of connectors,
/// converters, providers, topics, listeners. Keys for the JVM's metrics are taken quietly.
fn is_known_elsewhere(key: &str) -> bool {
    const PREFIXES: [&str; 15] = [
        "producer.",
        "consumer.",
        "admin.",
        "config.providers.",
        "config.storage.",
        "offset.storage.",
        "status.storage.",
        "key.converter.",
        "value.converter.",
        "header.converter.",
        "listeners.https.",
        "admin.listeners.https.",
        "metrics.context.",
        "internal.key.converter",
        "internal.value.converter",
    ];
    PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Whether any of Kafka's clients has the property.
pub(crate) fn is_client_key(key: &str) -> bool {
    [Client::Producer, Client::Consumer, Client::Admin]
        .into_iter()
        .any(|client| client_definition(client).key(key).is_some())
}

/// All keys with their values as they are used. Values of unknown keys are not shown, since they may be secrets.
fn effective(def: &ConfigDef, raw: &RawConfig) -> Vec<(String, String)> {
    let values = def.parse(raw, &AnyClass).unwrap_or_default();
    let mut shown: Vec<(String, String)> =
        values.into_iter().map(|(key, value)| (key, shown(&value))).collect();
    shown.sort();
    shown
}

fn shown(value: &Value) -> String {
    match value {
        Value::Class(class) => format!("class {class}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distributed() -> RawConfig {
        RawConfig::from([
            ("bootstrap.servers", "a:1, b:2"),
            ("group.id", "g"),
            ("key.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
        ])
    }

    fn with(entries: &[(&str, &str)]) -> RawConfig {
        let mut raw = distributed();
        for (key, value) in entries {
            raw.insert(*key, (*value).to_owned());
        }
        raw
    }

    #[test]
    fn loads_a_distributed_worker() {
        let loaded = load(&with(&[("offset.flush.interval.ms", "10")]), Mode::Distributed).unwrap();
        assert_eq!(loaded.config.bootstrap_servers, ["a:1", "b:2"]);
        assert_eq!(loaded.config.offset_flush_interval_ms, 10);
        assert_eq!(loaded.config.session_timeout_ms, 10000);
        assert_eq!(loaded.config.listeners, ["http://:8083"]);
        assert!(loaded.unknown.is_empty());
    }

    #[test]
    fn a_standalone_worker_needs_a_file_and_no_group() {
        let mut raw = distributed();
        for key in ["group.id", "config.storage.topic", "offset.storage.topic", "status.storage.topic"] {
            raw.remove(key);
        }
        let check = |raw: &RawConfig, expect: Result<&str, &str>| {
            let got = load(raw, Mode::Standalone);
            match (got, expect) {
                (Ok(loaded), Ok(file)) => assert_eq!(loaded.config.offset_storage_file_filename, file),
                (Err(findings), Err(text)) => assert_eq!(findings.first(), text),
                (got, expect) => panic!("{got:?} instead of {expect:?}"),
            }
        };
        check(
            &raw,
            Err(
                "Missing required configuration \"offset.storage.file.filename\" which has no default value.",
            ),
        );
        raw.insert("offset.storage.file.filename", "/tmp/o".to_owned());
        check(&raw, Ok("/tmp/o"));
        // Keys of the other mode are not read.
        raw.insert("session.timeout.ms", "x".to_owned());
        check(&raw, Ok("/tmp/o"));
    }

    #[test]
    fn refuses_in_kafkas_words() {
        let check = |entries: &[(&str, &str)], expect: &str| {
            assert_eq!(load(&with(entries), Mode::Distributed).unwrap_err().first(), expect);
        };
        check(
            &[("bootstrap.servers", "")],
            "Configuration 'bootstrap.servers' must not be empty. Valid values include: any non-empty value",
        );
        check(
            &[("heartbeat.interval.ms", "3s")],
            "Invalid value 3s for configuration heartbeat.interval.ms: Not a number of type INT",
        );
        check(
            &[("security.protocol", "TLS")],
            "Invalid value TLS for configuration security.protocol: String must be one of (case insensitive): \
             SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT",
        );
        check(
            &[("connect.protocol", "v2")],
            "Invalid value v2 for configuration connect.protocol: Invalid Connect protocol compatibility",
        );
        check(
            &[("offset.storage.partitions", "0")],
            "Invalid value 0 for configuration offset.storage.partitions: Number of partitions must be positive, or -1 \
             to use the broker's default",
        );
        check(
            &[("inter.worker.signature.algorithm", "HmacSHA512")],
            "Invalid value HmacSHA512 for configuration inter.worker.signature.algorithm: Signature algorithm must be \
             present in inter.worker.verification.algorithms list",
        );
        check(&[("config.storage.topic", " ")], "Must specify topic for connector configuration.");
        check(
            &[("connector.client.config.override.policy", "Most")],
            "Failed to find any class that implements interface \
             org.apache.kafka.connect.connector.policy.ConnectorClientConfigOverridePolicy and which name matches Most",
        );
        let all =
            load(&with(&[("session.timeout.ms", "x"), ("request.timeout.ms", "-1")]), Mode::Distributed);
        assert_eq!(all.unwrap_err().iter().count(), 2);
    }

    #[test]
    fn tells_unknown_keys_from_those_for_others() {
        let raw = with(&[
            ("producer.linger.ms", "5"),
            ("key.converter.schemas.enable", "false"),
            ("offset.storage.min.insync.replicas", "2"),
            ("max.poll.records", "5"),
            ("plugin.path", "/opt/connectors"),
            ("grup.id", "typo"),
        ]);
        assert_eq!(load(&raw, Mode::Distributed).unwrap().unknown, ["grup.id"]);
    }

    #[test]
    fn shows_no_secret() {
        let raw =
            with(&[("sasl.jaas.config", "hush"), ("ssl.keystore.password", "hush"), ("my.password", "hush")]);
        let loaded = load(&raw, Mode::Distributed).unwrap();
        assert!(!format!("{:?}", loaded.effective).contains("hush"));
        let value = |key: &str| {
            loaded.effective.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
        };
        assert_eq!(value("sasl.jaas.config"), Some("[hidden]"));
        assert_eq!(value("bootstrap.servers"), Some("[a:1, b:2]"));
        assert_eq!(value("ssl.keystore.location"), Some("null"));
        assert_eq!(value("key.converter"), Some("class org.apache.kafka.connect.json.JsonConverter"));
    }

    #[test]
    fn a_first_reconnect_wait_is_the_longest_too() {
        let longest = |entries: &[(&str, &str)]| {
            load(&with(entries), Mode::Distributed).unwrap().config.reconnect_backoff_max_ms
        };
        assert_eq!(longest(&[]), 1000);
        assert_eq!(longest(&[("reconnect.backoff.ms", "70")]), 70);
        assert_eq!(longest(&[("reconnect.backoff.ms", "70"), ("reconnect.backoff.max.ms", "90")]), 90);
    }

    #[test]
    fn placeholders_are_replaced_before_keys_are_parsed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.properties");
        std::fs::write(&file, "interval=7").unwrap();
        let raw = with(&[
            ("config.providers", "file"),
            ("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider"),
            ("offset.flush.interval.ms", &format!("${{file:{}:interval}}", file.display())),
        ]);
        let loaded = load(&raw, Mode::Distributed).unwrap();
        assert_eq!(loaded.config.offset_flush_interval_ms, 7);
        assert_eq!(loaded.config.raw.get("offset.flush.interval.ms"), Some("7"));
    }
}
