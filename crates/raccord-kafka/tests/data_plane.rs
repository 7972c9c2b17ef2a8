//! Producer and consumer against librdkafka's own broker in this process: what comes out is what went in, in order, and
//! the handshakes of rebalances, seeks and pauses hold.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raccord_broker::{Broker, BrokerConfig};
use raccord_kafka::RdKafka;
use raccord_plugin::{ErrorKind, RawConfig, TopicPartition};
use raccord_runtime::ports::{
    Acks, Consumer, ConsumerEvent, Fetched, Kafka, NewTopic, Outgoing, Producer, SendError, Subscription,
};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topics: &[(&str, i32)]) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for (topic, partitions) in topics {
        cluster.create_topic(topic, *partitions, 1).unwrap();
    }
    cluster
}

fn properties(cluster: &Cluster, more: &[(&str, &str)]) -> RawConfig {
    let mut properties = RawConfig::from([
        ("bootstrap.servers", cluster.bootstrap_servers()),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
        ("group.id", "g".to_owned()),
        ("session.timeout.ms", "6000".to_owned()),
    ]);
    for (key, value) in more {
        properties.insert(*key, Some((*value).to_owned()));
    }
    properties
}

fn topics(names: &[&str]) -> Subscription {
    Subscription::Topics(names.iter().map(|name| (*name).to_owned()).collect())
}

fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition: number }
}

fn outgoing<'a>(topic: &'a Arc<str>, partition: i32, value: &'a [u8], ticket: u64) -> Outgoing<'a> {
    let partition = Some(partition);
    Outgoing { topic, partition, timestamp: None, key: None, value: Some(value), headers: &[], ticket }
}

/// Sends, waiting for room where there is none.
async fn send(producer: &mut dyn Producer, record: &Outgoing<'_>, acks: &mut Acks) {
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err(SendError::Full) => {
                producer.progress().await;
                producer.drain_acks(acks);
            }
            Err(SendError::Rejected(error)) => panic!("{}", error.trace()),
        }
    }
}

async fn settle(producer: &mut dyn Producer, acks: &mut Acks) {
    while producer.outstanding() > 0 {
        tokio::time::timeout(Duration::from_secs(20), producer.progress())
            .await
            .expect("acknowledged in time");
        producer.drain_acks(acks);
    }
}

/// Writes `count` numbered records to a partition.
async fn fill(cluster: &Cluster, topic: &str, number: i32, count: u64) {
    let mut producer = RdKafka::default().producer(&properties(cluster, &[])).unwrap();
    let (topic, mut acks): (Arc<str>, _) = (topic.into(), Acks::default());
    for n in 0..count {
        send(&mut *producer, &outgoing(&topic, number, n.to_string().as_bytes(), n), &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered, (0..count).collect::<Vec<_>>());
}

/// What was read, by partition: kafka_offset and text of each record in the order in which they came.
type Seen = BTreeMap<TopicPartition, Vec<(i64, String)>>;

struct Reader {
    consumer: Box<dyn Consumer>,
    batch: Fetched,
    seen: Seen,
    assigned: Vec<TopicPartition>,
}

impl Reader {
    fn new(cluster: &Cluster, subscription: Subscription, more: &[(&str, &str)]) -> Self {
        let consumer = RdKafka::default().consumer(&properties(cluster, more), subscription).unwrap();
        Self { consumer, batch: Fetched::default(), seen: Seen::new(), assigned: Vec::new() }
    }

    async fn poll(&mut self, wait_ms: u64) -> ConsumerEvent {
        let event = self.consumer.poll(Duration::from_millis(wait_ms), &mut self.batch).await.unwrap();
        match &event {
            ConsumerEvent::Records => {
                for record in &self.batch.records {
                    let value = record.value.clone().expect("numbers are not null");
                    let text = &self.batch.buffer[value.start as usize..value.end as usize];
                    let partition = self.batch.partitions[record.stream as usize].clone();
                    let text = std::str::from_utf8(text).unwrap().to_owned();
                    self.seen.entry(partition).or_default().push((record.offset, text));
                }
            }
            ConsumerEvent::Assigned(partitions) => self.assigned.extend_from_slice(partitions),
            ConsumerEvent::Revoked { partitions, .. } => {
                self.assigned.retain(|assigned| !partitions.contains(assigned));
            }
        }
        event
    }

    /// Polls until that holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{what}: {:?}, {:?}",
                self.assigned,
                self.seen
            );
            self.poll(200).await;
        }
    }

    fn count(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }
}

