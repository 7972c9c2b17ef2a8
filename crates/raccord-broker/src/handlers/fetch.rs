//! Fetch: wait until there is enough, then read each partition's bytes once, straight into what goes to the socket.
//!
//! The answer is encoded here and not by the protocol crate, which would copy the records into one buffer: headers
//! and record bytes are separate parts of the frame, written together. Fetch sessions are not kept; session id 0 in
//! every answer tells clients to send full requests, which is what Kafka does, too, when its session cache is full.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{check_epoch, find_partition, find_topic, isolation};
use crate::broker::Broker;
use crate::dispatch::Refused;
use crate::frame::{Frame, Reply, begin};
use crate::log::{Isolation, LogError, PartitionLog, ReadResult, Waiter};
use crate::request::RequestContext;

const FLEXIBLE: i16 = 12;
const TOPIC_IDS: i16 = 13;
/// Size of an answer for which there was no room in the memory for answers.
const UNBUDGETED_BYTES: usize = 64 << 10;
/// Longest wait whatever the client asks for.
const WAIT_MAX_MS: u64 = 300_000;
/// From here on a Fetch is one of many by which a reader catches up.
const BULK_BYTES: u64 = 512 << 10;
/// What such a Fetch waits before it is read: the shortest sleep there is, which ends at the next tick of the timer, half
/// a millisecond later on average.
///
/// librdkafka allocates what it has fetched on one thread and frees it on another. If the next answer comes at once, the
/// two fight over one lock all the time: `kcat -C` of 3 million records took 2.7 s without this pause, with twice the
/// CPU, and 1.8 s with it. A reader of one partition with default limits still gets up to 2 GB/s.
const BULK_PAUSE: Duration = Duration::from_micros(1);

struct Wanted {
    index: i32,
    offset: i64,
    max_bytes: usize,
    log: Result<Arc<PartitionLog>, ResponseError>,
}

struct WantedTopic {
    name: StrBytes,
    id: Uuid,
    partitions: Vec<Wanted>,
}

/// Answers a Fetch.
pub(crate) async fn fetch(
    broker: &Broker,
    ctx: &RequestContext,
    request: FetchRequest,
    version: i16,
) -> Result<Reply, Refused> {
    if request.session_id != 0 {
        let mut out = Answer::new(ctx, version, ResponseError::FetchSessionIdNotFound.code());
        out.array(0);
        return Ok(out.finish());
    }
    let isolation = isolation(request.isolation_level);
    let topics: Vec<WantedTopic> = request.topics.into_iter().map(|t| resolve(broker, t, version)).collect();
    let min_bytes = u64::try_from(request.min_bytes).unwrap_or(0);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0).min(WAIT_MAX_MS));
    let ready = wait_for(&topics, isolation, min_bytes, wait, ctx).await;
    if ready >= BULK_BYTES {
        tokio::time::sleep(BULK_PAUSE).await;
    }
    let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(broker.config().fetch_max_bytes);
    let wanted = usize::try_from(ready).unwrap_or(usize::MAX).min(max_bytes);
    let budget = broker.answer_budget(wanted).await;
    let max_bytes = if budget.is_some() { max_bytes } else { max_bytes.min(UNBUDGETED_BYTES) };
    let Reply::Send(mut frame) = respond(ctx, &topics, isolation, max_bytes, version) else {
        return Ok(Reply::Close);
    };
    frame.budget = budget;
    Ok(Reply::Send(frame))
}

fn resolve(broker: &Broker, topic: FetchTopic, version: i16) -> WantedTopic {
    let found = find_topic(broker, &topic.topic, topic.topic_id, version >= TOPIC_IDS);
    let partitions = topic
        .partitions
        .into_iter()
        .map(|p| {
            let log = found.as_ref().map_err(|code| *code).and_then(|t| find_partition(t, p.partition));
            Wanted {
                index: p.partition,
                offset: p.fetch_offset,
                max_bytes: usize::try_from(p.partition_max_bytes).unwrap_or(0),
                log: log.and_then(|log| check_epoch(p.current_leader_epoch).map(|()| log)),
            }
        })
        .collect();
    WantedTopic { name: topic.topic.0, id: topic.topic_id, partitions }
}

/// Waits until `min_bytes` are there, an error is to be told, or time is up. Returns the bytes there are, roughly.
async fn wait_for(
    topics: &[WantedTopic],
    isolation: Isolation,
    min_bytes: u64,
    wait: Duration,
    ctx: &RequestContext,
) -> u64 {
    let deadline = Instant::now() + wait;
    let mut waiter: Option<Arc<Waiter>> = None;
    loop {
        if let Some(waiter) = &waiter {
            for log in topics.iter().flat_map(|t| &t.partitions).filter_map(|p| p.log.as_ref().ok()) {
                log.waiters().enter(waiter);
            }
        }
        let (bytes, failed) = available(topics, isolation);
        if failed || bytes >= min_bytes || wait.is_zero() {
            return bytes;
        }
        let Some(waiter) = &waiter else {
            // Entered now, looked at again in the next round: an append in between is not missed.
            waiter = Some(Arc::new(Waiter::default()));
            continue;
        };
        tokio::select! {
            () = ctx.gone.cancelled() => return bytes,
            changed = timeout_at(deadline, waiter.changed()) => {
                if changed.is_err() {
                    return available(topics, isolation).0;
                }
            }
        }
    }
}

