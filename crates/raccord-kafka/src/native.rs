//! The calls of librdkafka that its Rust wrapper does not offer: offsets of topics, offsets of groups, and reading
//! partitions without a group.
//!
//! Everything unsafe about them is in this module. Its functions block for as long as the broker takes (at most the
//! given time), so callers run them where blocking is allowed.
#![allow(unsafe_code)]

mod create;

use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raccord_plugin::TopicPartition;
use raccord_runtime::ports::{GroupOffset, LogRecord};
use rdkafka::admin::AdminClient;
use rdkafka::bindings as rd;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{FutureProducer, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::client::LoggedIn;

pub use self::create::create_topics;

/// What the broker or librdkafka answered instead of success.
#[derive(Debug)]
pub struct NativeError {
    /// The code.
    pub code: RDKafkaErrorCode,
    /// The text that came with it.
    pub message: String,
}

type NativeResult<T> = Result<T, NativeError>;

impl NativeError {
    fn new(code: RDKafkaRespErr, message: Option<String>) -> Self {
        let code = RDKafkaErrorCode::from(code);
        Self { code, message: message.unwrap_or_else(|| code.to_string()) }
    }

    fn check(code: RDKafkaRespErr) -> NativeResult<()> {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            code => Err(Self::new(code, None)),
        }
    }
}

type Handle = *mut rd::rd_kafka_t;

/// A client of the wrapper, which keeps librdkafka's handle alive.
pub trait Client {
    /// The handle, live as long as `self`.
    fn handle(&self) -> *mut rd::rd_kafka_t;
}

impl<C: ConsumerContext> Client for BaseConsumer<C> {
    fn handle(&self) -> Handle {
        self.client().native_ptr()
    }
}

impl<C: ClientContext> Client for AdminClient<C> {
    fn handle(&self) -> Handle {
        self.inner().native_ptr()
    }
}

impl<C: ClientContext + 'static> Client for FutureProducer<C> {
    fn handle(&self) -> Handle {
        self.client().native_ptr()
    }
}

