//! What a distributed worker checks of a source beyond single keys: exactly-once delivery.

use indexmap::IndexMap;
use raccord_config::{ConfigValue, Value};
use raccord_plugin::{ExactlyOnceSupport, Make, Plugin, RawConfig};

use crate::config::WorkerConfig;

/// Adds findings about exactly-once support and transaction boundaries.
pub(super) fn check(
    plugin: &Plugin,
    raw: &RawConfig,
    worker: &WorkerConfig,
    values: &mut IndexMap<String, ConfigValue>,
) {
    if worker.group_id.is_empty() {
        return;
    }
    if says(values, "exactly.once.support", "required") {
        let enabled = worker.exactly_once_source_support.eq_ignore_ascii_case("enabled");
        let messages = support_findings(plugin, raw, enabled);
        if let Some(value) = values.get_mut("exactly.once.support") {
            value.errors.extend(messages.into_iter().map(str::to_owned));
        }
    }
    if says(values, "transaction.boundary", "connector")
        && let Some(value) = values.get_mut("transaction.boundary")
    {
        value.errors.push(
            "The connector does not support connector-defined transaction boundaries with the given configuration. \
             Please reconfigure it to use a different transaction boundary definition."
                .to_owned(),
        );
    }
}

fn says(values: &IndexMap<String, ConfigValue>, key: &str, text: &str) -> bool {
    values.get(key).is_some_and(|value| {
        value.errors.is_empty() && matches!(&value.value, Value::String(it) if it.eq_ignore_ascii_case(text))
    })
}

fn support_findings(plugin: &Plugin, raw: &RawConfig, enabled: bool) -> Vec<&'static str> {
    let mut findings = Vec::new();
    if !enabled {
        findings.push("This worker does not have exactly-once source support enabled.");
    }
    let support = match plugin.make {
        Make::Source { connector, .. } => connector().exactly_once_support(raw),
        _ => ExactlyOnceSupport::Unknown,
    };
    match support {
        ExactlyOnceSupport::Supported => {}
        ExactlyOnceSupport::Unsupported => {
            findings.push("The connector does not support exactly-once semantics with the provided configuration.");
        }
        ExactlyOnceSupport::Unknown => findings.push(
            "The connector does not implement the API required for preflight validation of exactly-once source \
             support. Please consult the documentation for the connector to determine whether it supports \
             exactly-once semantics, and then consider reconfiguring the connector to use the value \"requested\" for \
             this property (which will disable this preflight check and allow the connector to be created).",
        ),
    }
    findings
}
