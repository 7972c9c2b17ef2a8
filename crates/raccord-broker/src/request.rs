//! What a handler knows about the request besides its body.

use std::net::IpAddr;

use kafka_protocol::protocol::StrBytes;
use tokio_util::sync::CancellationToken;

/// Origin of one request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Number that the answer must carry.
    pub correlation_id: i32,
    /// `client.id` from the request header.
    pub client_id: Option<StrBytes>,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Cancelled when the peer is gone or the broker stops: a handler that waits may give up then.
    pub gone: CancellationToken,
}

impl RequestContext {
    /// The peer as Kafka shows it in group descriptions: `/127.0.0.1`.
    pub fn client_host(&self) -> String {
        format!("/{}", self.peer)
    }
}
