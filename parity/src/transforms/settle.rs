//! What may differ between the answers, made equal before they are compared.

use raccord_testkit::described::{byte_arrays, collections, each_object, each_text, numbers, rounded};
use serde_json::{Map, Value as Json};

/// Words after which a message is not compared: what follows in Java is no part of ours on purpose.
const CUT_AFTER: &[&str] = &[
    // The record, or values of it.
    "Timestamp missing on record: ",
    "Unprocessable message",
    "Unexpected update message received",
    "Unable to parse logical decoding message content JSON string",
    "Field is not a homogenous array (",
    "Text '",
    "Unexpected end-of-input",
    "Unexpected character",
    "com.fasterxml.jackson.core.",
    // The identity of an object.
    "No value specified for static field: ",
];

/// What differs, if anything does.
pub fn differs(request: &Json, expect: &Json, actual: &Json) -> Option<String> {
    let (mut expect, mut actual) = (expect.clone(), actual.clone());
    for side in [&mut expect, &mut actual] {
        each_text(side, &|text| *text = beginning(&collections(&byte_arrays(text))));
        each_object(side, &numbers);
        each_object(side, &scripts);
    }
    if expect != actual && request.to_string().contains("float") {
        each_text(&mut expect, &|text| *text = rounded(text));
        each_text(&mut actual, &|text| *text = rounded(text));
    }
    let place = difference(&expect, &actual, "")?;
    Some(place)
}

/// Messages of scripts that are compared. Others show values, or list what Groovy would have taken instead.
const EXACT: &[&str] =
    &["Cannot get property", "Cannot invoke method", "is not a valid field name", "is not of type"];

/// Failures of scripts: Java wraps their exception several times, and their compilers' messages are their own.
fn scripts(object: &mut Map<String, Json>) {
    let Some(Json::Array(chain)) = object.get_mut("error") else { return };
    let starts = |words: &str| chain.iter().position(|error| message(error).starts_with(words));
    if let Some(at) = starts("Error while evaluating expression '") {
        let last = chain.len() - 1;
        let wrapping = message(&chain[at]).to_owned();
        let end = wrapping.find("' for record '").map_or(wrapping.len(), |end| end + 1);
        chain[at]["message"] = wrapping[..end].into();
        if last > at && !EXACT.iter().any(|words| message(&chain[last]).contains(words)) {
            chain[last]["message"] = Json::Null;
        }
        chain.drain(at + 1..last.max(at + 1));
    }
    let starts = |words: &str| chain.iter().position(|error| message(error).starts_with(words));
    if let Some(at) = starts("Failed to parse expression '")
        && !chain.get(at + 1).is_some_and(|cause| message(cause).starts_with("Implementation of language"))
    {
        chain.truncate(at + 1);
    }
}

fn message(error: &Json) -> &str {
    error["message"].as_str().unwrap_or_default()
}

fn beginning(text: &str) -> String {
    let end = CUT_AFTER.iter().find_map(|words| text.find(words).map(|at| at + words.len()));
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The first place where they differ, and what is there.
fn difference(expect: &Json, actual: &Json, place: &str) -> Option<String> {
    match (expect, actual) {
        (Json::Object(a), Json::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| difference(value, &b[key], &format!("{place}/{key}")))
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| difference(a, b, &format!("{place}/{index}"))),
        (a, b) if a == b => None,
        (a, b) => Some(format!("at {place}\n    expected {a}\n    actual   {b}")),
    }
}
