//! Where a snapshot stands in the log: the position from which streaming goes on behind it.
//!
//! # What has to hold
//! Every transaction is shown by the snapshot or committed (in the log) at or behind the position, so that it is read or
//! streamed, and never neither. The server streams those whose commit record lies at or behind the position that it is
//! asked for, but never what lies before the slot's `confirmed_flush_lsn`.
//!
//! # Why "the position of the log now, then a snapshot" does not do
//! A commit is written to the log first and shown to snapshots later: between the two lies at least an fsync, and with
//! synchronous replication the wait for a standby, which may take for ever. A transaction in between has its commit
//! record before the position and is not shown by a snapshot taken after the position was read: it would be lost.
//!
//! # What is done instead
//! - A slot that is made now exports the snapshot that belongs to its consistent point. The server builds it from the log
//!   itself, after all transactions that ran at the beginning have ended (for good: including the wait for a standby),
//!   and so it shows exactly what committed before that point.
//! - Beside a slot that was there before, a second one is made that lives as long as its session. Its consistent point
//!   lies behind the old slot's confirmed position, because the old one was there first, so the old slot still has
//!   everything from there on; and its snapshot shows everything before.
//! - When no second slot can be had, because `max_replication_slots` are in use: streaming begins at the old slot's
//!   confirmed position F, and the snapshot is taken after all transactions have ended that ran when F was read. A
//!   commit before F was in the log by then, so its transaction had ended or was one of those that are waited for: the
//!   snapshot shows it. A commit at or behind F is streamed. What is between F and the snapshot is read and streamed
//!   again: records are repeated in their order, and the state that they lead to is the same.
//!
//! `tests/slots.rs` attacks this: with commits all the time, and with one that waits for a standby.

use std::sync::Arc;
use std::time::Duration;

use raccord_plugin::Result;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::classify::{cannot_start, cause};
use crate::offset::OffsetState;
use crate::settings::Settings;
use crate::setup::one_text;
use crate::slot::{self, Life, NewSlot, Slot};
use crate::snapshot::reached::Reached;
use crate::start::STREAMING_APPLICATION;
use crate::wire::sql::SqlSession;
use crate::wire::{Lsn, Purpose, Session, WireError};

/// Between looks at the transactions that still run.
const PAUSE: Duration = Duration::from_millis(100);
/// After how long, and then how often, is said for whom a snapshot waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest name of a slot.
const NAME_BYTES: usize = 63;

/// The place of a snapshot. The exported snapshot lives as long as this does.
#[derive(Default)]
pub struct Anchor {
    /// Where streaming goes on; the position of the log now when there is no slot.
    pub lsn: Option<Lsn>,
    /// The snapshot that belongs to it, if it is not any that is taken from now on.
    pub exported: Option<String>,
    /// How far a snapshot has come that was anchored here, if one is gone on with.
    pub reached: Option<Arc<Reached>>,
    /// Ends the temporary slot when it is dropped.
    _session: Option<Session>,
}

impl Anchor {
    /// The place of a slot that was made just now, by a session that is kept elsewhere.
    pub fn of_new(slot: &NewSlot) -> Self {
        Self {
            lsn: Some(slot.consistent_point),
            exported: Some(slot.snapshot_name.clone()),
            ..Self::default()
        }
    }

    /// The place of a snapshot that was not completed, to go on with it: `None` when it must begin anew, because it kept
    /// no marks or the log from there on is gone. `slot` is the one that streaming goes on with, if it does.
    pub fn of_unfinished(stored: &OffsetState, slot: Option<&Slot>) -> Option<Self> {
        stored.snapshot?;
        let reached = stored.reached.clone()?;
        let lsn = stored.lsn?;
        if slot.is_some_and(|slot| slot.confirmed_flush > lsn) {
            return None;
        }
        info!(
            "Goes on with the snapshot that was anchored at LSN{{{lsn}}}: what is read from now on may be newer"
        );
        Some(Self { lsn: Some(lsn), reached: Some(reached), ..Self::default() })
    }

    /// A place beside a slot that was there before.
    ///
    /// # Errors
    /// What the server or the network says.
    pub async fn beside(slot: &Slot, settings: &Settings, sql: &SqlSession) -> Result<Self> {
        if !settings.snapshot_mode.streams() {
            return confirmed(slot, sql).await;
        }
        match temporary(settings, sql).await {
            Ok(anchor) => {
                info!(at = ?anchor.lsn, "The slot was there before: took the snapshot of a temporary one");
                Ok(anchor)
            }
            // configuration_limit_exceeded: all slots or senders are in use; too_many_connections.
            Err(WireError::Server(error)) if matches!(error.code.as_str(), "53400" | "53300") => {
                warn!(
                    %error,
                    "no temporary slot can be had: streaming begins at the confirmed position of the slot and repeats \
                     what the snapshot has already; raise max_replication_slots and max_wal_senders to avoid that"
                );
                confirmed(slot, sql).await
            }
            Err(error) => Err(cannot_start("Creation of replication slot failed", error)),
        }
    }
}

async fn temporary(settings: &Settings, sql: &SqlSession) -> Result<Anchor, WireError> {
    let mut session =
        Session::connect(&settings.endpoint, Purpose::Replication, STREAMING_APPLICATION).await?;
    let name = temporary_name(&settings.config.keys.postgres.slot_name);
    let slot = slot::create(&mut session, &sql.client, settings, &name, Life::Temporary).await?;
    Ok(Anchor { _session: Some(session), ..Anchor::of_new(&slot) })
}

/// A name beside the slot's that nobody else has.
fn temporary_name(slot: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let suffix = format!("_snapshot_{:x}", now.map_or(0, |since| since.as_micros()));
    // Names of slots are of ASCII.
    let kept = slot.len().min(NAME_BYTES - suffix.len());
    format!("{}{suffix}", &slot[..kept])
}

/// The slot's confirmed position, once all transactions have ended that run now.
async fn confirmed(slot: &Slot, sql: &SqlSession) -> Result<Anchor> {
    let number = async |statement| {
        let text = one_text(&sql.client, statement).await.map_err(cause)?;
        Ok::<u64, raccord_plugin::Error>(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    };
    let running_below = number("SELECT txid_snapshot_xmax(txid_current_snapshot())").await?;
    let mut told = Instant::now();
    while number("SELECT txid_snapshot_xmin(txid_current_snapshot())").await? < running_below {
        if told.elapsed() > PATIENCE {
            slot::tell_who_runs(&sql.client).await;
            told = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Anchor { lsn: Some(slot.confirmed_flush), ..Anchor::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_temporary_slots_are_names_of_slots() {
        for slot in ["debezium", &"s".repeat(63)] {
            let name = temporary_name(slot);
            assert!(name.len() <= NAME_BYTES && name.starts_with(&slot[..8]), "{name}");
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(valid), "{name}");
        }
    }
}
