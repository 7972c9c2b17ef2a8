//! Signals from a topic: records of its first partition whose key is the topic prefix.
//!
//! As Debezium, the consumer's group remembers what was read, under `signal.kafka.groupId` and with the properties
//! `signal.consumer.*`; it is assigned its partition and joins no group. What was read is committed when its signals have
//! been handed over, so that a crash between the two repeats a signal and loses none.

use std::sync::Arc;
use std::time::Duration;

use raccord_cdc::SignalRecord;
use raccord_plugin::{Error, ErrorKind, RawConfig, Result, TopicReader, TopicReaders, TopicRecord};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::settings::Settings;

const CONSUMER_PREFIX: &str = "signal.consumer.";
/// How long is waited after a failure that may go away.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Opens the topic that the config names.
///
/// # Errors
/// When keys are missing or cannot be used.
pub fn open(settings: &Settings, topics: &Arc<dyn TopicReaders>) -> Result<Box<dyn TopicReader>> {
    let unlisted = &settings.config.unlisted;
    let prefix = settings.config.topic_prefix();
    let topic = unlisted.signal_kafka_topic.clone().unwrap_or_else(|| format!("{prefix}-signal"));
    let mut properties = RawConfig::from([
        ("group.id", unlisted.signal_kafka_group_id.clone()),
        ("fetch.min.bytes", "1".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("client.id", format!("{prefix}-signal")),
    ]);
    if let Some(servers) = &unlisted.signal_kafka_bootstrap_servers {
        properties.insert("bootstrap.servers", Some(servers.clone()));
    }
    for (key, value) in settings.config.raw.iter() {
        if let Some(key) = key.strip_prefix(CONSUMER_PREFIX) {
            properties.insert(key, value.map(str::to_owned));
        }
    }
    if properties.get("bootstrap.servers").is_none() {
        return Err(Error::config(
            "Signal channel kafka configuration is invalid: signal.kafka.bootstrap.servers is not set",
        ));
    }
    info!("Subscribing to signals topic '{topic}'");
    topics.open(&topic, &properties)
}

/// Hands signals over as they come.
pub async fn read(mut reader: Box<dyn TopicReader>, prefix: String, sender: mpsc::Sender<SignalRecord>) {
    loop {
        let records = match reader.next().await {
            Ok(records) => records,
            Err(failure) if failure.kind() == ErrorKind::Retriable => {
                warn!(trace = failure.trace(), "the topic of signals cannot be read");
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
            Err(failure) => {
                return error!(trace = failure.trace(), "the topic of signals is read no further");
            }
        };
        for signal in records.iter().filter_map(|record| signal_of(record, &prefix)) {
            if sender.send(signal).await.is_err() {
                return;
            }
        }
        let Some(last) = records.last() else { continue };
        if let Err(failure) = reader.commit(last.kafka_offset).await {
            warn!(trace = failure.trace(), "what was read of the topic of signals cannot be committed");
        }
    }
}

/// The signal of a record, if it is one for this connector.
fn signal_of(record: &TopicRecord, prefix: &str) -> Option<SignalRecord> {
    let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    if key != prefix {
        info!("Signal key '{key}' doesn't match the connector's name '{prefix}'");
        return None;
    }
    let value = record.value.as_deref().filter(|value| !value.is_empty())?;
    let signal: Option<Value> = serde_json::from_slice(value).ok();
    let text = |field: &str| signal.as_ref()?.get(field)?.as_str().map(str::to_owned);
    match signal.as_ref().and_then(|signal| signal.get("data")).filter(|data| data.is_object()) {
        Some(data) => Some(SignalRecord { id: text("id"), kind: text("type"), data: Some(data.to_string()) }),
        None => {
            let place = record.kafka_offset;
            warn!("Skipped the signal at offset {place}: it is no JSON object with the object 'data'");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn records_are_json_under_the_topic_prefix() {
        let check = |key: &str, value: &str, expect: Option<(&str, &str)>| {
            let record = TopicRecord {
                key: Some(Bytes::copy_from_slice(key.as_bytes())),
                value: Some(Bytes::copy_from_slice(value.as_bytes())),
                kafka_offset: 0,
            };
            let found = signal_of(&record, "lab");
            let found =
                found.map(|signal| (signal.kind.unwrap_or_default(), signal.data.unwrap_or_default()));
            let expect = expect.map(|(kind, data)| (kind.to_owned(), data.to_owned()));
            assert_eq!(found, expect, "{key} {value}");
        };
        check("lab", r#"{"type":"log","data":{"message":"x"}}"#, Some(("log", r#"{"message":"x"}"#)));
        check("other", r#"{"type":"log","data":{}}"#, None);
        check("lab", "", None);
        check("lab", "no json", None);
        check("lab", r#"{"type":"log"}"#, None);
        check("lab", "[]", None);
    }
}
