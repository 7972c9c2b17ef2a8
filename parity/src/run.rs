//! Carries out scenarios on one system and notes what it does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::broker::{Broker, BrokerKind};
use crate::exchange::{Exchange, Recording};
use crate::files;
use crate::http::{self, Request, Response};
use crate::kafka::{Kafka, Raw, show, show_record};
use crate::normalise::for_recording;
use crate::process::Scratch;
use crate::scenario::{Internal, Names, Scenario, Step};
use crate::worker::{Worker, WorkerKind};

/// How long one request may take: Connect's own limit is 90 s.
const REQUEST_LIMIT: Duration = Duration::from_secs(100);
/// How long a step waits for its condition when the scenario says nothing, in seconds.
const DEFAULT_WITHIN_S: u64 = 30;
const POLL: Duration = Duration::from_millis(100);

/// Runs scenarios on a broker of their own, one worker after the other, and calls `done` with each outcome. `patience`
/// bounds how long a step waits for what it expects, whatever the scenario allows.
///
/// The system gets a broker to itself because connector names decide consumer groups, hash orders and internal
/// topics' bytes: two systems on one broker could not use the same names.
///
/// # Errors
/// When the broker cannot be started, or `done` fails. A scenario that fails is an outcome, not an error.
pub fn run_all(
    scenarios: &[Scenario],
    broker: &BrokerKind,
    worker: &WorkerKind,
    patience: Duration,
    mut done: impl FnMut(&Scenario, Result<Recording>) -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new()?;
    let broker = Broker::start(broker, &scratch.path().join("broker"))?;
    for group in scenarios.chunk_by(|a, b| a.worker == b.worker) {
        let variant = &group[0].worker;
        let mut names = Names::default();
        names.set("bootstrap", &broker.bootstrap);
        let started = Worker::start(worker, variant, &scratch.path().join(variant), &mut names);
        let worker = match started {
            Ok(worker) => worker,
            Err(error) => {
                for scenario in group {
                    done(scenario, Err(anyhow::anyhow!("worker {variant}: {error:#}")))?;
                }
                continue;
            }
        };
        for scenario in group {
            // The last part keeps one scenario's folder from being the beginning of another's.
            let folder = scratch.path().join("files").join(&scenario.name).join("f");
            std::fs::create_dir_all(&folder)?;
            let mut names = names.clone();
            names.set("dir", &folder.display().to_string());
            let mut run =
                Run { worker: &worker, kafka: Kafka::new(&broker.bootstrap), folder, names, patience };
            let recording = run.scenario(scenario);
            let cleaned = match scenario.leaves_connectors {
                true => Ok(()),
                false => run.clean_up().context("cleaning up"),
            };
            let outcome = recording.and_then(|recording| cleaned.map(|()| recording));
            done(
                scenario,
                outcome.with_context(|| format!("the worker's log ends:\n{}", worker.log_tail())),
            )?;
        }
    }
    Ok(())
}

struct Run<'a> {
    worker: &'a Worker,
    kafka: Kafka,
    folder: PathBuf,
    names: Names,
    patience: Duration,
}

