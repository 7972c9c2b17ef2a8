//! The producer that writes its batches itself, attacked: brokers that refuse, go away, lose leadership, find batches too
//! large. Nothing may be missing, and within a partition nothing may overtake.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raccord_broker::{Broker, BrokerConfig, BrokerHandle};
use raccord_kafka::RdKafka;
use raccord_plugin::{ErrorKind, RawConfig, TopicPartition};
use raccord_runtime::ports::{
    Acks, ConsumerEvent, Fetched, Kafka, NewTopic, Outgoing, Producer, SendError, Subscription,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const PATIENCE: Duration = Duration::from_secs(60);

/// The properties of a source task's producer, and more.
fn producer(servers: &str, more: &[(&str, &str)]) -> Box<dyn Producer> {
    let mut properties = RawConfig::from([
        ("bootstrap.servers", servers.to_owned()),
        ("acks", "all".to_owned()),
        ("enable.idempotence", "false".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("max.block.ms", i64::MAX.to_string()),
    ]);
    for (key, value) in more {
        properties.insert(*key, Some((*value).to_owned()));
    }
    RdKafka::default().producer(&properties).unwrap()
}

fn record<'a>(topic: &'a Arc<str>, key: Option<&'a [u8]>, value: &'a [u8], ticket: u64) -> Outgoing<'a> {
    Outgoing { topic, partition: None, timestamp: None, key, value: Some(value), headers: &[], ticket }
}

async fn send(producer: &mut dyn Producer, record: &Outgoing<'_>, acks: &mut Acks) {
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err(SendError::Full) => wait(producer, acks).await,
            Err(SendError::Rejected(error)) => panic!("{}", error.trace()),
        }
    }
}

async fn wait(producer: &mut dyn Producer, acks: &mut Acks) {
    tokio::time::timeout(PATIENCE, producer.progress()).await.expect("something happens in time");
    producer.drain_acks(acks);
}

async fn settle(producer: &mut dyn Producer, acks: &mut Acks) {
    while producer.outstanding() > 0 {
        wait(producer, acks).await;
    }
}

