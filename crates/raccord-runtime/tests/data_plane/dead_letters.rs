//! Dead letters of sinks and sources over a Kafka in memory: what is written where, what is committed, what is counted, and
//! how letters are replayed.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use raccord_config::Class;
use raccord_plugin::data::{Schema, Text, Value};
use raccord_plugin::{
    CommitOffsets, Converter, Decoder, Encoded, Encoder, Error, Make, Plugin, RawConfig, Rejected, Result,
    SchemaAndValue, SinkBatch, SinkContext, SinkTask,
};
use raccord_runtime::config::WorkerConfig;
use raccord_runtime::error_metrics::ErrorCounts;
use raccord_runtime::replay::{Replay, Replayed};
use raccord_testkit::MemoryKafka;
use raccord_testkit::memory::Stored;
use raccord_testkit::plugins::{NO_HEADERS, PLUGINS as TESTKIT};

use crate::fakes::{Finished, OBEYING, TEXTS, in_virtual_time, plugin, run_task};

const SINK: Plugin = plugin(
    "Sink",
    Make::Sink {
        connector: || unreachable!("only tasks run here"),
        task: || Box::new(Sink { kept: KEPT.with_borrow(Clone::clone), away: 2, context: None }),
    },
);
const PICKY: Plugin = plugin("Picky", Make::Converter(|_, _| Ok(Arc::new(Picky))));
const JSON: Plugin =
    plugin("org.apache.kafka.connect.json.JsonConverter", Make::Converter(|_, _| Ok(Arc::new(AsJson))));

fn plugins() -> &'static [Plugin] {
    let headers = *TESTKIT.iter().find(|plugin| plugin.class == NO_HEADERS).unwrap();
    Box::leak(Box::new([SINK, TEXTS, PICKY, JSON, OBEYING, headers]))
}

thread_local! {
    /// What the sink has written. For tasks, whose constructors take nothing; each test has its own thread.
    static KEPT: RefCell<Arc<Mutex<Vec<String>>>> = RefCell::default();
}

/// Writes texts, but not those that say what they are.
struct Sink {
    kept: Arc<Mutex<Vec<String>>>,
    /// How many more times the system behind it is away when it should write `away`.
    away: u32,
    context: Option<SinkContext>,
}

#[async_trait]
impl SinkTask for Sink {
    async fn open(&mut self, context: SinkContext, _: &RawConfig) -> Result<()> {
        self.context = Some(context);
        Ok(())
    }

    async fn put(&mut self, batch: &SinkBatch) -> Result<Vec<Rejected>> {
        let texts: Vec<&str> = batch.records.iter().filter_map(|record| record.value.as_str()).collect();
        if texts.contains(&"poison") {
            return Err(Error::record("no good"));
        }
        if texts.contains(&"end") {
            return Err(Error::fatal("it is over"));
        }
        if texts.contains(&"away") && self.away > 0 {
            self.away -= 1;
            return Err(Error::retriable("away"));
        }
        let mut rejected = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match *text {
                "reject" => rejected.push(Rejected { index, error: Error::record("not this one") }),
                text => self.kept.lock().push(text.to_owned()),
            }
        }
        Ok(rejected)
    }

    async fn flush(&mut self, _: &mut CommitOffsets) -> Result<()> {
        Ok(())
    }
}

/// A converter that cannot read or write `bad`.
struct Picky;

impl Converter for Picky {
    fn encoder(&self, _: &str, _: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self, _: &str) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Self))
    }
}

impl Encoder for Picky {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        match value.as_str() {
            Some("bad") => Err(Error::record("bad text")),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(Encoded::Bytes)
            }
            None => Ok(Encoded::Null),
        }
    }
}

impl Decoder for Picky {
    fn decode(&mut self, bytes: Option<&Bytes>) -> Result<SchemaAndValue> {
        let value = match bytes {
            Some(bytes) if &bytes[..] == b"bad" => return Err(Error::record("bad text")),
            Some(bytes) => Value::String(Text::from_utf8_lossy(bytes.clone())),
            None => Value::Null,
        };
        Ok(SchemaAndValue { schema: None, value })
    }
}

