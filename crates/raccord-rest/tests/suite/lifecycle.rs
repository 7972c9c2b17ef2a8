//! Time and size: starting, slowness, shutdown, bodies without end.

use std::time::Duration;

use raccord_rest::Limits;
use raccord_runtime::herder::Health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Request, Server, bytes_of, parse, settings};
use crate::herder::Script;

fn start(health: Health, limits: Limits) -> Server {
    Server::with(settings(&[], None).unwrap(), Script { health, ..Script::default() }, limits)
}

fn quick() -> Limits {
    let short = Duration::from_millis(100);
    Limits { request: short, health: short, body_bytes: 1000, shutdown: Duration::from_secs(5) }
}

#[tokio::test]
async fn health_tells_starting_from_unwell() {
    let check = async |health: Health, status: u16, body: &str| {
        let got = start(health, quick()).send(Request::new("GET /health")).await;
        assert_eq!((got.status, got.body.as_str()), (status, body));
    };
    check(
        Health::Starting("The worker is currently reading to the end of the config topic.".to_owned()),
        503,
        r#"{"status":"starting","message":"Worker is still starting up. The worker is currently reading to the end of the config topic."}"#,
    )
    .await;
    check(
        Health::Starting(String::new()),
        503,
        r#"{"status":"starting","message":"Worker is still starting up."}"#,
    )
    .await;
    let unwell = r#"{"status":"unhealthy","message":"Worker was unable to handle this request and may be unable to handle other requests."}"#;
    check(Health::Unhealthy(String::new()), 500, unwell).await;
    check(Health::Unhealthy("silent".to_owned()), 500, unwell).await;
}

#[tokio::test]
async fn a_worker_that_never_answers_is_given_up() {
    let server = start(Health::Healthy, quick());
    let got = server.send(Request::new("GET /connectors/slow")).await;
    assert_eq!((got.status, got.body.as_str()), (500, r#"{"error_code":500,"message":"Request timed out"}"#));
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let server = start(Health::Healthy, quick());
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(2000));
    let got = server.send(Request::new("PUT /connectors/c/config").json(&body)).await;
    assert_eq!(
        (got.status, got.body.as_str()),
        (413, r#"{"error_code":413,"message":"HTTP 413 Request Entity Too Large"}"#)
    );
    assert!(server.herder.calls().is_empty());
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = start(Health::Healthy, quick());
    let got = server.send(Request::new("GET /").header("X-Long", &"x".repeat(1_000_000))).await;
    assert_eq!(got.status, 431);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start(Health::Healthy, Limits::default());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /connectors HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        assert_eq!(parse(&answer[..length]).body, "[]");
    }
}

#[tokio::test]
async fn a_client_that_says_no_more_still_gets_its_answer() {
    let server = start(Health::Healthy, Limits::default());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&bytes_of(server.address, &Request::new("PUT /connectors/late/pause"))).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(parse(&answer).status, 202);
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_closes_idle_connections() {
    let mut server = start(Health::Healthy, Limits::default());
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(&bytes_of(server.address, &Request::new("PUT /connectors/late/pause"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown.cancel();
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert_eq!(parse(&answer).status, 202);
    assert_eq!(idle.read(&mut [0; 10]).await.unwrap(), 0, "an idle connection is closed");
    tokio::time::timeout(Duration::from_secs(5), &mut server.done).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn shutdown_does_not_wait_forever() {
    let limits = Limits { shutdown: Duration::from_millis(200), ..Limits::default() };
    let mut server = start(Health::Healthy, limits);
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(&bytes_of(server.address, &Request::new("PUT /connectors/slow/pause"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), &mut server.done).await.unwrap().unwrap().unwrap();
}
