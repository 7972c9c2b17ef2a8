//! Replays what Kafka Connect's own converters made of thousands of inputs (`parity/recorded/converters`), and
//! demands the same bytes, values, schemas and errors.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it did"
)]

mod differences;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use raccord_config::RawConfig;
use raccord_converters::CONVERTERS;
use raccord_data::Header;
use raccord_plugin::{Encoded, Error, Make, Result, Role, SchemaAndValue};
use raccord_testkit::described::{read_bytes, read_pair, show_bytes, show_error, show_pair};
use serde_json::{Value as Json, json};

/// What went wrong in a file, and how much was compared.
#[derive(Default)]
struct Tally {
    compared: usize,
    skipped: usize,
    failures: Vec<String>,
}

fn replay(file: &str, least: usize) {
    let live = env::var_os("RACCORD_CONVERTER_CORPUS");
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/converters");
    let path = live.map_or(recorded, PathBuf::from).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tally = Tally::default();
    for line in text.lines() {
        check_line(line, &mut tally);
    }
    println!("{file}: {} compared, {} skipped", tally.compared, tally.skipped);
    let shown: Vec<_> = tally.failures.iter().take(20).map(String::as_str).collect();
    assert!(
        tally.failures.is_empty(),
        "{} of {} differ\n{}",
        tally.failures.len(),
        tally.compared,
        shown.join("\n")
    );
    assert!(tally.compared >= least, "only {} lines were compared", tally.compared);
}

fn check_line(line: &str, tally: &mut Tally) {
    let line: Json = serde_json::from_str(line).expect("a line of the corpus is JSON");
    if differences::cannot_be_represented(&line) {
        tally.skipped += 1;
        return;
    }
    tally.compared += 1;
    let mut expect = match line.get("error") {
        Some(error) => json!({ "error": error }),
        None => json!({ "out": line["out"] }),
    };
    let mut actual = run(&line);
    differences::settle(&line, &mut expect, &mut actual);
    if expect != actual {
        let op =
            [&line["converter"], &line["config"], &line["op"], &line["in"]].map(Json::to_string).join(" ");
        tally.failures.push(format!("{op}\n  expected {expect}\n  actual   {actual}"));
    }
}

fn run(line: &Json) -> Json {
    let class = line["converter"].as_str().unwrap();
    let config: RawConfig = line["config"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned)))
        .collect();
    let outcome = match line["op"].as_str().unwrap() {
        "encode" => encode(class, &config, &line["in"]),
        "decode" => decode(class, &config, &line["in"]),
        "encode_header" => encode_header(class, &config, &line["in"]),
        "decode_header" => decode_header(class, &config, &line["in"]),
        other => panic!("unknown op {other}"),
    };
    outcome.unwrap_or_else(|error| json!({ "error": show_error(&error) }))
}

fn make<T>(class: &str, pick: impl Fn(&Make) -> Option<T>) -> T {
    let mut plugins = CONVERTERS.iter().filter(|plugin| plugin.class == class);
    plugins.find_map(|plugin| pick(&plugin.make)).unwrap_or_else(|| panic!("{class} is not listed"))
}

fn encoded(result: Result<Encoded>, out: &[u8]) -> Result<Json> {
    Ok(match result? {
        Encoded::Null => json!({ "out": null }),
        Encoded::Bytes => json!({ "out": show_bytes(out) }),
    })
}

fn decoded(result: Result<SchemaAndValue>) -> Result<Json> {
    result.map(|read| json!({ "out": show_pair(&read) }))
}

fn encode(class: &str, config: &RawConfig, input: &Json) -> Result<Json> {
    let make = make(class, |make| match make {
        Make::Converter(make) => Some(*make),
        _ => None,
    });
    let converter = make(config, Role::Value)?;
    let input = read_pair(input);
    let mut out = b"before".to_vec();
    let result = converter.encoder("topic", input.schema.as_ref())?.encode(&input.value, &mut out);
    encoded(result, out.strip_prefix(b"before").expect("what was there stays"))
}

fn decode(class: &str, config: &RawConfig, input: &Json) -> Result<Json> {
    let make = make(class, |make| match make {
        Make::Converter(make) => Some(*make),
        _ => None,
    });
    let converter = make(config, Role::Value)?;
    let bytes = read_bytes(input);
    let mut decoder = converter.decoder("topic")?;
    let first = decoder.decode(bytes.as_ref());
    // The second time the schema is a known one, and the way is another.
    let second = decoder.decode(bytes.as_ref());
    assert_same(&first, &second, input);
    decoded(first)
}

fn assert_same(first: &Result<SchemaAndValue>, second: &Result<SchemaAndValue>, input: &Json) {
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(show_pair(first), show_pair(second), "{input}");
            if let (Some(a), Some(b)) = (&first.schema, &second.schema) {
                assert!(Arc::ptr_eq(a, b), "the same schema comes back: {input}");
            }
        }
        (Err(first), Err(second)) => assert_eq!(show_error(first), show_error(second), "{input}"),
        _ => panic!("the second decoding differs: {input}"),
    }
}

fn header_converter(
    class: &str,
    config: &RawConfig,
) -> Result<Arc<dyn raccord_plugin::HeaderConverter>, Error> {
    let make = make(class, |make| match make {
        Make::HeaderConverter(make) => Some(*make),
        _ => None,
    });
    make(config)
}

fn encode_header(class: &str, config: &RawConfig, input: &Json) -> Result<Json> {
    let converter = header_converter(class, config)?;
    let SchemaAndValue { schema, value } = read_pair(input);
    let mut out = Vec::new();
    let result = converter.encode("topic", &Header { key: "h".into(), schema, value }, &mut out);
    encoded(result, &out)
}

fn decode_header(class: &str, config: &RawConfig, input: &Json) -> Result<Json> {
    let converter = header_converter(class, config)?;
    let bytes: Option<Bytes> = read_bytes(input);
    decoded(converter.decode("topic", "h", bytes.as_ref()))
}

#[test]
fn string() {
    replay("string.jsonl", 600);
}

#[test]
fn primitives() {
    replay("primitives.jsonl", 700);
}

#[test]
fn json_encode() {
    replay("json-encode.jsonl", 700);
}

#[test]
fn json_decode() {
    replay("json-decode.jsonl", 900);
}

#[test]
fn json_random() {
    replay("json-random.jsonl", 700);
}

#[test]
fn header() {
    replay("header.jsonl", 950);
}

#[test]
fn header_random() {
    replay("header-random.jsonl", 1_500);
}