/// Stands for the converter that writes what others cannot.
struct AsJson;

impl Converter for AsJson {
    fn encoder(&self, _: &str, _: Option<&Arc<Schema>>) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Self))
    }

    fn decoder(&self, _: &str) -> Result<Box<dyn Decoder>> {
        Err(Error::fatal("only writes"))
    }
}

impl Encoder for AsJson {
    fn encode(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<Encoded> {
        out.extend_from_slice(format!("{{\"payload\":\"{}\"}}", value.as_str().unwrap_or("null")).as_bytes());
        Ok(Encoded::Bytes)
    }
}

fn worker() -> WorkerConfig {
    WorkerConfig {
        bootstrap_servers: vec!["memory:1".to_owned()],
        key_converter: Class::new("Picky"),
        value_converter: Class::new("Picky"),
        header_converter: Class::new(NO_HEADERS),
        offset_flush_interval_ms: 300,
        offset_flush_timeout_ms: 200,
        task_shutdown_graceful_timeout_ms: 1000,
        topic_creation_enable: true,
        ..WorkerConfig::default()
    }
}

/// What became of a run of a task.
struct Ended {
    trace: String,
    kept: Vec<String>,
    letters: Vec<Stored>,
    /// The next kafka_offset of a sink; the place in the source of a source.
    committed: Option<u64>,
    counts: ErrorCounts,
}

impl Ended {
    fn letter_texts(&self) -> Vec<String> {
        self.letters.iter().map(|letter| text(letter.value.as_deref())).collect()
    }

