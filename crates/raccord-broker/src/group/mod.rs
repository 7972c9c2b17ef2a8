//! Consumer groups, Connect's worker groups, and every other group of the classic protocol.
//!
//! The inside is pure and the outside is thin. [`machine`] decides (with `join.rs` and `sync.rs`), [`offsets`] holds
//! what was committed, [`records`] is how both are stored; none of them waits or writes. [`coordinator`] owns the
//! groups, parks requests, writes to `__consumer_offsets` and answers; `membership.rs`, `commits.rs` and `admin.rs`
//! translate between it and the wire.

mod admin;
mod commits;
mod coordinator;
#[cfg(test)]
mod coordinator_tests;
pub(crate) mod fields;
mod join;
mod machine;
mod membership;
#[cfg(test)]
pub(crate) mod memory_log;
mod offsets;
mod records;
mod restore;
#[cfg(test)]
mod simulation;
mod state;
pub(crate) mod state_log;
mod sync;
pub(crate) mod timers;
mod transactions;

pub(crate) use coordinator::{GroupCoordinator, GroupSettings, PartitionCatalog};
pub(crate) use state::{GroupLimits, Name, PartitionName};
