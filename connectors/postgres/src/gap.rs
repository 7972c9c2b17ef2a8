//! A gap in the log: whether the server still has everything behind the stored position.
//!
//! # Why a gap cannot be passed over
//! The server itself does not complain. It streams from the slot's confirmed position when it is asked for an earlier
//! one, and waits in silence when it is asked for one that its log has not reached. So before a stream begins, what is
//! stored is held against what there is:
//! - A missing slot, or one that the server gave up, keeps no log.
//! - A slot whose confirmed position lies behind the stored one was made anew, or advanced by somebody else: we confirm
//!   what is stored and nothing further. What is between comes no more.
//! - A log that ends before the stored position is another one: of a backup, or of a standby that was promoted before it
//!   had everything. Positions up to the stored one will be used again for other changes.
//! - While a task lives it also knows which system and timeline it has read. Another system is another log; a new
//!   timeline is the same log up to where it branched off, so the stored position must lie before that.
//!
//! Debezium looks for a missing slot and holds `restart_lsn` against the stored commit, which finds slots that were made
//! anew, but not all that were advanced, nor the rest.

use raccord_plugin::{Error, OffsetMap, Result};
use tracing::{info, warn};

use crate::classify::{cause, debezium, with_cause};
use crate::offset::OffsetState;
use crate::settings::Settings;
use crate::slot::Found;
use crate::wire::{Lsn, Session, WireError};

/// Where the server's log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The position.
    pub lsn: Lsn,
    /// Whether the server is a standby, whose log may still be on its way.
    pub standby: bool,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// There is no slot.
    SlotMissing,
    /// The server gave the slot up.
    SlotLost(String),
    /// The slot begins behind the stored position.
    SlotAhead {
        /// Where it begins.
        begins: Lsn,
    },
    /// The log ends before the stored position.
    LogBehind {
        /// Where it ends.
        ends: Lsn,
    },
    /// The log is that of another system.
    OtherSystem,
    /// The log branched off before the stored position.
    Branched {
        /// Where it did, if there is a common beginning.
        at: Option<Lsn>,
    },
}

/// What is missing behind a stored position, if anything.
///
/// # Errors
/// Retriable when a standby has not come as far yet.
pub fn find(stored: &OffsetState, slot: &Found, end: LogEnd) -> Result<Option<Gap>> {
    let (Some(needed), Some(reached)) = (needed(stored), reached(stored)) else { return Ok(None) };
    let slot = match slot {
        Found::Missing => return Ok(Some(Gap::SlotMissing)),
        Found::Lost(reason) => return Ok(Some(Gap::SlotLost(reason.clone()))),
        Found::Slot(slot) => slot,
    };
    let begins = slot.confirmed_flush;
    if begins > needed {
        return Ok(Some(Gap::SlotAhead { begins }));
    }
    match (end.lsn < reached, end.standby) {
        (false, _) => Ok(None),
        (true, false) => Ok(Some(Gap::LogBehind { ends: end.lsn })),
        (true, true) => Err(Error::retriable(format!(
            "the standby has the log up to {} and not yet up to the stored position {reached}",
            end.lsn
        ))
        .hint("this goes away when the standby has caught up with its primary")),
    }
}

/// The position behind which everything is needed: the last commit, or where a snapshot stands. The transaction that
/// the stored change belongs to is sent again whole.
fn needed(stored: &OffsetState) -> Option<Lsn> {
    stored.lsn_commit.or(stored.lsn_proc).or(stored.lsn).filter(|lsn| lsn.is_valid())
}

/// The furthest position that was read.
fn reached(stored: &OffsetState) -> Option<Lsn> {
    stored.lsn_commit.max(stored.lsn_proc).max(stored.lsn).filter(|lsn| lsn.is_valid())
}

