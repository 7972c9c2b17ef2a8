//! Which source positions may be committed: for each stream, the last one before its first record that Kafka has not
//! acknowledged.
//!
//! A record gets its ticket when it leaves the source, before anything can happen to it, in the order of its stream. So a
//! record that is lost on the way (the task fails, the process dies) leaves a hole that no later acknowledgement can jump
//! over, and reading starts again at or before it. Acknowledgements come in any order; streams do not wait for each other.
//!
//! One ring buffer for each stream holds an entry for each record on its way. A ticket says where its entry is, so that
//! tracking and acknowledging cost a few instructions and, once the rings have grown to the producer's bound, no
//! allocation.

use std::collections::{HashMap, VecDeque};

use raccord_plugin::data::Position;

/// Bits of a ticket that count the records of a stream; the rest says which stream.
const COUNTER_BITS: u32 = 40;
const COUNTER_MASK: u64 = (1 << COUNTER_BITS) - 1;
/// The most streams that tickets can tell apart.
const STREAMS_MAX: usize = 1 << (u64::BITS - COUNTER_BITS);

/// Tracks the records of one task on their way.
#[derive(Debug, Default)]
pub struct AckTracker {
    streams: Vec<Stream>,
    slots: HashMap<u32, usize>,
    /// Slot of the stream that was tracked last.
    recent: usize,
    pending: usize,
}

#[derive(Debug)]
struct Stream {
    number: u32,
    /// Counter of the first entry.
    first: u64,
    on_their_way: VecDeque<Entry>,
    /// Sequence of the last record before the first one on its way.
    acked: Option<u64>,
    /// Sequence whose offset is stored.
    stored: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    acked: bool,
}

impl AckTracker {
    /// Takes note of a record that goes on its way, and gives the ticket to acknowledge it with.
    ///
    /// # Panics
    /// With more than sixteen million streams.
    #[inline]
    pub fn track(&mut self, position: Position) -> u64 {
        let slot = match self.streams.get(self.recent) {
            Some(stream) if stream.number == position.stream => self.recent,
            _ => self.slot(position.stream),
        };
        let stream = &mut self.streams[slot];
        let counter = stream.first + stream.on_their_way.len() as u64;
        stream.on_their_way.push_back(Entry { sequence: position.sequence, acked: false });
        self.pending += 1;
        (slot as u64) << COUNTER_BITS | (counter & COUNTER_MASK)
    }

    #[cold]
    fn slot(&mut self, number: u32) -> usize {
        let streams = &mut self.streams;
        let slot = *self.slots.entry(number).or_insert_with(|| {
            assert!(streams.len() < STREAMS_MAX, "a task has at most {STREAMS_MAX} streams");
            streams.push(Stream {
                number,
                first: 0,
                on_their_way: VecDeque::new(),
                acked: None,
                stored: None,
            });
            streams.len() - 1
        });
        self.recent = slot;
        slot
    }

    /// Takes note that the record with that ticket needs nothing more: it was acknowledged, dropped by a transform, or
    /// skipped. A ticket that was acknowledged already changes nothing.
    #[inline]
    pub fn ack(&mut self, ticket: u64) {
        let Some(stream) = self.streams.get_mut((ticket >> COUNTER_BITS) as usize) else { return };
        let index = (ticket.wrapping_sub(stream.first) & COUNTER_MASK) as usize;
        let Some(entry) = stream.on_their_way.get_mut(index) else { return };
        if std::mem::replace(&mut entry.acked, true) {
            return;
        }
        self.pending -= 1;
        if index == 0 {
            while let Some(entry) = stream.on_their_way.front().filter(|entry| entry.acked) {
                stream.acked = Some(entry.sequence);
                stream.on_their_way.pop_front();
                stream.first += 1;
            }
        }
    }

    /// The position of a record on its way; `None` when it is no longer tracked.
    pub fn position(&self, ticket: u64) -> Option<Position> {
        let stream = self.streams.get((ticket >> COUNTER_BITS) as usize)?;
        let index = (ticket.wrapping_sub(stream.first) & COUNTER_MASK) as usize;
        let entry = stream.on_their_way.get(index)?;
        Some(Position { stream: stream.number, sequence: entry.sequence })
    }

