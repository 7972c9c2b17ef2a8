//! A PostgreSQL server for the run: the newest that is installed, with its data in a folder of its own.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indexmap::IndexMap;

use crate::process::{Process, free_port};

/// The user that owns the server; PostgreSQL refuses to run as root.
const OWNER: &str = "postgres";

/// A running server. Everybody may log in as `postgres`.
pub struct Postgres {
    process: Option<Process>,
    programs: PathBuf,
    settings: Vec<String>,
    log: PathBuf,
    data: tempfile::TempDir,
    /// The port on 127.0.0.1.
    pub port: u16,
}

impl Postgres {
    /// What every connector of a database of this server is configured with.
    pub fn connector_config(
        &self,
        database: &str,
        prefix: &str,
        slot: &str,
        poll_interval_ms: u32,
    ) -> IndexMap<String, String> {
        let config = [
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
            ("tasks.max", "1"),
            ("database.hostname", "127.0.0.1"),
            ("database.port", &self.port.to_string()),
            ("database.user", "postgres"),
            ("database.password", "postgres"),
            ("database.dbname", database),
            ("topic.prefix", prefix),
            ("plugin.name", "pgoutput"),
            ("slot.name", slot),
            ("poll.interval.ms", &poll_interval_ms.to_string()),
            ("header.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ];
        config.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Makes a cluster of the newest installed version and starts the server.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; `make setup` installs it.
    pub fn start(log_folder: &Path) -> Result<Postgres> {
        Self::start_with(&newest()?, log_folder, &[])
    }

    /// The same with the programs in that folder and with further settings (`name=value`).
    ///
    /// # Errors
    /// When the server does not start.
    pub fn start_with(programs: &Path, log_folder: &Path, settings: &[&str]) -> Result<Postgres> {
        let data = tempfile::Builder::new().prefix("raccord-parity-pg-").tempdir()?;
        std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700))?;
        if is_root() {
            check(Command::new("chown").arg(OWNER).arg(data.path()).output()?, "chown")?;
        }
        let mut init = as_owner(&programs.join("initdb"));
        init.arg("-D").arg(data.path().join("cluster"));
        init.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        check(init.output().context("cannot run initdb")?, "initdb")?;
        let mut postgres = Postgres {
            process: None,
            programs: programs.to_owned(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            log: log_folder.join("postgres.log"),
            data,
            port: free_port()?,
        };
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts the server on the cluster that is there.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let process = Process::start("PostgreSQL", &mut self.server(), &self.log)?;
            let ready =
                process.wait_until(Duration::from_secs(30), || self.run("postgres", "SELECT 1").is_ok());
            match ready {
                Ok(()) => {
                    self.process = Some(process);
                    return Ok(());
                }
                // Children of a server that was killed hold its memory until they have noticed.
                Err(_) if begin.elapsed() < Duration::from_secs(30) => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills the server as `kill -9` does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |process| process.kill_hard())
    }

    fn server(&self) -> Command {
        let mut server = as_owner(&self.programs.join("postgres"));
        server.arg("-D").arg(self.data.path().join("cluster")).args(["-p", &self.port.to_string()]);
        let settings = self.settings.iter().map(String::as_str);
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
        .into_iter()
        .chain(settings)
        {
            server.args(["-c", setting]);
        }
        server.arg("-c").arg(format!("unix_socket_directories={}", self.data.path().display()));
        server
    }

    /// Makes a fresh database of that name.
    ///
    /// # Errors
    /// When the old one cannot be dropped.
    pub fn fresh_database(&self, name: &str) -> Result<()> {
        self.database_from(name, "template0")
    }

    /// Makes a fresh database of that name, with everything that another one has.
    ///
    /// # Errors
    /// When the old one cannot be dropped, or the other one is in use.
    pub fn database_from(&self, name: &str, template: &str) -> Result<()> {
        self.drop_database(name)?;
        self.run("postgres", &format!("CREATE DATABASE \"{name}\" TEMPLATE {template}")).map(drop)
    }

    /// Drops a database with its slots and sessions.
    ///
    /// # Errors
    /// When a slot stays in use.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.drop_slots(name)?;
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        self.run("postgres", &end)?;
        self.run("postgres", &format!("DROP DATABASE IF EXISTS \"{name}\"")).map(drop)
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

    /// Whether a stream of the slot has begun. A slot is active while it is made as well, before a snapshot.
    ///
    /// # Errors
    /// What the server says.
    pub fn streams(&self, slot: &str) -> Result<bool> {
        let select = format!(
            "SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid \
             WHERE slot_name = '{slot}' AND state IN ('catchup', 'streaming')"
        );
        Ok(self.run("postgres", &select)?.trim() == "1")
    }

    /// Runs statements in one session and gives what they print, rows in lines.
    ///
    /// # Errors
    /// What psql says.
    pub fn run(&self, database: &str, sql: &str) -> Result<String> {
        self.client().run(database, sql)
    }

    /// Runs a file, each statement by itself.
    ///
    /// # Errors
    /// What psql says.
    pub fn run_file(&self, database: &str, file: &Path) -> Result<()> {
        self.client().run_file(database, file)
    }

    /// A client, which outlives the server and can be given to other threads.
    pub fn client(&self) -> Psql {
        Psql { port: self.port }
    }

    /// Where the server's data is.
    pub fn folder(&self) -> &Path {
        self.data.path()
    }
}

/// psql as the superuser of a server.
#[derive(Clone, Copy, Debug)]
pub struct Psql {
    port: u16,
}

impl Psql {
    /// Runs statements in one session and gives what they print, rows in lines.
    ///
    /// # Errors
    /// What psql says.
    pub fn run(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.command(database);
        psql.args(["-c", sql]);
        let output = check(psql.output().context("cannot run psql: run `make setup`")?, "psql")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a file, each statement by itself.
    ///
    /// # Errors
    /// What psql says.
    pub fn run_file(&self, database: &str, file: &Path) -> Result<()> {
        let mut psql = self.command(database);
        psql.arg("-f").arg(file);
        check(psql.output().context("cannot run psql: run `make setup`")?, "psql").map(drop)
    }

    /// Runs a script of psql. A statement that fails leaves the others as they are, in its transaction as well; gives
    /// what psql says about those that failed.
    ///
    /// # Errors
    /// When psql cannot be run.
    pub fn run_script(&self, database: &str, script: &str) -> Result<String> {
        let mut psql = self.command(database);
        psql.args(["-v", "ON_ERROR_STOP=0", "-v", "ON_ERROR_ROLLBACK=on", "-f", "-"]);
        psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = psql.spawn().context("cannot run psql: run `make setup`")?;
        let mut stdin = child.stdin.take().context("psql has no input")?;
        stdin.write_all(script.as_bytes())?;
        drop(stdin);
        Ok(String::from_utf8_lossy(&child.wait_with_output()?.stderr).into_owned())
    }

    /// A client that reads statements from its standard input.
    pub fn command(&self, database: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        psql.args(["-p", &self.port.to_string(), "-d", database])
            .env("PGOPTIONS", "-c client_min_messages=warning");
        psql.stdin(Stdio::null());
        psql
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

/// The version of the programs in that folder, or of the newest that are installed.
///
/// # Errors
/// When they cannot be run.
pub fn version(programs: Option<&Path>) -> Result<String> {
    let programs = programs.map_or_else(newest, |programs| Ok(programs.to_owned()))?;
    let output =
        Command::new(programs.join("postgres")).arg("--version").output().context("cannot run postgres")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    number.map(str::to_owned).context("postgres does not tell its version")
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
