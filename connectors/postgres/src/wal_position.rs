//! Where to go on after a restart: the search phase, as Debezium has it.
//!
//! # Why a stored position alone does not do
//! Transactions come in the order of their commits, each with all its changes, whose positions lie before its own commit
//! and are mixed with those of other transactions. A stored position is that of one change. Changes before it in the
//! stream may have higher positions and changes after it lower ones, so "greater than what is stored" is no rule.
//!
//! # What is done instead
//! The server sends again everything that it was not told to forget, beginning with a whole transaction. A first pass reads
//! without making records, until it is known at which message new ones begin: right behind the message that was stored
//! last, or at the first transaction that commits behind the last stored commit. A second pass reads the same again and
//! leaves out what comes before that message.
//!
//! # Why nothing is lost or repeated needlessly
//! - Everything that was stored was acknowledged by Kafka, and so was all before it in the stream. Left out is only what
//!   comes before the message found, and that is at or before the one right behind the last stored.
//! - The second pass sees the same messages in the same order, because the server decodes the same log from the same
//!   place. So a message is found again by its number, and a hash over the positions of all messages before it proves
//!   that they were the same. When they were not (another slot, another timeline), that is an error and not a guess.
//! - Several messages may share one position (rows of one multi-insert). They are never stored apart from each other
//!   (see `stream`), so the message behind the last stored is the first with another position.
//!
//! Debezium remembers all positions of the first pass; a number and a hash say the same in sixteen bytes, however
//! large the transaction is.

use crate::offset::MessageType;
use crate::wire::Lsn;

/// A message of the first pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// How many messages came before it.
    number: u64,
    /// Over the positions of these.
    hash: u64,
    lsn: Lsn,
}

/// Looks for the message to go on with.
#[derive(Debug)]
pub struct WalPositionLocator {
    last_commit_lsn: Option<Lsn>,
    last_event_lsn: Lsn,
    last_message_type: Option<MessageType>,
    transaction_start: Option<Mark>,
    first_received: Option<Mark>,
    last_event_seen: bool,
    start: Option<Mark>,
    /// The next message of the pass.
    number: u64,
    hash: u64,
    skipping: bool,
}

/// What the first pass looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A transaction begins.
    Begin,
    /// A transaction ends.
    Commit,
    /// Everything else that has a position.
    Other,
}

/// The second pass saw other messages than the first.
#[derive(Debug, PartialEq, Eq)]
pub struct UnexpectedLsn(pub Lsn);

impl WalPositionLocator {
    /// A locator for what was stored: the last commit, the last event and the kind of that.
    pub fn new(
        last_commit_lsn: Option<Lsn>,
        last_event_lsn: Lsn,
        last_message_type: Option<MessageType>,
    ) -> Self {
        Self {
            last_commit_lsn,
            last_event_lsn,
            last_message_type,
            transaction_start: None,
            first_received: None,
            last_event_seen: false,
            start: None,
            number: 0,
            hash: 0,
            skipping: false,
        }
    }

    /// First pass: takes note of a message; gives the position to go on with once it is known.
    pub fn search(&mut self, lsn: Lsn, kind: Kind) -> Option<Lsn> {
        let mark = self.next(lsn);
        let first = *self.first_received.get_or_insert(mark);
        self.start = self.look(mark, first, kind);
        self.start.map(|start| start.lsn)
    }

    fn look(&mut self, mark: Mark, first: Mark, kind: Kind) -> Option<Mark> {
        if self.last_event_seen {
            if mark.lsn != self.last_event_lsn {
                return Some(mark);
            }
            // A BEGIN has the position of its first change.
            let before_change =
                matches!(self.last_message_type, None | Some(MessageType::Begin | MessageType::Commit));
            return self.transaction_start.filter(|_| before_change);
        }
        self.last_event_seen = mark.lsn == self.last_event_lsn;
        let Some(last_commit) = self.last_commit_lsn else { return Some(first) };
        match kind {
            Kind::Begin => self.transaction_start = Some(mark),
            Kind::Commit if mark.lsn > last_commit => return Some(self.transaction_start.unwrap_or(first)),
            Kind::Commit | Kind::Other => {}
        }
        None
    }