/// The texts of all records of the topics by partition, in order, as soon as so many different ones have come.
async fn read(servers: &str, topics: &[Arc<str>], count: usize) -> BTreeMap<TopicPartition, Vec<String>> {
    let properties = RawConfig::from([
        ("bootstrap.servers", servers.to_owned()),
        ("group.id", "reader".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ]);
    let topics = Subscription::Topics(topics.iter().map(|topic| topic.to_string()).collect());
    let mut consumer = RdKafka::default().consumer(&properties, topics).unwrap();
    let (mut batch, mut seen, mut distinct) = (Fetched::default(), BTreeMap::new(), HashSet::new());
    let started = Instant::now();
    while distinct.len() < count {
        assert!(started.elapsed() < PATIENCE, "{} of {count} records came", distinct.len());
        if !matches!(
            consumer.poll(Duration::from_millis(200), &mut batch).await.unwrap(),
            ConsumerEvent::Records
        ) {
            continue;
        }
        for record in &batch.records {
            let value = record.value.clone().unwrap();
            let text = std::str::from_utf8(&batch.buffer[value.start as usize..value.end as usize]).unwrap();
            // What stands behind the number only makes the record longer.
            let number = text.split(' ').next().unwrap().to_owned();
            distinct.insert(number.clone());
            let partition = batch.partitions[record.stream as usize].clone();
            seen.entry(partition).or_insert_with(Vec::new).push(number);
        }
    }
    seen
}

/// Records may come twice, but a record that comes for the first time comes after all that were sent before it.
fn assert_order(seen: &BTreeMap<TopicPartition, Vec<String>>) {
    for (partition, texts) in seen {
        let mut firsts: Vec<u64> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut known = HashSet::new();
        firsts.retain(|number| known.insert(*number));
        assert!(firsts.is_sorted(), "{partition:?}: {firsts:?}");
    }
}

type Mock = MockCluster<'static, DefaultProducerContext>;

/// One fault of a cluster of three brokers.
fn disturb(cluster: &Mock, topics: &[Arc<str>], random: &mut StdRng) {
    use RDKafkaRespErr as Code;
    let broker = random.random_range(1..=3);
    match random.random_range(0..6) {
        0 => {
            let codes = [
                Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                Code::RD_KAFKA_RESP_ERR__TRANSPORT,
            ];
            let errors: Vec<_> =
                (0..random.random_range(1..4)).map(|_| codes[random.random_range(0..codes.len())]).collect();
            cluster.request_errors(RDKafkaApiKey::Produce, &errors);
        }
        1 => {
            let error = Code::RD_KAFKA_RESP_ERR__TRANSPORT;
            cluster.request_errors(RDKafkaApiKey::Metadata, &[error, error]);
        }
        2 => cluster.broker_down(broker).unwrap(),
        3 => (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap()),
        4 => {
            let topic = &topics[random.random_range(0..topics.len())];
            cluster.partition_leader(topic, random.random_range(0..4), Some(broker)).unwrap();
        }
        _ => {
            let delay = Duration::from_millis(random.random_range(0..30));
            cluster.broker_round_trip_time(broker, delay).unwrap();
        }
    }
}

async fn survive(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster: Mock = MockCluster::new(3).unwrap();
    let topics: Vec<Arc<str>> = ["a", "b", "c"].map(Into::into).to_vec();
    for topic in &topics {
        cluster.create_topic(topic, 4, 3).unwrap();
    }
    let sizes = [("batch.size", "3000"), ("buffer.memory", "100000"), ("max.request.size", "9000")];
    let bounds = if random.random() { &sizes[..] } else { &[] };
    let mut producer = producer(&cluster.bootstrap_servers(), bounds);
    let mut acks = Acks::default();
    let count = 3000;
    for ticket in 0..count {
        if random.random_ratio(1, 100) {
            disturb(&cluster, &topics, &mut random);
        }
        let topic = &topics[random.random_range(0..topics.len())];
        let text = format!("{ticket} {}", "x".repeat(random.random_range(0..200)));
        let key = random.random_range(0..20_u8).to_be_bytes();
        let key = if random.random_ratio(9, 10) { Some(&key[..]) } else { None };
        let record = record(topic, key, text.as_bytes(), ticket);
        while let Err(error) = producer.send(&record) {
            assert!(matches!(error, SendError::Full), "{error:?}");
            // All room may be taken by what is for brokers that are down.
            (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap());
            wait(&mut *producer, &mut acks).await;
        }
        if random.random_ratio(1, 50) {
            producer.hand_over();
        }
        if random.random_ratio(1, 200) {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
            producer.drain_acks(&mut acks);
        }
    }
    (1..=3).for_each(|broker| cluster.broker_up(broker).unwrap());
    cluster.clear_request_errors(RDKafkaApiKey::Produce);
    settle(&mut *producer, &mut acks).await;
    // A single record may be found too large by a broker that was told to.
    assert!(acks.failed.iter().all(|(_, error)| error.kind() == ErrorKind::Record), "{:?}", acks.failed);
    let mut tickets = acks.delivered.clone();
    tickets.extend(acks.failed.iter().map(|(ticket, _)| *ticket));
    tickets.sort_unstable();
    assert_eq!(tickets, (0..count).collect::<Vec<_>>(), "each record has one fate");
    let seen = read(&cluster.bootstrap_servers(), &topics, acks.delivered.len()).await;
    assert_order(&seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_reordered_by_failing_brokers() {
    let seeds = std::env::var("RACCORD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let first = std::env::var("RACCORD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        println!("seed {seed}");
        tokio::time::timeout(Duration::from_secs(120), survive(seed)).await.expect("ends in time");
    }
}

struct Running {
    handle: Option<BrokerHandle>,
    servers: String,
}

fn start(data: &Path, port: u16) -> Running {
    let config = BrokerConfig {
        port,
        data_dir: data.to_owned(),
        auto_create_topics: false,
        ..BrokerConfig::default()
    };
    let started = Instant::now();
    loop {
        match Broker::start(config.clone()) {
            Ok(handle) => {
                let servers = handle.local_addr().to_string();
                return Running { handle: Some(handle), servers };
            }
            Err(error) => assert!(started.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn create(servers: &str, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let admin =
        RdKafka::default().admin(&RawConfig::from([("bootstrap.servers", servers.to_owned())])).unwrap();
    let configs = configs.iter().map(|(key, value)| (*key, (*value).to_owned()));
    let topic = NewTopic {
        name: name.into(),
        partitions,
        replication_factor: 1,
        settings: configs.map(|(key, value)| (key, Some(value))).collect(),
    };
    admin.create_topics(&[topic]).await.unwrap();
}

#[tokio::test]
async fn records_wait_for_their_topic_and_go_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path(), 0);
    let (topic, mut acks): (Arc<str>, _) = ("late".into(), Acks::default());
    let mut early = producer(&broker.servers, &[]);
    for ticket in 0..100 {
        send(&mut *early, &record(&topic, Some(b"k"), ticket.to_string().as_bytes(), ticket), &mut acks)
            .await;
    }
    early.hand_over();
    tokio::time::sleep(Duration::from_millis(300)).await;
    early.drain_acks(&mut acks);
    assert_eq!((early.outstanding(), acks.is_empty()), (100, true));
    create(&broker.servers, "late", 3, &[]).await;
    for ticket in 100..200 {
        send(&mut *early, &record(&topic, Some(b"k"), ticket.to_string().as_bytes(), ticket), &mut acks)
            .await;
    }
    settle(&mut *early, &mut acks).await;
    assert_eq!(acks.delivered, (0..200).collect::<Vec<_>>());
    let seen = read(&broker.servers, &[topic], 200).await;
    let expect: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [expect]);
}

#[tokio::test]
async fn a_topic_that_does_not_come_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path(), 0);
    let mut producer = producer(&broker.servers, &[("max.block.ms", "300")]);
    let (topic, mut acks): (Arc<str>, _) = ("never".into(), Acks::default());
    send(&mut *producer, &record(&topic, None, b"0", 7), &mut acks).await;
    settle(&mut *producer, &mut acks).await;
    let (ticket, error) = acks.failed.pop().unwrap();
    assert_eq!(ticket, 7);
    assert!(error.trace().contains("Topic never not present in metadata after 300 ms."), "{}", error.trace());
    assert!(error.trace().contains("create the topic"), "{}", error.trace());
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_its_topic_goes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path(), 0);
    create(&broker.servers, "narrow", 1, &[("max.message.bytes", "2000")]).await;
    let mut producer = producer(&broker.servers, &[]);
    let (topic, mut acks): (Arc<str>, _) = ("narrow".into(), Acks::default());
    for ticket in 0..1000 {
        let text = format!("{ticket} {}", "x".repeat(if ticket == 500 { 3000 } else { 100 }));
        send(&mut *producer, &record(&topic, None, text.as_bytes(), ticket), &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;
    let (ticket, error) = acks.failed.pop().unwrap();
    assert_eq!((ticket, error.kind(), acks.failed.len()), (500, ErrorKind::Record, 0));
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.RecordTooLargeException");
    let expect: Vec<u64> = (0..1000).filter(|ticket| *ticket != 500).collect();
    assert_eq!(acks.delivered, expect);
    let seen = read(&broker.servers, &[topic], 999).await;
    let expect: Vec<String> = expect.iter().map(u64::to_string).collect();
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [expect]);
}

#[tokio::test]
async fn a_record_that_its_topic_does_not_take_fails() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path(), 0);
    create(&broker.servers, "compacted", 1, &[("cleanup.policy", "compact")]).await;
    let mut producer = producer(&broker.servers, &[]);
    let (topic, mut acks): (Arc<str>, _) = ("compacted".into(), Acks::default());
    send(&mut *producer, &record(&topic, None, b"0", 3), &mut acks).await;
    settle(&mut *producer, &mut acks).await;
    send(&mut *producer, &record(&topic, Some(b"k"), b"1", 4), &mut acks).await;
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered, [4]);
    let (ticket, error) = acks.failed.pop().unwrap();
    assert_eq!((ticket, error.java_class()), (3, "org.apache.kafka.common.errors.InvalidRecordException"));
}

