//! What must hold over crashes, restarts and repeated requests.

use std::time::{Duration, Instant};

use bytes::Buf;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use raccord_broker::Broker;

use crate::client::*;

#[test]
fn idempotent_batches_are_appended_once() {
    let mut broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let id = client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).producer_id.0;
    let by = |sequence| Producer { id, epoch: 0, sequence, transactional: false };
    assert_eq!(client.produce("t", batch(&["a", "b"], by(0))).base_offset, 0);
    assert_eq!(client.produce("t", batch(&["c"], by(2))).base_offset, 2);
    let again = client.produce("t", batch(&["a", "b"], by(0)));
    assert_eq!(
        (again.error_code, again.base_offset),
        (0, 0),
        "a duplicate is a success with its first offset"
    );
    let gap = client.produce("t", batch(&["e"], by(4)));
    assert_eq!(gap.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    for clean in [false, true] {
        broker.restart(clean);
        let mut client = broker.client();
        let again = client.produce("t", batch(&["c"], by(2)));
        assert_eq!((again.error_code, again.base_offset), (0, 2), "remembered over a restart");
        assert_eq!(client.values("t", 0), ["a", "b", "c"]);
        let next =
            client.call(&InitProducerIdRequest::default().with_transactional_id(None), 4).producer_id.0;
        assert!(next > id, "producer ids never repeat");
    }
}

#[test]
fn transactions_show_all_or_nothing() {
    let mut broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(text("tx").into()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let producer = client.call(&init, 4);
    assert_eq!(producer.error_code, 0);
    let mut by = Producer {
        id: producer.producer_id.0,
        epoch: producer.producer_epoch,
        sequence: 0,
        transactional: true,
    };
    let begin = |client: &mut Client| {
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(text("t").into())
            .with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(text("tx").into())
            .with_v3_and_below_producer_id(by.id.into())
            .with_v3_and_below_producer_epoch(by.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response = client.call(&request, 3);
        assert_eq!(response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
    };
    let end = |client: &mut Client, committed: bool| {
        let request = EndTxnRequest::default()
            .with_transactional_id(text("tx").into())
            .with_producer_id(by.id.into())
            .with_producer_epoch(by.epoch)
            .with_committed(committed);
        assert_eq!(client.call(&request, 4).error_code, 0);
    };
    let outside = client.produce_as("t", batch(&["lost"], by), Some("tx"));
    assert_ne!(outside.error_code, 0, "the partition is not part of a transaction");
    for (name, committed) in [("one", true), ("two", false), ("three", true)] {
        begin(&mut client);
        assert_eq!(client.produce_as("t", batch(&[name], by), Some("tx")).error_code, 0);
        by.sequence += 1;
        let before = client.fetch("t", 0, 1);
        assert!(before.last_stable_offset < before.high_watermark, "{name} is undecided");
        end(&mut client, committed);
    }
    for _ in 0..2 {
        let data = broker.client().fetch("t", 0, 1);
        assert_eq!((data.high_watermark, data.last_stable_offset), (6, 6));
        let aborted = data.aborted_transactions.clone().expect("a list");
        let aborted: Vec<_> = aborted.iter().map(|a| (a.producer_id.0, a.first_offset)).collect();
        assert_eq!(aborted, [(by.id, 2)]);
        let values: Vec<_> = decode(data.records.expect("records")).iter().map(value).collect();
        assert_eq!(values, ["one", "two", "three"], "the consumer leaves out what the list says");
        broker.restart(false);
    }
    // A second instance of the producer fences the first.
    let mut client = broker.client();
    let fresh = client.call(&init, 4);
    assert_eq!((fresh.producer_id.0, fresh.producer_epoch), (by.id, by.epoch + 1));
    let fenced = client.produce_as("t", batch(&["zombie"], by), Some("tx"));
    assert_ne!(fenced.error_code, 0);
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash_and_after_a_clean_stop() {
    let mut broker = Running::start();
    broker.client().create("t", 1, &[("retention.ms", "-1")]);
    let mut expect = Vec::new();
    for round in 0..6 {
        let mut client = broker.client();
        for i in 0..20 {
            let value = format!("{round}-{i}");
            assert_eq!(client.produce("t", batch(&[&value], NOBODY)).error_code, 0);
            expect.push(value);
        }
        broker.restart(round % 2 == 0);
        assert_eq!(broker.client().values("t", 0), expect);
    }
    let id = broker.client().topic_id("t");
    broker.restart(true);
    assert_eq!(broker.client().topic_id("t"), id);
}

#[test]
fn a_topic_created_again_is_empty_and_another() {
    let mut broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let id = client.topic_id("t");
    client.produce("t", batch(&["old"], NOBODY));
    let state = delete_topics_request::DeleteTopicState::default().with_name(None).with_topic_id(id);
    let delete = DeleteTopicsRequest::default().with_topics(vec![state]);
    assert_eq!(client.call(&delete, 6).responses[0].error_code, 0);
    assert_eq!(client.call(&delete, 6).responses[0].error_code, ResponseError::UnknownTopicId.code());
    assert_eq!(client.fetch("t", 0, 0).error_code, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(client.create("t", 1, &[]), 0);
    assert_ne!(client.topic_id("t"), id);
    assert_eq!(client.values("t", 0), Vec::<String>::new());
    broker.restart(false);
    assert_eq!(broker.client().values("t", 0), Vec::<String>::new());
}

#[test]
fn an_old_data_folder_left_by_a_crash_is_not_taken_for_a_new_topic() {
    let mut broker = Running::start();
    broker.client().create("t", 1, &[]);
    broker.client().produce("t", batch(&["old"], NOBODY));
    block_on(broker.handle.take().expect("runs").shutdown());
    // As if the topic had left the metadata and the crash came before its folder went.
    let meta = broker.dir.path().join("data/meta.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&meta).expect("reads")).expect("JSON");
    json["topics"] = serde_json::json!([]);
    std::fs::write(&meta, json.to_string()).expect("writes");
    broker.handle = Some(Broker::start(config(&broker.dir)).expect("starts"));
    let mut client = broker.client();
    assert_eq!(client.create("t", 1, &[]), 0);
    assert_eq!(client.values("t", 0), Vec::<String>::new());
}

/// Polls until `done` holds.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_running_broker_compacts_and_deletes() {
    let broker = Running::start_with(|c| c.retention_check_interval_ms = 100);
    let mut client = broker.client();
    let small = ("segment.bytes", "1048576");
    let plain = ("compression.type", "uncompressed");
    client.create("table", 1, &[("cleanup.policy", "compact"), small, plain]);
    // The records of these tests are years old: only size may count.
    client.create("stream", 1, &[("retention.bytes", "1500000"), ("retention.ms", "-1"), small, plain]);
    // The keys follow the values: two keys of 10 kB each, again and again, over three segments.
    for i in 0..160 {
        let value = ["x", "y"][i % 2].repeat(10_000);
        for topic in ["table", "stream"] {
            assert_eq!(client.produce(topic, batch(&[&value], NOBODY)).error_code, 0);
        }
    }
    eventually("deletion", || client.fetch("stream", 159, 0).log_start_offset > 0);
    let code = client.fetch("stream", 0, 0).error_code;
    assert_eq!(code, ResponseError::OffsetOutOfRange.code());
    eventually("compaction", || {
        let data = client.fetch("table", 0, 0);
        assert_eq!((data.error_code, data.log_start_offset, data.high_watermark), (0, 0, 160));
        data.records.expect("records").slice(..8).get_i64() > 50
    });
}