    fn next(&mut self, lsn: Lsn) -> Mark {
        let mark = Mark { number: self.number, hash: self.hash, lsn };
        self.number += 1;
        self.hash = (self.hash.rotate_left(5) ^ lsn.0).wrapping_mul(0x517c_c1b7_2722_0a95);
        mark
    }

    /// Whether the second pass has begun.
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Begins the second pass.
    pub fn begin_skipping(&mut self) {
        (self.number, self.hash, self.skipping) = (0, 0, true);
    }

    /// Second pass: whether to leave a message out.
    ///
    /// # Errors
    /// When the messages up to where leaving out ends are not those of the first pass.
    pub fn skips(&mut self, lsn: Lsn) -> Result<bool, UnexpectedLsn> {
        if !self.skipping {
            return Ok(false);
        }
        let mark = self.next(lsn);
        match self.start {
            Some(start) if mark.number < start.number => Ok(true),
            Some(start) if mark != start => Err(UnexpectedLsn(lsn)),
            _ => {
                self.skipping = false;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs both passes over a stream and gives the places of the messages that are not left out.
    fn resume(
        last_commit: Option<u64>,
        last_event: u64,
        last_type: MessageType,
        stream: &[(u64, Kind)],
    ) -> Option<Vec<usize>> {
        let mut locator = WalPositionLocator::new(last_commit.map(Lsn), Lsn(last_event), Some(last_type));
        stream.iter().find_map(|(lsn, kind)| locator.search(Lsn(*lsn), *kind))?;
        locator.begin_skipping();
        let kept =
            |(place, (lsn, _)): (usize, &(u64, Kind))| (!locator.skips(Lsn(*lsn)).unwrap()).then_some(place);
        Some(stream.iter().enumerate().filter_map(kept).collect())
    }

    const TWO: [(u64, Kind); 7] = [
        (10, Kind::Begin),
        (10, Kind::Other),
        (20, Kind::Other),
        (40, Kind::Commit),
        (15, Kind::Begin),
        (15, Kind::Other),
        (60, Kind::Commit),
    ];

    #[test]
    fn goes_on_right_behind_a_change_in_the_middle_of_a_transaction() {
        assert_eq!(resume(Some(5), 10, MessageType::Insert, &TWO), Some(vec![2, 3, 4, 5, 6]));
        assert_eq!(resume(Some(5), 20, MessageType::Insert, &TWO), Some(vec![3, 4, 5, 6]));
    }

    #[test]
    fn goes_on_behind_a_commit_although_positions_go_back() {
        assert_eq!(resume(Some(40), 40, MessageType::Commit, &TWO), Some(vec![4, 5, 6]));
    }

    #[test]
    fn goes_on_behind_a_change_of_the_later_transaction_that_has_the_lower_position() {
        assert_eq!(resume(Some(40), 15, MessageType::Insert, &TWO), Some(vec![6]));
    }

    #[test]
    fn begins_with_the_first_transaction_behind_the_last_commit_when_the_event_is_not_met() {
        assert_eq!(resume(Some(40), 7, MessageType::Insert, &TWO), Some(vec![4, 5, 6]));
        assert_eq!(resume(Some(7), 7, MessageType::Insert, &TWO), Some(vec![0, 1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn waits_while_nothing_new_is_committed() {
        assert_eq!(resume(Some(60), 60, MessageType::Commit, &TWO[..4]), None);
    }

    #[test]
    fn another_stream_in_the_second_pass_is_an_error() {
        let mut locator = WalPositionLocator::new(Some(Lsn(40)), Lsn(40), Some(MessageType::Commit));
        assert_eq!(TWO.iter().find_map(|(lsn, kind)| locator.search(Lsn(*lsn), *kind)), Some(Lsn(15)));
        locator.begin_skipping();
        let answers: Vec<_> = [10, 10, 21, 40, 15].map(|lsn| locator.skips(Lsn(lsn))).into();
        assert_eq!(answers[4], Err(UnexpectedLsn(Lsn(15))));
        assert!(answers[..4].iter().all(|answer| *answer == Ok(true)));
    }
}
