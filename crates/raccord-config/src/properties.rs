//! Java's `.properties` files, as `java.util.Properties.load(InputStream)` documents them.
//!
//! Bytes are ISO-8859-1 in files of workers and connectors, so text outside of it is written as `\uXXXX`; files of config
//! providers are UTF-8. A `#` or `!` first in a line makes it a comment; a
//! backslash at its end continues it on the next line, whose leading white space is dropped. The key ends at the first
//! `=`, `:` or white space that has no backslash before it. When a key comes again, the last one counts.

use std::fmt;
use std::io;
use std::path::Path;

use crate::RawConfig;

/// How large a file may be, in bytes. Such files have a few kilobytes; this keeps a wrong path from filling memory.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a file could not be read.
#[derive(Debug)]
pub enum PropertiesError {
    /// The system's answer.
    Io(io::Error),
    /// The file has more than [`FILE_BYTES_MAX`] bytes.
    TooLarge,
    /// The file should be UTF-8 and is not.
    NotUtf8,
    /// A `\u` without four hexadecimal digits behind it.
    Malformed {
        /// Number of the line, counted from 1, at which the logical line begins.
        line: usize,
    },
}

impl fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TooLarge => write!(f, "it has more than {FILE_BYTES_MAX} bytes"),
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::Malformed { line } => {
                write!(
                    f,
                    "line {line}: \\u needs four hexadecimal digits behind it (a backslash itself is written \\\\)"
                )
            }
        }
    }
}

impl std::error::Error for PropertiesError {}

/// Reads a file whose bytes are ISO-8859-1.
///
/// # Errors
/// When it cannot be read, is too large, or an escape is malformed.
pub fn read(path: &Path) -> Result<RawConfig, PropertiesError> {
    parse(&read_bytes(path)?)
}

/// Reads a file that is UTF-8.
///
/// # Errors
/// When it cannot be read, is too large or not UTF-8, or an escape is malformed.
pub fn read_utf8(path: &Path) -> Result<RawConfig, PropertiesError> {
    let text = String::from_utf8(read_bytes(path)?).map_err(|_| PropertiesError::NotUtf8)?;
    parse_text(&text)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, PropertiesError> {
    if std::fs::metadata(path).map_err(PropertiesError::Io)?.len() > FILE_BYTES_MAX {
        return Err(PropertiesError::TooLarge);
    }
    std::fs::read(path).map_err(PropertiesError::Io)
}

/// Reads bytes that are ISO-8859-1.
///
/// # Errors
/// When an escape is malformed.
pub fn parse(bytes: &[u8]) -> Result<RawConfig, PropertiesError> {
    parse_text(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
}

/// Reads text.
///
/// # Errors
/// When an escape is malformed.
pub fn parse_text(text: &str) -> Result<RawConfig, PropertiesError> {
    let text: Vec<char> = text.chars().collect();
    let mut config = RawConfig::new();
    for (line, logical) in logical_lines(&text) {
        let (key, value) = split(&logical);
        let unescape = |part: &[char]| unescape(part).ok_or(PropertiesError::Malformed { line });
        config.insert(unescape(key)?, unescape(value)?);
    }
    Ok(config)
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\x0c')
}

/// Lines with continuations joined, comments and blank ones left out, with the number of their first line.
fn logical_lines(text: &[char]) -> Vec<(usize, Vec<char>)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, Vec<char>)> = None;
    for (number, natural) in natural_lines(text).enumerate() {
        let start = natural.iter().position(|char| !is_space(*char)).unwrap_or(natural.len());
        let natural = &natural[start..];
        let begins = open.as_ref().is_none_or(|(_, logical)| logical.is_empty());
        if begins && matches!(natural.first(), None | Some('#' | '!')) {
            continue;
        }
        let (_, logical) = open.get_or_insert_with(|| (number + 1, Vec::new()));
        let backslashes = natural.iter().rev().take_while(|char| **char == '\\').count();
        if backslashes % 2 == 1 {
            logical.extend(&natural[..natural.len() - 1]);
        } else {
            logical.extend(natural);
            lines.extend(open.take());
        }
    }
    // A file may end in the middle of a continuation.
    lines.extend(open.filter(|(_, logical)| !logical.is_empty()));
    lines
}

/// Lines ended by `\n`, `\r` or `\r\n`.
fn natural_lines(text: &[char]) -> impl Iterator<Item = &[char]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|char| matches!(char, '\n' | '\r')).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = match behind {
            ['\r', '\n', behind @ ..] | [_, behind @ ..] => behind,
            [] => behind,
        };
        Some(line)
    })
}

/// Key and value, still escaped.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut escaped = false;
    let mut end = line.len();
    for (index, char) in line.iter().enumerate() {
        if !escaped && (matches!(char, '=' | ':') || is_space(*char)) {
            end = index;
            break;
        }
        escaped = *char == '\\' && !escaped;
    }
    let (key, rest) = line.split_at(end);
    let skip = |rest: &[char]| rest.iter().take_while(|char| is_space(**char)).count();
    let mut value = &rest[skip(rest)..];
    if let Some('=' | ':') = value.first() {
        value = &value[1..];
        value = &value[skip(value)..];
    }
    (key, value)
}

