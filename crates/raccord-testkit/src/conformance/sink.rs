//! A sink, driven as the sink loop drives it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raccord_data::Position;
use raccord_plugin::{
    CommitOffsets, Make, NoMetrics, RawConfig, SinkBatch, SinkContext, SinkRequests, SinkTask, TopicPartition,
};
use tokio_util::sync::CancellationToken;

use super::{SinkFixture, config, patiently};

/// How many records the suite puts in each of its rounds.
const RECORDS: u64 = 10;

type Outcome = Result<(), String>;

/// Runs the suite and gives back all findings.
pub async fn check_sink(fixture: &mut dyn SinkFixture) -> Vec<String> {
    let mut findings = Vec::new();
    let tasks = config::check(&*fixture, &mut findings).await;
    let Some(task_config) = tasks.into_iter().next() else { return findings };
    let outcomes = [
        stores_what_it_is_given(fixture, &task_config).await,
        keeps_what_it_flushed_when_it_crashes(fixture, &task_config).await,
        gives_partitions_back(fixture, &task_config).await,
        closes_after_a_failed_open(fixture).await,
    ];
    findings.extend(outcomes.into_iter().filter_map(Result::err));
    findings
}

/// Records 0 to 9, in batches of one, none, two and so on; then flushed and closed.
async fn stores_what_it_is_given(fixture: &mut dyn SinkFixture, config: &RawConfig) -> Outcome {
    let mut run = Run::open(fixture, config, 0).await?;
    for (first, count) in [(0, 1), (1, 0), (1, 2), (3, 7)] {
        run.put(fixture, first, count).await?;
    }
    let durable = run.flush().await?;
    if durable > RECORDS {
        return Err(format!("flush calls {durable} records durable, but only {RECORDS} were put"));
    }
    run.close().await?;
    expect_stored(fixture, 0..durable, "after flush and close").await
}

/// After each put the task is dropped without a word; a new one begins where the last flush said.
async fn keeps_what_it_flushed_when_it_crashes(fixture: &mut dyn SinkFixture, config: &RawConfig) -> Outcome {
    let (first, end) = (RECORDS, 2 * RECORDS);
    let mut next = first;
    let mut rounds = 0;
    while next < end {
        rounds += 1;
        if rounds > 2 * RECORDS {
            return Err("flush says again and again that nothing is durable".to_owned());
        }
        let mut run = Run::open(fixture, config, next).await?;
        run.put(fixture, next, 2).await?;
        let durable = run.flush().await?;
        if durable < next || durable > next + 2 {
            return Err(format!(
                "flush makes {durable} of the offset {}: it may only lower it to what was put",
                next + 2
            ));
        }
        expect_stored(fixture, first..durable, "after a flush, before a crash").await?;
        // What is put now and not flushed may be lost or not: the next task is given it again.
        run.put(fixture, next + 2, 1).await?;
        drop(run);
        next = durable;
        expect_stored(fixture, first..next, "after a crash").await?;
    }
    let mut run = Run::open(fixture, config, end).await?;
    run.put(fixture, end, 1).await?;
    let durable = run.flush().await?;
    run.close().await?;
    expect_stored(fixture, first..durable, "after crashes").await?;
    let stored = fixture.stored().await;
    let twice = (first..end).find(|number| stored.iter().filter(|stored| *stored == number).count() > 1);
    match twice.filter(|_| fixture.is_idempotent()) {
        Some(number) => Err(format!("record {number} is there twice although the sink is idempotent")),
        None => Ok(()),
    }
}

/// Partitions that go are flushed before, and may come back.
async fn gives_partitions_back(fixture: &mut dyn SinkFixture, config: &RawConfig) -> Outcome {
    let first = 3 * RECORDS;
    let mut run = Run::open(fixture, config, first).await?;
    run.put(fixture, first, 3).await?;
    let durable = run.flush().await?;
    let partitions = [partition()];
    patiently("revoke", run.task.revoke(&partitions, false)).await?;
    expect_stored(fixture, first..durable, "after partitions went").await?;
    patiently("assign", run.task.assign(&partitions)).await?;
    run.next = durable;
    run.put(fixture, durable, 2).await?;
    patiently("revoke of lost partitions", run.task.revoke(&partitions, true)).await?;
    run.close().await
}

