//! Random chains by seed: what no scenario thought of. A chain for which ours differs is made smaller for as long as it
//! goes on to differ, and printed with its seed.

mod conditions;
mod data;
mod debezium;
mod events;
mod smaller;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{Oracle, answer, differs};
use crate::peers::{DEBEZIUM_VERSION, KAFKA_VERSION};
use crate::results;

/// What a run found.
#[derive(Default, Serialize)]
struct Figures {
    date: String,
    kafka: &'static str,
    debezium: &'static str,
    first_seed: u64,
    chains: u64,
    /// Chains that cannot be made of their config.
    chains_refused: u64,
    /// Chains with records that Java cannot hold.
    chains_unreadable: u64,
    records: usize,
    records_refused: usize,
    /// How many chains have a transform or predicate, by class.
    classes: BTreeMap<String, u64>,
    /// The seeds of the chains that differ.
    differences: Vec<u64>,
}

/// Compares `count` chains, the first of that seed, the next ones of the seeds after it; whether none differed. The
/// figures go to a file of that folder, if there is one.
///
/// # Errors
/// When the oracle cannot be asked, or the file not be written.
#[allow(clippy::print_stdout)] // A command-line program's report.
pub fn run(first_seed: u64, count: u64, folder: Option<&Path>) -> Result<bool> {
    let mut oracle = Oracle::start()?;
    let (kafka, debezium) = (KAFKA_VERSION, DEBEZIUM_VERSION);
    let mut figures =
        Figures { date: results::date()?, kafka, debezium, first_seed, chains: count, ..Figures::default() };
    for seed in first_seed..first_seed + count {
        let request = request(seed);
        let expect = oracle.ask(&request)?;
        if expect.get("unreadable").is_some() {
            figures.chains_unreadable += 1;
            continue;
        }
        figures.count(&request, &expect);
        if difference(&request, &expect).is_some() {
            let request =
                smaller::reduce(request, |smaller| Ok(difference(smaller, &oracle.ask(smaller)?).is_some()))?;
            let difference = difference(&request, &oracle.ask(&request)?).unwrap_or_default();
            println!("seed {seed}: {request}\n  {difference}\n");
            figures.differences.push(seed);
        }
    }
    println!(
        "{count} chains, {} of them refused, {} with records that Java cannot hold, {} records, {} of them refused, {} \
         differences",
        figures.chains_refused,
        figures.chains_unreadable,
        figures.records,
        figures.records_refused,
        figures.differences.len()
    );
    results::write(folder, &figures.date, "chains", &figures)?;
    Ok(figures.differences.is_empty())
}

impl Figures {
    fn count(&mut self, request: &Json, answer: &Json) {
        self.records += request["records"].as_array().map_or(0, Vec::len);
        let results = answer["results"].as_array().into_iter().flatten();
        self.records_refused += results.filter(|result| result.get("error").is_some()).count();
        self.chains_refused += u64::from(answer.get("error").is_some());
        let config = request["config"].as_object().into_iter().flatten();
        let classes = config.filter(|(key, _)| key.ends_with(".type") && key.matches('.').count() == 2);
        let classes: BTreeSet<&str> = classes.filter_map(|(_, class)| class.as_str()).collect();
        for class in classes {
            *self.classes.entry(class.to_owned()).or_default() += 1;
        }
    }
}

/// How ours differs; a panic of ours differs from everything.
fn difference(request: &Json, expect: &Json) -> Option<String> {
    if expect.get("unreadable").is_some() {
        return None;
    }
    match catch_unwind(AssertUnwindSafe(|| answer(request))) {
        Ok(actual) => differs(request, expect, &actual),
        Err(_) => Some("ours panics".to_owned()),
    }
}

/// The request of a seed.
pub(crate) fn request(seed: u64) -> Json {
    let mut rng = StdRng::seed_from_u64(seed);
    let sink = rng.random_bool(0.4);
    let mut config = Map::new();
    let predicates = rng.random_range(0..3);
    let names: Vec<String> = (0..predicates).map(|index| format!("p{index}")).collect();
    for name in &names {
        steps::predicate(&mut rng, &format!("predicates.{name}."), &mut config);
    }
    if !names.is_empty() {
        config.insert("predicates".to_owned(), names.join(",").into());
    }
    let count = *[1, 1, 1, 2, 2, 3, 4, 6].get(rng.random_range(0..8)).unwrap_or(&1);
    let aliases: Vec<String> = (0..count).map(|index| format!("t{index}")).collect();
    config.insert("transforms".to_owned(), aliases.join(",").into());
    for alias in &aliases {
        let prefix = format!("transforms.{alias}.");
        steps::transform(&mut rng, &prefix, &mut config);
        if !names.is_empty() && rng.random_bool(0.3) {
            let name = names[rng.random_range(0..names.len())].clone();
            config.insert(format!("{prefix}predicate"), name.into());
            if rng.random_bool(0.5) {
                config.insert(format!("{prefix}negate"), rng.random_bool(0.7).to_string().into());
            }
        }
    }
    let mut records = data::records(&mut rng);
    // Drawn apart, so that the other seeds go on to mean what they meant.
    let mut rng = StdRng::seed_from_u64(!seed);
    if rng.random_bool(0.4) {
        records = debezium::records(&mut rng);
        for alias in &aliases {
            if rng.random_bool(0.6) {
                debezium::transform(&mut rng, &format!("transforms.{alias}."), &mut config);
            }
        }
    }
    let mut rng = StdRng::seed_from_u64(seed.rotate_left(32));
    if rng.random_bool(0.3) {
        events::replace(&mut rng, &aliases, &mut config, &mut records);
    }
    if config.values().any(|class| class == "io.debezium.transforms.ExtractChangedRecordState") {
        records.iter_mut().for_each(buffers);
    }
    json!({ "config": config, "kind": if sink { "sink" } else { "source" }, "records": records })
}

/// Turns byte arrays, which Java compares by identity, into buffers, which it compares by content. Connectors give those.
fn buffers(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(buffers),
        Json::Object(fields) => {
            if let (1, Some(bytes)) = (fields.len(), fields.get("bytes").filter(|bytes| bytes.is_string())) {
                *json = json!({ "buffer": bytes });
            } else {
                fields.values_mut().for_each(buffers);
            }
        }
        _ => {}
    }
}
