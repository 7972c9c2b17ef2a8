//! The long comparisons with the real systems, on a release build.

use anyhow::Result;

use crate::run::{Rest, command, root, step};

const RACCORD: &str = "target/release/raccord";
/// Where figures of comparisons are kept.
const RESULTS: &str = "parity/results";

fn release_build() -> Result<()> {
    let packages = ["build", "--release", "-p", "raccord", "-p", "raccord-bench", "-p", "raccord-parity"];
    step("release build", &mut command("cargo", &packages))
}

/// Both workers live: conversations, pipelines, captured databases.
pub fn parity(rest: &Rest) -> Result<()> {
    crate::peers::fetch()?;
    release_build()?;
    for what in ["rest", "pipelines", "cdc"] {
        let mut parity = command("target/release/raccord-parity", &[what, "--live", "--binary"]);
        parity.arg(root().join("target/release/raccord")).args(&rest.arguments);
        step(&format!("live parity: {what}"), &mut parity)?;
    }
    for (what, arguments) in [
        (
            "random captured databases",
            &["cdc-random", "--live", "--count", "200", "--binary", RACCORD, "--results", RESULTS][..],
        ),
        (
            "takeovers of a captured database",
            &["cdc-takeover", "--live", "--count", "8", "--binary", RACCORD, "--results", RESULTS],
        ),
        ("transforms", &["transforms", "--live"]),
        ("random chains", &["chains", "--live", "--count", "2500", "--results", RESULTS]),
    ] {
        step(&format!("live parity: {what}"), &mut command("target/release/raccord-parity", arguments))?;
    }
    java_library("RegexCorpus", "raccord-config", "java_regex", "RACCORD_REGEX_CORPUS")?;
    java_library("DateFormatCorpus", "raccord-transforms", "date_format", "RACCORD_DATE_CORPUS")
}

/// Compares with what Java's own library makes of random inputs, of a new seed each time.
fn java_library(program: &str, package: &str, test: &str, folder_variable: &str) -> Result<()> {
    let seed = std::process::id().to_string();
    let folder = root().join("target/live").join(program);
    let folder = folder.to_string_lossy();
    let source = format!("parity/java/{program}.java");
    step(
        &format!("{program} of seed {seed}"),
        &mut command("java", &["-Xmx512m", &source, &folder, &seed, "5000"]),
    )?;
    let mut replay = command("cargo", &["test", "--release", "-p", package, "--test", test, "random"]);
    step(&format!("live parity: {test}"), replay.env(folder_variable, &*folder))
}

/// The benchmarks: those that the first argument names (`run`, `transforms`, `postgres`), or all of them.
pub fn benches(rest: &Rest) -> Result<()> {
    const ALL: [&str; 3] = ["run", "transforms", "postgres"];
    match rest.arguments.split_first() {
        Some((first, arguments)) if ALL.contains(&first.as_str()) => {
            bench(first, &Rest { arguments: arguments.to_vec() })
        }
        Some(_) => bench("run", rest),
        None => ALL.iter().try_for_each(|what| bench(what, rest)),
    }
}

/// Kills under load: of what moves a file, then of what captures a database.
pub fn soak(rest: &Rest) -> Result<()> {
    bench("soak", rest)?;
    let arguments = ["soak-postgres", "--binary", "target/release/raccord"];
    step("soak of PostgreSQL", &mut command("target/release/raccord-bench", &arguments))
}

/// A command of the benchmark program.
pub fn bench(what: &str, rest: &Rest) -> Result<()> {
    crate::peers::fetch()?;
    release_build()?;
    let mut bench = command("target/release/raccord-bench", &[what, "--binary", "target/release/raccord"]);
    step(what, bench.args(&rest.arguments))
}
