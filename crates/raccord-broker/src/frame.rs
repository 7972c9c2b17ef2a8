//! Answers as bytes: length, correlation id, body; in one piece or in several to be written together.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use tokio::sync::OwnedSemaphorePermit;

use crate::dispatch::Refused;

/// What becomes of a request.
pub(crate) enum Reply {
    /// Write these bytes, in order.
    Send(Frame),
    /// Produce without acks: nothing is written.
    Nothing,
    /// Close the connection, the only way to report an error to a producer without acks.
    Close,
}

/// One answer: parts that together are the frame, length included.
pub(crate) struct Frame {
    pub(crate) parts: Vec<Bytes>,
    /// Share of the memory for answers, given back when the frame is written.
    pub(crate) budget: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// Encodes a message with its header.
    pub(crate) fn message<R: Encodable + HeaderVersion>(
        response: &R,
        correlation_id: i32,
        version: i16,
    ) -> Result<Reply, Refused> {
        let failed = |e: &dyn std::fmt::Display| Refused::Encode(e.to_string());
        let size = response.compute_size(version).map_err(|e| failed(&e))?;
        let mut out = BytesMut::with_capacity(size + 16);
        begin(&mut out, correlation_id, R::header_version(version) >= 1);
        response.encode(&mut out, version).map_err(|e| failed(&e))?;
        let len = out.len() as i32 - 4;
        out[..4].copy_from_slice(&len.to_be_bytes());
        Ok(Reply::Send(Frame { parts: vec![out.freeze()], budget: None }))
    }
}

/// Writes a place for the length, and the response header (with an empty tag section if flexible).
pub(crate) fn begin(out: &mut BytesMut, correlation_id: i32, flexible: bool) {
    out.put_i32(0);
    out.put_i32(correlation_id);
    if flexible {
        out.put_u8(0);
    }
}
