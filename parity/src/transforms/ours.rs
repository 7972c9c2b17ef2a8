//! What our chain makes of a request, in the words of the oracle.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use raccord_config::{Config, RawConfig};
use raccord_converters::json::{JsonConverter, Settings};
use raccord_data::{Header, Position, Record};
use raccord_plugin::{Converter, Encoded, Error, Result, SchemaAndValue};
use raccord_plugins::PLUGINS;
use raccord_runtime::chain::Chain;
use raccord_runtime::config::ConnectorCommon;
use raccord_testkit::described::{read_pair, show_pair};
use serde_json::{Map, Value as Json, json};

/// Answers as `parity/java/Transforms.java` does.
///
/// # Panics
/// When the request is not of the form that is explained there.
pub fn answer(request: &Json) -> Json {
    let mut chain = match chain(&request["config"]) {
        Ok(chain) => chain,
        Err(error) => return json!({ "error": causes(&error) }),
    };
    let sink = request["kind"] == "sink";
    let records = request["records"].as_array().into_iter().flatten().enumerate();
    let results =
        records.map(|(index, record)| match chain.apply(read_record(record, index, sink), 0, false) {
            Ok(Some(record)) => show_record(&record),
            Ok(None) => json!({ "dropped": true }),
            Err(failed) => json!({ "error": causes(&failed.failure.error) }),
        });
    json!({ "results": results.collect::<Vec<_>>() })
}

fn chain(config: &Json) -> Result<Chain> {
    let mut raw = RawConfig::from([("name", "parity"), ("connector.class", "VerifiableSourceConnector")]);
    for (key, value) in config.as_object().into_iter().flatten() {
        let text = match value {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        raw.insert(key.clone(), text);
    }
    let names = ConnectorCommon::parse(&raw).map_err(|findings| Error::config(findings.first()))?;
    Chain::new(PLUGINS, &names, &raw)
}

fn converter(schemas: bool) -> JsonConverter {
    JsonConverter::with_settings(Settings {
        schemas_enable: schemas,
        replace_null: false,
        ..Settings::default()
    })
}

fn read_record(json: &Json, index: usize, sink: bool) -> Record {
    let key = read(&json["key"]);
    let value = read(&json["value"]);
    let kafka_offset = json["kafka_offset"].as_i64().unwrap_or(index as i64);
    let partition = json["partition"].as_i64().map(|partition| partition as i32);
    let headers = json["headers"].as_array().into_iter().flatten().map(|header| {
        let SchemaAndValue { schema, value } = read(&header["value"]);
        Header { key: header["key"].as_str().unwrap_or_default().into(), schema, value }
    });
    Record {
        topic: json["topic"].as_str().unwrap_or("topic").into(),
        partition: if sink { Some(partition.unwrap_or(0)) } else { partition },
        timestamp: json["timestamp"].as_i64(),
        key_schema: key.schema,
        key: key.value,
        value_schema: value.schema,
        value: value.value,
        headers: headers.collect(),
        kafka_offset: sink.then_some(kafka_offset),
        position: Position { stream: 0, sequence: kafka_offset as u64 },
    }
}

fn read(json: &Json) -> SchemaAndValue {
    let Some(object) = json.as_object() else {
        return if json.is_null() { SchemaAndValue::default() } else { decode(json, false) };
    };
    if let (1, Some(typed)) = (object.len(), object.get("typed")) {
        return read_pair(typed);
    }
    let envelope = object.len() == 2 && object.contains_key("schema") && object.contains_key("payload");
    decode(json, envelope)
}

fn decode(json: &Json, envelope: bool) -> SchemaAndValue {
    let bytes = Bytes::from(json.to_string());
    converter(envelope)
        .decoder("topic")
        .and_then(|mut decoder| decoder.decode(Some(&bytes)))
        .unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn show_record(record: &Record) -> Json {
    let headers: Vec<Json> = record
        .headers
        .iter()
        .map(|header| json!({ "key": &*header.key, "value": show(header.schema.clone(), header.value.clone()) }))
        .collect();
    json!({
        "topic": &*record.topic,
        "partition": record.partition,
        "timestamp": record.timestamp,
        "key": show(record.key_schema.clone(), record.key.clone()),
        "value": show(record.value_schema.clone(), record.value.clone()),
        "headers": headers,
    })
}

fn show(schema: Option<Arc<raccord_data::Schema>>, value: raccord_data::Value) -> Json {
    if schema.is_none() && value.is_null() {
        return Json::Null;
    }
    let pair = SchemaAndValue { schema, value };
    let mut shown = show_pair(&pair);
    shown["json"] = encode(&pair).unwrap_or_else(|error| json!({ "error": causes(&error) }));
    shown
}

fn encode(pair: &SchemaAndValue) -> Result<Json> {
    let mut out = Vec::new();
    let encoded = converter(true).encoder("topic", pair.schema.as_ref())?.encode(&pair.value, &mut out)?;
    Ok(match encoded {
        Encoded::Null => Json::Null,
        Encoded::Bytes => String::from_utf8_lossy(&out).into_owned().into(),
    })
}

/// The error and its causes, the outermost first.
fn causes(error: &Error) -> Json {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let mut shown = Map::new();
        shown.insert("class".to_owned(), error.java_class().into());
        // An exception without a message.
        let message = Some(error.message()).filter(|message| !message.is_empty());
        shown.insert("message".to_owned(), message.into());
        chain.push(Json::Object(shown));
        next = error.source().and_then(|cause| cause.downcast_ref::<Error>());
    }
    chain.into()
}
