//! The path of a request, checked and split as Connect's server does it.
//!
//! The server refuses paths that two readers could read differently (encoded slashes, empty segments and the like)
//! with an HTML page before any resource is asked. Which violation gives which text comes from answers of a real
//! worker; connectors whose names hold such characters cannot be reached through REST there either.

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It is not a path at all.
    Malformed,
    /// It is one, but ambiguous or suspicious: the texts of all violations.
    Violation(String),
}

/// The kinds of violation in the order in which the server lists them.
const VIOLATIONS: [&str; 9] = [
    "Ambiguous URI path segment",
    "Ambiguous URI empty segment",
    "Ambiguous URI path separator",
    "Ambiguous URI path parameter",
    "Ambiguous URI path encoding",
    "UTF-16 encoding",
    "Bad UTF-8 encoding",
    "Suspicious Path Character",
    "Illegal Path Character",
];
const SEGMENT: usize = 0;
const EMPTY_SEGMENT: usize = 1;
const SEPARATOR: usize = 2;
const PARAMETER: usize = 3;
const ENCODING: usize = 4;
const UTF16: usize = 5;
const BAD_UTF8: usize = 6;
const SUSPICIOUS: usize = 7;
const ILLEGAL: usize = 8;

/// A segment as it was sent, without its matrix parameters (`;a=b`), and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// As sent: literal parts of routes are compared with this.
    pub raw: String,
    /// Decoded: the value of a route's variable.
    pub decoded: String,
}

/// Splits a path into its segments; a slash at the end makes no difference.
///
/// # Errors
/// When the server would not hand the request on.
pub fn segments(path: &str) -> Result<Vec<Segment>, BadPath> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(BadPath::Malformed);
    };
    let pieces: Vec<&str> = rest.split('/').collect();
    if escapes_root(&pieces) {
        return Err(BadPath::Malformed);
    }
    let mut violations = [false; VIOLATIONS.len()];
    let mut segments = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        if piece.is_empty() {
            violations[EMPTY_SEGMENT] |= !last;
            continue;
        }
        let (raw, parameters) = piece.split_once(';').map_or((*piece, None), |(raw, rest)| (raw, Some(rest)));
        let decoded = decode(raw, &mut violations)?;
        if let Some(parameters) = parameters {
            decode(parameters, &mut violations)?;
            violations[PARAMETER] |= matches!(raw, "." | "..");
        }
        violations[SEGMENT] |= raw.contains('%') && matches!(decoded.as_str(), "." | "..");
        if !(raw.is_empty() && last) {
            segments.push(Segment { raw: raw.to_owned(), decoded });
        }
    }
    let texts: Vec<&str> =
        VIOLATIONS.iter().zip(violations).filter(|(_, found)| *found).map(|(text, _)| *text).collect();
    if texts.is_empty() { Ok(segments) } else { Err(BadPath::Violation(texts.join(", "))) }
}

/// Whether `..` leads above the root.
fn escapes_root(pieces: &[&str]) -> bool {
    let mut depth = 0i64;
    pieces.iter().any(|piece| {
        match piece.split(';').next() {
            Some("..") => depth -= 1,
            Some(".") => {}
            _ => depth += 1,
        }
        depth < 0
    })
}

fn decode(raw: &str, violations: &mut [bool; VIOLATIONS.len()]) -> Result<String, BadPath> {
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            violations[ILLEGAL] |= !is_path_byte(byte);
            violations[SUSPICIOUS] |= byte == b'\\';
            decoded.push(byte);
            at += 1;
            continue;
        }
        if bytes.get(at + 1) == Some(&b'u') {
            let code = hex(bytes.get(at + 2..at + 6)).ok_or(BadPath::Malformed)?;
            violations[UTF16] = true;
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += 6;
            continue;
        }
        let byte = hex(bytes.get(at + 1..at + 3)).ok_or(BadPath::Malformed)? as u8;
        match byte {
            0 => return Err(BadPath::Malformed),
            b'/' => violations[SEPARATOR] = true,
            b'%' => violations[ENCODING] = true,
            b'\\' | 0x01..=0x1f | 0x7f => violations[SUSPICIOUS] = true,
            _ => {}
        }
        decoded.push(byte);
        at += 3;
    }
    Ok(String::from_utf8(decoded).unwrap_or_else(|error| {
        violations[BAD_UTF8] = true;
        String::from_utf8_lossy(error.as_bytes()).into_owned()
    }))
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits?;
    digits.iter().try_fold(0, |total, digit| Some(total << 4 | char::from(*digit).to_digit(16)?))
}

/// `pchar` of RFC 3986 (3.3).
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// The value of `Location` for a connector: Connect builds it from a template, which keeps what looks percent-encoded
/// already and gives braces a meaning.
///
/// # Errors
/// The text with which Connect answers names that are no template; the connector exists all the same.
pub fn connector_location(name: &str) -> Result<String, String> {
    let encoded = format!("/connectors/{}", encode(name.strip_prefix('/').unwrap_or(name)));
    let Some(open) = encoded.find('{') else {
        return match encoded.find('}') {
            None => Ok(encoded),
            Some(index) => Err(format!(
                "java.net.URISyntaxException: Illegal character in path at index {index}: {encoded}"
            )),
        };
    };
    let Some(length) = encoded[open + 1..].find('}') else {
        return Err(format!(
            "Invalid syntax in the template \"{encoded}\". Check if a path parameter is terminated with a \"}}\"."
        ));
    };
    let inside = &encoded[open + 1..open + 1 + length];
    let name: String = inside
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .collect();
    if name.is_empty() {
        let blanks = inside.len() - inside.trim_start().len();
        let position = open + 1 + blanks;
        let found = encoded[position..].chars().next().unwrap_or('}');
        return Err(format!(
            "Illegal character \"{found}\" at position {position} is not allowed as a start of a name in a path \
             template \"{encoded}\"."
        ));
    }
    Err(format!("The template variable '{name}' has no value"))
}

