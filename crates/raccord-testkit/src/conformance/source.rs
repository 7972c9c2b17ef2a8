//! A source, driven as the source loop drives it.

use std::sync::Arc;
use std::time::Duration;

use raccord_data::{Position, Record};
use raccord_plugin::{Make, NoMetrics, NoTopics, RawConfig, SourceBatch, SourceContext, SourceTask};
use tokio_util::sync::CancellationToken;

use super::{Offsets, SourceFixture, config, patiently};

/// How many records the suite has the fixture make. Few, since the source is restarted behind every one.
const RECORDS: u64 = 12;
/// How long a poll without news is watched.
const QUIET: Duration = Duration::from_millis(300);
/// Polls are dropped after this long at first, then later and later up to [`DROP_LAST`], then again.
const DROP_FIRST: Duration = Duration::from_micros(50);
/// See [`DROP_FIRST`].
const DROP_LAST: Duration = Duration::from_secs(1);
/// How long polls that are dropped may bring nothing: long enough for several of [`DROP_LAST`].
const DROP_PATIENCE: Duration = Duration::from_secs(8);
/// How often a poll may come back empty in that time before it counts as a busy loop.
const EMPTY_POLLS_MAX: usize = 50;

/// A record as the suite remembers it.
struct Seen {
    number: u64,
    position: Position,
}

/// Runs the suite and gives back all findings.
pub async fn check_source(fixture: &mut dyn SourceFixture) -> Vec<String> {
    let mut findings = Vec::new();
    let tasks = config::check(&*fixture, &mut findings).await;
    let Some(task_config) = tasks.into_iter().next() else { return findings };
    fixture.write(0, RECORDS).await;
    let outcomes = [
        reads_everything_in_order(fixture, &task_config).await,
        loses_nothing_when_polls_are_dropped(fixture, &task_config).await,
        keeps_to_the_limits_of_a_batch(fixture, &task_config).await,
        restarts_behind_every_record(fixture, &task_config).await,
        waits_for_news(fixture, &task_config).await,
        closes_after_a_failed_open(fixture).await,
    ];
    findings.extend(outcomes.into_iter().filter_map(Result::err));
    findings
}

type Outcome = Result<(), String>;

async fn reads_everything_in_order(fixture: &mut dyn SourceFixture, config: &RawConfig) -> Outcome {
    let mut run = Run::open(fixture, config, Arc::default()).await?;
    let seen = run.read(fixture, RECORDS as usize, SourceBatch::new(1000, 1 << 20)).await?;
    expect_numbers("reading from the beginning", &seen, 0)?;
    let last = seen.last().expect("records were read").position;
    patiently("committed", run.task.committed(&[last])).await?;
    let (once, again) = (run.task.offset(last), run.task.offset(last));
    if serde_json::to_string(&once.partition).ok() != serde_json::to_string(&again.partition).ok() {
        return Err(
            "the bytes of a source partition differ from call to call: offsets would pile up".to_owned()
        );
    }
    if once.partition.is_empty() {
        return Err("the source partition is empty: it cannot be told from that of another source".to_owned());
    }
    if once != again {
        return Err("the offset of a position differs from call to call".to_owned());
    }
    run.close().await
}

/// Each poll is dropped after at most one step that waits, as when a task stops or pauses.
async fn loses_nothing_when_polls_are_dropped(
    fixture: &mut dyn SourceFixture,
    config: &RawConfig,
) -> Outcome {
    let mut run = Run::open(fixture, config, Arc::default()).await?;
    let (mut batch, mut seen) = (SourceBatch::new(3, 1 << 20), Vec::new());
    let mut patience = DROP_FIRST;
    let mut quiet_since = tokio::time::Instant::now();
    while seen.len() < RECORDS as usize {
        if quiet_since.elapsed() > DROP_PATIENCE {
            let numbers: Vec<u64> = seen.iter().map(|seen: &Seen| seen.number).collect();
            return Err(format!(
                "polls that are dropped half-way gave records {numbers:?} of {RECORDS}, then nothing"
            ));
        }
        // Longer and longer, so that every step of the poll is the last one at some time, and a slow one can end.
        patience = if patience > DROP_LAST { DROP_FIRST } else { patience * 3 / 2 };
        let before = seen.len();
        match tokio::time::timeout(patience, run.task.poll(&mut batch)).await {
            Ok(Err(error)) => {
                return Err(format!("poll failed after others were dropped: {}", error.trace()));
            }
            Ok(Ok(())) | Err(_) => take(fixture, &mut batch, &mut seen)?,
        }
        if seen.len() > before {
            quiet_since = tokio::time::Instant::now();
        }
    }
    expect_numbers("reading with polls that are dropped half-way", &seen, 0)?;
    run.close().await
}

async fn keeps_to_the_limits_of_a_batch(fixture: &mut dyn SourceFixture, config: &RawConfig) -> Outcome {
    for (records, bytes) in [(1, 1 << 20), (1000, 1)] {
        let mut run = Run::open(fixture, config, Arc::default()).await?;
        let mut batch = SourceBatch::new(records, bytes);
        patiently("poll", run.task.poll(&mut batch)).await?;
        if batch.len() > 1 {
            return Err(format!(
                "a poll put {} records into a batch that was full after one ({records} records, {bytes} bytes)",
                batch.len()
            ));
        }
        let mut seen = Vec::new();
        take(fixture, &mut batch, &mut seen)?;
        let rest = RECORDS as usize - seen.len();
        seen.extend(run.read(fixture, rest, SourceBatch::new(records, bytes)).await?);
        expect_numbers("reading with small batches", &seen, 0)?;
        run.close().await?;
    }
    Ok(())
}