    /// What a letter's header says.
    fn header(&self, letter: usize, name: &str) -> Option<String> {
        let name = format!("__connect.errors.{name}");
        let headers = &self.letters[letter].headers;
        headers.iter().find(|(other, _)| **other == *name).map(|(_, value)| text(value.as_deref()))
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Runs a task with the config until nothing more happens.
async fn run(kafka: &MemoryKafka, plugin: &'static Plugin, config: &[(&str, &str)]) -> Ended {
    let kept = Arc::new(Mutex::new(Vec::new()));
    KEPT.set(kept.clone());
    let config = [&[("topics", "t")], config].concat();
    let finished = run_task(plugin, plugins(), worker(), Arc::new(kafka.clone()), &config).await;
    let committed = kafka.cluster().committed("connect-c");
    let of_sink = committed.first().map(|(_, offset)| *offset as u64);
    let kept = kept.lock().clone();
    let letters = kafka.cluster().records("letters");
    let Finished { trace, committed, counts } = finished;
    Ended { trace, kept, letters, committed: of_sink.or(committed), counts }
}

fn run_sink(texts: &str, config: &[(&str, &str)]) -> Ended {
    let kafka = MemoryKafka::new();
    kafka.cluster().create_topic("t", 1);
    for text in texts.split(' ') {
        kafka.cluster().produce("t", 0, Some("k"), Some(text));
    }
    in_virtual_time(run(&kafka, &SINK, config))
}

fn run_source(texts: &str, config: &[(&str, &str)]) -> (Ended, Vec<String>) {
    let kafka = MemoryKafka::new();
    let mut all = vec![("texts", texts)];
    all.extend_from_slice(config);
    let ended = in_virtual_time(run(&kafka, &TEXTS, &all));
    let written = kafka.cluster().texts("t").into_iter().map(|(_, value)| value.unwrap()).collect();
    (ended, written)
}

const ALL: (&str, &str) = ("errors.tolerance", "all");
const QUEUE: (&str, &str) = ("errors.deadletterqueue.topic.name", "letters");
const HEADERS: (&str, &str) = ("errors.deadletterqueue.context.headers.enable", "true");
const LOG: (&str, &str) = ("errors.log.enable", "true");
const PUT: (&str, &str) = ("errors.deadletterqueue.put.enable", "true");
const OF_SOURCE: (&str, &str) = ("errors.deadletterqueue.source.enable", "true");
const REFUSE: [(&str, &str); 2] = [("transforms", "r"), ("transforms.r.type", "Obeying")];

const EXCEEDED: &str =
    "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n";
const EXITING: &str = "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.\n";

#[test]
fn a_sinks_failed_records_go_where_its_config_says() {
    let check = |texts: &str, config: &[(&str, &str)], trace: &str, kept: &str, letters: &str, committed| {
        let ended = run_sink(texts, config);
        assert!(
            ended.trace.starts_with(trace) && trace.is_empty() == ended.trace.is_empty(),
            "{}",
            ended.trace
        );
        assert_eq!(ended.kept.join(" "), kept, "{texts} {config:?}");
        assert_eq!(ended.letter_texts().join(" "), letters, "{texts} {config:?}");
        assert_eq!(ended.committed, committed, "{texts} {config:?}");
        ended.counts
    };
    let refuse = |config: &[(&'static str, &'static str)]| [&REFUSE[..], config].concat();

    check("a bad b", &[], EXCEEDED, "", "", None);
    check("a bad b", &[ALL], "", "a b", "", Some(3));
    check("a bad b bad", &[ALL, QUEUE], "", "a b", "bad bad", Some(4));
    // Reported although it fails the task, as in Connect.
    check("a bad b", &[QUEUE], EXCEEDED, "", "bad", None);
    check("a refuse b", &refuse(&[]), EXCEEDED, "", "", None);
    check("a refuse b", &refuse(&[ALL, QUEUE]), "", "a b", "refuse", Some(3));

    // Nobody to report to: the task fails by the record.
    check("a reject b", &[ALL], EXITING, "a b", "", None);
    check("a reject b", &[ALL, LOG], "", "a b", "", Some(3));
    check("a reject b", &[ALL, QUEUE], "", "a b", "reject", Some(3));
    check("a reject b", &[QUEUE], EXITING, "a b", "reject", None);

    // A whole put fails: Connect's way, and ours.
    check("a poison b", &[ALL, QUEUE], EXITING, "", "", None);
    check("a b poison c d poison e", &[ALL, QUEUE, PUT], "", "a b c d e", "poison poison", Some(7));
    check("a poison b", &[QUEUE, PUT], EXITING, "a", "poison", None);
    check("poison", &[ALL, QUEUE, PUT], "", "", "poison", Some(1));
    check("a reject poison bad b", &[ALL, QUEUE, PUT], "", "a b", "bad reject poison", Some(5));
    // An outage drains nothing into the queue, also in the middle of a search.
    let counts = check("a away b", &[ALL, QUEUE, PUT], "", "a away b", "", Some(3));
    assert_eq!(counts.dead_letter_requests, 0);
    check("a poison away b", &[ALL, QUEUE, PUT], "", "a away b", "poison", Some(4));
    check("a poison end b", &[ALL, QUEUE, PUT], EXITING, "a", "poison", None);
}

#[test]
fn a_sinks_letter_is_the_record_with_headers_that_tell_why() {
    let ended = run_sink("a bad b", &[ALL, QUEUE, HEADERS]);
    assert_eq!(text(ended.letters[0].key.as_deref()), "k");
    let check = |name: &str, expect: &str| {
        assert_eq!(ended.header(0, name).as_deref(), Some(expect), "{name}");
    };
    check("topic", "t");
    check("partition", "0");
    check("offset", "1");
    check("connector.name", "c");
    check("stage", "VALUE_CONVERTER");
    check("class.name", "Picky");
    check("exception.class.name", "org.apache.kafka.connect.errors.DataException");
    check("exception.message", "bad text");
    assert_eq!(
        ended.counts,
        ErrorCounts {
            record_failures: 1,
            record_errors: 1,
            records_skipped: 1,
            dead_letter_requests: 1,
            last_error_ms: ended.counts.last_error_ms,
            ..ErrorCounts::default()
        }
    );
    let ended = run_sink("a reject b", &[ALL, QUEUE, HEADERS, LOG]);
    assert_eq!(ended.header(0, "stage").as_deref(), Some("TASK_PUT"));
    assert_eq!(ended.header(0, "class.name").as_deref(), Some("org.apache.kafka.connect.sink.SinkTask"));
    let ErrorCounts { record_failures, record_errors, records_skipped, errors_logged, .. } = ended.counts;
    assert_eq!((record_failures, record_errors, records_skipped, errors_logged), (1, 0, 0, 1));
}

#[test]
fn a_queue_that_cannot_be_made_or_written_fails_the_task_and_is_named() {
    let connect = "org.apache.kafka.connect.errors.ConnectException: ";
    let check = |prepare: fn(&MemoryKafka), trace: &str, failures| {
        let kafka = MemoryKafka::new();
        kafka.cluster().create_topic("t", 1);
        kafka.cluster().produce("t", 0, None, Some("bad"));
        prepare(&kafka);
        let ended = in_virtual_time(run(&kafka, &SINK, &[ALL, QUEUE]));
        assert!(ended.trace.starts_with(&format!("{connect}{trace}\nCaused by: ")), "{}", ended.trace);
        assert_eq!((ended.committed, ended.counts.dead_letter_failures), (None, failures));
    };
    check(
        |kafka| kafka.cluster().refuse("letters", Some("no")),
        "Could not initialize dead letter queue with topic=letters",
        0,
    );
    check(
        |kafka| {
            kafka.cluster().create_topic("letters", 1);
            kafka.cluster().refuse("letters", Some("no"));
        },
        "Could not produce message to dead letter queue. topic=letters",
        1,
    );
}

#[test]
fn nothing_is_committed_while_letters_are_on_their_way() {
    let kafka = MemoryKafka::new();
    kafka.cluster().create_topic("t", 1);
    kafka.cluster().create_topic("letters", 1);
    in_virtual_time(async {
        let cluster = kafka.cluster().clone();
        let running = run(&kafka, &SINK, &[ALL, QUEUE]);
        let watching = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.hold("letters", true);
            cluster.produce("t", 0, None, Some("bad"));
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(cluster.committed("connect-c"), []);
            cluster.hold("letters", false);
        };
        let (ended, ()) = tokio::join!(running, watching);
        assert_eq!((ended.letter_texts().join(" "), ended.committed), ("bad".to_owned(), Some(1)));
    });
}

#[test]
fn a_sources_failed_records_go_where_its_config_says() {
    let check =
        |texts: &str, config: &[(&str, &str)], fails: bool, written: &str, letters: &str, committed| {
            let config = [&REFUSE[..], config].concat();
            let (ended, records) = run_source(texts, &config);
            assert_eq!(!ended.trace.is_empty(), fails, "{}", ended.trace);
            assert_eq!(records.join(" "), written, "{texts} {config:?}");
            assert_eq!(ended.letter_texts().join(" "), letters, "{texts} {config:?}");
            assert_eq!(ended.committed, committed, "{texts} {config:?}");
        };
    let bad = "{\"payload\":\"bad\"}";
    check("a refuse bad b", &[ALL], false, "a b", "", Some(4));
    // The keys of the queue mean nothing to a source without the key that opens it.
    check("a refuse bad b", &[ALL, QUEUE], false, "a b", "", Some(4));
    check("a refuse bad b", &[ALL, QUEUE, OF_SOURCE], false, "a b", &format!("refuse {bad}"), Some(4));
    check("a bad b", &[QUEUE, OF_SOURCE], true, "a", bad, Some(1));
    check("a huge b", &[ALL], false, "a b", "", Some(3));
    // A letter is not smaller than its record.
    check("a huge b", &[ALL, QUEUE, OF_SOURCE], true, "a", "", Some(1));
}

#[test]
fn a_sources_letter_tells_where_it_was_and_in_which_form_it_is() {
    let config = [&REFUSE[..], &[ALL, QUEUE, OF_SOURCE, HEADERS]].concat();
    let (ended, _) = run_source("a refuse bad b", &config);
    let check = |letter, name: &str, expect: Option<&str>| {
        assert_eq!(ended.header(letter, name).as_deref(), expect, "{letter} {name}");
    };
    check(0, "topic", Some("t"));
    check(0, "stage", Some("TRANSFORMATION"));
    check(0, "source.partition", Some("{\"p\":0}"));
    check(0, "source.offset", Some("{\"at\":2}"));
    check(0, "value.converter", None);
    check(1, "stage", Some("VALUE_CONVERTER"));
    check(1, "value.converter", Some("org.apache.kafka.connect.json.JsonConverter"));
    check(1, "key.converter", None);
    assert_eq!(text(ended.letters[1].key.as_deref()), "k");
}

/// A queue with three letters of a sink, from two topics.
fn queue() -> MemoryKafka {
    let kafka = MemoryKafka::new();
    kafka.cluster().create_topic("t", 1);
    for text in ["bad", "x", "refuse", "bad"] {
        kafka.cluster().produce("t", 0, Some(text), Some(text));
    }
    let config = [&REFUSE[..], &[ALL, QUEUE, HEADERS]].concat();
    let ended = in_virtual_time(run(&kafka, &SINK, &config));
    assert_eq!(ended.letter_texts(), ["bad", "refuse", "bad"]);
    kafka
}

fn replay(kafka: &MemoryKafka, replay: &Replay) -> std::result::Result<Replayed, String> {
    let replay = Replay { queue: "letters".into(), ..replay.clone() };
    in_virtual_time(replay.run(kafka, |_| {})).map_err(|error| error.message().to_owned())
}

fn values(kafka: &MemoryKafka, topic: &str) -> String {
    let values = kafka.cluster().texts(topic).into_iter().map(|(_, value)| value.unwrap());
    values.collect::<Vec<_>>().join(" ")
}

#[test]
fn letters_go_back_once_and_without_their_headers() {
    let kafka = queue();
    let all = Replay { group: "all".into(), ..Replay::default() };
    let dry = Replay { dry_run: true, ..all.clone() };
    let replayed = |replayed, filtered| Ok(Replayed { replayed, filtered, passed_over: 0 });
    assert_eq!(replay(&kafka, &dry), replayed(3, 0));
    assert_eq!(values(&kafka, "t"), "bad x refuse bad");
    let first = Replay { limit: Some(1), ..all.clone() };
    assert_eq!(replay(&kafka, &first), replayed(1, 0));
    assert_eq!(values(&kafka, "t"), "bad x refuse bad bad");
    assert_eq!(replay(&kafka, &all), replayed(2, 0));
    assert_eq!(values(&kafka, "t"), "bad x refuse bad bad refuse bad");
    assert_eq!(replay(&kafka, &all), replayed(0, 0));
    assert!(kafka.cluster().records("t").iter().all(|record| record.headers.is_empty()));

    let filtered = Replay {
        group: "stage".into(),
        only: vec![("stage", "TRANSFORMATION".into()), ("exception.class.name", "DataException".into())],
        to: Some("fixed".into()),
        ..Replay::default()
    };
    assert_eq!(replay(&kafka, &filtered), replayed(1, 2));
    assert_eq!(values(&kafka, "fixed"), "refuse");
    assert_eq!(replay(&kafka, &filtered), replayed(0, 0));
}

#[test]
fn a_letter_that_says_nothing_stops_the_run_unless_it_is_passed_over() {
    let kafka = queue();
    kafka.cluster().produce("letters", 0, None, Some("mute"));
    kafka.cluster().produce("letters", 0, None, Some("too"));
    let strict = Replay { group: "strict".into(), ..Replay::default() };
    let why = replay(&kafka, &strict).unwrap_err();
    assert_eq!(why, "the letter at partition 0 offset 3 does not say where it came from");
    assert_eq!(values(&kafka, "t"), "bad x refuse bad bad refuse bad");
    assert!(replay(&kafka, &strict).is_err());
    // What came before has been replayed, and is not again.
    assert_eq!(values(&kafka, "t"), "bad x refuse bad bad refuse bad");
    let lenient = Replay { pass_over: true, ..strict.clone() };
    assert_eq!(replay(&kafka, &lenient), Ok(Replayed { passed_over: 2, ..Replayed::default() }));
    let named = Replay { group: "named".into(), to: Some("u".into()), ..Replay::default() };
    assert_eq!(replay(&kafka, &named).unwrap().replayed, 5);
    assert_eq!(values(&kafka, "u"), "bad refuse bad mute too");
    let missing = Replay { queue: "none".into(), group: "g".into(), ..Replay::default() };
    let why = in_virtual_time(missing.run(&kafka, |_| {})).unwrap_err();
    assert_eq!(why.message(), "there is no topic none");
}