fn available(topics: &[WantedTopic], isolation: Isolation) -> (u64, bool) {
    let mut bytes = 0;
    for p in topics.iter().flat_map(|t| &t.partitions) {
        match p.log.as_ref().map(|log| log.bytes_from(p.offset, isolation)) {
            Ok(Ok(n)) => bytes += n.min(p.max_bytes as u64),
            _ => return (bytes, true),
        }
    }
    (bytes, false)
}

fn respond(
    ctx: &RequestContext,
    topics: &[WantedTopic],
    isolation: Isolation,
    max_bytes: usize,
    version: i16,
) -> Reply {
    let mut out = Answer::new(ctx, version, 0);
    let mut rest = max_bytes;
    let mut empty = true;
    out.array(topics.len());
    for topic in topics {
        out.topic(topic);
        for p in &topic.partitions {
            // Only the first partition with records may exceed the limit, so that one large batch cannot block a reader.
            let read = match &p.log {
                Err(code) => Err(*code),
                Ok(log) => {
                    log.read(p.offset, p.max_bytes.min(rest), empty, isolation).map_err(|e| code_of(&e))
                }
            };
            if let Ok(read) = &read {
                rest = rest.saturating_sub(read.records.len());
                empty &= read.records.is_empty();
            }
            out.partition(p.index, read, isolation);
        }
        out.tags();
    }
    out.finish()
}

fn code_of(e: &LogError) -> ResponseError {
    if matches!(e, LogError::Storage(_) | LogError::Corrupt(_)) {
        tracing::error!(error = %e, "a read failed");
    }
    e.code()
}

/// The answer under construction.
struct Answer {
    version: i16,
    parts: Vec<Bytes>,
    head: BytesMut,
}

impl Answer {
    fn new(ctx: &RequestContext, version: i16, error: i16) -> Answer {
        let mut head = BytesMut::with_capacity(256);
        begin(&mut head, ctx.correlation_id, version >= FLEXIBLE);
        head.put_i32(0);
        if version >= 7 {
            head.put_i16(error);
            head.put_i32(0);
        }
        Answer { version, parts: Vec::new(), head }
    }

    fn flexible(&self) -> bool {
        self.version >= FLEXIBLE
    }

    fn array(&mut self, len: usize) {
        if self.flexible() { self.varint(len as u32 + 1) } else { self.head.put_i32(len as i32) }
    }

    fn tags(&mut self) {
        if self.flexible() {
            self.head.put_u8(0);
        }
    }

    fn varint(&mut self, mut v: u32) {
        while v >= 0x80 {
            self.head.put_u8(v as u8 | 0x80);
            v >>= 7;
        }
        self.head.put_u8(v as u8);
    }

    fn topic(&mut self, topic: &WantedTopic) {
        if self.version >= TOPIC_IDS {
            self.head.put_slice(topic.id.as_bytes());
        } else {
            if self.flexible() {
                self.varint(topic.name.len() as u32 + 1);
            } else {
                self.head.put_i16(topic.name.len() as i16);
            }
            self.head.put_slice(topic.name.as_bytes());
        }
        self.array(topic.partitions.len());
    }

    fn partition(&mut self, index: i32, read: Result<ReadResult, ResponseError>, isolation: Isolation) {
        self.head.put_i32(index);
        let (error, read) = match read {
            Ok(read) => (0, Some(read)),
            Err(code) => (code.code(), None),
        };
        self.head.put_i16(error);
        self.head.put_i64(read.as_ref().map_or(-1, |r| r.high_watermark));
        self.head.put_i64(read.as_ref().map_or(-1, |r| r.last_stable));
        if self.version >= 5 {
            self.head.put_i64(read.as_ref().map_or(-1, |r| r.log_start));
        }
        self.aborted(read.as_ref(), isolation);
        if self.version >= 11 {
            self.head.put_i32(-1);
        }
        self.records(read.map(|r| r.records).unwrap_or_default());
        self.tags();
    }

    fn aborted(&mut self, read: Option<&ReadResult>, isolation: Isolation) {
        let list = match (isolation, read) {
            (Isolation::ReadCommitted, Some(read)) => &read.aborted,
            _ => {
                if self.flexible() {
                    self.head.put_u8(0)
                } else {
                    self.head.put_i32(-1)
                }
                return;
            }
        };
        self.array(list.len());
        for a in list {
            self.head.put_i64(a.producer_id);
            self.head.put_i64(a.first_offset);
            self.tags();
        }
    }

    fn records(&mut self, records: Bytes) {
        if self.flexible() {
            self.varint(records.len() as u32 + 1);
        } else {
            self.head.put_i32(records.len() as i32);
        }
        if !records.is_empty() {
            self.parts.push(self.head.split().freeze());
            self.parts.push(records);
        }
    }

    fn finish(mut self) -> Reply {
        self.tags();
        self.parts.push(self.head.freeze());
        let len: usize = self.parts.iter().map(Bytes::len).sum();
        let mut first = BytesMut::from(&self.parts[0][..]);
        first[..4].copy_from_slice(&(len as i32 - 4).to_be_bytes());
        self.parts[0] = first.freeze();
        Reply::Send(Frame { parts: self.parts, budget: None })
    }
}
