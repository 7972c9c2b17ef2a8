//! Cuts a growing byte stream into lines, as Kafka's FileStreamSource does.
//!
//! A line ends at `\n`, at `\r\n` or at `\r` that something else follows. What comes after the last line end is half
//! a line: it waits until its end is written. A `\r` at the very end waits too, because a `\n` may follow.
//!
//! Bytes are read into one buffer; the complete lines in it are split off as one shared block, and every line is a
//! slice of that block. Only the half line at the end is ever copied.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use raccord_data::Text;

/// A line and the number of bytes it took with its line end.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The text without the line end; malformed UTF-8 is replaced by U+FFFD.
    pub text: Text,
    /// Bytes consumed from the stream.
    pub consumed: u64,
}

/// The bytes that were read and not yet handed out.
#[derive(Debug, Default)]
pub struct LineBuffer {
    /// What was read behind `block`.
    tail: BytesMut,
    /// How much of `tail` is known to hold no line end.
    searched: usize,
    /// Complete lines, with everything up to `cursor` handed out.
    block: Block,
    cursor: usize,
}

/// Complete lines: checked once as a whole when they are UTF-8, line by line when they are not.
#[derive(Debug)]
enum Block {
    Text(Text),
    Malformed(Bytes),
}

impl Default for Block {
    fn default() -> Self {
        Self::Text(Text::default())
    }
}

impl Block {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Malformed(bytes) => bytes,
        }
    }

    fn line(&self, start: usize, end: usize) -> Text {
        match self {
            Self::Text(text) => text.slice(start, end),
            Self::Malformed(bytes) => Text::from_utf8_lossy(bytes.slice(start..end)),
        }
    }
}

impl LineBuffer {
    /// Takes the buffer out to read more bytes behind what is in it; give it back with [`refill`](Self::refill).
    pub fn take_tail(&mut self) -> BytesMut {
        std::mem::take(&mut self.tail)
    }

    /// Takes the buffer back with more bytes at its end, and finds the lines that are complete now.
    pub fn refill(&mut self, tail: BytesMut) {
        self.tail = tail;
        if self.cursor < self.block.bytes().len() {
            return;
        }
        // A line can only end in what is new, except that a `\r` seen last is decided by what follows it.
        let from = self.searched.saturating_sub(1);
        match memchr::memrchr2(b'\n', b'\r', &self.tail[from..]).map(|at| from + at) {
            Some(last) => {
                let end = match self.tail[last] {
                    b'\r' if last + 1 == self.tail.len() => self.end_before(last),
                    _ => last + 1,
                };
                self.split_block(end);
            }
            None => self.searched = self.tail.len(),
        }
    }

    /// The end of the last line before the `\r` that closes the buffer.
    fn end_before(&self, carriage_return: usize) -> usize {
        memchr::memrchr2(b'\n', b'\r', &self.tail[..carriage_return]).map_or(0, |at| at + 1)
    }

    fn split_block(&mut self, end: usize) {
        let block = self.tail.split_to(end).freeze();
        self.searched = self.tail.len();
        self.cursor = 0;
        self.block = match Text::from_utf8(block) {
            Ok(text) => Block::Text(text),
            Err(bytes) => Block::Malformed(bytes),
        };
    }

    /// The next complete line.
    pub fn next_line(&mut self) -> Option<Line> {
        let start = self.cursor;
        let bytes = self.block.bytes();
        let end = start + memchr2(b'\n', b'\r', &bytes[start..])?;
        let next = match (bytes[end], bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => end + 2,
            _ => end + 1,
        };
        self.cursor = next;
        Some(Line { text: self.block.line(start, end), consumed: (next - start) as u64 })
    }

    /// Whether complete lines are waiting.
    pub fn has_lines(&self) -> bool {
        self.cursor < self.block.bytes().len()
    }

    /// Bytes of the half line at the end.
    pub fn half_line_bytes(&self) -> usize {
        self.tail.len()
    }

    /// Forgets everything, to read another file.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the input in pieces of that size and gives the lines and the half line's length.
    fn read(input: &[u8], piece: usize) -> (Vec<(String, u64)>, usize) {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in input.chunks(piece) {
            let mut tail = buffer.take_tail();
            tail.extend_from_slice(piece);
            buffer.refill(tail);
            while let Some(line) = buffer.next_line() {
                lines.push((line.text.to_string(), line.consumed));
            }
        }
        (lines, buffer.half_line_bytes())
    }

    fn check(input: &[u8], expect: &[(&str, u64)], half: usize) {
        for piece in 1..=input.len().max(1) {
            let (lines, left) = read(input, piece);
            let lines: Vec<_> = lines.iter().map(|(text, bytes)| (text.as_str(), *bytes)).collect();
            assert_eq!((lines.as_slice(), left), (expect, half), "{input:?} in pieces of {piece}");
        }
    }

    #[test]
    fn ends_lines_where_kafka_does() {
        check(b"", &[], 0);
        check(b"half", &[], 4);
        check(b"a\nb\n", &[("a", 2), ("b", 2)], 0);
        check(b"a\r\nb\r\n", &[("a", 3), ("b", 3)], 0);
        check(b"a\rb\rc", &[("a", 2), ("b", 2)], 1);
        check(b"a\n\n\nb", &[("a", 2), ("", 1), ("", 1)], 1);
        check(b"\r\r\n\r", &[("", 1), ("", 2)], 1);
        check(b"a\nb\r", &[("a", 2)], 2);
    }

    #[test]
    fn replaces_malformed_text_and_counts_its_bytes() {
        check("grün\nж\n".as_bytes(), &[("grün", 6), ("ж", 3)], 0);
        check(b"a\xffb\nok\n", &[("a\u{fffd}b", 4), ("ok", 3)], 0);
        check(b"\xe2\x82\n", &[("\u{fffd}", 3)], 0);
    }

    #[test]
    fn lines_of_one_block_share_its_buffer() {
        let mut buffer = LineBuffer::default();
        // Short texts are copied instead.
        let line = "a line of more than a few words\n";
        buffer.refill(BytesMut::from(line.repeat(2).as_bytes()));
        let (one, two) = (buffer.next_line().unwrap().text, buffer.next_line().unwrap().text);
        assert_eq!(one.as_ptr() as usize + line.len(), two.as_ptr() as usize);
    }
}
