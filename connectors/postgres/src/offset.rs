//! Offsets: the position of a record as Debezium stores it, and the way from tickets back to positions.
//!
//! # Format
//! Partition `{"server": <topic.prefix>}`. Offset, all numbers but for the named ones: `lsn` of the last record,
//! `lsn_proc` of the last message that was processed whole, `lsn_commit` of the last commit, `txId`, `ts_usec` of the
//! commit, `xmin`, `messageType` (text); during a snapshot `snapshot` (text; `true` in Debezium 2),
//! `last_snapshot_record` and `snapshot_completed` (booleans). What Debezium writes is read here and the other way
//! round, so a connector can be taken over by either at any time. `raccord_snapshot` is ours ([`reached`]).
//!
//! # Tickets
//! A record carries a number only. [`Positions`] keeps the position of each number until it is stored. It is bounded: when
//! there are too many it forgets seven in eight of the older half, and a number without position then means the one
//! before it. That is earlier, so at most something is repeated.

use std::collections::VecDeque;
use std::sync::Arc;

use raccord_cdc::incremental::{Context, Progress};
use raccord_data::{Position, java_order};
use raccord_plugin::{OffsetMap, SourceOffset};

use crate::snapshot::reached::{self, Reached};
use crate::wire::Lsn;

/// How many positions are kept: of all records that are on their way to Kafka, one in a few.
const POSITIONS_MAX: usize = 4 * 1024;

/// The kind of a message, as the offset names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MessageType {
    Insert,
    Update,
    Delete,
    Truncate,
    Message,
    Begin,
    Commit,
    Noop,
}

impl MessageType {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Insert, "INSERT"),
        (Self::Update, "UPDATE"),
        (Self::Delete, "DELETE"),
        (Self::Truncate, "TRUNCATE"),
        (Self::Message, "MESSAGE"),
        (Self::Begin, "BEGIN"),
        (Self::Commit, "COMMIT"),
        (Self::Noop, "NOOP"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

/// The kind of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotKind {
    /// The one at the start: it is taken again when it was not completed.
    Initial,
    /// One that was asked for, while streaming waits.
    Blocking,
    /// One that was asked for, while streaming goes on.
    Incremental,
}

impl SnapshotKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Blocking => "BLOCKING",
            Self::Incremental => "INCREMENTAL",
        }
    }
}

/// The snapshot that a position lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotState {
    /// Its kind.
    pub kind: SnapshotKind,
    /// Whether its last record has been written.
    pub completed: bool,
}

/// A position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetState {
    /// Of the last message.
    pub lsn: Option<Lsn>,
    /// Of the last message that was processed whole.
    pub lsn_proc: Option<Lsn>,
    /// Of the last commit.
    pub lsn_commit: Option<Lsn>,
    /// Transaction id.
    pub tx_id: Option<i64>,
    /// When it was committed, in microseconds since 1970; of a snapshot, when the table was read.
    pub ts_us: Option<i64>,
    /// The slot's xmin, where it is asked for.
    pub xmin: Option<i64>,
    /// The kind of the last message.
    pub message_type: Option<MessageType>,
    /// The snapshot that is under way.
    pub snapshot: Option<SnapshotState>,
    /// Keys of other parties (transaction metadata), as they were.
    pub further: Option<Arc<OffsetMap>>,
    /// The incremental snapshot that is under way.
    pub incremental: Option<Arc<Progress>>,
    /// How far the snapshot has come that is under way, where it can be gone on with.
    pub reached: Option<Arc<Reached>>,
}

