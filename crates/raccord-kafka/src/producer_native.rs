//! The producer's calls into librdkafka: hand records over, take delivery reports in batches.
//!
//! Most records are handed over many at a time, since `rd_kafka_produce_batch` reads the clock twice and takes the topic's
//! lock once for all of them. Order is kept: what cannot be in a batch is handed over after what waits in it, and when
//! librdkafka has no room for a record it takes none of those behind it.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use raccord_plugin::Result;
use raccord_runtime::ports::Outgoing;
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::client_native::{Handle, WakeQueue};
use crate::hurry_native::Hurry;
use crate::oauth::Login;
use crate::refusal::Refusal;

/// The partition number that lets the partitioner choose.
const ANY_PARTITION: i32 = -1;
/// How many delivery reports are taken at once.
const REPORTS: usize = 1024;
/// How many records are handed over at once.
const BATCH_RECORDS: usize = 128;
/// How many bytes of keys and values are handed over at once.
const BATCH_BYTES: usize = 64 * 1024;
/// Larger records are not copied into a batch.
const BATCHED_RECORD_BYTES: usize = 4 * 1024;

/// A producer. Fields are dropped in order: topics and queue before the client they belong to.
pub(crate) struct NativeProducer {
    batch: Batch,
    /// Records that librdkafka did not take from a batch, and why.
    refused: Vec<(u64, RDKafkaErrorCode)>,
    topics: Topics,
    pub(crate) queue: WakeQueue,
    reports: Vec<*const rd::rd_kafka_message_t>,
    /// Whether records were handed over since the last [`hurry`](Self::hurry).
    fresh: bool,
    hurry: Option<Hurry>,
    client: Handle,
}

// SAFETY: the pointers in `reports` are only meaningful during a call of `drain`, those in `batch` point to topics and bytes
// that belong to the producer as well; everything else is `Send`.
unsafe impl Send for NativeProducer {}
// SAFETY: nothing can be done through a shared reference but waiting on the queue.
unsafe impl Sync for NativeProducer {}

/// Handles of the topics written to. Bounded by the number of topics.
#[derive(Default)]
struct Topics {
    handles: Vec<(Arc<str>, NonNull<rd::rd_kafka_topic_t>)>,
    by_name: HashMap<Arc<str>, usize>,
    recent: usize,
}

impl Drop for Topics {
    fn drop(&mut self) {
        for (_, handle) in &self.handles {
            // SAFETY: each was made by rd_kafka_topic_new and is destroyed once.
            unsafe { rd::rd_kafka_topic_destroy(handle.as_ptr()) };
        }
    }
}

impl Topics {
    /// The handle of a topic; `None` when librdkafka refuses its name.
    #[inline]
    fn handle(&mut self, client: &Handle, topic: &Arc<str>) -> Option<NonNull<rd::rd_kafka_topic_t>> {
        match self.handles.get(self.recent) {
            Some((recent, handle)) if Arc::ptr_eq(recent, topic) || recent == topic => Some(*handle),
            _ => self.find(client, topic),
        }
    }

    fn find(&mut self, client: &Handle, topic: &Arc<str>) -> Option<NonNull<rd::rd_kafka_topic_t>> {
        if let Some(index) = self.by_name.get(topic) {
            self.recent = *index;
            return Some(self.handles[*index].1);
        }
        let name = CString::new(&**topic).ok()?;
        // SAFETY: the client is live; a null config means the client's defaults for topics.
        let handle = unsafe { rd::rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        let handle = NonNull::new(handle)?;
        self.recent = self.handles.len();
        self.handles.push((topic.clone(), handle));
        self.by_name.insert(topic.clone(), self.recent);
        Some(handle)
    }
}

/// Records of one topic that wait to be handed over.
struct Batch {
    topic: Option<NonNull<rd::rd_kafka_topic_t>>,
    /// Keys and values point into `bytes`.
    messages: Vec<rd::rd_kafka_message_t>,
    /// Never grows beyond the room that it has from the start, so that it stays where it is.
    bytes: Vec<u8>,
    /// How many of the messages are settled: handed over or refused.
    settled: usize,
}

impl Batch {
    fn new() -> Self {
        let (messages, bytes) = (Vec::with_capacity(BATCH_RECORDS), Vec::with_capacity(BATCH_BYTES));
        Self { topic: None, messages, bytes, settled: 0 }
    }

