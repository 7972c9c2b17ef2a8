//! Java's character sets by name, for `converter.encoding`.

use bytes::Bytes;
use encoding_rs::{EncoderResult, Encoding};
use raccord_data::Text;

/// A character set. What it cannot write becomes `?`; what it cannot read becomes U+FFFD, both as in Java.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// ISO-8859-1.
    Latin1,
    /// US-ASCII.
    Ascii,
    /// UTF-16 of that byte order; `None` writes a mark and big-endian, and reads what the mark says.
    Utf16(Option<ByteOrder>),
    /// One of the character sets of the web.
    Other(&'static Encoding),
}

/// Which byte of a unit comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The highest.
    Big,
    /// The lowest.
    Little,
}

/// Names and aliases in lower case that Java knows and the labels of the web do not have, or give to something else.
const NAMES: &[(&str, Charset)] = &[
    ("utf-8", Charset::Utf8),
    ("utf8", Charset::Utf8),
    ("unicode-1-1-utf-8", Charset::Utf8),
    ("us-ascii", Charset::Ascii),
    ("ascii", Charset::Ascii),
    ("ascii7", Charset::Ascii),
    ("iso646-us", Charset::Ascii),
    ("646", Charset::Ascii),
    ("cp367", Charset::Ascii),
    ("ibm367", Charset::Ascii),
    ("us", Charset::Ascii),
    ("iso-8859-1", Charset::Latin1),
    ("iso8859_1", Charset::Latin1),
    ("iso8859-1", Charset::Latin1),
    ("iso_8859-1", Charset::Latin1),
    ("iso_8859_1", Charset::Latin1),
    ("8859_1", Charset::Latin1),
    ("latin1", Charset::Latin1),
    ("l1", Charset::Latin1),
    ("cp819", Charset::Latin1),
    ("ibm819", Charset::Latin1),
    ("ibm-819", Charset::Latin1),
    ("819", Charset::Latin1),
    ("iso-ir-100", Charset::Latin1),
    ("utf-16", Charset::Utf16(None)),
    ("utf16", Charset::Utf16(None)),
    ("utf_16", Charset::Utf16(None)),
    ("unicode", Charset::Utf16(None)),
    ("unicodebig", Charset::Utf16(None)),
    ("utf-16be", Charset::Utf16(Some(ByteOrder::Big))),
    ("utf_16be", Charset::Utf16(Some(ByteOrder::Big))),
    ("unicodebigunmarked", Charset::Utf16(Some(ByteOrder::Big))),
    ("x-utf-16be", Charset::Utf16(Some(ByteOrder::Big))),
    ("utf-16le", Charset::Utf16(Some(ByteOrder::Little))),
    ("utf_16le", Charset::Utf16(Some(ByteOrder::Little))),
    ("unicodelittleunmarked", Charset::Utf16(Some(ByteOrder::Little))),
    ("x-utf-16le", Charset::Utf16(Some(ByteOrder::Little))),
];

impl Charset {
    /// The character set of that name, upper and lower case being the same.
    pub fn for_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if let Some((_, charset)) = NAMES.iter().find(|(alias, _)| *alias == lower) {
            return Some(*charset);
        }
        // Java writes `Cp1252` and `windows-1252`, the web only the latter.
        let label = lower.strip_prefix("cp125").map(|digit| format!("windows-125{digit}")).unwrap_or(lower);
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        // The web reads some names as other sets than Java does (UTF-16 among them); those are listed above.
        (encoding.output_encoding() == encoding).then_some(Self::Other(encoding))
    }

    /// Appends the text.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Utf8 => out.extend_from_slice(text.as_bytes()),
            Self::Latin1 => out.extend(text.chars().flat_map(|char| single_byte(char, 0xff))),
            Self::Ascii => out.extend(text.chars().flat_map(|char| single_byte(char, 0x7f))),
            Self::Utf16(order) => {
                if order.is_none() && !text.is_empty() {
                    out.extend_from_slice(&[0xfe, 0xff]);
                }
                for unit in text.encode_utf16() {
                    out.extend_from_slice(&match order {
                        Some(ByteOrder::Little) => unit.to_le_bytes(),
                        Some(ByteOrder::Big) | None => unit.to_be_bytes(),
                    });
                }
            }
            Self::Other(encoding) => encode_other(encoding, text, out),
        }
    }

    /// Reads text; UTF-8 shares the buffer.
    pub fn decode(self, bytes: &Bytes) -> Text {
        match self {
            Self::Utf8 => Text::from_utf8_lossy(bytes.clone()),
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER })
                .collect::<String>()
                .into(),
            Self::Utf16(order) => decode_utf16(bytes, order).into(),
            Self::Other(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned().into(),
        }
    }
}

fn single_byte(char: char, highest: u32) -> impl Iterator<Item = u8> {
    // Java counts a character outside the basic plane as one unmappable character.
    std::iter::once(if char as u32 <= highest { char as u8 } else { b'?' })
}

fn encode_other(encoding: &'static Encoding, mut text: &str, out: &mut Vec<u8>) {
    let mut encoder = encoding.new_encoder();
    loop {
        let room =
            encoder.max_buffer_length_from_utf8_without_replacement(text.len()).unwrap_or(text.len() * 4);
        out.reserve(room + 4);
        let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(text, out, true);
        text = &text[read..];
        match result {
            EncoderResult::InputEmpty => return,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => out.push(b'?'),
        }
    }
}

fn decode_utf16(bytes: &[u8], order: Option<ByteOrder>) -> String {
    let (order, bytes) = match (order, bytes) {
        (Some(order), _) => (order, bytes),
        (None, [0xff, 0xfe, rest @ ..]) => (ByteOrder::Little, rest),
        (None, [0xfe, 0xff, rest @ ..]) => (ByteOrder::Big, rest),
        (None, _) => (ByteOrder::Big, bytes),
    };
    let pairs = bytes.chunks_exact(2);
    let odd = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| match order {
        ByteOrder::Big => u16::from_be_bytes([pair[0], pair[1]]),
        ByteOrder::Little => u16::from_le_bytes([pair[0], pair[1]]),
    });
    let mut text: String =
        char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if odd {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_the_sets_of_java() {
        let check = |name: &str, text: &str, expect: &[u8], back: &str| {
            let charset = Charset::for_name(name).unwrap();
            let mut out = Vec::new();
            charset.encode(text, &mut out);
            assert_eq!(out, expect, "{name}");
            assert_eq!(charset.decode(&Bytes::from(out)).as_str(), back, "{name}");
        };
        check("UTF-8", "é😀", "é😀".as_bytes(), "é😀");
        check("ISO-8859-1", "é€", &[0xe9, b'?'], "é?");
        check("US-ASCII", "aé😀", b"a??", "a??");
        check("UTF-16", "a", &[0xfe, 0xff, 0, b'a'], "a");
        check("UTF-16LE", "é", &[0xe9, 0], "é");
        check("utf-16be", "😀", &[0xd8, 0x3d, 0xde, 0], "😀");
        check("windows-1252", "€é", &[0x80, 0xe9], "€é");
        check("Cp1252", "€日", &[0x80, b'?'], "€?");
        check("Shift_JIS", "日", &[0x93, 0xfa], "日");
    }

    #[test]
    fn refuses_names_that_are_no_sets() {
        for name in ["", "klingon", "UTF-9"] {
            assert_eq!(Charset::for_name(name), None);
        }
        assert_eq!(Charset::Utf16(None).decode(&Bytes::from_static(&[0xff, 0xfe, b'a', 0])).as_str(), "a");
    }
}
