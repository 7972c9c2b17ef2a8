//! The consumer's calls into librdkafka: batches of messages into one buffer, rebalances, commits.
#![allow(unsafe_code)]

use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString, c_int, c_void};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use raccord_plugin::{Result, TopicPartition};
use raccord_runtime::ports::{Fetched, FetchedHeader, FetchedRecord};
use rdkafka::bindings as rd;
use rdkafka::config::ClientConfig;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::client_native::{Handle, WakeQueue};
use crate::oauth::Login;
use crate::refusal::Refusal;

/// How many messages are taken from librdkafka at once.
const CHUNK: usize = 512;
const NO_ERROR: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// A change of the assignment that librdkafka waits to be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Rebalance {
    /// Whether partitions come; else they go.
    pub(crate) assign: bool,
    /// Whether they are gone already.
    pub(crate) lost: bool,
    /// Which.
    pub(crate) partitions: Vec<TopicPartition>,
}

/// What the callbacks of librdkafka write to. Its address is given to them.
#[derive(Default)]
struct Shared {
    rebalances: VecDeque<Rebalance>,
    /// Set when the consumer closes: changes are carried out at once.
    closing: bool,
}

/// A consumer. Fields are dropped in order: queues before the client they belong to, what callbacks use after it was
/// closed.
pub(crate) struct NativeConsumer {
    pub(crate) queue: WakeQueue,
    commits: WakeQueue,
    commit_number: usize,
    messages: Vec<*mut rd::rd_kafka_message_t>,
    taken: usize,
    topics: HashMap<String, Arc<str>>,
    header_names: HashMap<Vec<u8>, Arc<str>>,
    client: Arc<ConsumerClient>,
}

/// The client, shared with calls that block.
pub(crate) struct ConsumerClient {
    handle: Handle,
    /// Kept for the callbacks until the client has ended, which is on another thread: never freed. Small, and one for each
    /// start of a task.
    shared: &'static Mutex<Shared>,
}

// SAFETY: `messages` holds pointers during a call of `fetch` only; everything else is `Send`.
unsafe impl Send for NativeConsumer {}
// SAFETY: nothing can be done through a shared reference but waiting on queues and thread-safe calls.
unsafe impl Sync for NativeConsumer {}

/// A list of partitions for or from librdkafka, owned.
struct List(NonNull<rd::rd_kafka_topic_partition_list_t>);

impl List {
    /// Partitions with the kafka_offsets, where there are some.
    fn new<'a>(partitions: impl ExactSizeIterator<Item = (&'a TopicPartition, Option<i64>)>) -> Self {
        // SAFETY: librdkafka aborts instead of returning null; names are C strings that live during the call.
        unsafe {
            let list = rd::rd_kafka_topic_partition_list_new(partitions.len() as c_int);
            for (partition, offset) in partitions {
                // A name with a zero byte is no topic's: it cannot have come from an assignment.
                let Ok(topic) = CString::new(&*partition.topic) else { continue };
                let entry = rd::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition.partition);
                if let Some(offset) = offset {
                    (*entry).offset = offset;
                }
            }
            Self(NonNull::new(list).expect("rd_kafka_topic_partition_list_new never returns null"))
        }
    }

    fn plain(partitions: &[TopicPartition]) -> Self {
        Self::new(partitions.iter().map(|partition| (partition, None)))
    }

    fn as_ptr(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: owned and destroyed once.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
/// The list is live.
unsafe fn entries<'a>(
    list: *const rd::rd_kafka_topic_partition_list_t,
) -> &'a [rd::rd_kafka_topic_partition_t] {
    // SAFETY: by the contract; `cnt` elements are at `elems`.
    unsafe {
        match (*list).cnt {
            0 => &[],
            count => std::slice::from_raw_parts((*list).elems, count as usize),
        }
    }
}