    #[inline]
    fn has_room(&self, topic: NonNull<rd::rd_kafka_topic_t>, size: usize) -> bool {
        self.messages.is_empty()
            || (self.topic == Some(topic)
                && self.settled == 0
                && self.messages.len() < BATCH_RECORDS
                && self.bytes.len() + size <= BATCH_BYTES)
    }

    /// Adds a record that there is room for.
    #[inline]
    fn push(&mut self, topic: NonNull<rd::rd_kafka_topic_t>, record: &Outgoing<'_>) {
        self.topic = Some(topic);
        let (payload, len) = self.copied(record.value);
        let (key, key_len) = self.copied(record.key);
        self.messages.push(rd::rd_kafka_message_t {
            err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: ANY_PARTITION,
            payload,
            len,
            key,
            key_len,
            offset: 0,
            _private: record.ticket as usize as *mut c_void,
        });
    }

    #[inline]
    fn copied(&mut self, bytes: Option<&[u8]>) -> (*mut c_void, usize) {
        let Some(bytes) = bytes else { return (ptr::null_mut(), 0) };
        debug_assert!(self.bytes.capacity() - self.bytes.len() >= bytes.len());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        // Not null, even for no bytes.
        (self.bytes[start..].as_mut_ptr().cast(), bytes.len())
    }

    fn waiting(&self) -> usize {
        self.messages.len() - self.settled
    }

    /// Gives up the first that waits.
    fn refuse(&mut self) -> Option<u64> {
        let message = self.messages.get(self.settled)?;
        self.settled += 1;
        Some(message._private as usize as u64)
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes.clear();
        self.settled = 0;
    }
}

impl NativeProducer {
    /// A producer. `hurries` says that a record is not held back that comes after a silence.
    pub(crate) fn new(config: &ClientConfig, login: Option<&Arc<Login>>, hurries: bool) -> Result<Self> {
        let mut client = Handle::new(rd::rd_kafka_type_t::RD_KAFKA_PRODUCER, config, |conf| {
            // SAFETY: `conf` is live. Reports and errors then come as events from the queue instead of callbacks.
            unsafe {
                rd::rd_kafka_conf_set_events(
                    conf,
                    rd::RD_KAFKA_EVENT_DR as c_int | rd::RD_KAFKA_EVENT_ERROR as c_int,
                )
            };
        })?;
        if let Some(login) = login {
            client.log_in(login);
        }
        // SAFETY: the client is live; the reference to its queue is ours.
        let queue = WakeQueue::new(unsafe { rd::rd_kafka_queue_get_main(client.as_ptr()) })?;
        let (batch, reports) = (Batch::new(), vec![ptr::null(); REPORTS]);
        let hurry = if hurries { NonNull::new(client.as_ptr()).and_then(Hurry::new) } else { None };
        Ok(Self {
            batch,
            refused: Vec::new(),
            topics: Topics::default(),
            queue,
            reports,
            fresh: false,
            hurry,
            client,
        })
    }

