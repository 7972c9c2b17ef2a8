//! Keys of error handling that Kafka Connect does not have. All of them are off unless a config names them.
//!
//! They stand beside Connect's keys, not among them, so that validations list what Connect lists.

use raccord_config::{AnyClass, Config, RawConfig, Validator, Value};

/// Restarting failed tasks without anybody asking. A worker's keys hold for the connectors that have none of their own.
#[derive(Clone, Debug, PartialEq, Eq, Config)]
#[config(importance = Low, group = "Error Handling")]
pub struct RestartKeys {
    /// How many times in a row a failed task is started again by itself; 0 for not at all, -1 for ever. A task that has
    /// run for errors.restart.backoff.max.ms since counts anew.
    #[config(default = 0, validator = Validator::at_least(-1))]
    pub errors_restart_max_attempts: i32,
    /// How long a failed task waits before it is started again for the first time, in milliseconds; twice as long after
    /// each further failure.
    #[config(default = 10000, validator = Validator::at_least(0))]
    pub errors_restart_backoff_ms: i64,
    /// The longest wait before a failed task is started again, in milliseconds.
    #[config(default = 600000, validator = Validator::at_least(0))]
    pub errors_restart_backoff_max_ms: i64,
}

/// Further keys of sinks.
#[derive(Clone, Debug, Config)]
#[config(importance = Low, group = "Error Handling")]
pub struct SinkErrorKeys {
    /// Whether a record that the task cannot write is a failed record rather than the end of the task: the batch is put
    /// again in halves until the record is found, errors.tolerance decides about it, and the dead letter queue gets it.
    /// Needs errors.deadletterqueue.topic.name.
    #[config(default = false)]
    pub errors_deadletterqueue_put_enable: bool,
    /// Restarts.
    #[config(flatten)]
    pub restart: RestartKeys,
}

/// Further keys of sources: a dead letter queue. Its topic has the keys that it has for sinks.
#[derive(Clone, Debug, Config)]
#[config(importance = Low, group = "Error Handling")]
pub struct SourceErrorKeys {
    /// Whether records that a transform or a converter fails on, or that Kafka does not take, go to the topic in
    /// errors.deadletterqueue.topic.name.
    #[config(default = false)]
    pub errors_deadletterqueue_source_enable: bool,
    /// The topic for records that could not be processed. Read for errors.deadletterqueue.source.enable only.
    #[config(default = "")]
    pub errors_deadletterqueue_topic_name: String,
    /// The replication factor of the dead letter queue when it is created.
    #[config(default = 3)]
    pub errors_deadletterqueue_topic_replication_factor: i16,
    /// Whether records in the dead letter queue have headers that tell what went wrong.
    #[config(default = false)]
    pub errors_deadletterqueue_context_headers_enable: bool,
    /// Restarts.
    #[config(flatten)]
    pub restart: RestartKeys,
}

impl RestartKeys {
    /// The connector's keys where it has them, else the worker's. A value that is no number counts as not there: it was
    /// refused when the config was checked, or is a placeholder.
    pub fn of(connector: &RawConfig, worker: &Self) -> Self {
        let number = |key: &str, of_worker: i64| {
            connector.get(key).and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(of_worker)
        };
        let attempts =
            number("errors.restart.max.attempts", worker.errors_restart_max_attempts.into()).max(-1);
        Self {
            errors_restart_max_attempts: attempts.try_into().unwrap_or(i32::MAX),
            errors_restart_backoff_ms: number("errors.restart.backoff.ms", worker.errors_restart_backoff_ms),
            errors_restart_backoff_max_ms: number(
                "errors.restart.backoff.max.ms",
                worker.errors_restart_backoff_max_ms,
            ),
        }
    }

    /// The worker's keys. Loading its config has checked them.
    pub fn of_worker(worker: &RawConfig) -> Self {
        let off = Self {
            errors_restart_max_attempts: 0,
            errors_restart_backoff_ms: 10_000,
            errors_restart_backoff_max_ms: 600_000,
        };
        Self::of(worker, &off)
    }

