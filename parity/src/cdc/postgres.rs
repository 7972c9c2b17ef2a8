//! A PostgreSQL server for the run: the newest that is installed, with its data in a folder of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Process, free_port};

/// The user that owns the server; PostgreSQL refuses to run as root.
const OWNER: &str = "postgres";

/// A running server. Everybody may log in as `postgres`.
pub struct Postgres {
    _process: Process,
    data: tempfile::TempDir,
    /// The port on 127.0.0.1.
    pub port: u16,
}

impl Postgres {
    /// Makes a cluster and starts the server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; `make setup` installs it.
    pub fn start(log_folder: &Path) -> Result<Postgres> {
        Self::start_with(log_folder, &[])
    }

    /// As [`start`](Self::start), with further settings (`name=value`).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(log_folder: &Path, settings: &[&str]) -> Result<Postgres> {
        let programs = newest()?;
        let data = tempfile::Builder::new().prefix("raccord-parity-pg-").tempdir()?;
        std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700))?;
        if is_root() {
            check(Command::new("chown").arg(OWNER).arg(data.path()).output()?, "chown")?;
        }
        let cluster = data.path().join("cluster");
        let mut init = as_owner(&programs.join("initdb"));
        init.arg("-D").arg(&cluster);
        init.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        check(init.output().context("cannot run initdb")?, "initdb")?;
        let port = free_port()?;
        let mut server = as_owner(&programs.join("postgres"));
        server.arg("-D").arg(&cluster).args(["-p", &port.to_string()]);
        for setting in [
            "wal_level=logical",
            "max_replication_slots=100",
            "max_wal_senders=20",
            "max_connections=60",
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "timezone=UTC",
            "autovacuum=off",
        ]
        .iter()
        .chain(settings)
        {
            server.args(["-c", setting]);
        }
        server.arg("-c").arg(format!("unix_socket_directories={}", data.path().display()));
        let process = Process::start("PostgreSQL", &mut server, &log_folder.join("postgres.log"))?;
        let postgres = Postgres { _process: process, data, port };
        postgres
            ._process
            .wait_until(Duration::from_secs(30), || postgres.run("postgres", "SELECT 1").is_ok())?;
        Ok(postgres)
    }

    /// Makes a fresh database of that name.
    ///
    /// # Errors
    /// When the old one cannot be dropped.
    pub fn fresh_database(&self, name: &str) -> Result<()> {
        self.drop_slots(name)?;
        self.run("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))?;
        self.run("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")).map(drop)
    }

    /// Drops the slots of a database, waiting until nobody uses them.
    ///
    /// # Errors
    /// When one stays in use.
    pub fn drop_slots(&self, database: &str) -> Result<()> {
        let drop_all = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '{database}' AND active; \
             SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{database}'"
        );
        for _ in 0..50 {
            if self.run("postgres", &drop_all).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("a slot of {database} stays in use")
    }

    /// Runs statements in one session and gives what they print, rows in lines.
    ///
    /// # Errors
    /// What psql says.
    pub fn run(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.psql(database);
        psql.args(["-c", sql]);
        let output = check(psql.output().context("cannot run psql: run `make setup`")?, "psql")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a file, each statement by itself.
    ///
    /// # Errors
    /// What psql says.
    pub fn run_file(&self, database: &str, file: &Path) -> Result<()> {
        let mut psql = self.psql(database);
        psql.arg("-f").arg(file);
        check(psql.output().context("cannot run psql: run `make setup`")?, "psql").map(drop)
    }

    /// A client that reads statements from its standard input.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        psql.args(["-p", &self.port.to_string(), "-d", database])
            .env("PGOPTIONS", "-c client_min_messages=warning");
        psql.stdin(Stdio::null());
        psql
    }

    /// Where the server's data is.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }
}

/// The folder with the programs of the newest PostgreSQL that is installed.
///
/// # Errors
/// When there is none.
pub fn newest() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    if let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") {
        for entry in entries.flatten() {
            let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            versions.push((version, entry.path().join("bin")));
        }
    }
    versions.sort();
    versions.pop().map(|(_, path)| path).context("no PostgreSQL below /usr/lib/postgresql: run `make setup`")
}

#[allow(unsafe_code)]
fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// The program as its owner, which dies with this process: the wish to do so is lost when the user changes, so
/// `setpriv` states it once more.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", OWNER, "--regid", OWNER, "--clear-groups", "--pdeathsig", "KILL", "--"])
        .arg(program);
    command.current_dir("/");
    command
}

fn check(output: Output, program: &str) -> Result<Output> {
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}
