//! Rules of the workspace that no lint holds: who may use whom, and what files look like.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate of the product and the crates of the workspace that it may use, as ARCHITECTURE.md says.
const EDGES: &[(&str, &[&str])] = &[
    ("raccord-data", &[]),
    ("raccord-config-derive", &[]),
    ("raccord-config", &["raccord-config-derive"]),
    ("raccord-plugin", &["raccord-data", "raccord-config"]),
    ("raccord-converters", &["raccord-plugin", "raccord-data", "raccord-config"]),
    ("raccord-transforms", &["raccord-plugin", "raccord-data", "raccord-config"]),
    ("raccord-cdc", &["raccord-plugin", "raccord-data", "raccord-config"]),
    ("raccord-runtime", &["raccord-plugin", "raccord-data", "raccord-config"]),
    ("raccord-keystore", &["raccord-plugin"]),
    (
        "raccord-kafka",
        &["raccord-runtime", "raccord-keystore", "raccord-plugin", "raccord-data", "raccord-config"],
    ),
    ("raccord-rest", &["raccord-runtime", "raccord-keystore", "raccord-plugin", "raccord-config"]),
    ("raccord-console", &[]),
    ("raccord-broker", &[]),
    ("raccord-connector-*", &["raccord-cdc", "raccord-plugin", "raccord-data", "raccord-config"]),
    (
        "raccord-plugins",
        &["raccord-plugin", "raccord-converters", "raccord-transforms", "raccord-connector-*"],
    ),
    (
        "raccord",
        &[
            "raccord-plugins",
            "raccord-plugin",
            "raccord-config",
            "raccord-runtime",
            "raccord-kafka",
            "raccord-broker",
            "raccord-rest",
            "raccord-console",
        ],
    ),
];

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[test]
fn crates_use_only_what_they_may() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        // Tools, tests and benchmarks may use everything.
        let Some((_, allowed)) = EDGES.iter().find(|(pattern, _)| fits(pattern, &package.name)) else {
            let known = ["raccord-testkit", "raccord-parity", "raccord-bench", "xtask"];
            assert!(known.contains(&package.name.as_str()), "{} has no row in the table", package.name);
            continue;
        };
        for dependency in &package.dependencies {
            let ours = dependency.name.starts_with("raccord");
            if dependency.kind == DependencyKind::Normal
                && ours
                && !allowed.iter().any(|other| fits(other, &dependency.name))
            {
                wrong.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not allow: {wrong:#?}");
}

/// All files under version control.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let listed = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files");
    String::from_utf8(listed.stdout)
        .unwrap()
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root.join(name))
        .filter(|path| path.exists())
        .collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

#[test]
fn files_have_one_topic() {
    const LINES_MAX: usize = 700;
    const NAMES: &[&str] = &["util", "utils", "common", "helpers", "types"];
    let mut wrong = Vec::new();
    for path in files().into_iter().filter(|path| has_extension(path, "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        if path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| NAMES.contains(&stem)) {
            wrong.push(format!("{}: a module is named for what it holds", path.display()));
        }
        let in_crate = path.components().any(|part| part.as_os_str() == "src");
        let tests =
            path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.ends_with("tests"));
        if in_crate && !tests && !text.starts_with("//!") {
            wrong.push(format!("{}: no header that says why the module exists", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn text_is_clean() {
    let mut wrong = BTreeMap::new();
    for path in files() {
        let text_file =
            ["rs", "md", "toml", "sh", "json", "ts", "html"].iter().any(|kind| has_extension(&path, kind));
        // Recordings are what the real system said.
        let recorded =
            path.components().any(|part| part.as_os_str() == "recorded" || part.as_os_str() == "results");
        if !text_file || recorded {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        if let Some(number) = text.lines().position(|line| line.ends_with([' ', '\t'])) {
            wrong.insert(path.clone(), format!("line {}: trailing space", number + 1));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            wrong.insert(path, "no newline at the end".to_owned());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
