//! Cells as they came: bytes in a buffer that many cells share.

use std::ops::Deref;

use bytes::Bytes;
use raccord_data::Text;

/// The bytes of a cell. To look at them costs nothing; only what keeps them takes a share of their buffer.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    buffer: &'a Bytes,
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The bytes from `start` to `end` of a buffer.
    ///
    /// # Panics
    /// When the buffer is shorter.
    #[inline]
    pub fn part(buffer: &'a Bytes, start: usize, end: usize) -> Self {
        Self { buffer, bytes: &buffer[start..end] }
    }

    /// All bytes but the first ones.
    pub fn behind(self, first: usize) -> Self {
        Self { bytes: self.bytes.get(first..).unwrap_or_default(), ..self }
    }

    /// The bytes, to be kept.
    pub fn share(self) -> Bytes {
        self.buffer.slice_ref(self.bytes)
    }

    /// The bytes as text, to be kept; `None` when they are not UTF-8.
    #[inline]
    pub fn text(self) -> Option<Text> {
        Text::from_part(self.buffer, self.bytes)
    }
}

impl<'a> From<&'a Bytes> for Raw<'a> {
    fn from(buffer: &'a Bytes) -> Self {
        Self { buffer, bytes: buffer }
    }
}

impl Deref for Raw<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}
