//! Metrics of the worker itself: what of the cluster's connectors and tasks runs here, and in which state.

use std::collections::HashSet;

use raccord_plugin::Metric;

use super::DistributedHerder;
use super::answers::HEALTH_TIMEOUT;
use super::run::request_id;
use crate::coordinator::{Answer, Request};
use crate::herder::ConnectorStatus;
use crate::metrics::{Family, Gathered};
use crate::task::TaskId;

const CONNECTORS: Metric =
    Metric::gauge("kafka_connect_worker_connector_count", "Connectors that run on this worker.");
const TASKS: Metric = Metric::gauge("kafka_connect_worker_task_count", "Tasks that run on this worker.");
const CONNECTOR_STATUS: Metric = Metric::gauge(
    "kafka_connect_connector_status",
    "1 with the state that a connector of this worker is in as a label.",
);
const TASK_STATUS: Metric = Metric::gauge(
    "kafka_connect_connector_task_status",
    "1 with the state that a task of this worker is in as a label.",
);
const TOTAL: Metric = Metric::gauge(
    "kafka_connect_worker_connector_total_task_count",
    "Tasks of a connector that this worker has.",
);

/// Tasks of a connector by state.
const BY_STATE: [(&str, Metric); 5] = [
    (
        "RUNNING",
        Metric::gauge(
            "kafka_connect_worker_connector_running_task_count",
            "Tasks of a connector that run on this worker.",
        ),
    ),
    (
        "PAUSED",
        Metric::gauge(
            "kafka_connect_worker_connector_paused_task_count",
            "Tasks of a connector that are paused on this worker.",
        ),
    ),
    (
        "FAILED",
        Metric::gauge(
            "kafka_connect_worker_connector_failed_task_count",
            "Tasks of a connector that have failed on this worker.",
        ),
    ),
    (
        "RESTARTING",
        Metric::gauge(
            "kafka_connect_worker_connector_restarting_task_count",
            "Tasks of a connector that are being restarted on this worker.",
        ),
    ),
    (
        "UNASSIGNED",
        Metric::gauge(
            "kafka_connect_worker_connector_unassigned_task_count",
            "Tasks of a connector that this worker has given up last.",
        ),
    ),
];

impl DistributedHerder {
    /// All metrics. Those that need the coordinator are left out while it does not answer.
    pub(super) async fn all_metrics(&self) -> Vec<Family> {
        let mut gathered = Gathered::default();
        let statuses = tokio::time::timeout(HEALTH_TIMEOUT, self.statuses()).await;
        if let Ok(Some(statuses)) = statuses {
            let here = count(&statuses, &self.shared.worker_id, &mut gathered);
            self.shared.metrics.retain(|id| here.contains(id));
        }
        self.shared.metrics.read(&mut gathered);
        gathered.into_families()
    }

    /// The statuses of all connectors; `None` when the worker is not up.
    async fn statuses(&self) -> Option<Vec<ConnectorStatus>> {
        self.shared.started.borrow().as_ref()?;
        let Ok(Answer::Connectors(names)) = self.ask_patiently(request_id(), Request::Connectors).await
        else {
            return None;
        };
        let mut statuses = Vec::with_capacity(names.len());
        for name in names {
            // One that has been deleted meanwhile has none.
            if let Ok(Answer::Status(status)) = self.ask_patiently(request_id(), Request::Status(name)).await
            {
                statuses.push(status);
            }
        }
        Some(statuses)
    }
}

/// Counts what is on this worker; says which tasks these are.
fn count(statuses: &[ConnectorStatus], worker_id: &str, into: &mut Gathered) -> HashSet<TaskId> {
    let mut here = HashSet::new();
    let mut connectors = 0;
    for status in statuses {
        let name = || ("connector", status.name.clone());
        let state = |state: &str| ("status", state.to_ascii_lowercase());
        if status.connector.worker_id == worker_id {
            connectors += 1;
            into.push(CONNECTOR_STATUS, vec![name(), state(&status.connector.state)], 1.0);
        }
        let tasks: Vec<_> = status.tasks.iter().filter(|(_, task)| task.worker_id == worker_id).collect();
        for (number, task) in &tasks {
            here.insert(TaskId { connector: status.name.as_str().into(), task: *number });
            let labels = vec![name(), ("task", number.to_string()), state(&task.state)];
            into.push(TASK_STATUS, labels, 1.0);
        }
        if tasks.is_empty() {
            continue;
        }
        into.push(TOTAL, vec![name()], tasks.len() as f64);
        for (state, metric) in BY_STATE {
            let count = tasks.iter().filter(|(_, task)| task.state == state).count();
            into.push(metric, vec![name()], count as f64);
        }
    }
    into.push(CONNECTORS, Vec::new(), f64::from(connectors));
    into.push(TASKS, Vec::new(), here.len() as f64);
    here
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herder::{ConnectorType, StatusEntry};

    #[test]
    fn counts_what_is_on_this_worker() {
        let entry = |state: &str, worker: &str| StatusEntry {
            state: state.to_owned(),
            worker_id: worker.to_owned(),
            trace: None,
            version: None,
        };
        let status = ConnectorStatus {
            name: "c".to_owned(),
            connector: entry("RUNNING", "other:8083"),
            tasks: vec![
                (0, entry("RUNNING", "here:8083")),
                (1, entry("FAILED", "here:8083")),
                (2, entry("RUNNING", "other:8083")),
            ],
            kind: ConnectorType::Source,
        };
        let mut gathered = Gathered::default();
        let here = count(&[status], "here:8083", &mut gathered);
        assert_eq!(here.len(), 2);
        let values: Vec<String> = gathered
            .into_families()
            .iter()
            .flat_map(|family| family.samples.iter().map(move |sample| (family.metric.name, sample)))
            .map(|(name, sample)| {
                let labels: Vec<&str> = sample.labels.iter().map(|(_, value)| value.as_str()).collect();
                let name = name.strip_prefix("kafka_connect_").unwrap();
                format!("{name} {} {}", labels.join(","), sample.value)
            })
            .collect();
        assert_eq!(
            values,
            [
                "connector_task_status c,0,running 1",
                "connector_task_status c,1,failed 1",
                "worker_connector_count  0",
                "worker_connector_failed_task_count c 1",
                "worker_connector_paused_task_count c 0",
                "worker_connector_restarting_task_count c 0",
                "worker_connector_running_task_count c 1",
                "worker_connector_total_task_count c 2",
                "worker_connector_unassigned_task_count c 0",
                "worker_task_count  2",
            ]
        );
    }
}
