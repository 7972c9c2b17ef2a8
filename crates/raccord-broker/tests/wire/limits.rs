//! What a client must not do, and what keeps the broker up when it does; starting and refusing to start.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;
use raccord_broker::{Broker, BrokerConfig, BrokerError};

use crate::client::*;

#[test]
fn an_unknown_version_of_api_versions_gets_the_ranges_in_version_0() {
    let broker = Running::start();
    let mut client = broker.client();
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0]);
    client.send_raw(&frame);
    let mut body = client.receive_raw().expect("an answer");
    assert_eq!(body.get_i32(), 7);
    let response = ApiVersionsResponse::decode(&mut body, 0).expect("version 0");
    assert_eq!(response.error_code, ResponseError::UnsupportedVersion.code());
    assert!(response.api_keys.len() > 30);
}

#[test]
fn answers_come_in_the_order_of_requests() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let mut sent = Vec::new();
    for i in 0..100 {
        let id = match i % 3 {
            0 => client.send(&produce_request("t", batch(&["x"], NOBODY), 1), 9),
            1 => client.send(&fetch_request("t", 0), 12),
            _ => client.send(&ApiVersionsRequest::default(), 3),
        };
        sent.push(id);
    }
    for (i, id) in sent.iter().enumerate() {
        let got = match i % 3 {
            0 => client.receive::<ProduceRequest>(9).0,
            1 => client.receive::<FetchRequest>(12).0,
            _ => client.receive::<ApiVersionsRequest>(3).0,
        };
        assert_eq!(got, *id);
    }
}

#[test]
fn bad_frames_close_their_connection_and_no_other() {
    let broker = Running::start_with(|c| c.request_max_bytes = 10_000);
    let mut good = broker.client();
    good.create("t", 1, &[]);
    let raw = |bytes: &[u8], why: &str| {
        let mut client = broker.client();
        client.stream.write_all(bytes).expect("writes");
        client.expect_closed(why);
    };
    raw(&(-1i32).to_be_bytes(), "a negative length");
    raw(&0i32.to_be_bytes(), "an empty frame");
    raw(&10_001i32.to_be_bytes(), "a frame over the limit");
    raw(b"GET / HTTP/1.1\r\n\r\n", "HTTP");
    raw(&[0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff], "an unknown API");
    raw(&[0, 0, 0, 10, 0, 1, 0, 99, 0, 0, 0, 1, 0xff, 0xff], "an unknown version");
    raw(
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        "two thousand million topics",
    );
    assert_eq!(good.produce("t", batch(&["still here"], NOBODY)).error_code, 0);
}

