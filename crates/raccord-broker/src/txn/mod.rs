//! Transactions: several partitions and a group's offsets that become visible together or not at all.
//!
//! [`state`] decides (pure), [`records`] is how it is stored in `__transaction_state`, [`coordinator`] owns the
//! transactions, writes and sends markers, `requests.rs` translates from and to the wire.
//!
//! Why nothing is half committed: the decision (`PrepareCommit`, `PrepareAbort`) is written before the first marker, and
//! `CompleteCommit`, `CompleteAbort` after the last. A crash in between finds the decision in the log and sends all
//! markers again; a marker that comes twice changes nothing.

mod coordinator;
#[cfg(test)]
mod coordinator_tests;
mod records;
mod requests;
mod state;

pub(crate) use coordinator::{TransactionCoordinator, TransactionPorts, TransactionSettings};