#[tokio::test]
async fn a_broker_that_was_away_gets_everything_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = start(folder.path(), 0);
    create(&broker.servers, "t", 1, &[]).await;
    let port = broker.handle.as_ref().unwrap().local_addr().port();
    let mut producer = producer(&broker.servers, &[]);
    let (topic, mut acks): (Arc<str>, _) = ("t".into(), Acks::default());
    for ticket in 0..5000 {
        send(&mut *producer, &record(&topic, None, ticket.to_string().as_bytes(), ticket), &mut acks).await;
        if ticket % 1000 == 500 {
            producer.hand_over();
            // As after a crash.
            drop(broker.handle.take());
            tokio::time::sleep(Duration::from_millis(200)).await;
            broker = start(folder.path(), port);
        }
    }
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered, (0..5000).collect::<Vec<_>>());
    assert_order(&read(&broker.servers, &[topic], 5000).await);
}

#[tokio::test]
async fn what_cannot_be_delivered_in_time_fails_and_says_so() {
    let cluster: Mock = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let mut producer = producer(&cluster.bootstrap_servers(), &[("delivery.timeout.ms", "400")]);
    let (topic, mut acks): (Arc<str>, _) = ("t".into(), Acks::default());
    send(&mut *producer, &record(&topic, None, b"0", 0), &mut acks).await;
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered, [0]);
    cluster.broker_down(1).unwrap();
    for ticket in 1..3 {
        send(&mut *producer, &record(&topic, None, b"1", ticket), &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.failed.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [1, 2]);
    let (_, error) = &acks.failed[0];
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.TimeoutException");
    assert!(error.message().contains("400 ms has passed since batch creation"), "{}", error.message());
}