impl OffsetState {
    /// Reads an offset. Unknown and malformed values count as missing, as in Debezium.
    pub fn read(offset: &OffsetMap) -> Self {
        let number = |key: &str| offset.get(key).and_then(serde_json::Value::as_i64);
        let lsn = |key: &str| number(key).map(|number| Lsn(number as u64));
        let truth = |key: &str| offset.get(key).and_then(serde_json::Value::as_bool) == Some(true);
        let snapshot = match offset.get("snapshot") {
            Some(serde_json::Value::Bool(running)) => *running,
            // One that was asked for is not taken again.
            Some(serde_json::Value::String(kind)) => kind.eq_ignore_ascii_case("initial"),
            _ => false,
        };
        let completed = truth("snapshot_completed") || truth("last_snapshot_record");
        let further = offset.iter().filter(|(key, _)| is_further(key));
        let further: OffsetMap = further.map(|(key, value)| (key.clone(), value.clone())).collect();
        Self {
            lsn: lsn("lsn"),
            lsn_proc: lsn("lsn_proc"),
            lsn_commit: lsn("lsn_commit").or(lsn("lsn_proc")),
            tx_id: number("txId"),
            ts_us: number("ts_usec"),
            xmin: number("xmin"),
            message_type: offset.get("messageType").and_then(|kind| MessageType::parse(kind.as_str()?)),
            snapshot: (snapshot && !completed)
                .then_some(SnapshotState { kind: SnapshotKind::Initial, completed: false }),
            further: (!further.is_empty()).then(|| Arc::new(further)),
            incremental: None,
            reached: offset.get(reached::KEY).and_then(Reached::read),
        }
    }

    /// The offset as Connect stores it, keys in the order in which a Java `HashMap` gives them.
    pub fn write(&self) -> OffsetMap {
        let mut entries: Vec<(String, serde_json::Value)> = Vec::with_capacity(12);
        let mut put = |key: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                entries.push((key.to_owned(), value));
            }
        };
        put("ts_usec", self.ts_us.map(Into::into));
        put("txId", self.tx_id.map(Into::into));
        put("lsn", self.lsn.map(|lsn| lsn.signed().into()));
        put("xmin", self.xmin.map(Into::into));
        if let Some(snapshot) = self.snapshot {
            put("snapshot", Some(snapshot.kind.as_str().into()));
            put("last_snapshot_record", Some(snapshot.completed.into()));
            put("snapshot_completed", Some(snapshot.completed.into()));
            put(reached::KEY, self.reached.as_ref().map(|reached| reached.write()));
        }
        put("lsn_proc", self.lsn_proc.map(|lsn| lsn.signed().into()));
        put("lsn_commit", self.lsn_commit.map(|lsn| lsn.signed().into()));
        put("messageType", self.message_type.map(|kind| kind.as_str().into()));
        if self.snapshot.is_none_or(|snapshot| snapshot.kind != SnapshotKind::Initial) {
            for (key, value) in self.further.iter().flat_map(|further| further.iter()) {
                put(key, Some(value.clone()));
            }
            for (key, value) in self.incremental.iter().flat_map(|progress| progress.entries()) {
                put(key, Some(value));
            }
        }
        java_order::sort_by_key(&mut entries, |(key, _)| key);
        entries.into_iter().collect()
    }

    /// The position up to which the server may forget once this is stored: that of the commit, if there was one.
    pub fn flushable(&self) -> Option<Lsn> {
        self.lsn_commit.or(self.lsn_proc)
    }
}

/// Keys that belong to transaction metadata and incremental snapshots; the latter are taken out before streaming.
fn is_further(key: &str) -> bool {
    key.starts_with("transaction_") || Context::owns(key)
}

/// Gives tickets to positions and finds them again.
#[derive(Debug, Default)]
pub struct Positions {
    last: u64,
    /// Tickets with their positions, rising.
    kept: VecDeque<(u64, OffsetState)>,
}

impl Positions {
    /// A ticket for a position. The same position again gives the same ticket.
    pub fn ticket(&mut self, state: &OffsetState) -> Position {
        if self.kept.back().is_none_or(|(_, last)| last != state) {
            if self.kept.len() >= POSITIONS_MAX {
                self.thin();
            }
            self.last += 1;
            self.kept.push_back((self.last, state.clone()));
        }
        Position { stream: 0, sequence: self.last }
    }

    /// Gives the first ticket to the stored position, so that the one before the first change is not none.
    pub fn begin_at(&mut self, stored: Option<&OffsetState>) {
        if let (0, Some(stored)) = (self.last, stored) {
            self.ticket(stored);
        }
    }

