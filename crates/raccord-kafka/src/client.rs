//! What all clients share: where librdkafka's log and errors go.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use tracing::{debug, error, info, warn};

/// Sends librdkafka's log lines to the log, under the target `librdkafka`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogContext;

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level as i32, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What it is about comes back from the call that fails; a broker that is away for a moment is no news.
        debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ConsumerContext for LogContext {}

impl rdkafka::producer::ProducerContext for LogContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): Self::DeliveryOpaque) {}
}

/// Writes a log line with a syslog level.
pub(crate) fn log(level: i32, facility: &str, message: &str) {
    match level {
        ..=3 => error!(target: "librdkafka", "{facility}: {message}"),
        4 => warn!(target: "librdkafka", "{facility}: {message}"),
        5 => info!(target: "librdkafka", "{facility}: {message}"),
        // librdkafka's info level is chattier than ours.
        _ => debug!(target: "librdkafka", "{facility}: {message}"),
    }
}
