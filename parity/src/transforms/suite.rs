//! Scenarios written by hand, one file for each transform, and their recordings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use super::{Oracle, answer, compact, differs};
use crate::scenario::{recorded_dir, scenarios_dir};

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The oracle's answers are written down.
    Record,
    /// Ours with what was recorded.
    Recorded,
    /// Ours with the oracle.
    Live,
}

/// A file of requests.
#[derive(Debug)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// The requests in order.
    pub requests: Vec<Json>,
}

/// Reads the scenarios whose names contain one of the texts; all when there are none.
///
/// # Errors
/// When a file cannot be read or has another form than [`compact`] explains.
pub fn load(only: &[String]) -> Result<Vec<Scenario>> {
    let folder = scenarios_dir().join("transforms");
    let mut scenarios = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if only.is_empty() || only.iter().any(|text| name.contains(text)) {
            let text = fs::read_to_string(&path)?;
            let requests = serde_json::from_str(&text)
                .map_err(Into::into)
                .and_then(compact::requests)
                .with_context(|| path.display().to_string())?;
            scenarios.push(Scenario { name, requests });
        }
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

fn recording_path(name: &str) -> PathBuf {
    recorded_dir().join("transforms").join(format!("{name}.jsonl"))
}

/// The recorded requests and answers of a scenario.
///
/// # Errors
/// When there is no recording.
pub fn read_recording(name: &str) -> Result<Vec<Json>> {
    let path = recording_path(name);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{}: run with --record where a JVM is", path.display()))?;
    text.lines().map(|line| serde_json::from_str(line).context(path.display().to_string())).collect()
}

/// Runs the scenarios; whether all are equal.
///
/// # Errors
/// When the oracle or a recording is missing.
#[allow(clippy::print_stdout)] // A command-line program's report.
pub fn run(mode: Mode, only: &[String]) -> Result<bool> {
    let scenarios = load(only)?;
    if scenarios.is_empty() {
        bail!("no scenario is called like that");
    }
    let mut oracle = if mode == Mode::Recorded { None } else { Some(Oracle::start()?) };
    let (mut asked, mut records, mut differences) = (0, 0, 0);
    for scenario in &scenarios {
        let answers = match &mut oracle {
            Some(oracle) => {
                scenario.requests.iter().map(|request| oracle.ask(request)).collect::<Result<Vec<_>>>()?
            }
            None => recorded_answers(scenario)?,
        };
        if mode == Mode::Record {
            write_recording(&recording_path(&scenario.name), &scenario.requests, &answers)?;
        }
        let before = differences;
        for (index, (request, expect)) in scenario.requests.iter().zip(&answers).enumerate() {
            asked += 1;
            records += request["records"].as_array().map_or(0, Vec::len);
            if let Some(difference) = differs(request, expect, &answer(request)) {
                differences += 1;
                println!("{} {index}: {}\n  {difference}\n", scenario.name, request["config"]);
            }
        }
        println!("{}: {} chains, {} differ", scenario.name, answers.len(), differences - before);
    }
    println!("{asked} chains, {records} records, {differences} differences");
    Ok(differences == 0)
}

fn recorded_answers(scenario: &Scenario) -> Result<Vec<Json>> {
    let recording = read_recording(&scenario.name)?;
    let asked: Vec<&Json> = recording.iter().map(|line| &line["request"]).collect();
    if asked != scenario.requests.iter().collect::<Vec<_>>() {
        bail!("{} was changed: record it anew", scenario.name);
    }
    Ok(recording.into_iter().map(|mut line| line["answer"].take()).collect())
}

fn write_recording(path: &Path, requests: &[Json], answers: &[Json]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let lines = requests
        .iter()
        .zip(answers)
        .map(|(request, answer)| json!({ "request": request, "answer": answer }).to_string() + "\n");
    fs::write(path, lines.collect::<String>()).with_context(|| path.display().to_string())
}
