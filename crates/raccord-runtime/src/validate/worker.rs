//! The converters that a worker names must be there, in a version that is asked for.

use raccord_config::{Classes, Finding, Findings, invalid_value};
use raccord_plugin::Plugin;

use super::framework::{CONVERTERS, check_kind};
use super::registry::Registry;
use super::{NotFound, VersionRange};
use crate::config::WorkerConfig;

/// Checks the worker's converters, so that a worker that could run no task does not start.
///
/// # Errors
/// All that are missing, in Kafka's words.
pub fn check_worker_plugins(worker: &WorkerConfig, plugins: &'static [Plugin]) -> Result<(), Findings> {
    let registry = Registry::new(plugins);
    let mut findings = Vec::new();
    for (key, version_key, kind) in CONVERTERS {
        let class = match key {
            "key.converter" => &worker.key_converter,
            "value.converter" => &worker.value_converter,
            _ => &worker.header_converter,
        };
        let name = class.as_str();
        let outcome = match registry.resolve(name) {
            None => Err(invalid_value(key, name, &format!("Class {name} could not be found."))),
            Some(full) => check_kind(registry, &full, kind),
        };
        if let Err(message) = outcome {
            findings.push(Finding { key: key.to_owned(), message });
            continue;
        }
        let version = worker.raw.get(version_key);
        let range =
            VersionRange::requirement(version).map_err(|message| Findings::one(version_key, message))?;
        let Some(plugin) = registry.find(name, &[kind]) else { continue };
        if let Err(NotFound::Version { message, .. }) = registry.check_version(plugin, range.as_ref()) {
            findings.push(Finding { key: version_key.to_owned(), message });
        }
    }
    Findings::check(findings)
}