struct Queue(NonNull<rd::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    /// # Safety
    /// `client` is a live handle.
    unsafe fn new(client: Handle) -> Self {
        // SAFETY: by the contract above; librdkafka aborts instead of returning null when memory is short.
        Self(
            NonNull::new(unsafe { rd::rd_kafka_queue_new(client) })
                .expect("rd_kafka_queue_new never returns null"),
        )
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_queue_new and destroyed once.
        unsafe { rd::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

struct Options(NonNull<rd::rd_kafka_AdminOptions_t>);

impl Options {
    /// # Safety
    /// `client` is a live handle.
    unsafe fn new(client: Handle, timeout: Duration) -> Self {
        // SAFETY: by the contract above; the error buffer is as long as told.
        unsafe {
            let options =
                rd::rd_kafka_AdminOptions_new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ANY);
            let mut text = [0; 256];
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options,
                timeout.as_millis().min(3_600_000) as i32,
                text.as_mut_ptr(),
                text.len(),
            );
            Self(NonNull::new(options).expect("rd_kafka_AdminOptions_new knows the operation"))
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_AdminOptions_new and destroyed once.
        unsafe { rd::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

/// The event that answers an admin request.
struct Event(NonNull<rd::rd_kafka_event_t>);

impl Event {
    /// Waits for the answer and checks its error.
    fn wait(queue: &Queue, timeout: Duration) -> NativeResult<Self> {
        // The request times out by itself before this does.
        let patience_ms = (timeout + Duration::from_secs(5)).as_millis() as i32;
        // SAFETY: the queue is live; the event is owned by the caller.
        let event = unsafe { rd::rd_kafka_queue_poll(queue.0.as_ptr(), patience_ms) };
        let Some(event) = NonNull::new(event) else {
            return Err(NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT, None));
        };
        let event = Self(event);
        // SAFETY: the event is live and its texts live as long as it does.
        unsafe {
            let code = rd::rd_kafka_event_error(event.0.as_ptr());
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(NativeError::new(code, text(rd::rd_kafka_event_error_string(event.0.as_ptr()))));
            }
        }
        Ok(event)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned and destroyed once.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// `text` is null or a C string that lives during the call.
unsafe fn text(text: *const std::ffi::c_char) -> Option<String> {
    // SAFETY: by the contract above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Copies the elements of a partition list; the first element with an error fails the whole.
///
/// # Safety
/// `list` is null or a list that lives during the call.
unsafe fn partitions(
    list: *const rd::rd_kafka_topic_partition_list_t,
) -> NativeResult<Vec<(String, i32, i64)>> {
    if list.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: by the contract above; `elems` has `cnt` elements.
    let elements = unsafe {
        let list = &*list;
        if list.cnt == 0 { &[] } else { std::slice::from_raw_parts(list.elems, list.cnt as usize) }
    };
    elements
        .iter()
        .map(|element| {
            NativeError::check(element.err)?;
            // SAFETY: every element has a topic name.
            let topic = unsafe { text(element.topic) }.unwrap_or_default();
            Ok((topic, element.partition, element.offset))
        })
        .collect()
}

/// Waits until a broker answers, at most that long. librdkafka connects at once when somebody waits for metadata, and at
/// its leisure when an admin request waits for a broker.
///
/// # Errors
/// What librdkafka says when no broker answered.
pub fn find_broker(client: &impl Client, timeout: Duration) -> NativeResult<()> {
    let mut metadata = ptr::null();
    // SAFETY: the client outlives the call; no topics are asked for; the answer is destroyed once.
    unsafe {
        let timeout_ms = timeout.as_millis() as i32;
        NativeError::check(rd::rd_kafka_metadata(
            client.handle(),
            0,
            ptr::null_mut(),
            &mut metadata,
            timeout_ms,
        ))?;
        rd::rd_kafka_metadata_destroy(metadata);
    }
    Ok(())
}

/// Takes the lines out of a client's main queue, which the wrapper sends its log to: level, facility and text of each.
pub fn take_log(client: &impl Client, mut each: impl FnMut(i32, &str, &str)) {
    // SAFETY: the client outlives the call; the reference to the queue is given back; an event's texts live until it is
    // destroyed, once.
    unsafe {
        let queue = rd::rd_kafka_queue_get_main(client.handle());
        while let Some(event) = NonNull::new(rd::rd_kafka_queue_poll(queue, 0)) {
            let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
            if rd::rd_kafka_event_type(event.as_ptr()) == rd::RD_KAFKA_EVENT_LOG
                && rd::rd_kafka_event_log(event.as_ptr(), &mut facility, &mut line, &mut level) == 0
            {
                each(level, &text(facility).unwrap_or_default(), &text(line).unwrap_or_default());
            }
            rd::rd_kafka_event_destroy(event.as_ptr());
        }
        rd::rd_kafka_queue_destroy(queue);
    }
}

/// The earliest or latest offset of each partition.
///
/// # Errors
/// What the broker answered, also for a single partition.
pub fn list_offsets(
    client: &impl Client,
    topic: &str,
    partition_ids: &[i32],
    offset: Offset,
    timeout: Duration,
) -> NativeResult<Vec<(i32, i64)>> {
    let mut wanted = TopicPartitionList::new();
    for partition in partition_ids {
        wanted
            .add_partition_offset(topic, *partition, offset)
            .map_err(|_| NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG, None))?;
    }
    let handle = client.handle();
    // SAFETY: the client outlives the call; the list is copied by librdkafka; results live as long as the event.
    unsafe {
        let (queue, options) = (Queue::new(handle), Options::new(handle, timeout));
        rd::rd_kafka_ListOffsets(handle, wanted.ptr(), options.0.as_ptr(), queue.0.as_ptr());
        let event = Event::wait(&queue, timeout)?;
        let result = rd::rd_kafka_event_ListOffsets_result(event.0.as_ptr());
        let mut count = 0;
        let infos = rd::rd_kafka_ListOffsets_result_infos(result, &mut count);
        (0..count)
            .map(|index| {
                let partition = &*rd::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index));
                NativeError::check(partition.err)?;
                Ok((partition.partition, partition.offset))
            })
            .collect()
    }
}

/// The number of partitions of those of the topics that exist. Unlike a request for metadata this creates none.
///
/// # Errors
/// What the broker answered, also for a single topic unless it says that the topic does not exist.
pub fn describe_topics(
    client: &impl Client,
    names: &[String],
    timeout: Duration,
) -> NativeResult<Vec<(String, i32)>> {
    let invalid = |_| NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG, None);
    let names = names
        .iter()
        .map(|name| CString::new(name.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(invalid)?;
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let client = client.handle();
    // SAFETY: the client outlives the call; the collection copies the names and is destroyed once; results live as long as
    // the event.
    unsafe {
        let (queue, options) = (Queue::new(client), Options::new(client, timeout));
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        rd::rd_kafka_DescribeTopics(client, collection, options.0.as_ptr(), queue.0.as_ptr());
        rd::rd_kafka_TopicCollection_destroy(collection);
        let event = Event::wait(&queue, timeout)?;
        let mut count = 0;
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0.as_ptr());
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        (0..count).filter_map(|index| description(*topics.add(index)).transpose()).collect()
    }
}

/// # Safety
/// The description is live.
unsafe fn description(topic: *const rd::rd_kafka_TopicDescription_t) -> NativeResult<Option<(String, i32)>> {
    // SAFETY: by the contract above.
    unsafe {
        let error = rd::rd_kafka_TopicDescription_error(topic);
        let code = if error.is_null() {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        } else {
            rd::rd_kafka_error_code(error)
        };
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
                let mut partitions = 0;
                rd::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
                let name = text(rd::rd_kafka_TopicDescription_name(topic)).unwrap_or_default();
                Ok(Some((name, partitions as i32)))
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => Ok(None),
            code => Err(NativeError::new(code, text(rd::rd_kafka_error_string(error)))),
        }
    }
}

/// The three requests about a group's offsets.
enum GroupRequest<'a> {
    List,
    Alter(&'a [GroupOffset]),
    Delete(&'a [TopicPartition]),
}

/// The committed offsets of a group; empty when there are none.
///
/// # Errors
/// What the broker answered.
pub fn group_offsets(client: &impl Client, group: &str, timeout: Duration) -> NativeResult<Vec<GroupOffset>> {
    let answer = group_request(client, group, &GroupRequest::List, timeout)?;
    Ok(answer
        .into_iter()
        .filter(|(_, _, offset)| *offset >= 0)
        .map(|(topic, partition, offset)| GroupOffset {
            partition: TopicPartition { topic: Arc::from(topic), partition },
            offset,
        })
        .collect())
}

/// Sets committed offsets.
///
/// # Errors
/// What the broker answered, also for a single partition.
pub fn alter_group_offsets(
    client: &impl Client,
    group: &str,
    offsets: &[GroupOffset],
    timeout: Duration,
) -> NativeResult<()> {
    group_request(client, group, &GroupRequest::Alter(offsets), timeout).map(drop)
}

/// Forgets committed offsets.
///
/// # Errors
/// What the broker answered, also for a single partition.
pub fn delete_group_offsets(
    client: &impl Client,
    group: &str,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> NativeResult<()> {
    group_request(client, group, &GroupRequest::Delete(partitions), timeout).map(drop)
}

fn group_request(
    client: &impl Client,
    group: &str,
    request: &GroupRequest<'_>,
    timeout: Duration,
) -> NativeResult<Vec<(String, i32, i64)>> {
    let invalid = || NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG, None);
    let group = CString::new(group).map_err(|_| invalid())?;
    let mut list = TopicPartitionList::new();
    match request {
        GroupRequest::List => {}
        GroupRequest::Alter(offsets) => {
            for entry in *offsets {
                list.add_partition_offset(
                    &entry.partition.topic,
                    entry.partition.partition,
                    Offset::Offset(entry.offset),
                )
                .map_err(|_| invalid())?;
            }
        }
        GroupRequest::Delete(partitions) => {
            for entry in *partitions {
                list.add_partition(&entry.topic, entry.partition);
            }
        }
    }
    let client = client.handle();
    // SAFETY: the client outlives the call; requests copy their arguments and are destroyed once, after being sent;
    // results live as long as the event.
    unsafe {
        let (queue, options) = (Queue::new(client), Options::new(client, timeout));
        let (options, queue_ptr) = (options.0.as_ptr(), queue.0.as_ptr());
        match request {
            GroupRequest::List => {
                let mut request = rd::rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), ptr::null());
                rd::rd_kafka_ListConsumerGroupOffsets(client, &mut request, 1, options, queue_ptr);
                rd::rd_kafka_ListConsumerGroupOffsets_destroy(request);
            }
            GroupRequest::Alter(_) => {
                let mut request = rd::rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd::rd_kafka_AlterConsumerGroupOffsets(client, &mut request, 1, options, queue_ptr);
                rd::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            }
            GroupRequest::Delete(_) => {
                let mut request = rd::rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd::rd_kafka_DeleteConsumerGroupOffsets(client, &mut request, 1, options, queue_ptr);
                rd::rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
            }
        }
        let event = Event::wait(&queue, timeout)?;
        let mut count = 0;
        let groups = match request {
            GroupRequest::List => rd::rd_kafka_ListConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_ListConsumerGroupOffsets_result(event.0.as_ptr()),
                &mut count,
            ),
            GroupRequest::Alter(_) => rd::rd_kafka_AlterConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_AlterConsumerGroupOffsets_result(event.0.as_ptr()),
                &mut count,
            ),
            GroupRequest::Delete(_) => rd::rd_kafka_DeleteConsumerGroupOffsets_result_groups(
                rd::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.0.as_ptr()),
                &mut count,
            ),
        };
        let Some(result) = (count > 0).then(|| *groups) else { return Ok(Vec::new()) };
        let error = rd::rd_kafka_group_result_error(result);
        if !error.is_null() {
            return Err(NativeError::new(
                rd::rd_kafka_error_code(error),
                text(rd::rd_kafka_error_string(error)),
            ));
        }
        partitions(rd::rd_kafka_group_result_partitions(result))
    }
}

