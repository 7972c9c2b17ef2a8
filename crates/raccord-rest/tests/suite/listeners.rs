//! Several listeners, admin listeners, the advertised URL, configured headers, refusals at start.

use raccord_rest::{Limits, RestServer};

use crate::client::{Request, Server, exchange, settings};
use crate::herder::Script;

#[tokio::test]
async fn admin_requests_go_where_they_are_configured() {
    let check = async |keys: &[(&str, &str)], regular: u16, admin: Option<(u16, u16)>| {
        let server = Server::start(keys);
        assert_eq!(server.send(Request::new("GET /admin/loggers")).await.status, regular, "{keys:?}");
        assert_eq!(server.send(Request::new("GET /connectors")).await.status, 200);
        let got = match server.admin {
            None => None,
            Some(address) => Some((
                exchange(address, Request::new("GET /admin/loggers")).await.status,
                exchange(address, Request::new("GET /connectors")).await.status,
            )),
        };
        assert_eq!(got, admin, "{keys:?}");
    };
    check(&[], 200, None).await;
    check(&[("admin.listeners", "")], 404, None).await;
    check(&[("admin.listeners", " ")], 404, None).await;
    check(&[("admin.listeners", "http://127.0.0.1:0")], 404, Some((200, 404))).await;
}

#[tokio::test]
async fn several_listeners_answer() {
    let settings = settings(&[("listeners", "http://127.0.0.1:0, HTTP://[::1]:0")], None).unwrap();
    let server = RestServer::bind(settings).unwrap();
    let addresses = server.addresses();
    assert_eq!(addresses.len(), 2);
    assert!(addresses[1].is_ipv6());
    assert_eq!(server.advertised_url(), format!("http://{}/", addresses[0]));
    let shutdown = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(server.serve(std::sync::Arc::new(Script::default()), shutdown.clone()));
    for address in addresses {
        assert_eq!(exchange(address, Request::new("GET /connectors")).await.status, 200, "{address}");
    }
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_advertised_url_follows_the_keys() {
    let keys = [("rest.advertised.host.name", "w1.example"), ("rest.advertised.port", "9")];
    assert_eq!(Server::start(&keys).url, "http://w1.example:9/");
}

#[tokio::test]
async fn a_taken_port_is_told_before_anything_starts() {
    let first = Server::start(&[]);
    let url = format!("http://{}", first.address);
    let error = match RestServer::bind(settings(&[("listeners", &url)], None).unwrap()) {
        Ok(_) => panic!("two servers on {url}"),
        Err(error) => error,
    };
    assert!(error.message().contains(&format!("cannot listen at {url} (listeners)")), "{error}");
    assert!(error.hint_text().unwrap().contains("another port"));
}

#[tokio::test]
async fn configured_headers_stand_in_every_answer_of_the_regular_listeners() {
    let server = Server::start(&[
        (
            "response.http.headers.config",
            "set X-Frame-Options: DENY, \"add Cache-Control: no-cache, no-store\"",
        ),
        ("admin.listeners", "http://127.0.0.1:0"),
    ]);
    for line in
        ["GET /connectors", "GET /nothing", "GET /connectors/x", "PUT /connectors/c/pause", "OPTIONS /"]
    {
        let got = server.send(Request::new(line)).await;
        assert_eq!(got.header("x-frame-options"), Some("DENY"), "{line}");
        assert_eq!(got.header("cache-control"), Some("no-cache, no-store"), "{line}");
    }
    let admin = exchange(server.admin.unwrap(), Request::new("GET /admin/loggers")).await;
    assert_eq!(admin.header("x-frame-options"), None);
}

#[test]
fn wrong_keys_are_refused_at_start() {
    let check = |keys: &[(&str, &str)], text: &str| {
        let error = settings(keys, None).unwrap_err();
        let all = format!("{error} {}", error.hint_text().unwrap_or_default());
        assert!(all.contains(text), "{keys:?}: {all}");
    };
    check(&[("listeners", "ftp://x:1")], "Listener protocol must be either \"http\" or \"https\".");
    check(&[("listeners", "http://x")], "Listener doesn't have the right format (protocol://hostname:port).");
    check(&[("listeners", " ")], "listeners is empty");
    check(&[("rest.advertised.port", "many")], "rest.advertised.port");
    check(&[("rest.advertised.listener", "ftp")], "rest.advertised.listener");
    check(&[("access.control.allow.origin", "(")], "regular expression");
    check(&[("response.http.headers.config", "x")], "Invalid format of header config 'x'");
    check(&[("topic.tracking.enable", "maybe")], "topic.tracking.enable");
    check(
        &[("rest.extension.classes", "com.example.Mine")],
        "com.example.Mine, which is not part of raccord",
    );
    check(
        &[(
            "rest.extension.classes",
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
        )],
        "KAFKA_OPTS",
    );
    check(&[("listeners", "https://127.0.0.1:0")], "ssl.keystore.location is not set");
}

#[tokio::test]
async fn a_starting_server_keeps_requests_waiting() {
    let server = RestServer::bind(settings(&[], None).unwrap()).unwrap().with_limits(Limits::default());
    let address = server.addresses()[0];
    let early = tokio::spawn(exchange(address, Request::new("GET /connectors")));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let shutdown = tokio_util::sync::CancellationToken::new();
    tokio::spawn(server.serve(std::sync::Arc::new(Script::default()), shutdown.clone()));
    assert_eq!(early.await.unwrap().status, 200);
    shutdown.cancel();
}
