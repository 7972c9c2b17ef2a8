//! Replays what `java.text.SimpleDateFormat` made of patterns, moments and texts (`parity/recorded/date-format`, written
//! by `parity/java/DateFormatCorpus.java`) and demands the same texts, moments and messages.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it did"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use raccord_transforms::date_format::SimpleDateFormat;
use serde_json::{Value as Json, json};

/// 1946-11-26T12:00:00Z, after which the recordings have their years of two digits.
const CENTURY_START_MS: i64 = -728_913_600_000;

/// Where the oracle's answers lie: in the repository, or where a live comparison has put them.
fn folder() -> PathBuf {
    env::var_os("RACCORD_DATE_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parity/recorded/date-format"),
        PathBuf::from,
    )
}

fn replay(file: &str, least: usize) {
    let path = folder().join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(env::var_os("RACCORD_DATE_CORPUS").is_some(), "{} is missing", path.display());
        return;
    };
    let (mut compared, mut failures) = (0, Vec::new());
    for line in text.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        compared += check(&line, &mut failures);
    }
    println!("{file}: {compared} texts compared");
    let shown = failures.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {compared} differ\n{shown}", failures.len());
    assert!(compared >= least, "only {compared} texts were compared");
}

fn check(line: &Json, failures: &mut Vec<String>) -> usize {
    let pattern = line["pattern"].as_str().unwrap();
    let mut differ = |input: &Json, expect: &Json, actual: &Json| {
        if expect != actual {
            failures.push(format!("{pattern:?} {input}: expect {expect}, actual {actual}"));
        }
    };
    let format = match SimpleDateFormat::with_century_start(pattern, CENTURY_START_MS) {
        Ok(format) => format,
        Err(error) => {
            differ(&Json::Null, &line["error"], &json!(error.to_string()));
            return 1;
        }
    };
    differ(&Json::Null, &line["error"], &Json::Null);
    let formats = line["formats"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parses = line["parses"].as_array().map(Vec::as_slice).unwrap_or_default();
    for pair in formats {
        differ(&pair[0], &pair[1], &json!(format.format(pair[0].as_i64().unwrap())));
    }
    for pair in parses {
        let actual = match format.parse(pair[0].as_str().unwrap()) {
            Ok(ms) => json!(ms),
            Err(error) => json!(error.to_string()),
        };
        differ(&pair[0], &pair[1], &actual);
    }
    formats.len() + parses.len()
}

#[test]
fn chosen() {
    replay("chosen.jsonl", 25_000);
}

#[test]
fn random() {
    replay("random.jsonl", 5_000);
}

#[test]
fn a_year_of_two_digits_lies_in_the_last_eighty_years_or_the_next_twenty() {
    let format = SimpleDateFormat::new("yy").unwrap();
    let year = |text: &str| {
        let ms = format.parse(text).unwrap();
        SimpleDateFormat::new("yyyy").unwrap().format(ms).parse::<i32>().unwrap()
    };
    let (oldest, newest) = (0..100)
        .map(|two| year(&format!("{two:02}")))
        .fold((i32::MAX, 0), |(low, high), year| (low.min(year), high.max(year)));
    assert_eq!(newest - oldest, 99);
    let now: i32 = {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        SimpleDateFormat::new("yyyy").unwrap().format(i64::try_from(since).unwrap()).parse().unwrap()
    };
    // 1 January of the oldest year may lie before the start of the hundred years.
    assert!((79..=80).contains(&(now - oldest)), "{oldest} {now}");
}
