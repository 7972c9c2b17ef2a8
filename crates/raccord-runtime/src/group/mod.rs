//! Membership in the group of workers, as the coordinator sees it.
//!
//! Joining, heartbeats and the bytes of the protocol are the business of an implementation; the coordinator only says
//! what it knows when it joins and is told what it got. [`SingleWorker`] is the group of one.

pub mod assign;
mod single;

use async_trait::async_trait;

use crate::task::TaskId;

pub use single::SingleWorker;

/// Connectors and tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Connectors by name, sorted.
    pub connectors: Vec<String>,
    /// Tasks, sorted.
    pub tasks: Vec<TaskId>,
}

impl Work {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }
}

/// What a worker knows when it joins: goes into its metadata, and into the assignment if it is elected leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupView {
    /// Offset of the config topic up to which it has read: that of the last record, plus one.
    pub config_offset: i64,
    /// All connectors and tasks that exist.
    pub configured: Work,
}

/// The outcome of a round of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Generation of the group.
    pub generation: i32,
    /// Whether this worker leads.
    pub leader: bool,
    /// REST URL of the leader.
    pub leader_url: String,
    /// Whether internal requests must be signed (protocol `sessioned`).
    pub sessioned: bool,
    /// Offset of the config topic that the assignment was made with.
    pub config_offset: i64,
    /// All that this worker should run now, not only what is new.
    pub assignment: Work,
    /// Whether it had to give up something it ran: it stops that and joins again, so that others may take it.
    pub revoked: bool,
    /// Whether the leader could not assign because it was behind; everyone reads to the end and joins again.
    pub failed: bool,
    /// After this time the group wants another round (lost work is kept for a worker that may come back).
    pub delay_ms: u64,
}

/// What the group tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// A round has ended.
    Joined(Joined),
    /// A round begins and this work must stop first; the group waits for [`WorkerGroup::revocation_done`].
    Revoked(Work),
    /// The coordinator is away or has forgotten this member: stop everything, then join again.
    Lost,
}

/// Membership of a group of workers.
#[async_trait]
pub trait WorkerGroup: Send {
    /// Joins, or joins again, with what the worker knows now. The outcome comes as an event.
    fn join(&mut self, view: GroupView);

    /// All work named by [`GroupEvent::Revoked`] has stopped.
    fn revocation_done(&mut self);

    /// The next event; pending while there is none. Cancel-safe.
    async fn next(&mut self) -> GroupEvent;

    /// Leaves the group.
    async fn leave(&mut self);
}
