//! What the tasks of a worker count, gathered when somebody asks.
//!
//! Nothing here runs for a record. The loops and the plugins count in atomics; [`Registry::read`] reads them. Names are
//! those that Connect's JMX metrics have in Prometheus with the rules of Strimzi's example.
//!
//! What a plugin registers is there as long as its task runs. What the runtime counts stays behind a task that failed,
//! as in Connect, until the task starts again or is no more among those of this worker.

mod gathered;
mod records;
mod tasks;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use raccord_plugin::{MetricsRegistry, ReadMetrics};

use crate::error_metrics::ErrorMetrics;
use crate::task::TaskId;

pub use gathered::{Family, Gathered, Sample};
pub use records::{Moves, RecordMetrics};
use tasks::Counted;

/// How many functions a task may register.
const READS_MAX: usize = 16;

/// The metrics of the tasks of a worker.
#[derive(Default)]
pub struct Registry {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counted: HashMap<TaskId, Counted>,
    plugins: HashMap<TaskId, Registered>,
    generation: u64,
}

/// What a plugin has registered for a task.
struct Registered {
    /// Tells the instances of a task apart.
    generation: u64,
    reads: Vec<Arc<ReadMetrics>>,
}

/// What a task counts with.
#[derive(Default)]
pub struct TaskMetrics {
    /// Its errors.
    pub errors: Arc<ErrorMetrics>,
    /// Its records.
    pub records: Arc<RecordMetrics>,
    /// What its plugin registers.
    pub plugin: PluginMetrics,
}

/// Metrics of a plugin. They are forgotten when this is dropped.
#[derive(Default)]
pub struct PluginMetrics(Option<Place>);

#[derive(Clone)]
struct Place {
    registry: Arc<Registry>,
    id: TaskId,
    generation: u64,
}

impl Registry {
    /// A task begins, counting from zero.
    pub fn begin(self: &Arc<Self>, id: &TaskId, moves: Moves) -> TaskMetrics {
        let (errors, records) = (Arc::<ErrorMetrics>::default(), Arc::<RecordMetrics>::default());
        let mut state = self.state.lock();
        state.generation += 1;
        let generation = state.generation;
        state.counted.insert(id.clone(), Counted { moves, errors: errors.clone(), records: records.clone() });
        state.plugins.insert(id.clone(), Registered { generation, reads: Vec::new() });
        let place = Place { registry: self.clone(), id: id.clone(), generation };
        TaskMetrics { errors, records, plugin: PluginMetrics(Some(place)) }
    }

    /// Forgets what the runtime counted for tasks that have ended and are not among these.
    pub fn retain(&self, keep: impl Fn(&TaskId) -> bool) {
        let State { counted, plugins, .. } = &mut *self.state.lock();
        counted.retain(|id, _| plugins.contains_key(id) || keep(id));
    }

    /// Reads everything.
    pub fn read(&self, into: &mut Gathered) {
        let mut reads = Vec::new();
        {
            let state = self.state.lock();
            for (id, counted) in &state.counted {
                counted.read(&mut into.of_task(id));
            }
            for (id, registered) in &state.plugins {
                reads.extend(registered.reads.iter().map(|read| (id.clone(), read.clone())));
            }
        }
        for (id, read) in reads {
            // A plugin's fault stays its own.
            if catch_unwind(AssertUnwindSafe(|| read(&mut into.of_task(&id)))).is_err() {
                tracing::warn!(task = %id, "the task's metrics cannot be read: the connector panicked");
            }
        }
    }
}

impl PluginMetrics {
    /// What the plugin is given.
    pub fn registry(&self) -> Arc<dyn MetricsRegistry> {
        match &self.0 {
            Some(place) => Arc::new(place.clone()),
            None => Arc::new(raccord_plugin::NoMetrics),
        }
    }
}

impl Drop for PluginMetrics {
    fn drop(&mut self) {
        let Some(Place { registry, id, generation }) = self.0.take() else { return };
        let plugins = &mut registry.state.lock().plugins;
        if plugins.get(&id).is_some_and(|registered| registered.generation == generation) {
            plugins.remove(&id);
        }
    }
}

impl MetricsRegistry for Place {
    fn register(&self, read: ReadMetrics) {
        let mut state = self.registry.state.lock();
        let registered = state.plugins.get_mut(&self.id).filter(|found| found.generation == self.generation);
        match registered {
            Some(registered) if registered.reads.len() < READS_MAX => registered.reads.push(Arc::new(read)),
            Some(_) => {
                tracing::warn!(task = %self.id, "the task registers metrics too often; some are not shown")
            }
            // The task has ended.
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use raccord_plugin::Metric;

    use super::*;

    const ROWS: Metric = Metric::gauge("rows", "Rows.");

    fn id(task: u32) -> TaskId {
        TaskId { connector: "c".into(), task }
    }

    fn lines(registry: &Registry) -> Vec<String> {
        let mut gathered = Gathered::default();
        registry.read(&mut gathered);
        let families = gathered.into_families();
        families
            .iter()
            .filter(|family| family.metric.name == "rows")
            .flat_map(|family| &family.samples)
            .map(|sample| format!("{:?}={}", sample.labels, sample.value))
            .collect()
    }

    #[test]
    fn a_plugins_metrics_end_with_its_task() {
        let registry = Arc::new(Registry::default());
        let first = registry.begin(&id(0), Moves::FromSource);
        let left_behind = first.plugin.registry();
        left_behind.register(Box::new(|samples| samples.add(ROWS, &[("table", "t")], 1.0)));
        assert_eq!(lines(&registry), [r#"[("connector", "c"), ("task", "0"), ("table", "t")]=1"#]);

        // The next instance begins before the first has ended, as after one that hung.
        let second = registry.begin(&id(0), Moves::FromSource);
        assert!(lines(&registry).is_empty());
        second.plugin.registry().register(Box::new(|samples| samples.add(ROWS, &[], 2.0)));
        drop(first);
        left_behind.register(Box::new(|samples| samples.add(ROWS, &[], 3.0)));
        assert_eq!(lines(&registry), [r#"[("connector", "c"), ("task", "0")]=2"#]);
        drop(second);
        assert!(lines(&registry).is_empty());
    }

    #[test]
    fn a_panic_spoils_no_other_metrics() {
        let registry = Arc::new(Registry::default());
        let (bad, good) = (registry.begin(&id(0), Moves::ToSink), registry.begin(&id(1), Moves::ToSink));
        bad.plugin.registry().register(Box::new(|_| panic!("a defect")));
        good.plugin.registry().register(Box::new(|samples| samples.add(ROWS, &[], 1.0)));
        assert_eq!(lines(&registry), [r#"[("connector", "c"), ("task", "1")]=1"#]);
    }

    #[test]
    fn what_the_runtime_counts_stays_until_the_task_is_gone() {
        let registry = Arc::new(Registry::default());
        let metrics = registry.begin(&id(0), Moves::FromSource);
        metrics.records.take(5);
        registry.retain(|_| false);
        drop(metrics);
        let polled = || {
            let mut gathered = Gathered::default();
            registry.read(&mut gathered);
            let families = gathered.into_families();
            let found = families.into_iter().find(|family| family.metric.name.ends_with("_poll_total"));
            found.map(|family| family.samples[0].value)
        };
        registry.retain(|_| true);
        assert_eq!(polled(), Some(5.0));
        registry.retain(|_| false);
        assert_eq!(polled(), None);
    }
}
