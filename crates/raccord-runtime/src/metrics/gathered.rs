//! Values of metrics at a moment, by metric.

use std::collections::BTreeMap;

use raccord_plugin::{Metric, Samples};

use crate::task::TaskId;

/// How many values a task may give in one reading: more would cost whoever stores them too much.
const SAMPLES_MAX: usize = 10_000;

/// A metric with all its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The metric.
    pub metric: Metric,
    /// Its values, at least one.
    pub samples: Vec<Sample>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is the value of.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// Values as they come.
#[derive(Default)]
pub struct Gathered(BTreeMap<&'static str, Family>);

impl Gathered {
    /// Takes the values of a task.
    pub fn of_task<'a>(&'a mut self, id: &'a TaskId) -> TaskSamples<'a> {
        TaskSamples { gathered: self, id, count: 0 }
    }

    /// All, by name.
    pub fn into_families(self) -> Vec<Family> {
        self.0.into_values().collect()
    }

    /// Adds a value.
    pub fn push(&mut self, metric: Metric, labels: Vec<(&'static str, String)>, value: f64) {
        let family = self.0.entry(metric.name).or_insert_with(|| Family { metric, samples: Vec::new() });
        family.samples.push(Sample { labels, value });
    }
}

/// Adds to each value which task it is of.
pub struct TaskSamples<'a> {
    gathered: &'a mut Gathered,
    id: &'a TaskId,
    count: usize,
}

impl Samples for TaskSamples<'_> {
    fn add(&mut self, metric: Metric, labels: &[(&'static str, &str)], value: f64) {
        self.count += 1;
        if self.count > SAMPLES_MAX {
            if self.count == SAMPLES_MAX + 1 {
                tracing::debug!(task = %self.id, "the task has too many metrics; some are not shown");
            }
            return;
        }
        let mut all = Vec::with_capacity(labels.len() + 2);
        all.push(("connector", self.id.connector.to_string()));
        all.push(("task", self.id.task.to_string()));
        all.extend(labels.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.gathered.push(metric, all, value);
    }
}
