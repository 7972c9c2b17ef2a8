//! Metrics of a task: what it counts, for whoever shows it.
//!
//! A task counts in atomics of its own and registers a function that reads them. It runs when somebody asks for metrics,
//! never for a record. The runtime adds the labels `connector` and `task`, and forgets the function when the task ends.

/// Whether a metric only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It counts up from zero, beginning with each start of the task.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// What a metric is called and means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in the form that Prometheus wants: letters, digits and `_`, the unit last.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// One sentence.
    pub help: &'static str,
}

impl Metric {
    /// A counter.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter, help }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge, help }
    }
}

/// Takes the values of metrics at a moment. What is not known is left out, not given as a number that means so.
pub trait Samples {
    /// Takes a value. Metric and labels together come once in a reading.
    fn add(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64);
}

/// Reads metrics. May be called at any time from any thread, also at once; must neither wait nor be slow.
pub type ReadMetrics = Box<dyn Fn(&mut dyn Samples) + Send + Sync>;

/// Where a task says that it has metrics.
pub trait MetricsRegistry: Send + Sync {
    /// Has the metrics read until the task ends.
    fn register(&self, read: ReadMetrics);
}

/// For tests: nobody asks for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMetrics;

impl MetricsRegistry for NoMetrics {
    fn register(&self, _: ReadMetrics) {}
}
