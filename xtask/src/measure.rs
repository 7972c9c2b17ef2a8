//! The long comparisons with the real systems, on a release build.

use anyhow::Result;

use crate::run::{Rest, command, root, step};

fn release_build() -> Result<()> {
    let packages = ["build", "--release", "-p", "raccord", "-p", "raccord-bench", "-p", "raccord-parity"];
    step("release build", &mut command("cargo", &packages))
}

/// Both workers live, conversations and pipelines.
pub fn parity(rest: &Rest) -> Result<()> {
    crate::peers::fetch()?;
    release_build()?;
    for what in ["rest", "pipelines"] {
        let mut parity = command("target/release/raccord-parity", &[what, "--live", "--binary"]);
        parity.arg(root().join("target/release/raccord")).args(&rest.arguments);
        step(&format!("live parity: {what}"), &mut parity)?;
    }
    for (what, arguments) in [
        ("transforms", &["transforms", "--live"][..]),
        ("random chains", &["chains", "--live", "--count", "2000"]),
    ] {
        step(&format!("live parity: {what}"), &mut command("target/release/raccord-parity", arguments))?;
    }
    Ok(())
}

/// A command of the benchmark program.
pub fn bench(what: &str, rest: &Rest) -> Result<()> {
    crate::peers::fetch()?;
    release_build()?;
    let mut bench = command("target/release/raccord-bench", &[what, "--binary", "target/release/raccord"]);
    step(what, bench.args(&rest.arguments))
}
