//! How a task ends, or does not, when one thing goes wrong: the texts that users find in `trace`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_plugin::data::{Position, Record, Text, Value};
use raccord_plugin::{
    Error, Make, OffsetMap, OffsetReader, Plugin, RawConfig, Result, SourceBatch, SourceContext,
    SourceOffset, SourceTask, Transform,
};
use raccord_runtime::ports::{Acks, Outgoing, Producer, SendError};
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::stage::{CONVERTER, Clients, HEADER_CONVERTER, no_keys, worker};

/// Emits the texts of its config, then waits. A text may also be an order to fail.
#[derive(Default)]
struct Texts {
    left: VecDeque<String>,
    sequence: u64,
}

const TEXTS: Plugin = Plugin {
    class: "Texts",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Source {
        connector: || unreachable!("only tasks run here"),
        task: || Box::new(Texts::default()),
    },
};

/// Drops, refuses or cannot yet take records, as they say.
struct Obeying {
    tried: u32,
}

const OBEYING: Plugin = Plugin {
    class: "Obeying",
    aliases: &[],
    version: "1",
    config: no_keys,
    make: Make::Transformation(|_| Ok(Box::new(Obeying { tried: 0 }))),
};

static PLUGINS: &[Plugin] = &[CONVERTER, HEADER_CONVERTER, TEXTS, OBEYING];

impl Transform for Obeying {
    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        match record.value.as_str() {
            Some("drop") => Ok(None),
            Some("refuse") => Err(Error::record("refused")),
            Some("later") if self.tried < 3 => {
                self.tried += 1;
                Err(Error::retriable("not yet"))
            }
            _ => Ok(Some(record)),
        }
    }
}

#[async_trait]
impl SourceTask for Texts {
    async fn open(&mut self, _: SourceContext, config: &RawConfig) -> Result<()> {
        self.left = config.get("texts").unwrap_or_default().split(' ').map(str::to_owned).collect();
        if self.left[0] == "no-open" { Err(Error::config("cannot open")) } else { Ok(()) }
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        match self.left.pop_front().as_deref() {
            None => std::future::pending().await,
            Some("fatal") => Err(Error::fatal("the source is gone")),
            Some("panic") => panic!("what a mess"),
            Some("away") => Err(Error::retriable("the source is away")),
            Some(text) => {
                self.sequence += 1;
                let position = Position { stream: 0, sequence: self.sequence };
                batch.push(Record::new("t".into(), None, Value::String(Text::from(text)), position), 1);
                Ok(())
            }
        }
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let map = |key: &str, value: u64| OffsetMap::from_iter([(key.to_owned(), value.into())]);
        SourceOffset { partition: map("p", 0), offset: Some(map("at", position.sequence)) }
    }
}

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

#[derive(Default)]
struct LastOffset(Mutex<Option<u64>>);

#[async_trait]
impl OffsetReader for LastOffset {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        Ok(vec![None; partitions.len()])
    }
}

#[async_trait]
impl OffsetStore for LastOffset {
    async fn write(&self, offsets: Vec<SourceOffset>) -> Result<()> {
        *self.0.lock() = offsets[0].offset.as_ref().unwrap()["at"].as_u64();
        Ok(())
    }
}

/// What became of a run: the trace if it failed, what was written, the offset committed last.
struct Ended {
    trace: Option<String>,
    written: Vec<String>,
    committed: Option<u64>,
}

fn run(config: &[(&str, &str)]) -> Ended {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let written = Arc::new(Mutex::new(Vec::new()));
        let offsets = Arc::new(LastOffset::default());
        let made = written.clone();
        let producer = move |_: &str| -> Box<dyn Producer> {
            let written = made.clone();
            Box::new(Recorder { written, acks: Acks::default(), outstanding: 0, rejected: false })
        };
        let mut raw = RawConfig::from([("name", "c"), ("connector.class", "Texts")]);
        for (key, value) in config {
            raw.insert(*key, Some((*value).to_owned()));
        }
        let (events, mut news) = mpsc::channel(100);
        let mut handle = spawn(TaskSpec {
            id: TaskId { connector: "c".into(), task: 0 },
            plugin: &TEXTS,
            plugins: PLUGINS,
            connector_config: raw.clone(),
            task_config: raw,
            worker: Arc::new(worker()),
            kafka: Arc::new(Clients { producer: Some(Box::new(producer)), consumer: None }),
            offsets: offsets.clone(),
            error_metrics: Arc::default(),
            target: TaskTarget::Started,
            events,
        });
        // In virtual time: long enough for all retries.
        let _ = timeout(Duration::from_secs(60), handle.ended()).await;
        handle.stop();
        handle.ended().await;
        let mut trace = None;
        while let Some((_, event)) = news.recv().await {
            if let TaskEvent::Failed(error) = event {
                trace = Some(error.trace());
            }
        }
        let (written, committed) = (written.lock().clone(), *offsets.0.lock());
        Ended { trace, written, committed }
    })
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
