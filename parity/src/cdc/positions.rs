//! Whether a change has the position at which the commit before it ended depends on what else the server has written in
//! between, which is for the server to decide (its background writer logs what is running every 15 seconds). So ends of
//! commits are ranked by themselves before two recordings are compared, and so is everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use fancy_regex::{Captures, Regex};

use super::CdcRecording;

#[allow(clippy::expect_used, reason = "the expressions are constants")]
fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a constant expression is valid")
}

/// The end of the last commit: the first part of a sequence, and a key of offsets.
static COMMITS: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"("sequence":"\[\\"|"lsn_commit":)<(lsn|snapshot)(\d+)>"#));
/// A position of what has just been committed is the end of the commit.
static COMMITTED: LazyLock<Regex> = LazyLock::new(|| regex(r#""status":"END"|"messageType":"COMMIT""#));
static POSITIONS: LazyLock<Regex> = LazyLock::new(|| regex(r"<((?:lsn|snapshot)(?:_commit)?)(\d+)>"));
static PLAIN: LazyLock<Regex> = LazyLock::new(|| regex(r"<(lsn|snapshot)(\d+)>"));

/// The recording with ends of commits ranked by themselves.
pub fn apart(recording: &CdcRecording) -> CdcRecording {
    let mut recording = recording.clone();
    each_text(&mut recording, |text, committed| {
        let marked = COMMITS.replace_all(text, "$1<${2}_commit$3>").into_owned();
        match committed {
            true => PLAIN.replace_all(&marked, "<${1}_commit$2>").into_owned(),
            false => marked,
        }
    });
    let mut seen: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    each_text(&mut recording, |text, _| {
        for found in POSITIONS.captures_iter(text).flatten() {
            seen.entry(kind(&found)).or_default().insert(number(&found));
        }
        text.to_owned()
    });
    each_text(&mut recording, |text, _| {
        let rank = |found: &Captures<'_>| {
            let (kind, number) = (kind(found), number(found));
            let rank = seen.get(&kind).map_or(0, |numbers| numbers.range(..number).count());
            format!("<{kind}{rank}>")
        };
        POSITIONS.replace_all(text, rank).into_owned()
    });
    recording
}

fn kind(found: &Captures<'_>) -> String {
    found.get(1).map_or_else(String::new, |kind| kind.as_str().to_owned())
}

fn number(found: &Captures<'_>) -> usize {
    found.get(2).and_then(|number| number.as_str().parse().ok()).unwrap_or(0)
}

/// Changes each payload; the function is told whether it is of a commit.
fn each_text(recording: &mut CdcRecording, mut change: impl FnMut(&str, bool) -> String) {
    let committed = |text: &str| COMMITTED.is_match(text).unwrap_or(false);
    if let Some(offset) = &mut recording.offset {
        *offset = change(offset, committed(offset));
    }
    for record in recording.topics.values_mut().flatten() {
        let of_commit = record.value.as_ref().is_some_and(|(_, value)| committed(value));
        let parts = [&mut record.key, &mut record.value].into_iter().flatten().map(|(_, text)| text);
        for text in parts.chain(record.headers.iter_mut().map(|(_, _, text)| text)) {
            *text = change(text, of_commit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdc::CdcRecord;

    fn recording(payloads: &[&str]) -> CdcRecording {
        let record = |payload: &&str| CdcRecord {
            key: None,
            value: Some((0, (*payload).to_owned())),
            headers: Vec::new(),
        };
        let mut recording = CdcRecording::default();
        recording.topics.insert("t".to_owned(), payloads.iter().map(record).collect());
        recording
    }

    #[test]
    fn ends_of_commits_are_ranked_by_themselves() {
        let sequence =
            |commit: usize, lsn: usize| format!(r#""sequence":"[\"<lsn{commit}>\",\"<lsn{lsn}>\"]""#);
        let end = |lsn: usize| format!(r#"{{"status":"END","id":"<tx0>:<lsn{lsn}>"}}"#);
        let check = |one: &[String], other: &[String], same: bool| {
            let texts =
                |all: &[String]| apart(&recording(&all.iter().map(String::as_str).collect::<Vec<_>>()));
            assert_eq!(texts(one) == texts(other), same, "{one:?} {other:?}");
        };
        check(&[sequence(0, 0), sequence(1, 1)], &[sequence(0, 1), sequence(2, 3)], true);
        check(&[sequence(0, 0), end(1), sequence(1, 1)], &[sequence(0, 0), end(1), sequence(1, 2)], true);
        check(&[sequence(0, 0), sequence(0, 0)], &[sequence(0, 0), sequence(0, 1)], false);
        check(&[sequence(0, 0), sequence(1, 1)], &[sequence(0, 1), sequence(0, 1)], false);
    }
}
