//! CPU time, memory and wall time of processes, from what the kernel accounts.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What a stretch of work cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// From start to end.
    pub wall: Duration,
    /// User and system time of the process.
    pub cpu: Duration,
}

/// CPU time that a running process (all its threads) has used so far.
///
/// # Errors
/// When the process is gone.
pub fn cpu_of(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The command name may contain spaces; fields are counted behind its closing parenthesis (proc(5)).
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok(Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / ticks_per_second()))
}

#[allow(unsafe_code)]
fn ticks_per_second() -> f64 {
    // SAFETY: sysconf reads a constant of the system.
    (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }) as f64
}

/// Resident memory of a process in megabytes: now, and at its highest.
///
/// # Errors
/// When the process is gone.
pub fn memory_mb(pid: u32) -> Result<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let value = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1024.0)
    };
    Ok((value("VmRSS:").unwrap_or(0.0), value("VmHWM:").unwrap_or(0.0)))
}

/// Lets the highest resident memory be counted from now on.
pub fn reset_peak_memory(pid: u32) {
    // Where the kernel refuses, the peak since the start counts, which is never better.
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Runs a command to its end and says what it cost.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<Cost> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let before = children_cpu();
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let wall = start.elapsed();
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(Cost { wall, cpu: children_cpu() - before })
}

#[allow(unsafe_code)]
fn children_cpu() -> Duration {
    // SAFETY: getrusage fills the struct, whose fields are plain numbers.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let time = |value: libc::timeval| Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// The middle of the values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_cpu_time_of_a_child() {
        let cost = run(Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]))
            .unwrap();
        assert!(cost.cpu > Duration::from_millis(20), "{cost:?}");
        assert!(cpu_of(std::process::id()).is_ok());
        assert!(memory_mb(std::process::id()).unwrap().0 > 1.0);
    }

    #[test]
    fn median_of_odd_and_even() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
