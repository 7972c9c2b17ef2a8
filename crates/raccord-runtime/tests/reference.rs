//! The reference of worker and connector keys is generated: this test rewrites the pages and fails if they differed.

use std::path::Path;

use raccord_config::{Config, ConfigDef, markdown, rewrite_page};
use raccord_runtime::config::{
    ConnectorCommon, RestartKeys, SinkCommon, SinkErrorKeys, SourceCommon, SourceErrorKeys, WorkerConfig,
};

const MADE: &str =
    "<!-- Made from the definitions in the code by a test: change those, run the tests, commit this. -->";

fn check(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(page);
    let differed = rewrite_page(&path, &format!("{}\n", text.trim_end())).expect("the page can be written");
    assert!(!differed, "docs/reference/{page} was out of date and is rewritten: commit it");
}

/// The keys that a kind of connector has beyond those that all have.
fn beyond_common(def: &ConfigDef) -> ConfigDef {
    def.filtered(|key| ConnectorCommon::def().key(&key.name).is_none())
}

#[test]
fn the_reference_of_worker_keys_is_up_to_date() {
    let text = format!(
        "# Worker keys\n\n{MADE}\n\n\
         The keys of a worker's properties file. Those under *distributed* and *sasl* are read in distributed mode \
         only, those under *standalone* in standalone mode only.\n\n\
         Settings of the Kafka clients of connectors are given with the prefixes `producer.`, `consumer.` and \
         `admin.`; settings of converters below the converter's key, as `key.converter.schemas.enable`; settings of \
         the internal topics as `config.storage.*`, `offset.storage.*` and `status.storage.*`.\n\n{}\n\
         ## Beyond Kafka Connect\n\n{}",
        markdown(WorkerConfig::def(), 2),
        markdown(RestartKeys::def(), 3)
    );
    check("worker.md", &text);
}

#[test]
fn the_reference_of_connector_keys_is_up_to_date() {
    let text = format!(
        "# Connector keys\n\n{MADE}\n\n\
         The keys that every connector has beside its own. Settings of its Kafka clients are given with the prefixes \
         `producer.override.`, `consumer.override.` and `admin.override.`, where the worker allows them.\n\n\
         ## All connectors\n\n{}## Sources\n\n{}## Sinks\n\n{}\
         ## Sources, beyond Kafka Connect\n\n{}## Sinks, beyond Kafka Connect\n\n{}",
        markdown(ConnectorCommon::def(), 3),
        markdown(&beyond_common(SourceCommon::def()), 3),
        markdown(&beyond_common(SinkCommon::def()), 3),
        markdown(SourceErrorKeys::def(), 3),
        markdown(SinkErrorKeys::def(), 3),
    );
    check("connector.md", &text);
}
