//! Answers of the real worker, exchange by exchange.

use raccord_config::{Config, RawConfig};
use raccord_runtime::config::WorkerConfig;
use raccord_runtime::validate::{check_worker_plugins, plugin_config, validate};
use serde_json::Value as Json;

use crate::plugins::plugins;

/// Answers that depend on the worker's past: it remembers connectors that it did not find and wraps the exception then.
const REMEMBERED: &str =
    "BadRequestException: org.apache.kafka.connect.errors.ConnectException: Failed to find";

fn worker() -> WorkerConfig {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let raw = RawConfig::from([
        ("bootstrap.servers", "localhost:9092"),
        ("key.converter", json),
        ("value.converter", json),
        ("group.id", "workers"),
        ("config.storage.topic", "c"),
        ("offset.storage.topic", "o"),
        ("status.storage.topic", "s"),
        ("offset.storage.file.filename", "f"),
    ]);
    WorkerConfig::parse(&raw).expect("a valid worker")
}

fn exchanges(scenario: &str) -> Vec<Json> {
    let path = format!("{}/../../parity/recorded/rest/{scenario}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the recording is part of the project");
    let recording: Json = serde_json::from_str(&text).expect("a recording is JSON");
    recording["exchanges"].as_array().expect("a recording has exchanges").clone()
}

/// The text that REST makes of a JSON value in a config.
fn raw(config: &Json) -> Option<RawConfig> {
    let text = |value: &Json| match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Some(config.as_object()?.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}

/// Documentation is in our own words; the place of a plugin is that of the program.
fn comparable(mut body: Json) -> Json {
    fn walk(json: &mut Json) {
        match json {
            Json::Object(fields) => {
                fields.remove("documentation");
                fields.values_mut().for_each(walk);
            }
            Json::Array(items) => items.iter_mut().for_each(walk),
            Json::String(text) if text.contains("location='file:") => {
                let mut parts = text.split("location='file:");
                let mut out = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    let rest = part.split_once('\'').map_or("", |(_, rest)| rest);
                    out.push_str("location='classpath'");
                    out.push_str(rest);
                }
                *text = out;
            }
            _ => {}
        }
    }
    walk(&mut body);
    body
}

/// The first place where two answers differ.
fn difference(path: &str, ours: &Json, theirs: &Json) -> Option<String> {
    match (ours, theirs) {
        (Json::Object(a), Json::Object(b)) => {
            if a.keys().ne(b.keys()) {
                return Some(format!("{path}: fields {:?} instead of {:?}", a.keys(), b.keys()));
            }
            a.iter().find_map(|(key, value)| difference(&format!("{path}.{key}"), value, &b[key]))
        }
        (Json::Array(a), Json::Array(b)) => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| difference(&format!("{path}[{index}]"), a, b))
            .or_else(|| {
                (a.len() != b.len()).then(|| format!("{path}: {} entries instead of {}", a.len(), b.len()))
            }),
        _ => (ours != theirs).then(|| format!("{path}: {ours} instead of {theirs}")),
    }
}

fn error_body(status: u16, message: &str) -> Json {
    serde_json::json!({ "error_code": status, "message": message })
}

