//! Keys of objects as Jackson reads them: bytes first, characters afterwards, so that what is wrong with them is found
//! elsewhere and said otherwise than in other strings.

use raccord_data::Text;

use super::super::text::find_special;
use super::string::{Malformed, decode};
use super::{EOF_EXCEPTION, PARSE_EXCEPTION, Read, ReadError, Reader};

impl Reader<'_> {
    /// Reads a key; the reader stands on the opening quote.
    pub(super) fn name(&mut self) -> Read<Text> {
        self.at += 1;
        let start = self.at;
        if let Some(text) = self.text {
            let end = find_special(self.bytes, start);
            if self.bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                return Ok(text.slice(start, end));
            }
        }
        let mut raw = Vec::new();
        loop {
            let Some(byte) = self.bytes.get(self.at).copied() else {
                return Err(self.ended_in_name(start));
            };
            match byte {
                b'"' => break,
                b'\\' => {
                    let char = self.escaped_in_name()?;
                    raw.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                0..=0x1f => return Err(self.unquoted(byte, "name")),
                _ => raw.push(byte),
            }
            self.at += 1;
        }
        self.at += 1;
        String::from_utf8(raw)
            .map(Text::from)
            .or_else(|error| self.decode_name(error.as_bytes()).map(Text::from))
    }

    /// Reads one escape, or the two that make a character outside the basic plane.
    fn escaped_in_name(&mut self) -> Read<char> {
        let first = self.escape()?;
        let wrong = |reader: &Self, message: String| Err(reader.error(PARSE_EXCEPTION, message, reader.at));
        match first {
            0xdc00..=0xdfff => {
                return wrong(self, format!("Unexpected low surrogate in field name: 0x{first:x}"));
            }
            0xd800..=0xdbff => {}
            unit => return Ok(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
        match self.bytes.get(self.at).copied() {
            Some(b'\\') => {}
            Some(byte) => {
                let message = format!(
                    "Broken surrogate pair in field name: expected '\\' to start low surrogate, got 0x{byte:X}"
                );
                return wrong(self, message);
            }
            None => return Err(self.ended_in_name(0)),
        }
        let second = self.escape()?;
        match char::decode_utf16([first, second]).next() {
            Some(Ok(char)) => Ok(char),
            _ => {
                let message = format!(
                    "Broken surrogate pair in field name: expected low surrogate, got 0x{second:04X}"
                );
                wrong(self, message)
            }
        }
    }

    /// Decodes a key that is not UTF-8 proper; the reader stands behind it.
    fn decode_name(&self, raw: &[u8]) -> Read<String> {
        let mut name = String::with_capacity(raw.len());
        let mut at = 0;
        while at < raw.len() {
            match decode(&raw[at..]) {
                Ok((char, length)) => {
                    name.push(char);
                    at += length;
                }
                Err(malformed) => return Err(self.malformed_name(raw, at, malformed)),
            }
        }
        Ok(name)
    }

    fn malformed_name(&self, raw: &[u8], at: usize, malformed: Malformed) -> Box<ReadError> {
        let (class, message) = match malformed {
            Malformed::Start(byte) => (PARSE_EXCEPTION, format!("Invalid UTF-8 start byte 0x{byte:x}")),
            Malformed::Middle(index) => {
                // Jackson keeps a name in ints of four bytes and shows what the int has up to the wrong one, its sign
                // filling it; a fourth byte of a character is shown alone.
                let wrong = at + index;
                let from = if index == 3 { wrong } else { wrong & !3 };
                let fill = if index < 3 && raw[from] >= 0x80 { u32::MAX } else { 0 };
                let shown = raw[from..=wrong].iter().fold(fill, |shown, byte| shown << 8 | u32::from(*byte));
                (PARSE_EXCEPTION, format!("Invalid UTF-8 middle byte 0x{shown:x}"))
            }
            Malformed::Surrogate(code) => {
                (PARSE_EXCEPTION, format!("Invalid UTF-8: Illegal surrogate character 0x{code:x}"))
            }
            Malformed::Ended => (EOF_EXCEPTION, "Unexpected end-of-input in field name".to_owned()),
        };
        self.error(class, message, self.at)
    }

    fn ended_in_name(&self, start: usize) -> Box<ReadError> {
        let message = if start == self.bytes.len() {
            "Unexpected end-of-input: was expecting closing '\"' for name"
        } else {
            "Unexpected end-of-input in field name"
        };
        self.error(EOF_EXCEPTION, message.to_owned(), self.bytes.len())
    }
}
