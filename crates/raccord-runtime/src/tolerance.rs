//! What an error of a record means: repeat the operation, skip the record, or fail the task. The one place that decides
//! it, by stage, kind of the error and the connector's `errors.*` keys.
//!
//! As in Connect, any error of a transform or converter can be tolerated; of other stages only retriable ones can.

use std::time::{Duration, Instant};

use raccord_plugin::{Error, ErrorKind};
use rand::Rng;
use tracing::error;

use crate::config::ConnectorCommon;
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

/// What is to be done about a failure.
#[derive(Debug)]
pub enum Verdict {
    /// Wait that long, then repeat the operation.
    Retry(Duration),
    /// Leave the record out; a sink passes it to the dead letter queue.
    Skip(Failure),
    /// Fail the task with this error.
    Fail(Error),
}

/// How often the same operation on the same record was tried.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    since: Instant,
    failed: u32,
}

impl Attempts {
    /// None so far.
    pub fn none() -> Self {
        Self { since: Instant::now(), failed: 0 }
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
}

impl Tolerance {
    /// Takes them from the connector's config.
    pub fn new(task: TaskId, config: &ConnectorCommon) -> Self {
        Self {
            task,
            all: config.errors_tolerance == "all",
            retry_timeout: u64::try_from(config.errors_retry_timeout).ok().map(Duration::from_millis),
            delay_max_ms: u64::try_from(config.errors_retry_delay_max_ms).unwrap_or(0),
            log: config.errors_log_enable,
            log_records: config.errors_log_include_messages,
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

    /// Decides about a failed operation, and logs it if the connector's config says so. `place` tells which record it was
    /// without telling its values.
    pub fn decide(
        &self,
        failure: Failure,
        attempts: &mut Attempts,
        place: impl FnOnce() -> String,
    ) -> Verdict {
        attempts.failed += 1;
        if failure.error.kind() == ErrorKind::Retriable
            && let Some(delay) = self.delay(attempts)
        {
            return Verdict::Retry(delay);
        }
        let tolerable = failure.stage.tolerates(failure.error.kind());
        self.settle(failure, tolerable, place)
    }

    /// Decides about an operation that failed for good, whatever the kind of the error: a record that a sink rejected, or
    /// that Kafka did not take.
    pub fn decide_failed(&self, failure: Failure, place: impl FnOnce() -> String) -> Verdict {
        self.settle(failure, true, place)
    }

    fn settle(&self, failure: Failure, tolerable: bool, place: impl FnOnce() -> String) -> Verdict {
        let place = place();
        if self.log {
            error!(
                trace = failure.error.trace(),
                "Error encountered in task {}. Executing stage '{}' with class '{}'{}.",
                self.task,
                failure.stage.as_str(),
                failure.class,
                if self.log_records { format!(", where record is {place}") } else { String::new() }
            );
        }
        if self.all && tolerable {
            return Verdict::Skip(failure);
        }
        let message = match tolerable {
            true => "Tolerance exceeded in error handler",
            false => "Unhandled exception in error handler",
        };
        let mut hint = format!("stage {} of {}, record {place}", failure.stage.as_str(), failure.class);
        if let Some(cause_hint) = failure.error.hint_text() {
            hint = format!("{cause_hint} ({hint})");
        }
        Verdict::Fail(Error::fatal(message).caused_by(failure.error).hint(hint))
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
            ..ConnectorCommon::default()
        };
        Tolerance::new(TaskId { connector: "c".into(), task: 0 }, &config)
    }

    fn decide(tolerance: &Tolerance, stage: Stage, error: Error) -> &'static str {
        let failure = Failure { stage, class: "X", error };
        match tolerance.decide(failure, &mut Attempts::none(), || "at 1".to_owned()) {
            Verdict::Retry(_) => "retry",
            Verdict::Skip(_) => "skip",
            Verdict::Fail(error) if error.message().starts_with("Tolerance") => "exceeded",
            Verdict::Fail(_) => "unhandled",
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

    #[test]
    fn delays_double_up_to_the_maximum_and_end_with_the_timeout() {
        let tolerance = tolerance(false, 60_000);
        let mut attempts = Attempts { since: Instant::now(), failed: 1 };
        assert_eq!(tolerance.delay(&attempts), Some(Duration::from_millis(300)));
        attempts.failed = 2;
        assert_eq!(tolerance.delay(&attempts), Some(Duration::from_millis(600)));
        attempts.failed = 100;
        assert!(tolerance.delay(&attempts).unwrap() < Duration::from_millis(1000));
        attempts.since = Instant::now() - Duration::from_secs(61);
        assert_eq!(tolerance.delay(&attempts), None);
    }
}
