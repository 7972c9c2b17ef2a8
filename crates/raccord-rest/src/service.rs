//! From an HTTP request to an answer: the checks that come before a handler, in the order in which Connect's server
//! makes them, and the headers that come after it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use raccord_runtime::Herder;
use raccord_runtime::herder::Health;

use crate::access_log;
use crate::answer::{Answer, Failure};
use crate::auth::{BasicAuth, Verdict};
use crate::cors::Cors;
use crate::handlers::root::health_answer;
use crate::media::{Accept, BodyType, body_type, page_form};
use crate::page;
use crate::query::Query;
use crate::request_path::{self, BadPath, Segment};
use crate::response_headers::HeaderRules;
use crate::routes::{Call, Face, Found, Gives, Route, Takes, find};
use crate::settings::TopicTracking;

/// Bounds of what a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a handler may take. The herder gives up after Connect's 90 seconds with a text of its own that says what
    /// the worker is doing; this is for when even that does not come.
    pub request: Duration,
    /// How long `/health` may take; likewise longer than the herder's 10 seconds.
    pub health: Duration,
    /// The largest body. Connect has no bound; the config of a connector that Kafka takes is at most about 1 MiB.
    pub body_bytes: usize,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(95),
            health: Duration::from_secs(12),
            body_bytes: 16 * 1024 * 1024,
            shutdown: Duration::from_secs(60),
        }
    }
}

/// What the listeners of one kind have in common.
pub struct Service {
    pub(crate) herder: Arc<dyn Herder>,
    pub(crate) faces: Vec<Face>,
    pub(crate) cors: Option<Cors>,
    pub(crate) headers: HeaderRules,
    pub(crate) auth: Option<BasicAuth>,
    pub(crate) topic_tracking: TopicTracking,
    pub(crate) limits: Limits,
}

/// The connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub(crate) client: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) tls: bool,
}

/// An answer with what HTTP needs besides.
struct Outcome {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The path to log; as sent when none.
    logged_as: Option<&'static str>,
}

impl Outcome {
    fn new(status: u16, body: Vec<u8>, content_type: Option<&str>) -> Self {
        let mut outcome = Self { status, body, headers: Vec::new(), logged_as: None };
        if let Some(content_type) = content_type {
            outcome.header(header::CONTENT_TYPE, content_type);
        }
        outcome
    }

