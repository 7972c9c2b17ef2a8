//! Replays what Debezium's engines made of conditions (`parity/recorded/conditions`, written by
//! `parity/java/ConditionCorpus.java`).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use raccord_converters::json::{JsonConverter, Settings};
use raccord_data::{Header, Position, Record};
use raccord_plugin::{Converter, SchemaAndValue};
use serde_json::{Value as Json, json};

use super::eval::Evaluation;
use super::item::Item;
use super::*;

fn read(json: &Json) -> SchemaAndValue {
    if json.is_null() {
        return SchemaAndValue::default();
    }
    let schemas_enable = json.get("schema").is_some() && json.get("payload").is_some();
    let settings = Settings { schemas_enable, replace_null: false, ..Settings::default() };
    let bytes = Bytes::from(json.to_string());
    JsonConverter::with_settings(settings).decoder("t").unwrap().decode(Some(&bytes)).unwrap()
}

fn record(json: &Json) -> Record {
    let (key, value) = (read(&json["key"]), read(&json["value"]));
    let topic: Arc<str> = json["topic"].as_str().unwrap().into();
    let mut record = Record::new(topic, value.schema, value.value, Position::default());
    (record.key_schema, record.key) = (key.schema, key.value);
    for header in json["headers"].as_array().unwrap() {
        let SchemaAndValue { schema, value } = read(&header["value"]);
        record.headers.to_mut().push(Header { key: header["key"].as_str().unwrap().into(), schema, value });
    }
    record
}

fn shown(result: Result<Item<'_>, Failure>) -> Json {
    match result {
        Ok(Item::Null | Item::Undefined) => Json::Null,
        Ok(Item::Boolean(flag)) => json!(flag),
        Ok(Item::Text(text)) => json!({ "text": text }),
        Ok(Item::Number(number)) => json!({ "other": number.class(), "shown": number.to_string() }),
        Ok(other) => json!({ "other": other.class() }),
        Err(failure) => json!({ "error": failure.class, "message": failure.message }),
    }
}

/// What cannot be the same: messages that show values or list other methods, names of classes that Groovy made, and
/// the types of JavaScript's numbers.
fn settle(expect: &mut Json, actual: &mut Json, language: Language) {
    let message = |json: &Json| json["message"].as_str().unwrap_or_default().to_owned();
    if expect.get("error").is_some() && actual.get("error").is_some() {
        let exact =
            ["Cannot get property", "Cannot invoke method", "is not a valid field name", "is not of type"];
        if !exact.iter().any(|words| message(expect).contains(words)) {
            expect["message"] = Json::Null;
            actual["message"] = Json::Null;
        }
    }
    if language == Language::JavaScript {
        for json in [expect, actual] {
            let number = json["shown"].as_str().map(|text| text.parse::<f64>().unwrap());
            if let Some(number) = number {
                *json = json!({ "number": number });
            }
        }
    }
}

#[test]
fn means_what_it_means_in_debezium() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/conditions/conditions.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (mut records, mut failures, mut refused, mut compared) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for line in text.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        if let Some(json) = line.get("record") {
            records.push(record(json));
            continue;
        }
        let text = line["condition"].as_str().unwrap();
        let language = if line["language"] == "groovy" { Language::Groovy } else { Language::JavaScript };
        let condition = match Condition::new(text, language) {
            Ok(condition) => condition,
            Err(error) => {
                if line.get("refused").is_none() {
                    refused.push(format!("{text}: {error}"));
                }
                continue;
            }
        };
        for (record, expect) in records.iter().zip(line["results"].as_array().unwrap()) {
            if *expect == "skipped" {
                continue;
            }
            compared += 1;
            let mut expect = expect.clone();
            let mut actual = shown(Evaluation { record, language }.of(&condition.root));
            settle(&mut expect, &mut actual, language);
            if expect != actual {
                failures.push(format!("{language:?} {text}\n  expect {expect}\n  actual {actual}"));
            }
        }
    }
    println!("{compared} results compared; refused, though Debezium takes them:\n{}", refused.join("\n"));
    let shown = failures.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {compared} differ\n{shown}", failures.len());
    assert!(compared > 2_000, "{compared}");
    assert!(refused.len() <= 12, "{}", refused.len());
}

#[test]
fn what_is_not_supported_is_named_with_its_place() {
    let check = |text: &str, expect: &str| {
        let error = Condition::new(text, Language::Groovy).unwrap_err();
        assert_eq!(error.to_string(), expect, "{text}");
    };
    check("value.op = 'u'", "at position 10: not supported: an assignment");
    check("if (value.op == 'u') true", "at position 1: not supported: 'if': a condition is one expression");
    check("value.items.any { it.id == 2 }", "at position 17: not supported: a closure or a block");
    check(
        "values.op == 'u'",
        "at position 1: not supported: the name 'values' (known are value, key, valueSchema, \
         keySchema, topic and header)",
    );
    check("value.op == 'u", "at position 13: not supported: a text without end");
    check("value.op ==", "at position 12: not supported: the end where a value is expected");
    check("value.name.split(',')", "at position 12: not supported: the method split with 1 arguments");
    check(
        "value.op === 'u'",
        "at position 10: not supported: '===', which compares identities in Groovy (write '==')",
    );
    check("topic ==~ 'a('", "at position 7: not supported: the pattern: Unclosed group near index 2\na(");
    check("\"${value.}\"", "at position 10: not supported: what follows '.', which must be a name");
    check(&"(".repeat(500), "at position 31: not supported: nesting of more than 60 levels");
}
