//! Where the real Kafka and Kafka Connect are, and how their programs are started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The version of Kafka and Kafka Connect that is the oracle.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The version of Debezium that is the oracle.
pub const DEBEZIUM_VERSION: &str = "3.3.2.Final";

/// The version of its scripting transforms, which are the same in both.
const DEBEZIUM_SCRIPTING_VERSION: &str = "3.3.1.Final";

/// The folder with the real systems, as `cargo xtask peers fetch` lays it out.
#[derive(Clone, Debug)]
pub struct Peers {
    root: PathBuf,
}

impl Peers {
    /// Looks in `$RACCORD_PEERS_DIR`, else in `.tools/peers` of the workspace.
    ///
    /// # Errors
    /// When the jars are not there; the message names the command that fetches them.
    pub fn find() -> Result<Peers> {
        let root = match std::env::var_os("RACCORD_PEERS_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/peers"),
        };
        let peers = Peers { root };
        for folder in [peers.kafka(), peers.plugin("file"), peers.plugin("basic-auth")] {
            if !folder.is_dir() {
                bail!(
                    "{} is missing: run `cargo xtask peers fetch` (needs JDK 17 and Maven)",
                    folder.display()
                );
            }
        }
        Ok(Peers { root: peers.root.canonicalize()? })
    }

    /// The folder with the jars of the broker, the Connect runtime and the tools.
    pub fn kafka(&self) -> PathBuf {
        self.root.join(format!("kafka-{KAFKA_VERSION}"))
    }

    /// The folder with the jars of one of Kafka's own plugins.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.root.join(format!("plugins/{name}-{KAFKA_VERSION}"))
    }

    /// The folders with the jars of Debezium: its connectors' transforms, then the scripting ones.
    ///
    /// # Errors
    /// When they are not there.
    pub fn debezium(&self) -> Result<Vec<PathBuf>> {
        let folders = [
            format!("plugins/debezium-postgres-{DEBEZIUM_VERSION}"),
            format!("plugins/debezium-scripting-{DEBEZIUM_SCRIPTING_VERSION}"),
        ];
        let folders: Vec<PathBuf> = folders.iter().map(|folder| self.root.join(folder)).collect();
        match folders.iter().find(|folder| !folder.is_dir()) {
            Some(missing) => bail!("{} is missing: run `cargo xtask peers fetch`", missing.display()),
            None => Ok(folders),
        }
    }

    /// `java` with Kafka's class path, a bounded heap and a quick start.
    pub fn java(&self, heap_mb: u32, log4j: &Path) -> Command {
        let mut command = Command::new("java");
        command.arg(format!("-Xmx{heap_mb}m")).args([
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xshare:auto",
        ]);
        command.arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
        command.args(["-Duser.timezone=UTC", "-Duser.language=en", "-Dfile.encoding=UTF-8"]);
        // As in Kafka's own distribution, the basic authentication extension is beside the runtime, not a plugin: in
        // a plugin folder its copy of the JAX-RS interfaces would clash with the server's.
        let extension = format!("connect-basic-auth-extension-{KAFKA_VERSION}.jar");
        let extension = self.plugin("basic-auth").join(extension);
        command.arg("-cp").arg(format!("{}/*:{}", self.kafka().display(), extension.display()));
        command.env_remove("KAFKA_OPTS").env_remove("JAVA_TOOL_OPTIONS").env("LC_ALL", "C.UTF-8");
        command
    }
}

/// Writes a Log4j configuration that prints a level and worse, as Kafka's own one does for INFO.
///
/// # Errors
/// When the file cannot be written.
pub fn write_log4j(folder: &Path, level: &str) -> Result<PathBuf> {
    let path = folder.join("log4j2.properties");
    let text = format!(
        "rootLogger.level={level}\nrootLogger.appenderRefs=o\nrootLogger.appenderRef.o.ref=O\n\
         appender.o.type=Console\nappender.o.name=O\nappender.o.target=SYSTEM_ERR\n\
         appender.o.layout.type=PatternLayout\nappender.o.layout.pattern=%d %p %c{{1}} %m%n\n"
    );
    std::fs::write(&path, text)?;
    Ok(path)
}
