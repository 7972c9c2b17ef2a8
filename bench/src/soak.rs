//! A file flows through Kafka into a file while worker and broker are killed at random; every line is counted.
//!
//! The rule that is checked: walking through the sink's file, each line is either the successor of the highest line
//! seen so far, or one seen before (a duplicate, which at-least-once delivery allows after a crash). A line beyond the
//! successor is a loss or a reordering. At the end the highest line is the last one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::contestants::{Whose, scratch, write_lines};
use crate::stage::Stage;

/// How the soak runs.
#[derive(clap::Args)]
pub struct SoakArguments {
    /// Lines of 100 bytes.
    #[arg(long, default_value_t = 10_000_000)]
    lines: u64,
    /// How often worker or broker is killed.
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Chooses the times and the victims; printed, to run the same again.
    #[arg(long)]
    seed: Option<u64>,
    /// The broker: `raccord` or `apache`.
    #[arg(long, default_value = "raccord")]
    broker: String,
}

/// Offsets are committed every two seconds, so that a crash repeats what flowed in as many.
const COMMITS: &str = "offset.flush.interval.ms=2000\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Worker,
    Broker,
    Both,
}

/// Runs the soak and prints what was counted.
///
/// # Errors
/// When a line is lost or out of order, or the flow does not end.
#[allow(clippy::print_stdout, reason = "the answer of a command line tool")]
pub fn run(binary: &Path, arguments: &SoakArguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let mut random = StdRng::seed_from_u64(seed);
    eprintln!("soak: {} lines, {} kills, seed {seed}", arguments.lines, arguments.kills);
    let (_scratch, folder) = scratch()?;
    let (input, output) = (folder.join("in.txt"), folder.join("out.txt"));
    write_lines(&input, arguments.lines)?;
    let whose_broker = if arguments.broker == "apache" { Whose::Apache } else { Whose::Raccord };
    let mut stage = Stage::start(binary, &folder, whose_broker, COMMITS)?;
    let worker = stage.worker();
    let fast = json!({"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "1000"});
    let connector = |class: &str, file: &Path, key: &str| {
        let mut config = fast.clone();
        config["connector.class"] = class.into();
        config["file"] = json!(file);
        config[key] = "soak".into();
        config
    };
    let (source, sink) =
        (connector("FileStreamSource", &input, "topic"), connector("FileStreamSink", &output, "topics"));
    worker.put_connector("soak-source", &source)?;
    worker.put_connector("soak-sink", &sink)?;
    let begin = Instant::now();
    let mut reached = 0;
    let share = arguments.lines / u64::from(arguments.kills + 1);
    for kill in 1..=arguments.kills {
        // The next kill comes when a random further part of the file has flowed, so that kills spread over the run.
        let goal = share * u64::from(kill) - random.random_range(0..=share);
        wait_for(&stage, Duration::from_secs(240), || {
            reached = reached.max(last_number(&output));
            reached >= goal
        })?;
        std::thread::sleep(Duration::from_millis(random.random_range(0..700)));
        let victim = match random.random_range(0..5) {
            0 | 1 => Victim::Worker,
            2 | 3 => Victim::Broker,
            _ => Victim::Both,
        };
        eprintln!(
            "  kill {kill:>3} at {:>6.1}s, {:>5.1} % written: {victim:?}",
            begin.elapsed().as_secs_f64(),
            reached as f64 * 100.0 / arguments.lines as f64
        );
        stage.kill(victim != Victim::Worker, victim != Victim::Broker)?;
    }
    wait_for(&stage, Duration::from_secs(600), || last_number(&output) + 1 == arguments.lines)?;
    let counted = count(&output)?;
    println!(
        "soak: seed {seed}, {} kills, {:.0} s: {} lines arrived in order, {} duplicates, {} torn lines, none lost",
        arguments.kills,
        begin.elapsed().as_secs_f64(),
        counted.highest + 1,
        counted.duplicates,
        counted.torn
    );
    Ok(())
}

fn wait_for(stage: &Stage<'_>, patience: Duration, mut done: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > patience {
            bail!("nothing moved for {patience:?}\n{}", stage.trouble(&["soak-source", "soak-sink"]));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The number of the line that the file ends with; 0 while it ends in half a line.
fn last_number(path: &Path) -> u64 {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-100))?;
        let mut line = Vec::new();
        file.read_to_end(&mut line)?;
        Ok(line)
    };
    read().ok().and_then(|line| number(&line)).unwrap_or(0)
}

/// The number of a whole line.
fn number(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() == 100 && text.ends_with('\n'))?;
    text[..12].parse().ok()
}

struct Counted {
    highest: u64,
    duplicates: u64,
    torn: u64,
}

fn count(output: &Path) -> Result<Counted> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(output)?);
    let mut line = Vec::new();
    let mut next = 0;
    let mut counted = Counted { highest: 0, duplicates: 0, torn: 0 };
    for at in 0_u64.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // A kill inside a write can leave a part of a line; the whole line follows again.
        match number(&line) {
            None => counted.torn += 1,
            Some(number) if number == next => next += 1,
            Some(number) if number < next => counted.duplicates += 1,
            Some(number) => bail!("line {at} of the output is number {number}, but {next} has not come yet"),
        }
    }
    if next == 0 {
        bail!("the output is empty");
    }
    counted.highest = next - 1;
    Ok(counted)
}
