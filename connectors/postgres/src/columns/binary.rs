//! Bytes: `bytea`, bit strings, and how bytes are written.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use raccord_data::Value;

use super::settings::BinaryMode;

/// The bytes of hexadecimal digits; `None` for anything else.
pub fn from_hex(digits: &[u8]) -> Option<Bytes> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks_exact(2) {
        out.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Some(out.into())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Reads the text form of `bytea` with `bytea_output = hex`, the default: `\x` and digits.
pub fn bytea_text(text: &[u8]) -> Option<Bytes> {
    from_hex(text.strip_prefix(b"\\x")?)
}

/// The cell for bytes.
pub fn cell(mode: BinaryMode, bytes: Bytes) -> Value {
    match mode {
        BinaryMode::Bytes => Value::Bytes(bytes),
        BinaryMode::Base64 => Value::from(STANDARD.encode(bytes)),
        BinaryMode::Base64UrlSafe => Value::from(URL_SAFE.encode(bytes)),
        BinaryMode::Hex => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let mut out = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
            Value::from(out)
        }
    }
}

/// Reads the text form of a bit string of several bits: the last bit is the lowest of the first byte, and zero bytes at
/// the end are left out.
pub fn bits_text(text: &[u8]) -> Option<Bytes> {
    let mut out = vec![0u8; text.len().div_ceil(8)];
    for (place, digit) in text.iter().rev().enumerate() {
        match digit {
            b'0' => {}
            b'1' => out[place / 8] |= 1 << (place % 8),
            _ => return None,
        }
    }
    Some(trimmed(out))
}

/// Reads the binary form of a bit string: the number of bits, then bytes that begin with the first bit.
pub fn bits_binary(bytes: &[u8]) -> Option<Bytes> {
    let (count, data) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    if data.len() != count.div_ceil(8) {
        return None;
    }
    let mut out = vec![0u8; data.len()];
    for place in 0..count {
        let from = count - 1 - place;
        if data[from / 8] & (0x80 >> (from % 8)) != 0 {
            out[place / 8] |= 1 << (place % 8);
        }
    }
    Some(trimmed(out))
}

fn trimmed(mut bytes: Vec<u8>) -> Bytes {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bit_strings_from_both_forms() {
        let check = |text: &str, binary: &[u8], expect: &[u8]| {
            assert_eq!(bits_text(text.as_bytes()).unwrap(), expect, "{text}");
            assert_eq!(bits_binary(binary).unwrap(), expect, "{text}");
        };
        check("101", &[0, 0, 0, 3, 0b1010_0000], &[5]);
        check("1000000000000001", &[0, 0, 0, 16, 0x80, 0x01], &[1, 0x80]);
        check("000000001", &[0, 0, 0, 9, 0, 0x80], &[1]);
        check("100000000", &[0, 0, 0, 9, 0x80, 0], &[0, 1]);
        check("000", &[0, 0, 0, 3, 0], &[]);
        check("", &[0, 0, 0, 0], &[]);
        assert_eq!(bits_text(b"102"), None);
        assert_eq!(bits_binary(&[0, 0, 0, 9, 0]), None);
    }

    #[test]
    fn writes_bytes_in_all_modes() {
        let check = |mode, expect: &str| {
            assert_eq!(cell(mode, bytea_text(b"\\xFBef00").unwrap()), Value::from(expect.to_owned()));
        };
        check(BinaryMode::Base64, "++8A");
        check(BinaryMode::Base64UrlSafe, "--8A");
        check(BinaryMode::Hex, "fbef00");
        assert_eq!(bytea_text(b"\\x0"), None);
        assert_eq!(bytea_text(b"abc"), None);
    }
}