/// Reads partitions from given offsets on, without a group.
///
/// This is librdkafka's simple consumer: unlike its group consumer it needs no `group.id`, looks for no coordinator
/// and needs no permission on a group, as Kafka Connect's readers of internal topics need none.
pub struct PartitionReader<C: ConsumerContext> {
    /// Keeps the handle alive; dropped after topic and queue, which need it.
    _consumer: Arc<LoggedIn<BaseConsumer<C>>>,
    topic: NonNull<rd::rd_kafka_topic_t>,
    queue: Option<Queue>,
    started: Vec<i32>,
    messages: Vec<*mut rd::rd_kafka_message_t>,
}

// SAFETY: the raw pointers are librdkafka objects, which may be used from any thread; `messages` is empty between
// calls.
unsafe impl<C: ConsumerContext> Send for PartitionReader<C> {}

/// What a read brought, in order within each partition.
pub enum ReadOutcome {
    /// A record.
    Record(LogRecord),
    /// The end of a partition was reached at this offset.
    End {
        /// The partition.
        partition: i32,
        /// The next offset.
        offset: i64,
    },
    /// librdkafka reports a problem that it goes on to handle by itself.
    Problem(NativeError),
}

impl<C: ConsumerContext> PartitionReader<C> {
    /// Starts reading each partition at its offset.
    ///
    /// # Errors
    /// When librdkafka refuses the topic's name or a partition.
    pub(crate) fn start(
        consumer: Arc<LoggedIn<BaseConsumer<C>>>,
        topic: &str,
        from: &[(i32, i64)],
    ) -> NativeResult<Self> {
        let invalid = || NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG, None);
        let name = CString::new(topic).map_err(|_| invalid())?;
        let handle = consumer.handle();
        // SAFETY: the consumer is kept alive by the reader; a null config means the defaults.
        let topic = NonNull::new(unsafe { rd::rd_kafka_topic_new(handle, name.as_ptr(), ptr::null_mut()) });
        let topic = topic.ok_or_else(invalid)?;
        // SAFETY: as above.
        let queue = unsafe { Queue::new(handle) };
        let mut reader = Self {
            _consumer: consumer,
            topic,
            queue: Some(queue),
            started: Vec::new(),
            messages: vec![ptr::null_mut(); 500],
        };
        for (partition, offset) in from {
            let queue = reader.queue.as_ref().expect("a started reader has a queue").0.as_ptr();
            // SAFETY: topic and queue are live.
            let outcome = unsafe {
                rd::rd_kafka_consume_start_queue(reader.topic.as_ptr(), *partition, *offset, queue)
            };
            if outcome != 0 {
                // SAFETY: reads the code of the call before.
                return Err(NativeError::new(unsafe { rd::rd_kafka_last_error() }, None));
            }
            reader.started.push(*partition);
        }
        Ok(reader)
    }

    /// Waits up to `timeout` for something, and gives what is there by then.
    pub fn read(&mut self, timeout: Duration) -> Vec<ReadOutcome> {
        let Some(queue) = &self.queue else { return Vec::new() };
        // SAFETY: the queue is live, `messages` has the room told, and each message is destroyed once, after its bytes
        // were copied.
        unsafe {
            // Reading a batch waits until it is full, so only the first message is waited for.
            self.messages[0] = rd::rd_kafka_consume_queue(queue.0.as_ptr(), timeout.as_millis() as i32);
            if self.messages[0].is_null() {
                return Vec::new();
            }
            let rest = &mut self.messages[1..];
            let count = rd::rd_kafka_consume_batch_queue(queue.0.as_ptr(), 0, rest.as_mut_ptr(), rest.len());
            let count = 1 + usize::try_from(count).unwrap_or(0);
            self.messages[..count]
                .iter()
                .map(|message| {
                    let outcome = outcome(&**message);
                    rd::rd_kafka_message_destroy(*message);
                    outcome
                })
                .collect()
        }
    }
}

