//! The conformance suite passes connectors that keep to the rules and names what others do wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use raccord_config::{Config, Validator};
use raccord_data::{Position, Record, Text, Value};
use raccord_plugin::*;
use raccord_testkit::conformance::{Fixture, SinkFixture, SourceFixture, check_sink, check_source};

/// What stands for the systems outside, by name: numbers of records.
static STORES: LazyLock<Mutex<HashMap<String, Vec<u64>>>> = LazyLock::new(Mutex::default);

/// Keys of the connectors.
#[derive(Clone, Debug, Config)]
struct Keys {
    /// The store to read or write.
    #[config(validator = Validator::non_empty(), importance = High)]
    store: String,
    /// What to do wrong.
    #[config(default = "nothing")]
    fault: String,
}

/// Keys that are declared badly.
#[derive(Config)]
#[expect(dead_code, reason = "only its definition is looked at")]
struct BadKeys {
    /// The store.
    store: String,
    /// A number that is refused when it is not given.
    #[config(default = 0, validator = Validator::at_least(1))]
    number: i32,
    /// A name that no user would guess.
    #[config(key = "camelCase", default = "")]
    camel: String,
}

const SOURCE: Plugin = Plugin {
    class: "test.NumbersSourceConnector",
    aliases: &[],
    version: "1",
    config: Keys::def,
    make: Make::Source {
        connector: || Box::new(Numbers::default()),
        task: || Box::new(NumbersSource::default()),
    },
};
const SINK: Plugin = Plugin {
    class: "test.NumbersSinkConnector",
    aliases: &[],
    version: "1",
    config: Keys::def,
    make: Make::Sink {
        connector: || Box::new(Numbers::default()),
        task: || Box::new(NumbersSink::default()),
    },
};
static PLUGINS: [Plugin; 3] = [SOURCE, SINK, Plugin { config: BadKeys::def, ..SOURCE }];

#[derive(Default)]
struct Numbers {
    config: RawConfig,
    calls: u32,
}

impl Numbers {
    fn divide(&mut self, max_tasks: u32) -> Vec<RawConfig> {
        self.calls += 1;
        let mut config = self.config.clone();
        if config.get("fault") == Some("restless") {
            config.insert("call", self.calls.to_string());
        }
        let count = if config.get("fault") == Some("too many tasks") { max_tasks + 1 } else { 1 };
        vec![config; count as usize]
    }
}

#[async_trait]
impl SourceConnector for Numbers {
    async fn start(&mut self, _context: ConnectorContext, config: &RawConfig) -> Result<()> {
        self.config = config.clone();
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        Ok(self.divide(max_tasks))
    }
}

#[async_trait]
impl SinkConnector for Numbers {
    async fn start(&mut self, _context: ConnectorContext, config: &RawConfig) -> Result<()> {
        self.config = config.clone();
        Ok(())
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<RawConfig>> {
        Ok(self.divide(max_tasks))
    }
}

#[derive(Default)]
struct NumbersSource {
    keys: Keys,
    next: u64,
}

impl NumbersSource {
    fn partition(&self) -> OffsetMap {
        OffsetMap::from_iter([("store".to_owned(), self.keys.store.clone().into())])
    }
}

#[async_trait]
impl SourceTask for NumbersSource {
    async fn open(&mut self, context: SourceContext, config: &RawConfig) -> Result<()> {
        self.keys = Keys::parse(config).map_err(|findings| Error::config(findings.to_string()))?;
        if self.keys.store == "closed" {
            return Err(Error::fatal("the store is closed"));
        }
        let committed = context.offsets.offsets(&[self.partition()]).await?.remove(0);
        self.next = committed.and_then(|offset| offset.get("next")?.as_u64()).unwrap_or(0);
        if self.next > 0 && self.keys.fault == "skip at restart" {
            self.next += 1;
        }
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        loop {
            let numbers = STORES.lock().get(&self.keys.store).cloned().unwrap_or_default();
            let mut news: Vec<u64> = numbers.into_iter().skip(self.next as usize).collect();
            if self.keys.fault == "reorder" {
                news.reverse();
            }
            if news.is_empty() && self.keys.fault != "busy" {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                continue;
            }
            for number in news {
                if batch.is_full() && self.keys.fault != "overfull" {
                    break;
                }
                if self.keys.fault == "lose when dropped" {
                    self.next += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                } else {
                    self.next += 1;
                }
                let position = Position { stream: 0, sequence: self.next };
                let value = Value::String(Text::from(number.to_string().as_str()));
                batch.push(Record::new("numbers".into(), None, value, position), 8);
            }
            return Ok(());
        }
    }

