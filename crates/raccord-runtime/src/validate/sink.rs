//! What Connect checks of a sink beyond single keys.

use indexmap::IndexMap;
use raccord_config::{AnyClass, ConfigValue, JavaRegex, Type, Value};
use raccord_plugin::RawConfig;

use super::connector::unknown;
use crate::config::WorkerConfig;

/// Adds findings about topics, the dead letter queue and the consumer group.
pub(super) fn check(raw: &RawConfig, worker: &WorkerConfig, values: &mut IndexMap<String, ConfigValue>) {
    for (key, message) in topics(raw) {
        add(raw, key, message, values);
    }
    if !worker.group_id.is_empty() {
        check_group(raw, &worker.group_id, values);
    }
}

fn add(raw: &RawConfig, key: &str, message: String, values: &mut IndexMap<String, ConfigValue>) {
    values.entry(key.to_owned()).or_insert_with(|| unknown(raw, key)).errors.push(message);
}

fn topics(raw: &RawConfig) -> Vec<(&'static str, String)> {
    let given = |key| raw.get(key).filter(|text| !text.trim().is_empty());
    let (list, regex) = (given("topics"), given("topics.regex"));
    let dlq = given("errors.deadletterqueue.topic.name").map(str::trim);
    let mut findings = Vec::new();
    let both = match (list, regex) {
        (Some(_), Some(_)) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.")
        }
        (None, None) => Some("Must configure one of topics or topics.regex"),
        _ => None,
    };
    if let Some(message) = both {
        findings.push(("topics", message.to_owned()));
        findings.push(("topics.regex", message.to_owned()));
    }
    let Some(dlq) = dlq else { return findings };
    if let Some(list) = list.map(topic_list).filter(|list| list.iter().any(|topic| topic == dlq)) {
        findings.push(("topics", format!(
            "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
            list.join(", ")
        )));
    }
    if let Some(regex) = regex.filter(|regex| matches_whole(regex, dlq)) {
        findings.push(("topics.regex", format!(
            "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by \
             the connector"
        )));
    }
    findings
}

/// The topics of a list, each once, empty names left out.
fn topic_list(text: &str) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    match Value::parse("topics", Some(text), Type::List, &AnyClass) {
        Ok(Value::List(items)) => {
            items.into_iter().filter(|item| !item.is_empty() && seen.insert(item.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether the whole text matches; a regex that is none has its own finding.
fn matches_whole(regex: &str, text: &str) -> bool {
    JavaRegex::new(regex).is_ok_and(|regex| regex.full_match(text).unwrap_or(false))
}

/// The sink's consumer group must not be the workers'.
fn check_group(raw: &RawConfig, worker_group: &str, values: &mut IndexMap<String, ConfigValue>) {
    let key = "consumer.override.group.id";
    if raw.contains_key(key) {
        let group = raw.get(key);
        values.entry(key.to_owned()).or_insert_with(|| unknown(raw, key));
        if let Some(group) = group.filter(|group| *group == worker_group) {
            let message =
                format!("Consumer group {group} conflicts with Connect worker group {worker_group}");
            add(raw, key, message, values);
        }
        return;
    }
    let name = values.get("name").map_or("null".to_owned(), |value| value.value.to_string());
    if format!("connect-{name}") == worker_group {
        let message = format!(
            "Consumer group for sink connector named {name} conflicts with Connect worker group {worker_group}"
        );
        add(raw, "name", message, values);
    }
}