    /// The ticket given last, for records that are not the last ones of their message; none before the first.
    pub fn last_ticket(&self) -> Position {
        Position { stream: 0, sequence: self.last }
    }

    /// The position that the ticket given last stands for.
    pub fn latest(&self) -> Option<&OffsetState> {
        self.kept.back().map(|(_, state)| state)
    }

    /// The position of a ticket, or the one before it that is kept.
    pub fn state(&self, ticket: u64) -> Option<&OffsetState> {
        let behind = self.kept.partition_point(|(kept, _)| *kept <= ticket);
        self.kept.get(behind.checked_sub(1)?).map(|(_, state)| state)
    }

    /// Forgets what lies before a ticket, because that is stored.
    pub fn stored(&mut self, ticket: u64) {
        let behind = self.kept.partition_point(|(kept, _)| *kept <= ticket);
        self.kept.drain(..behind.saturating_sub(1));
    }

    fn thin(&mut self) {
        let half = self.kept.len() / 2;
        let mut place = 0;
        self.kept.retain(|_| {
            place += 1;
            place > half || place % 8 == 1
        });
    }
}

/// Names the partition of a connector.
pub fn partition(topic_prefix: &str) -> OffsetMap {
    OffsetMap::from_iter([("server".to_owned(), topic_prefix.into())])
}

/// A position of a partition as Connect stores it.
pub fn source_offset(topic_prefix: &str, state: Option<&OffsetState>) -> SourceOffset {
    SourceOffset { partition: partition(topic_prefix), offset: state.map(OffsetState::write) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(json: &str) -> OffsetMap {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn offsets_of_the_log_come_back_as_they_were() {
        let text = r#"{"lsn_proc":24023128,"messageType":"INSERT","lsn_commit":24022960,"lsn":24023128,"txId":555,"ts_usec":1614854358548000}"#;
        let state = OffsetState::read(&offset(text));
        assert_eq!(state.lsn_commit, Some(Lsn(24_022_960)));
        assert_eq!(state.message_type, Some(MessageType::Insert));
        assert_eq!(state.write(), offset(text));
    }

    #[test]
    fn a_missing_commit_is_the_last_message_processed() {
        assert_eq!(OffsetState::read(&offset(r#"{"lsn_proc":5}"#)).lsn_commit, Some(Lsn(5)));
    }

    #[test]
    fn snapshots_are_known_in_both_forms() {
        let check = |text: &str, running: bool| {
            assert_eq!(OffsetState::read(&offset(text)).snapshot.is_some(), running, "{text}");
        };
        check(r#"{"snapshot":true,"last_snapshot_record":false,"lsn":1}"#, true);
        check(r#"{"snapshot":"INITIAL","snapshot_completed":false,"lsn":1}"#, true);
        check(
            r#"{"snapshot":"INITIAL","snapshot_completed":true,"last_snapshot_record":true,"lsn":1}"#,
            false,
        );
        check(r#"{"snapshot":true,"last_snapshot_record":true,"lsn":1}"#, false);
        check(r#"{"snapshot":"BLOCKING","snapshot_completed":false,"lsn":1}"#, false);
        check(r#"{"snapshot":"INCREMENTAL","snapshot_completed":false,"lsn":1}"#, false);
        check(r#"{"lsn":1}"#, false);
    }

    #[test]
    fn a_forgotten_position_means_an_earlier_one() {
        let mut positions = Positions::default();
        let state = |lsn| OffsetState { lsn: Some(Lsn(lsn)), ..OffsetState::default() };
        let tickets: Vec<u64> = (1..=200_000).map(|lsn| positions.ticket(&state(lsn)).sequence).collect();
        assert!(positions.kept.len() <= POSITIONS_MAX);
        for (lsn, ticket) in (1u64..).zip(tickets) {
            let found = positions.state(ticket).and_then(|state| state.lsn);
            assert!(found.is_some_and(|found| found <= Lsn(lsn)), "{lsn}");
            if lsn > 200_000 - POSITIONS_MAX as u64 / 2 {
                assert_eq!(found, Some(Lsn(lsn)));
            }
        }
        positions.stored(150_000);
        assert!(positions.state(150_000).is_some());
    }
}
