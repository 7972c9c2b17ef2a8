//! Texts in quotes: their escapes and their UTF-8, checked byte by byte so that mistakes are found where Jackson finds
//! them.

use super::BodyError;
use super::tokens::{Tokens, describe};

impl Tokens<'_> {
    /// The text whose opening quote is the last token.
    pub(super) fn text(&mut self) -> Result<String, BodyError> {
        self.unread_text = false;
        self.quoted("string value", "VALUE_STRING")
    }

    /// Content up to the closing quote. `what` names it for characters that must not be there, `place` for the end.
    pub(super) fn quoted(&mut self, what: &str, place: &str) -> Result<String, BodyError> {
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.end(&format!("in {place}")));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    // Bytes were checked one by one; lone surrogates from escapes became replacement characters.
                    return Ok(String::from_utf8_lossy(&text).into_owned());
                }
                b'\\' => self.escape(&mut text)?,
                0..=0x1f => {
                    return Err(BodyError::syntax(
                        format!(
                            "Illegal unquoted character ({}): has to be escaped using backslash to be included \
                             in {what}",
                            describe(u32::from(byte))
                        ),
                        self.location(self.at),
                    ));
                }
                0x20..=0x7f => {
                    text.push(byte);
                    self.at += 1;
                }
                _ => self.multi_byte(byte, &mut text)?,
            }
        }
    }

    pub(super) fn multi_byte(&mut self, first: u8, text: &mut Vec<u8>) -> Result<(), BodyError> {
        let start = self.at;
        let length = match first {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => {
                return Err(BodyError::syntax(
                    format!("Invalid UTF-8 start byte 0x{first:x}"),
                    self.location(start + 1),
                ));
            }
        };
        for offset in start + 1..start + length {
            match self.bytes.get(offset) {
                None => {
                    self.at = self.bytes.len();
                    return Err(self.end("in VALUE_STRING"));
                }
                Some(byte) if byte & 0xc0 != 0x80 => {
                    return Err(BodyError::syntax(
                        format!("Invalid UTF-8 middle byte 0x{byte:x}"),
                        self.location(offset + 1),
                    ));
                }
                Some(_) => {}
            }
        }
        let bytes = &self.bytes[start..start + length];
        if first == 0xed && bytes[1] >= 0xa0 {
            let code = 0xd000 | (u32::from(bytes[1] & 0x3f) << 6) | u32::from(bytes[2] & 0x3f);
            return Err(BodyError::syntax(
                format!("Invalid UTF-8: Illegal surrogate character 0x{code:x}"),
                self.location(start + 3),
            ));
        }
        text.extend_from_slice(bytes);
        self.at += length;
        Ok(())
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), BodyError> {
        self.at += 1;
        let Some(byte) = self.peek() else {
            return Err(self.end("in character escape sequence"));
        };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape(text);
            }
            other => {
                return Err(BodyError::syntax(
                    format!("Unrecognized character escape {}", describe(u32::from(other))),
                    self.location(self.at),
                ));
            }
        };
        text.push(plain);
        self.at += 1;
        Ok(())
    }

    fn unicode_escape(&mut self, text: &mut Vec<u8>) -> Result<(), BodyError> {
        let first = self.hex_quad()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex_quad()?;
            if (0xdc00..0xe000).contains(&second) {
                code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            } else {
                self.at = back;
            }
        }
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex_quad(&mut self) -> Result<u32, BodyError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return Err(self.end("in character escape sequence"));
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                let expected = "expected a hex-digit for character escape sequence";
                return Err(self.unexpected(u32::from(byte), expected, self.at));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