    /// How long to wait after that many failures in a row, the last one included; `None` when enough has been tried.
    pub fn delay_ms(&self, failures: u32) -> Option<u64> {
        let allowed = u32::try_from(self.errors_restart_max_attempts).unwrap_or(u32::MAX);
        if failures > allowed {
            return None;
        }
        let first = u64::try_from(self.errors_restart_backoff_ms).unwrap_or(0);
        let longest = u64::try_from(self.errors_restart_backoff_max_ms).unwrap_or(0);
        Some(first.saturating_mul(1 << failures.saturating_sub(1).min(40)).min(longest.max(first)))
    }
}

/// What is wrong with the keys of this page in a connector's config: key and message.
pub fn check_error_keys(raw: &RawConfig, is_sink: bool) -> Vec<(String, String)> {
    let def = if is_sink { SinkErrorKeys::def() } else { SourceErrorKeys::def() };
    let on = |key: &str| raw.get(key).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let queue = raw.get("errors.deadletterqueue.topic.name").is_some_and(|name| !name.trim().is_empty());
    let opened_by =
        if is_sink { "errors.deadletterqueue.put.enable" } else { "errors.deadletterqueue.source.enable" };
    // Connect knows the keys of the queue for sinks, and ignores them for sources.
    let is_ours = |key: &str| {
        key.starts_with("errors.restart.")
            || key == opened_by
            || (on(opened_by) && !is_sink && key.starts_with("errors.deadletterqueue."))
    };
    let mut findings = Vec::new();
    for key in def.keys().filter(|key| raw.contains_key(&key.name) && is_ours(&key.name)) {
        let checked = Value::parse(&key.name, raw.get(&key.name), key.kind, &AnyClass).and_then(|value| {
            key.validator.as_ref().map_or(Ok(()), |validator| validator.check(&key.name, &value))
        });
        if let Err(message) = checked {
            findings.push((key.name.clone(), message));
        }
    }
    if on(opened_by) && !queue {
        let message = format!(
            "Invalid value true for configuration {opened_by}: it needs errors.deadletterqueue.topic.name"
        );
        findings.push((opened_by.to_owned(), message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let check = |config: &[(&str, &str)], failures, expect| {
            let config: RawConfig =
                config.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect();
            let worker = RestartKeys::of_worker(&RawConfig::new());
            assert_eq!(worker, RestartKeys::parse(&RawConfig::new()).unwrap());
            assert_eq!(RestartKeys::of(&config, &worker).delay_ms(failures), expect, "{config:?} {failures}");
        };
        check(&[], 1, None);
        let three = ("errors.restart.max.attempts", "3");
        check(&[three], 1, Some(10_000));
        check(&[three], 3, Some(40_000));
        check(&[three], 4, None);
        let ever = ("errors.restart.max.attempts", "-1");
        check(&[ever], 1000, Some(600_000));
        check(&[ever, ("errors.restart.backoff.ms", "${file:x:y}")], 1, Some(10_000));
        check(
            &[ever, ("errors.restart.backoff.ms", "5"), ("errors.restart.backoff.max.ms", "7")],
            2,
            Some(7),
        );
    }

    #[test]
    fn a_wrong_value_is_named_and_keys_of_connect_are_not_looked_at() {
        let check = |config: &[(&str, &str)], is_sink, expect: &[&str]| {
            let raw: RawConfig =
                config.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect();
            let keys: Vec<String> = check_error_keys(&raw, is_sink).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys, expect, "{raw:?}");
        };
        check(&[("errors.restart.max.attempts", "many")], true, &["errors.restart.max.attempts"]);
        check(&[("errors.restart.max.attempts", "-2")], false, &["errors.restart.max.attempts"]);
        check(&[("errors.deadletterqueue.topic.replication.factor", "x")], false, &[]);
        let on = ("errors.deadletterqueue.source.enable", "true");
        check(&[on], false, &["errors.deadletterqueue.source.enable"]);
        check(&[on, ("errors.deadletterqueue.topic.name", "d")], false, &[]);
        check(&[("errors.deadletterqueue.put.enable", "true")], true, &["errors.deadletterqueue.put.enable"]);
        check(&[("errors.deadletterqueue.put.enable", "true")], false, &[]);
    }
}