impl Gap {
    /// The failure: Debezium's words, and below them what is missing and what to do.
    pub fn error(&self, stored: &OffsetState, raw: Option<OffsetMap>, settings: &Settings) -> Error {
        let offset = raw.map(|raw| serde_json::Value::Object(raw).to_string()).unwrap_or_default();
        let outer = debezium(format!(
            "The connector is trying to read change stream starting at {offset}, but this is no longer available on the \
             server. Reconfigure the connector to use a snapshot mode when needed."
        ));
        let slot = &settings.config.keys.postgres.slot_name;
        let (needed, reached) = (needed(stored).unwrap_or_default(), reached(stored).unwrap_or_default());
        let what = match self {
            Self::SlotMissing => {
                format!("there is no replication slot {slot} for pgoutput in this database: it was dropped")
            }
            Self::SlotLost(reason) => {
                format!(
                    "the server has given up the replication slot {slot} ({reason}): it needed more log than the server may keep"
                )
            }
            Self::SlotAhead { begins } => format!(
                "the replication slot {slot} begins at {begins}, behind the stored position {needed}: it was made anew, or somebody advanced it"
            ),
            Self::LogBehind { ends } => format!(
                "the log of the server ends at {ends}, before the stored position {reached}: the server was restored from a backup or lost changes in a failover"
            ),
            Self::OtherSystem => {
                "the server is another one than before: its system identifier differs".to_owned()
            }
            Self::Branched { at: Some(at) } => format!(
                "the server is on a new timeline that branched off at {at}, before the stored position {reached}: changes that were captured are not on it"
            ),
            Self::Branched { at: None } => {
                "the server is on a timeline that does not go back to the one before".to_owned()
            }
        };
        let mut remedy = "changes that were not captured are lost to the connector, and only a new snapshot brings its topics in line with the \
             tables: set snapshot.mode=when_needed, or stop the connector, delete its offsets and resume it"
            .to_owned();
        if matches!(self, Self::SlotLost(_)) {
            remedy.push_str(&format!(
                "; without when_needed the slot has to be dropped before: SELECT pg_drop_replication_slot('{slot}'); look at max_slot_wal_keep_size and \
                 idle_replication_slot_timeout"
            ));
        }
        with_cause(outer, Error::fatal(what).hint(remedy))
    }
}

/// The failure when the slot is lost and nothing is stored.
pub fn lost(settings: &Settings, reason: &str) -> Error {
    let slot = &settings.config.keys.postgres.slot_name;
    debezium(format!("Unable to obtain valid replication slot: the server has given up {slot} ({reason})")).hint(format!(
        "drop it, SELECT pg_drop_replication_slot('{slot}'), and restart the task; look at max_slot_wal_keep_size and \
         idle_replication_slot_timeout"
    ))
}

/// Which log a server writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    system: String,
    /// The timelines that the log went through, each with the position of its end; the last one goes on.
    timelines: Vec<(u32, Lsn)>,
}

/// The end of a timeline that goes on.
const OPEN_END: Lsn = Lsn(u64::MAX);

/// Asks a server who it is, holds that against what was known, and takes note of it.
///
/// # Errors
/// What the server or the network says.
pub async fn identify(
    session: &mut Session,
    stored: Option<&OffsetState>,
    known: &mut Option<Identity>,
) -> Result<Option<Gap>> {
    let rows = session.query("IDENTIFY_SYSTEM").await.map_err(cause)?;
    let cell = |column: usize| rows.first().and_then(|row| row.get(column)?.clone());
    let (Some(system), Some(Ok(timeline))) = (cell(0), cell(1).map(|timeline| timeline.parse())) else {
        return Ok(None);
    };
    let mut timelines = history(session, timeline).await?;
    timelines.push((timeline, OPEN_END));
    let found = Identity { system, timelines };
    let before = known.replace(found.clone());
    let (Some(before), Some(stored)) = (before, stored) else { return Ok(None) };
    if before.system != found.system {
        return Ok(Some(Gap::OtherSystem));
    }
    let at = common(&before.timelines, &found.timelines);
    if at != Some(OPEN_END) {
        info!(timeline, at = ?at, "the server is on another timeline than before");
    }
    let whole = at.is_some_and(|at| reached(stored).is_none_or(|reached| reached <= at));
    Ok((!whole).then_some(Gap::Branched { at }))
}

/// The timelines before this one, as the server tells their history: lines of timeline, end and reason.
async fn history(session: &mut Session, timeline: u32) -> Result<Vec<(u32, Lsn)>> {
    if timeline == 1 {
        return Ok(Vec::new());
    }
    match session.query(&format!("TIMELINE_HISTORY {timeline}")).await {
        Ok(rows) => {
            let text = rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten());
            Ok(parse_history(&text.unwrap_or_default()))
        }
        Err(WireError::Server(error)) => {
            warn!(%error, "the server does not tell the history of its timeline");
            Ok(Vec::new())
        }
        Err(error) => Err(cause(error)),
    }
}

