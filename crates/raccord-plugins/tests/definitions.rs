//! Definitions of plugins compared with a dump of the classes they stand for: names, types, defaults, importance, group,
//! order, width, display name, dependents and valid values. Documentation is in our own words.

use raccord_config::{ConfigKey, Value};
use raccord_plugin::PluginKind;
use raccord_plugins::PLUGINS;
use serde_json::Value as Json;

const DUMP: &str = include_str!("../../raccord-runtime/tests/data/kafka-4.3.1-plugins.tsv");

fn line(key: &ConfigKey) -> String {
    let default = match &key.default {
        None => "<required>".to_owned(),
        Some(Value::Null) => "<null>".to_owned(),
        Some(value) => value.to_text().unwrap_or_default(),
    };
    let group = key.group.as_deref().unwrap_or("<null>");
    [
        key.name.as_str(),
        key.kind.as_str(),
        &default,
        key.importance.as_str(),
        group,
        &key.order.to_string(),
        key.width.as_str(),
        &key.display_name,
        &key.dependents.join(","),
        key.validator.as_ref().map_or("", |validator| validator.description()),
    ]
    .join("\t")
}

/// The keys of a class in the dump.
fn dumped(class: &str, kind: &str) -> Option<Vec<String>> {
    let mut lines = DUMP.lines();
    lines.find(|line| line.starts_with(&format!("plugin\t{class}\t{kind}\t")))?;
    let keys = lines.map_while(|line| line.strip_prefix("key\t"));
    // A Kafka list without duplicates does not describe itself.
    Some(keys.map(|key| key.replace("org.apache.kafka.common.config.ConfigDef$ValidList", "")).collect())
}

#[test]
fn plugins_have_the_keys_of_the_classes_they_stand_for() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for plugin in PLUGINS {
        let Some(theirs) = dumped(plugin.class, plugin.kind().as_str()) else { continue };
        let ours: Vec<String> = (plugin.config)().keys().map(line).collect();
        compared += 1;
        if ours != theirs {
            wrong.push(format!(
                "{} ({})\n  Kafka: {theirs:#?}\n  ours: {ours:#?}",
                plugin.class,
                plugin.kind().as_str()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 20, "only {compared} plugins were compared");
}

/// Kafka's and Debezium's transforms and predicates by class, as `parity/java/ConfigDefs.java` writes them.
const TRANSFORMS: &str = include_str!("../../../parity/recorded/configdefs/transforms.json");

/// A key of the recording in the form of [`line`].
fn recorded_line(key: &Json) -> String {
    let text = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
    let default = match (&key["required"], &key["default_value"]) {
        (Json::Bool(true), _) => "<required>".to_owned(),
        (_, Json::Null) => "<null>".to_owned(),
        (_, default) => default.as_str().unwrap_or_default().to_owned(),
    };
    let dependents: Vec<&str> =
        key["dependents"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    // A check without words shows the name of its class.
    let validator = text("validator");
    let validator = if validator.starts_with("org.apache.") || validator.starts_with("io.debezium.") {
        String::new()
    } else {
        validator
    };
    [
        text("name"),
        text("type"),
        default,
        text("importance"),
        key["group"].as_str().unwrap_or("<null>").to_owned(),
        key["order_in_group"].to_string(),
        text("width"),
        text("display_name"),
        dependents.join(","),
        validator,
    ]
    .join("\t")
}

#[test]
fn transforms_and_predicates_have_the_keys_of_the_real_ones() {
    let recorded: Json = serde_json::from_str(TRANSFORMS).expect("the recording is JSON");
    let kinds = [PluginKind::Transformation, PluginKind::Predicate];
    let mut wrong = Vec::new();
    for plugin in PLUGINS.iter().filter(|plugin| kinds.contains(&plugin.kind())) {
        let Some(keys) = recorded[plugin.class].as_array() else {
            wrong.push(format!("{} was not recorded", plugin.class));
            continue;
        };
        let theirs: Vec<String> = keys.iter().map(recorded_line).collect();
        let ours: Vec<String> = (plugin.config)().keys().map(line).collect();
        if ours != theirs {
            wrong.push(format!("{}\n  theirs: {theirs:#?}\n  ours: {ours:#?}", plugin.class));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
