//! Base64 as Jackson reads it: white space between groups of four, padding demanded, more after the padding.

const SPACE: u16 = 0x20;
const PAD: u16 = b'=' as u16;

/// Decodes the text, which Jackson trims and goes over by UTF-16 units.
///
/// # Errors
/// The text of Jackson's exception.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut chars = text.trim_matches(|char| char <= ' ').encode_utf16();
    loop {
        let Some(first) = chars.by_ref().find(|char| *char > SPACE) else { return Ok(out) };
        let mut bits = digit(first, 1)?;
        bits = bits << 6 | digit(chars.next().ok_or_else(truncated)?, 2)?;
        match chars.next().ok_or_else(truncated)? {
            PAD => {
                match chars.next().ok_or_else(truncated)? {
                    PAD => out.push((bits >> 4) as u8),
                    other => return Err(illegal(other, 4, Some("expected padding character '='"))),
                }
                continue;
            }
            third => bits = bits << 6 | digit(third, 3)?,
        }
        match chars.next().ok_or_else(truncated)? {
            PAD => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
            fourth => {
                bits = bits << 6 | digit(fourth, 4)?;
                out.extend_from_slice(&bits.to_be_bytes()[1..]);
            }
        }
    }
}

fn digit(unit: u16, place: u32) -> Result<u32, String> {
    Ok(match u8::try_from(unit) {
        Ok(byte @ b'A'..=b'Z') => u32::from(byte - b'A'),
        Ok(byte @ b'a'..=b'z') => u32::from(byte - b'a') + 26,
        Ok(byte @ b'0'..=b'9') => u32::from(byte - b'0') + 52,
        Ok(b'+') => 62,
        Ok(b'/') => 63,
        _ => return Err(illegal(unit, place, None)),
    })
}

fn illegal(code: u16, place: u32, more: Option<&str>) -> String {
    let char = char::from_u32(code.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
    let base = if char <= ' ' {
        format!(
            "Illegal white space character (code 0x{code:x}) as character #{place} of 4-char base64 unit: can only \
             used between units"
        )
    } else if char == '=' {
        format!(
            "Unexpected padding character ('=') as character #{place} of 4-char base64 unit: padding only legal as \
             3rd or 4th character"
        )
    } else if char.is_control() {
        format!("Illegal character (code 0x{code:x}) in base64 content")
    } else {
        format!("Illegal character '{char}' (code 0x{code:x}) in base64 content")
    };
    more.map_or(base.clone(), |more| format!("{base}: {more}"))
}

fn truncated() -> String {
    "Unexpected end of base64-encoded String: base64 variant 'MIME-NO-LINEFEEDS' expects padding (one or more '=' \
     characters) at the end. This Base64Variant might have been incorrectly configured"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_jackson_reads() {
        let check =
            |text: &str, expect: Option<&[u8]>| assert_eq!(decode(text).ok().as_deref(), expect, "{text}");
        check("", Some(b""));
        check("YQ==", Some(b"a"));
        check("YWI=", Some(b"ab"));
        check("YWJj", Some(b"abc"));
        check(" YWJj\nYQ== ", Some(b"abca"));
        check("AAE ", None);
        check("YQ==YQ==", Some(b"aa"));
        check("YR==", Some(b"a"));
        for bad in ["Y", "YQ", "YQ=", "YW I=", "=Q==", "Y=", "YQ=x", "ab*d", "ab_d"] {
            check(bad, None);
        }
    }
}
