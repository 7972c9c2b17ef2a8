//! Two recordings, record by record.

use super::{CdcRecord, CdcRecording, positions};

/// Stands in the state of a failed task between what happened and where it began.
pub const CAUSED_BY: &str = " <- ";

/// The differences between what the real connector did and what ours did; empty when there are none.
pub fn differences(expected: &CdcRecording, actual: &CdcRecording) -> Vec<String> {
    let (expected, actual) = (&positions::apart(expected), &positions::apart(actual));
    let mut found = Vec::new();
    let name = &expected.scenario;
    let mut say = |place: &str, expected: &str, actual: &str| {
        if expected != actual {
            found.push(format!("{name}: {place}\n{}", around(expected, actual)));
        }
    };
    // Ours may tell of a cause where the real one has none.
    let told = |task: &str| match expected.task.contains(CAUSED_BY) {
        true => task.to_owned(),
        false => task.split(CAUSED_BY).next().unwrap_or_default().to_owned(),
    };
    say("state of the task", &told(&expected.task), &told(&actual.task));
    say("answers", &expected.answers.join("\n"), &actual.answers.join("\n"));
    let names = |recording: &CdcRecording| recording.topics.keys().cloned().collect::<Vec<_>>().join(" ");
    say("topics", &names(expected), &names(actual));
    for (topic, records) in &expected.topics {
        let Some(others) = actual.topics.get(topic) else { continue };
        say(&format!("{topic}: number of records"), &records.len().to_string(), &others.len().to_string());
        for (index, (record, other)) in records.iter().zip(others).enumerate() {
            say(&format!("{topic}[{index}]"), &full(expected, record), &full(actual, other));
        }
    }
    say("offset", &sorted(expected.offset.as_deref()), &sorted(actual.offset.as_deref()));
    found
}

/// A record with its schemas.
fn full(recording: &CdcRecording, record: &CdcRecord) -> String {
    let schema = |place: usize| recording.schemas.get(place).map_or("?", String::as_str);
    let part = |part: &Option<(usize, String)>| match part {
        Some((place, payload)) => format!("{payload} of {}", schema(*place)),
        None => "null".to_owned(),
    };
    let headers: Vec<String> = record
        .headers
        .iter()
        .map(|(name, place, payload)| format!("{name}={payload} of {}", place.map_or("none", schema)))
        .collect();
    format!("value {}\nkey {}\nheaders {}", part(&record.value), part(&record.key), headers.join(", "))
}

/// An offset is a map: Connect compares it by value.
fn sorted(offset: Option<&str>) -> String {
    let Some(text) = offset else { return "none".to_owned() };
    let mut parts: Vec<&str> = text.trim_matches(['{', '}']).split(',').collect();
    parts.sort_unstable();
    parts.join(",")
}

/// Both texts from a little before the first difference.
fn around(expected: &str, actual: &str) -> String {
    const BEFORE: usize = 60;
    const SHOWN: usize = 300;
    let same = expected.chars().zip(actual.chars()).take_while(|(a, b)| a == b).count();
    let cut = |text: &str| text.chars().skip(same.saturating_sub(BEFORE)).take(SHOWN).collect::<String>();
    format!("  expected …{}\n  actual   …{}", cut(expected), cut(actual))
}
