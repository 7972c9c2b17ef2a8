//! What the runtime counts for a task, under the names that it has in Prometheus.

use std::sync::Arc;

use raccord_plugin::{Metric, Samples};

use super::{Moves, RecordMetrics};
use crate::error_metrics::{ErrorCounts, ErrorMetrics};

/// The counters of a task.
pub(super) struct Counted {
    pub(super) moves: Moves,
    pub(super) errors: Arc<ErrorMetrics>,
    pub(super) records: Arc<RecordMetrics>,
}

const POLLED: Metric = Metric::counter(
    "kafka_connect_source_task_source_record_poll_total",
    "Records that the task has polled from its source, before transforms.",
);
const WRITTEN: Metric = Metric::counter(
    "kafka_connect_source_task_source_record_write_total",
    "Records that came out of the transforms and that Kafka has acknowledged.",
);
const READ: Metric = Metric::counter(
    "kafka_connect_sink_task_sink_record_read_total",
    "Records that the task has consumed from Kafka, before transforms.",
);
const SENT: Metric = Metric::counter(
    "kafka_connect_sink_task_sink_record_send_total",
    "Records that came out of the transforms and that the task has taken.",
);

/// A metric of errors, and where it is counted.
type ErrorRow = (Metric, fn(&ErrorCounts) -> u64);

const ERRORS: [ErrorRow; 8] = [
    (
        Metric::counter(
            "kafka_connect_task_error_total_record_failures",
            "Attempts of an operation on a record that failed.",
        ),
        |counts| counts.record_failures,
    ),
    (
        Metric::counter(
            "kafka_connect_task_error_total_record_errors",
            "Operations on a record that could not be carried out.",
        ),
        |counts| counts.record_errors,
    ),
    (
        Metric::counter(
            "kafka_connect_task_error_total_records_skipped",
            "Records left out because of an error, as errors.tolerance=all allows.",
        ),
        |counts| counts.records_skipped,
    ),
    (Metric::counter("kafka_connect_task_error_total_retries", "Operations that were repeated."), |counts| {
        counts.retries
    }),
    (
        Metric::counter(
            "kafka_connect_task_error_total_errors_logged",
            "Errors written to the log, as errors.log.enable asks.",
        ),
        |counts| counts.errors_logged,
    ),
    (
        Metric::counter(
            "kafka_connect_task_error_deadletterqueue_produce_requests",
            "Records handed to the dead letter queue.",
        ),
        |counts| counts.dead_letter_requests,
    ),
    (
        Metric::counter(
            "kafka_connect_task_error_deadletterqueue_produce_failures",
            "Records that the dead letter queue did not take.",
        ),
        |counts| counts.dead_letter_failures,
    ),
    (
        Metric::gauge(
            "kafka_connect_task_error_last_error_timestamp",
            "When the task met an error last, in milliseconds since the epoch; 0 for never.",
        ),
        |counts| counts.last_error_ms,
    ),
];

impl Counted {
    pub(super) fn read(&self, samples: &mut dyn Samples) {
        let (taken, given) = self.records.taken_and_given();
        let names = match self.moves {
            Moves::FromSource => [POLLED, WRITTEN],
            Moves::ToSink => [READ, SENT],
        };
        samples.add(names[0], &[], taken as f64);
        samples.add(names[1], &[], given as f64);
        let counts = self.errors.read();
        for (metric, count) in ERRORS {
            samples.add(metric, &[], count(&counts) as f64);
        }
    }
}
