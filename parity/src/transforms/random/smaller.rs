//! Making a request that fails smaller.

use anyhow::Result;
use serde_json::Value as Json;

/// The smallest request found by leaving out, one by one, records, transforms, keys and fields that the failure does not
/// need.
///
/// # Errors
/// Those of `fails`.
pub(super) fn reduce(mut request: Json, mut fails: impl FnMut(&Json) -> Result<bool>) -> Result<Json> {
    let mut tries = 0;
    'again: loop {
        for smaller in candidates(&request) {
            tries += 1;
            if tries > 400 {
                return Ok(request);
            }
            if fails(&smaller)? {
                request = smaller;
                continue 'again;
            }
        }
        return Ok(request);
    }
}

fn candidates(request: &Json) -> Vec<Json> {
    let mut found = Vec::new();
    let count = request["records"].as_array().map_or(0, Vec::len);
    for index in (0..count).filter(|_| count > 1) {
        let mut smaller = request.clone();
        remove(&mut smaller["records"], index);
        found.push(smaller);
    }
    let aliases: Vec<&str> =
        request["config"]["transforms"].as_str().unwrap_or_default().split(',').collect();
    for alias in aliases.iter().filter(|_| aliases.len() > 1) {
        let mut smaller = request.clone();
        let rest: Vec<&str> = aliases.iter().filter(|other| *other != alias).copied().collect();
        smaller["config"]["transforms"] = rest.join(",").into();
        let prefix = format!("transforms.{alias}.");
        if let Some(config) = smaller["config"].as_object_mut() {
            config.retain(|key, _| !key.starts_with(&prefix));
        }
        found.push(smaller);
    }
    let optional = |key: &&String| !key.ends_with(".type") && *key != "transforms";
    for key in request["config"].as_object().into_iter().flatten().map(|(key, _)| key).filter(optional) {
        let mut smaller = request.clone();
        smaller["config"].as_object_mut().map(|config| config.shift_remove(key));
        found.push(smaller);
    }
    for index in 0..count {
        let record = &request["records"][index];
        for key in record.as_object().into_iter().flatten().map(|(key, _)| key) {
            let mut smaller = request.clone();
            smaller["records"][index].as_object_mut().map(|record| record.shift_remove(key));
            found.push(smaller);
        }
        for part in ["key", "value"] {
            let fields = record[part]["typed"]["schema"]["fields"].as_array().map_or(0, Vec::len);
            for field in (0..fields).filter(|_| fields > 1) {
                let mut smaller = request.clone();
                let typed = &mut smaller["records"][index][part]["typed"];
                remove(&mut typed["schema"]["fields"], field);
                remove(&mut typed["value"]["struct"], field);
                found.push(smaller);
            }
        }
    }
    found
}

fn remove(array: &mut Json, index: usize) {
    if let Some(array) = array.as_array_mut().filter(|array| index < array.len()) {
        array.remove(index);
    }
}
