//! Fuzzing with cargo-fuzz on the stable compiler, which is told to allow what fuzzing needs.

use anyhow::Result;

use crate::run::{command, step};

/// What to fuzz.
#[derive(clap::Args)]
pub struct Arguments {
    /// Minutes for each target
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Targets; all when none is named
    targets: Vec<String>,
}

/// Runs each target for that long; a finding fails the run and is left under fuzz/artifacts.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !command("cargo", &["fuzz", "--version"]).output().is_ok_and(|output| output.status.success()) {
        step("install cargo-fuzz", &mut command("cargo", &["install", "--locked", "--quiet", "cargo-fuzz"]))?;
    }
    let listed = command("cargo", &["fuzz", "list"]).output()?;
    let all = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
    let targets: Vec<String> = if arguments.targets.is_empty() { all } else { arguments.targets.clone() };
    for target in &targets {
        let time = format!("-max_total_time={}", arguments.minutes * 60);
        let mut fuzz = command("cargo", &["fuzz", "run", target, "--", &time, "-rss_limit_mb=4096"]);
        step(&format!("fuzz {target}"), fuzz.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    Ok(())
}
