//! Strings and characters as Jackson reads them.

use raccord_data::Text;

use super::super::text::find_special;
use super::{EOF_EXCEPTION, MAX_STRING_LENGTH, PARSE_EXCEPTION, Read, ReadError, Reader, describe};

impl Reader<'_> {
    /// Reads a string; the reader stands on the opening quote. Surrogates that lack their half become U+FFFD, since
    /// text here is Unicode proper.
    pub(super) fn string(&mut self, is_name: bool) -> Read<Text> {
        self.at += 1;
        let start = self.at;
        if let Some(text) = self.text {
            let end = find_special(self.bytes, start);
            if self.bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                return self.checked(text.slice(start, end), is_name);
            }
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            let Some(byte) = self.bytes.get(self.at).copied() else {
                return Err(self.ended_in_string(start, is_name));
            };
            match byte {
                b'"' => break,
                b'\\' => units.push(self.escape()?),
                0..=0x1f => {
                    let what = if is_name { "name" } else { "string value" };
                    let message = format!(
                        "Illegal unquoted character ({}): has to be escaped using backslash to be included in {what}",
                        describe(char::from(byte))
                    );
                    return Err(self.error(PARSE_EXCEPTION, message, self.at));
                }
                0x20..=0x7f => {
                    units.push(u16::from(byte));
                    self.at += 1;
                }
                _ => {
                    let (char, length) = self.decode(self.at)?;
                    units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
                    self.at += length;
                }
            }
        }
        self.at += 1;
        self.checked(String::from_utf16_lossy(&units).into(), is_name)
    }

    fn checked(&self, text: Text, is_name: bool) -> Read<Text> {
        if is_name || text.len() <= MAX_STRING_LENGTH {
            return Ok(text);
        }
        let length = text.encode_utf16().count();
        if length <= MAX_STRING_LENGTH {
            return Ok(text);
        }
        Err(self.constraint(format!(
            "String value length ({length}) exceeds the maximum allowed ({MAX_STRING_LENGTH}, from \
             `StreamReadConstraints.getMaxStringLength()`)"
        )))
    }

    fn ended_in_string(&self, start: usize, is_name: bool) -> Box<ReadError> {
        let message = match (is_name, start == self.bytes.len()) {
            (true, true) => "Unexpected end-of-input: was expecting closing '\"' for name",
            (true, false) => "Unexpected end-of-input in field name",
            (false, _) => "Unexpected end-of-input in VALUE_STRING",
        };
        self.error(EOF_EXCEPTION, message.to_owned(), self.bytes.len())
    }

    /// Reads what follows a backslash: one UTF-16 unit.
    fn escape(&mut self) -> Read<u16> {
        let ended = |reader: &Self| {
            let message = "Unexpected end-of-input in character escape sequence".to_owned();
            reader.error(EOF_EXCEPTION, message, reader.bytes.len())
        };
        let Some(byte) = self.bytes.get(self.at + 1).copied() else { return Err(ended(self)) };
        let unit = match byte {
            b'b' => 0x08,
            b't' => 0x09,
            b'n' => 0x0a,
            b'f' => 0x0c,
            b'r' => 0x0d,
            b'"' | b'/' | b'\\' => byte,
            b'u' => {
                self.at += 2;
                let mut unit = 0;
                for _ in 0..4 {
                    let Some(byte) = self.bytes.get(self.at).copied() else { return Err(ended(self)) };
                    let Some(digit) = char::from(byte).to_digit(16) else {
                        return Err(
                            self.unexpected(self.at, "expected a hex-digit for character escape sequence")
                        );
                    };
                    unit = unit << 4 | digit as u16;
                    self.at += 1;
                }
                return Ok(unit);
            }
            _ => {
                let (char, _) = self.decode(self.at + 1)?;
                let message = format!("Unrecognized character escape {}", describe(char));
                return Err(self.error(PARSE_EXCEPTION, message, self.at + 1));
            }
        };
        self.at += 2;
        Ok(u16::from(unit))
    }

    /// Decodes the character at that place as Jackson does, which lets overlong forms pass. Gives its length.
    pub(super) fn decode(&self, at: usize) -> Read<(char, usize)> {
        let first = u32::from(self.bytes[at]);
        let (length, mut code) = match first {
            0..=0x7f => return Ok((char::from(first as u8), 1)),
            0xc0..=0xdf => (2, first & 0x1f),
            0xe0..=0xef => (3, first & 0x0f),
            0xf0..=0xf7 => (4, first & 0x07),
            _ => {
                let message = format!("Invalid UTF-8 start byte 0x{first:x}");
                return Err(self.error(PARSE_EXCEPTION, message, at + 1));
            }
        };
        for place in at + 1..at + length {
            let Some(byte) = self.bytes.get(place).copied() else {
                let message = "Unexpected end-of-input in VALUE_STRING".to_owned();
                return Err(self.error(EOF_EXCEPTION, message, self.bytes.len()));
            };
            if byte & 0xc0 != 0x80 {
                let message = format!("Invalid UTF-8 middle byte 0x{byte:x}");
                return Err(self.error(PARSE_EXCEPTION, message, place + 1));
            }
            code = code << 6 | u32::from(byte & 0x3f);
        }
        if length == 3 && (0xd800..0xe000).contains(&code) {
            let message = format!("Invalid UTF-8: Illegal surrogate character 0x{code:x}");
            return Err(self.error(PARSE_EXCEPTION, message, at + length));
        }
        Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length))
    }
}