/// # Safety
/// Called by librdkafka with a live list; `opaque` is the address of a `Mutex<Shared>`.
unsafe extern "C" fn rebalance_callback(
    client: *mut rd::rd_kafka_t,
    code: RDKafkaRespErr,
    list: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: by the contract; the client is live during its callback.
    unsafe {
        let shared = &*opaque.cast::<Mutex<Shared>>();
        let assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let revoke = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
        let mut shared = shared.lock();
        if shared.closing || !(assign || revoke) {
            drop(shared);
            carry_out(client, false, list);
            return;
        }
        let name = |entry: &rd::rd_kafka_topic_partition_t| TopicPartition {
            topic: Arc::from(CStr::from_ptr(entry.topic).to_string_lossy().as_ref()),
            partition: entry.partition,
        };
        shared.rebalances.push_back(Rebalance {
            assign,
            lost: revoke && rd::rd_kafka_assignment_lost(client) != 0,
            partitions: entries(list).iter().map(name).collect(),
        });
        // Ends the call that brought this, so that it is dealt with next.
        rd::rd_kafka_yield(client);
    }
}

/// Tells librdkafka to take partitions on or to give them up.
///
/// # Safety
/// Client and list are live.
unsafe fn carry_out(
    client: *mut rd::rd_kafka_t,
    assign: bool,
    list: *const rd::rd_kafka_topic_partition_list_t,
) -> RDKafkaErrorCode {
    // SAFETY: by the contract; an error is destroyed once.
    unsafe {
        let cooperative =
            CStr::from_ptr(rd::rd_kafka_rebalance_protocol(client)).to_bytes() == b"COOPERATIVE";
        let error = match (cooperative, assign) {
            (true, true) => rd::rd_kafka_incremental_assign(client, list),
            (true, false) => rd::rd_kafka_incremental_unassign(client, list),
            (false, true) => return rd::rd_kafka_assign(client, list).into(),
            (false, false) => return rd::rd_kafka_assign(client, ptr::null()).into(),
        };
        if error.is_null() {
            return RDKafkaErrorCode::NoError;
        }
        let code = rd::rd_kafka_error_code(error);
        rd::rd_kafka_error_destroy(error);
        code.into()
    }
}

type Outcome<T = ()> = std::result::Result<T, RDKafkaErrorCode>;

fn outcome(code: RDKafkaRespErr) -> Outcome {
    match code {
        NO_ERROR => Ok(()),
        code => Err(code.into()),
    }
}

impl Drop for ConsumerClient {
    /// A consumer that was not closed (its task was abandoned) leaves its group while the handle is destroyed.
    fn drop(&mut self) {
        self.shared.lock().closing = true;
    }
}

impl ConsumerClient {
    /// Names of all topics. Blocks.
    pub(crate) fn topics(&self, timeout_ms: c_int) -> Outcome<Vec<String>> {
        let mut metadata: *const rd::rd_kafka_metadata = ptr::null();
        // SAFETY: the client is live; what comes is read while it lives and destroyed once.
        unsafe {
            outcome(rd::rd_kafka_metadata(
                self.handle.as_ptr(),
                1,
                ptr::null_mut(),
                &mut metadata,
                timeout_ms,
            ))?;
            let topics = match (*metadata).topic_cnt {
                0 => &[],
                count => std::slice::from_raw_parts((*metadata).topics, count as usize),
            };
            let name = |topic: &rd::rd_kafka_metadata_topic| {
                CStr::from_ptr(topic.topic).to_string_lossy().into_owned()
            };
            let names = topics.iter().filter(|topic| topic.err == NO_ERROR).map(name).collect();
            rd::rd_kafka_metadata_destroy(metadata);
            Ok(names)
        }
    }

    /// Leaves the group. Blocks while the broker answers.
    pub(crate) fn close(&self) -> Outcome {
        self.shared.lock().closing = true;
        // SAFETY: the client is live.
        outcome(unsafe { rd::rd_kafka_consumer_close(self.handle.as_ptr()) })
    }
}

