//! The source task on real files: what grows, what is replaced, what is cut off, and what a restart goes on with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raccord_connector_file::SOURCE;
use raccord_plugin::{
    ErrorKind, Make, OffsetMap, OffsetReader, RawConfig, Result, SourceBatch, SourceContext, SourceTask,
};
use tokio_util::sync::CancellationToken;

/// Offsets as they were committed.
struct Committed(Option<OffsetMap>);

#[async_trait]
impl OffsetReader for Committed {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        Ok(partitions.iter().map(|_| self.0.clone()).collect())
    }
}

struct Reader {
    task: Box<dyn SourceTask>,
    batch: SourceBatch,
}

impl Reader {
    async fn open(file: &Path, committed: Option<OffsetMap>) -> Self {
        let Make::Source { task, .. } = SOURCE.make else { unreachable!("it is a source") };
        let mut task = task();
        let context = SourceContext {
            connector: Arc::from("test"),
            task: 0,
            offsets: Arc::new(Committed(committed)),
            topics: Arc::new(raccord_plugin::NoTopics),
            metrics: Arc::new(raccord_plugin::NoMetrics),
            cancel: CancellationToken::new(),
        };
        let config = RawConfig::from([("file", file.to_str().unwrap()), ("topic", "t"), ("batch.size", "3")]);
        task.open(context, &config).await.unwrap();
        Self { task, batch: SourceBatch::new(1000, 1 << 20) }
    }

    /// Polls until so many lines came; gives them with the offset behind the last one.
    async fn lines(&mut self, count: usize) -> (Vec<String>, OffsetMap) {
        let mut lines = Vec::new();
        let mut last = None;
        while lines.len() < count {
            let poll = self.task.poll(&mut self.batch);
            tokio::time::timeout(Duration::from_secs(5), poll).await.expect("lines come").unwrap();
            assert!(self.batch.len() <= 3, "batch.size holds");
            for record in self.batch.drain() {
                lines.push(record.value.as_str().unwrap().to_owned());
                last = Some(record.position);
            }
        }
        let offset = self.task.offset(last.unwrap());
        assert_eq!(offset.partition.keys().collect::<Vec<_>>(), ["filename"]);
        (lines, offset.offset.unwrap())
    }

    async fn nothing_for(&mut self, time: Duration) {
        let poll = self.task.poll(&mut self.batch);
        assert!(tokio::time::timeout(time, poll).await.is_err(), "nothing comes");
    }
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    (folder, path)
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn position(offset: &OffsetMap) -> u64 {
    offset["position"].as_u64().unwrap()
}

#[tokio::test]
async fn follows_a_file_as_it_grows() {
    let (_folder, path) = file();
    append(&path, "one\ntwo\nthree\nfour\nha");
    let mut reader = Reader::open(&path, None).await;
    let (lines, offset) = reader.lines(4).await;
    assert_eq!((lines.join(","), position(&offset)), ("one,two,three,four".into(), 19));
    reader.nothing_for(Duration::from_millis(200)).await;
    append(&path, "lf\n");
    let start = Instant::now();
    let (lines, offset) = reader.lines(1).await;
    assert_eq!((lines.join(","), position(&offset)), ("half".into(), 24));
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "appended lines are picked up in {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn waits_for_a_file_that_is_not_there_yet() {
    let (_folder, path) = file();
    let mut reader = Reader::open(&path, None).await;
    reader.nothing_for(Duration::from_millis(100)).await;
    append(&path, "late\n");
    assert_eq!(reader.lines(1).await.0, ["late"]);
}

#[tokio::test]
async fn goes_on_where_the_committed_offset_says() {
    let (_folder, path) = file();
    append(&path, "grün\nnext\n");
    let (lines, offset) = Reader::open(&path, None).await.lines(2).await;
    assert_eq!(lines, ["grün", "next"]);
    assert_eq!(position(&offset), 11, "positions are bytes");
    append(&path, "last\n");
    assert_eq!(Reader::open(&path, Some(offset)).await.lines(1).await.0, ["last"]);
}

#[tokio::test]
async fn dropped_polls_lose_nothing() {
    let (_folder, path) = file();
    let mut reader = Reader::open(&path, None).await;
    let mut expect = Vec::new();
    let mut lines = Vec::new();
    for number in 0..300 {
        append(&path, &format!("{number}\n"));
        expect.push(number.to_string());
        // Dropped at whichever await it is at.
        let _ = tokio::time::timeout(
            Duration::from_micros(number * 7 % 900),
            reader.task.poll(&mut reader.batch),
        )
        .await;
        lines.extend(reader.batch.drain().map(|record| record.value.as_str().unwrap().to_owned()));
    }
    if lines.len() < expect.len() {
        let missing = expect.len() - lines.len();
        lines.extend(reader.lines(missing).await.0);
    }
    assert_eq!(lines, expect);
}

#[tokio::test]
async fn reads_a_replaced_file_after_the_old_one() {
    let (folder, path) = file();
    append(&path, "old 1\n");
    let mut reader = Reader::open(&path, None).await;
    assert_eq!(reader.lines(1).await.0, ["old 1"]);
    let rotated = folder.path().join("in.txt.1");
    fs::rename(&path, &rotated).unwrap();
    append(&rotated, "old 2\n");
    assert_eq!(reader.lines(1).await.0, ["old 2"]);
    append(&path, "new 1\nnew 2\n");
    let (lines, offset) = reader.lines(2).await;
    assert_eq!((lines.join(","), position(&offset)), ("new 1,new 2".into(), 12));
}

#[tokio::test]
async fn reads_a_truncated_file_from_its_beginning() {
    let (_folder, path) = file();
    append(&path, "a long first line\n");
    let mut reader = Reader::open(&path, None).await;
    let (_, offset) = reader.lines(1).await;
    fs::write(&path, "short\n").unwrap();
    assert_eq!(reader.lines(1).await.0, ["short"]);
    // The same while nobody watched.
    assert_eq!(Reader::open(&path, Some(offset)).await.lines(1).await.0, ["short"]);
}

#[tokio::test]
async fn a_folder_or_a_wrong_offset_is_told_apart() {
    let (folder, path) = file();
    append(&path, "x\n");
    let mut wrong = OffsetMap::new();
    wrong.insert("position".into(), "twelve".into());
    let Make::Source { task, .. } = SOURCE.make else { unreachable!("it is a source") };
    let context = SourceContext {
        connector: Arc::from("test"),
        task: 0,
        offsets: Arc::new(Committed(Some(wrong))),
        topics: Arc::new(raccord_plugin::NoTopics),
        metrics: Arc::new(raccord_plugin::NoMetrics),
        cancel: CancellationToken::new(),
    };
    let config = RawConfig::from([("file", path.to_str().unwrap()), ("topic", "t")]);
    let error = task().open(context, &config).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Fatal, "Offset position is the incorrect type"));
    // Kafka's task keeps running on a folder; so does this one, without a busy loop.
    Reader::open(folder.path(), None).await.nothing_for(Duration::from_millis(200)).await;
}