    /// Takes a record, whose bytes are copied, and hands it over at once or with others.
    ///
    /// # Errors
    /// `QueueFull` when there is no room, else why the record is refused.
    #[inline]
    pub(crate) fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), RDKafkaErrorCode> {
        let topic = self.topics.handle(&self.client, record.topic).ok_or(RDKafkaErrorCode::InvalidTopic)?;
        let size = record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len);
        let plain = record.timestamp.is_none() && record.headers.is_empty();
        if plain && record.partition.is_none() && size <= BATCHED_RECORD_BYTES {
            if !self.batch.has_room(topic, size) {
                self.hand_over()?;
            }
            self.batch.push(topic, record);
            return Ok(());
        }
        self.hand_over()?;
        match plain {
            true => Self::send_plain(record, topic),
            false => self.send_with_more(record, topic),
        }?;
        self.fresh = true;
        Ok(())
    }

    /// Hands the batch over. Records that are refused come with the next [`drain`](Self::drain).
    ///
    /// # Errors
    /// `QueueFull` when there was no room for all of them.
    pub(crate) fn hand_over(&mut self) -> std::result::Result<(), RDKafkaErrorCode> {
        let batch = &mut self.batch;
        let Some(topic) = batch.topic.filter(|_| batch.waiting() > 0) else {
            batch.clear();
            return Ok(());
        };
        let waiting = &mut batch.messages[batch.settled..];
        // SAFETY: topic is live, the messages are as many as told, and their bytes, which live in the batch, are copied.
        // The opaques are numbers that come back in the delivery reports.
        let taken = unsafe {
            rd::rd_kafka_produce_batch(
                topic.as_ptr(),
                ANY_PARTITION,
                rd::RD_KAFKA_MSG_F_COPY as c_int,
                waiting.as_mut_ptr(),
                waiting.len() as c_int,
            )
        };
        if taken as usize != waiting.len() {
            for message in waiting {
                match message.err {
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                    RDKafkaRespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL => return Err(RDKafkaErrorCode::QueueFull),
                    code => self.refused.push((message._private as usize as u64, code.into())),
                }
                batch.settled += 1;
            }
        }
        batch.clear();
        self.fresh = true;
        Ok(())
    }

    /// Called behind the last record that is there for now: it is not to wait for others after a silence.
    pub(crate) fn hurry(&mut self) {
        if std::mem::take(&mut self.fresh)
            && let Some(hurry) = &mut self.hurry
        {
            hurry.handed_over();
        }
    }

    /// Number of records that wait in the batch.
    pub(crate) fn waiting(&self) -> usize {
        self.batch.waiting()
    }

    /// Whether records were refused that were not drained yet.
    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Refuses the first record that waits in the batch.
    pub(crate) fn refuse_first(&mut self, code: RDKafkaErrorCode) {
        self.refused.extend(self.batch.refuse().map(|ticket| (ticket, code)));
    }

    fn send_plain(
        record: &Outgoing<'_>,
        topic: NonNull<rd::rd_kafka_topic_t>,
    ) -> std::result::Result<(), RDKafkaErrorCode> {
        let (value, value_len) = parts(record.value);
        let (key, key_len) = parts(record.key);
        // SAFETY: topic is live, the bytes live during the call, in which they are copied. The opaque is a number that
        // comes back in the delivery report.
        unsafe {
            let outcome = rd::rd_kafka_produce(
                topic.as_ptr(),
                record.partition.unwrap_or(ANY_PARTITION),
                rd::RD_KAFKA_MSG_F_COPY as c_int,
                value,
                value_len,
                key,
                key_len,
                record.ticket as usize as *mut c_void,
            );
            match outcome {
                0 => Ok(()),
                _ => Err(rd::rd_kafka_last_error().into()),
            }
        }
    }

    /// For records with a timestamp or headers.
    #[inline]
    fn send_with_more(
        &mut self,
        record: &Outgoing<'_>,
        topic: NonNull<rd::rd_kafka_topic_t>,
    ) -> std::result::Result<(), RDKafkaErrorCode> {
        use rd::rd_kafka_vtype_t as Kind;
        type Union = rd::rd_kafka_vu_s__bindgen_ty_1;
        let bytes = |(ptr, size)| Union { mem: rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size } };
        let argument = |vtype, u| rd::rd_kafka_vu_t { vtype, u };
        let headers = headers(record.headers);
        let arguments = [
            argument(Kind::RD_KAFKA_VTYPE_RKT, Union { rkt: topic.as_ptr() }),
            argument(
                Kind::RD_KAFKA_VTYPE_PARTITION,
                Union { i32_: record.partition.unwrap_or(ANY_PARTITION) },
            ),
            argument(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Union { i: rd::RD_KAFKA_MSG_F_COPY as c_int }),
            argument(Kind::RD_KAFKA_VTYPE_VALUE, bytes(parts(record.value))),
            argument(Kind::RD_KAFKA_VTYPE_KEY, bytes(parts(record.key))),
            argument(Kind::RD_KAFKA_VTYPE_OPAQUE, Union { ptr: record.ticket as usize as *mut c_void }),
            // 0 stands for the time of the call.
            argument(Kind::RD_KAFKA_VTYPE_TIMESTAMP, Union { i64_: record.timestamp.unwrap_or(0) }),
            argument(Kind::RD_KAFKA_VTYPE_HEADERS, Union { headers }),
        ];
        let count = arguments.len() - usize::from(headers.is_null());
        // SAFETY: all that the arguments point to lives during the call and is copied, but the headers, which the call
        // takes over when it succeeds and which are destroyed here when not.
        unsafe {
            let error = rd::rd_kafka_produceva(self.client.as_ptr(), arguments.as_ptr(), count);
            if error.is_null() {
                return Ok(());
            }
            if !headers.is_null() {
                rd::rd_kafka_headers_destroy(headers);
            }
            let code = rd::rd_kafka_error_code(error);
            rd::rd_kafka_error_destroy(error);
            Err(code.into())
        }
    }

    /// Takes all delivery reports there are: each record's ticket and why it is not delivered.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(u64, Option<RDKafkaErrorCode>)) {
        self.refused.drain(..).for_each(|(ticket, code)| each(ticket, Some(code)));
        loop {
            // SAFETY: the queue is live; the event is owned here and destroyed below.
            let event = unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
            let Some(event) = NonNull::new(event) else { return };
            // SAFETY: the event is live; messages of a report event live as long as it does; the array has the room told.
            unsafe {
                if rd::rd_kafka_event_type(event.as_ptr()) == rd::RD_KAFKA_EVENT_DR {
                    loop {
                        let count = rd::rd_kafka_event_message_array(
                            event.as_ptr(),
                            self.reports.as_mut_ptr(),
                            self.reports.len(),
                        );
                        if count == 0 {
                            break;
                        }
                        for message in &self.reports[..count] {
                            let code = match (**message).err {
                                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => None,
                                code => Some(code.into()),
                            };
                            each((**message)._private as usize as u64, code);
                        }
                    }
                } else {
                    let code: RDKafkaErrorCode = rd::rd_kafka_event_error(event.as_ptr()).into();
                    tracing::debug!(target: "librdkafka", "{code}");
                }
                rd::rd_kafka_event_destroy(event.as_ptr());
            }
        }
    }

    /// Whether a broker refused the client a moment ago.
    #[inline]
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.client.refused()
    }

    /// Gives up all records that are not acknowledged.
    pub(crate) fn purge(&self) {
        let flags =
            rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT | rd::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_purge(self.client.as_ptr(), flags as c_int) };
    }
}

/// Null for none; otherwise a pointer that is not null, even for no bytes.
#[inline]
fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    match bytes {
        Some(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len()),
        None => (ptr::null_mut(), 0),
    }
}

/// A list of headers that the caller owns; null for none.
fn headers(headers: &[(Arc<str>, Option<Vec<u8>>)]) -> *mut rd::rd_kafka_headers_t {
    if headers.is_empty() {
        return ptr::null_mut();
    }
    // SAFETY: the list is made here; names and values are copied with the lengths told.
    unsafe {
        let list = rd::rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let (value, len) = parts(value.as_deref());
            rd::rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, value, len as isize);
        }
        list
    }
}