impl NativeConsumer {
    pub(crate) fn new(config: &ClientConfig, login: Option<&Arc<Login>>) -> Result<Self> {
        let shared: &'static Mutex<Shared> = Box::leak(Box::default());
        let mut handle = Handle::new(rd::rd_kafka_type_t::RD_KAFKA_CONSUMER, config, |conf| {
            // SAFETY: `conf` is live; the opaque lives for ever.
            unsafe {
                rd::rd_kafka_conf_set_opaque(conf, ptr::from_ref(shared).cast_mut().cast());
                rd::rd_kafka_conf_set_rebalance_cb(conf, Some(rebalance_callback));
            }
        })?;
        if let Some(login) = login {
            handle.log_in(login);
        }
        // SAFETY: the client is live; the references to queues are ours.
        let (queue, commits) = unsafe {
            rd::rd_kafka_poll_set_consumer(handle.as_ptr());
            (
                WakeQueue::new(rd::rd_kafka_queue_get_consumer(handle.as_ptr()))?,
                WakeQueue::new(rd::rd_kafka_queue_new(handle.as_ptr()))?,
            )
        };
        Ok(Self {
            queue,
            commits,
            commit_number: 0,
            messages: vec![ptr::null_mut(); CHUNK],
            taken: 0,
            topics: HashMap::new(),
            header_names: HashMap::new(),
            client: Arc::new(ConsumerClient { handle, shared }),
        })
    }