async fn check_validations(scenario: &str, at_least: usize) {
    let (worker, mut compared, mut wrong) = (worker(), 0, Vec::new());
    for exchange in exchanges(scenario) {
        let step = exchange["step"].as_str().expect("a step has a name");
        let Some(plugin) = step
            .strip_prefix("PUT /connector-plugins/")
            .and_then(|rest| rest.strip_suffix("/config/validate"))
        else {
            continue;
        };
        let theirs = comparable(exchange["body"].clone());
        let remembered = theirs["message"].as_str().is_some_and(|text| text.contains(REMEMBERED));
        // Cast and ReplaceField check keys by validators of their own, which the dump does not tell.
        let own_check = exchange["sent"]["transforms.t.spec"] == "nonsense"
            || exchange["sent"]["transforms.t.renames"] == "a:b,c"
            || (exchange["sent"]["transforms.t.type"] == "org.apache.kafka.connect.transforms.Cast$Value"
                && exchange["sent"].get("transforms.t.spec").is_none());
        let Some(config) = raw(&exchange["sent"]).filter(|_| !remembered && !own_check) else { continue };
        let (status, ours) = match validate(plugins(), &worker, Some(plugin), config).await {
            Ok(infos) => (200, infos.to_json()),
            Err(error) => (error.status, error_body(error.status, &error.message)),
        };
        compared += 1;
        if status != exchange["status"] {
            wrong.push(format!("{}: status {status}: {ours}", exchange["sent"]));
        } else if let Some(text) = difference("", &comparable(ours), &theirs) {
            wrong.push(format!("{}\n    {text}", exchange["sent"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= at_least, "only {compared} exchanges were compared");
}

#[tokio::test]
async fn validations_are_those_of_the_real_worker() {
    check_validations("validate", 50).await;
}

#[tokio::test]
async fn validations_with_plugins_are_those_of_the_real_worker() {
    check_validations("validate-plugins", 60).await;
}

#[tokio::test]
async fn validations_of_transforms_with_mistakes_are_those_of_the_real_worker() {
    check_validations("validate-transforms-mistakes", 30).await;
    check_validations("validate-predicates", 12).await;
}

#[tokio::test]
async fn validations_of_header_converters_and_overrides_are_those_of_the_real_worker() {
    check_validations("validate-header-converters", 11).await;
    check_validations("overrides-all", 4).await;
}

#[tokio::test]
async fn refusals_of_new_connectors_are_those_of_the_real_worker() {
    let (worker, mut compared, mut wrong) = (worker(), 0, Vec::new());
    for exchange in exchanges("create-configs") {
        let Some(mut config) = raw(&exchange["sent"]["config"]) else { continue };
        let Some(name) = exchange["sent"]["name"].as_str() else { continue };
        config.insert("name", name.to_owned());
        let (status, ours) = match validate(plugins(), &worker, None, config).await {
            Ok(infos) => match infos.first_error_text() {
                Some(text) => (400, error_body(400, &text)),
                None => (201, Json::Null),
            },
            Err(error) => (error.status, error_body(error.status, &error.message)),
        };
        compared += 1;
        let theirs = comparable(exchange["body"].clone());
        if status != exchange["status"] {
            wrong.push(format!("{}: status {status}: {ours}", exchange["sent"]));
        } else if let Some(text) = difference("", &ours, &theirs).filter(|_| status != 201) {
            wrong.push(format!("{}\n    {text}", exchange["sent"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 50, "only {compared} exchanges were compared");
}

#[test]
fn definitions_of_plugins_are_those_of_the_real_worker() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for exchange in exchanges("plugins").into_iter().chain(exchanges("plugin-transforms")) {
        let step = exchange["step"].as_str().expect("a step has a name");
        let Some(rest) = step.strip_prefix("GET /connector-plugins/") else { continue };
        let Some((name, version)) = rest.split_once("/config") else { continue };
        let decode =
            |text: &str| text.replace("%5B", "[").replace("%5D", "]").replace("%24", "$").replace("%20", " ");
        let version = version.strip_prefix("?version=").map(decode);
        let (status, ours) = match plugin_config(plugins(), &decode(name), version.as_deref()) {
            Ok(json) => (200, json),
            Err(error) => (error.status, error_body(error.status, &error.message)),
        };
        // Classes of a JVM that are no plugins: there is no such plugin here.
        if exchange["body"]["message"] == "Instantiation error" {
            assert_eq!(status, 404);
            continue;
        }
        compared += 1;
        if status != exchange["status"] {
            wrong.push(format!("{step}: status {status}: {ours}"));
        } else if let Some(text) = difference("", &comparable(ours), &comparable(exchange["body"].clone())) {
            wrong.push(format!("{step}\n    {text}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 50, "only {compared} exchanges were compared");
}

#[test]
fn a_worker_needs_its_converters() {
    let check = |entries: &[(&str, &str)], expect: Option<&str>| {
        let mut raw = worker().raw;
        for (key, value) in entries {
            raw.insert(*key, (*value).to_owned());
        }
        let worker = WorkerConfig::parse(&raw).expect("a valid worker");
        let findings = check_worker_plugins(&worker, plugins()).err();
        assert_eq!(findings.as_ref().map(|findings| findings.first()), expect);
    };
    check(&[], None);
    check(&[("key.converter", "JsonConverter"), ("header.converter", "StringConverter")], None);
    check(
        &[("value.converter", "org.example.Missing")],
        Some(
            "Invalid value org.example.Missing for configuration value.converter: Class org.example.Missing could not \
             be found.",
        ),
    );
    check(
        &[("key.converter", "RegexRouter")],
        Some(
            "Class class org.apache.kafka.connect.transforms.RegexRouter does not implement the Converter interface",
        ),
    );
    check(
        &[("key.converter.plugin.version", "9")],
        Some(
            "Plugin org.apache.kafka.connect.json.JsonConverter not found that matches the version range [9,9], \
             available versions: [4.3.1, 4.3.1]",
        ),
    );
}
