//! Client settings that a connector overrides: `producer.override.…`, `consumer.override.…`, `admin.override.…`.

use raccord_config::{AnyClass, ConfigValue, Value};
use raccord_data::java_order;
use raccord_plugin::{PluginKind, RawConfig};

use super::client_keys::{Client, client_definition};
use super::framework::text;
use super::infos::ConfigInfos;
use crate::config::{OverridePolicy, WorkerConfig};

/// Checks the overrides of all clients that the connector uses against the worker's policy.
///
/// # Errors
/// Kafka's text for a value that is not of its key's type, which the real worker answers with status 500.
pub(super) fn validate(
    kind: PluginKind,
    raw: &RawConfig,
    worker: &WorkerConfig,
) -> Result<ConfigInfos, String> {
    let policy = OverridePolicy::of(worker)?;
    let mut infos = ConfigInfos::default();
    for (prefix, client) in clients(kind, raw, worker) {
        infos.merge(overrides(prefix, client, raw, &policy)?);
    }
    Ok(infos)
}

/// The clients that the connector's tasks use, in Connect's order.
fn clients(kind: PluginKind, raw: &RawConfig, worker: &WorkerConfig) -> Vec<(&'static str, Client)> {
    let given = |key| raw.get(key).is_some_and(|text: &str| !text.trim().is_empty());
    let dead_letters = given("errors.deadletterqueue.topic.name");
    let exactly_once = worker.exactly_once_source_support.eq_ignore_ascii_case("enabled");
    let own_offsets = !worker.group_id.is_empty() && (exactly_once || given("offsets.storage.topic"));
    let source = kind == PluginKind::Source;
    let creates_topics = raw.iter().any(|(key, _)| key.starts_with("topic.creation."));
    let mut clients = Vec::new();
    if source || dead_letters {
        clients.push(("producer.override.", Client::Producer));
    }
    // The order of the answer, not that of the checks.
    if !source || own_offsets {
        clients.push(("consumer.override.", Client::Consumer));
    }
    if (source && (creates_topics || own_offsets)) || (!source && dead_letters) {
        clients.push(("admin.override.", Client::Admin));
    }
    clients
}

fn overrides(
    prefix: &str,
    client: Client,
    raw: &RawConfig,
    policy: &OverridePolicy,
) -> Result<ConfigInfos, String> {
    let def = client_definition(client);
    let given = raw.with_prefix(prefix);
    let mut values = Vec::with_capacity(given.len());
    for (name, value) in given.iter() {
        let value = match def.key(name) {
            Some(key) => Value::parse(name, value, key.kind, &AnyClass)?,
            None => text(value),
        };
        values.push(ConfigValue {
            value,
            errors: policy.finding(name).into_iter().collect(),
            ..ConfigValue::new(name)
        });
    }
    java_order::sort_by_key(&mut values, |value| &value.name);
    Ok(ConfigInfos::of_prefixed(prefix, def, values))
}
