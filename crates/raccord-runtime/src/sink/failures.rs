//! Records that a sink cannot process: tried again, skipped, reported, searched for.

use std::ops::Range;

use raccord_plugin::data::Record;
use raccord_plugin::{Error, ErrorKind, Result, SinkBatch, TopicPartition};
use tokio::time::timeout;
use tracing::debug;

use super::{SinkLoop, unrecoverable};
use crate::dead_letters::{Context, Letter, NO_TICKET};
use crate::ports::Fetched;
use crate::task::Lifecycle;
use crate::tolerance::{Attempts, Failure, Stage};

/// Who puts, in reports of errors.
const PUTTER: &str = "org.apache.kafka.connect.sink.SinkTask";

impl SinkLoop {
    /// Takes a decoded record through the transforms, and does what a failure of either needs.
    pub(super) async fn transform(
        &mut self,
        fetched: &Fetched,
        index: usize,
        mut decoded: Result<Record, Failure>,
        lifecycle: &Lifecycle,
    ) -> Result<Option<Record>> {
        let mut attempts = Attempts::none();
        let mut from = 0;
        loop {
            let (failure, again) = match decoded {
                Ok(record) => match self.chain.apply(record, from, self.tolerance.retries()) {
                    Ok(record) => return Ok(record),
                    Err(failed) => {
                        from = failed.step;
                        (failed.failure, failed.record)
                    }
                },
                Err(failure) => (failure, None),
            };
            let Some(delay) = self.tolerance.retry(&failure, &mut attempts) else {
                self.report(fetched, index, &failure, lifecycle).await?;
                self.tolerance.settle(failure, || place(fetched, index))?;
                return Ok(None);
            };
            if timeout(delay, lifecycle.stop_requested()).await.is_ok() {
                return Err(Error::cancelled());
            }
            decoded = match again {
                Some(record) => Ok(record),
                None => self.decoding.decode(fetched, &fetched.records[index]),
            };
        }
    }

    /// Hands the record, as it was consumed, to the dead letter queue.
    async fn report(
        &mut self,
        fetched: &Fetched,
        index: usize,
        failure: &Failure,
        lifecycle: &Lifecycle,
    ) -> Result<()> {
        debug!(task = %self.id, stage = failure.stage.as_str(), record = place(fetched, index), "record failed");
        let Some(letters) = &mut self.dead_letters else { return Ok(()) };
        let record = &fetched.records[index];
        let TopicPartition { topic, partition } = &fetched.partitions[record.stream as usize];
        let bytes = |range: &Range<u32>| fetched.buffer.slice(range.start as usize..range.end as usize);
        let headers = &fetched.headers[record.headers.start as usize..record.headers.end as usize];
        let headers = headers
            .iter()
            .map(|header| (header.key.clone(), header.value.as_ref().map(|range| bytes(range).to_vec())));
        let letter = Letter {
            key: record.key.as_ref().map(bytes),
            value: record.value.as_ref().map(bytes),
            headers: headers.collect(),
            timestamp: record.timestamp,
            context: Context::of_consumed(topic, *partition, record.offset),
            ticket: NO_TICKET,
        };
        letters.post(letter, failure);
        letters.posted(lifecycle).await
    }

    /// Does what a record of the batch needs that the task did not write.
    pub(super) async fn reject(&mut self, index: usize, error: Error, lifecycle: &Lifecycle) -> Result<()> {
        let Some(record) = self.batch.records.get(index) else {
            let records = self.batch.records.len();
            return Err(Error::fatal(format!("the task rejected record {index} of a batch of {records}")));
        };
        if self.dead_letters.is_none() && !self.tolerance.logs() {
            // In Connect the task then has nobody to report to, and throws.
            return Err(unrecoverable(error.hint(
                "to skip such records, set errors.tolerance=all and either errors.deadletterqueue.topic.name or \
                 errors.log.enable=true",
            )));
        }
        let (stream, offset) = (record.position.stream, record.position.sequence as i64);
        let original =
            self.fetched.records.iter().position(|one| one.stream == stream && one.offset == offset);
        let original = original.expect("the batch was made of what was fetched last");
        let failure = Failure { stage: Stage::TaskPut, class: PUTTER, error };
        let fetched = std::mem::take(&mut self.fetched);
        let reported = self.report(&fetched, original, &failure, lifecycle).await;
        let settled = reported.and_then(|()| {
            self.tolerance.settle_failed(failure, || place(&fetched, original)).map_err(unrecoverable)
        });
        self.fetched = fetched;
        settled
    }

    /// Puts the batch in ever smaller parts until it is known which records the task cannot write. `error` is what the
    /// task said of the whole batch.
    ///
    /// Parts are put in the order of the batch, so that nothing is reordered; what the failed put wrote may be written
    /// again. An error of another kind than a record's ends the search: it is no fault of a record.
    pub(super) async fn isolate(&mut self, error: Error, lifecycle: &Lifecycle) -> Result<()> {
        // The next part comes last.
        let mut parts = vec![(0..self.batch.records.len(), Some(error))];
        while let Some((range, failed)) = parts.pop() {
            let outcome = match failed {
                Some(error) => Err(error),
                None => self.put_part(range.clone()).await,
            };
            match outcome {
                Ok(rejected) => {
                    for rejected in rejected {
                        self.reject(range.start + rejected.index, rejected.error, lifecycle).await?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Record && range.len() == 1 => {
                    self.reject(range.start, error, lifecycle).await?;
                }
                Err(error) if error.kind() == ErrorKind::Record && !range.is_empty() => {
                    let middle = range.start + range.len() / 2;
                    parts.push((middle..range.end, None));
                    parts.push((range.start..middle, None));
                }
                Err(error) if error.kind() == ErrorKind::Retriable => {
                    self.batch.records.drain(..range.start);
                    return self.put_later(&error);
                }
                Err(error) => return Err(unrecoverable(error)),
            }
            if lifecycle.stopping() {
                return Err(Error::cancelled());
            }
        }
        self.delivered()
    }

    async fn put_part(&mut self, range: Range<usize>) -> Result<Vec<raccord_plugin::Rejected>> {
        let part = SinkBatch {
            partitions: self.batch.partitions.clone(),
            records: self.batch.records[range].to_vec(),
        };
        self.task.put(&part).await
    }
}

/// Which record it is, without its values, in the words of Connect's log.
fn place(fetched: &Fetched, index: usize) -> String {
    let record = &fetched.records[index];
    let TopicPartition { topic, partition } = &fetched.partitions[record.stream as usize];
    let timestamp = record.timestamp.map_or_else(String::new, |timestamp| {
        let kind = if record.log_append_time { "LogAppendTime" } else { "CreateTime" };
        format!(", timestamp={timestamp}, timestampType={kind}")
    });
    format!(
        "consumed record is {{topic='{topic}', partition={partition}, offset={}{timestamp}}}",
        record.offset
    )
}
