//! A group of one: a worker without Kafka's group membership, which leads itself and runs everything.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{GroupEvent, GroupView, Joined, WorkerGroup, assign};

/// A group of one.
#[derive(Debug)]
pub struct SingleWorker {
    member: String,
    url: String,
    generation: i32,
    sessioned: bool,
    events: VecDeque<GroupEvent>,
    ready: Notify,
}

impl SingleWorker {
    /// The group of the worker with that REST URL.
    pub fn new(url: impl Into<String>, sessioned: bool) -> Self {
        let url = url.into();
        Self {
            member: format!("connect-{url}"),
            url,
            generation: 0,
            sessioned,
            events: VecDeque::new(),
            ready: Notify::new(),
        }
    }
}

#[async_trait]
impl WorkerGroup for SingleWorker {
    fn join(&mut self, view: GroupView) {
        self.generation += 1;
        let assignment =
            assign::eager(std::slice::from_ref(&self.member), &view.configured).remove(&self.member);
        self.events.push_back(GroupEvent::Joined(Joined {
            generation: self.generation,
            leader: true,
            leader_url: self.url.clone(),
            sessioned: self.sessioned,
            config_offset: view.config_offset,
            assignment: assignment.unwrap_or_default(),
            revoked: false,
            failed: false,
            delay_ms: 0,
        }));
        self.ready.notify_one();
    }

    fn revocation_done(&mut self) {}

    async fn next(&mut self) -> GroupEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            self.ready.notified().await;
        }
    }

    async fn leave(&mut self) {
        self.events.clear();
    }
}
