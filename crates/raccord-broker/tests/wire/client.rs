//! One broker and one client of the tests: requests are encoded, sent and answered by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, Record, RecordBatchDecoder, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};
use raccord_broker::{Broker, BrokerConfig, BrokerHandle};
use tempfile::TempDir;

pub struct Running {
    pub dir: TempDir,
    pub handle: Option<BrokerHandle>,
}

pub fn config(dir: &TempDir) -> BrokerConfig {
    BrokerConfig { port: 0, data_dir: dir.path().join("data"), ..BrokerConfig::default() }
}

impl Running {
    pub fn start() -> Running {
        Running::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut BrokerConfig)) -> Running {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = config(&dir);
        change(&mut config);
        let handle = Broker::start(config).expect("the broker starts");
        Running { dir, handle: Some(handle) }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.handle.as_ref().expect("is running"))
    }

    /// Stops and starts again: in good order, or as after a crash.
    pub fn restart(&mut self, clean: bool) {
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

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub struct Client {
    pub stream: TcpStream,
    pub next: i32,
}

impl Client {
    pub fn connect(handle: &BrokerHandle) -> Client {
        let stream = TcpStream::connect(handle.local_addr()).expect("connects");
        stream.set_nodelay(true).expect("sets no delay");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("sets a limit");
        Client { stream, next: 0 }
    }

    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
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

    pub fn send_raw(&mut self, body: &[u8]) {
        self.stream.write_all(&(body.len() as i32).to_be_bytes()).expect("writes");
        self.stream.write_all(body).expect("writes");
    }

    pub fn receive_raw(&mut self) -> std::io::Result<Bytes> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut body = vec![0; i32::from_be_bytes(len) as usize];
        self.stream.read_exact(&mut body)?;
        Ok(body.into())
    }

    pub fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let mut body =
            self.receive_raw().unwrap_or_else(|e| panic!("no answer to API {} v{version}: {e}", R::KEY));
        let header =
            ResponseHeader::decode(&mut body, R::Response::header_version(version)).expect("decodes");
        let response = R::Response::decode(&mut body, version).expect("decodes");
        assert!(!body.has_remaining(), "API {} v{version} leaves {} bytes", R::KEY, body.remaining());
        (header.correlation_id, response)
    }

    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let sent = self.send(request, version);
        let (got, response) = self.receive::<R>(version);
        assert_eq!(sent, got);
        response
    }

    pub fn expect_closed(&mut self, why: &str) {
        let got = self.receive_raw();
        assert!(got.is_err(), "{why}: the connection must be closed, not answered with {got:?}");
    }

    pub fn create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> i16 {
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

    pub fn topic_id(&mut self, topic: &str) -> uuid::Uuid {
        let topic = MetadataRequestTopic::default().with_name(Some(text(topic).into()));
        self.call(&MetadataRequest::default().with_topics(Some(vec![topic])), 12).topics[0].topic_id
    }

    pub fn produce(&mut self, topic: &str, records: Bytes) -> produce_response::PartitionProduceResponse {
        self.produce_as(topic, records, None)
    }

    pub fn produce_as(
        &mut self,
        topic: &str,
        records: Bytes,
        transactional_id: Option<&str>,
    ) -> produce_response::PartitionProduceResponse {
        let request = produce_request(topic, records, -1)
            .with_transactional_id(transactional_id.map(|id| text(id).into()));
        self.call(&request, 9).responses[0].partition_responses[0].clone()
    }

    pub fn fetch(&mut self, topic: &str, offset: i64, isolation: i8) -> fetch_response::PartitionData {
        let request = fetch_request(topic, offset).with_isolation_level(isolation);
        self.call(&request, 12).responses[0].partitions[0].clone()
    }

    pub fn values(&mut self, topic: &str, offset: i64) -> Vec<String> {
        let data = self.fetch(topic, offset, 0);
        assert_eq!(data.error_code, 0);
        decode(data.records.unwrap_or_default()).iter().map(value).collect()
    }
}

pub fn text(s: &str) -> StrBytes {
    StrBytes::from_string(s.to_string())
}

pub fn produce_request(topic: &str, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(text(topic).into()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(5000).with_topic_data(vec![topic])
}

pub fn fetch_request(topic: &str, offset: i64) -> FetchRequest {
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
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub sequence: i32,
    pub transactional: bool,
}

pub const NOBODY: Producer = Producer { id: -1, epoch: -1, sequence: -1, transactional: false };

pub fn batch(values: &[&str], by: Producer) -> Bytes {
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

pub fn decode(mut records: Bytes) -> Vec<Record> {
    let sets = RecordBatchDecoder::decode_all(&mut records).expect("whole batches");
    sets.into_iter().flat_map(|s| s.records).filter(|r| !r.control).collect()
}

pub fn value(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_ref().expect("a value")).into_owned()
}