/// The task is dropped without a word behind every record, as when the process is killed, and started again with the
/// offset of that record.
async fn restarts_behind_every_record(fixture: &mut dyn SourceFixture, config: &RawConfig) -> Outcome {
    for committed in 0..RECORDS - 1 {
        let offsets: Arc<Offsets> = Arc::default();
        let mut run = Run::open(fixture, config, offsets.clone()).await?;
        let seen = run.read(fixture, committed as usize + 1, SourceBatch::new(1, 1 << 20)).await?;
        let place = seen.last().expect("records were read").position;
        offsets.commit(run.task.offset(place));
        drop(run);
        let mut run = Run::open(fixture, config, offsets).await?;
        let wanted = (RECORDS - committed - 1) as usize;
        let seen = run.read_until(fixture, RECORDS - 1, SourceBatch::new(1000, 1 << 20)).await?;
        let what = format!("after a restart behind record {committed}");
        if fixture.resumes_exactly() {
            expect_numbers(&what, &seen, committed + 1)?;
        } else {
            let again: Vec<u64> = seen.iter().map(|seen| seen.number).collect();
            let missing = (committed + 1..RECORDS).find(|number| !again.contains(number));
            if let Some(missing) = missing {
                return Err(format!("{what}, record {missing} of {wanted} is missing: {again:?}"));
            }
        }
        run.close().await?;
    }
    Ok(())
}

/// Without news a poll waits; and what comes then is read.
async fn waits_for_news(fixture: &mut dyn SourceFixture, config: &RawConfig) -> Outcome {
    let mut run = Run::open(fixture, config, Arc::default()).await?;
    run.read(fixture, RECORDS as usize, SourceBatch::new(1000, 1 << 20)).await?;
    let mut batch = SourceBatch::new(1000, 1 << 20);
    let end = tokio::time::Instant::now() + QUIET;
    let mut empty = 0;
    while let Ok(outcome) = tokio::time::timeout_at(end, run.task.poll(&mut batch)).await {
        outcome.map_err(|error| format!("poll without news failed: {}", error.trace()))?;
        if !batch.is_empty() {
            return Err(format!("{} records came although none were made", batch.len()));
        }
        empty += 1;
        if empty > EMPTY_POLLS_MAX {
            return Err(
                "polls without news come back at once, again and again: wait for news instead".to_owned()
            );
        }
    }
    fixture.write(RECORDS, 2).await;
    let seen = run.read(fixture, 2, SourceBatch::new(1000, 1 << 20)).await?;
    expect_numbers("reading what came later", &seen, RECORDS)?;
    run.close().await
}

async fn closes_after_a_failed_open(fixture: &mut dyn SourceFixture) -> Outcome {
    let Some(config) = fixture.config_that_cannot_open() else { return Ok(()) };
    let Make::Source { task, .. } = fixture.plugin().make else { return Ok(()) };
    let mut task = task();
    match tokio::time::timeout(super::PATIENCE, task.open(context(Arc::default()), &config)).await {
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

/// A task between open and close.
struct Run {
    task: Box<dyn SourceTask>,
}

impl Run {
    async fn open(
        fixture: &dyn SourceFixture,
        config: &RawConfig,
        offsets: Arc<Offsets>,
    ) -> Result<Self, String> {
        let Make::Source { task, .. } = fixture.plugin().make else {
            return Err("the plugin is no source".to_owned());
        };
        let mut task = task();
        patiently("open", task.open(context(offsets), config)).await?;
        Ok(Self { task })
    }

    /// Polls until that many records have come.
    async fn read(
        &mut self,
        fixture: &dyn SourceFixture,
        count: usize,
        mut batch: SourceBatch,
    ) -> Result<Vec<Seen>, String> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let what = format!("poll for record {} of {count}", seen.len() + 1);
            patiently(&what, self.task.poll(&mut batch)).await?;
            take(fixture, &mut batch, &mut seen)?;
        }
        Ok(seen)
    }

    /// Polls until the record with this number has come.
    async fn read_until(
        &mut self,
        fixture: &dyn SourceFixture,
        last: u64,
        mut batch: SourceBatch,
    ) -> Result<Vec<Seen>, String> {
        let mut seen: Vec<Seen> = Vec::new();
        while seen.last().is_none_or(|seen| seen.number != last) {
            let what = format!("poll for the record {last}");
            patiently(&what, self.task.poll(&mut batch)).await?;
            take(fixture, &mut batch, &mut seen)?;
        }
        Ok(seen)
    }

    async fn close(mut self) -> Outcome {
        patiently("close", async {
            self.task.close().await;
            Ok(())
        })
        .await
    }
}

fn context(offsets: Arc<Offsets>) -> SourceContext {
    SourceContext {
        connector: "conformance".into(),
        task: 0,
        offsets,
        topics: Arc::new(NoTopics),
        metrics: Arc::new(NoMetrics),
        cancel: CancellationToken::new(),
    }
}

fn take(fixture: &dyn SourceFixture, batch: &mut SourceBatch, seen: &mut Vec<Seen>) -> Outcome {
    let records: Vec<Record> = batch.drain().collect();
    for record in records {
        if record.topic.is_empty() {
            return Err("a record has no topic".to_owned());
        }
        let number = fixture
            .number(&record)
            .ok_or_else(|| "a record came that the fixture did not make".to_owned())?;
        seen.push(Seen { number, position: record.position });
    }
    Ok(())
}

/// The records from `first` on came once each, in order.
fn expect_numbers(what: &str, seen: &[Seen], first: u64) -> Outcome {
    let numbers: Vec<u64> = seen.iter().map(|seen| seen.number).collect();
    let expect: Vec<u64> = (first..first + numbers.len() as u64).collect();
    if numbers == expect { Ok(()) } else { Err(format!("{what}: records {numbers:?} instead of {expect:?}")) }
}