/// # Safety
/// The message is live.
unsafe fn outcome(message: &rd::rd_kafka_message_t) -> ReadOutcome {
    match message.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
            return ReadOutcome::End { partition: message.partition, offset: message.offset };
        }
        code => {
            // SAFETY: an error message's text lives as long as the message.
            let text = unsafe { text(rd::rd_kafka_message_errstr(message)) };
            return ReadOutcome::Problem(NativeError::new(code, text));
        }
    }
    let copy = |start: *mut std::ffi::c_void, len: usize| {
        // SAFETY: librdkafka gives `len` bytes at `start`, or null.
        (!start.is_null())
            .then(|| Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(start.cast(), len) }))
    };
    ReadOutcome::Record(LogRecord {
        partition: message.partition,
        offset: message.offset,
        // SAFETY: the message is live; no type of timestamp is wanted.
        timestamp: unsafe { rd::rd_kafka_message_timestamp(message, ptr::null_mut()) },
        key: copy(message.key, message.key_len),
        value: copy(message.payload, message.len),
    })
}

impl<C: ConsumerContext> Drop for PartitionReader<C> {
    fn drop(&mut self) {
        // SAFETY: each partition was started once; topic and queue are destroyed once, after the partitions stopped and
        // before the consumer that the Arc keeps.
        unsafe {
            for partition in &self.started {
                rd::rd_kafka_consume_stop(self.topic.as_ptr(), *partition);
            }
            self.queue = None;
            rd::rd_kafka_topic_destroy(self.topic.as_ptr());
        }
    }
}
