//! How a task ends, or does not, when one thing goes wrong: the texts that users find in `trace`.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::{Error, Plugin};
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};

use crate::fakes::{OBEYING, TEXTS, in_virtual_time, run_task};
use crate::stage::{CONVERTER, Clients, HEADER_CONVERTER, worker};

static PLUGINS: &[Plugin] = &[CONVERTER, HEADER_CONVERTER, TEXTS, OBEYING];

/// Acknowledges at once, but what a record tells it to fail.
struct Recorder {
    written: Arc<Mutex<Vec<String>>>,
    acks: Acks,
    outstanding: usize,
    rejected: bool,
}

#[async_trait]
impl Producer for Recorder {
    fn send(&mut self, record: &Outgoing<'_>) -> std::result::Result<(), SendError> {
        let text = std::str::from_utf8(record.value.unwrap()).unwrap();
        match text {
            "too-large" => return Err(SendError::Rejected(Error::record("too large"))),
            "once-more" if !std::mem::replace(&mut self.rejected, true) => {
                return Err(SendError::Rejected(Error::retriable("no metadata yet")));
            }
            "given-up" => self.acks.failed.push((record.ticket, Error::record("not authorized"))),
            text => {
                self.written.lock().push(text.to_owned());
                self.acks.delivered.push(record.ticket);
            }
        }
        self.outstanding += 1;
        Ok(())
    }

    fn hand_over(&mut self) {}

    fn drain_acks(&mut self, acks: &mut Acks) {
        acks.delivered.append(&mut self.acks.delivered);
        acks.failed.append(&mut self.acks.failed);
        self.outstanding = 0;
    }

    async fn progress(&mut self) {
        if self.outstanding == 0 {
            std::future::pending::<()>().await;
        }
    }

    fn outstanding(&self) -> usize {
        self.outstanding
    }
}

/// What became of a run: the trace if it failed, what was written, the offset committed last.
struct Ended {
    trace: Option<String>,
    written: Vec<String>,
    committed: Option<u64>,
}

fn run(config: &[(&str, &str)]) -> Ended {
    let written = Arc::new(Mutex::new(Vec::new()));
    let made = written.clone();
    let producer = move |_: &str| -> Box<dyn Producer> {
        let written = made.clone();
        Box::new(Recorder { written, acks: Acks::default(), outstanding: 0, rejected: false })
    };
    let kafka = Arc::new(Clients { producer: Some(Box::new(producer)), consumer: None });
    let finished = in_virtual_time(run_task(&TEXTS, PLUGINS, worker(), kafka, config));
    let written = written.lock().clone();
    let trace = Some(finished.trace).filter(|trace| !trace.is_empty());
    Ended { trace, written, committed: finished.committed }
}

const CONNECT: &str = "org.apache.kafka.connect.errors.ConnectException: ";

#[test]
fn traces_begin_as_connects_do_and_what_was_acknowledged_is_committed() {
    let check = |config: &[(&str, &str)], expect: &[&str], written: &[&str], committed: Option<u64>| {
        let ended = run(config);
        let trace = ended.trace.unwrap_or_default();
        let mut lines = trace.lines();
        for (n, expect) in expect.iter().enumerate() {
            let line = lines.next().unwrap_or_default();
            let expect = if n == 0 { format!("{CONNECT}{expect}") } else { format!("Caused by: {expect}") };
            assert!(line.starts_with(&expect), "{config:?}: {trace}");
        }
        assert_eq!(
            (&ended.written[..], ended.committed),
            (&written.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..], committed),
            "{config:?}"
        );
    };
    let data = "org.apache.kafka.connect.errors.DataException: ";
    let transform = ("transforms", "o");
    let obeying = ("transforms.o.type", "Obeying");

    check(&[("texts", "a fatal b")], &["the source is gone"], &["a"], Some(1));
    check(&[("texts", "a panic b")], &["the task panicked: what a mess"], &["a"], Some(1));
    check(
        &[("texts", "a too-large b")],
        &["Unrecoverable exception from producer send callback", &format!("{data}too large")],
        &["a"],
        Some(1),
    );
    check(
        &[("texts", "a given-up b")],
        &["Unrecoverable exception from producer send callback", &format!("{data}not authorized")],
        &["a"],
        Some(1),
    );
    check(
        &[("texts", "a bad b")],
        &["Tolerance exceeded in error handler", &format!("{data}bad text")],
        &["a"],
        Some(1),
    );
    check(
        &[("texts", "a refuse b"), transform, obeying],
        &["Tolerance exceeded in error handler", &format!("{data}refused")],
        &["a"],
        Some(1),
    );
    check(
        &[("texts", "a later b"), transform, obeying],
        &[
            "Tolerance exceeded in error handler",
            "org.apache.kafka.connect.errors.RetriableException: not yet",
        ],
        &["a"],
        Some(1),
    );
}

#[test]
fn a_record_that_kafka_does_not_take_is_named() {
    for text in ["too-large", "given-up"] {
        let trace = run(&[("texts", &format!("a {text} b"))]).trace.unwrap_or_default();
        assert!(trace.ends_with("\nHint: record {\"p\":0} at {\"at\":2}"), "{trace}");
    }
}

#[test]
fn what_may_be_skipped_or_repeated_fails_nothing() {
    let check = |config: &[(&str, &str)], written: &[&str], committed: u64| {
        let ended = run(config);
        assert_eq!(ended.trace, None, "{config:?}");
        assert_eq!(ended.written, written, "{config:?}");
        assert_eq!(ended.committed, Some(committed), "{config:?}");
    };
    let all = ("errors.tolerance", "all");
    let transform = ("transforms", "o");
    let obeying = ("transforms.o.type", "Obeying");
    check(&[("texts", "a away b")], &["a", "b"], 2);
    check(&[("texts", "a once-more b")], &["a", "once-more", "b"], 3);
    check(&[("texts", "a given-up b"), all], &["a", "b"], 3);
    check(&[("texts", "a too-large b too-large"), all], &["a", "b"], 4);
    check(&[("texts", "a bad bad b"), all], &["a", "b"], 4);
    check(&[("texts", "drop a drop"), transform, obeying], &["a"], 3);
    check(&[("texts", "a refuse b later c"), transform, obeying, all], &["a", "b", "c"], 5);
    let retry = ("errors.retry.timeout", "10000");
    check(&[("texts", "a later b"), transform, obeying, retry], &["a", "later", "b"], 3);
}

#[test]
fn a_config_that_cannot_work_names_the_key() {
    let check = |config: &[(&str, &str)], expect: &str| {
        let trace = run(config).trace.unwrap_or_default();
        assert!(trace.starts_with("org.apache.kafka.common.config.ConfigException: "), "{trace}");
        assert!(trace.contains(expect), "{trace}");
    };
    check(&[("texts", "no-open")], "cannot open");
    check(&[("value.converter", "Nowhere")], "value.converter");
    check(&[("transforms", "x"), ("transforms.x.type", "Nothing")], "transforms.x.type");
    check(
        &[
            ("transforms", "o"),
            ("transforms.o.type", "Obeying"),
            ("transforms.o.predicate", "p"),
            ("predicates", "p"),
            ("predicates.p.type", "Nothing"),
        ],
        "predicates.p.type",
    );
}
