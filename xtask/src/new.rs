//! `cargo xtask new`: the skeleton of a connector, which compiles, passes the conformance suite and is registered.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use crate::run::{command, step};

/// What to make.
#[derive(Subcommand)]
pub enum New {
    /// A connector in connectors/NAME, registered in crates/raccord-plugins
    Connector(Connector),
}

/// A new connector.
#[derive(Args)]
pub struct Connector {
    /// Its name: lower case, words joined by hyphens
    name: String,
    /// Whether it reads or writes
    #[arg(long, value_enum, default_value = "source")]
    kind: Kind,
    /// The Java class name that users write in their configs [default: com.example.connect.<Name>SourceConnector]
    #[arg(long)]
    class: Option<String>,
}

/// Source or sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Reads an external system
    Source,
    /// Writes to an external system
    Sink,
}

/// A file of a template: where it goes and its text.
type File = (&'static str, &'static str);

macro_rules! template {
    ($kind:literal) => {
        &[
            ("Cargo.toml", include_str!(concat!("../templates/", $kind, "/Cargo.toml.tmpl"))),
            ("README.md", include_str!(concat!("../templates/", $kind, "/README.md.tmpl"))),
            ("src/lib.rs", include_str!(concat!("../templates/", $kind, "/src/lib.rs.tmpl"))),
            ("src/config.rs", include_str!(concat!("../templates/", $kind, "/src/config.rs.tmpl"))),
            ("src/connector.rs", include_str!(concat!("../templates/", $kind, "/src/connector.rs.tmpl"))),
            ("src/task.rs", include_str!(concat!("../templates/", $kind, "/src/task.rs.tmpl"))),
            (
                "tests/conformance.rs",
                include_str!(concat!("../templates/", $kind, "/tests/conformance.rs.tmpl")),
            ),
        ]
    };
}

const SOURCE: &[File] = template!("source");
const SINK: &[File] = template!("sink");

/// Runs the command in the workspace at `root`.
pub fn run(what: &New, root: &Path) -> Result<()> {
    let New::Connector(connector) = what;
    write(connector, root)?;
    // Lines break elsewhere with a longer name.
    let package = format!("raccord-connector-{}", connector.name);
    let mut format = command("cargo", &["fmt", "-p", &package, "-p", "raccord-plugins"]);
    step("format", format.current_dir(root))?;
    eprintln!(
        "connectors/{name} is there and registered. Next: make src/task.rs yours, keep\n    \
         cargo test -p raccord-connector-{name}\n\
         green, and run `cargo xtask docs` for the reference.",
        name = connector.name
    );
    Ok(())
}

