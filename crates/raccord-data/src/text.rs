//! UTF-8 text that is a slice of a shared buffer.
#![allow(unsafe_code)]

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// Immutable UTF-8 text. Cloning and slicing share the buffer it was read into; a short text is copied instead, which
/// costs less than counting who shares it.
#[derive(Clone)]
pub struct Text(Repr);

/// How long a text may be that is kept in the cell itself: what there is room for beside the tag.
const INLINE_MAX: usize = 23;

#[derive(Clone)]
enum Repr {
    Shared(Bytes),
    Inline { length: u8, bytes: [u8; INLINE_MAX] },
}

const _: () = assert!(size_of::<Text>() == size_of::<Bytes>(), "the tag takes no room");

impl Repr {
    /// A copy of text that is short enough.
    #[inline]
    fn inline(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self::Inline { length: text.len() as u8, bytes })
    }
}

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        let text = text.as_bytes();
        if text.len() > INLINE_MAX {
            return Self(Repr::Shared(Bytes::from_static(text)));
        }
        let mut bytes = [0; INLINE_MAX];
        bytes.split_at_mut(text.len()).0.copy_from_slice(text);
        Self(Repr::Inline { length: text.len() as u8, bytes })
    }

    /// Takes the bytes as text.
    ///
    /// # Errors
    /// Gives the bytes back when they are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Bytes> {
        match simdutf8::basic::from_utf8(&bytes) {
            Ok(_) => Ok(Self(Repr::inline(&bytes).unwrap_or(Repr::Shared(bytes)))),
            Err(_) => Err(bytes),
        }
    }

    /// Takes a part of a buffer as text, and a share of the buffer only if the text is not short; `None` when the part is
    /// not UTF-8.
    ///
    /// # Panics
    /// When it is no part of the buffer and not short.
    #[inline]
    pub fn from_part(buffer: &Bytes, part: &[u8]) -> Option<Self> {
        simdutf8::basic::from_utf8(part).ok()?;
        Some(Self(Repr::inline(part).unwrap_or_else(|| Repr::Shared(buffer.slice_ref(part)))))
    }

    /// Takes the bytes as text, replacing malformed sequences by U+FFFD as Java's decoder does.
    pub fn from_utf8_lossy(bytes: Bytes) -> Self {
        Self::from_utf8(bytes).unwrap_or_else(|bytes| Self::from(replace_malformed(&bytes)))
    }

    /// One text of several parts.
    pub fn concat(parts: &[&str]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut inline = [0; INLINE_MAX];
        if length > INLINE_MAX {
            return Self(Repr::Shared(Bytes::from(parts.concat())));
        }
        let mut end = 0;
        for part in parts {
            inline[end..end + part.len()].copy_from_slice(part.as_bytes());
            end += part.len();
        }
        Self(Repr::Inline { length: length as u8, bytes: inline })
    }

    /// The text as a string slice.
    #[inline]
    pub fn as_str(&self) -> &str {
        let bytes = match &self.0 {
            Repr::Shared(bytes) => bytes,
            Repr::Inline { length, bytes } => &bytes[..usize::from(*length)],
        };
        // SAFETY: every constructor takes `str` or checks the bytes; what they are does not change.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    /// The part between two byte positions, sharing the buffer.
    ///
    /// # Panics
    /// When a position is out of range or inside a character, as slicing a `str` does.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let part = &self.as_str()[start..end];
        match &self.0 {
            Repr::Shared(bytes) if part.len() > INLINE_MAX => Self(Repr::Shared(bytes.slice(start..end))),
            _ => Self::from(part),
        }
    }

    /// The UTF-8 bytes, sharing the buffer.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Shared(bytes) => bytes,
            Repr::Inline { length, bytes } => Bytes::copy_from_slice(&bytes[..usize::from(length)]),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
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
        Self(Repr::inline(text.as_bytes()).unwrap_or_else(|| Repr::Shared(Bytes::from(text.into_bytes()))))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let bytes = text.as_bytes();
        Self(Repr::inline(bytes).unwrap_or_else(|| Repr::Shared(Bytes::copy_from_slice(bytes))))
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
        let page = Bytes::from_static(b"alpha, and a text that is not so short");
        let text = Text::from_utf8(page.slice(7..)).unwrap();
        assert_eq!(text.as_str(), "and a text that is not so short");
        assert_eq!(text.slice(4, 31).as_str(), "a text that is not so short");
        assert_eq!(text.into_bytes().as_ptr(), page[7..].as_ptr());
        let part = Text::from_part(&page, &page[7..]).unwrap();
        assert_eq!(part.into_bytes().as_ptr(), page[7..].as_ptr());
        assert_eq!(Text::from_part(&page, &page[..5]).unwrap().as_str(), "alpha");
        assert_eq!(Text::from_part(&page, &[0xff]), None);
    }

    #[test]
    fn is_the_same_text_however_it_is_kept() {
        for length in [0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 100] {
            let text: String = "añ€😀".chars().cycle().take(length).collect();
            let kept = [
                Text::from(text.as_str()),
                Text::from(text.clone()),
                Text::from_utf8(Bytes::from(text.clone())).unwrap(),
                Text::from_static(text.clone().leak()),
                Text(Repr::Shared(Bytes::from(text.clone()))),
                Text::concat(&["", &text]),
            ];
            for one in &kept {
                assert_eq!(
                    (one, one.as_str(), one.clone().into_bytes()),
                    (&kept[0], &*text, text.clone().into())
                );
                assert_eq!(one.slice(0, text.len()), kept[0]);
            }
        }
        assert!(Text::from("a") < Text::from("b".repeat(50)));
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
