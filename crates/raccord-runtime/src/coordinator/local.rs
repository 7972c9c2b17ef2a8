//! What this worker runs.

use super::event::Epoch;
use crate::herder::TargetState;
use crate::task::TaskTarget;

/// Where an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase<T> {
    /// Started, nothing heard yet.
    Starting,
    /// In this state.
    In(T),
    /// Failed. A connector's instance waits to be stopped, a task's is gone.
    Failed,
    /// Told to stop.
    Stopping,
}

/// Whether task configs are being generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Generating {
    /// No.
    #[default]
    No,
    /// Yes.
    Yes,
    /// Yes, and once more after that.
    Again,
}

/// A connector that has, or is about to have, an instance here.
#[derive(Debug)]
pub(super) struct LocalConnector {
    pub epoch: Epoch,
    pub phase: Phase<TargetState>,
    /// What the instance was told last.
    pub target: TargetState,
    pub version: Option<&'static str>,
    pub generating: Generating,
    /// Attempts in a row that did not bring task configs into the topic.
    pub failures: u32,
    /// Whether it is being stopped to be started again on request.
    pub restarting: bool,
}

impl LocalConnector {
    /// Whether there is an instance that is not on its way out.
    pub fn is_live(&self) -> bool {
        self.phase != Phase::Stopping
    }
}

/// A task that has an instance here, or had one that failed.
#[derive(Debug)]
pub(super) struct LocalTask {
    pub epoch: Epoch,
    pub phase: Phase<TaskTarget>,
    /// What the instance was told last.
    pub target: TaskTarget,
    pub version: Option<&'static str>,
    /// Whether it is being stopped to be started again on request.
    pub restarting: bool,
    /// When it said RUNNING first, in milliseconds since the epoch.
    pub running_since_ms: Option<u64>,
}

impl LocalTask {
    /// Whether there is an instance that is not on its way out.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::In(_))
    }
}
