//! Creating topics with the broker's own words for what it refuses: the Rust wrapper gives the code only.

use std::ffi::CString;
use std::time::Duration;

use raccord_runtime::ports::NewTopic;
use rdkafka::bindings as rd;
use rdkafka::types::RDKafkaRespErr;

use super::{Client, Event, NativeError, NativeResult, Options, Queue, text};

/// A topic as librdkafka wants it.
struct Request(*mut rd::rd_kafka_NewTopic_t);

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: made by rd_kafka_NewTopic_new and destroyed once.
        unsafe { rd::rd_kafka_NewTopic_destroy(self.0) }
    }
}

/// Creates topics, and says what became of each: its name, and the broker's reason if it was not created.
///
/// # Errors
/// When the request as a whole failed, or a topic cannot be asked for.
pub fn create_topics(
    client: &impl Client,
    topics: &[NewTopic],
    timeout: Duration,
) -> NativeResult<Vec<(String, Option<NativeError>)>> {
    let requests = topics.iter().map(request).collect::<NativeResult<Vec<_>>>()?;
    let mut pointers: Vec<_> = requests.iter().map(|request| request.0).collect();
    let handle = client.handle();
    // SAFETY: the client outlives the call; the requests live until its end; results live as long as the event.
    unsafe {
        let (queue, options) = (Queue::new(handle), Options::new(handle, timeout));
        let mut error = [0; 256];
        // The answer comes when the topics are there on all brokers, not before.
        rd::rd_kafka_AdminOptions_set_operation_timeout(
            options.0.as_ptr(),
            timeout.as_millis().min(3_600_000) as i32,
            error.as_mut_ptr(),
            error.len(),
        );
        rd::rd_kafka_CreateTopics(
            handle,
            pointers.as_mut_ptr(),
            pointers.len(),
            options.0.as_ptr(),
            queue.0.as_ptr(),
        );
        let event = Event::wait(&queue, timeout)?;
        let mut count = 0;
        let result = rd::rd_kafka_event_CreateTopics_result(event.0.as_ptr());
        let results = rd::rd_kafka_CreateTopics_result_topics(result, &mut count);
        Ok((0..count).map(|index| outcome(*results.add(index))).collect())
    }
}

fn request(topic: &NewTopic) -> NativeResult<Request> {
    let invalid =
        |message: String| NativeError::new(RDKafkaRespErr::RD_KAFKA_RESP_ERR__INVALID_ARG, Some(message));
    let c_text = |text: &str| CString::new(text).map_err(|error| invalid(error.to_string()));
    let name = c_text(&topic.name)?;
    let mut error = [0; 512];
    // SAFETY: the texts live during the calls; the error buffer is as long as told.
    unsafe {
        let new = rd::rd_kafka_NewTopic_new(
            name.as_ptr(),
            topic.partitions,
            topic.replication_factor.into(),
            error.as_mut_ptr(),
            error.len(),
        );
        if new.is_null() {
            return Err(invalid(text(error.as_ptr()).unwrap_or_default()));
        }
        let request = Request(new);
        for (key, value) in topic.settings.iter().filter_map(|(key, value)| Some((key, value?))) {
            let (key, value) = (c_text(key)?, c_text(value)?);
            NativeError::check(rd::rd_kafka_NewTopic_set_config(new, key.as_ptr(), value.as_ptr()))?;
        }
        Ok(request)
    }
}

/// # Safety
/// The result is live.
unsafe fn outcome(result: *const rd::rd_kafka_topic_result_t) -> (String, Option<NativeError>) {
    // SAFETY: by the contract above.
    unsafe {
        let name = text(rd::rd_kafka_topic_result_name(result)).unwrap_or_default();
        let code = rd::rd_kafka_topic_result_error(result);
        let refused = (code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| NativeError::new(code, text(rd::rd_kafka_topic_result_error_string(result))));
        (name, refused)
    }
}
