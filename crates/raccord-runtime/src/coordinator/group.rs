//! The worker's place in the group.

use std::collections::BTreeSet;

use super::Coordinator;
use super::event::Effect;
use super::timers::Timer;
use crate::group::{GroupEvent, GroupView, Joined, Work};
use crate::task::TaskId;

/// What is known about the group.
#[derive(Debug, Default)]
pub(super) struct GroupState {
    /// The last round.
    round: Option<Joined>,
    /// The parts of the round's assignment, to look things up.
    connectors: BTreeSet<String>,
    tasks: BTreeSet<TaskId>,
    /// The last round gave an assignment that could be taken.
    resolved: bool,
    /// A round is wanted.
    pub rejoin: bool,
    /// A round is under way.
    pub joining: bool,
    /// The group waits for work to stop.
    revoking: Option<Work>,
    /// Statuses are to be looked through.
    pub clean: bool,
}

impl GroupState {
    pub fn generation(&self) -> i32 {
        self.round.as_ref().map_or(0, |round| round.generation)
    }

    pub fn leader(&self) -> bool {
        self.round.as_ref().is_some_and(|round| round.leader)
    }

    pub fn has_joined(&self) -> bool {
        self.round.is_some()
    }

    pub fn sessioned(&self) -> bool {
        self.round.as_ref().is_some_and(|round| round.sessioned)
    }

    /// Whether the last round stands: work may be started.
    pub fn is_settled(&self) -> bool {
        self.resolved && !self.joining && !self.rejoin && self.revoking.is_none()
    }

    pub fn has_connector(&self, name: &str) -> bool {
        self.connectors.contains(name)
    }

    pub fn has_task(&self, id: &TaskId) -> bool {
        self.tasks.contains(id)
    }

    pub fn connectors(&self) -> impl Iterator<Item = &String> {
        self.connectors.iter()
    }

    pub fn tasks(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks.iter()
    }

    fn give_up(&mut self, work: &Work) {
        for name in &work.connectors {
            self.connectors.remove(name);
        }
        for id in &work.tasks {
            self.tasks.remove(id);
        }
    }
}

impl Coordinator {
    pub(super) fn on_group(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Joined(round) => self.on_joined(round),
            GroupEvent::Revoked(work) => {
                self.group.give_up(&work);
                self.stop_work(&work);
                self.group.revoking = Some(work);
            }
            GroupEvent::Lost => {
                let connectors = std::mem::take(&mut self.group.connectors).into_iter().collect();
                let tasks = std::mem::take(&mut self.group.tasks).into_iter().collect();
                tracing::warn!("lost the membership in the group; stopping everything");
                self.stop_work(&Work { connectors, tasks });
                self.group.revoking = None;
                self.group.joining = false;
                self.group.rejoin = true;
            }
        }
    }

    fn on_joined(&mut self, round: Joined) {
        self.group.joining = false;
        tracing::info!(
            generation = round.generation,
            leader = round.leader,
            connectors = round.assignment.connectors.len(),
            tasks = round.assignment.tasks.len(),
            "Joined group"
        );
        self.group.resolved = false;
        if self.config.offset() < round.config_offset || round.failed {
            self.read_config_then_rejoin();
        } else if self.config.offset() != round.config_offset {
            // Past the assignment: what it names may not exist any more.
            self.group.rejoin = true;
        } else {
            self.group.connectors = round.assignment.connectors.iter().cloned().collect();
            self.group.tasks = round.assignment.tasks.iter().cloned().collect();
            self.group.clean = true;
            self.group.resolved = true;
            if round.delay_ms > 0 {
                let timer = Timer::Rebalance(round.generation);
                self.timers.set(self.now_ms + round.delay_ms, timer);
            }
            self.group.rejoin |= round.revoked;
        }
        self.group.round = Some(round);
    }

    pub(super) fn on_rebalance_due(&mut self, generation: i32) {
        self.group.rejoin |= generation == self.group.generation();
    }

    /// Joins when a round is wanted, none is under way, and nothing is being stopped for the group.
    pub(super) fn settle_group(&mut self) {
        let group = &mut self.group;
        if !group.rejoin || group.joining || group.revoking.is_some() || !self.caught_up || self.stopping {
            return;
        }
        group.rejoin = false;
        group.joining = true;
        let connectors = self.config.connectors();
        let tasks = connectors.iter().flat_map(|name| self.config.tasks(name)).collect();
        let mut configured = Work { connectors, tasks };
        configured.connectors.sort();
        configured.tasks.sort();
        self.emit(Effect::Join(GroupView { config_offset: self.config.offset(), configured }));
    }

    /// Tells the group when what it took away has stopped.
    pub(super) fn settle_revocation(&mut self) {
        let Some(work) = &self.group.revoking else { return };
        let alive = work.connectors.iter().any(|name| self.connectors.contains_key(name))
            || work.tasks.iter().any(|id| self.tasks.contains_key(id));
        if !alive {
            self.group.revoking = None;
            self.group.joining = true;
            self.emit(Effect::RevocationDone);
        }
    }

    fn stop_work(&mut self, work: &Work) {
        for name in &work.connectors {
            self.stop_connector_instance(name);
        }
        for id in &work.tasks {
            self.stop_task_instance(id);
        }
    }
}
