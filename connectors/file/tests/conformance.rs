//! Both connectors keep to the rules of the conformance suite.

use std::io::Write;

use async_trait::async_trait;
use raccord_connector_file::{SINK, SOURCE};
use raccord_data::{Position, Record, Text, Value};
use raccord_plugin::{Plugin, RawConfig};
use raccord_testkit::conformance::{Fixture, SinkFixture, SourceFixture, assert_sink, assert_source};

static PLUGINS: [Plugin; 2] = [SOURCE, SINK];

/// A file with a number on each line.
struct Numbers {
    plugin: &'static Plugin,
    file: tempfile::NamedTempFile,
}

impl Numbers {
    fn new(plugin: &'static Plugin) -> Self {
        Self { plugin, file: tempfile::NamedTempFile::new().expect("a temporary file") }
    }
}

impl Fixture for Numbers {
    fn plugin(&self) -> &'static Plugin {
        self.plugin
    }

    fn config(&self) -> RawConfig {
        let mut config = RawConfig::from([("file", self.file.path().display().to_string())]);
        if self.plugin.class == SOURCE.class {
            config.insert("topic", "lines".to_owned());
        }
        config
    }
}

#[async_trait]
impl SourceFixture for Numbers {
    async fn write(&mut self, first: u64, count: u64) {
        for number in first..first + count {
            writeln!(self.file, "{number}").expect("a line is written");
        }
    }

    fn number(&self, record: &Record) -> Option<u64> {
        record.value.as_str()?.parse().ok()
    }
}

#[async_trait]
impl SinkFixture for Numbers {
    fn record(&self, number: u64) -> Record {
        let value = Value::String(Text::from(number.to_string().as_str()));
        Record::new("lines".into(), None, value, Position { stream: 0, sequence: number })
    }

    async fn stored(&mut self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.file.path()).expect("the file can be read");
        text.lines().map(|line| line.parse().expect("a number on each line")).collect()
    }
}

#[tokio::test]
async fn the_source_conforms() {
    assert_source(&mut Numbers::new(&PLUGINS[0])).await;
}

#[tokio::test]
async fn the_sink_conforms() {
    assert_sink(&mut Numbers::new(&PLUGINS[1])).await;
}
