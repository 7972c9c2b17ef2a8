//! Running other programs, seen on the terminal and timed.

use std::collections::VecDeque;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Arguments that are handed on as they are.
#[derive(clap::Args)]
pub struct Rest {
    /// Handed on
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Starts a command line in the workspace's root.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a step to its end and fails when it fails, with the lines of its output that tell why.
pub fn step(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n== {name}");
    let start = Instant::now();
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = running.with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let told = Arc::new(Mutex::new(VecDeque::new()));
    let readers = [
        pass_on(running.stdout.take(), std::io::stdout(), &told),
        pass_on(running.stderr.take(), std::io::stderr(), &told),
    ];
    let status = running.wait()?;
    // What the step has left running may hold its output open.
    let patience = Instant::now() + Duration::from_secs(2);
    while readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    if !status.success() {
        let told = Vec::from(std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner)));
        bail!("{name}: {status}\n{}", told.join("\n"));
    }
    eprintln!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Lines of which the last ones tell why a step failed.
const TELLING: [&str; 6] = ["rror", "FAILED", "panicked at", "failed", "Running ", "Doc-tests "];
/// How many of them are told, and how much of each: whoever reads it may see the end of a log only.
const TOLD: (usize, usize) = (6, 120);

/// Passes output on as it comes and keeps the last telling lines.
fn pass_on(
    from: Option<impl Read + Send + 'static>,
    mut to: impl Write + Send + 'static,
    told: &Arc<Mutex<VecDeque<String>>>,
) -> JoinHandle<()> {
    let told = told.clone();
    std::thread::spawn(move || {
        let Some(mut from) = from else { return };
        let (mut chunk, mut line) = ([0; 8192], Vec::new());
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            let _ = to.write_all(&chunk[..read]).and_then(|()| to.flush());
            for part in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    tell(&String::from_utf8_lossy(&line), &told);
                    line.clear();
                }
            }
        }
    })
}

fn tell(line: &str, told: &Mutex<VecDeque<String>>) {
    if !TELLING.iter().any(|word| line.contains(word)) {
        return;
    }
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    told.push_back(line.trim().chars().take(TOLD.1).collect());
    if told.len() > TOLD.0 {
        told.pop_front();
    }
}
