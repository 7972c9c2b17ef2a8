//! The worker's REST interface, as a client of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::ConsoleError;

/// Requests to the worker at a time, for all browsers together.
const MAX_REQUESTS: usize = 16;
/// Longer than `/health` takes on a worker that is unwell.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer: some ten thousand connectors.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What the worker answered.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// Where the worker is.
pub(crate) struct Upstream {
    authority: String,
    permits: Arc<Semaphore>,
}

impl Upstream {
    /// Reads the URL.
    pub(crate) fn parse(url: &str) -> Result<Self, ConsoleError> {
        let wrong = |text: &str| {
            ConsoleError(format!(
                "the console cannot ask {url}: {text}; give a URL like http://127.0.0.1:8083/"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("it speaks http only"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        let authority = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        Ok(Self { authority, permits: Arc::new(Semaphore::new(MAX_REQUESTS)) })
    }

    /// Asks the worker, with the browser's `Authorization`.
    ///
    /// # Errors
    /// Words for people, when there is no answer.
    pub(crate) async fn get(
        &self,
        target: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Reply, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        match tokio::time::timeout(PATIENCE, self.ask(target, authorization)).await {
            Ok(reply) => reply,
            Err(_) => Err(format!("the worker at {} does not answer", self.authority)),
        }
    }

    async fn ask(&self, target: &str, authorization: Option<&HeaderValue>) -> Result<Reply, String> {
        let unreachable =
            |error: &dyn std::fmt::Display| format!("the worker at {}: {error}", self.authority);
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| unreachable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&error))?;
        let mut request = Request::get(target)
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| unreachable(&error))?;
        let exchange = async move {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        // The connection lives as long as its one exchange, so it needs no task of its own.
        let (exchanged, _) = tokio::join!(exchange, connection);
        let (status, body) = exchanged.map_err(|error| unreachable(&error))?;
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Ok(Reply { status, body })
    }
}
