//! Where an answer may differ from the recorded one, and why. Everything else is compared to the letter.

use raccord_testkit::described::{byte_arrays, collections, each_object, each_text, numbers, rounded};
use serde_json::{Value as Json, json};

/// Values that no connector here can hold: text that is not Unicode, `BigInteger`, which Connect has no type for, and,
/// where its class shows, a `ByteBuffer`.
pub fn cannot_be_represented(line: &Json) -> bool {
    let text = [&line["in"], &line["out"]].map(Json::to_string).concat();
    let shows_class = line["converter"] == "org.apache.kafka.connect.storage.StringConverter";
    ["\"utf16\"", "\"bigint\""].iter().any(|kind| text.contains(kind))
        || shows_class && text.contains("\"buffer\"")
}

/// Makes equal what may differ.
pub fn settle(line: &Json, expect: &mut Json, actual: &mut Json) {
    for side in [&mut *expect, &mut *actual] {
        each_text(side, &|text| *text = collections(&byte_arrays(text)));
        each_object(side, &numbers);
    }
    if expect != actual && line["in"].to_string().contains("\"float") {
        each_text(expect, &|text| *text = rounded(text));
        each_text(actual, &|text| *text = rounded(text));
    }
    // The recorder could not describe null without a schema, which the worker takes as such.
    let is_recorder = |error: &Json| {
        error["class"] == "java.lang.NullPointerException" && error["message"].to_string().contains("<local")
    };
    if line["op"] == "decode_header" && expect.get("error").is_some_and(is_recorder) {
        *expect = json!({ "out": { "schema": null, "value": null } });
    }
}
