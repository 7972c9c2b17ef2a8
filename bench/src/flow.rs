//! A flow of records through a worker, and what it costs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use raccord_parity::process::free_port;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};

use crate::contestants::{Broker, Whose, Worker};
use crate::measure::{cpu_of, memory_mb, reset_peak_memory};
use crate::report::Report;

/// How long one flow may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asking a broker about a topic on behalf of a producer creates it, with one partition.
///
/// # Errors
/// When it does not come to be.
pub fn create_topic(broker: &Broker, topic: &str) -> Result<()> {
    let client: BaseProducer = ClientConfig::new().set("bootstrap.servers", &broker.bootstrap).create()?;
    let watcher = broker.client()?;
    for _ in 0..100 {
        client.client().fetch_metadata(Some(topic), Duration::from_secs(10))?;
        if broker.count(&watcher, topic).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("topic {topic} was not created")
}

/// Starts a worker of that group.
///
/// # Errors
/// When it does not come up.
pub fn fresh_worker(
    whose: Whose,
    binary: &Path,
    folder: &Path,
    broker: &Broker,
    group: &str,
) -> Result<Worker> {
    Worker::start(whose, binary, &folder.join("workers"), &broker.bootstrap, group, free_port()?, "")
}

/// A flow under measurement.
pub struct Flow {
    name: String,
    start: Instant,
    cpu: Duration,
}

/// What a flow cost.
pub struct Flowed {
    /// From its start, or its first record, to its end.
    pub wall: Duration,
    /// Of the worker, from its start.
    pub cpu: Duration,
    /// Resident memory at its highest.
    pub peak_mb: f64,
}

impl Flow {
    /// Begins to measure and creates the connector.
    ///
    /// # Errors
    /// When the worker refuses it.
    pub fn start(worker: &Worker, name: &str, config: &serde_json::Value) -> Result<Self> {
        let flow = Self::watch(worker, name)?;
        worker.put_connector(name, config)?;
        Ok(flow)
    }

    /// Begins to measure.
    ///
    /// # Errors
    /// When the worker is gone.
    pub fn watch(worker: &Worker, name: &str) -> Result<Self> {
        reset_peak_memory(worker.process.pid());
        Ok(Self { name: name.to_owned(), start: Instant::now(), cpu: cpu_of(worker.process.pid())? })
    }

    /// Waits for the first record: wall time counts from there.
    ///
    /// # Errors
    /// When it does not come.
    pub fn first(self, worker: &Worker, begun: impl FnMut() -> Result<bool>) -> Result<Self> {
        self.wait(worker, begun)?;
        Ok(Self { start: Instant::now(), ..self })
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not come.
    pub fn until(self, worker: &Worker, done: impl FnMut() -> Result<bool>) -> Result<Flowed> {
        self.wait(worker, done)?;
        let wall = self.start.elapsed();
        let cpu = cpu_of(worker.process.pid())? - self.cpu;
        Ok(Flowed { wall, cpu, peak_mb: memory_mb(worker.process.pid())?.1 })
    }

    /// Waits for something.
    ///
    /// # Errors
    /// When it does not come.
    pub fn wait(&self, worker: &Worker, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
        while !done()? {
            if self.start.elapsed() > PATIENCE {
                bail!(
                    "{} did not end: {}\n{}",
                    self.name,
                    worker.status(&self.name),
                    worker.process.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Flowed {
    /// Reports rate, CPU time and memory.
    pub fn add(&self, report: &mut Report, whose: Whose, lines: u64, [rate, cpu, peak]: [&str; 3]) {
        report.add(rate, whose.name(), lines as f64 / self.wall.as_secs_f64());
        report.add(cpu, whose.name(), self.cpu.as_secs_f64() * 1e6 / lines as f64);
        report.add(peak, whose.name(), self.peak_mb);
    }
}
