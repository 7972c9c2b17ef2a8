//! Answers that wait for a state.
//!
//! Connect answers a pause when it is written and pauses soon after. Here the answer waits, for a short time, until what
//! was asked for can be seen in `/status`.

use super::Coordinator;
use super::event::{Answer, Effect, RequestId};
use super::timers::Timer;
use crate::herder::TargetState;
use crate::status_log::{State, Status};

/// The longest wait; the answer is the same after it.
const WAIT_MAX_MS: u64 = 1_000;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Wait {
    request: RequestId,
    connector: String,
    target: TargetState,
}

impl Coordinator {
    pub(super) fn wait_for(&mut self, request: RequestId, connector: String, target: TargetState) {
        self.timers.set(self.now_ms + WAIT_MAX_MS, Timer::Wait(request));
        self.waits.push(Wait { request, connector, target });
    }

    pub(super) fn on_wait_over(&mut self, request: RequestId) {
        let before = self.waits.len();
        self.waits.retain(|wait| wait.request != request);
        if self.waits.len() < before {
            self.emit(Effect::Answer(request, Ok(Answer::Done)));
        }
    }

    pub(super) fn waits_forget(&mut self, request: RequestId) {
        self.waits.retain(|wait| wait.request != request);
        self.timers.cancel(&Timer::Wait(request));
    }

    pub(super) fn waits_drain(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.waits).into_iter().map(|wait| wait.request).collect()
    }

    pub(super) fn settle_waits(&mut self) {
        let waits = std::mem::take(&mut self.waits);
        for wait in waits {
            if self.is_reached(&wait) {
                self.timers.cancel(&Timer::Wait(wait.request));
                self.emit(Effect::Answer(wait.request, Ok(Answer::Done)));
            } else {
                self.waits.push(wait);
            }
        }
    }

    fn is_reached(&self, wait: &Wait) -> bool {
        let name = &wait.connector;
        // Somebody wants something else meanwhile, or nothing at all.
        if !self.config.contains(name) || self.config.target(name) != wait.target {
            return true;
        }
        let wanted = match wait.target {
            TargetState::Started => State::Running,
            TargetState::Paused => State::Paused,
            TargetState::Stopped => State::Stopped,
        };
        let reached = |status: Option<&Status>| {
            status.is_some_and(|status| status.state == wanted || status.state == State::Failed)
        };
        if !reached(self.status.connector(name)) {
            return false;
        }
        match wait.target {
            TargetState::Stopped => {
                self.local_tasks_of(name).is_empty() && self.status.tasks(name).next().is_none()
            }
            _ => self.config.tasks(name).all(|id| reached(self.status.task(&id))),
        }
    }
}
