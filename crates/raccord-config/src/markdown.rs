//! The reference of a definition as Markdown.

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::{ConfigDef, ConfigKey, Value};

/// A section for each key, in the order of a form, under a heading for each group. `level` is that of the groups'
/// headings.
pub fn markdown(def: &ConfigDef, level: usize) -> String {
    let mut out = String::new();
    let mut current: Option<Option<&str>> = None;
    for key in def.sorted() {
        if key.internal {
            continue;
        }
        let group = key.group.as_deref();
        if current != Some(group) {
            current = Some(group);
            let _ = writeln!(out, "{} {}\n", "#".repeat(level), group.unwrap_or("General"));
        }
        write_key(key, level + 1, &mut out);
    }
    out
}

/// Writes a generated page unless the file has this text already, and says whether it differed. A test calls it and
/// fails if it did: then the page is right and only has to be committed.
///
/// # Errors
/// When the file cannot be written.
pub fn rewrite_page(path: &Path, text: &str) -> io::Result<bool> {
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)?;
    Ok(true)
}

fn write_key(key: &ConfigKey, level: usize, out: &mut String) {
    let _ = writeln!(out, "{} `{}`\n", "#".repeat(level), key.name);
    for paragraph in key.documentation.split('\n').filter(|line| !line.is_empty()) {
        let _ = writeln!(out, "{paragraph}\n");
    }
    let _ = writeln!(out, "- Type: {}", key.kind.as_str().to_lowercase());
    let default = match &key.default {
        None => "none, the key is required".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(value) => match value.to_text().unwrap_or_default() {
            text if text.is_empty() => "empty".to_owned(),
            text => format!("`{text}`"),
        },
    };
    let _ = writeln!(out, "- Default: {default}");
    if let Some(validator) = key.validator.as_ref().filter(|validator| !validator.description().is_empty()) {
        let _ = writeln!(out, "- Valid values: {}", validator.description());
    }
    let _ = writeln!(out, "- Importance: {}", key.importance.as_str().to_lowercase());
    if !key.aliases.is_empty() {
        let _ = writeln!(out, "- Old names: `{}`", key.aliases.join("`, `"));
    }
    out.push('\n');
}
