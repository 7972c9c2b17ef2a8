//! A source, a transform and an offset store that do as records tell them, and a task run to its end: what the tests of
//! outcomes and those of dead letters share.

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
use raccord_runtime::config::WorkerConfig;
use raccord_runtime::error_metrics::{ErrorCounts, ErrorMetrics};
use raccord_runtime::metrics::TaskMetrics;
use raccord_runtime::ports::Kafka;
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::stage::no_keys;

/// A plugin without keys.
pub const fn plugin(class: &'static str, make: Make) -> Plugin {
    Plugin { class, aliases: &[], version: "1", config: no_keys, make }
}

/// Emits the texts of its config, then waits. A text may also be an order to fail.
#[derive(Default)]
struct Texts {
    left: VecDeque<String>,
    sequence: u64,
}

pub const TEXTS: Plugin = plugin(
    "Texts",
    Make::Source { connector: || unreachable!("only tasks run here"), task: || Box::new(Texts::default()) },
);

#[async_trait]
impl SourceTask for Texts {
    async fn open(&mut self, _: SourceContext, config: &RawConfig) -> Result<()> {
        self.left = config.get("texts").unwrap_or_default().split(' ').map(str::to_owned).collect();
        if self.left[0] == "no-open" { Err(Error::config("cannot open")) } else { Ok(()) }
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        let text = match self.left.pop_front().as_deref() {
            None => std::future::pending().await,
            Some("fatal") => return Err(Error::fatal("the source is gone")),
            Some("panic") => panic!("what a mess"),
            Some("away") => return Err(Error::retriable("the source is away")),
            Some("huge") => "h".repeat(2_000_000),
            Some(text) => text.to_owned(),
        };
        self.sequence += 1;
        let position = Position { stream: 0, sequence: self.sequence };
        let mut record = Record::new("t".into(), None, Value::String(Text::from(text.as_str())), position);
        record.key = Value::String(Text::from("k"));
        batch.push(record, 1);
        Ok(())
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let map = |key: &str, value: u64| OffsetMap::from_iter([(key.to_owned(), value.into())]);
        SourceOffset { partition: map("p", 0), offset: Some(map("at", position.sequence)) }
    }
}

/// Drops, refuses or cannot yet take records, as they say.
struct Obeying {
    tried: u32,
}

pub const OBEYING: Plugin = plugin("Obeying", Make::Transformation(|_| Ok(Box::new(Obeying { tried: 0 }))));

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

pub fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

/// What became of a task.
pub struct Finished {
    /// Empty when it did not fail.
    pub trace: String,
    /// The place in the source that was committed last.
    pub committed: Option<u64>,
    pub counts: ErrorCounts,
}

/// Runs a task with the config until nothing more happens.
pub async fn run_task(
    plugin: &'static Plugin,
    plugins: &'static [Plugin],
    worker: WorkerConfig,
    kafka: Arc<dyn Kafka>,
    config: &[(&str, &str)],
) -> Finished {
    let mut raw = RawConfig::from([("name", "c"), ("connector.class", plugin.class)]);
    for (key, value) in config {
        raw.insert(*key, (*value).to_owned());
    }
    let (events, mut news) = mpsc::channel(100);
    let (metrics, offsets) = (Arc::new(ErrorMetrics::default()), Arc::new(LastOffset::default()));
    let mut handle = spawn(TaskSpec {
        id: TaskId { connector: "c".into(), task: 0 },
        plugin,
        plugins,
        connector_config: raw.clone(),
        task_config: raw,
        worker: Arc::new(worker),
        kafka,
        offsets: offsets.clone(),
        metrics: TaskMetrics { errors: metrics.clone(), ..TaskMetrics::default() },
        target: TaskTarget::Started,
        events,
    });
    // In virtual time: long enough for all retries.
    let _ = timeout(Duration::from_secs(60), handle.ended()).await;
    handle.stop();
    handle.ended().await;
    let mut trace = String::new();
    while let Some((_, event)) = news.recv().await {
        if let TaskEvent::Failed(error) | TaskEvent::NotMade(error) = event {
            trace = error.trace();
        }
    }
    let committed = *offsets.0.lock();
    Finished { trace, committed, counts: metrics.read() }
}
