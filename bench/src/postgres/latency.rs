//! From a commit to a record that a consumer has: a few rows a second, and half of what a contestant can do.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::capture::{Capture, contestant};
use super::drain;
use super::stage::{DATABASE, Stage, insert_bookings};
use crate::report::Report;

/// Rows a second when there is little to do, each a transaction.
const FEW: f64 = 50.0;
/// Transactions a second under load.
const LOADED: f64 = 20.0;
/// What the note of a sample begins with.
const SAMPLE: &str = "\"sample ";
/// How long the last samples may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both, one after the other, idle and under load.
///
/// # Errors
/// When a contestant fails, or no backlog was drained before, which says what half the load is.
pub fn run(stage: &Stage, seconds: u64, report: &mut Report) -> Result<()> {
    for &whose in stage.contestants() {
        stage.fresh_schema()?;
        let capture = Capture::new(stage, whose, "latency");
        capture.create(&[])?;
        capture.streams()?;
        let half = report.median(drain::RATE, contestant(whose)) / 2.0;
        if half.is_nan() {
            bail!("latency under load needs the benchmark drain before it");
        }
        for (load, ticks, rows) in [("50 rows/s", FEW, 1), ("half its rate", LOADED, (half / LOADED) as u64)]
        {
            let mut latencies = sample(stage, &capture, seconds, ticks, rows)?;
            latencies.sort_by(f64::total_cmp);
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                let place = ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len()) - 1;
                let figure = format!("commit to readable at {load}, {name}, ms");
                report.add(&figure, contestant(whose), latencies[place]);
            }
        }
        capture.delete()?;
    }
    report.at_most("commit to readable at 50 rows/s, p99, ms", "raccord", 15.0);
    report.at_most("commit to readable at half its rate, p99, ms", "raccord", 250.0);
    Ok(())
}

/// Commits so many transactions a second of so many rows and gives the latencies of their last rows in milliseconds.
/// Time runs from before the statement is sent, so it includes the statement.
fn sample(stage: &Stage, capture: &Capture<'_>, seconds: u64, ticks: f64, rows: u64) -> Result<Vec<f64>> {
    let mut reader = Reader::at_end(stage, &capture.topic("bookings"))?;
    let mut client = Client::start(stage)?;
    let count = (seconds as f64 * ticks) as u64;
    let done = AtomicBool::new(false);
    let (sent, read) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| reader.samples(count, &done));
        let sent = client.commit(count, ticks, rows);
        done.store(true, Ordering::Relaxed);
        let read = reading.join().map_err(|_| anyhow!("the reader panicked"))?;
        Ok::<_, anyhow::Error>((sent?, read?))
    })?;
    client.end()?;
    let missing = || anyhow!("not all samples arrived:\n{}", capture.worker().process.log_tail());
    let latency = |(number, sent): (u64, &Instant)| {
        Ok(read.get(&number).ok_or_else(missing)?.duration_since(*sent).as_secs_f64() * 1e3)
    };
    (0..).zip(&sent).map(latency).collect()
}

/// A session that is open all the time.
struct Client {
    psql: Child,
    input: ChildStdin,
    next_id: i64,
}

impl Client {
    fn start(stage: &Stage) -> Result<Self> {
        let next_id = stage.sql("SELECT max(booking_id) + 1 FROM banking.bookings")?.trim().parse()?;
        let mut command = stage.postgres.client().command(DATABASE);
        let mut psql = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = psql.stdin.take().context("psql has no input")?;
        // Logging in is not what is measured. Later answers are not looked at.
        writeln!(input, "SELECT 'there';\n\\o /dev/null")?;
        let answers = psql.stdout.take().context("psql has no output")?;
        BufReader::new(answers).read_line(&mut String::new())?;
        Ok(Self { psql, input, next_id })
    }

    fn commit(&mut self, count: u64, ticks: f64, rows: u64) -> Result<Vec<Instant>> {
        let start = Instant::now();
        let mut sent = Vec::with_capacity(count as usize);
        for number in 0..count {
            let due = start + Duration::from_secs_f64(number as f64 / ticks);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let last = self.next_id + rows as i64 - 1;
            let insert = insert_bookings(&self.next_id.to_string(), &last.to_string());
            let note = format!("CASE WHEN i = {last} THEN 'sample {number} ' ELSE 'booking ' END");
            let insert = insert.replace("'booking number '", &note).replace('\n', " ");
            self.next_id += rows as i64;
            sent.push(Instant::now());
            writeln!(self.input, "{insert};")?;
        }
        Ok(sent)
    }

    fn end(mut self) -> Result<()> {
        drop(self.input);
        match self.psql.wait()?.success() {
            true => Ok(()),
            false => bail!("psql failed"),
        }
    }
}

/// A consumer of one topic from its end on.
struct Reader(BaseConsumer);

impl Reader {
    fn at_end(stage: &Stage, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &stage.broker.bootstrap)
            .set("group.id", "latency")
            .set("enable.auto.commit", "false")
            .create()?;
        let (_, end) = consumer.fetch_watermarks(topic, 0, PATIENCE)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(end))?;
        consumer.assign(&list)?;
        // The first fetch is under way before the first sample.
        let _ = consumer.poll(Duration::from_secs(1));
        Ok(Self(consumer))
    }

    /// When each sample came.
    fn samples(&mut self, count: u64, sent: &AtomicBool) -> Result<HashMap<u64, Instant>> {
        let mut read = HashMap::new();
        let mut patience = Instant::now() + PATIENCE;
        while (read.len() as u64) < count {
            if !sent.load(Ordering::Relaxed) {
                patience = Instant::now() + PATIENCE;
            } else if Instant::now() > patience {
                break;
            }
            let Some(message) = self.0.poll(Duration::from_millis(100)) else { continue };
            let message = message?;
            let text = String::from_utf8_lossy(message.payload().unwrap_or_default());
            let Some(place) = text.find(SAMPLE) else { continue };
            let digits = text[place + SAMPLE.len()..].split(' ').next().unwrap_or_default();
            read.insert(digits.parse()?, Instant::now());
        }
        Ok(read)
    }
}
