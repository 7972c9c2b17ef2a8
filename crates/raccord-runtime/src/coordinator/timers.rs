//! Things to be done at a time.

use std::collections::BTreeMap;

use super::Coordinator;
use super::event::{Epoch, RequestId};
use crate::task::TaskId;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The instance should have stopped by now.
    ConnectorStop(String, Epoch),
    /// The instance should have stopped by now.
    TaskStop(TaskId, Epoch),
    /// Start a failed task again.
    AutoRestart(TaskId, Epoch),
    /// Generate task configs again.
    Generate(String, Epoch),
    /// Answer, whether the state was reached or not.
    Wait(RequestId),
    /// The group asked for another round.
    Rebalance(i32),
    /// Try once more to write a session key.
    SessionKey,
}

/// What is to be done when.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(u64, u64), Timer>,
    sequence: u64,
}

impl Timers {
    pub fn set(&mut self, at_ms: u64, timer: Timer) {
        self.sequence += 1;
        self.due.insert((at_ms, self.sequence), timer);
    }

    pub fn cancel(&mut self, timer: &Timer) {
        self.due.retain(|_, other| other != timer);
    }

    pub fn is_set(&self, timer: &Timer) -> bool {
        self.due.values().any(|other| other == timer)
    }

    pub fn next(&self) -> Option<u64> {
        self.due.keys().next().map(|(at_ms, _)| *at_ms)
    }

    fn pop(&mut self, now_ms: u64) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }
}

impl Coordinator {
    pub(super) fn run_timers(&mut self) {
        while let Some(timer) = self.timers.pop(self.now_ms) {
            match timer {
                Timer::ConnectorStop(name, epoch) => self.on_connector_stuck(&name, epoch),
                Timer::TaskStop(id, epoch) => self.on_task_stuck(&id, epoch),
                Timer::AutoRestart(id, epoch) => self.on_auto_restart(&id, epoch),
                Timer::Generate(name, epoch) => {
                    if self.connectors.get(&name).is_some_and(|local| local.epoch == epoch) {
                        self.generate(&name);
                    }
                }
                Timer::Wait(request) => self.on_wait_over(request),
                Timer::Rebalance(generation) => self.on_rebalance_due(generation),
                // The next look at the key does it.
                Timer::SessionKey => {}
            }
        }
    }
}
