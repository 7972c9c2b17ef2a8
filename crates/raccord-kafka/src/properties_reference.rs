//! The page on client properties is generated from the definitions and the table: a test rewrites it and fails if it
//! differed.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use raccord_config::{ConfigKey, Value, rewrite_page};
use raccord_runtime::validate::{Client, client_definition};

use crate::properties::ClientKind;
use crate::properties_table::{TABLE, Use};

const MADE: &str =
    "<!-- Made from the definitions in the code by a test: change those, run the tests, commit this. -->";

const CLIENTS: [(Client, ClientKind, &str); 3] = [
    (Client::Producer, ClientKind::Producer, "producer"),
    (Client::Consumer, ClientKind::Consumer, "consumer"),
    (Client::Admin, ClientKind::Admin, "admin"),
];

/// Properties that Kafka's clients once had, and one that none shows.
const OLD: [&str; 2] = ["auto.include.jmx.reporter", "internal.leave.group.on.close"];

fn treatment(name: &str, kind: ClientKind) -> Option<&'static Use> {
    TABLE
        .iter()
        .find(|(known, kinds, _)| *known == name && kinds & kind.bit() != 0)
        .map(|(.., treatment)| treatment)
}

fn effect(treatment: &Use) -> String {
    match treatment {
        Use::Same => "the same".to_owned(),
        Use::As(other) => format!("`{other}`"),
        Use::Clamp(others, min, max) => {
            let others: Vec<String> = others.iter().map(|other| format!("`{other}`")).collect();
            format!("{}, kept between {min} and {max}", others.join(", "))
        }
        Use::With(_) => "converted".to_owned(),
        Use::Elsewhere => "used by the worker".to_owned(),
        Use::Quiet => "none, and none is needed".to_owned(),
        Use::Warned => "none; a warning names it".to_owned(),
    }
}

fn default(key: &ConfigKey) -> String {
    match &key.default {
        None => "set by the worker".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(value) => match value.to_text().unwrap_or_default() {
            text if text.is_empty() => "empty".to_owned(),
            text => format!("`{}`", text.replace("class ", "").replace(',', ", ")),
        },
    }
}

/// A row for each property and each way in which clients differ in it.
fn table() -> String {
    let mut names = BTreeSet::new();
    for (client, ..) in CLIENTS {
        names
            .extend(client_definition(client).keys().filter(|key| !key.internal).map(|key| key.name.clone()));
    }
    let mut out = String::from("| property | clients | default in Java | librdkafka |\n|---|---|---|---|\n");
    for name in names.iter().filter(|name| !name.starts_with("internal.")) {
        let mut rows: Vec<(Vec<&str>, String, String)> = Vec::new();
        for (client, kind, word) in CLIENTS {
            let Some(key) = client_definition(client).key(name) else { continue };
            let effect = treatment(name, kind).map(effect).expect("the table has it");
            let default = default(key);
            match rows.iter_mut().find(|(_, known, other)| *known == default && *other == effect) {
                Some((words, ..)) => words.push(word),
                None => rows.push((vec![word], default, effect)),
            }
        }
        for (words, default, effect) in rows {
            let _ = writeln!(out, "| `{name}` | {} | {default} | {effect} |", words.join(", "));
        }
    }
    out
}

#[test]
fn the_table_has_the_properties_of_kafka_s_clients_and_no_others() {
    for (client, kind, word) in CLIENTS {
        let def = client_definition(client);
        for key in def.keys() {
            assert!(treatment(&key.name, kind).is_some(), "{word}: no row for {}", key.name);
        }
        for (name, kinds, _) in TABLE.iter().filter(|(name, ..)| !OLD.contains(name)) {
            assert!(
                kinds & kind.bit() == 0 || def.key(name).is_some(),
                "{word}: {name} is no property of it"
            );
        }
    }
}

#[test]
fn the_page_on_client_properties_is_up_to_date() {
    let text = format!(
        "# Properties of Kafka clients\n\n{MADE}\n\n\
         Clients are configured with the properties of Kafka's Java clients: in the worker's file with the prefixes \
         `producer.`, `consumer.` and `admin.`, and in connectors with `producer.override.`, `consumer.override.` and \
         `admin.override.`. The clients themselves are librdkafka's, which has most of them by the same or another \
         name. A property that it does not have is accepted; one warning for each kind of client names it. So is one that \
         no client knows.\n\n\
         *Used by the worker* are properties that this program reads itself: stores are read as JKS, PKCS#12 or PEM and \
         given to librdkafka from memory; tokens for OAUTHBEARER are fetched and refreshed here.\n\n{}",
        table()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/client-properties.md");
    let differed = rewrite_page(&path, &text).expect("the page can be written");
    assert!(!differed, "docs/reference/client-properties.md was out of date and is rewritten: commit it");
}
