//! Random chains by seed: what no scenario thought of. A chain for which ours differs is made smaller for as long as it
//! goes on to differ, and printed with its seed.

mod data;
mod debezium;
mod smaller;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value as Json, json};

use super::{Oracle, answer, differs};

/// Compares `count` chains, the first of that seed, the next ones of the seeds after it; whether none differed.
///
/// # Errors
/// When the oracle cannot be asked.
#[allow(clippy::print_stdout)] // A command-line program's report.
pub fn run(seed: u64, count: u64) -> Result<bool> {
    let mut oracle = Oracle::start()?;
    let (mut records, mut failed, mut refused, mut unreadable, mut failing) = (0, 0, 0, 0, Vec::new());
    for seed in seed..seed + count {
        let request = request(seed);
        let expect = oracle.ask(&request)?;
        if expect.get("unreadable").is_some() {
            unreadable += 1;
            continue;
        }
        records += request["records"].as_array().map_or(0, Vec::len);
        let results = expect["results"].as_array().into_iter().flatten();
        failed += results.filter(|result| result.get("error").is_some()).count();
        refused += u64::from(expect.get("error").is_some());
        if difference(&request, &expect).is_some() {
            let request =
                smaller::reduce(request, |smaller| Ok(difference(smaller, &oracle.ask(smaller)?).is_some()))?;
            let difference = difference(&request, &oracle.ask(&request)?).unwrap_or_default();
            println!("seed {seed}: {request}\n  {difference}\n");
            failing.push(seed);
        }
    }
    println!(
        "{count} chains, {refused} of them refused, {unreadable} with records that Java cannot hold, {records} \
         records, {failed} of them refused, {} differences",
        failing.len()
    );
    Ok(failing.is_empty())
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
    json!({ "config": config, "kind": if sink { "sink" } else { "source" }, "records": records })
}
