//! The broker over a socket, request by request: every version it advertises, and what a client must not do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use raccord_broker::{Broker, BrokerConfig, BrokerError, BrokerHandle};
use tempfile::TempDir;

struct Running {
    dir: TempDir,
    handle: Option<BrokerHandle>,
}

fn config(dir: &TempDir) -> BrokerConfig {
    BrokerConfig { port: 0, data_dir: dir.path().join("data"), ..BrokerConfig::default() }
}

impl Running {
    fn start() -> Running {
        Running::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut BrokerConfig)) -> Running {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = config(&dir);
        change(&mut config);
        let handle = Broker::start(config).expect("the broker starts");
        Running { dir, handle: Some(handle) }
    }

    fn client(&self) -> Client {
        Client::connect(self.handle.as_ref().expect("is running"))
    }

    /// Stops and starts again: in good order, or as after a crash.
    fn restart(&mut self, clean: bool) {
        let handle = self.handle.take().expect("is running");
        if clean {
            block_on(handle.shutdown());
        } else {
            drop(handle);
        }
        let started = Instant::now();
        loop {
            match Broker::start(config(&self.dir)) {
                Ok(handle) => return self.handle = Some(handle),
                Err(e) if started.elapsed() > Duration::from_secs(10) => panic!("does not start again: {e}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

struct Client {
    stream: TcpStream,
    next: i32,
}

impl Client {
    fn connect(handle: &BrokerHandle) -> Client {
        let stream = TcpStream::connect(handle.local_addr()).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("sets a limit");
        Client { stream, next: 0 }
    }

    fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.next += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(StrBytes::from_static_str("wire")));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version)).expect("encodes");
        request.encode(&mut body, version).expect("encodes");
        self.send_raw(&body);
        self.next
    }

    fn send_raw(&mut self, body: &[u8]) {
        self.stream.write_all(&(body.len() as i32).to_be_bytes()).expect("writes");
        self.stream.write_all(body).expect("writes");
    }

    fn receive_raw(&mut self) -> std::io::Result<Bytes> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut body = vec![0; i32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut body)?;
        Ok(body.into())
    }

    fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let mut body =
            self.receive_raw().unwrap_or_else(|e| panic!("no answer to API {} v{version}: {e}", R::KEY));
        let header =
            ResponseHeader::decode(&mut body, R::Response::header_version(version)).expect("decodes");
        let response = R::Response::decode(&mut body, version).expect("decodes");
        assert!(!body.has_remaining(), "API {} v{version} leaves {} bytes", R::KEY, body.remaining());
        (header.correlation_id, response)
    }

    fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let sent = self.send(request, version);
        let (got, response) = self.receive::<R>(version);
        assert_eq!(sent, got);
        response
    }

    fn expect_closed(&mut self, why: &str) {
        let got = self.receive_raw();
        assert!(got.is_err(), "{why}: the connection must be closed, not answered with {got:?}");
    }

    fn create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> i16 {
        let configs = configs
            .iter()
            .map(|(k, v)| CreatableTopicConfig::default().with_name(text(k)).with_value(Some(text(v))))
            .collect();
        let topic = CreatableTopic::default()
            .with_name(text(topic).into())
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs);
        self.call(&CreateTopicsRequest::default().with_topics(vec![topic]), 7).topics[0].error_code
    }

    fn topic_id(&mut self, topic: &str) -> uuid::Uuid {
        let topic = MetadataRequestTopic::default().with_name(Some(text(topic).into()));
        self.call(&MetadataRequest::default().with_topics(Some(vec![topic])), 12).topics[0].topic_id
    }

    fn produce(&mut self, topic: &str, records: Bytes) -> produce_response::PartitionProduceResponse {
        self.produce_as(topic, records, None)
    }

    fn produce_as(
        &mut self,
        topic: &str,
        records: Bytes,
        transactional_id: Option<&str>,
    ) -> produce_response::PartitionProduceResponse {
        let request = produce_request(topic, records, -1)
            .with_transactional_id(transactional_id.map(|id| text(id).into()));
        self.call(&request, 9).responses[0].partition_responses[0].clone()
    }

    fn fetch(&mut self, topic: &str, offset: i64, isolation: i8) -> fetch_response::PartitionData {
        let request = fetch_request(topic, offset).with_isolation_level(isolation);
        self.call(&request, 12).responses[0].partitions[0].clone()
    }

    fn values(&mut self, topic: &str, offset: i64) -> Vec<String> {
        let data = self.fetch(topic, offset, 0);
        assert_eq!(data.error_code, 0);
        decode(data.records.unwrap_or_default()).iter().map(value).collect()
    }
}

fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_string())
}

fn produce_request(topic: &str, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(text(topic).into()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(5000).with_topic_data(vec![topic])
}

fn fetch_request(topic: &str, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(text(topic).into()).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_replica_id((-1).into())
        .with_topics(vec![topic])
}

#[derive(Clone, Copy)]
struct Producer {
    id: i64,
    epoch: i16,
    sequence: i32,
    transactional: bool,
}

const NOBODY: Producer = Producer { id: -1, epoch: -1, sequence: -1, transactional: false };

fn batch(values: &[&str], by: Producer) -> Bytes {
    let records: Vec<Record> = (0..)
        .zip(values)
        .map(|(i, v)| Record {
            transactional: by.transactional,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id: by.id,
            producer_epoch: by.epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(i),
            sequence: if by.sequence < 0 { by.sequence } else { by.sequence + i },
            timestamp: 1_700_000_000_000,
            key: Some(Bytes::from(format!("key-{v}"))),
            value: Some(Bytes::copy_from_slice(v.as_bytes())),
            headers: Default::default(),
        })
        .collect();
    // Without a sequence the encoder would start a batch per record, as it splits where offset - sequence changes.
    let records: Vec<Record> = records
        .into_iter()
        .map(|mut r| {
            if by.sequence < 0 {
                r.sequence = r.offset as i32 - 1;
            }
            r
        })
        .collect();
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::Lz4 };
    RecordBatchEncoder::encode(&mut out, &records, &options).expect("encodes");
    out.freeze()
}

fn decode(mut records: Bytes) -> Vec<Record> {
    let sets = RecordBatchDecoder::decode_all(&mut records).expect("whole batches");
    sets.into_iter().flat_map(|s| s.records).filter(|r| !r.control).collect()
}

fn value(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_ref().expect("a value")).into_owned()
}

#[test]
fn produce_and_fetch_in_every_version() {
    let broker = Running::start();
    let mut client = broker.client();
    assert_eq!(client.create("t", 1, &[]), 0);
    let id = client.topic_id("t");
    let mut count = 0;
    for version in 3..=13 {
        let mut request = produce_request("t", batch(&["a", "b"], NOBODY), 1);
        if version >= 13 {
            request.topic_data[0].name = Default::default();
            request.topic_data[0].topic_id = id;
        }
        let response = client.call(&request, version);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, count), "version {version}");
        count += 2;
    }
    for version in 4..=18 {
        let mut request = fetch_request("t", 3);
        if version >= 13 {
            request.topics[0].topic = Default::default();
            request.topics[0].topic_id = id;
        }
        let response = client.call(&request, version);
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark, data.last_stable_offset), (0, count, count));
        let records = decode(data.records.clone().expect("records"));
        assert_eq!(records.iter().filter(|r| r.offset >= 3).count() as i64, count - 3, "version {version}");
    }
    // A topic id that nobody has.
    let mut request = fetch_request("t", 0);
    request.topics[0].topic = Default::default();
    request.topics[0].topic_id = uuid::Uuid::new_v4();
    let code = client.call(&request, 13).responses[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::UnknownTopicId.code());
}

