//! Dates and times as text, as Java's ISO formats write them.

use raccord_data::calendar::date_of;
use raccord_data::{Text, Value};

/// Room for the longest text: a date whose year has a sign and ten digits, a time with nine digits of a second, marks.
const ROOM: usize = 48;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A text that is being written, in place.
pub struct IsoText {
    bytes: [u8; ROOM],
    length: usize,
}

impl IsoText {
    /// An empty text.
    pub fn new() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }

    /// Appends what does not exceed the room.
    #[inline]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(room) = self.bytes.get_mut(self.length..).and_then(|rest| rest.first_chunk_mut()) {
            *room = bytes;
            self.length += N;
        }
    }

    /// Appends a character.
    pub fn mark(&mut self, mark: u8) {
        self.push([mark]);
    }

    /// Appends a number of two digits.
    fn two(&mut self, number: i64) {
        let digit = |digit: i64| b'0'.wrapping_add(digit as u8);
        self.push([digit(number / 10), digit(number % 10)]);
    }

    /// Appends a date: days since the epoch. Years of more than four digits have a sign.
    pub fn date(&mut self, days: i64) {
        let (year, month, day) = date_of(days);
        if let 0..=9_999 = year {
            self.two(year / 100);
            self.two(year % 100);
        } else {
            let year = if year > 9_999 { format!("+{year}") } else { format!("-{:04}", -year) };
            year.bytes().for_each(|byte| self.mark(byte));
        }
        self.mark(b'-');
        self.two(month);
        self.mark(b'-');
        self.two(day);
    }

    /// Appends a time of day. `fraction`: so many digits of the second; `None`: those that count.
    pub fn time(&mut self, micros_of_day: i64, fraction: Option<usize>) {
        let (second, micros) = (micros_of_day / MICROS_PER_SECOND, micros_of_day % MICROS_PER_SECOND);
        self.two(second / 3_600);
        self.mark(b':');
        self.two(second / 60 % 60);
        self.mark(b':');
        self.two(second % 60);
        let start = self.length;
        self.mark(b'.');
        self.two(micros / 10_000);
        self.two(micros / 100 % 100);
        self.two(micros % 100);
        self.push(*b"000");
        let digits = match fraction {
            Some(count) => count.min(9),
            None => self.bytes[start + 1..self.length]
                .iter()
                .rposition(|digit| *digit != b'0')
                .map_or(0, |last| last + 1),
        };
        self.length = if digits == 0 { start } else { start + 1 + digits };
    }

    /// The text as a cell.
    pub fn cell(&self) -> Value {
        let text = std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default();
        Value::String(Text::from(text))
    }
}