fn parse_history(text: &str) -> Vec<(u32, Lsn)> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse().ok()?, Lsn::parse(words.next()?)?))
    };
    text.lines().filter_map(entry).collect()
}

/// Up to where two logs of one system are the same.
fn common(before: &[(u32, Lsn)], found: &[(u32, Lsn)]) -> Option<Lsn> {
    let mut same = None;
    for ((timeline, end), (other, other_end)) in before.iter().zip(found) {
        if timeline != other {
            return same;
        }
        same = Some(*end.min(other_end));
        if end != other_end {
            return same;
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use raccord_plugin::ErrorKind;

    use super::*;
    use crate::slot::Slot;

    fn stored(lsn: Option<u64>, proc: Option<u64>, commit: Option<u64>) -> OffsetState {
        let [lsn, lsn_proc, lsn_commit] = [lsn, proc, commit].map(|number| number.map(Lsn));
        OffsetState { lsn, lsn_proc, lsn_commit, ..OffsetState::default() }
    }

    #[test]
    fn a_gap_is_found_wherever_it_is() {
        let slot = |confirmed: u64| Found::Slot(Slot { confirmed_flush: Lsn(confirmed), catalog_xmin: 0 });
        let check = |stored: OffsetState, slot: Found, end: u64, expect: Option<Gap>| {
            let end = LogEnd { lsn: Lsn(end), standby: false };
            assert_eq!(find(&stored, &slot, end).unwrap(), expect, "{stored:?} {slot:?}");
        };
        let whole = || stored(Some(35), Some(34), Some(30));
        check(whole(), slot(30), 40, None);
        check(whole(), slot(20), 40, None);
        check(whole(), slot(30), 35, None);
        check(whole(), slot(30), 34, Some(Gap::LogBehind { ends: Lsn(34) }));
        check(whole(), Found::Missing, 40, Some(Gap::SlotMissing));
        check(
            whole(),
            Found::Lost("wal_removed".to_owned()),
            40,
            Some(Gap::SlotLost("wal_removed".to_owned())),
        );
        check(whole(), slot(31), 40, Some(Gap::SlotAhead { begins: Lsn(31) }));
        check(whole(), slot(30), 29, Some(Gap::LogBehind { ends: Lsn(29) }));
        // Of a snapshot, nothing streamed yet.
        check(stored(Some(30), None, None), slot(30), 40, None);
        check(stored(Some(30), None, None), slot(31), 40, Some(Gap::SlotAhead { begins: Lsn(31) }));
        check(stored(Some(30), None, None), Found::Missing, 40, Some(Gap::SlotMissing));
        check(OffsetState::default(), Found::Missing, 40, None);
        let standby = LogEnd { lsn: Lsn(29), standby: true };
        assert_eq!(find(&whole(), &slot(20), standby).unwrap_err().kind(), ErrorKind::Retriable);
    }

    #[test]
    fn histories_say_up_to_where_two_logs_are_the_same() {
        let text =
            "1\t0/3000158\tno recovery target specified\n\n2\t0/4000000\tno recovery target specified\n";
        assert_eq!(parse_history(text), [(1, Lsn(0x300_0158)), (2, Lsn(0x400_0000))]);
        assert_eq!(parse_history("# nothing"), []);
        let check = |before: &[(u32, u64)], found: &[(u32, u64)], expect: Option<u64>| {
            let log = |entries: &[(u32, u64)], last: u32| {
                let entries = entries.iter().map(|(timeline, end)| (*timeline, Lsn(*end)));
                entries.chain([(last, OPEN_END)]).collect::<Vec<_>>()
            };
            let next = |entries: &[(u32, u64)]| entries.last().map_or(1, |(timeline, _)| timeline + 1);
            let found = common(&log(before, next(before)), &log(found, next(found)));
            assert_eq!(found, expect.map(Lsn), "{before:?}");
        };
        check(&[], &[], Some(u64::MAX));
        check(&[], &[(1, 100)], Some(100));
        check(&[(1, 100)], &[(1, 100)], Some(u64::MAX));
        // Promoted twice from the same backup: the timelines have equal numbers.
        check(&[(1, 100)], &[(1, 90)], Some(90));
        check(&[(1, 100)], &[(1, 100), (2, 120)], Some(120));
        check(&[(1, 100), (2, 120)], &[(1, 100)], Some(120));
        check(&[(3, 100)], &[(1, 100)], None);
    }
}
