//! JSON strings: finding what needs care eight bytes at a time, and escaping it as Jackson does.

/// Where the first byte at or after `from` is that a JSON string may not contain as it is: `"`, `\` or a control
/// character. The length when there is none.
pub(super) fn find_special(bytes: &[u8], from: usize) -> usize {
    find::<false>(bytes, from)
}

/// The high bits of the special bytes in eight; bits above the first true one may be wrong. None for eight without any.
#[inline]
fn special_in<const WIDE: bool>(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // A byte's high bit gets set when the byte is zero; borrows can only set bits above the first true one.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    let found =
        below_space | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
    match WIDE {
        // All of the four highest bits.
        true => found | word & (word << 1) & (word << 2) & (word << 3) & HIGHS,
        false => found,
    }
}

/// As [`find_special`]; with `WIDE` also the first byte of a character outside the basic plane.
fn find<const WIDE: bool>(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = special_in::<WIDE>(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    // The last bytes with some before them that are known, or one by one.
    if let Some(chunk) = bytes.get(from..).and_then(|rest| rest.last_chunk::<8>())
        && special_in::<WIDE>(u64::from_le_bytes(*chunk)) == 0
    {
        return bytes.len();
    }
    while at < bytes.len() && !is_special(bytes[at]) && !(WIDE && bytes[at] >= 0xf0) {
        at += 1;
    }
    at
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends the text in quotes. Jackson escapes what JSON demands and characters outside the basic plane, the latter as
/// two surrogates, with upper-case hex digits.
pub(super) fn append_quoted(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut done = 0;
    loop {
        let at = find::<true>(bytes, done);
        out.extend_from_slice(&bytes[done..at]);
        let Some(byte) = bytes.get(at) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => append_unit(u16::from(*byte), out),
            _ => {
                let Some(wide) = text[at..].chars().next() else { break };
                wide.encode_utf16(&mut [0; 2]).iter().for_each(|unit| append_unit(*unit, out));
                done = at + wide.len_utf8();
                continue;
            }
        }
        done = at + 1;
    }
    out.push(b'"');
}

fn append_unit(unit: u16, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u32| HEX[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_jackson_does() {
        let check = |text: &str, expect: &str| {
            let mut out = Vec::new();
            append_quoted(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check("", "\"\"");
        check("plain text that is longer than eight", "\"plain text that is longer than eight\"");
        check("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
        check("\u{8}\t\n\u{c}\r\u{0}\u{1f}\u{7f}", "\"\\b\\t\\n\\f\\r\\u0000\\u001F\u{7f}\"");
        check("é€\u{ffff}\u{2028}", "\"é€\u{ffff}\u{2028}\"");
        check("a😀b", "\"a\\uD83D\\uDE00b\"");
        check("12345678😀", "\"12345678\\uD83D\\uDE00\"");
    }

    #[test]
    fn finds_every_special_byte_at_every_place() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let expect = if is_special(byte) { at } else { length };
                    assert_eq!(find_special(&bytes, 0), expect, "{byte} at {at} of {length}");
                }
            }
        }
        // Neighbours that could make a borrow look like a find.
        assert_eq!(find_special(b"!#!!\x80\xff!#\"", 0), 8);
    }
}
