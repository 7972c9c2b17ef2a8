//! Conversations that were recorded with the real worker, as far as they are about HTTP and not about connectors. The
//! recordings belong to the parity harness, which replays all of them against the whole program.

use serde_json::Value;

use crate::client::{Request, Response, Server, exchange, settings};
use crate::herder::Script;

/// Headers that are compared, whether they are there or not.
const COMPARED: [&str; 12] = [
    "content-type",
    "location",
    "allow",
    "cache-control",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-allow-credentials",
    "x-frame-options",
    "x-quoted",
];

fn recorded(name: &str) -> Vec<Value> {
    let path = format!("{}/../../parity/recorded/rest/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let scenario: Value = serde_json::from_str(&text).unwrap();
    scenario["exchanges"].as_array().unwrap().clone()
}

fn request(recorded: &Value) -> Request<'_> {
    let mut request = Request::new(recorded["step"].as_str().unwrap());
    request.body = match &recorded["sent"] {
        Value::Null => None,
        Value::String(text) => Some(text.as_bytes().to_vec()),
        json => Some(json.to_string().into_bytes()),
    };
    let sent =
        |name: &str| recorded["sent_headers"].as_object().is_some_and(|headers| headers.contains_key(name));
    if !sent("Accept") {
        request = request.header("Accept", "*/*");
    }
    if request.body.is_some() && !sent("Content-Type") {
        request = request.header("Content-Type", "application/json");
    }
    for (name, value) in recorded["sent_headers"].as_object().into_iter().flatten() {
        if let Some(value) = value.as_str() {
            request = request.header(name, value);
        }
    }
    request
}

/// What differs, in words; nothing when nothing does.
fn difference(recorded: &Value, got: &Response, host: &str) -> Option<String> {
    if recorded["status"] != got.status {
        return Some(format!("status {} {}", got.status, got.body));
    }
    for name in COMPARED {
        let expect = recorded["headers"][name].as_str().map(|value| value.replace("{{worker}}", host));
        let mut found = got.header(name).map(str::to_owned);
        if name == "access-control-allow-methods" {
            // Their order differs from one run of the real worker to the next.
            found = found.map(|methods| {
                let mut methods: Vec<&str> = methods.split(',').collect();
                methods.sort_unstable();
                methods.join(",")
            });
        }
        if expect != found {
            return Some(format!("{name}: {found:?} instead of {expect:?}"));
        }
    }
    let expect = match &recorded["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.replace("{{worker}}", host),
        json => json.to_string(),
    };
    (expect != got.body).then(|| format!("body {}\n instead of {expect}", got.body))
}

/// Replays those exchanges of a recording that `choose` chooses; at least so many must be.
async fn replay(name: &str, server: &Server, at_least: usize, choose: impl Fn(&Value) -> bool) {
    let mut wrong = Vec::new();
    let exchanges: Vec<Value> = recorded(name).into_iter().filter(choose).collect();
    assert!(exchanges.len() >= at_least, "{name}: only {} exchanges", exchanges.len());
    for recorded in &exchanges {
        let request = request(recorded);
        let got = exchange(server.address, request.clone()).await;
        if let Some(text) = difference(recorded, &got, &server.address.to_string()) {
            wrong.push(format!("{} {:?} {:?}\n {text}", recorded["step"], request.headers, recorded["sent"]));
        }
    }
    assert!(wrong.is_empty(), "{name}: {} of {} differ:\n{}", wrong.len(), exchanges.len(), wrong.join("\n"));
}

fn message(recorded: &Value) -> &str {
    recorded["body"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn server() {
    replay("server", &Server::start(&[]), 60, |_| true).await;
}

#[tokio::test]
async fn bodies() {
    replay("create-bodies", &Server::start(&[]), 50, |_| true).await;
}

#[tokio::test]
async fn an_unknown_connector() {
    // The path of old tools is an answer of our own; which plugins there are is not REST's business.
    let ours = |recorded: &Value| {
        !recorded["step"].as_str().unwrap().ends_with("tasks-config")
            && !message(recorded).starts_with("Failed to find")
    };
    replay("unknown-connector", &Server::start(&[]), 30, ours).await;
}

#[tokio::test]
async fn cors() {
    let server = Server::start(&[
        ("access.control.allow.origin", "http://console.example,https://.*\\.example\\.org"),
        ("access.control.allow.methods", "GET,POST,PUT,DELETE"),
        (
            "response.http.headers.config",
            "add Cache-Control: no-cache, set X-Frame-Options: SAMEORIGIN, \"add X-Quoted: one, two\"",
        ),
    ]);
    let about_http = |recorded: &Value| {
        let sent = recorded["sent"].to_string();
        !sent.contains("FileStream")
            && !recorded["step"].as_str().unwrap().starts_with("PUT /connector-plugins")
    };
    replay("cors", &server, 20, about_http).await;
}

#[tokio::test]
async fn passwords() {
    let folder = tempfile::tempdir().unwrap();
    let (users, jaas) = (folder.path().join("users"), folder.path().join("jaas"));
    std::fs::write(&users, "parity=parity\nalice=p:ss word\nempty=\n").unwrap();
    let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
    std::fs::write(
        &jaas,
        format!("KafkaConnect {{\n  {module} required\n  file=\"{}\";\n}};\n", users.display()),
    )
    .unwrap();
    let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let settings = settings(&[("rest.extension.classes", extension)], jaas.to_str()).unwrap();
    let server = Server::with(settings, Script::default(), raccord_rest::Limits::default());
    replay("basic-auth", &server, 30, |_| true).await;
}
