//! A connector of a worker, by its REST API.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::http::{self, Request};

/// How long something may take.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at.
pub const POLL: Duration = Duration::from_millis(100);

/// A connector by name.
#[derive(Clone, Copy, Debug)]
pub struct Connector<'a> {
    /// Where the worker's REST API listens.
    pub rest: SocketAddr,
    /// The name.
    pub name: &'a str,
}

impl Connector<'_> {
    /// Sends a request about the connector.
    ///
    /// # Errors
    /// When the worker does not answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let request = Request {
            method: method.to_owned(),
            target: format!("/connectors/{}{path}", self.name),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.map(|body| body.to_string().into_bytes()),
        };
        let response = http::send(self.rest, &request, LIMIT)?;
        Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
    }

    /// The same, for requests that have to succeed.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String> {
        match self.request(method, path, body)? {
            (200..300, answer) => Ok(answer),
            (status, answer) => bail!("{method} {}{path}: {status} {answer}", self.name),
        }
    }

    /// Its task: state and trace; null when there is none yet.
    ///
    /// # Errors
    /// When the worker does not answer.
    pub fn task(&self) -> Result<Value> {
        let (_, body) = self.request("GET", "/status", None)?;
        let status: Value = serde_json::from_str(&body)?;
        Ok(status["tasks"][0].clone())
    }

    /// The trace of its task, if that failed.
    ///
    /// # Errors
    /// When the worker does not answer.
    pub fn failure(&self) -> Result<Option<String>> {
        let task = self.task()?;
        Ok((task["state"] == "FAILED").then(|| task["trace"].as_str().unwrap_or_default().to_owned()))
    }

    /// Waits for something.
    ///
    /// # Errors
    /// When it does not come within [`LIMIT`]; with the state of the task.
    pub fn wait(&self, what: &str, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + LIMIT;
        while !ready()? {
            if Instant::now() > end {
                bail!("{what}: not within {LIMIT:?}; the task is {}", self.task()?);
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}
