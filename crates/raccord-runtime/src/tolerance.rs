//! What an error of a record means: repeat the operation, skip the record, or fail the task. The one place that decides
//! it, by stage, kind of the error and the connector's `errors.*` keys.
//!
//! As in Connect, any error of a transform or converter can be tolerated; of other stages only retriable ones can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use raccord_plugin::{Error, ErrorKind, Result};
use rand::Rng;
use tracing::error;

use crate::clock::{Clock, SystemClock};
use crate::config::ConnectorCommon;
use crate::error_metrics::{Count, ErrorMetrics};
use crate::task::TaskId;

/// The first wait before an operation is repeated.
const RETRY_DELAY_MIN_MS: u64 = 300;

/// Where in the line of work an error arose, by Connect's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A sink's put.
    TaskPut,
    /// Transforms and predicates.
    Transformation,
    /// Converter of keys.
    KeyConverter,
    /// Converter of values.
    ValueConverter,
    /// Converter of headers.
    HeaderConverter,
    /// Writing to Kafka.
    KafkaProduce,
}

impl Stage {
    /// The name that logs and dead letter queues show.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskPut => "TASK_PUT",
            Self::Transformation => "TRANSFORMATION",
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }

    fn tolerates(self, kind: ErrorKind) -> bool {
        match self {
            Self::Transformation | Self::KeyConverter | Self::ValueConverter | Self::HeaderConverter => {
                kind != ErrorKind::Cancelled
            }
            Self::TaskPut | Self::KafkaProduce => kind == ErrorKind::Retriable,
        }
    }
}

/// An error with the stage it arose in.
#[derive(Debug)]
pub struct Failure {
    /// Stage.
    pub stage: Stage,
    /// Java class name of the plugin that was at work.
    pub class: &'static str,
    /// What went wrong.
    pub error: Error,
}

/// How often an operation on a record was tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// Stage and class of the operation: each is tried for itself.
    of: Option<(Stage, &'static str)>,
    since: Instant,
    failed: u32,
}

impl Attempts {
    /// None so far.
    pub fn none() -> Self {
        Self { of: None, since: Instant::now(), failed: 0 }
    }
}

/// The connector's `errors.*` keys.
#[derive(Clone, Debug)]
pub struct Tolerance {
    task: TaskId,
    all: bool,
    /// `None`: for ever.
    retry_timeout: Option<Duration>,
    delay_max_ms: u64,
    log: bool,
    log_records: bool,
    metrics: Arc<ErrorMetrics>,
}

impl Tolerance {
    /// Takes them from the connector's config.
    pub fn new(task: TaskId, config: &ConnectorCommon, metrics: Arc<ErrorMetrics>) -> Self {
        Self {
            task,
            all: config.errors_tolerance == "all",
            retry_timeout: u64::try_from(config.errors_retry_timeout).ok().map(Duration::from_millis),
            delay_max_ms: u64::try_from(config.errors_retry_delay_max_ms).unwrap_or(0),
            log: config.errors_log_enable,
            log_records: config.errors_log_include_messages,
            metrics,
        }
    }

    /// Whether operations may be repeated at all.
    pub fn retries(&self) -> bool {
        self.retry_timeout != Some(Duration::ZERO)
    }

    /// Whether records may be skipped.
    pub fn skips(&self) -> bool {
        self.all
    }

    /// Whether errors are written to the log.
    pub fn logs(&self) -> bool {
        self.log
    }

    /// How long to wait before the failed operation is repeated. `None` when it has failed for good: report it, then
    /// [`settle`](Self::settle) it.
    pub fn retry(&self, failure: &Failure, attempts: &mut Attempts) -> Option<Duration> {
        let operation = Some((failure.stage, failure.class));
        if attempts.of != operation {
            *attempts = Attempts { of: operation, ..Attempts::none() };
        }
        attempts.failed += 1;
        if failure.error.kind() != ErrorKind::Retriable {
            return None;
        }
        self.metrics.add(Count::Failure);
        let delay = self.delay(attempts)?;
        self.metrics.add(Count::Retry);
        Some(delay)
    }

    /// Decides about an operation that failed for good: the record is left out, or the task fails. Logs it if the
    /// connector's config says so. `record` tells which record it was, in the words of Connect's log, without its
    /// values.
    ///
    /// # Errors
    /// What fails the task.
    pub fn settle(&self, failure: Failure, record: impl FnOnce() -> String) -> Result<()> {
        self.metrics.add(Count::Failure);
        self.metrics.add(Count::Error);
        self.metrics.error_at(SystemClock.now_ms());
        let tolerable = failure.stage.tolerates(failure.error.kind());
        let outcome = self.judge(failure, tolerable, record);
        if outcome.is_ok() {
            self.metrics.add(Count::Skipped);
        }
        outcome
    }

    /// Decides about a record that failed outside: one that a sink rejected, or that Kafka did not take. Any kind of
    /// error can be tolerated.
    ///
    /// # Errors
    /// What fails the task.
    pub fn settle_failed(&self, failure: Failure, record: impl FnOnce() -> String) -> Result<()> {
        self.metrics.add(Count::Failure);
        self.metrics.error_at(SystemClock.now_ms());
        let outcome = self.judge(failure, true, record);
        if outcome.is_err() {
            self.metrics.add(Count::Error);
        }
        outcome
    }