    /// Whether a broker refused the client a moment ago.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.client.handle.refused()
    }

    pub(crate) fn client(&self) -> Arc<ConsumerClient> {
        self.client.clone()
    }

    fn handle(&self) -> *mut rd::rd_kafka_t {
        self.client.handle.as_ptr()
    }

    pub(crate) fn subscribe(&self, topics: &[String]) -> Outcome {
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .map(|topic| TopicPartition { topic: topic.as_str().into(), partition: -1 })
            .collect();
        let list = List::plain(&partitions);
        // SAFETY: client and list are live.
        outcome(unsafe { rd::rd_kafka_subscribe(self.handle(), list.as_ptr()) })
    }

    /// The next change of the assignment that waits.
    pub(crate) fn rebalance(&self) -> Option<Rebalance> {
        self.client.shared.lock().rebalances.pop_front()
    }

    /// Takes partitions on, at the kafka_offsets where there are some, or gives them up.
    pub(crate) fn carry_out(&self, rebalance: &Rebalance, offsets: &HashMap<TopicPartition, i64>) -> Outcome {
        let start = |partition| (partition, offsets.get(partition).copied());
        let list = List::new(rebalance.partitions.iter().map(start));
        // SAFETY: client and list are live.
        match unsafe { carry_out(self.handle(), rebalance.assign, list.as_ptr()) } {
            RDKafkaErrorCode::NoError => Ok(()),
            code => Err(code),
        }
    }

    /// Takes messages without waiting until there are none, or as many or as much as allowed, or the assignment is to
    /// change. Fills the batch, which is empty. Gives the first error that came instead of a message.
    pub(crate) fn fetch(
        &mut self,
        batch: &mut Fetched,
        records_max: usize,
        bytes_max: usize,
    ) -> Option<RDKafkaErrorCode> {
        let mut buffer = Vec::new();
        let mut streams = Streams::default();
        let mut error = None;
        while batch.records.len() < records_max && buffer.len() < bytes_max && error.is_none() {
            let wanted = CHUNK.min(records_max - batch.records.len());
            // SAFETY: the queue is live, the array has the room told.
            let count = unsafe {
                rd::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, self.messages.as_mut_ptr(), wanted)
            };
            self.taken = usize::try_from(count).unwrap_or(0);
            // SAFETY: these messages were just received and are destroyed below.
            error = unsafe { self.copy(batch, &mut buffer, &mut streams) };
            for message in &self.messages[..self.taken] {
                // SAFETY: each is destroyed once; nothing refers to it any more.
                unsafe { rd::rd_kafka_message_destroy(*message) };
            }
            if self.taken < wanted || !self.client.shared.lock().rebalances.is_empty() {
                break;
            }
        }
        batch.buffer = Bytes::from(buffer);
        error
    }

    /// Copies the messages taken into the batch.
    ///
    /// # Safety
    /// They are live.
    unsafe fn copy(
        &mut self,
        batch: &mut Fetched,
        buffer: &mut Vec<u8>,
        streams: &mut Streams,
    ) -> Option<RDKafkaErrorCode> {
        let mut error = None;
        // SAFETY: by the contract; librdkafka tells the lengths of what its pointers point to.
        unsafe {
            let size: usize =
                self.messages[..self.taken].iter().map(|message| (**message).len + (**message).key_len).sum();
            if buffer.capacity() == 0 {
                // Room for the batch when all chunks are like the first one.
                buffer.reserve(if self.taken == CHUNK { size * 8 } else { size });
            }
            for index in 0..self.taken {
                let message = &*self.messages[index];
                if message.err != NO_ERROR {
                    error.get_or_insert(RDKafkaErrorCode::from(message.err));
                    continue;
                }
                let stream = match streams.find(message) {
                    Some(stream) => stream,
                    None => {
                        let partition =
                            TopicPartition { topic: self.topic(message.rkt), partition: message.partition };
                        batch.partitions.push(partition);
                        streams.add(message)
                    }
                };
                let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
                let timestamp = rd::rd_kafka_message_timestamp(message, &mut kind);
                let known =
                    kind != rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp >= 0;
                let headers = self.copy_headers(message, batch, buffer);
                batch.records.push(FetchedRecord {
                    stream,
                    offset: message.offset,
                    timestamp: known.then_some(timestamp),
                    log_append_time: kind
                        == rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
                    key: append(buffer, message.key, message.key_len),
                    value: append(buffer, message.payload, message.len),
                    headers,
                });
            }
        }
        error
    }

    /// # Safety
    /// The message is live.
    #[inline]
    unsafe fn copy_headers(
        &mut self,
        message: *const rd::rd_kafka_message_t,
        batch: &mut Fetched,
        buffer: &mut Vec<u8>,
    ) -> Range<u32> {
        let start = batch.headers.len() as u32;
        let mut list = ptr::null_mut();
        // SAFETY: by the contract; the list belongs to the message.
        unsafe {
            if rd::rd_kafka_message_headers(message, &mut list) != NO_ERROR {
                return start..start;
            }
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            let mut index = 0;
            while rd::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut len) == NO_ERROR {
                let name = CStr::from_ptr(name).to_bytes();
                let key = match self.header_names.get(name) {
                    Some(key) => key.clone(),
                    None => self.header_name(name),
                };
                batch.headers.push(FetchedHeader { key, value: append(buffer, value.cast_mut(), len) });
                index += 1;
            }
        }
        start..batch.headers.len() as u32
    }

    /// Names of headers repeat; those that do not must not fill the memory.
    fn header_name(&mut self, name: &[u8]) -> Arc<str> {
        let key: Arc<str> = Arc::from(String::from_utf8_lossy(name).as_ref());
        if self.header_names.len() < 1000 {
            self.header_names.insert(name.to_vec(), key.clone());
        }
        key
    }

    /// # Safety
    /// The topic is live.
    unsafe fn topic(&mut self, topic: *mut rd::rd_kafka_topic_t) -> Arc<str> {
        // SAFETY: by the contract; the name is a C string that lives as long as the topic.
        let name = unsafe { CStr::from_ptr(rd::rd_kafka_topic_name(topic)) }.to_string_lossy();
        match self.topics.get(name.as_ref()) {
            Some(topic) => topic.clone(),
            None => {
                let topic: Arc<str> = Arc::from(name.as_ref());
                self.topics.insert(name.into_owned(), topic.clone());
                topic
            }
        }
    }

    /// Sends a commit and waits for the answer. Cancel-safe: the answer to a commit that nobody waits for any more is
    /// passed over.
    pub(crate) async fn commit(&mut self, offsets: &[(TopicPartition, i64)]) -> Outcome {
        self.commit_number += 1;
        let number = self.commit_number;
        {
            let list = List::new(offsets.iter().map(|(partition, offset)| (partition, Some(*offset))));
            // SAFETY: client, list and queue are live; the list is copied. The opaque is a number.
            let code = unsafe {
                rd::rd_kafka_commit_queue(
                    self.handle(),
                    list.as_ptr(),
                    self.commits.as_ptr(),
                    None,
                    number as *mut c_void,
                )
            };
            outcome(code)?;
        }
        loop {
            if let Some(answer) = self.commit_answer(number) {
                return answer;
            }
            self.commits.wait().await;
        }
    }

    fn commit_answer(&self, number: usize) -> Option<Outcome> {
        loop {
            // SAFETY: the queue is live; the event is owned here and destroyed once; its list lives as long as it does.
            unsafe {
                let event = NonNull::new(rd::rd_kafka_queue_poll(self.commits.as_ptr(), 0))?;
                let ours = rd::rd_kafka_event_type(event.as_ptr()) == rd::RD_KAFKA_EVENT_OFFSET_COMMIT
                    && rd::rd_kafka_event_opaque(event.as_ptr()) as usize == number;
                let mut answer = outcome(rd::rd_kafka_event_error(event.as_ptr()));
                let list = rd::rd_kafka_event_topic_partition_list(event.as_ptr());
                if answer.is_ok() && !list.is_null() {
                    answer = entries(list).iter().try_for_each(|entry| outcome(entry.err));
                }
                rd::rd_kafka_event_destroy(event.as_ptr());
                if ours {
                    return Some(answer);
                }
            }
        }
    }

    pub(crate) fn seek(&self, partition: &TopicPartition, offset: i64) -> Outcome {
        let list = List::new([(partition, Some(offset))].into_iter());
        // SAFETY: client and list are live; the error is destroyed once. With no time to wait the call only begins.
        unsafe {
            let error = rd::rd_kafka_seek_partitions(self.handle(), list.as_ptr(), 0);
            if error.is_null() {
                return Ok(());
            }
            let code = rd::rd_kafka_error_code(error);
            rd::rd_kafka_error_destroy(error);
            outcome(code)
        }
    }

    pub(crate) fn pause(&self, partitions: &[TopicPartition]) -> Outcome {
        let list = List::plain(partitions);
        // SAFETY: client and list are live.
        outcome(unsafe { rd::rd_kafka_pause_partitions(self.handle(), list.as_ptr()) })
    }

    pub(crate) fn resume(&self, partitions: &[TopicPartition]) -> Outcome {
        let list = List::plain(partitions);
        // SAFETY: client and list are live.
        outcome(unsafe { rd::rd_kafka_resume_partitions(self.handle(), list.as_ptr()) })
    }
}

