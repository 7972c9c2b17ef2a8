//! The shared keys compared with a dump of the real connector's definition: everything but the documentation, which is
//! in our own words.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use raccord_cdc::config::{ConnectorKeys, EventKeys, RelationalEventKeys, RelationalKeys};
use raccord_config::{Config, ConfigDef};
use serde_json::Value;

/// The keys of a definition without their documentation, as REST shows them.
fn shown(def: &ConfigDef) -> Vec<Value> {
    let keys = def.keys().map(|key| key.to_json());
    keys.map(|mut key| {
        key.as_object_mut().unwrap().remove("documentation");
        key
    })
    .collect()
}

#[test]
fn shared_keys_are_debeziums() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../parity/recorded/configdefs/connector-postgres.json");
    let dump: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let dump: Vec<Value> = dump
        .into_iter()
        .map(|mut key| {
            for field in ["documentation", "validator", "internal"] {
                key.as_object_mut().unwrap().remove(field);
            }
            key
        })
        .collect();
    let group = |name: &str| dump.iter().filter(|key| key["group"] == name).cloned().collect::<Vec<_>>();
    let (connector, events) = (group("Connector"), group("Events"));
    let ours = [shown(ConnectorKeys::def()), shown(RelationalKeys::def())].concat();
    assert_eq!(ours, connector[..ours.len()]);
    let ours = [shown(EventKeys::def()), shown(RelationalEventKeys::def())].concat();
    assert_eq!(ours, events[..ours.len()]);
    assert_eq!((connector.len() - 38, events.len() - ours.len()), (16, 2), "the connector's own keys");
}
