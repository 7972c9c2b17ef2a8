//! The console over sockets, in front of a worker that is a few lines of text.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use raccord_console::Console;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A worker that gives the same answer to everything and notes heads of requests.
async fn worker(status: &'static str, body: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            noted.lock().push(String::from_utf8(head).unwrap());
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, heads)
}

async fn get(console: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(console).await.unwrap();
    let head = format!("{request}\r\nHost: {console}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn start(worker: SocketAddr) -> (SocketAddr, CancellationToken) {
    let console = Console::bind("127.0.0.1:0", &format!("http://{worker}/")).unwrap();
    let (address, shutdown) = (console.address(), CancellationToken::new());
    tokio::spawn(console.serve(shutdown.clone()));
    (address, shutdown)
}

#[tokio::test]
async fn the_page_comes_with_security_headers_and_loads_nothing_from_elsewhere() {
    let (worker, _) = worker("200 OK", "{}").await;
    let (console, _) = start(worker);
    for (path, kind) in [("/", "text/html"), ("/console.js", "text/javascript"), ("/console.css", "text/css")]
    {
        let answer = get(console, &format!("GET {path} HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}");
        assert!(answer.contains(&format!("content-type: {kind}")), "{path}");
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{path}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{path}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        for elsewhere in ["http://", "https://", "innerHTML", "onclick", "style=", "eval("] {
            assert!(!body.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    assert!(get(console, "GET /nothing HTTP/1.1").await.starts_with("HTTP/1.1 404"));
    assert!(get(console, "POST /api/connectors HTTP/1.1").await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn connectors_are_asked_with_the_browsers_password_and_shown_without_configs() {
    let body = r#"{"x":{"info":{"config":{"connector.class":"C","password":"secret"}},"status":{"name":"x","connector":{"state":"RUNNING","worker_id":"w"},"tasks":[{"id":0,"state":"FAILED","trace":"<b>"}],"type":"sink"}}}"#;
    let (worker, heads) = worker("200 OK", body).await;
    let (console, _) = start(worker);
    let answer = get(console, "GET /api/connectors HTTP/1.1\r\nAuthorization: Basic abc").await;
    assert!(answer.ends_with(
        r#"[{"name":"x","class":"C","type":"sink","connector":{"state":"RUNNING","worker_id":"w"},"tasks":[{"id":0,"state":"FAILED","trace":"<b>"}]}]"#
    ), "{answer}");
    let head = heads.lock()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /connectors?expand=status&expand=info http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: basic abc\r\n"), "{head}");
}

#[tokio::test]
async fn a_password_is_asked_for_and_other_refusals_are_passed_on() {
    let (first, _) = worker("401 Unauthorized", "User cannot access the resource.").await;
    let answer = get(start(first).0, "GET /api/worker HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("www-authenticate: Basic realm="), "{answer}");
    let (second, _) = worker("503 Service Unavailable", r#"{"status":"starting","message":"m"}"#).await;
    let answer = get(start(second).0, "GET /api/health HTTP/1.1").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with(r#"{"status":"starting","message":"m"}"#),
        "{answer}"
    );
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_a_502_with_words() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = get(start(gone).0, "GET /api/worker HTTP/1.1").await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("the worker at 127.0.0.1:"), "{answer}");
}

#[tokio::test]
async fn wrong_addresses_are_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let error = Console::bind(&listen, "http://127.0.0.1:1/").err().unwrap().to_string();
    assert!(error.contains(&format!("cannot listen at {listen}")), "{error}");
    for (url, text) in [("https://x/", "http only"), ("x y", "not a URL"), ("/x", "http only")] {
        let error = Console::bind("127.0.0.1:0", url).err().unwrap().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[tokio::test]
async fn it_stops() {
    let (worker, _) = worker("200 OK", "{}").await;
    let console = Console::bind("127.0.0.1:0", &format!("http://{worker}")).unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(console.serve(shutdown.clone()));
    shutdown.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), serving).await.unwrap().unwrap().unwrap();
}