/// Which stream of a batch a message belongs to. Messages of a partition come in runs; the topic's handle is compared, as
/// it lives as long as the message.
#[derive(Default)]
struct Streams {
    known: Vec<(*mut rd::rd_kafka_topic_t, i32)>,
    recent: u32,
}

impl Streams {
    #[inline]
    fn find(&mut self, message: &rd::rd_kafka_message_t) -> Option<u32> {
        let wanted = (message.rkt, message.partition);
        if self.known.get(self.recent as usize) == Some(&wanted) {
            return Some(self.recent);
        }
        self.recent = self.known.iter().position(|known| *known == wanted)? as u32;
        Some(self.recent)
    }

    fn add(&mut self, message: &rd::rd_kafka_message_t) -> u32 {
        self.recent = self.known.len() as u32;
        self.known.push((message.rkt, message.partition));
        self.recent
    }
}

/// Copies bytes to the end of the buffer; `None` for a null pointer.
///
/// # Safety
/// `len` bytes are at `start`, if it is not null.
#[inline]
unsafe fn append(buffer: &mut Vec<u8>, start: *mut c_void, len: usize) -> Option<Range<u32>> {
    if start.is_null() {
        return None;
    }
    let from = buffer.len() as u32;
    // SAFETY: by the contract.
    buffer.extend_from_slice(unsafe { std::slice::from_raw_parts(start.cast(), len) });
    Some(from..buffer.len() as u32)
}
