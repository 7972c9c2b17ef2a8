//! Internal topics over a real broker: created together, read to the end when opened again, and fit for their purpose.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use raccord_broker::{Broker, BrokerConfig, BrokerHandle};
use raccord_kafka::RdKafka;
use raccord_plugin::{ErrorKind, RawConfig, Result};
use raccord_runtime::ports::{CompactedLog, Kafka, LogRecord, LogTopic, NewTopic};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SETTING: &str = "offset.storage.topic";

fn broker(folder: &tempfile::TempDir) -> BrokerHandle {
    let config = BrokerConfig { port: 0, data_dir: folder.path().to_owned(), ..BrokerConfig::default() };
    Broker::start(config).unwrap()
}

fn properties(broker: &BrokerHandle) -> RawConfig {
    RawConfig::from([("bootstrap.servers", broker.advertised())])
}

fn topic(name: &str, partitions: i32) -> LogTopic {
    LogTopic {
        name: name.to_owned(),
        setting: SETTING,
        partitions,
        partitions_exact: false,
        replication_factor: 1,
        settings: RawConfig::new(),
    }
}

struct Open {
    log: Box<dyn CompactedLog>,
    records: mpsc::Receiver<Vec<LogRecord>>,
}

async fn open(kafka: &RdKafka, properties: &RawConfig, topic: LogTopic) -> Result<Open> {
    let (sender, records) = mpsc::channel(16);
    Ok(Open { log: kafka.open_log(topic, properties, sender).await?, records })
}

impl Open {
    /// Appends values under their numbers and waits until they have been read.
    async fn append(&self, values: &[&str]) {
        let pair =
            |(n, value): (usize, &&str)| (Bytes::from(n.to_string()), Some(Bytes::from(value.to_string())));
        let work = self.log.append_and_read(values.iter().enumerate().map(pair).collect());
        timeout(Duration::from_secs(20), work).await.expect("is read back in time").unwrap();
    }

    /// What has been passed on so far, sorted.
    fn values(&mut self) -> Vec<String> {
        let mut values = Vec::new();
        while let Ok(batch) = self.records.try_recv() {
            let text = |record: LogRecord| String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            values.extend(batch.into_iter().map(text));
        }
        values.sort();
        values
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_together_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&folder);
    let bag = properties(&broker);
    let kafka = RdKafka::default();
    let (configs, offsets, statuses) = tokio::try_join!(
        open(&kafka, &bag, topic("configs", 1)),
        open(&kafka, &bag, topic("offsets", 25)),
        open(&kafka, &bag, topic("statuses", -1)),
    )
    .unwrap();
    for (mut log, values) in [(configs, ["a", "b"]), (offsets, ["c", "d"]), (statuses, ["e", "f"])] {
        log.append(&values).await;
        assert_eq!(log.values(), values);
    }
    let admin = kafka.admin(&bag).unwrap();
    let mut found = admin.describe_topics(&["configs", "offsets", "statuses"]).await.unwrap();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let counts: Vec<_> = found.iter().map(|topic| (topic.name.as_str(), topic.partitions)).collect();
    assert_eq!(counts, [("configs", 1), ("offsets", 25), ("statuses", 1)]);

    // Whoever opens an existing topic is passed what is in it before the call returns.
    let mut again = open(&RdKafka::default(), &bag, topic("offsets", 25)).await.unwrap();
    assert_eq!(again.values(), ["c", "d"]);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_be_created_or_used_says_why_and_stops_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let broker = broker(&folder);
    let bag = properties(&broker);
    let kafka = RdKafka::default();
    let wide = LogTopic { replication_factor: 3, ..topic("wide", 1) };
    let (refused, fine) = tokio::join!(open(&kafka, &bag, wide), open(&kafka, &bag, topic("fine", 1)));
    let error = refused.err().expect("one broker cannot hold three replicas");
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.InvalidReplicationFactorException");
    assert!(error.message().contains("cannot create topic 'wide' of 'offset.storage.topic'"), "{error}");
    fine.unwrap().append(&["works"]).await;

    let settings = RawConfig::from([("cleanup.policy", "delete")]);
    let new = NewTopic { name: "deleting".into(), partitions: 2, replication_factor: 1, settings };
    kafka.admin(&bag).unwrap().create_topics(&[new]).await.unwrap();
    let error = open(&kafka, &bag, topic("deleting", 1)).await.err().expect("it would forget records");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("cleanup.policy=compact"), "{error}");
    broker.shutdown().await;
}
