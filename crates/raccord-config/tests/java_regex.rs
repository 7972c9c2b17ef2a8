//! Replays what `java.util.regex` made of patterns and texts (`parity/recorded/regex`, written by
//! `parity/java/RegexCorpus.java`) and demands the same matches, groups, replacements and messages.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it did"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use raccord_config::{Captures, JavaRegex, RegexError};
use serde_json::{Value as Json, json};

/// Where the oracle's answers lie: in the repository, or where a live comparison has put them.
fn folder() -> PathBuf {
    env::var_os("RACCORD_REGEX_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/regex"),
        PathBuf::from,
    )
}

/// Whether the answers are new ones.
fn live() -> bool {
    env::var_os("RACCORD_REGEX_CORPUS").is_some()
}

fn has_back_reference(line: &Json) -> bool {
    let pattern = line["pattern"].as_str().unwrap_or_default().as_bytes();
    pattern.windows(2).any(|pair| pair[0] == b'\\' && pair[1].is_ascii_digit())
}

/// What Java can and this cannot; docs/java-regex.md has the reasons.
const NOT_SUPPORTED: &[&str] = &["Not supported: ", "are not supported", "is not supported"];

fn replay(file: &str, least: usize, unsupported_most: usize) {
    let path = folder().join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(live(), "{} is missing", path.display());
        return;
    };
    let (mut compared, mut leftovers, mut failures, mut unsupported) = (0, 0, Vec::new(), Vec::new());
    for line in text.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        compared += 1;
        match check(&line) {
            Ok(()) => {}
            Err(difference) if NOT_SUPPORTED.iter().any(|words| difference.contains(words)) => {
                unsupported.push(difference);
            }
            // A back reference to a group that Java left set matches there and not here.
            Err(_) if live() && has_back_reference(&line) && leftovers < compared / 2_000 => leftovers += 1,
            Err(difference) => failures.push(difference),
        }
    }
    println!("{file}: {compared} patterns compared, {} not supported", unsupported.len());
    unsupported.iter().for_each(|text| println!("{text}"));
    let shown = failures.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {compared} differ\n{shown}", failures.len());
    assert!(compared >= least, "only {compared} patterns were compared");
    assert!(unsupported.len() <= unsupported_most, "{} are not supported", unsupported.len());
}

fn check(line: &Json) -> Result<(), String> {
    let pattern = line["pattern"].as_str().unwrap();
    let compiled = if line["ignore_case"] == true {
        JavaRegex::case_insensitive(pattern)
    } else {
        JavaRegex::new(pattern)
    };
    let regex = match (compiled, line["error"].as_str()) {
        (Err(error), Some(expect)) if error.to_string() == expect => return Ok(()),
        (Err(error), None) if line["ignore_case"] != true && !line["texts"].is_null() => {
            return Err(format!("{pattern:?}\n  Java takes it\n  actual {error:?}"));
        }
        (actual, Some(expect)) => {
            return Err(format!("{pattern:?}\n  expect {expect:?}\n  actual {actual:?}"));
        }
        (actual, None) => actual.map_err(|error| format!("{pattern:?}: {error}"))?,
    };
    let replacement = regex.replacement(line["replacement"].as_str().unwrap());
    for tried in line["texts"].as_array().unwrap() {
        let text = tried["text"].as_str().unwrap();
        let whole = regex.full_captures(text).map_err(|error| error.to_string())?;
        let is_whole = regex.full_match(text).map_err(|error| error.to_string())?;
        let actual = json!({
            "text": text,
            "whole": whole.as_ref().map(|found| groups(&regex, found)),
            "finds": finds(&regex, text).map_err(|error| error.to_string())?,
            "all": replaced(regex.replace_all(text, &replacement)),
            "first": replaced(regex.replace_first(text, &replacement)),
        });
        if actual != *tried && only_leftovers(tried, &actual) {
            continue;
        }
        if actual != *tried || is_whole != whole.is_some() {
            return Err(format!("{pattern:?} {}\n  expect {tried}\n  actual {actual}", line["replacement"]));
        }
    }
    Ok(())
}

/// Whether the matches are the same, but for groups that Java left set in a part of the pattern that it gave up.
fn only_leftovers(expect: &Json, actual: &Json) -> bool {
    let same = |expect: &Json, actual: &Json, first: usize| {
        let none = Vec::new();
        let (expect, actual) = (expect.as_array().unwrap_or(&none), actual.as_array().unwrap_or(&none));
        expect.len() == actual.len()
            && expect
                .iter()
                .zip(actual)
                .enumerate()
                .all(|(index, (expect, actual))| expect == actual || (index >= first && actual.is_null()))
    };
    let (finds, found) = (expect["finds"].as_array().unwrap(), actual["finds"].as_array().unwrap());
    expect["whole"].is_null() == actual["whole"].is_null()
        && same(&expect["whole"], &actual["whole"], 1)
        && finds.len() == found.len()
        && finds.iter().zip(found).all(|(expect, actual)| same(expect, actual, 2))
}

fn groups(regex: &JavaRegex, found: &Captures<'_>) -> Vec<Json> {
    (0..=regex.group_count()).map(|group| json!(found.get(group))).collect()
}

/// Every match, as `while (matcher.find())`.
fn finds(regex: &JavaRegex, text: &str) -> Result<Vec<Json>, RegexError> {
    let (mut all, mut start) = (Vec::new(), Some(0));
    while let Some(from) = start {
        let Some(found) = regex.captures_at(text, from)? else { break };
        let range = found.range(0).unwrap();
        let mut row = vec![json!(text[..range.start].encode_utf16().count())];
        row.extend(groups(regex, &found));
        all.push(Json::Array(row));
        start = match range.is_empty() {
            false => Some(range.end),
            true => text[range.end..].chars().next().map(|c| range.end + c.len_utf8()),
        };
    }
    Ok(all)
}

fn replaced(result: Result<String, RegexError>) -> Json {
    match result {
        Ok(text) => json!({ "text": text }),
        Err(error) => json!({ "class": error.class, "message": error.message }),
    }
}

#[test]
fn chosen() {
    replay("chosen.jsonl", 500, 0);
}

#[test]
fn random() {
    replay("random.jsonl", 1100, 20);
}