#[test]
fn every_advertised_version_of_every_api_is_answered() {
    let broker = Running::start();
    let mut client = broker.client();
    let versions = client.call(&ApiVersionsRequest::default(), 3);
    let range = |key: i16| {
        let found = versions.api_keys.iter().find(|k| k.api_key == key);
        found.map(|k| k.min_version..=k.max_version).unwrap_or_else(|| panic!("API {key} is not advertised"))
    };
    assert_eq!(range(ApiKey::EndTxn as i16), 0..=4);
    assert!(!versions.api_keys.iter().any(|k| k.api_key == 68 || k.api_key == 69), "no KIP-848 groups");
    assert!(versions.supported_features.is_empty());
    assert_eq!(client.create("t", 2, &[("cleanup.policy", "compact")]), 0);
    let topic = || text("t");
    macro_rules! all {
        ($request:ty, |$v:ident| $make:expr) => {
            for $v in range(<$request>::KEY) {
                client.call::<$request>(&$make, $v);
            }
        };
    }
    all!(MetadataRequest, |v| MetadataRequest::default().with_topics(if v == 0 {
        Some(Vec::new())
    } else {
        None
    }));
    all!(ApiVersionsRequest, |_v| ApiVersionsRequest::default());
    all!(ListOffsetsRequest, |_v| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(topic().into()).with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    });
    all!(FindCoordinatorRequest, |v| match v {
        0..=3 => FindCoordinatorRequest::default().with_key(text("g")),
        _ => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g"), text("h")]),
    });
    all!(DescribeClusterRequest, |_v| DescribeClusterRequest::default());
    all!(DescribeAclsRequest, |_v| DescribeAclsRequest::default());
    all!(DescribeLogDirsRequest, |_v| DescribeLogDirsRequest::default().with_topics(None));
    all!(DescribeTopicPartitionsRequest, |_v| {
        DescribeTopicPartitionsRequest::default().with_response_partition_limit(1)
    });
    all!(ListPartitionReassignmentsRequest, |_v| ListPartitionReassignmentsRequest::default());
    all!(DescribeConfigsRequest, |_v| {
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic())
            .with_configuration_keys(None);
        DescribeConfigsRequest::default().with_resources(vec![resource])
    });
    all!(AlterConfigsRequest, |_v| {
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic());
        AlterConfigsRequest::default().with_resources(vec![resource])
    });
    all!(IncrementalAlterConfigsRequest, |_v| {
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(topic());
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    });
    all!(CreatePartitionsRequest, |_v| {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic().into())
            .with_count(2);
        CreatePartitionsRequest::default().with_topics(vec![topic])
    });
    all!(DeleteRecordsRequest, |_v| {
        let partition = delete_records_request::DeleteRecordsPartition::default();
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic().into())
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    });
    all!(OffsetForLeaderEpochRequest, |_v| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic().into())
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    });
    all!(DescribeProducersRequest, |_v| {
        let topic = describe_producers_request::TopicRequest::default()
            .with_name(topic().into())
            .with_partition_indexes(vec![0, 9]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    });
    all!(InitProducerIdRequest, |_v| InitProducerIdRequest::default().with_transactional_id(None));
    all!(CreateTopicsRequest, |v| {
        let topic = CreatableTopic::default().with_name(text(&format!("c{v}")).into()).with_num_partitions(1);
        CreateTopicsRequest::default().with_topics(vec![topic.with_replication_factor(1)])
    });
    all!(DeleteTopicsRequest, |v| {
        let name: TopicName = text(&format!("c{}", v.max(2))).into();
        match v {
            0..=5 => DeleteTopicsRequest::default().with_topic_names(vec![name]),
            _ => {
                let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
                DeleteTopicsRequest::default().with_topics(vec![topic])
            }
        }
    });
    all!(OffsetCommitRequest, |_v| OffsetCommitRequest::default().with_group_id(text("g").into()));
    all!(OffsetFetchRequest, |v| match v {
        0..=7 => OffsetFetchRequest::default().with_group_id(text("g").into()),
        _ => OffsetFetchRequest::default(),
    });
    all!(JoinGroupRequest, |_v| JoinGroupRequest::default());
    all!(SyncGroupRequest, |_v| SyncGroupRequest::default());
    all!(HeartbeatRequest, |_v| HeartbeatRequest::default());
    all!(LeaveGroupRequest, |_v| LeaveGroupRequest::default());
    all!(DescribeGroupsRequest, |_v| DescribeGroupsRequest::default().with_groups(vec![text("g").into()]));
    all!(ListGroupsRequest, |_v| ListGroupsRequest::default());
    all!(DeleteGroupsRequest, |_v| DeleteGroupsRequest::default().with_groups_names(vec![text("g").into()]));
    all!(OffsetDeleteRequest, |_v| OffsetDeleteRequest::default().with_group_id(text("g").into()));
    all!(AddOffsetsToTxnRequest, |_v| AddOffsetsToTxnRequest::default());
    all!(AddPartitionsToTxnRequest, |_v| AddPartitionsToTxnRequest::default());
    all!(EndTxnRequest, |_v| EndTxnRequest::default());
    all!(TxnOffsetCommitRequest, |_v| TxnOffsetCommitRequest::default());
    all!(ListTransactionsRequest, |_v| ListTransactionsRequest::default());
    all!(DescribeTransactionsRequest, |_v| DescribeTransactionsRequest::default());
}

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
fn metadata_tells_the_address_listened_on_and_creates_topics_where_allowed() {
    let broker = Running::start();
    let mut client = broker.client();
    let ask = |client: &mut Client, name: &str, create: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(text(name).into()));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(create);
        client.call(&request, 9)
    };
    let response = ask(&mut client, "made", true);
    let port = broker.handle.as_ref().expect("runs").local_addr().port();
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("127.0.0.1", i32::from(port)));
    assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 1));
    let code = |name: &str, create| ask(&mut broker.client(), name, create).topics[0].error_code;
    assert_eq!(code("not-made", false), ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(code("bad name!", true), ResponseError::InvalidTopicException.code());
    let closed = Running::start_with(|c| c.auto_create_topics = false);
    let code = ask(&mut closed.client(), "x", true).topics[0].error_code;
    assert_eq!(code, ResponseError::UnknownTopicOrPartition.code());
}