#[tokio::test]
async fn records_come_out_as_they_went_in() {
    let cluster = cluster(&[("t", 1)]);
    let mut producer = RdKafka::default().producer(&properties(&cluster, &[])).unwrap();
    let (topic, mut acks): (Arc<str>, _) = ("t".into(), Acks::default());
    let headers = vec![("a".into(), Some(b"x".to_vec())), ("a".into(), None), ("b".into(), Some(Vec::new()))];
    let plain = outgoing(&topic, 0, b"v", 0);
    let records = [
        plain,
        Outgoing { key: Some(b"k"), value: None, ..plain },
        Outgoing { key: Some(b""), value: Some(b""), timestamp: Some(1_700_000_000_123), ..plain },
        Outgoing { headers: &headers, partition: None, ..plain },
    ];
    for (ticket, record) in records.iter().enumerate() {
        send(&mut *producer, &Outgoing { ticket: ticket as u64 + 7, ..*record }, &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered, [7, 8, 9, 10]);

    let mut consumer = RdKafka::default().consumer(&properties(&cluster, &[]), topics(&["t"])).unwrap();
    let (mut batch, mut seen) = (Fetched::default(), Vec::new());
    while seen.len() < records.len() {
        consumer.poll(Duration::from_secs(10), &mut batch).await.unwrap();
        let bytes = |range: &Option<std::ops::Range<u32>>| {
            range.as_ref().map(|range| batch.buffer[range.start as usize..range.end as usize].to_vec())
        };
        for record in &batch.records {
            assert_eq!(batch.partitions[record.stream as usize], partition("t", 0));
            let headers = &batch.headers[record.headers.start as usize..record.headers.end as usize];
            let headers: Vec<_> =
                headers.iter().map(|header| (header.key.clone(), bytes(&header.value))).collect();
            seen.push((record.offset, record.timestamp, bytes(&record.key), bytes(&record.value), headers));
        }
    }
    for (offset, (record, seen)) in records.iter().zip(&seen).enumerate() {
        assert_eq!(seen.0, offset as i64);
        assert!(record.timestamp.is_none() || record.timestamp == seen.1, "{:?}", seen.1);
        assert!(seen.1.is_some_and(|timestamp| timestamp > 1_600_000_000_000));
        assert_eq!(seen.2.as_deref(), record.key);
        assert_eq!(seen.3.as_deref(), record.value);
        assert_eq!(seen.4, record.headers);
    }
}

#[tokio::test]
async fn a_full_producer_takes_more_after_progress_and_keeps_the_order() {
    let cluster = cluster(&[("t", 1)]);
    let bounds = [("buffer.memory", "20000"), ("max.request.size", "5000"), ("linger.ms", "0")];
    let mut producer = RdKafka::default().producer(&properties(&cluster, &bounds)).unwrap();
    let (topic, mut acks): (Arc<str>, _) = ("t".into(), Acks::default());
    let value = vec![b'x'; 4000];
    let mut fulls = 0;
    for ticket in 0..100 {
        while let Err(error) = producer.send(&outgoing(&topic, 0, &value, ticket)) {
            assert!(matches!(error, SendError::Full), "{error:?}");
            fulls += 1;
            producer.progress().await;
            producer.drain_acks(&mut acks);
        }
        assert!(producer.outstanding() <= 5);
    }
    settle(&mut *producer, &mut acks).await;
    assert!(fulls > 0);
    assert_eq!(acks.delivered, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_at_once() {
    let cluster = cluster(&[("t", 1)]);
    let mut producer =
        RdKafka::default().producer(&properties(&cluster, &[("max.request.size", "2000")])).unwrap();
    let topic = "t".into();
    match producer.send(&outgoing(&topic, 0, &[0; 3000], 1)) {
        Err(SendError::Rejected(error)) => {
            assert_eq!(error.java_class(), "org.apache.kafka.common.errors.RecordTooLargeException");
            assert_eq!(error.kind(), ErrorKind::Record);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_may_succeed_is_repeated_in_order_and_what_may_not_comes_back() {
    let cluster = cluster(&[("t", 1), ("u", 1)]);
    let retriable = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    cluster.request_errors(RDKafkaApiKey::Produce, &[retriable, retriable, retriable]);
    fill(&cluster, "t", 0, 500).await;
    let mut reader = Reader::new(&cluster, topics(&["t"]), &[]);
    reader.until("all records", |reader| reader.count() >= 500).await;
    let expect: Vec<(i64, String)> = (0..500).map(|n| (n, n.to_string())).collect();
    assert_eq!(reader.seen[&partition("t", 0)], expect);

    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    let mut producer = RdKafka::default().producer(&properties(&cluster, &[])).unwrap();
    let (topic, mut acks): (Arc<str>, _) = ("u".into(), Acks::default());
    send(&mut *producer, &outgoing(&topic, 0, b"x", 3), &mut acks).await;
    settle(&mut *producer, &mut acks).await;
    let (ticket, error) = acks.failed.pop().expect("it is given up");
    assert_eq!(ticket, 3);
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.TopicAuthorizationException");
}

/// Against our own broker: librdkafka's refuses commits during a rebalance, which Kafka accepts.
async fn hands_partitions_over(more: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let config = BrokerConfig { port: 0, data_dir: folder.path().to_owned(), ..BrokerConfig::default() };
    let broker = Broker::start(config).unwrap();
    let mut more = more.to_vec();
    let address = broker.advertised();
    more.push(("bootstrap.servers", &address));
    let cluster = cluster(&[]);
    let bag = properties(&cluster, &more);
    let kafka = RdKafka::default();
    let new = NewTopic { name: "t".into(), partitions: 2, replication_factor: 1, settings: RawConfig::new() };
    kafka.admin(&bag).unwrap().create_topics(&[new]).await.unwrap();
    let mut producer = kafka.producer(&bag).unwrap();
    let (topic, mut acks): (Arc<str>, _) = ("t".into(), Acks::default());
    for n in 0..200 {
        send(&mut *producer, &outgoing(&topic, (n % 2) as i32, n.to_string().as_bytes(), n), &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;

    let mut first = Reader::new(&cluster, topics(&["t"]), &more);
    first.until("all records", |reader| reader.count() == 200).await;
    let mut second = Reader::new(&cluster, topics(&["t"]), &more);
    let started = Instant::now();
    // The second one joins while both poll; the first one is asked to give up what it has.
    let going = loop {
        assert!(started.elapsed() < Duration::from_secs(30), "no rebalance");
        let (event, _) = tokio::join!(first.poll(100), second.poll(100));
        match event {
            ConsumerEvent::Revoked { partitions, lost: false } => break partitions,
            ConsumerEvent::Revoked { .. } => panic!("lost"),
            _ => {}
        }
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(second.assigned.is_empty(), "a partition was given away before it was given up");
    let offsets: Vec<(TopicPartition, i64)> = going.into_iter().map(|partition| (partition, 90)).collect();
    first.consumer.commit(&offsets).await.unwrap();
    while first.assigned.len() != 1 || second.assigned.len() != 1 || second.count() < 10 {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?} {:?}", first.assigned, second.assigned);
        tokio::join!(first.poll(100), second.poll(100));
    }
    assert_ne!(first.assigned, second.assigned);
    let records = second.seen.values().next().unwrap();
    assert_eq!((records.len(), records[0].0), (10, 90));
    first.consumer.close().await;
    second.until("what the first one left", |reader| reader.assigned.len() == 2).await;
    second.consumer.close().await;
    broker.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_goes_away_can_be_committed_before_it_is_given_up() {
    hands_partitions_over(&[]).await;
}

#[tokio::test]
async fn cooperative_members_give_up_only_what_moves() {
    let strategy = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    hands_partitions_over(&[("partition.assignment.strategy", strategy)]).await;
}

#[tokio::test]
async fn seeks_and_pauses_take_effect_before_the_next_record() {
    let cluster = cluster(&[("t", 1)]);
    fill(&cluster, "t", 0, 1000).await;
    let t0 = partition("t", 0);
    let mut reader = Reader::new(&cluster, topics(&["t"]), &[("max.poll.records", "100")]);
    reader.until("assigned", |reader| !reader.assigned.is_empty()).await;
    // Between the event and the next poll, before the assignment is carried out.
    reader.consumer.seek(&t0, 500).unwrap();
    reader.consumer.pause(std::slice::from_ref(&t0)).unwrap();
    for _ in 0..5 {
        reader.poll(200).await;
    }
    assert_eq!(reader.count(), 0);
    reader.consumer.resume(std::slice::from_ref(&t0)).unwrap();
    reader.until("records", |reader| reader.count() > 0).await;
    assert_eq!(reader.seen[&t0][0].0, 500);
    assert!(reader.count() <= 100);

    // While records are flowing and more have been fetched ahead.
    reader.consumer.pause(std::slice::from_ref(&t0)).unwrap();
    let before = reader.count();
    for _ in 0..5 {
        reader.poll(100).await;
    }
    assert_eq!(reader.count(), before);
    reader.consumer.resume(std::slice::from_ref(&t0)).unwrap();
    reader.until("the rest", |reader| reader.count() == 500).await;
    let offsets: Vec<i64> = reader.seen[&t0].iter().map(|record| record.0).collect();
    assert_eq!(offsets, (500..1000).collect::<Vec<_>>());

    reader.seen.clear();
    reader.consumer.seek(&t0, 990).unwrap();
    reader.until("the end again", |reader| reader.count() == 10).await;
    assert_eq!(reader.seen[&t0][0].0, 990);
}

#[tokio::test]
async fn a_regex_takes_topics_that_match_as_a_whole_and_those_that_come_later() {
    let cluster = cluster(&[("log-a", 1), ("xlog-b", 1)]);
    fill(&cluster, "log-a", 0, 3).await;
    fill(&cluster, "xlog-b", 0, 3).await;
    let regex = Subscription::Regex("log-(?!secret)[a-z]+".to_owned());
    let mut reader = Reader::new(&cluster, regex, &[("metadata.max.age.ms", "500")]);
    reader.until("the first topic", |reader| reader.count() == 3).await;
    cluster.create_topic("log-secret", 1, 1).unwrap();
    cluster.create_topic("log-c", 1, 1).unwrap();
    fill(&cluster, "log-secret", 0, 3).await;
    fill(&cluster, "log-c", 0, 3).await;
    // Nothing was committed, so the first topic may be read again.
    reader.until("the later topic", |reader| reader.seen.contains_key(&partition("log-c", 0))).await;
    let read: Vec<&str> = reader.seen.keys().map(|partition| &*partition.topic).collect();
    assert_eq!(read, ["log-a", "log-c"]);
}
