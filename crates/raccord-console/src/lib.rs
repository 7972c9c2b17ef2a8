//! The web console: a page that shows what the worker's connectors and tasks are doing.
//!
//! One static page, embedded, and three read-only routes of the same origin that ask Connect's REST interface. The
//! console knows the worker by REST and by nothing else, so it shows exactly what every other tool sees, and it can show
//! any Connect worker. Configs, which may hold passwords, never reach the browser: only the connector's class does.
//!
//! A worker that wants passwords gets them from the browser: the `Authorization` header is passed on, and a 401 makes
//! the browser ask.

mod api;
mod assets;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Request, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use upstream::Upstream;

/// The console cannot do its work: what is wrong and what to do about it, in one line.
#[derive(Debug)]
pub struct ConsoleError(String);

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConsoleError {}

/// The console on its socket.
pub struct Console {
    socket: std::net::TcpListener,
    address: SocketAddr,
    upstream: Upstream,
}

impl Console {
    /// Opens the socket at `listen` (`host:port`, port 0 for any) for a console of the worker whose REST interface is at
    /// `rest_url`, e.g. `http://127.0.0.1:8083/`.
    ///
    /// # Errors
    /// When the port is taken, or the URL is none or is https, which the console does not speak.
    pub fn bind(listen: &str, rest_url: &str) -> Result<Self, ConsoleError> {
        let upstream = Upstream::parse(rest_url)?;
        let cannot = |error: std::io::Error| {
            ConsoleError(format!(
                "the console cannot listen at {listen}: {error}; choose another address or port"
            ))
        };
        let socket = std::net::TcpListener::bind(listen).map_err(cannot)?;
        socket.set_nonblocking(true).map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        Ok(Self { socket, address, upstream })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until shutdown.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ConsoleError> {
        let cannot = |error| ConsoleError(format!("the console at {} failed: {error}", self.address));
        let socket = TcpListener::from_std(self.socket).map_err(cannot)?;
        tracing::info!("console at http://{}/", self.address);
        let app = router(self.upstream);
        axum::serve(socket, app).with_graceful_shutdown(shutdown.cancelled_owned()).await.map_err(cannot)
    }
}

fn router(upstream: Upstream) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/console.js", get(assets::script))
        .route("/console.css", get(assets::style))
        .route("/api/worker", get(api::worker))
        .route("/api/health", get(api::health))
        .route("/api/connectors", get(api::connectors))
        .layer(middleware::from_fn(secured))
        .with_state(Arc::new(upstream))
}

/// Headers of every answer: nothing from elsewhere, nothing inline, no frames, no cache.
const SECURITY: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

async fn secured(request: Request<axum::body::Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
