//! `-daemon`: the start scripts' way into the background.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Starts this program again without `--daemon`, in a process group of its own, with its output in `logs/<name>.out`
/// (`LOG_DIR` names another folder, as for the start scripts).
pub fn start(name: &str) -> Result<()> {
    let folder = std::env::var("LOG_DIR").unwrap_or_else(|_| "logs".to_owned());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {folder} for the output"))?;
    let path = format!("{folder}/{name}.out");
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {path}"))?;
    let arguments =
        std::env::args_os().skip(1).filter(|argument| argument != "--daemon" && argument != "-daemon");
    let mut command = Command::new(std::env::current_exe()?);
    // The name it was called by decides how its arguments are read.
    if let Some(called) = std::env::args_os().next() {
        command.arg0(called);
    }
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .context("cannot start in the background")?;
    println_pid(child.id(), &path);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the answer of a command line tool")]
fn println_pid(pid: u32, path: &str) {
    println!("started in the background: process {pid}, output in {path}");
}
