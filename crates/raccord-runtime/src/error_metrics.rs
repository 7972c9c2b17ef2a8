//! Counters of a task's errors: Connect's group `task-error-metrics`.
//!
//! The loops count, whoever shows metrics reads. What is counted when is decided in [`crate::tolerance`] and
//! [`crate::dead_letters`], as Connect's RetryWithToleranceOperator and its reporters do.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one task. They begin at zero with each start of the task, as in Connect.
#[derive(Debug, Default)]
pub struct ErrorMetrics {
    record_failures: AtomicU64,
    record_errors: AtomicU64,
    records_skipped: AtomicU64,
    retries: AtomicU64,
    errors_logged: AtomicU64,
    dead_letter_requests: AtomicU64,
    dead_letter_failures: AtomicU64,
    last_error_ms: AtomicU64,
}

/// The counters at a moment. Each field names the metric it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// `total-record-failures`: attempts of an operation that failed, and once more for the last of several.
    pub record_failures: u64,
    /// `total-record-errors`: operations that could not be carried out.
    pub record_errors: u64,
    /// `total-records-skipped`: records left out as `errors.tolerance=all` allows.
    pub records_skipped: u64,
    /// `total-retries`: operations that were repeated.
    pub retries: u64,
    /// `total-errors-logged`: errors written to the log as `errors.log.enable` asks.
    pub errors_logged: u64,
    /// `deadletterqueue-produce-requests`: records handed to the dead letter queue.
    pub dead_letter_requests: u64,
    /// `deadletterqueue-produce-failures`: records that the dead letter queue did not take.
    pub dead_letter_failures: u64,
    /// `last-error-timestamp`: when the task met an error last, in milliseconds since the epoch; 0 for never.
    pub last_error_ms: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Failure,
    Error,
    Skipped,
    Retry,
    Logged,
    DeadLetter,
    DeadLetterFailure,
}

impl ErrorMetrics {
    pub(crate) fn add(&self, count: Count) {
        let counter = match count {
            Count::Failure => &self.record_failures,
            Count::Error => &self.record_errors,
            Count::Skipped => &self.records_skipped,
            Count::Retry => &self.retries,
            Count::Logged => &self.errors_logged,
            Count::DeadLetter => &self.dead_letter_requests,
            Count::DeadLetterFailure => &self.dead_letter_failures,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn error_at(&self, ms: u64) {
        self.last_error_ms.store(ms, Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub fn read(&self) -> ErrorCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ErrorCounts {
            record_failures: read(&self.record_failures),
            record_errors: read(&self.record_errors),
            records_skipped: read(&self.records_skipped),
            retries: read(&self.retries),
            errors_logged: read(&self.errors_logged),
            dead_letter_requests: read(&self.dead_letter_requests),
            dead_letter_failures: read(&self.dead_letter_failures),
            last_error_ms: read(&self.last_error_ms),
        }
    }
}