async fn closes_after_a_failed_open(fixture: &mut dyn SinkFixture) -> Outcome {
    let Some(config) = fixture.config_that_cannot_open() else { return Ok(()) };
    let Make::Sink { task, .. } = fixture.plugin().make else { return Ok(()) };
    let mut task = task();
    match tokio::time::timeout(super::PATIENCE, task.open(context(), &config)).await {
        Ok(Err(_)) => {}
        Ok(Ok(())) => return Err("open works with the config that cannot open".to_owned()),
        Err(_) => return Err("open with the config that cannot open does not come back".to_owned()),
    }
    patiently("close after a failed open", async {
        task.close().await;
        Ok(())
    })
    .await
}

/// A task between open and close with one partition.
struct Run {
    task: Box<dyn SinkTask>,
    /// Where it began.
    first: u64,
    /// The kafka_offset behind the last record that was put: what would be committed.
    next: u64,
}

impl Run {
    async fn open(fixture: &dyn SinkFixture, config: &RawConfig, first: u64) -> Result<Self, String> {
        let Make::Sink { task, .. } = fixture.plugin().make else {
            return Err("the plugin is no sink".to_owned());
        };
        let mut task = task();
        patiently("open", task.open(context(), config)).await?;
        patiently("assign", task.assign(&[partition()])).await?;
        Ok(Self { task, first, next: first })
    }

    /// Puts records whose kafka_offset is their number. Retriable errors are met as the runtime meets them: the same
    /// batch again.
    async fn put(&mut self, fixture: &dyn SinkFixture, first: u64, count: u64) -> Outcome {
        let mut batch = SinkBatch { partitions: vec![partition()], records: Vec::new() };
        for number in first..first + count {
            let mut record = fixture.record(number);
            record.topic = "conformance".into();
            record.partition = Some(0);
            record.position = Position { stream: 0, sequence: number };
            batch.records.push(record);
        }
        let rejected = patiently("put", self.task.put(&batch)).await?;
        if let Some(rejected) = rejected.first() {
            return Err(format!("a record of the fixture is rejected: {}", rejected.error.trace()));
        }
        self.next = first + count;
        Ok(())
    }

    /// What is durable: the kafka_offset to commit, or where the task began when there is nothing to commit.
    async fn flush(&mut self) -> Result<u64, String> {
        let before = self.next;
        let mut offsets: CommitOffsets = vec![(partition(), before as i64)];
        patiently("flush", self.task.flush(&mut offsets)).await?;
        match offsets[..] {
            [] => Ok(self.first),
            [(ref place, offset)] if *place == partition() && offset >= 0 => Ok(offset as u64),
            _ => Err(format!(
                "flush makes {offsets:?} of the offsets: it may only lower or remove what is there"
            )),
        }
    }

    async fn close(mut self) -> Outcome {
        patiently("close", async {
            self.task.close().await;
            Ok(())
        })
        .await
    }
}

async fn expect_stored(fixture: &mut dyn SinkFixture, numbers: std::ops::Range<u64>, when: &str) -> Outcome {
    let stored = fixture.stored().await;
    let missing: Vec<u64> = numbers.filter(|number| !stored.contains(number)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{when}, records {missing:?} are missing although flush called them durable"))
}

fn partition() -> TopicPartition {
    TopicPartition { topic: "conformance".into(), partition: 0 }
}

/// Requests of the sink, written down.
#[derive(Default)]
struct Requests(Mutex<Vec<&'static str>>);

impl SinkRequests for Requests {
    fn set_timeout(&self, _timeout: Duration) {
        self.0.lock().push("timeout");
    }

    fn request_commit(&self) {
        self.0.lock().push("commit");
    }

    fn pause(&self, _partitions: &[TopicPartition]) {
        self.0.lock().push("pause");
    }

    fn resume(&self, _partitions: &[TopicPartition]) {
        self.0.lock().push("resume");
    }

    fn rewind(&self, _offsets: &[(TopicPartition, i64)]) {
        self.0.lock().push("rewind");
    }
}

fn context() -> SinkContext {
    SinkContext {
        connector: "conformance".into(),
        task: 0,
        requests: Arc::new(Requests::default()),
        metrics: Arc::new(NoMetrics),
        cancel: CancellationToken::new(),
    }
}
