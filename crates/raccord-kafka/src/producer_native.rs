//! The producer's calls into librdkafka: hand a record over, take delivery reports in batches.
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
use crate::oauth::Login;
use crate::refusal::Refusal;

/// The partition number that lets the partitioner choose.
const ANY_PARTITION: i32 = -1;
/// How many delivery reports are taken at once.
const REPORTS: usize = 1024;

/// A producer. Fields are dropped in order: topics and queue before the client they belong to.
pub(crate) struct NativeProducer {
    topics: Topics,
    pub(crate) queue: WakeQueue,
    reports: Vec<*const rd::rd_kafka_message_t>,
    client: Handle,
}

// SAFETY: the pointers in `reports` are only meaningful during a call of `drain`; everything else is `Send`.
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

impl NativeProducer {
    pub(crate) fn new(config: &ClientConfig, login: Option<&Arc<Login>>) -> Result<Self> {
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
        Ok(Self { topics: Topics::default(), queue, reports: vec![ptr::null(); REPORTS], client })
    }

    /// Hands a record over; librdkafka copies its bytes.
    ///
    /// # Errors
    /// `QueueFull` when there is no room, else why the record is refused.
    #[inline]
    pub(crate) fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), RDKafkaErrorCode> {
        let topic = self.topics.handle(&self.client, record.topic).ok_or(RDKafkaErrorCode::InvalidTopic)?;
        let (value, value_len) = parts(record.value);
        let (key, key_len) = parts(record.key);
        let partition = record.partition.unwrap_or(ANY_PARTITION);
        if record.timestamp.is_some() || !record.headers.is_empty() {
            return self.send_with_more(record, topic);
        }
        // SAFETY: topic is live, the bytes live during the call, in which they are copied. The opaque is a number that
        // comes back in the delivery report.
        unsafe {
            let outcome = rd::rd_kafka_produce(
                topic.as_ptr(),
                partition,
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

    /// As [`send`](Self::send), for records with a timestamp or headers.
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

    /// Takes all delivery reports there are: each record's ticket and the code.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(u64, RDKafkaRespErr)) {
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
                            each((**message)._private as usize as u64, (**message).err);
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
