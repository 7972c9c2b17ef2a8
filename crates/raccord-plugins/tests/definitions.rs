//! Definitions of plugins compared with a dump of the classes they stand for: names, types, defaults, importance, group,
//! order, width, display name, dependents and valid values. Documentation is in our own words.

use raccord_config::{ConfigKey, Value};
use raccord_plugins::PLUGINS;

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
