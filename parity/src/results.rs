//! The figures of runs, by date, in a folder that is kept.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

/// Day and time as in the names of other results, such as `2026-11-24-0514`.
///
/// # Errors
/// When `date` cannot be run.
pub fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d-%H%M"]).output().context("cannot run date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes figures to `<date>-<name>.json` of that folder, if there is one.
///
/// # Errors
/// When the file cannot be written.
pub fn write(folder: Option<&Path>, date: &str, name: &str, figures: &impl Serialize) -> Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    let file = folder.join(format!("{date}-{name}.json"));
    fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(figures)? + "\n";
    fs::write(&file, text).with_context(|| file.display().to_string())
}