impl Run<'_> {
    fn scenario(&mut self, scenario: &Scenario) -> Result<Recording> {
        let mut exchanges = Vec::new();
        for (index, step) in scenario.steps.iter().enumerate() {
            let exchange = self.step(step).with_context(|| format!("step {index} of {}", scenario.name))?;
            if let Some(mut exchange) = exchange.filter(|_| !step.unrecorded) {
                for_recording(&mut exchange);
                exchanges.push(exchange);
            }
        }
        Ok(Recording {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            worker: scenario.worker.clone(),
            exchanges,
        })
    }

    fn step(&mut self, step: &Step) -> Result<Option<Exchange>> {
        std::thread::sleep(Duration::from_secs(step.wait_s));
        let limit = Duration::from_secs(step.within_s.unwrap_or(DEFAULT_WITHIN_S)).min(self.patience);
        if let Some(line) = &step.request {
            return self.request(step, line, limit).map(Some);
        }
        if let Some(action) = &step.file {
            files::apply(action, &self.folder, &self.names)?;
            return Ok(None);
        }
        if let Some(topic) = &step.create_topic {
            self.kafka.create_topic(topic)?;
            return Ok(None);
        }
        if let Some(produce) = &step.produce {
            self.kafka.produce(&produce.topic, &produce.records, &self.names)?;
            return Ok(None);
        }
        let (body, timely) = if let Some(consume) = &step.consume {
            let (timely, records) = until(limit, || {
                let records = self.kafka.read(&consume.topic)?;
                Ok((records.len() >= consume.count, records))
            })?;
            let shown = records.iter().map(|r| show_record(r, &self.names)).collect();
            (Value::Array(shown), timely)
        } else if let Some(describe) = &step.describe {
            let (timely, shown) = until(limit, || {
                let shown = self.kafka.describe(describe)?;
                Ok((!shown.is_null(), shown))
            })?;
            (shown, timely)
        } else if let Some(internal) = &step.internal {
            let (timely, shown) = self.internal(internal, limit)?;
            (shown, timely)
        } else if let Some(group) = &step.group {
            let (timely, offsets) = until(limit, || {
                let offsets = self.kafka.committed(&group.id, &group.topic, group.until.len())?;
                Ok((offsets == group.until, offsets))
            })?;
            (json!(offsets), timely)
        } else if let Some(read) = &step.read {
            let path = self.folder.join(&read.path);
            let (timely, bytes) = until(limit, || {
                let bytes = std::fs::read(&path).unwrap_or_default();
                Ok((bytes.len() as u64 >= read.bytes, bytes))
            })?;
            (show(Some(&bytes), &self.names), timely)
        } else {
            bail!("the step says nothing to do: {step:?}");
        };
        Ok(Some(Exchange {
            step: step.line().context("a step that reads has a line")?,
            note: step.note.clone(),
            sent_headers: Default::default(),
            sent: None,
            status: None,
            headers: Default::default(),
            body: Some(body),
            timed_out: !timely,
        }))
    }

    fn request(&self, step: &Step, line: &str, limit: Duration) -> Result<Exchange> {
        let (method, target) = line.split_once(' ').context("a request is METHOD, blank, target")?;
        let body = match (&step.body, &step.raw) {
            (Some(body), None) => Some(self.names.fill(&serde_json::to_string(body)?)),
            (None, Some(raw)) => Some(self.names.fill(raw)),
            (None, None) => None,
            (Some(_), Some(_)) => bail!("both body and raw"),
        };
        let mut headers = vec![("Accept".to_owned(), Some("*/*".to_owned()))];
        if body.is_some() {
            headers.push(("Content-Type".to_owned(), Some("application/json".to_owned())));
        }
        headers.retain(|(name, _)| !step.headers.keys().any(|own| own.eq_ignore_ascii_case(name)));
        headers.extend(step.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let headers =
            headers.into_iter().filter_map(|(name, value)| Some((name, self.names.fill(&value?)))).collect();
        let request = Request {
            method: method.to_owned(),
            target: self.names.fill(target),
            headers,
            body: body.map(String::into_bytes),
        };
        let server =
            if step.listener.as_deref() == Some("admin") { self.worker.admin } else { self.worker.rest };
        let (timely, response) = self.send_until(step, server, &request, limit)?;
        Ok(Exchange {
            step: line.to_owned(),
            note: step.note.clone(),
            sent_headers: step.headers.clone(),
            sent: step.body.clone().or_else(|| step.raw.clone().map(Value::String)),
            status: Some(response.status),
            headers: response.headers.iter().map(|(k, v)| (k.clone(), self.names.unfill(v))).collect(),
            body: self.show_body(&response),
            timed_out: !timely,
        })
    }

    /// Sends until the step's condition holds. Without one, an answer that only says "ask again later" because the
    /// worker has not yet read its own last write is asked for again.
    fn send_until(
        &self,
        step: &Step,
        server: SocketAddr,
        request: &Request,
        limit: Duration,
    ) -> Result<(bool, Response)> {
        let end = Instant::now() + limit;
        loop {
            let response = http::send(server, request, REQUEST_LIMIT)?;
            let satisfied = match &step.until {
                None => !is_momentary(&response),
                Some(conditions) => {
                    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                    conditions.iter().all(|(what, want)| holds(&response, &body, what, &self.filled(want)))
                }
            };
            if satisfied || Instant::now() > end {
                return Ok((satisfied, response));
            }
            std::thread::sleep(POLL);
        }
    }

    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.names.fill(text)),
            other => other.clone(),
        }
    }

    fn show_body(&self, response: &Response) -> Option<Value> {
        if response.body.is_empty() {
            return None;
        }
        let text = self.names.unfill(&String::from_utf8_lossy(&response.body));
        let is_json = response.header("content-type").is_some_and(|t| t.starts_with("application/json"));
        match is_json.then(|| serde_json::from_str(&text)) {
            Some(Ok(value)) => Some(value),
            _ => Some(Value::String(text)),
        }
    }

    fn internal(&self, internal: &Internal, limit: Duration) -> Result<(bool, Value)> {
        let topic = format!("{}-{}", self.names.fill("{{group}}"), internal.topic);
        let mine = |record: &Raw| {
            let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            key.contains(&internal.key_contains)
        };
        let (timely, records) = until(limit, || {
            let mut records = self.kafka.read(&topic)?;
            records.retain(mine);
            let ready = internal.until_value.as_ref().is_none_or(|text| {
                let last = last_of_each_key(&records);
                last.iter()
                    .any(|r| String::from_utf8_lossy(r.value.as_deref().unwrap_or(b"null")).contains(text))
            });
            Ok((ready, records))
        })?;
        let shown = match internal.show.as_str() {
            "history" => records.iter().collect(),
            "last" => last_of_each_key(&records),
            other => bail!("show is history or last, not {other}"),
        };
        let mut keys: Map<String, Value> = Map::new();
        for record in shown {
            let Value::String(key) = show(record.key.as_deref(), &self.names) else {
                bail!("a key that is no text")
            };
            let values = keys.entry(key).or_insert_with(|| json!([]));
            values
                .as_array_mut()
                .expect("made an array above")
                .push(show(record.value.as_deref(), &self.names));
        }
        Ok((timely, Value::Object(keys)))
    }

    /// Deletes what the scenario left, so that the next one starts from an empty worker.
    fn clean_up(&self) -> Result<()> {
        let send = |method: &str, target: &str| {
            // The users of the password-protected variant include the harness.
            let headers = vec![("Authorization".to_owned(), "Basic cGFyaXR5OnBhcml0eQ==".to_owned())];
            let request = Request { method: method.into(), target: target.into(), headers, body: None };
            http::send(self.worker.rest, &request, REQUEST_LIMIT)
        };
        let (clean, ()) = until(Duration::from_secs(60), || {
            let names: Vec<String> = serde_json::from_slice(&send("GET", "/connectors")?.body)?;
            for name in &names {
                send("DELETE", &format!("/connectors/{}", percent_encode(name)))?;
            }
            Ok((names.is_empty(), ()))
        })?;
        if !clean {
            bail!("connectors are left that cannot be deleted");
        }
        Ok(())
    }
}