    /// Adds a header; what cannot stand in one is left out.
    fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }

    fn failure(failure: &Failure, content_type: Option<&str>) -> Self {
        Self::new(failure.status, failure.body(), content_type)
    }

    fn page(request: &Parts, uri: &str, message: &str, always_html: bool) -> Self {
        let accept = if always_html { None } else { text(&request.headers, &header::ACCEPT) };
        let (body, content_type) = page::bad_request(page_form(accept), uri, message);
        let mut outcome = Self::new(400, body.into_bytes(), content_type);
        outcome.header(header::CACHE_CONTROL, "must-revalidate,no-cache,no-store");
        outcome
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Service {
    /// Answers a request.
    pub async fn answer(&self, connection: Connection, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (began, clock) = (SystemTime::now(), Instant::now());
        let (request, body) = request.into_parts();
        let outcome = match check_path(&request) {
            Ok(path) => self.within_context(connection, &request, &path, body).await,
            Err(outcome) => outcome,
        };
        let response = render(outcome.status, outcome.body, outcome.headers);
        let head = request.method == Method::HEAD;
        let target = request.uri.path_and_query().map_or("*", |target| target.as_str());
        access_log::write(&access_log::Entry {
            client: connection.client.ip().to_canonical(),
            request: (request.method.as_str(), outcome.logged_as.unwrap_or(target)),
            version: request.version,
            headers: &request.headers,
            status: response.status().as_u16(),
            bytes: if head { 0 } else { content_length(&response) },
            began,
            took: clock.elapsed(),
        });
        response
    }

    /// The part that has cross-origin headers and those of `response.http.headers.config`.
    async fn within_context(
        &self,
        connection: Connection,
        request: &Parts,
        path: &[Segment],
        body: Incoming,
    ) -> Outcome {
        let mut outcome = self.resource(connection, request, path, body).await;
        let mut headers = HeaderMap::new();
        if let Some(cors) = &self.cors {
            headers.extend(cors.answer(request.method.as_str(), &request.headers));
        }
        self.headers.apply(&mut headers, SystemTime::now());
        for (name, value) in outcome.headers {
            headers.insert(name, value);
        }
        outcome.headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        outcome
    }

    async fn resource(
        &self,
        connection: Connection,
        request: &Parts,
        path: &[Segment],
        body: Incoming,
    ) -> Outcome {
        let base = base_url(connection, request);
        let Ok(sent_type) = body_type(text(&request.headers, &header::CONTENT_TYPE)) else {
            return Outcome::page(request, &format!("{base}{}", request.uri.path()), "Bad Request", false);
        };
        let found = find(request.method.as_str(), path, &self.faces);
        let (route, variables) = match found {
            Found::Nothing => return Outcome::failure(&Failure::framework(404), None),
            Found::WrongMethod => return Outcome::failure(&Failure::framework(405), None),
            Found::Options(methods) => return self.options(request, &methods),
            Found::Route(route, variables) => (route, variables),
        };
        if sent_type == BodyType::Other && route.takes != Takes::Signed {
            return Outcome::failure(&Failure::framework(415), None);
        }
        let Ok(accept) = Accept::parse(text(&request.headers, &header::ACCEPT)) else {
            return Outcome::page(request, &format!("{base}{}", request.uri.path()), "Bad Request", false);
        };
        let json_type = match (accept.json(), route.gives) {
            (Some(json_type), _) => json_type,
            (None, Gives::Json) => return Outcome::failure(&Failure::framework(406), None),
            (None, Gives::Text(_)) => "application/json".to_owned(),
        };
        if let Some(refused) = self.refuse(request, route, &json_type) {
            return refused;
        }
        match self.handle(request, route, variables, sent_type, body).await {
            Ok(answer) => {
                let content_type = match route.gives {
                    Gives::Json => json_type.as_str(),
                    Gives::Text(content_type) => content_type,
                };
                let has_body = answer.body.is_some().then_some(content_type);
                let mut outcome = Outcome::new(answer.status, answer.body.unwrap_or_default(), has_body);
                if let Some(location) = answer.location {
                    outcome.header(header::LOCATION, &format!("{base}{location}"));
                }
                outcome
            }
            Err(failure) => Outcome::failure(&failure, Some(&json_type)),
        }
    }

    fn options(&self, request: &Parts, methods: &[&str]) -> Outcome {
        let Ok(accept) = Accept::parse(text(&request.headers, &header::ACCEPT)) else {
            return Outcome::page(request, request.uri.path(), "Bad Request", false);
        };
        let (content_type, has_text) = accept.options();
        if let Some(refused) = self.unwelcome(request, &content_type) {
            return refused;
        }
        let body = if has_text { methods.join(", ").into_bytes() } else { Vec::new() };
        let mut outcome = Outcome::new(200, body, Some(&content_type));
        outcome.header(header::ALLOW, &methods.join(","));
        outcome
    }

    /// Checks the password, unless the request comes from another worker.
    fn refuse(&self, request: &Parts, route: &Route, content_type: &str) -> Option<Outcome> {
        if route.takes == Takes::Signed { None } else { self.unwelcome(request, content_type) }
    }

    fn unwelcome(&self, request: &Parts, content_type: &str) -> Option<Outcome> {
        match self.auth.as_ref()?.check(text(&request.headers, &header::AUTHORIZATION)) {
            Verdict::Welcome => None,
            Verdict::Unknown => {
                Some(Outcome::new(401, b"User cannot access the resource.".to_vec(), Some(content_type)))
            }
            Verdict::Broken(text) => Some(Outcome::failure(&Failure::new(500, text), Some(content_type))),
        }
    }

    async fn handle(
        &self,
        request: &Parts,
        route: &'static Route,
        variables: Vec<String>,
        sent_type: BodyType,
        body: Incoming,
    ) -> Result<Answer, Failure> {
        let body = match route.takes {
            Takes::Json(_) => self.read_body(body).await?,
            Takes::Nothing | Takes::Signed => Bytes::new(),
        };
        if !body.is_empty() && matches!(sent_type, BodyType::Missing | BodyType::Range) {
            return Err(Failure::framework(415));
        }
        let call = Call {
            herder: &*self.herder,
            variables,
            query: Query::parse(request.uri.query().unwrap_or_default()),
            body,
            topic_tracking: self.topic_tracking,
        };
        let health = route.path == "/health";
        let patience = if health { self.limits.health } else { self.limits.request };
        match tokio::time::timeout(patience, (route.handler)(&call)).await {
            Ok(answer) => answer,
            Err(_) if health => Ok(health_answer(&Health::Unhealthy(String::new()))),
            Err(_) => Err(Failure::new(500, "Request timed out")),
        }
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, Failure> {
        let limited = Limited::new(body, self.limits.body_bytes).collect();
        match tokio::time::timeout(self.limits.request, limited).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::framework(413)),
            Ok(Err(error)) => Err(Failure::new(400, format!("The body cannot be read: {error}"))),
            Err(_) => Err(Failure::new(408, "The body did not come in time")),
        }
    }
}

/// The segments of the path, or the page for one that the server refuses.
fn check_path(request: &Parts) -> Result<Vec<Segment>, Outcome> {
    if request.uri.path() == "*" && request.method == Method::OPTIONS {
        let mut outcome = Outcome::new(404, Vec::new(), None);
        outcome.header(header::CACHE_CONTROL, "must-revalidate,no-cache,no-store");
        return Err(outcome);
    }
    request_path::segments(request.uri.path()).map_err(|bad| {
        let (uri, message) = match &bad {
            BadPath::Malformed => (page::BAD_MESSAGE, "Bad Request"),
            BadPath::Violation(text) => (page::BAD_URI, text.as_str()),
        };
        let mut outcome = Outcome::page(request, uri, message, true);
        if matches!(bad, BadPath::Violation(_)) {
            outcome.header(header::CONNECTION, "close");
        }
        outcome.logged_as = Some(uri);
        outcome
    })
}

/// Protocol and host by which the client reached us.
fn base_url(connection: Connection, request: &Parts) -> String {
    let protocol = if connection.tls { "https" } else { "http" };
    let host = request.uri.authority().map(|authority| authority.as_str());
    match host.or_else(|| text(&request.headers, &header::HOST)).filter(|host| !host.is_empty()) {
        Some(host) => format!("{protocol}://{host}"),
        None => format!("{protocol}://{}", connection.local),
    }
}

fn render(status: u16, body: Vec<u8>, headers: Vec<(HeaderName, HeaderValue)>) -> Response<Full<Bytes>> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let length = body.len();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    if code != StatusCode::NO_CONTENT {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn content_length(response: &Response<Full<Bytes>>) -> usize {
    text(response.headers(), &header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0)
}