    fn offset(&self, position: Position) -> SourceOffset {
        let offset = OffsetMap::from_iter([("next".to_owned(), position.sequence.into())]);
        SourceOffset { partition: self.partition(), offset: Some(offset) }
    }
}

#[derive(Default)]
struct NumbersSink {
    keys: Keys,
    waiting: Vec<u64>,
}

#[async_trait]
impl SinkTask for NumbersSink {
    async fn open(&mut self, _context: SinkContext, config: &RawConfig) -> Result<()> {
        self.keys = Keys::parse(config).map_err(|findings| Error::config(findings.to_string()))?;
        Ok(())
    }

    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>> {
        self.waiting.extend(batch.records.iter().map(|record| record.position.sequence));
        Ok(Vec::new())
    }

    async fn flush(&mut self, offsets: &mut CommitOffsets) -> Result<()> {
        match self.keys.fault.as_str() {
            "lie" => return Ok(()),
            "raise" => offsets[0].1 += 5,
            "never" => offsets.clear(),
            _ => {}
        }
        let mut stores = STORES.lock();
        stores.entry(self.keys.store.clone()).or_default().append(&mut self.waiting);
        Ok(())
    }
}

struct Outside {
    plugin: &'static Plugin,
    fault: &'static str,
    resumes_exactly: bool,
    number: usize,
}

impl Outside {
    fn new(plugin: usize, fault: &'static str) -> Self {
        // Tests run at the same time, some with the same fault: each has a store of its own.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { plugin: &PLUGINS[plugin], fault, resumes_exactly: true, number }
    }

    fn store(&self) -> String {
        format!("store-{}", self.number)
    }
}

impl Fixture for Outside {
    fn plugin(&self) -> &'static Plugin {
        self.plugin
    }

    fn config(&self) -> RawConfig {
        RawConfig::from([("store", self.store()), ("fault", self.fault.to_owned())])
    }

    fn config_that_cannot_open(&self) -> Option<RawConfig> {
        (self.plugin.kind() == PluginKind::Source).then(|| RawConfig::from([("store", "closed")]))
    }
}

#[async_trait]
impl SourceFixture for Outside {
    async fn write(&mut self, first: u64, count: u64) {
        STORES.lock().entry(self.store()).or_default().extend(first..first + count);
    }

    fn number(&self, record: &Record) -> Option<u64> {
        record.value.as_str()?.parse().ok()
    }

    fn resumes_exactly(&self) -> bool {
        self.resumes_exactly
    }
}

#[async_trait]
impl SinkFixture for Outside {
    fn record(&self, number: u64) -> Record {
        let value = Value::String(Text::from(number.to_string().as_str()));
        Record::new(Arc::from(""), None, value, Position { stream: 0, sequence: number })
    }

    async fn stored(&mut self) -> Vec<u64> {
        STORES.lock().get(&self.store()).cloned().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn connectors_that_keep_to_the_rules_pass() {
    assert_eq!(check_source(&mut Outside::new(0, "nothing")).await, Vec::<String>::new());
    assert_eq!(check_sink(&mut Outside::new(1, "nothing")).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_a_rule_is_told_so() {
    for (fault, expect) in [
        ("skip at restart", "after a restart behind record 0"),
        ("lose when dropped", "polls that are dropped half-way"),
        ("reorder", "reading from the beginning: records [11, 10"),
        ("overfull", "a poll put 12 records into a batch that was full after one"),
        ("busy", "polls without news come back at once"),
        ("restless", "task configs with tasks.max 1 differ from call to call"),
        ("too many tasks", "2 task configs although tasks.max is 1"),
    ] {
        let findings = check_source(&mut Outside::new(0, fault)).await;
        assert!(findings.iter().any(|finding| finding.contains(expect)), "{fault}: {findings:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_reads_some_records_again_must_not_skip_any() {
    let mut fixture = Outside::new(0, "skip at restart");
    fixture.resumes_exactly = false;
    let findings = check_source(&mut fixture).await;
    assert!(findings.iter().any(|finding| finding.contains("record 1 of 11 is missing")), "{findings:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_breaks_a_rule_is_told_so() {
    for (fault, expect) in [
        ("lie", "are missing although flush called them durable"),
        ("raise", "flush calls 15 records durable, but only 10 were put"),
        ("never", "flush says again and again that nothing is durable"),
    ] {
        let findings = check_sink(&mut Outside::new(1, fault)).await;
        assert!(findings.iter().any(|finding| finding.contains(expect)), "{fault}: {findings:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_declared_badly_are_named() {
    let findings = check_source(&mut Outside::new(2, "keys")).await;
    for expect in [
        "the key number: its own default is refused",
        "the key camelCase: names are lower case",
        "the config of the fixture has the key fault, which is not defined",
    ] {
        assert!(findings.iter().any(|finding| finding.contains(expect)), "{expect}: {findings:#?}");
    }
}
