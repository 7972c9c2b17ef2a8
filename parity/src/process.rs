//! Child processes that never outlive the run.
//!
//! A harness that leaves brokers and workers behind after a failed assertion, a Ctrl-C or its own death makes the next
//! run lie. So each child is killed when its handle is dropped (also while a panic unwinds), when the harness gets
//! SIGINT or SIGTERM, and by the kernel when the harness dies without a chance to do it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

type Shared = Arc<Mutex<Child>>;

/// What has to go when the harness is interrupted: children that run, and scratch folders.
static LIVING: Mutex<(Vec<Shared>, Vec<PathBuf>)> = Mutex::new((Vec::new(), Vec::new()));
static SIGNALS: Once = Once::new();

/// A running child; dropping it kills it.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Shared,
}

impl Process {
    /// Starts a program with its output in `log`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Process> {
        watch_signals();
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        die_with_parent(command);
        let child =
            command.spawn().with_context(|| format!("cannot start {name}: {:?}", command.get_program()))?;
        let child = Arc::new(Mutex::new(child));
        lock(&LIVING).0.push(Arc::clone(&child));
        Ok(Process { name: name.to_owned(), log: log.to_owned(), child })
    }

    /// Waits until `ready` says yes; fails at once, with the end of the log, when the program ends before.
    ///
    /// # Errors
    /// When the program ends, or is not ready within `limit`.
    pub fn wait_until(&self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = lock(&self.child).try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
            }
            if Instant::now() > end {
                bail!("{} was not ready after {limit:?}:\n{}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill_hard(&self) -> Result<()> {
        let mut child = lock(&self.child);
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// The last lines of the program's output.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&self.child);
        lock(&LIVING).0.retain(|child| !Arc::ptr_eq(child, &self.child));
    }
}

/// A folder that is removed with everything in it at the end, however the end comes about.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a new empty folder below the system's temporary folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new() -> Result<Scratch> {
        watch_signals();
        let path = tempfile::Builder::new().prefix("raccord-parity-").tempdir()?.keep();
        lock(&LIVING).1.push(path.clone());
        Ok(Scratch(path))
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        lock(&LIVING).1.retain(|path| *path != self.0);
        if std::env::var_os("RACCORD_PARITY_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A TCP port of the loopback interface that nobody listens on.
///
/// # Errors
/// When the system has none left.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kill(child: &Shared) {
    let mut child = lock(child);
    let _ = child.kill();
    let _ = child.wait();
}

fn watch_signals() {
    SIGNALS.call_once(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        std::thread::spawn(move || {
            runtime.block_on(async {
                let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                    .expect("SIGTERM can be watched");
                tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = term.recv() => {} }
            });
            let (children, folders) = std::mem::take(&mut *lock(&LIVING));
            children.iter().for_each(kill);
            for folder in folders {
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(130);
        });
    });
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}
