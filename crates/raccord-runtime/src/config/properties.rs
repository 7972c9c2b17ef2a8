//! Java's `.properties` files, as `java.util.Properties.load` reads them.
//!
//! A file is a number of lines `key=value`; a colon or white space may stand for the equals sign. Lines that begin with
//! `#` or `!` are comments; a line that ends with a backslash goes on in the next one; `\t \n \r \f` and `\uXXXX` are
//! escapes, and a backslash before any other character is left out.

use raccord_plugin::RawConfig;

/// How large a file may be, in bytes. Worker files have a few kilobytes; this keeps a wrong path from filling memory.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How the bytes of a file stand for characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Every byte is one character: worker and connector files.
    Latin1,
    /// Files of config providers.
    Utf8,
}

/// Reads the bytes of a file. Where a key comes twice, the later one counts.
///
/// # Errors
/// Java's text for an escape that is none, or that the bytes are not UTF-8.
pub fn parse_bytes(bytes: &[u8], charset: Charset) -> Result<RawConfig, String> {
    match charset {
        Charset::Latin1 => parse(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
        Charset::Utf8 => {
            parse(std::str::from_utf8(bytes).map_err(|error| format!("the file is not UTF-8: {error}"))?)
        }
    }
}

/// Reads text.
///
/// # Errors
/// Java's text for an escape that is none.
pub fn parse(text: &str) -> Result<RawConfig, String> {
    let mut config = RawConfig::new();
    for line in logical_lines(text) {
        let (key, value) = split(&line);
        config.insert(unescape(key)?, unescape(value)?);
    }
    Ok(config)
}

/// Lines with their continuations, without comments and blank lines, white space at the beginning removed. Escapes are
/// still there.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current: Option<String> = None;
    for natural in natural_lines(text) {
        let line = natural.trim_start_matches([' ', '\t', '\x0c']);
        let continued = current.take();
        let empty_so_far = continued.as_ref().is_none_or(String::is_empty);
        if empty_so_far && (line.starts_with(['#', '!']) || (line.is_empty() && continued.is_none())) {
            continue;
        }
        let mut logical = continued.unwrap_or_default();
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            logical.push_str(&line[..line.len() - 1]);
            current = Some(logical);
        } else {
            logical.push_str(line);
            if !logical.is_empty() {
                lines.push(logical);
            }
        }
    }
    lines.extend(current.filter(|line| !line.is_empty()));
    lines
}

/// Lines that end with `\n`, `\r` or both.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let length = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + length..]);
        Some(&text[..end])
    })
}

/// Key and value: the key ends before the first `=`, `:` or white space without a backslash before it.
fn split(line: &str) -> (&str, &str) {
    const SPACE: [char; 3] = [' ', '\t', '\x0c'];
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = !escaped && (c == '=' || c == ':' || SPACE.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(end) = end else { return (line, "") };
    let rest = line[end..].trim_start_matches(SPACE);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(SPACE))
}

fn unescape(text: &str) -> Result<String, String> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    // Escapes are UTF-16 code units, so that characters beyond the first 65536 are two of them.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    units.push(code_unit(&mut chars)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    Ok(String::from_utf16_lossy(&units))
}

fn code_unit(chars: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: Option<Vec<u32>> = (0..4).map(|_| chars.next()?.to_digit(16)).collect();
    let digits = digits.ok_or("Malformed \\uxxxx encoding.")?;
    let unit = digits.into_iter().fold(0, |unit, digit| unit * 16 + digit);
    u16::try_from(unit).map_err(|_| "Malformed \\uxxxx encoding.".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_as_java_does() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let expect: RawConfig =
                expect.iter().map(|(key, value)| (*key, Some((*value).to_owned()))).collect();
            assert_eq!(parse(text), Ok(expect), "{text:?}");
        };
        check("", &[]);
        check("a=b", &[("a", "b")]);
        check("  a = b  ", &[("a", "b  ")]);
        check("a:b\r\nc d\re\tf\n", &[("a", "b"), ("c", "d"), ("e", "f")]);
        check("a  :  b", &[("a", "b")]);
        check("a==b", &[("a", "=b")]);
        check("a", &[("a", "")]);
        check("=b", &[("", "b")]);
        check("# c\n ! d\n\n \t\na=1", &[("a", "1")]);
        check("a=1,\\\n   2,\\\n\t3\nb=4", &[("a", "1,2,3"), ("b", "4")]);
        check("a=1\\\n#2\nb=3", &[("a", "1#2"), ("b", "3")]);
        check("# c\\\na=1", &[("a", "1")]);
        check("a=1\\\n\nb=2", &[("a", "1"), ("b", "2")]);
        check("a=1\\\\\nb=2", &[("a", "1\\"), ("b", "2")]);
        check("a=1\\", &[("a", "1")]);
        check("\\\n# c\na=1", &[("a", "1")]);
        check("a\\=b\\:c\\ d=e", &[("a=b:c d", "e")]);
        check("a=\\t\\n\\r\\f\\q\\\\", &[("a", "\t\n\r\x0cq\\")]);
        check("a=\\u00e9\\uD83D\\ude00", &[("a", "é😀")]);
        check("a=1\na=2", &[("a", "2")]);
        check("path=C:\\\\temp", &[("path", "C:\\temp")]);
    }

    #[test]
    fn refuses_escapes_that_are_none() {
        for text in ["a=\\u12", "a=\\u12g4", "a=\\u"] {
            assert_eq!(parse(text), Err("Malformed \\uxxxx encoding.".to_owned()), "{text}");
        }
    }

    #[test]
    fn bytes_are_latin_1_or_utf_8() {
        let value = |bytes: &[u8], charset| parse_bytes(bytes, charset).unwrap().get("a").map(str::to_owned);
        assert_eq!(value("a=é".as_bytes(), Charset::Latin1).as_deref(), Some("Ã©"));
        assert_eq!(value(b"a=\xe9", Charset::Latin1).as_deref(), Some("é"));
        assert_eq!(value("a=é".as_bytes(), Charset::Utf8).as_deref(), Some("é"));
        assert!(parse_bytes(b"a=\xe9", Charset::Utf8).is_err());
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
            prop_assert_eq!(parse(&text), Ok(expect));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[ab=:\\\\ut0-9 #!\n\r\t]{0,60}") {
            let _ = parse(&text);
        }
    }
}
