//! The sink task on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use raccord_connector_file::SINK;
use raccord_plugin::data::{Position, Record, Text, Value};
use raccord_plugin::{
    Make, NoMetrics, RawConfig, SinkBatch, SinkContext, SinkRequests, SinkTask, TopicPartition,
};
use tokio_util::sync::CancellationToken;

struct NoRequests;

impl SinkRequests for NoRequests {
    fn set_timeout(&self, _: Duration) {}
    fn request_commit(&self) {}
    fn pause(&self, _: &[TopicPartition]) {}
    fn resume(&self, _: &[TopicPartition]) {}
    fn rewind(&self, _: &[(TopicPartition, i64)]) {}
}

fn task() -> (Box<dyn SinkTask>, SinkContext) {
    let Make::Sink { task, .. } = SINK.make else { unreachable!("it is a sink") };
    let requests = Arc::new(NoRequests);
    (
        task(),
        SinkContext {
            connector: Arc::from("test"),
            task: 0,
            requests,
            metrics: Arc::new(NoMetrics),
            cancel: CancellationToken::new(),
        },
    )
}

fn batch(values: Vec<Value>) -> SinkBatch {
    let record = |value| Record::new(Arc::from("t"), None, value, Position::default());
    SinkBatch { partitions: Vec::new(), records: values.into_iter().map(record).collect() }
}

#[tokio::test]
async fn writes_each_value_as_a_line_and_appends_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    std::fs::write(&path, "torn").unwrap();
    let config = RawConfig::from([("file", path.to_str().unwrap())]);
    for expect in ["torn\none\nnull\n7\n{a=1.5}\n", "torn\none\nnull\n7\n{a=1.5}\none\nnull\n7\n{a=1.5}\n"] {
        let (mut task, context) = task();
        task.open(context, &config).await.unwrap();
        let map = Value::Map(vec![("a".into(), Value::Float64(1.5))]);
        let rejected = task.put(&batch(vec!["one".into(), Value::Null, Value::Int64(7), map])).await.unwrap();
        assert!(rejected.is_empty());
        task.flush(&mut Vec::new()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expect);
        task.close().await;
    }
}

#[tokio::test]
async fn writes_large_lines_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    let (mut task, context) = task();
    task.open(context, &RawConfig::from([("file", path.to_str().unwrap())])).await.unwrap();
    let line = "x".repeat(10_000_000);
    task.put(&batch(vec![Value::String(Text::from(line.as_str())), "end".into()])).await.unwrap();
    task.flush(&mut Vec::new()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{line}\nend\n"));
}

#[tokio::test]
async fn says_which_file_cannot_be_made() {
    let (mut task, context) = task();
    let config = RawConfig::from([("file", "/no/such/folder/out.txt")]);
    let error = task.open(context, &config).await.unwrap_err();
    let trace = error.trace();
    assert!(
        trace.starts_with(
            "org.apache.kafka.connect.errors.ConnectException: Couldn't find or create file '/no/such/folder/out.txt' for \
             FileStreamSinkTask\nCaused by: "
        ),
        "{trace}"
    );
    task.close().await;
}

#[tokio::test]
async fn a_full_disk_fails_the_task() {
    let (mut task, context) = task();
    task.open(context, &RawConfig::from([("file", "/dev/full")])).await.unwrap();
    let error = task.put(&batch(vec!["one".into()])).await.unwrap_err();
    assert!(error.message().starts_with("cannot write to /dev/full: No space left on device"), "{error}");
}
