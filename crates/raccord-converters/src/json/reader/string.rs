//! Strings and characters as Jackson reads them.

use raccord_data::Text;

use super::super::text::find_special;
use super::{EOF_EXCEPTION, MAX_STRING_LENGTH, PARSE_EXCEPTION, Read, ReadError, Reader, describe};

impl Reader<'_> {
    /// Reads a string; the reader stands on the opening quote. Surrogates that lack their half become U+FFFD, since
    /// text here is Unicode proper.
    pub(super) fn string(&mut self) -> Read<Text> {
        self.at += 1;
        self.in_string = true;
        let start = self.at;
        if let Some(text) = self.text {
            let end = find_special(self.bytes, start);
            if self.bytes.get(end) == Some(&b'"') {
                self.at = end + 1;
                self.in_string = false;
                return self.checked(text.slice(start, end));
            }
        }
        let mut units: Vec<u16> = Vec::new();
        loop {
            let Some(byte) = self.bytes.get(self.at).copied() else {
                let message = "Unexpected end-of-input in VALUE_STRING".to_owned();
                return Err(self.error(EOF_EXCEPTION, message, self.bytes.len()));
            };
            match byte {
                b'"' => break,
                b'\\' => units.push(self.escape()?),
                0..=0x1f => return Err(self.unquoted(byte, "string value")),
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
        self.in_string = false;
        self.checked(String::from_utf16_lossy(&units).into())
    }

    /// The complaint about a control character in a string.
    pub(super) fn unquoted(&self, byte: u8, what: &str) -> Box<ReadError> {
        let message = format!(
            "Illegal unquoted character ({}): has to be escaped using backslash to be included in {what}",
            describe(char::from(byte))
        );
        self.error(PARSE_EXCEPTION, message, self.at)
    }

    fn checked(&self, text: Text) -> Read<Text> {
        if text.len() <= MAX_STRING_LENGTH {
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

    /// Reads what follows a backslash: one UTF-16 unit.
    pub(super) fn escape(&mut self) -> Read<u16> {
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
                let (char, length) = self.decode(self.at + 1)?;
                let message = format!("Unrecognized character escape {}", describe(char));
                return Err(self.error(PARSE_EXCEPTION, message, self.at + length));
            }
        };
        self.at += 2;
        Ok(u16::from(unit))
    }

    /// Decodes the character at that place as Jackson does, which lets overlong forms pass. Gives its length.
    pub(super) fn decode(&self, at: usize) -> Read<(char, usize)> {
        decode(&self.bytes[at..]).map_err(|malformed| match malformed {
            Malformed::Start(byte) => {
                self.error(PARSE_EXCEPTION, format!("Invalid UTF-8 start byte 0x{byte:x}"), at + 1)
            }
            Malformed::Middle(index) => {
                let message = format!("Invalid UTF-8 middle byte 0x{:x}", self.bytes[at + index]);
                self.error(PARSE_EXCEPTION, message, at + index + 1)
            }
            Malformed::Surrogate(code) => {
                let message = format!("Invalid UTF-8: Illegal surrogate character 0x{code:x}");
                self.error(PARSE_EXCEPTION, message, at + 3)
            }
            Malformed::Ended => {
                let message = format!("Unexpected end-of-input in {}", self.decoding());
                self.error(EOF_EXCEPTION, message, self.bytes.len())
            }
        })
    }

    /// What an early end inside a character is said to end: the string, or the token before a bare word.
    fn decoding(&self) -> &'static str {
        if self.in_string { "VALUE_STRING" } else { self.last_token }
    }
}

/// What is wrong with a character's bytes.
pub(super) enum Malformed {
    /// This is no first byte.
    Start(u8),
    /// The byte at that index does not go on with the character.
    Middle(usize),
    /// A surrogate was encoded by itself.
    Surrogate(u32),
    /// The input ends inside the character.
    Ended,
}

/// Decodes the first character of some bytes, of which there is one at least.
pub(super) fn decode(bytes: &[u8]) -> Result<(char, usize), Malformed> {
    let first = u32::from(bytes[0]);
    let (length, mut code) = match first {
        0..=0x7f => return Ok((char::from(first as u8), 1)),
        0xc0..=0xdf => (2, first & 0x1f),
        0xe0..=0xef => (3, first & 0x0f),
        0xf0..=0xf7 => (4, first & 0x07),
        _ => return Err(Malformed::Start(bytes[0])),
    };
    for index in 1..length {
        let byte = *bytes.get(index).ok_or(Malformed::Ended)?;
        if byte & 0xc0 != 0x80 {
            return Err(Malformed::Middle(index));
        }
        code = code << 6 | u32::from(byte & 0x3f);
    }
    if length == 3 && (0xd800..0xe000).contains(&code) {
        return Err(Malformed::Surrogate(code));
    }
    Ok((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length))
}
