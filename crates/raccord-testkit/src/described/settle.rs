//! What may differ between a Java and ours without meaning anything, made equal.

use raccord_data::java_text::{append_f32, append_f64};
use serde_json::Value as Json;

use super::java_text;

/// A `byte[]` is shown with its address.
pub fn byte_arrays(text: &str) -> String {
    let mut parts = text.split("[B@");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("[B@{{hash}}");
        let rest = part.strip_prefix("{{hash}}").unwrap_or(part);
        out.push_str(rest.trim_start_matches(|char: char| char.is_ascii_hexdigit()));
    }
    out
}

/// The classes of lists and maps depend on how the recorder made them, as does whether bytes are in a buffer.
pub fn collections(text: &str) -> String {
    const CLASSES: &[(&str, &str)] = &[
        ("java.util.ImmutableCollections$ListN", "java.util.ArrayList"),
        ("java.util.ImmutableCollections$List12", "java.util.ArrayList"),
        ("java.util.Arrays$ArrayList", "java.util.ArrayList"),
        ("java.util.LinkedHashMap", "java.util.HashMap"),
        ("java.nio.HeapByteBuffer", "[B"),
    ];
    CLASSES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Java 17 shows some numbers with more digits than needed; both sides are shown as later Javas do.
pub fn numbers(object: &mut serde_json::Map<String, Json>) {
    let number = |text: &str| text.replace("Infinity", "inf").parse::<f64>().ok();
    if let Some(double) = object.get("float64").and_then(Json::as_str).and_then(number) {
        object.insert("float64".to_owned(), java_text(|out| append_f64(double, out)).into());
    }
    if let Some(float) = object.get("float32").and_then(Json::as_str).and_then(number) {
        object.insert("float32".to_owned(), java_text(|out| append_f32(float as f32, out)).into());
    }
    if let Some(buffer) = object.remove("buffer") {
        object.insert("bytes".to_owned(), buffer);
    }
}

/// The text with each number as the float next to it: Java 17 writes some with more digits than needed.
pub fn rounded(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_digit() || matches!(char, '.' | 'E' | '-');
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        let length = rest[start..].find(|char| !is_part(char)).unwrap_or(rest.len() - start);
        let token = &rest[start..start + length];
        out.push_str(&rest[..start]);
        match token.parse::<f32>() {
            Ok(number) if token.contains('.') => out.push_str(&java_text(|out| append_f32(number, out))),
            _ => out.push_str(token),
        }
        rest = &rest[start + length..];
    }
    out + rest
}

/// Changes every text in the JSON.
pub fn each_text(json: &mut Json, change: &impl Fn(&mut String)) {
    match json {
        Json::String(text) => change(text),
        Json::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Json::Object(fields) => fields.values_mut().for_each(|field| each_text(field, change)),
        _ => {}
    }
}

/// Changes every object in the JSON, the outer ones first.
pub fn each_object(json: &mut Json, change: &impl Fn(&mut serde_json::Map<String, Json>)) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Json::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|field| each_object(field, change));
        }
        _ => {}
    }
}
