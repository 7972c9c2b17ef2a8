//! Connections: frames in, answers out in the same order.
//!
//! Per connection one task reads frames ahead (a few, bounded in bytes over all connections) and one handles them one
//! after the other, so answers keep the order of requests by construction. Every wait has an end: a frame that has
//! begun, an answer not taken, a connection without requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::dispatch::{Refused, dispatch, lookup};
use crate::frame::{Frame, Reply};
use crate::handlers::cluster;
use crate::request::RequestContext;

/// Requests read ahead on one connection: enough to overlap reading with handling.
const READ_AHEAD: usize = 4;
/// Bytes read at a time while no large frame is under way.
const READ_BUFFER: usize = 16 << 10;
/// How long a request under way may go on when the broker stops.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// Unit of the in-flight budget.
pub(crate) const BUDGET_UNIT: usize = 1024;

/// Accepts connections until the broker stops.
pub(crate) async fn accept(broker: Arc<Broker>, listener: TcpListener, tasks: TaskTracker) {
    let slots = Arc::new(Semaphore::new(broker.config().max_connections));
    loop {
        let accepted = tokio::select! {
            () = broker.stop_token().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match slots.clone().try_acquire_owned() {
                Ok(slot) => {
                    let broker = broker.clone();
                    tasks.spawn(async move {
                        serve(broker, stream, peer).await;
                        drop(slot);
                    });
                }
                Err(_) => tracing::warn!(%peer, "too many connections: closing the new one"),
            },
            Err(e) => {
                // Most likely out of file descriptors: others may finish and free some.
                tracing::warn!(error = %e, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A request frame without its length.
struct Request {
    bytes: Bytes,
    /// Its share of the in-flight bytes; freed when the answer is written.
    budget: OwnedSemaphorePermit,
}

async fn serve(broker: Arc<Broker>, stream: TcpStream, peer: SocketAddr) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(%peer, error = %e, "connection lost at once");
        return;
    }
    let (read, write) = stream.into_split();
    let gone = broker.stop_token().child_token();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let reader = {
        let (broker, gone) = (broker.clone(), gone.clone());
        async move {
            let end = read_frames(&broker, read, sender, &gone).await;
            // Whoever waits on behalf of this peer need not go on.
            gone.cancel();
            if let Err(e) = end {
                tracing::debug!(%peer, reason = %e, "closing a connection");
            }
        }
    };
    let handler = async {
        if let Err(e) = answer_frames(&broker, write, receiver, peer.ip(), &gone).await {
            tracing::debug!(%peer, reason = %e, "closing a connection");
        }
        gone.cancel();
    };
    // The reader is a task of its own, so that a handler at work does not keep the socket from being read.
    let reader = tokio::spawn(reader);
    handler.await;
    if reader.await.is_err() {
        tracing::error!(%peer, "the reader of a connection failed");
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("a frame of {0} bytes is not allowed (1 to {1})")]
    FrameSize(i64, usize),
    #[error("no request for {0} ms")]
    Idle(u64),
    #[error("a frame took longer than {0} ms, or no byte of an answer was taken for so long")]
    Slow(u64),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("a produce request without acks failed")]
    FailedWithoutAcks,
}

async fn read_frames(
    broker: &Broker,
    mut socket: OwnedReadHalf,
    out: mpsc::Sender<Request>,
    gone: &CancellationToken,
) -> Result<(), End> {
    let config = broker.config();
    let idle = Duration::from_millis(config.connection_idle_ms);
    let mut buffer = BytesMut::new();
    loop {
        while buffer.len() < 4 {
            buffer.reserve(READ_BUFFER);
            let read = tokio::select! {
                () = gone.cancelled() => return Ok(()),
                read = timeout(idle, socket.read_buf(&mut buffer)) => read,
            };
            if read.map_err(|_| End::Idle(config.connection_idle_ms))?? == 0 {
                return Ok(());
            }
        }
        let len = buffer.get_i32();
        let size = usize::try_from(len).ok().filter(|n| (8..=config.request_max_bytes).contains(n));
        let size = size.ok_or(End::FrameSize(i64::from(len), config.request_max_bytes))?;
        let budget = tokio::select! {
            () = gone.cancelled() => return Ok(()),
            budget = broker.request_budget(size) => budget,
        };
        let whole = Duration::from_millis(config.frame_timeout_ms);
        let bytes = tokio::select! {
            () = gone.cancelled() => return Ok(()),
            bytes = timeout(whole, read_frame(&mut socket, &mut buffer, size)) => bytes,
        };
        let bytes = bytes.map_err(|_| End::Slow(config.frame_timeout_ms))??;
        if out.send(Request { bytes, budget }).await.is_err() {
            return Ok(());
        }
    }
}

async fn read_frame(
    socket: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    size: usize,
) -> std::io::Result<Bytes> {
    if buffer.len() >= size {
        return Ok(buffer.split_to(size).freeze());
    }
    let mut frame = BytesMut::with_capacity(size);
    frame.extend_from_slice(buffer);
    buffer.clear();
    let mut rest = size - frame.len();
    while rest > 0 {
        let read = socket.read_buf(&mut (&mut frame).limit(rest)).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        rest -= read;
    }
    Ok(frame.freeze())
}

async fn answer_frames(
    broker: &Broker,
    mut socket: OwnedWriteHalf,
    mut requests: mpsc::Receiver<Request>,
    peer: IpAddr,
    gone: &CancellationToken,
) -> Result<(), End> {
    let limit = broker.config().frame_timeout_ms;
    while let Some(request) = requests.recv().await {
        let reply = tokio::select! {
            biased;
            reply = handle(broker, request.bytes, peer, gone) => reply?,
            // A parked JoinGroup could hold up the end for minutes; what only needs a moment still gets its answer.
            () = stopped(broker) => return Ok(()),
        };
        match reply {
            Reply::Send(frame) => write_frame(&mut socket, frame, limit).await?,
            Reply::Nothing => {}
            Reply::Close => return Err(End::FailedWithoutAcks),
        }
        drop(request.budget);
        if broker.stop_token().is_cancelled() {
            return Ok(());
        }
    }
    Ok(())
}

/// Ends a moment after the broker was told to stop.
async fn stopped(broker: &Broker) {
    broker.stop_token().cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// Writes all parts. A slow reader may take its time, one that takes nothing for `limit_ms` may not.
async fn write_frame(socket: &mut OwnedWriteHalf, frame: Frame, limit_ms: u64) -> Result<(), End> {
    let Frame { parts, budget } = frame;
    let mut slices: Vec<std::io::IoSlice<'_>> = parts.iter().map(|p| std::io::IoSlice::new(p)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let written = timeout(Duration::from_millis(limit_ms), socket.write_vectored(rest)).await;
        match written.map_err(|_| End::Slow(limit_ms))?? {
            0 => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
            written => std::io::IoSlice::advance_slices(&mut rest, written),
        }
    }
    drop(budget);
    Ok(())
}

/// Reads the request header and dispatches.
async fn handle(
    broker: &Broker,
    bytes: Bytes,
    peer: IpAddr,
    gone: &CancellationToken,
) -> Result<Reply, Refused> {
    let head = parse_header(bytes)?;
    let ctx = RequestContext {
        correlation_id: head.correlation_id,
        client_id: head.client_id,
        peer,
        gone: gone.clone(),
    };
    dispatch(broker, &ctx, head.key, head.version, head.body).await
}

/// The parts of a request header.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<StrBytes>,
    pub(crate) body: Bytes,
}

/// Splits a frame into header and body. Checks key and version on the way, as only they tell the header's form.
pub(crate) fn parse_header(mut bytes: Bytes) -> Result<RequestHead, Refused> {
    let short = || Refused::Malformed("the request header is cut short".to_string());
    if bytes.remaining() < 8 {
        return Err(short());
    }
    let key = bytes.get_i16();
    let mut version = bytes.get_i16();
    let correlation_id = bytes.get_i32();
    let api = lookup(key).ok_or(Refused::UnknownKey(key))?;
    let known = (api.min..=api.max).contains(&version);
    if !known && api.key != ApiKey::ApiVersions {
        return Err(Refused::UnknownVersion(api.key, version));
    }
    if !known {
        // Kafka answers an unknown ApiVersions version in version 0, with UNSUPPORTED_VERSION and the ranges.
        version = cluster::UNKNOWN_API_VERSIONS;
        return Ok(RequestHead {
            key: api.key,
            version,
            correlation_id,
            client_id: None,
            body: Bytes::new(),
        });
    }
    let client_id = match bytes.try_get_i16().map_err(|_| short())? {
        -1 => None,
        len => {
            let len = usize::try_from(len).ok().filter(|l| *l <= bytes.remaining()).ok_or_else(short)?;
            let text = StrBytes::from_utf8(bytes.split_to(len));
            Some(text.map_err(|_| Refused::Malformed("the client id is not UTF-8".to_string()))?)
        }
    };
    if api.key.request_header_version(version) >= 2 {
        skip_tags(&mut bytes).ok_or_else(short)?;
    }
    Ok(RequestHead { key: api.key, version, correlation_id, client_id, body: bytes })
}

fn skip_tags(bytes: &mut Bytes) -> Option<()> {
    for _ in 0..unsigned_varint(bytes)? {
        unsigned_varint(bytes)?;
        let len = unsigned_varint(bytes)? as usize;
        if bytes.remaining() < len {
            return None;
        }
        bytes.advance(len);
    }
    Some(())
}

fn unsigned_varint(bytes: &mut Bytes) -> Option<u32> {
    let mut value = 0u32;
    for shift in (0..35).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
