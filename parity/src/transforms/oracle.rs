//! The program that applies the real transforms, as a child process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::peers::{Peers, write_log4j};

/// `parity/java/Transforms.java`, running. It ends with this value.
pub struct Oracle {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _folder: TempDir,
}

impl Oracle {
    /// Compiles the program and starts it.
    ///
    /// # Errors
    /// When the jars, `javac` or `java` are missing, or it does not compile.
    pub fn start() -> Result<Self> {
        let peers = Peers::find()?;
        let folder = tempfile::tempdir()?;
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/java");
        let compiled = Command::new("javac")
            .args(["-nowarn", "-cp", &format!("{}/*", peers.kafka().display()), "-d"])
            .arg(folder.path())
            .args([format!("{sources}/Description.java"), format!("{sources}/Transforms.java")])
            .output()
            .context("cannot run javac: install JDK 17")?;
        if !compiled.status.success() {
            bail!("Transforms.java does not compile: {}", String::from_utf8_lossy(&compiled.stderr));
        }
        let mut class_path =
            vec![folder.path().display().to_string(), format!("{}/*", peers.kafka().display())];
        for jars in peers.debezium()? {
            class_path.push(format!("{}/*", jars.display()));
        }
        let log4j = write_log4j(folder.path(), "ERROR")?;
        let mut child = peers
            .java(512, &log4j)
            .args(["-cp", &class_path.join(":"), "Transforms"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run java")?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the child's output is piped")?);
        Ok(Self { child, requests, answers, _folder: folder })
    }

    /// Asks one question.
    ///
    /// # Errors
    /// When the program has ended: the request was not of the form it reads.
    pub fn ask(&mut self, request: &Json) -> Result<Json> {
        let requests = self.requests.as_mut().context("the program takes requests until it is dropped")?;
        writeln!(requests, "{request}").context("the oracle has ended")?;
        requests.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the oracle ended at {request}");
        }
        serde_json::from_str(&line).with_context(|| format!("the oracle's answer {line}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.requests.take();
        // It ends at the end of its input; an error says that it had ended before.
        let _ = self.child.wait();
    }
}