    /// Number of records on their way.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// The position of each stream that may be committed and is not stored yet.
    pub fn committable(&self) -> Vec<Position> {
        self.streams
            .iter()
            .filter(|stream| stream.acked != stream.stored)
            .filter_map(|stream| Some(Position { stream: stream.number, sequence: stream.acked? }))
            .collect()
    }

    /// Takes note that the offsets of these positions are stored.
    pub fn stored(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(slot) = self.slots.get(&position.stream) {
                self.streams[*slot].stored = Some(position.sequence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(stream: u32, sequence: u64) -> Position {
        Position { stream, sequence }
    }

    #[test]
    fn a_hole_holds_its_own_stream_back_and_no_other() {
        let mut tracker = AckTracker::default();
        let tickets: Vec<u64> = (0..4).map(|n| tracker.track(position(7, 10 + n))).collect();
        let other = tracker.track(position(9, 500));
        tracker.ack(tickets[0]);
        tracker.ack(tickets[2]);
        tracker.ack(other);
        assert_eq!(tracker.committable(), [position(7, 10), position(9, 500)]);
        assert_eq!(tracker.pending(), 2);
        let known = |ticket: u64| tracker.position(ticket);
        assert_eq!((known(tickets[0]), known(tickets[1])), (None, Some(position(7, 11))));
        tracker.stored(&tracker.committable());
        assert_eq!(tracker.committable(), []);
        tracker.ack(tickets[1]);
        tracker.ack(tickets[1]);
        assert_eq!(tracker.committable(), [position(7, 12)]);
        assert_eq!(tracker.pending(), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Track(u32),
        /// Acknowledge the n-th (modulo) record on its way, or one again that was acknowledged before.
        Ack(usize),
        AckAgain(usize),
        Store,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u32..4).prop_map(|stream| Step::Track(stream * 1000)),
            4 => any::<usize>().prop_map(Step::Ack),
            1 => any::<usize>().prop_map(Step::AckAgain),
            1 => Just(Step::Store),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        /// Against a model that keeps every record for ever.
        #[test]
        fn commits_the_longest_prefix_without_a_hole(steps in steps()) {
            let mut tracker = AckTracker::default();
            let mut sent: Vec<(Position, u64, bool)> = Vec::new();
            let mut stored: HashMap<u32, u64> = HashMap::new();
            for step in steps {
                match step {
                    Step::Track(stream) => {
                        let record = position(stream, sent.len() as u64 * 3);
                        sent.push((record, tracker.track(record), false));
                    }
                    Step::Ack(choice) => {
                        let waiting: Vec<usize> = (0..sent.len()).filter(|n| !sent[*n].2).collect();
                        if !waiting.is_empty() {
                            let record = &mut sent[waiting[choice % waiting.len()]];
                            record.2 = true;
                            tracker.ack(record.1);
                        }
                    }
                    Step::AckAgain(choice) => {
                        let acked: Vec<u64> = sent.iter().filter(|record| record.2).map(|record| record.1).collect();
                        if !acked.is_empty() {
                            tracker.ack(acked[choice % acked.len()]);
                        }
                    }
                    Step::Store => {
                        let positions = tracker.committable();
                        stored.extend(positions.iter().map(|position| (position.stream, position.sequence)));
                        tracker.stored(&positions);
                    }
                }
                let mut expect = Vec::new();
                for stream in (0..4).map(|stream| stream * 1000) {
                    let records = sent.iter().filter(|record| record.0.stream == stream);
                    let last = records.take_while(|record| record.2).last().map(|record| record.0.sequence);
                    if let Some(sequence) = last.filter(|last| stored.get(&stream) != Some(last)) {
                        expect.push(position(stream, sequence));
                    }
                }
                let mut committable = tracker.committable();
                committable.sort();
                prop_assert_eq!(committable, expect);
                prop_assert_eq!(tracker.pending(), sent.iter().filter(|record| !record.2).count());
            }
        }
    }
}