#[test]
fn more_connections_than_allowed_are_closed_and_places_become_free() {
    let broker = Running::start_with(|c| c.max_connections = 2);
    let mut first = broker.client();
    let mut second = broker.client();
    first.call(&ApiVersionsRequest::default(), 0);
    second.call(&ApiVersionsRequest::default(), 0);
    let mut third = broker.client();
    third.expect_closed("the third of two");
    drop(first);
    let started = Instant::now();
    loop {
        let mut again = broker.client();
        // ApiVersions 0. Writing may fail, too, when the broker has closed already.
        let frame = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        if again.stream.write_all(&frame).is_ok() && again.receive_raw().is_ok() {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "the place never becomes free");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn silent_and_slow_connections_end() {
    let broker = Running::start_with(|c| {
        c.connection_idle_ms = 200;
        c.frame_timeout_ms = 200;
    });
    broker.client().expect_closed("silent");
    let mut slow = broker.client();
    slow.stream.write_all(&[0, 0, 0, 20, 0, 18]).expect("writes");
    slow.expect_closed("a frame that never ends");
}

#[test]
fn refusals_to_start_name_the_thing_and_the_remedy() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Broker::start(config(&dir)).expect("starts");
    let e = Broker::start(config(&dir)).err().expect("the folder is taken");
    assert!(matches!(e, BrokerError::DataDirLocked { .. }), "{e}");
    assert!(!e.to_string().contains('\n') && e.to_string().contains("another broker"), "{e}");
    let other = tempfile::tempdir().expect("a folder");
    let port = first.local_addr().port();
    let e = Broker::start(BrokerConfig { port, ..config(&other) }).err().expect("the port is taken");
    assert!(matches!(e, BrokerError::PortInUse { .. }), "{e}");
    assert!(e.to_string().contains(&port.to_string()), "{e}");
    let file = other.path().join("file");
    std::fs::write(&file, "x").expect("writes");
    let e = Broker::start(BrokerConfig { data_dir: file.join("data"), ..config(&other) })
        .err()
        .expect("no folder");
    assert!(matches!(e, BrokerError::DataDir { .. }), "{e}");
    std::fs::create_dir_all(other.path().join("bad")).expect("creates");
    std::fs::write(other.path().join("bad/meta.json"), "{").expect("writes");
    let bad = BrokerConfig { data_dir: other.path().join("bad"), ..config(&other) };
    let e = Broker::start(bad).err().expect("damaged");
    assert!(matches!(e, BrokerError::Damaged { .. }), "{e}");
}

#[test]
fn a_start_is_fast() {
    let mut broker = Running::start();
    for i in 0..20 {
        broker.client().create(&format!("t{i}"), 3, &[]);
    }
    block_on(broker.handle.take().expect("runs").shutdown());
    let started = Instant::now();
    let handle = Broker::start(config(&broker.dir)).expect("starts");
    let took = started.elapsed();
    drop(handle);
    assert!(took < Duration::from_millis(500), "60 empty partitions took {took:?}, even on a busy machine");
}

/// Noise that is the same in every run.
fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn noise_in_every_api_and_version_never_takes_the_broker_down() {
    let broker = Running::start();
    let mut good = broker.client();
    good.create("t", 1, &[]);
    let apis = good.call(&ApiVersionsRequest::default(), 3).api_keys;
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for round in 0..12 {
        for api in &apis {
            let versions = i64::from(api.max_version - api.min_version) + 1;
            let version = api.min_version + (noise(&mut state) as i64).rem_euclid(versions) as i16;
            let mut frame = BytesMut::new();
            frame.extend_from_slice(&api.api_key.to_be_bytes());
            frame.extend_from_slice(&version.to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
            for _ in 0..noise(&mut state) % 100 {
                // Mostly small numbers: they pass as lengths and counts and lead deeper into the decoders.
                let byte = noise(&mut state);
                frame.extend_from_slice(&[if byte.is_multiple_of(4) {
                    byte as u8
                } else {
                    (byte % 3) as u8
                }]);
            }
            let mut client = broker.client();
            client.send_raw(&frame);
        }
        assert_eq!(good.produce("t", batch(&["still here"], NOBODY)).error_code, 0, "round {round}");
    }
    assert_eq!(good.values("t", 0).len(), 12);
}

#[test]
fn a_reader_that_takes_nothing_is_cut_and_holds_up_nobody() {
    let broker = Running::start_with(|c| {
        c.frame_timeout_ms = 1500;
        c.max_in_flight_bytes = 8 << 20;
        c.fetch_max_bytes = 8 << 20;
        c.request_max_bytes = 8 << 20;
    });
    let mut good = broker.client();
    good.create("t", 1, &[("compression.type", "uncompressed")]);
    let large = "x".repeat(900_000);
    for _ in 0..20 {
        assert_eq!(good.produce("t", batch(&[&large], NOBODY)).error_code, 0);
    }
    let mut stalled = broker.client();
    let mut request = fetch_request("t", 0).with_max_bytes(i32::MAX);
    request.topics[0].partitions[0].partition_max_bytes = i32::MAX;
    for _ in 0..10 {
        stalled.send(&request, 12);
    }
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    assert!(!good.fetch("t", 0, 0).records.expect("records").is_empty());
    assert!(started.elapsed() < Duration::from_millis(1400), "others are served: {:?}", started.elapsed());
    std::thread::sleep(Duration::from_millis(2500));
    let answers = std::iter::from_fn(|| stalled.receive_raw().ok()).count();
    assert!(answers < 10, "the connection was cut, not served {answers} times");
}
