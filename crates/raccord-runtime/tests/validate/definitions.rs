//! Definitions of the worker, of connectors and of clients, compared with a dump of Kafka's classes: type, default,
//! importance, group, order, width, display name, dependents and valid values.

use raccord_config::{Config, ConfigDef, ConfigKey, Value};
use raccord_runtime::config::{SinkCommon, SourceCommon, WorkerConfig};
use raccord_runtime::validate::{Client, client_definition};

const DUMP: &str = include_str!("../data/kafka-4.3.1-definitions.tsv");

/// One key as a line of the dump; without group and order where those are ours.
fn line(key: &ConfigKey, grouped: bool) -> String {
    let default = match &key.default {
        None => "<required>".to_owned(),
        Some(Value::Null) => "<null>".to_owned(),
        Some(value) => value.to_text().unwrap_or_default(),
    };
    let mut columns =
        vec![key.name.clone(), key.kind.as_str().to_owned(), default, key.importance.as_str().to_owned()];
    if grouped {
        columns.push(key.group.clone().unwrap_or_else(|| "<null>".to_owned()));
        columns.push(key.order.to_string());
        columns.push(key.width.as_str().to_owned());
        columns.push(key.display_name.clone());
        columns.push(key.dependents.join(","));
    }
    columns.join("\t")
}

struct Compare {
    /// The first column of the dump.
    who: &'static str,
    /// Whether group, order and width are shown through REST and so must be Kafka's.
    grouped: bool,
    /// Whether our keys come in Kafka's order.
    ordered: bool,
    /// Keys that Kafka has elsewhere.
    extra: &'static [&'static str],
}

fn check(def: &ConfigDef, compare: &Compare) {
    let mut ours: Vec<String> = def
        .keys()
        .filter(|key| !compare.extra.contains(&key.name.as_str()))
        .map(|key| line(key, compare.grouped))
        .collect();
    let mut theirs: Vec<String> = DUMP
        .lines()
        .filter_map(|row| row.strip_prefix(compare.who)?.strip_prefix('\t'))
        .map(|row| {
            let count = if compare.grouped { 9 } else { 4 };
            row.split('\t').take(count).collect::<Vec<_>>().join("\t")
        })
        .collect();
    assert!(!theirs.is_empty());
    if !compare.ordered {
        ours.sort();
        theirs.sort();
    }
    let missing: Vec<&String> = theirs.iter().filter(|row| !ours.contains(row)).collect();
    let other: Vec<&String> = ours.iter().filter(|row| !theirs.contains(row)).collect();
    assert!(missing.is_empty() && other.is_empty(), "{}: Kafka's {missing:#?}\nours {other:#?}", compare.who);
    assert_eq!(ours, theirs, "{}", compare.who);
}

#[test]
fn worker_keys_are_kafkas() {
    let policy = "connector.client.config.override.allowlist";
    let compare = |who| Compare { who, grouped: false, ordered: false, extra: &[] };
    assert!(WorkerConfig::def().key(policy).is_some());
    check(&WorkerConfig::distributed_def().filtered(|key| key.name != policy), &compare("distributed"));
    check(&WorkerConfig::standalone_def().filtered(|key| key.name != policy), &compare("standalone"));
}

#[test]
fn connector_keys_are_kafkas() {
    let compare = |who| Compare { who, grouped: true, ordered: true, extra: &[] };
    check(SourceCommon::def(), &compare("source"));
    check(SinkCommon::def(), &compare("sink"));
}

#[test]
fn client_keys_are_kafkas() {
    // A Java list of classes shows itself with the word class, a list of names does not.
    let compare = |who| Compare { who, grouped: true, ordered: false, extra: &[] };
    check(client_definition(Client::Producer), &compare("producer"));
    check(client_definition(Client::Consumer), &compare("consumer"));
    check(client_definition(Client::Admin), &compare("admin"));
}

#[test]
fn valid_values_are_described_in_kafkas_words() {
    let described = |def: &ConfigDef, who: &str| {
        for row in DUMP.lines().filter_map(|row| row.strip_prefix(who)?.strip_prefix('\t')) {
            let columns: Vec<&str> = row.split('\t').collect();
            let (name, theirs) = (columns[0], columns[10 - 1]);
            let Some(key) = def.key(name) else { continue };
            // Validators without a description show their Java class.
            // Those of converters depend on the plugins there are.
            if theirs.contains("PluginVersionValidator")
                || theirs.contains('$')
                || theirs.contains("subclass")
            {
                continue;
            }
            let ours = key.validator.as_ref().map_or("", |validator| validator.description());
            assert_eq!(ours, theirs, "{who} {name}");
        }
    };
    described(&WorkerConfig::distributed_def(), "distributed");
    described(SourceCommon::def(), "source");
    described(SinkCommon::def(), "sink");
}
