//! Workers and connectors on listeners of Apache Kafka that want TLS and SASL, with stores of every format.
//!
//! Needs Java with keytool, openssl, and the jars of Kafka 4.3.1 (`cargo xtask peers fetch`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;
mod secured;

use std::fs;

use live::{Worker, wait_for};
use secured::{Kafka, Listener, PASSWORD, TokenServer};
use serde_json::json;

type Keys = Vec<(&'static str, String)>;

/// A way into Kafka: its name, the listener, and the worker's keys for it.
type Way = (&'static str, Listener, Keys);

/// What is tried in vain: its name, the way that it is like, other keys, and words of the message.
type Refused = (&'static str, usize, Keys, &'static [&'static str]);

/// The worker's keys with the same for the clients of its connectors.
fn for_all_clients(keys: &[(&str, String)]) -> Vec<(String, String)> {
    ["", "producer.", "consumer."]
        .iter()
        .flat_map(|prefix| keys.iter().map(move |(key, value)| (format!("{prefix}{key}"), value.clone())))
        .collect()
}

fn start(folder: &std::path::Path, broker: &str, name: &str, keys: &[(&str, String)]) -> Worker {
    fs::create_dir_all(folder).unwrap();
    let mut all = for_all_clients(keys);
    for (key, value) in [
        ("group.id", name.to_owned()),
        ("config.storage.topic", format!("{name}-configs")),
        ("offset.storage.topic", format!("{name}-offsets")),
        ("status.storage.topic", format!("{name}-statuses")),
    ] {
        all.push((key.to_owned(), value));
    }
    let more: Vec<(&str, &str)> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Worker::start(folder, broker, &more, &[])
}

/// A file through a source, a topic and a sink to another file.
fn copies_a_file(worker: &Worker, folder: &std::path::Path, name: &str) {
    let at = |file: &str| folder.join(file).display().to_string();
    fs::write(at("in"), "one\ntwo\n").unwrap();
    for (connector, config) in [
        (
            "in",
            json!({"connector.class": "FileStreamSource", "file": at("in"), "topic": format!("{name}-lines")}),
        ),
        (
            "out",
            json!({"connector.class": "FileStreamSink", "file": at("out"), "topics": format!("{name}-lines")}),
        ),
    ] {
        let (status, answer) = worker.ask("PUT", &format!("/connectors/{connector}/config"), Some(config));
        assert_eq!(status, 201, "{name}: {answer}\n{}", worker.log());
        worker.task_state(connector, "RUNNING");
    }
    wait_for(&format!("the copy through {name}: {}", worker.log()), || {
        fs::read_to_string(at("out")).is_ok_and(|text| text == "one\ntwo\n").then_some(())
    });
}

#[test]
fn every_way_into_kafka_works_and_refusals_are_clear() {
    let kafka = Kafka::start();
    let tokens = TokenServer::start();
    let pem = |name: &str| fs::read_to_string(kafka.path(name)).unwrap();
    let text = |value: &str| value.to_owned();
    let ways: Vec<Way> = vec![
        (
            "tls",
            Listener::Ssl,
            vec![
                ("security.protocol", text("SSL")),
                ("ssl.truststore.location", kafka.text("trust.jks")),
                ("ssl.truststore.password", text(PASSWORD)),
                ("ssl.keystore.location", kafka.text("client.p12")),
                ("ssl.keystore.type", text("PKCS12")),
                ("ssl.keystore.password", text(PASSWORD)),
                ("ssl.cipher.suites", text("TLS_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")),
            ],
        ),
        (
            "plain",
            Listener::SaslSsl,
            vec![
                ("security.protocol", text("SASL_SSL")),
                ("sasl.mechanism", text("PLAIN")),
                ("sasl.jaas.config", secured::plain("alice", PASSWORD)),
                ("ssl.truststore.type", text("PEM")),
                ("ssl.truststore.location", kafka.text("ca.pem")),
            ],
        ),
        (
            "scram",
            Listener::SaslSsl,
            vec![
                ("security.protocol", text("SASL_SSL")),
                ("sasl.mechanism", text("SCRAM-SHA-512")),
                ("sasl.jaas.config", secured::scram("alice", PASSWORD)),
                ("ssl.truststore.type", text("PEM")),
                ("ssl.truststore.certificates", pem("ca.pem")),
            ],
        ),
        (
            "unsecured",
            Listener::OAuth,
            vec![
                ("security.protocol", text("SASL_PLAINTEXT")),
                ("sasl.mechanism", text("OAUTHBEARER")),
                ("sasl.jaas.config", secured::oauth("unsecuredLoginStringClaim_sub=\"alice\"")),
            ],
        ),
        (
            "tokens",
            Listener::OAuth,
            vec![
                ("security.protocol", text("SASL_PLAINTEXT")),
                ("sasl.mechanism", text("OAUTHBEARER")),
                ("sasl.oauthbearer.token.endpoint.url", tokens.url()),
                (
                    "sasl.jaas.config",
                    secured::oauth(&format!("clientId=\"me\" clientSecret=\"{PASSWORD}\" scope=\"s\"")),
                ),
            ],
        ),
    ];
    let workers: Vec<_> = ways
        .iter()
        .map(|(name, listener, keys)| {
            let folder = kafka.path(name);
            (start(&folder, &kafka.address(*listener), name, keys), folder, *name)
        })
        .collect();
    for (worker, folder, name) in &workers {
        copies_a_file(worker, folder, name);
    }
    assert!(tokens.asked() > 0);
    refused_workers(&kafka, &ways);
    refused_tasks(&kafka, &workers[1].0);
    refused_letters(&kafka, &workers[1].0);
    for (worker, ..) in &workers {
        assert!(!worker.log().contains(PASSWORD), "no password in the log");
    }
}

/// Workers that are not let in end, and say what to do.
fn refused_workers(kafka: &Kafka, ways: &[Way]) {
    let cases: [Refused; 5] = [
        (
            "wrong-password",
            1,
            vec![("sasl.jaas.config", secured::plain("alice", "wr0ng-pa55"))],
            &["Authentication failed", "sasl.jaas.config"],
        ),
        (
            "untrusted",
            2,
            vec![("ssl.truststore.certificates", fs::read_to_string(kafka.path("other-ca.pem")).unwrap())],
            &["certificate verify failed", "ssl.truststore.location"],
        ),
        (
            "wrong-mechanism",
            1,
            vec![("sasl.mechanism", "SCRAM-SHA-256".to_owned())],
            &["SCRAM-SHA-256", "set sasl.mechanism"],
        ),
        (
            "wrong-client-secret",
            4,
            vec![("sasl.jaas.config", secured::oauth("clientId=\"me\" clientSecret=\"wr0ng-pa55\""))],
            &["status 401", "invalid_client", "sasl.jaas.config"],
        ),
        (
            "unknown-suite",
            0,
            vec![("ssl.cipher.suites", "TLS_NOPE".to_owned())],
            &[
                "ssl.cipher.suites",
                "Unsupported CipherSuite: TLS_NOPE",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            ],
        ),
    ];
    let mut workers: Vec<_> = cases
        .iter()
        .map(|(name, way, changes, expect)| {
            let (_, listener, keys) = &ways[*way];
            let mut keys = keys.clone();
            for (key, value) in changes {
                keys.retain(|(known, _)| known != key);
                keys.push((key, value.clone()));
            }
            (start(&kafka.path(name), &kafka.address(*listener), name, &keys), *name, *expect)
        })
        .collect();
    for (worker, name, expect) in &mut workers {
        assert_eq!(worker.ended(), Some(1), "{name}: {}", worker.log());
        let log = worker.log();
        let said = log.lines().rfind(|line| line.starts_with("raccord: ")).unwrap_or_default();
        for words in *expect {
            assert!(said.contains(words), "{name}: {words:?} in {said:?}\n{log}");
        }
        assert!(!log.contains("wr0ng-pa55") && !log.contains(PASSWORD), "{name}: {log}");
    }
}

/// Connectors that override who they are, wrongly: their tasks fail with the reason, and the worker goes on.
fn refused_tasks(kafka: &Kafka, worker: &Worker) {
    let at = |file: &str| kafka.path("plain").join(file).display().to_string();
    let wrong = secured::plain("alice", "wr0ng-pa55");
    let source = json!({
        "connector.class": "FileStreamSource", "file": at("in"), "topic": "never",
        "producer.override.sasl.jaas.config": wrong,
    });
    let sink = json!({
        "connector.class": "FileStreamSink", "file": at("never"), "topics": "plain-lines",
        "consumer.override.sasl.jaas.config": wrong,
    });
    let untrusted = json!({
        "connector.class": "FileStreamSource", "file": at("in"), "topic": "never",
        "producer.override.ssl.truststore.location": kafka.text("other-ca.pem"),
    });
    let unreadable = json!({
        "connector.class": "FileStreamSource", "file": at("in"), "topic": "never",
        "producer.override.ssl.truststore.location": "/no/such.jks",
    });
    let cases = [
        ("wrong-source", source, "SaslAuthenticationException", "sasl.jaas.config"),
        ("wrong-sink", sink, "SaslAuthenticationException", "sasl.jaas.config"),
        ("untrusted-source", untrusted, "SslAuthenticationException", "ssl.truststore.location"),
        ("unreadable-source", unreadable, "ConfigException", "cannot read /no/such.jks"),
    ];
    for (name, config, ..) in &cases {
        let (status, answer) = worker.ask("PUT", &format!("/connectors/{name}/config"), Some(config.clone()));
        assert_eq!(status, 201, "{answer}");
    }
    for (name, _, class, remedy) in &cases {
        let status = worker.task_state(name, "FAILED");
        let trace = status["tasks"][0]["trace"].as_str().unwrap();
        assert!(trace.contains(class) && trace.contains(remedy), "{name}: {trace}");
        assert!(!trace.contains("wr0ng-pa55"), "{name}: {trace}");
    }
}

/// A dead letter queue that the user may not write: the task fails and says which.
fn refused_letters(kafka: &Kafka, worker: &Worker) {
    kafka.deny("Write", "closed");
    let sink = json!({
        "connector.class": "FileStreamSink", "file": kafka.path("plain").join("closed"), "topics": "plain-lines",
        "value.converter": "org.apache.kafka.connect.converters.LongConverter", "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": "closed", "errors.deadletterqueue.topic.replication.factor": "1",
    });
    let (status, answer) = worker.ask("PUT", "/connectors/closed/config", Some(sink));
    assert_eq!(status, 201, "{answer}");
    let status = worker.task_state("closed", "FAILED");
    let trace = status["tasks"][0]["trace"].as_str().unwrap();
    let first = "org.apache.kafka.connect.errors.ConnectException: Could not produce message to dead letter queue. \
                 topic=closed\n";
    assert!(trace.starts_with(first) && trace.contains("TopicAuthorizationException"), "{trace}");
}
