//! What every connector must keep to, checked against the connector itself: the conformance suite.
//!
//! A connector's test makes a fixture, which knows the system outside (a file, a database), and calls
//! [`assert_source`] or [`assert_sink`]. The suite then plays the runtime: it validates configs, divides tasks, polls,
//! drops polls half-way, restarts the task after every record, asks for offsets, puts batches again after a crash. What
//! it finds comes back as a list of sentences, so that one run shows everything.
//!
//! **Invariant** for a source: after a restart at any committed position, every record behind it comes again, in order,
//! and none is skipped. **Invariant** for a sink: whatever `flush` called durable is there after a crash.

mod config;
mod sink;
mod source;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_data::Record;
use raccord_plugin::{
    ConnectorContext, ConnectorEvents, Error, OffsetMap, OffsetReader, Plugin, RawConfig, Result,
    SourceOffset,
};

pub use sink::check_sink;
pub use source::check_source;

/// How long one call of a plugin may take before the suite calls it stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the suite needs to know of a connector of any kind.
#[async_trait]
pub trait Fixture: Send {
    /// The connector.
    fn plugin(&self) -> &'static Plugin;

    /// A config with which it works, without the keys of Connect (`name`, `connector.class`).
    fn config(&self) -> RawConfig;

    /// A config that passes validation of single keys, but with which a task cannot open. `None` when there is none.
    fn config_that_cannot_open(&self) -> Option<RawConfig> {
        None
    }
}

/// The system that a source reads.
#[async_trait]
pub trait SourceFixture: Fixture {
    /// Makes `count` more records there, the first with this number. Numbers go on from call to call.
    async fn write(&mut self, first: u64, count: u64);

    /// Which one a record is: the number it was written with.
    fn number(&self, record: &Record) -> Option<u64>;

    /// Whether a restart goes on exactly behind the committed record. A source may say no; then records that were read
    /// already may come again, but none may be missing.
    fn resumes_exactly(&self) -> bool {
        true
    }
}

/// The system that a sink writes.
#[async_trait]
pub trait SinkFixture: Fixture {
    /// The record with this number, without topic and position.
    fn record(&self, number: u64) -> Record;

    /// The numbers of all records that are there, in any order.
    async fn stored(&mut self) -> Vec<u64>;

    /// Whether a record that is put twice is there once.
    fn is_idempotent(&self) -> bool {
        false
    }
}

/// Runs the suite.
///
/// # Panics
/// With all findings, when there are any.
pub async fn assert_source(fixture: &mut dyn SourceFixture) {
    fail_on(fixture.plugin(), &check_source(fixture).await);
}

/// Runs the suite.
///
/// # Panics
/// With all findings, when there are any.
pub async fn assert_sink(fixture: &mut dyn SinkFixture) {
    fail_on(fixture.plugin(), &check_sink(fixture).await);
}

fn fail_on(plugin: &Plugin, findings: &[String]) {
    assert!(findings.is_empty(), "{} does not conform:\n- {}", plugin.class, findings.join("\n- "));
}

/// Calls the plugin with patience; what goes wrong is a finding.
async fn patiently<T>(what: &str, call: impl Future<Output = Result<T>>) -> std::result::Result<T, String> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what} failed: {}", error.trace())),
        Err(_) => Err(format!("{what} took more than {} s", PATIENCE.as_secs())),
    }
}

/// Committed source offsets in memory.
#[derive(Default)]
struct Offsets(Mutex<HashMap<String, OffsetMap>>);

impl Offsets {
    fn commit(&self, offset: SourceOffset) {
        let partition = serde_json::Value::Object(offset.partition).to_string();
        let mut offsets = self.0.lock();
        match offset.offset {
            Some(place) => offsets.insert(partition, place),
            None => offsets.remove(&partition),
        };
    }
}

#[async_trait]
impl OffsetReader for Offsets {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let offsets = self.0.lock();
        let find = |partition: &OffsetMap| {
            offsets.get(&serde_json::Value::Object(partition.clone()).to_string()).cloned()
        };
        Ok(partitions.iter().map(find).collect())
    }
}

/// What a connector asks of the worker, written down.
#[derive(Default)]
struct Events(Mutex<Vec<Error>>);

impl ConnectorEvents for Events {
    fn request_task_reconfiguration(&self) {}

    fn fail(&self, error: Error) {
        self.0.lock().push(error);
    }
}

fn connector_context(offsets: Arc<Offsets>) -> ConnectorContext {
    ConnectorContext { connector: "conformance".into(), events: Arc::new(Events::default()), offsets }
}
