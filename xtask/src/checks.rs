//! What has to pass before anything lands.

use std::process::Command;

use anyhow::Result;

use crate::run::{command, root, step};

/// Format, lints, all tests, licences, and the recorded conversations with the real Kafka Connect.
pub fn test() -> Result<()> {
    step("format", &mut command("cargo", &["fmt", "--all", "--check"]))?;
    crate::peers::fetch()?;
    step(
        "lints",
        &mut command("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    step("tests", &mut command("cargo", &["test", "--workspace"]))?;
    step("build the binary", &mut command("cargo", &["build", "-p", "raccord", "-p", "raccord-parity"]))?;
    let binary = root().join("target/debug/raccord");
    let parity = root().join("target/debug/raccord-parity");
    let replay = |what: &str| {
        let mut command = Command::new(&parity);
        command.args([what, "--recorded", "--binary"]).arg(&binary).current_dir(root());
        step(&format!("recorded parity: {what}"), &mut command)
    };
    replay("rest")?;
    replay("pipelines")?;
    let mut transforms = Command::new(&parity);
    transforms.args(["transforms", "--recorded"]).current_dir(root());
    step("recorded parity: transforms", &mut transforms)?;
    deny(&["check", "licenses", "bans", "sources"])
}

/// cargo-deny, installed when it is missing.
pub fn deny(arguments: &[&str]) -> Result<()> {
    if !command("cargo", &["deny", "--version"]).output().is_ok_and(|output| output.status.success()) {
        step("install cargo-deny", &mut command("cargo", &["install", "--locked", "--quiet", "cargo-deny"]))?;
    }
    let mut deny = command("cargo", &["deny"]);
    step("licences and sources of dependencies", deny.args(arguments))
}

/// The reference pages are rewritten by the tests that hold them; a second run finds them in order.
pub fn docs() -> Result<()> {
    let packages = ["raccord-plugins", "raccord-runtime", "raccord-rest"];
    for package in packages {
        let outcome = command("cargo", &["test", "-q", "-p", package, "reference"]).status()?;
        if !outcome.success() {
            step("reference pages", &mut command("cargo", &["test", "-q", "-p", package, "reference"]))?;
        }
    }
    Ok(())
}
