//! UTF-8 text that is a slice of a shared buffer.
#![allow(unsafe_code)]

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// Immutable UTF-8 text. Cloning and slicing share the buffer it was read into.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes the bytes as text.
    ///
    /// # Errors
    /// Gives the bytes back when they are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Bytes> {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(bytes),
        }
    }

    /// Takes the bytes as text, replacing malformed sequences by U+FFFD as Java's decoder does.
    pub fn from_utf8_lossy(bytes: Bytes) -> Self {
        Self::from_utf8(bytes).unwrap_or_else(|bytes| Self::from(replace_malformed(&bytes)))
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor takes `str` or checks the bytes; the buffer is immutable.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The part between two byte positions, sharing the buffer.
    ///
    /// # Panics
    /// When a position is out of range or inside a character, as slicing a `str` does.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let text = self.as_str();
        assert!(
            text.is_char_boundary(start) && text.is_char_boundary(end),
            "a slice of text ends at characters"
        );
        Self(self.0.slice(start..end))
    }

    /// The UTF-8 bytes, sharing the buffer.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Decodes, with one U+FFFD for each malformed sequence. Java counts an encoded surrogate as one sequence; Rust as three.
fn replace_malformed(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    let mut rest = bytes;
    loop {
        let Some(chunk) = rest.utf8_chunks().next() else { return out };
        out.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        if rest.is_empty() {
            return out;
        }
        out.push(char::REPLACEMENT_CHARACTER);
        let malformed = match rest {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf] => 2,
            _ => chunk.invalid().len(),
        };
        rest = &rest[malformed..];
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Hash for Text {
    /// As `str`, which maps with text keys are searched by.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_the_buffer_it_came_from() {
        let page = Bytes::from_static(b"alpha beta");
        let text = Text::from_utf8(page.slice(6..)).unwrap();
        assert_eq!(text.as_str(), "beta");
        assert_eq!(text.into_bytes().as_ptr(), page[6..].as_ptr());
    }

    #[test]
    fn refuses_what_is_not_utf8_and_replaces_on_request() {
        let bad = Bytes::from_static(&[b'a', 0xff, b'b']);
        assert_eq!(Text::from_utf8(bad.clone()), Err(bad.clone()));
        assert_eq!(Text::from_utf8_lossy(bad).as_str(), "a\u{fffd}b");
        let check = |bytes: &'static [u8], expect: &str| {
            assert_eq!(Text::from_utf8_lossy(Bytes::from_static(bytes)).as_str(), expect);
        };
        check(&[0xed, 0xa0, 0x80, b'x'], "\u{fffd}x");
        check(&[0xed, 0xa0], "\u{fffd}");
        check(&[0xe0, 0x80, 0x9f], "\u{fffd}\u{fffd}\u{fffd}");
        check(&[0xc3, b'('], "\u{fffd}(");
    }
}