/// Encodes what must not stand in a path. Braces stay, and so does a percent sign before two hexadecimal digits.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let bytes = name.as_bytes();
    let mut braced = false;
    for (index, c) in name.char_indices() {
        braced = (braced || c == '{') && c != '}';
        let keep = match c {
            '{' | '}' | '/' => true,
            '%' => hex(bytes.get(index + 1..index + 3)).is_some(),
            c => braced || (c.is_ascii() && is_path_byte(c as u8)),
        };
        if keep {
            encoded.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_refuses_as_the_server_does() {
        let check = |path: &str, expect: Result<&[&str], &str>| {
            let got = segments(path).map(|all| all.into_iter().map(|s| s.decoded).collect::<Vec<_>>());
            let got = got.map_err(|error| match error {
                BadPath::Malformed => "malformed".to_owned(),
                BadPath::Violation(text) => text,
            });
            assert_eq!(
                got,
                expect.map(|e| e.iter().map(|s| (*s).to_owned()).collect()).map_err(str::to_owned),
                "{path}"
            );
        };
        check("/", Ok(&[]));
        check("/connectors", Ok(&["connectors"]));
        check("/connectors/", Ok(&["connectors"]));
        check("/connectors;a=b", Ok(&["connectors"]));
        check("/connectors/;a", Ok(&["connectors"]));
        check("/connectors/x;y=1/status", Ok(&["connectors", "x", "status"]));
        check("/connectors/a%20b%3B", Ok(&["connectors", "a b;"]));
        check("/connectors/a+b", Ok(&["connectors", "a+b"]));
        check("/connectors/..", Ok(&["connectors", ".."]));
        check("/connectors/../connectors", Ok(&["connectors", "..", "connectors"]));
        check("/connectors/%C3%BC", Ok(&["connectors", "ü"]));
        check("//", Err("Ambiguous URI empty segment"));
        check("/connectors//", Err("Ambiguous URI empty segment"));
        check("/connectors/%2E%2e/status", Err("Ambiguous URI path segment"));
        check("/connectors/a%2Fb", Err("Ambiguous URI path separator"));
        check("/connectors/..;x", Err("Ambiguous URI path parameter"));
        check("/connectors/per%25cent", Err("Ambiguous URI path encoding"));
        check("/connectors/%u0041", Err("UTF-16 encoding"));
        check("/connectors/%C3", Err("Bad UTF-8 encoding"));
        check("/connectors/a%5Cb", Err("Suspicious Path Character"));
        check("/connectors/a%7Fb", Err("Suspicious Path Character"));
        check("/connectors/a\\b", Err("Suspicious Path Character, Illegal Path Character"));
        check("/connectors/é", Err("Illegal Path Character"));
        check("/connectors/{x}", Err("Illegal Path Character"));
        check("/%", Err("malformed"));
        check("/%zz", Err("malformed"));
        check("/a%00b", Err("malformed"));
        check("/..;/connectors", Err("malformed"));
        check("/../x", Err("malformed"));
        check("*", Err("malformed"));
    }

    #[test]
    fn builds_locations_as_connect_does() {
        let check = |name: &str, expect: Result<&str, &str>| {
            let got = connector_location(name);
            assert_eq!(got, expect.map(|e| format!("/connectors/{e}")).map_err(str::to_owned), "{name}");
        };
        check("a-1", Ok("a-1"));
        check("with space", Ok("with%20space"));
        check("ünïcode-名", Ok("%C3%BCn%C3%AFcode-%E5%90%8D"));
        check("q?a=b&c#d", Ok("q%3Fa=b&c%23d"));
        check("with~tilde!$()*", Ok("with~tilde!$()*"));
        check("..", Ok(".."));
        check("/", Ok(""));
        check("/a", Ok("a"));
        check("a//b", Ok("a//b"));
        check("enc%20oded", Ok("enc%20oded"));
        check("per%cent", Ok("per%cent"));
        check("%2", Ok("%252"));
        check("semi;colon", Ok("semi;colon"));
        check("back\\slash", Ok("back%5Cslash"));
        check("^`|<>", Ok("%5E%60%7C%3C%3E"));
        check("[x]", Ok("%5Bx%5D"));
        check("{brace}", Err("The template variable 'brace' has no value"));
        check("{a:x}", Err("The template variable 'a' has no value"));
        check("{ a }", Err("The template variable 'a' has no value"));
        check(
            "{a",
            Err(
                "Invalid syntax in the template \"/connectors/{a\". Check if a path parameter is terminated with a \"}\".",
            ),
        );
        check(
            "{}",
            Err(
                "Illegal character \"}\" at position 13 is not allowed as a start of a name in a path template \"/connectors/{}\".",
            ),
        );
        check(
            "a}b",
            Err("java.net.URISyntaxException: Illegal character in path at index 13: /connectors/a}b"),
        );
    }
}
