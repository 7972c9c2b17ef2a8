//! A running server, and a client that sends exactly what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::RawConfig;
use raccord_rest::{Limits, RestServer, RestSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::herder::Script;

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub url: String,
    pub shutdown: CancellationToken,
    pub herder: Arc<Script>,
    pub done: JoinHandle<Result<(), raccord_plugin::Error>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Settings of a worker with these keys; the listener is any port of the loopback unless given.
pub fn settings(keys: &[(&str, &str)], jaas: Option<&str>) -> Result<RestSettings, raccord_plugin::Error> {
    let mut worker = RawConfig::from([("listeners", "http://127.0.0.1:0".to_owned())]);
    for (key, value) in keys {
        worker.insert(*key, (*value).to_owned());
    }
    RestSettings::read(&worker, jaas)
}

impl Server {
    /// Starts with these keys.
    pub fn start(keys: &[(&str, &str)]) -> Self {
        Self::with(settings(keys, None).unwrap(), Script::default(), Limits::default())
    }

    pub fn with(settings: RestSettings, script: Script, limits: Limits) -> Self {
        let server = RestServer::bind(settings).unwrap().with_limits(limits);
        let (address, admin) = (server.addresses()[0], server.admin_addresses().first().copied());
        let (url, shutdown, herder) = (server.advertised_url(), CancellationToken::new(), Arc::new(script));
        let done = tokio::spawn(server.serve(herder.clone(), shutdown.clone()));
        Self { address, admin, url, shutdown, herder, done }
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, request: Request<'_>) -> Response {
        exchange(self.address, request).await
    }
}

/// What to send.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    /// `METHOD target`.
    pub fn new(line: &'a str) -> Self {
        let (method, target) = line.split_once(' ').unwrap();
        Self { method, target, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body.
    pub fn json(mut self, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self.header("Content-Type", "application/json")
    }
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case; values of the same name joined by `, `.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The bytes of a request on a connection that is closed after it.
pub fn bytes_of(address: SocketAddr, request: &Request<'_>) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.target);
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &request.body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(request.body.as_deref().unwrap_or_default());
    bytes
}

pub async fn exchange(address: SocketAddr, request: Request<'_>) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&bytes_of(address, &request)).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("an answer in time").unwrap();
    parse(&answer)
}

pub fn parse(answer: &[u8]) -> Response {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| line.split_once(':').unwrap());
        let known = headers.entry(name.to_ascii_lowercase()).or_default();
        *known = if known.is_empty() { value.to_owned() } else { format!("{known}, {value}") };
    }
    Response { status, headers, body: body.to_owned() }
}
