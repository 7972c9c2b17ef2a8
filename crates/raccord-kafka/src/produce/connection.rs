//! A connection to a broker: one request after the other, each with its answer.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, ProduceRequest, RequestHeader,
    ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The versions of each request that are spoken here; the newest that the broker has is used.
const PRODUCE: (i16, i16) = (3, 9);
const METADATA: (i16, i16) = (4, 9);
/// The version in which clients tell their name.
const API_VERSIONS: i16 = 3;
/// What a broker answers, in the form of version 0, that does not have the version asked for.
const UNSUPPORTED_VERSION: i16 = 35;
/// Longer answers are taken for something else than Kafka.
const ANSWER_MAX: usize = 100 << 20;
/// A request's buffer is kept up to this.
const BUFFER_KEPT: usize = 2 << 20;

/// A connection on which both sides have agreed on versions.
pub(super) struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    requests: i32,
    buffer: BytesMut,
    produce: i16,
    metadata: i16,
}

impl Connection {
    /// Connects to `address`, which is `host:port`.
    ///
    /// # Errors
    /// What the network or the broker says, with the address.
    pub(super) async fn open(address: &str, client_id: &str, patience: Duration) -> Result<Self> {
        let opened = timeout(patience, Self::open_now(address, client_id)).await;
        let opened = opened.unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut, "timed out")));
        opened.map_err(|error| Error::new(error.kind(), format!("Connect to {address} failed: {error}")))
    }

    async fn open_now(address: &str, client_id: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            client_id: StrBytes::from_string(client_id.to_owned()),
            requests: 0,
            buffer: BytesMut::new(),
            produce: PRODUCE.0,
            metadata: METADATA.0,
        };
        let versions = connection.api_versions().await?;
        let newest = |key: ApiKey, (oldest, newest): (i16, i16)| {
            let offered = versions.api_keys.iter().find(|offered| offered.api_key == key as i16);
            let common =
                offered.map(|offered| (offered.min_version.max(oldest), offered.max_version.min(newest)));
            match common {
                Some((from, to)) if from <= to => Ok(to),
                _ => Err(Error::other(format!(
                    "the broker has no version of {key:?} in common with this program"
                ))),
            }
        };
        connection.produce = newest(ApiKey::Produce, PRODUCE)?;
        connection.metadata = newest(ApiKey::Metadata, METADATA)?;
        Ok(connection)
    }

    async fn api_versions(&mut self) -> Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("raccord"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut answer = self.exchange(&request, API_VERSIONS).await?;
        if answer.len() < 2 {
            return Err(not_kafka("a short answer"));
        }
        let version = if (&answer[..2]).get_i16() == UNSUPPORTED_VERSION { 0 } else { API_VERSIONS };
        if version == 0 {
            answer = self.exchange(&ApiVersionsRequest::default(), 0).await?;
        }
        ApiVersionsResponse::decode(&mut answer, version).map_err(not_kafka)
    }

    /// Whether the broker has not closed it, as brokers do when nothing was sent for a while.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request to produce and takes its answer.
    ///
    /// # Errors
    /// What the network says. The connection is of no use afterwards.
    pub(super) async fn produce(
        &mut self,
        request: &ProduceRequest,
    ) -> Result<<ProduceRequest as Request>::Response> {
        self.call(request, self.produce).await
    }

    /// Asks about topics and brokers.
    ///
    /// # Errors
    /// As for [`produce`](Self::produce).
    pub(super) async fn describe(
        &mut self,
        request: &MetadataRequest,
    ) -> Result<<MetadataRequest as Request>::Response> {
        self.call(request, self.metadata).await
    }

    async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let mut answer = self.exchange(request, version).await?;
        R::Response::decode(&mut answer, version).map_err(not_kafka)
    }

    /// Sends a request and takes the bytes of its answer, without the header.
    async fn exchange<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes> {
        self.requests = self.requests.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.requests)
            .with_client_id(Some(self.client_id.clone()));
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(&[0; 4]);
        header.encode(buffer, R::header_version(version)).map_err(Error::other)?;
        request.encode(buffer, version).map_err(Error::other)?;
        let len = (buffer.len() - 4) as i32;
        buffer[..4].copy_from_slice(&len.to_be_bytes());
        self.stream.write_all(buffer).await?;
        if buffer.capacity() > BUFFER_KEPT {
            *buffer = BytesMut::new();
        }
        let mut len = [0; 4];
        self.stream.read_exact(&mut len).await?;
        let len = usize::try_from(i32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > ANSWER_MAX {
            return Err(not_kafka("an answer of impossible length: is this the port of a Kafka listener?"));
        }
        let mut answer = vec![0; len];
        self.stream.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        let header =
            ResponseHeader::decode(&mut answer, R::Response::header_version(version)).map_err(not_kafka)?;
        if header.correlation_id != self.requests {
            return Err(not_kafka("an answer to another request"));
        }
        Ok(answer)
    }
}

fn not_kafka(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("the broker's answer cannot be read: {what}"))
}