    fn judge(&self, failure: Failure, tolerable: bool, record: impl FnOnce() -> String) -> Result<()> {
        if self.all && tolerable && !self.log {
            return Ok(());
        }
        let record = record();
        if self.log {
            self.metrics.add(Count::Logged);
            error!(
                trace = failure.error.trace(),
                "Error encountered in task {}. Executing stage '{}' with class '{}'{}.",
                self.task,
                failure.stage.as_str(),
                failure.class,
                if self.log_records { format!(", where {record}") } else { String::new() }
            );
        }
        if self.all && tolerable {
            return Ok(());
        }
        let message = match tolerable {
            true => "Tolerance exceeded in error handler",
            false => "Unhandled exception in error handler",
        };
        let mut hint = format!("stage {} of {}, {record}", failure.stage.as_str(), failure.class);
        if let Some(cause_hint) = failure.error.hint_text() {
            hint = format!("{cause_hint} ({hint})");
        }
        Err(Error::fatal(message).caused_by(failure.error).hint(hint))
    }

    /// How long to wait before the next attempt; `None` when there is to be none.
    fn delay(&self, attempts: &Attempts) -> Option<Duration> {
        let left = match self.retry_timeout {
            None => Duration::MAX,
            Some(timeout) => timeout.checked_sub(attempts.since.elapsed()).filter(|left| !left.is_zero())?,
        };
        let doubled = RETRY_DELAY_MIN_MS.saturating_mul(1 << (attempts.failed - 1).min(40));
        let delay_ms = match doubled > self.delay_max_ms {
            true => rand::rng().random_range(0..self.delay_max_ms.max(1)),
            false => doubled,
        };
        Some(Duration::from_millis(delay_ms).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerance(all: bool, retry_timeout_ms: i64) -> Tolerance {
        let config = ConnectorCommon {
            errors_tolerance: if all { "all" } else { "none" }.to_owned(),
            errors_retry_timeout: retry_timeout_ms,
            errors_retry_delay_max_ms: 1000,
            errors_log_enable: true,
            ..ConnectorCommon::default()
        };
        Tolerance::new(TaskId { connector: "c".into(), task: 0 }, &config, Arc::default())
    }

    fn decide(tolerance: &Tolerance, stage: Stage, error: Error) -> &'static str {
        let failure = Failure { stage, class: "X", error };
        if tolerance.retry(&failure, &mut Attempts::none()).is_some() {
            return "retry";
        }
        match tolerance.settle(failure, || "at 1".to_owned()) {
            Ok(()) => "skip",
            Err(error) if error.message().starts_with("Tolerance") => "exceeded",
            Err(_) => "unhandled",
        }
    }

    #[test]
    fn stage_kind_and_tolerance_decide() {
        let check = |all, retry_ms, stage, error: fn(&'static str) -> Error, expect| {
            assert_eq!(
                decide(&tolerance(all, retry_ms), stage, error("e")),
                expect,
                "{all} {retry_ms} {stage:?}"
            );
        };
        check(false, 0, Stage::Transformation, Error::record, "exceeded");
        check(true, 0, Stage::Transformation, Error::record, "skip");
        check(true, 0, Stage::ValueConverter, Error::fatal, "skip");
        check(true, 0, Stage::KeyConverter, Error::retriable, "skip");
        check(true, 500, Stage::KeyConverter, Error::retriable, "retry");
        check(false, -1, Stage::HeaderConverter, Error::retriable, "retry");
        check(false, 0, Stage::HeaderConverter, Error::retriable, "exceeded");
        check(true, 0, Stage::KafkaProduce, Error::record, "unhandled");
        check(true, 0, Stage::TaskPut, Error::retriable, "skip");
        check(true, 0, Stage::TaskPut, Error::fatal, "unhandled");
    }

    /// What Kafka's RetryWithToleranceOperatorTest and the code beside it say.
    #[test]
    fn counts_as_connect_does() {
        let check = |all, retry_ms, error: Error, expect: [u64; 5]| {
            let tolerance = tolerance(all, retry_ms);
            decide(&tolerance, Stage::ValueConverter, error);
            let counts = tolerance.metrics.read();
            let read = [
                counts.record_failures,
                counts.record_errors,
                counts.records_skipped,
                counts.retries,
                counts.errors_logged,
            ];
            assert_eq!(read, expect);
            assert_eq!(counts.last_error_ms > 0, counts.record_errors > 0);
        };
        check(true, 0, Error::record("e"), [1, 1, 1, 0, 1]);
        check(false, 0, Error::record("e"), [1, 1, 0, 0, 1]);
        // The last attempt of an operation that could be repeated counts twice.
        check(true, 0, Error::retriable("e"), [2, 1, 1, 0, 1]);
        check(true, 500, Error::retriable("e"), [1, 0, 0, 1, 0]);

        let check_failed = |all, expect: [u64; 4]| {
            let tolerance = tolerance(all, 0);
            let failure = Failure { stage: Stage::TaskPut, class: "X", error: Error::fatal("e") };
            assert_eq!(tolerance.settle_failed(failure, String::new).is_ok(), all);
            let counts = tolerance.metrics.read();
            let read =
                [counts.record_failures, counts.record_errors, counts.records_skipped, counts.errors_logged];
            assert_eq!(read, expect);
        };
        check_failed(true, [1, 0, 0, 1]);
        check_failed(false, [1, 1, 0, 1]);
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_end_with_the_timeout() {
        let tolerance = tolerance(false, 60_000);
        let mut attempts = Attempts { failed: 1, ..Attempts::none() };
        assert_eq!(tolerance.delay(&attempts), Some(Duration::from_millis(300)));
        attempts.failed = 2;
        assert_eq!(tolerance.delay(&attempts), Some(Duration::from_millis(600)));
        attempts.failed = 100;
        assert!(tolerance.delay(&attempts).unwrap() < Duration::from_millis(1000));
        attempts.since = Instant::now() - Duration::from_secs(61);
        assert_eq!(tolerance.delay(&attempts), None);
    }
}
