//! What all clients share: where librdkafka's log and errors go, and how they log in.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::native::Client as Native;
use crate::oauth::{Attachment, Login};
use crate::refusal::Refusal;

/// Sends librdkafka's log lines to the log, under the target `librdkafka`, and keeps what they say of brokers that do not
/// let the client in.
#[derive(Clone, Debug, Default)]
pub struct LogContext {
    refusal: Arc<watch::Sender<Option<Refusal>>>,
}

impl LogContext {
    /// Takes a line of the client's log, with its syslog level.
    pub(crate) fn on_log(&self, level: i32, facility: &str, message: &str) {
        if let Some(refusal) = Refusal::of_log(facility, message) {
            self.refuse(refusal);
        }
        log(level, facility, message);
    }

    /// Keeps a refusal.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusal.send_replace(Some(refusal));
    }

    /// Waits until a broker refuses the client, or has done so a moment ago.
    pub(crate) async fn refused(&self) -> Refusal {
        let mut refusal = self.refusal.subscribe();
        let current = |refusal: &Option<Refusal>| refusal.as_ref().is_some_and(Refusal::is_current);
        let found = match refusal.wait_for(current).await {
            Ok(found) => found.clone(),
            Err(_) => None,
        };
        match found {
            Some(refusal) => refusal,
            None => std::future::pending().await,
        }
    }
}

/// A client of the wrapper's with its part in a login. Fields are dropped in order: the part before the client.
pub(crate) struct LoggedIn<C> {
    _login: Option<Attachment>,
    client: C,
}

impl<C: Native> LoggedIn<C> {
    /// Has the client use the login's tokens, if there is a login.
    pub(crate) fn new(client: C, login: Option<&Arc<Login>>, context: &LogContext) -> Self {
        let attach = |login: &Arc<Login>| {
            let context = context.clone();
            // SAFETY: the client lives as long as the attachment, which stands before it in the struct.
            unsafe { login.attach(client.handle(), move |refusal| context.refuse(refusal)) }
        };
        Self { _login: login.map(attach), client }
    }
}

impl<C> std::ops::Deref for LoggedIn<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl ClientContext for LogContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.on_log(level as i32, facility, message);
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

/// Logs that a connection failed, unless that was logged a moment ago.
pub(crate) fn connection_failed(message: &str) {
    if let Some(text) = FAILURES.lock().say(message, Instant::now()) {
        warn!(target: "librdkafka", "{text}");
    }
}

/// Writes a log line with a syslog level.
pub(crate) fn log(level: i32, facility: &str, message: &str) {
    if facility == "FAIL" {
        return connection_failed(message);
    }
    match level {
        ..=3 => error!(target: "librdkafka", "{facility}: {message}"),
        4 => warn!(target: "librdkafka", "{facility}: {message}"),
        5 => info!(target: "librdkafka", "{facility}: {message}"),
        // librdkafka's info level is chattier than ours.
        _ => debug!(target: "librdkafka", "{facility}: {message}"),
    }
}

/// How often the same failure of connections is logged.
const FAILURE_INTERVAL: Duration = Duration::from_secs(30);
/// More kinds of failures than any cluster has at a time.
const FAILURES_MAX: usize = 256;

static FAILURES: Mutex<Failures> = Mutex::new(Failures(BTreeMap::new()));

/// Connections that failed. Every client has several to each broker and tries each again many times a second, so one
/// broker that is away would fill the log with one line said over and over.
struct Failures(BTreeMap<String, Failure>);

struct Failure {
    said: Instant,
    /// How often it happened since.
    more: u64,
}

impl Failures {
    /// What is to be logged about a failure that librdkafka tells, if anything.
    fn say(&mut self, message: &str, now: Instant) -> Option<String> {
        let what = essence(message);
        if let Some(failure) = self.0.get_mut(what) {
            if now.duration_since(failure.said) < FAILURE_INTERVAL {
                failure.more += 1;
                return None;
            }
            let text = format!("{what} ({} times since this was said last)", failure.more + 1);
            *failure = Failure { said: now, more: 0 };
            return Some(text);
        }
        if self.0.len() >= FAILURES_MAX {
            self.0.retain(|_, failure| now.duration_since(failure.said) < FAILURE_INTERVAL);
        }
        if self.0.len() < FAILURES_MAX {
            self.0.insert(what.to_owned(), Failure { said: now, more: 0 });
        }
        Some(what.to_owned())
    }
}

/// What is the same for all clients and attempts: without the thread and the connection before an address that cannot be
/// connected to, and without times and counts, which stand behind.
fn essence(message: &str) -> &str {
    let message = message.find(" (after ").map_or(message, |end| &message[..end]);
    match (message.find("Connect to "), message.split_once("]: ")) {
        (Some(start), _) => &message[start..],
        (None, Some((thread, rest))) if thread.starts_with("[thrd:") => rest,
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_is_told_once_per_interval_for_all_clients() {
        let mut failures = Failures(BTreeMap::new());
        let start = Instant::now();
        let mut check = |seconds, message: &str, expect: Option<&str>| {
            let said = failures.say(message, start + Duration::from_secs(seconds));
            assert_eq!(said.as_deref(), expect, "{message} after {seconds} s");
        };
        let refused = "Connect to ipv4#10.0.0.1:9092 failed: Connection refused";
        let by_id =
            format!("[thrd:10.0.0.1:9092/1]: 10.0.0.1:9092/1: {refused} (after 0ms in state CONNECT)");
        let coordinator =
            format!("[thrd:GroupCoordinator]: GroupCoordinator: 10.0.0.1:9092: {refused} (after 3ms)");
        check(0, &by_id, Some(refused));
        check(1, &coordinator, None);
        check(29, &by_id, None);
        check(31, &by_id, Some(&format!("{refused} (3 times since this was said last)")));
        check(32, &coordinator, None);
        check(32, "[thrd:a/1]: a:1/1: Disconnected (after 9ms in state UP)", Some("a:1/1: Disconnected"));
        check(32, "something else", Some("something else"));
    }

    #[test]
    fn what_is_remembered_of_failures_is_bounded() {
        let mut failures = Failures(BTreeMap::new());
        let now = Instant::now();
        for port in 0..10_000 {
            assert!(failures.say(&format!("Connect to {port} failed"), now).is_some());
        }
        assert!(failures.0.len() <= FAILURES_MAX);
        assert!(failures.say("another", now + FAILURE_INTERVAL).is_some());
        assert_eq!(failures.0.len(), 1);
    }
}
