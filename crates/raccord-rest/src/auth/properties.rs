//! Java's properties files, as `java.util.Properties.load` reads them from bytes: Latin-1 with `\uXXXX`.

/// Pairs in order; a key that comes again has the later value last.
///
/// # Errors
/// When an escape is no escape.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut pairs = Vec::new();
    for line in logical_lines(&text) {
        let (key, value) = split(&line);
        pairs.push((unescape(key)?, unescape(value)?));
    }
    Ok(pairs)
}

/// Lines without comments and blank ones; lines that end with a backslash go on in the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.split(['\n', '\r']) {
        let line = line.trim_start_matches([' ', '\t', '\x0c']);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        whole.push_str(line);
        let backslashes = whole.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            whole.pop();
            open = Some(whole);
        } else {
            lines.push(whole);
        }
    }
    lines.extend(open);
    lines
}

/// Key and value: parted by `=`, `:` or blanks, blanks around them left out.
fn split(line: &str) -> (&str, &str) {
    let blank = [' ', '\t', '\x0c'];
    let mut escaped = false;
    let end = line.find(|c: char| {
        let here = !escaped && (blank.contains(&c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        here
    });
    let Some(end) = end else {
        return (line, "");
    };
    let rest = line[end..].trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(blank))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    units.push(unit.ok_or_else(|| format!("has \\u{digits}, which is no character"))?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        units.extend(c.encode_utf16(&mut [0; 2]).iter());
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let got = parse(text.as_bytes()).unwrap();
            let expect: Vec<_> = expect.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(got, expect, "{text:?}");
        };
        check("a=b\n# c=d\n ! e\n\nf : g\nh i", &[("a", "b"), ("f", "g"), ("h", "i")]);
        check("a = b \r\nc=\r\nd", &[("a", "b "), ("c", ""), ("d", "")]);
        check("a\\=b=c\\:d", &[("a=b", "c:d")]);
        check("a=b\\\n   c\\\\\nd=e", &[("a", "bc\\"), ("d", "e")]);
        check("a=\\u00e9\\ud83d\\ude00\\t\\x", &[("a", "é😀\tx")]);
        check("a==b", &[("a", "=b")]);
        assert!(parse(b"a=\\u12").is_err());
    }
}