fn last_of_each_key(records: &[Raw]) -> Vec<&Raw> {
    let is_last = |index: usize| !records[index + 1..].iter().any(|later| later.key == records[index].key);
    (0..records.len()).filter(|index| is_last(*index)).map(|index| &records[index]).collect()
}

fn percent_encode(name: &str) -> String {
    name.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Attempts until the condition holds or the time is over; says which, with the last value: the comparison shows what
/// is missing better than an error would.
fn until<T>(limit: Duration, mut attempt: impl FnMut() -> Result<(bool, T)>) -> Result<(bool, T)> {
    let end = Instant::now() + limit;
    loop {
        let (satisfied, value) = attempt()?;
        if satisfied || Instant::now() > end {
            return Ok((satisfied, value));
        }
        std::thread::sleep(POLL);
    }
}

fn is_momentary(response: &Response) -> bool {
    if response.status != 409 && response.status != 500 {
        return false;
    }
    let text = String::from_utf8_lossy(&response.body);
    ["stale configuration", "rebalance is expected", "rebalance is in process"]
        .iter()
        .any(|hint| text.contains(hint))
}

/// Conditions: `status` is the status code; a JSON pointer is the value there; a pointer with `#` behind it is the
/// number of elements there; with `?` behind it, whether there is something.
fn holds(response: &Response, body: &Value, what: &str, want: &Value) -> bool {
    if what == "status" {
        return *want == json!(response.status);
    }
    if let Some(pointer) = what.strip_suffix('#') {
        let count = match body.pointer(pointer) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(map)) => map.len(),
            _ => return false,
        };
        return *want == json!(count);
    }
    if let Some(pointer) = what.strip_suffix('?') {
        return *want == json!(body.pointer(pointer).is_some());
    }
    body.pointer(what) == Some(want)
}

/// The recording's file of a scenario.
pub fn recording_path(folder: &Path, scenario: &str) -> PathBuf {
    folder.join(format!("{scenario}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: &str, want: Value, expect: bool) {
        let body = json!({"connector": {"state": "RUNNING"}, "tasks": [{"id": 0}]});
        let response = Response { status: 200, headers: Vec::new(), body: Vec::new() };
        assert_eq!(holds(&response, &body, what, &want), expect, "{what}");
    }

    #[test]
    fn conditions() {
        check("status", json!(200), true);
        check("status", json!(404), false);
        check("/connector/state", json!("RUNNING"), true);
        check("/connector/none", json!("RUNNING"), false);
        check("/tasks#", json!(1), true);
        check("/tasks#", json!(2), false);
        check("/tasks/0/trace?", json!(false), true);
    }
}
