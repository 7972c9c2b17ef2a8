//! Which encoding of Unicode the input is in, by its first bytes, as Jackson guesses it.

use bytes::Bytes;

/// The input as UTF-8 (perhaps malformed), without a byte order mark.
///
/// # Errors
/// The text of Jackson's exception for orders of bytes that nobody uses.
pub(super) fn to_utf8(input: &Bytes) -> Result<Bytes, String> {
    let bytes = &input[..];
    let four = bytes.first_chunk::<4>().map(|first| u32::from_be_bytes(*first));
    let wide = match four {
        Some(0x0000_feff) => Some((4, 4, true)),
        Some(0xfffe_0000) => Some((4, 4, false)),
        Some(0x0000_fffe) => return Err(weird("2143")),
        Some(0xfeff_0000) => return Err(weird("3412")),
        _ => None,
    };
    if let Some((skip, width, big)) = wide {
        return Ok(transcode(&bytes[skip..], width, big));
    }
    // Jackson looks for marks when there are four bytes at least.
    match bytes {
        [0xfe, 0xff, rest @ ..] if four.is_some() => return Ok(transcode(rest, 2, true)),
        [0xff, 0xfe, rest @ ..] if four.is_some() => return Ok(transcode(rest, 2, false)),
        [0xef, 0xbb, 0xbf, ..] if four.is_some() => return Ok(input.slice(3..)),
        _ => {}
    }
    if let Some(four) = four {
        if four >> 8 == 0 {
            return Ok(transcode(bytes, 4, true));
        } else if four & 0x00ff_ffff == 0 {
            return Ok(transcode(bytes, 4, false));
        } else if four & !0x00ff_0000 == 0 {
            return Err(weird("3412"));
        } else if four & !0x0000_ff00 == 0 {
            return Err(weird("2143"));
        }
    }
    Ok(match bytes {
        [0, _, ..] => transcode(bytes, 2, true),
        [_, 0, ..] => transcode(bytes, 2, false),
        _ => input.clone(),
    })
}

fn weird(order: &str) -> String {
    format!("Unsupported UCS-4 endianness ({order}) detected")
}

fn transcode(bytes: &[u8], width: usize, big: bool) -> Bytes {
    let unit = |chunk: &[u8]| {
        let fold = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if big { chunk.iter().fold(0, fold) } else { chunk.iter().rev().fold(0, fold) }
    };
    let units = bytes.chunks_exact(width).map(unit);
    let text: String = if width == 4 {
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        char::decode_utf16(units.map(|unit| unit as u16))
            .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    Bytes::from(text)
}