#[test]
fn topics_are_refused_with_kafkas_codes() {
    let broker = Running::start_with(|c| c.max_partitions = 20);
    let mut client = broker.client();
    assert_eq!(client.create("a.b", 2, &[]), 0);
    for (name, partitions, configs, expect) in [
        ("a.b", 1, &[][..], ResponseError::TopicAlreadyExists),
        ("a_b", 1, &[], ResponseError::InvalidTopicException),
        ("", 1, &[], ResponseError::InvalidTopicException),
        ("..", 1, &[], ResponseError::InvalidTopicException),
        (&"x".repeat(250), 1, &[], ResponseError::InvalidTopicException),
        ("sp ace", 1, &[], ResponseError::InvalidTopicException),
        ("zero", 0, &[], ResponseError::InvalidPartitions),
        ("minus", -5, &[], ResponseError::InvalidPartitions),
        ("many", 1000, &[], ResponseError::PolicyViolation),
        ("conf", 1, &[("no.such", "1")], ResponseError::InvalidConfig),
        ("conf", 1, &[("retention.ms", "soon")], ResponseError::InvalidConfig),
    ] {
        assert_eq!(client.create(name, partitions, configs), expect.code(), "{name}");
    }
    assert_eq!(client.create(&"x".repeat(249), 1, &[]), 0);
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
        again.send(&ApiVersionsRequest::default(), 0);
        if again.receive_raw().is_ok() {
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
fn a_fetch_waits_for_data_and_no_longer() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    let started = Instant::now();
    let request = fetch_request("t", 0).with_max_wait_ms(300);
    let empty = client.call(&request, 12).responses[0].partitions[0].clone();
    assert!(empty.records.unwrap_or_default().is_empty());
    let waited = started.elapsed();
    assert!((300..1500).contains(&waited.as_millis()), "{waited:?}");

    let started = Instant::now();
    client.send(&request.clone().with_max_wait_ms(10_000), 12);
    std::thread::sleep(Duration::from_millis(100));
    broker.client().produce("t", batch(&["now"], NOBODY));
    let (_, response) = client.receive::<FetchRequest>(12);
    assert!(started.elapsed() < Duration::from_secs(3), "woken by the append");
    assert_eq!(decode(response.responses[0].partitions[0].records.clone().expect("records")).len(), 1);

    // More bytes than there will be: the wait runs to its end, and what is there is given.
    let started = Instant::now();
    let response = client.call(&request.with_min_bytes(1 << 20), 12);
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(decode(response.responses[0].partitions[0].records.clone().expect("records")).len(), 1);
}

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
fn producing_without_acks_gets_no_answer_and_an_error_closes() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[]);
    client.send(&produce_request("t", batch(&["quiet"], NOBODY), 0), 9);
    assert_eq!(client.values("t", 0), ["quiet"], "the next answer is the fetch's");
    client.send(&produce_request("none", batch(&["quiet"], NOBODY), 0), 9);
    client.expect_closed("a failed produce without acks");
}

#[test]
fn produce_errors_are_kafkas() {
    let broker = Running::start();
    let mut client = broker.client();
    client.create("t", 1, &[("max.message.bytes", "200")]);
    client.create("isr", 1, &[("min.insync.replicas", "2")]);
    client.create("compact", 1, &[("cleanup.policy", "compact")]);
    let code = |client: &mut Client, topic: &str, records: Bytes| client.produce(topic, records).error_code;
    let large = batch(&[&(0..200).map(|i| format!("{}", i * 7919 % 1009)).collect::<String>()], NOBODY);
    assert_eq!(code(&mut client, "t", large), ResponseError::MessageTooLarge.code());
    assert_eq!(code(&mut client, "t", Bytes::new()), ResponseError::InvalidRecord.code());
    assert_eq!(
        code(&mut client, "none", batch(&["x"], NOBODY)),
        ResponseError::UnknownTopicOrPartition.code()
    );
    assert_eq!(code(&mut client, "isr", batch(&["x"], NOBODY)), ResponseError::NotEnoughReplicas.code());
    assert_eq!(code(&mut client, "compact", batch(&["x"], NOBODY)), 0);
    let bad_acks = client.call(&produce_request("t", batch(&["x"], NOBODY), 7), 9);
    let bad_acks = bad_acks.responses[0].partition_responses[0].error_code;
    assert_eq!(bad_acks, ResponseError::InvalidRequiredAcks.code());
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
