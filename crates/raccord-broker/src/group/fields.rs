//! Reading and writing the primitive fields of Kafka's stored records.
//!
//! The records of `__consumer_offsets` and `__transaction_state` use the encodings of the wire protocol (big-endian
//! integers, length-prefixed strings, and their compact forms in flexible versions), but `kafka-protocol` covers
//! request and response messages only. Every read is bounds-checked: what stands on the disk is foreign input.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Why stored bytes could not be read as the record they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The bytes end inside a field.
    #[error("the record ends inside {0}")]
    Truncated(&'static str),
    /// A length is negative where null is not allowed, or longer than the record.
    #[error("{0} has an impossible length")]
    Length(&'static str),
    /// A string is not UTF-8.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// The version prefix is newer than the formats known here.
    #[error("version {version} of {record} is not known")]
    Version {
        /// Which record.
        record: &'static str,
        /// Its version prefix.
        version: i16,
    },
    /// An enumeration field carries a value that has no meaning.
    #[error("{0} carries a value without meaning")]
    Value(&'static str),
}

/// A cursor over stored bytes.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], FieldError> {
        if len > self.rest.len() {
            return Err(FieldError::Truncated(what));
        }
        let (head, tail) = self.rest.split_at(len);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FieldError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    /// A signed byte.
    pub fn i8(&mut self, what: &'static str) -> Result<i8, FieldError> {
        Ok(i8::from_be_bytes(self.array(what)?))
    }

    /// A 16-bit integer.
    pub fn i16(&mut self, what: &'static str) -> Result<i16, FieldError> {
        Ok(i16::from_be_bytes(self.array(what)?))
    }

    /// A 32-bit integer.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, FieldError> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    /// A 64-bit integer.
    pub fn i64(&mut self, what: &'static str) -> Result<i64, FieldError> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    /// An unsigned variable-length integer of at most 32 bits.
    pub fn varint(&mut self, what: &'static str) -> Result<u32, FieldError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array::<1>(what)?;
            if shift == 28 && byte > 0x0f {
                return Err(FieldError::Length(what));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Length(what))
    }

    /// The length of a string, bytes or array: `None` for null. `flexible` picks the compact form.
    fn length(
        &mut self,
        width: Width,
        flexible: bool,
        what: &'static str,
    ) -> Result<Option<usize>, FieldError> {
        let len = match (flexible, width) {
            (true, _) => i64::from(self.varint(what)?) - 1,
            (false, Width::Short) => i64::from(self.i16(what)?),
            (false, Width::Long) => i64::from(self.i32(what)?),
        };
        match usize::try_from(len) {
            Ok(len) if len <= self.rest.len() => Ok(Some(len)),
            Err(_) if len == -1 => Ok(None),
            _ => Err(FieldError::Length(what)),
        }
    }

    /// A string that may be null.
    pub fn opt_string(&mut self, flexible: bool, what: &'static str) -> Result<Option<String>, FieldError> {
        let Some(len) = self.length(Width::Short, flexible, what)? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(len, what)?).map_err(|_| FieldError::Utf8(what))?;
        Ok(Some(text.to_owned()))
    }

    /// A string.
    pub fn string(&mut self, flexible: bool, what: &'static str) -> Result<String, FieldError> {
        self.opt_string(flexible, what)?.ok_or(FieldError::Length(what))
    }

    /// Bytes.
    pub fn bytes(&mut self, flexible: bool, what: &'static str) -> Result<Bytes, FieldError> {
        let len = self.length(Width::Long, flexible, what)?.ok_or(FieldError::Length(what))?;
        Ok(Bytes::copy_from_slice(self.take(len, what)?))
    }

    /// The number of elements of an array, `None` for null. Never more than the bytes that are left, so a caller may
    /// reserve room for it (every element takes at least a byte).
    pub fn array_len(&mut self, flexible: bool, what: &'static str) -> Result<Option<usize>, FieldError> {
        self.length(Width::Long, flexible, what)
    }

    /// The tagged fields of a flexible version, handed over as (tag, bytes).
    pub fn tags(
        &mut self,
        what: &'static str,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        for _ in 0..self.varint(what)? {
            let tag = self.varint(what)?;
            let len = self.varint(what)? as usize;
            each(tag, self.take(len, what)?)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Width {
    Short,
    Long,
}

/// Writes the non-flexible forms, the ones Kafka still uses for these records by default.
#[derive(Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// Starts a record with its type or version prefix.
    pub fn with_prefix(prefix: i16) -> Self {
        let mut writer = Writer { out: BytesMut::with_capacity(64) };
        writer.i16(prefix);
        writer
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.out.put_i8(value);
    }

    /// A 16-bit integer.
    pub fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    /// A 32-bit integer.
    pub fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    /// A 64-bit integer.
    pub fn i64(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    /// A string. Requests carry strings of at most 32,767 bytes in the non-flexible form; a longer one (possible in a
    /// flexible request) is refused before it gets here.
    pub fn string(&mut self, value: &str) {
        debug_assert!(value.len() <= STRING_BYTES_MAX);
        let len = value.len().min(STRING_BYTES_MAX);
        self.out.put_i16(len as i16);
        self.out.put_slice(&value.as_bytes()[..len]);
    }

    /// A string or null.
    pub fn opt_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None => self.out.put_i16(-1),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.out.put_i32(i32::try_from(value.len()).expect("request sizes are bounded far below 2 GiB"));
        self.out.put_slice(value);
    }

    /// The number of elements of an array.
    pub fn array_len(&mut self, len: usize) {
        self.out.put_i32(i32::try_from(len).expect("request sizes are bounded far below 2 GiB"));
    }

    /// The finished bytes.
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

/// The longest string the stored formats can carry, in bytes.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_as_kafka_writes_them() {
        for (bytes, expect) in [
            (&[0u8][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 0x01], Ok(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0x1f], Err(FieldError::Length("x"))),
            (&[0x80], Err(FieldError::Truncated("x"))),
        ] {
            assert_eq!(Reader::new(bytes).varint("x"), expect, "{bytes:?}");
        }
    }

    #[test]
    fn lengths_beyond_the_record_are_refused() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0]).string(false, "s"), Err(FieldError::Length("s")));
        assert_eq!(Reader::new(&[0xff, 0xfe]).opt_string(false, "s"), Err(FieldError::Length("s")));
        assert_eq!(
            Reader::new(&[0x7f, 0xff, 0xff, 0xff]).array_len(false, "a"),
            Err(FieldError::Length("a"))
        );
        assert_eq!(Reader::new(&[0xff, 0xff]).opt_string(false, "s"), Ok(None));
        assert_eq!(Reader::new(&[0xff, 0xff]).string(false, "s"), Err(FieldError::Length("s")));
        assert_eq!(Reader::new(&[0, 1, 0xff]).string(false, "s"), Err(FieldError::Utf8("s")));
    }
}