#[tokio::test]
async fn a_thousand_topics_get_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path(), 0);
    let topics: Vec<Arc<str>> = (0..1000).map(|number| format!("t{number}").into()).collect();
    let admin =
        RdKafka::default().admin(&RawConfig::from([("bootstrap.servers", broker.servers.clone())])).unwrap();
    let new = |name: &Arc<str>| NewTopic {
        name: name.to_string(),
        partitions: 1,
        replication_factor: 1,
        settings: RawConfig::new(),
    };
    admin.create_topics(&topics.iter().map(new).collect::<Vec<_>>()).await.unwrap();
    let mut producer = producer(&broker.servers, &[]);
    let mut acks = Acks::default();
    for ticket in 0..5000_u64 {
        let topic = &topics[ticket as usize % 1000];
        send(&mut *producer, &record(topic, None, ticket.to_string().as_bytes(), ticket), &mut acks).await;
    }
    settle(&mut *producer, &mut acks).await;
    assert_eq!(acks.delivered.len(), 5000);
    let seen = read(&broker.servers, &topics, 5000).await;
    assert!(seen.len() == 1000 && seen.values().all(|texts| texts.len() == 5));
    assert_order(&seen);
}

#[tokio::test]
async fn linger_is_kept_when_it_is_set_and_a_record_behind_a_silence_goes_at_once_when_not() {
    let cluster: Mock = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let topic: Arc<str> = "t".into();
    let took = async |more: &[(&str, &str)]| {
        let (mut producer, mut acks) = (producer(&cluster.bootstrap_servers(), more), Acks::default());
        send(&mut *producer, &record(&topic, None, b"first", 0), &mut acks).await;
        settle(&mut *producer, &mut acks).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let started = Instant::now();
        send(&mut *producer, &record(&topic, None, b"second", 1), &mut acks).await;
        settle(&mut *producer, &mut acks).await;
        started.elapsed()
    };
    assert!(took(&[("linger.ms", "300")]).await >= Duration::from_millis(300));
    assert!(took(&[]).await < Duration::from_millis(200));
}
