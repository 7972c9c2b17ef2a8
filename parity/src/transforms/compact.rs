//! The compact form of a scenario's file: what comes again and again is written once and named.
//!
//! `{"define": {name: JSON, ...}, "requests": [...]}`: an object `{"$ref": name}`, in the requests or in a definition,
//! stands for what was defined under that name; more keys of the object are set in what it stands for. A file that is
//! an array holds the requests as they are.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value as Json};

/// How deep definitions may stand in one another: more is a circle.
const DEPTH_MAX: usize = 64;

/// The requests of a file.
///
/// # Errors
/// When the file has another form, or a name is not defined.
pub(super) fn requests(file: Json) -> Result<Vec<Json>> {
    match file {
        Json::Array(requests) => Ok(requests),
        Json::Object(mut file) => {
            let defined = file.shift_remove("define").unwrap_or_default();
            let defined = defined.as_object().context("\"define\" is an object")?;
            let Some(Json::Array(requests)) = file.shift_remove("requests") else {
                bail!("\"requests\" is an array");
            };
            requests.into_iter().map(|request| expanded(request, defined, 0)).collect()
        }
        _ => bail!("an array of requests, or an object with \"define\" and \"requests\""),
    }
}

fn expanded(json: Json, defined: &Map<String, Json>, depth: usize) -> Result<Json> {
    match json {
        Json::Array(items) => items.into_iter().map(|item| expanded(item, defined, depth)).collect(),
        Json::Object(mut object) => {
            let Some(name) = object.shift_remove("$ref") else {
                return fields(object, defined, depth).map(Json::Object);
            };
            let name = name.as_str().context("\"$ref\" is a name")?;
            let found = defined.get(name).with_context(|| format!("{name} is not defined"))?;
            if depth > DEPTH_MAX {
                bail!("{name} is defined by itself");
            }
            let mut found = expanded(found.clone(), defined, depth + 1)?;
            if !object.is_empty() {
                let found = found.as_object_mut().with_context(|| format!("{name} takes no keys"))?;
                found.extend(fields(object, defined, depth)?);
            }
            Ok(found)
        }
        other => Ok(other),
    }
}

fn fields(object: Map<String, Json>, defined: &Map<String, Json>, depth: usize) -> Result<Map<String, Json>> {
    object.into_iter().map(|(key, value)| Ok((key, expanded(value, defined, depth)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_stand_for_what_they_define() {
        let check = |file: Json, expect: Json| assert_eq!(Json::Array(requests(file).unwrap()), expect);
        check(json!([{ "a": 1 }]), json!([{ "a": 1 }]));
        check(
            json!({ "define": { "row": { "a": [{ "$ref": "one" }] }, "one": 1 },
                "requests": [{ "x": { "$ref": "row" } }, { "$ref": "row", "a": { "$ref": "one" }, "b": 2 }] }),
            json!([{ "x": { "a": [1] } }, { "a": 1, "b": 2 }]),
        );
    }

    #[test]
    fn what_cannot_be_expanded_is_an_error() {
        let check = |file: Json, expect: &str| assert_eq!(requests(file).unwrap_err().to_string(), expect);
        check(json!({ "requests": [] }), "\"define\" is an object");
        check(json!({ "define": {}, "requests": [{ "$ref": "x" }] }), "x is not defined");
        check(
            json!({ "define": { "x": { "y": { "$ref": "x" } } }, "requests": [{ "$ref": "x" }] }),
            "x is defined by itself",
        );
        check(json!({ "define": { "x": 1 }, "requests": [{ "$ref": "x", "a": 1 }] }), "x takes no keys");
    }
}