/// `None` for a malformed `\u`. Surrogate pairs written as two escapes become one character.
fn unescape(text: &[char]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.iter();
    let mut buffer = [0; 2];
    while let Some(char) = chars.next() {
        if *char != '\\' {
            units.extend_from_slice(char.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            None => {}
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits = chars.as_slice().get(..4)?;
                let digits: String = digits.iter().collect();
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                units.push(u16::from_str_radix(&digits, 16).ok()?);
                chars.nth(3);
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
        }
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &[(&str, &str)]) {
        let config = parse(text.as_bytes()).unwrap();
        let found: Vec<_> = config.iter().map(|(key, value)| (key, value.unwrap())).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn separators_and_spaces() {
        check("a=1\nb:2\nc 3\n", &[("a", "1"), ("b", "2"), ("c", "3")]);
        check("  a = 1 \r\n\tb\t:\t2\r c  =  d = e", &[("a", "1 "), ("b", "2"), ("c", "d = e")]);
        check("a\nb=\n=c\n", &[("a", ""), ("b", ""), ("", "c")]);
        check("a==1\nb = :2\n", &[("a", "=1"), ("b", ":2")]);
    }

    #[test]
    fn comments_and_blank_lines() {
        check("# a=1\n  ! b=2\n\n \t\nc=3 # not a comment", &[("c", "3 # not a comment")]);
        check("# a \\\nb=2", &[("b", "2")]);
    }

    #[test]
    fn continuations() {
        check("a=1,\\\n   2,\\\r\n\t3\nb=4", &[("a", "1,2,3"), ("b", "4")]);
        check("a=1\\\\\nb=2", &[("a", "1\\"), ("b", "2")]);
        check("a=1\\\n# no comment here\nb=2", &[("a", "1# no comment here"), ("b", "2")]);
        check("a=1\\\n\nb=2", &[("a", "1"), ("b", "2")]);
        check("a=1\\", &[("a", "1")]);
        check("\\\n# a comment, nothing has begun yet\na=1", &[("a", "1")]);
    }

    #[test]
    fn escapes() {
        check("a\\=b\\:c\\ d=1", &[("a=b:c d", "1")]);
        check("a=\\t\\n\\r\\f\\q\\\\", &[("a", "\t\n\r\u{c}q\\")]);
        check("a=gr\\u00FCn \\ud83d\\ude00", &[("a", "grün 😀")]);
        assert!(matches!(parse(b"\n\na=\\u12g4"), Err(PropertiesError::Malformed { line: 3 })));
        assert!(parse(b"a=\\u12").is_err());
    }

    #[test]
    fn the_last_one_counts_and_bytes_are_latin_1() {
        check("a=1\na=2", &[("a", "2")]);
        let config = parse(b"a=gr\xfcn").unwrap();
        assert_eq!(config.get("a"), Some("grün"));
        assert_eq!(parse_text("a=grün 😀").unwrap().get("a"), Some("grün 😀"));
    }

    #[test]
    fn files_are_latin_1_or_utf_8_and_bounded() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |bytes: &[u8]| std::fs::write(file.path(), bytes).unwrap();
        write("a=é".as_bytes());
        assert_eq!(read(file.path()).unwrap().get("a"), Some("Ã©"));
        assert_eq!(read_utf8(file.path()).unwrap().get("a"), Some("é"));
        write(b"a=\xe9");
        assert!(matches!(read_utf8(file.path()), Err(PropertiesError::NotUtf8)));
        file.as_file().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(matches!(read(file.path()), Err(PropertiesError::TooLarge)));
    }

    /// As `java.util.Properties.store` writes.
    fn escape(text: &str, key: bool) -> String {
        let mut out = String::new();
        for (index, unit) in text.encode_utf16().enumerate() {
            match char::from_u32(unit.into()) {
                Some(' ') if key || index == 0 => out.push_str("\\ "),
                Some(c @ ('\\' | '#' | '!' | '=' | ':')) => {
                    out.push('\\');
                    out.push(c);
                }
                Some('\t') => out.push_str("\\t"),
                Some('\n') => out.push_str("\\n"),
                Some('\r') => out.push_str("\\r"),
                Some('\x0c') => out.push_str("\\f"),
                Some(c @ ' '..='~') => out.push(c),
                _ => out.push_str(&format!("\\u{unit:04X}")),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_was_stored_is_read_back(entries in prop::collection::vec((".{0,12}", ".{0,24}"), 0..8)) {
            let mut text = String::from("#comment\n");
            let mut expect = RawConfig::new();
            for (key, value) in entries {
                text.push_str(&format!("{}={}\n", escape(&key, true), escape(&value, false)));
                expect.insert(key, Some(value));
            }
            prop_assert_eq!(parse_text(&text).unwrap(), expect);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[ab=:\\\\ut0-9 #!\n\r\t]{0,60}") {
            let _ = parse_text(&text);
        }
    }
}