fn write(connector: &Connector, root: &Path) -> Result<()> {
    let name = connector.name.as_str();
    let words: Vec<&str> = name.split('-').collect();
    let is_word = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if !words.iter().all(is_word) {
        bail!("{name} is no name: use lower case letters and digits, words joined by hyphens");
    }
    let folder = root.join("connectors").join(name);
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    let pascal: String = words.iter().map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let (files, suffix) = match connector.kind {
        Kind::Source => (SOURCE, "Source"),
        Kind::Sink => (SINK, "Sink"),
    };
    let class =
        connector.class.clone().unwrap_or_else(|| format!("com.example.connect.{pascal}{suffix}Connector"));
    let ident = name.replace('-', "_");
    for (path, text) in files {
        let text = text
            .replace("@name@", name)
            .replace("@Name@", &pascal)
            .replace("@ident@", &ident)
            .replace("@class@", &class);
        let path = folder.join(path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    register(root, name, &ident, suffix)
}

/// Adds the lines by which the workspace and the program know the connector.
fn register(root: &Path, name: &str, ident: &str, suffix: &str) -> Result<()> {
    let krate = format!("raccord-connector-{name}");
    edit(&root.join("Cargo.toml"), |text| {
        insert_sorted(text, "raccord-connector-", &format!("{krate} = {{ path = \"connectors/{name}\" }}"))
    })?;
    edit(&root.join("crates/raccord-plugins/Cargo.toml"), |text| {
        insert_sorted(text, "raccord-connector-", &format!("{krate}.workspace = true"))
    })?;
    edit(&root.join("crates/raccord-plugins/src/lib.rs"), |text| {
        let used = insert_sorted(
            text,
            "use raccord_connector_",
            &format!("use raccord_connector_{ident} as {ident};"),
        )?;
        let constant = suffix.to_uppercase();
        insert_before(&used, "    converters::", &format!("    {ident}::{constant},"))
    })
}

fn edit(path: &Path, change: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let changed = change(&text)
        .with_context(|| format!("{} does not look as expected: add the line by hand", path.display()))?;
    fs::write(path, changed).with_context(|| format!("cannot write {}", path.display()))
}

/// Adds a line among those that begin alike, in order.
fn insert_sorted(text: &str, beginning: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with(beginning))?;
    let count = lines[first..].iter().take_while(|line| line.starts_with(beginning)).count();
    let place = first + lines[first..first + count].iter().take_while(|other| **other < line).count();
    lines.insert(place, line);
    Some(lines.join("\n") + "\n")
}

/// Adds a line before the first one that begins so.
fn insert_before(text: &str, beginning: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let place = lines.iter().position(|line| line.starts_with(beginning))?;
    lines.insert(place, line);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    #[test]
    fn lines_come_to_their_place() {
        assert_eq!(insert_sorted("x\nb1\nb3\ny\n", "b", "b2").as_deref(), Some("x\nb1\nb2\nb3\ny\n"));
        assert_eq!(insert_sorted("x\n", "b", "b2"), None);
        assert_eq!(insert_before("a\n  c\n  c\n", "  c", "  b").as_deref(), Some("a\n  b\n  c\n  c\n"));
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "Big", "a_b", "-a", "a--b", "1st", "../up"] {
            let connector = Connector { name: name.to_owned(), kind: Kind::Source, class: None };
            assert!(write(&connector, folder.path()).is_err(), "{name}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A copy of the workspace without what is not needed to build connectors. Always at the same place, so that cargo
    /// does not keep what it built for each of them.
    fn scratch() -> PathBuf {
        let (from, to) = (crate::run::root(), crate::run::root().join("target/scratch"));
        let _ = fs::remove_dir_all(&to);
        for folder in ["crates", "connectors", "parity"] {
            copy(&from.join(folder), &to.join(folder));
        }
        fs::copy(from.join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
        let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
        let line = |start: &str| manifest.lines().find(|line| line.starts_with(start)).unwrap();
        let changed = manifest
            .replace(line("members"), "members = [\"crates/*\", \"connectors/*\"]")
            // Cargo names what it builds by place in the workspace and version: it must not replace what is built here.
            .replace(line("version"), "version = \"0.0.0-scratch\"");
        fs::write(to.join("Cargo.toml"), changed).unwrap();
        to
    }

    fn cargo(scratch: &Path, arguments: &[&str]) -> bool {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(["--offline", "--quiet"]).current_dir(scratch);
        // What registries gave is built already.
        cargo.env("CARGO_TARGET_DIR", crate::run::root().join("target")).status().unwrap().success()
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (name, path) = (entry.file_name(), entry.path());
            if path.is_dir() && name != "node_modules" && name != "target" {
                copy(&path, &to.join(name));
            } else if path.is_file() {
                fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }

    #[test]
    fn new_connectors_compile_conform_and_are_registered() {
        let scratch = scratch();
        for (name, kind) in [("made-source", Kind::Source), ("made-sink", Kind::Sink)] {
            write(&Connector { name: name.to_owned(), kind, class: None }, &scratch).unwrap();
        }
        let list = fs::read_to_string(scratch.join("crates/raccord-plugins/src/lib.rs")).unwrap();
        for line in ["    made_source::SOURCE,", "    made_sink::SINK,"] {
            assert!(list.contains(line), "{list}");
        }
        let (source, sink) = ("raccord-connector-made-source", "raccord-connector-made-sink");
        assert!(cargo(&scratch, &["test", "-p", source, "-p", sink]), "new connectors fail their tests");
        assert!(cargo(&scratch, &["check", "-p", "raccord-plugins"]), "new connectors cannot be listed");
    }
}
