//! Runs one task of the file connectors against a real broker and prints what it costs.
//!
//!     data_plane source --bootstrap HOST:PORT --topic T --file F
//!     data_plane sink   --bootstrap HOST:PORT --topic T --file OUT --bytes N
//!     data_plane idle   --bootstrap HOST:PORT --topic T --file F
//!
//! `source` reads F to its end and ends when the offset of its last byte is committed. `sink` ends when OUT has N bytes.
//! `idle` starts a source on F and reports memory after five seconds. Compare with `kcat -P -l F` and `kcat -C -e`.
#![allow(clippy::print_stdout, reason = "its result")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raccord_config::Class;
use raccord_kafka::RdKafka;
use raccord_plugin::{OffsetMap, OffsetReader, Plugin, RawConfig, Result, SourceOffset};
use raccord_runtime::config::WorkerConfig;
use raccord_runtime::metrics::TaskMetrics;
use raccord_runtime::task::{OffsetStore, TaskEvent, TaskId, TaskSpec, TaskTarget, spawn};
use tokio::sync::mpsc;

static PLUGINS: &[Plugin] = &[
    raccord_connector_file::SOURCE,
    raccord_connector_file::SINK,
    raccord_converters::plugins::STRING,
    raccord_converters::plugins::SIMPLE_HEADER,
];

/// Remembers the newest position.
#[derive(Default)]
struct Positions(AtomicU64);

#[async_trait]
impl OffsetReader for Positions {
    async fn offsets(&self, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        Ok(vec![None; partitions.len()])
    }
}

#[async_trait]
impl OffsetStore for Positions {
    async fn write(&self, offsets: Vec<SourceOffset>) -> Result<()> {
        let positions = offsets.iter().filter_map(|offset| offset.offset.as_ref()?.get("position")?.as_u64());
        self.0.fetch_max(positions.max().unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().expect("source, sink or idle");
    let mut options: HashMap<String, String> = HashMap::new();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        options.insert(name.trim_start_matches("--").to_owned(), value);
    }
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(run(&mode, &options));
}

async fn run(mode: &str, options: &HashMap<String, String>) {
    let option = |name: &str| options.get(name).unwrap_or_else(|| panic!("--{name} is needed")).clone();
    let positions = Arc::new(Positions::default());
    let (events, mut news) = mpsc::channel(64);
    let (sink, file) = (mode == "sink", option("file"));
    let end = match sink {
        true => option("bytes").parse().expect("--bytes is a number"),
        false => std::fs::metadata(&file).map_or(0, |metadata| metadata.len()),
    };
    let mut connector = RawConfig::from([
        ("name", "bench".to_owned()),
        ("connector.class", if sink { "FileStreamSink" } else { "FileStreamSource" }.to_owned()),
        (if sink { "topics" } else { "topic" }, option("topic")),
        ("file", file.clone()),
        ("consumer.override.group.id", format!("bench-{}", std::process::id())),
    ]);
    for (name, value) in options.iter().filter(|(name, _)| name.contains(".override.")) {
        connector.insert(name.clone(), value.clone());
    }
    let plugin =
        PLUGINS.iter().find(|plugin| plugin.simple_name().contains(if sink { "Sink" } else { "Source" }));
    let started = Instant::now();
    let cpu_before = cpu();
    let mut handle = spawn(TaskSpec {
        id: TaskId { connector: "bench".into(), task: 0 },
        plugin: plugin.expect("both file connectors are listed"),
        plugins: PLUGINS,
        task_config: connector.clone(),
        connector_config: connector,
        worker: Arc::new(worker(&option("bootstrap"))),
        kafka: Arc::new(RdKafka::default()),
        offsets: positions.clone(),
        metrics: TaskMetrics::default(),
        target: TaskTarget::Started,
        events,
    });
    tokio::spawn(async move {
        while let Some((_, event)) = news.recv().await {
            if let TaskEvent::Failed(error) = event {
                eprintln!("{}", error.trace());
                std::process::exit(1);
            }
        }
    });
    let idle_until = (mode == "idle").then(|| started + Duration::from_secs(5));
    let (mut rss_max, mut sampled) = (0.0_f64, 0);
    while idle_until.is_none_or(|until| Instant::now() < until) {
        let done = match sink {
            true => std::fs::metadata(&file).map_or(0, |metadata| metadata.len()),
            false => positions.0.load(Ordering::Relaxed),
        };
        if done >= end && idle_until.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        sampled += 1;
        if sampled % 20 == 0 {
            rss_max = rss_max.max(rss_mb());
        }
    }
    let (elapsed, cpu) = (started.elapsed(), cpu() - cpu_before);
    let records = end / option_number(options, "line-bytes", 101);
    println!(
        "{mode}: {records} records in {:.3} s = {:.0}/s, {:.3} CPU-us per record, RSS {:.1} MB, at most {rss_max:.1} MB",
        elapsed.as_secs_f64(),
        records as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / records.max(1) as f64,
        rss_mb(),
    );
    let stopping = Instant::now();
    handle.stop();
    handle.ended().await;
    println!("stopped in {:.0} ms", stopping.elapsed().as_secs_f64() * 1e3);
}

fn option_number(options: &HashMap<String, String>, name: &str, default: u64) -> u64 {
    options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn worker(bootstrap: &str) -> WorkerConfig {
    let string = Class::new("org.apache.kafka.connect.storage.StringConverter");
    WorkerConfig {
        bootstrap_servers: vec![bootstrap.to_owned()],
        key_converter: string.clone(),
        value_converter: string,
        header_converter: Class::new("org.apache.kafka.connect.storage.SimpleHeaderConverter"),
        offset_flush_interval_ms: 50,
        offset_flush_timeout_ms: 5000,
        task_shutdown_graceful_timeout_ms: 5000,
        topic_tracking_enable: true,
        ..WorkerConfig::default()
    }
}

/// Processor time of this process, user and system.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn rss_mb() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}
