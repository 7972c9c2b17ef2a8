//! The source keeps to the rules of the conformance suite, against a real PostgreSQL.

mod server;

use async_trait::async_trait;
use raccord_connector_postgres::SOURCE;
use raccord_data::{Record, Value};
use raccord_plugin::{Plugin, RawConfig};
use raccord_testkit::conformance::{Fixture, SourceFixture, check_source};
use server::Server;

static PLUGIN: Plugin = SOURCE;

struct Outside(Server);

impl Fixture for Outside {
    fn plugin(&self) -> &'static Plugin {
        &PLUGIN
    }

    fn config(&self) -> RawConfig {
        self.0.config("postgres", "conformance")
    }

    fn config_that_cannot_open(&self) -> Option<RawConfig> {
        let mut config = self.config();
        config.insert("table.include.list", Some("(".to_owned()));
        Some(config)
    }
}

#[async_trait]
impl SourceFixture for Outside {
    async fn write(&mut self, first: u64, count: u64) {
        let end = first + count;
        self.0.sql("postgres", &format!("INSERT INTO numbers SELECT generate_series({first}, {end} - 1)"));
    }

    fn number(&self, record: &Record) -> Option<u64> {
        let Value::Struct(key) = &record.key else { return None };
        match key.cells() {
            [Value::Int32(number)] => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A snapshot that was not completed is taken again.
    fn resumes_exactly(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_conforms() {
    let server = Server::start();
    server.sql("postgres", "CREATE TABLE numbers (number int PRIMARY KEY)");
    let mut findings = check_source(&mut Outside(server)).await;
    // Debezium's own spelling.
    findings.retain(|finding| !finding.starts_with("the key database.tcpKeepAlive: names are lower case"));
    assert!(findings.is_empty(), "{findings:#?}");
}
