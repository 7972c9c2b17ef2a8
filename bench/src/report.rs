//! All raw figures of a run as JSON, and the medians and ratios as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;

use crate::measure::median;

/// A figure that must hold: `contestant`'s median against a fixed limit or against another contestant's median.
#[derive(Clone, Debug, Serialize)]
struct Bar {
    figure: String,
    contestant: String,
    against: String,
    limit: f64,
    measured: f64,
    holds: bool,
}

/// What a run found.
#[derive(Serialize)]
pub struct Report {
    lines: u64,
    rounds: usize,
    machine: String,
    date: String,
    /// figure -> contestant -> one value for each round.
    figures: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    bars: Vec<Bar>,
}

impl Report {
    /// An empty report.
    pub fn new(lines: u64, rounds: usize) -> Self {
        Self { lines, rounds, machine: machine(), date: date(), figures: BTreeMap::new(), bars: Vec::new() }
    }

    /// Adds a value of one round and says it on the terminal.
    pub fn add(&mut self, figure: &str, contestant: &str, value: f64) {
        eprintln!("  {figure:<44} {contestant:<14} {value:>14.3}");
        self.figures
            .entry(figure.to_owned())
            .or_default()
            .entry(contestant.to_owned())
            .or_default()
            .push(value);
    }

    /// The median of what was added; not a number when nothing was.
    pub fn median(&self, figure: &str, contestant: &str) -> f64 {
        self.figures.get(figure).and_then(|by| by.get(contestant)).map_or(f64::NAN, |values| median(values))
    }

    /// Demands that the median is at most that.
    pub fn at_most(&mut self, figure: &str, contestant: &str, limit: f64) {
        let measured = self.median(figure, contestant);
        self.bar(figure, contestant, "at most", limit, measured, measured <= limit);
    }

    /// Demands that the median is at least that.
    pub fn at_least(&mut self, figure: &str, contestant: &str, limit: f64) {
        let measured = self.median(figure, contestant);
        self.bar(figure, contestant, "at least", limit, measured, measured >= limit);
    }

    /// Demands that the median is at least that share of another contestant's.
    pub fn at_least_of(&mut self, figure: &str, contestant: &str, other: &str, share: f64) {
        let measured = self.median(figure, contestant) / self.median(figure, other);
        self.bar(figure, contestant, &format!("of {other}, at least"), share, measured, measured >= share);
    }

    fn bar(&mut self, figure: &str, contestant: &str, against: &str, limit: f64, measured: f64, holds: bool) {
        self.bars.push(Bar {
            figure: figure.to_owned(),
            contestant: contestant.to_owned(),
            against: against.to_owned(),
            limit,
            measured,
            holds,
        });
    }

    /// Prints the tables and writes both files.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn finish(&self, folder: &Path) -> Result<()> {
        let markdown = self.markdown();
        std::fs::create_dir_all(folder)?;
        std::fs::write(
            folder.join(format!("{}.json", self.date)),
            serde_json::to_string_pretty(self)? + "\n",
        )?;
        std::fs::write(folder.join(format!("{}.md", self.date)), &markdown)?;
        eprintln!("\n{markdown}");
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "# Benchmark of {}\n\n{} records a round (lines of 100 bytes where files flow), {} rounds, medians. {}\n\n| figure | contestant | median | min | max |\n|---|---|--:|--:|--:|\n",
            self.date, self.lines, self.rounds, self.machine
        );
        for (figure, by) in &self.figures {
            for (contestant, values) in by {
                let least = values.iter().copied().fold(f64::INFINITY, f64::min);
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let _ = writeln!(
                    text,
                    "| {figure} | {contestant} | {:.3} | {least:.3} | {most:.3} |",
                    median(values)
                );
            }
        }
        text.push_str("\n| must hold | limit | measured | |\n|---|--:|--:|---|\n");
        for bar in &self.bars {
            let _ = writeln!(
                text,
                "| {} of {}, {} | {} | {:.3} | {} |",
                bar.figure,
                bar.contestant,
                bar.against,
                bar.limit,
                bar.measured,
                if bar.holds { "holds" } else { "**short**" }
            );
        }
        text
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {}.", model.trim_start_matches(['\t', ' ', ':']))
}

fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d-%H%M"]).output();
    output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string(),
        |text| text.trim().to_owned(),
    )
}
