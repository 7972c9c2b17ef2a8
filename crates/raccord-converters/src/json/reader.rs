//! Reading JSON into a tree as Jackson does: what it lets pass, what it refuses, and the words it refuses it with.
//!
//! Only the first value of the input is read, leading zeros are allowed, depth and lengths are limited. This is the
//! slow way, taken for anything unusual; it is iterative, so deep input cannot exhaust the stack.

use bytes::Bytes;
use indexmap::IndexMap;
use raccord_data::Text;
use raccord_plugin::Error;

use super::node::Node;
use super::{SERIALIZATION_EXCEPTION, unicode};

mod name;
mod number;
mod string;

/// How deep Jackson reads.
pub(super) const MAX_DEPTH: usize = 1000;
/// The longest number, in digits.
pub(super) const MAX_NUMBER_LENGTH: usize = 1000;
/// The longest text, in UTF-16 units.
const MAX_STRING_LENGTH: usize = 20_000_000;
/// The longest key.
const MAX_NAME_LENGTH: usize = 50_000;

/// A failure to read, in Jackson's words.
#[derive(Debug)]
pub(super) struct ReadError {
    class: &'static str,
    message: String,
}

pub(super) const PARSE_EXCEPTION: &str = "com.fasterxml.jackson.core.JsonParseException";
pub(super) const EOF_EXCEPTION: &str = "com.fasterxml.jackson.core.io.JsonEOFException";
const VALID_VALUE: &str =
    "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
const CONSTRAINTS_EXCEPTION: &str = "com.fasterxml.jackson.core.exc.StreamConstraintsException";

impl ReadError {
    /// The exception that Kafka's deserializer makes of it.
    pub fn into_error(self) -> Error {
        Error::record(format!("{}: {}", self.class, self.message))
            .class(SERIALIZATION_EXCEPTION)
            .caused_by(Error::record(self.message).class(self.class))
    }
}

pub(super) type Read<T> = Result<T, Box<ReadError>>;

/// Reads the first value. Text shares the buffer of the input where it can.
///
/// # Errors
/// When Jackson would not read it.
pub(super) fn parse(input: &Bytes) -> Read<Node> {
    let input = unicode::to_utf8(input)
        .map_err(|message| Box::new(ReadError { class: "java.io.CharConversionException", message }))?;
    let text = Text::from_utf8(input.clone()).ok();
    Reader {
        bytes: &input,
        text: text.as_ref(),
        at: 0,
        line: 1,
        line_start: 0,
        last_token: "null",
        in_string: false,
    }
    .read()
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The same bytes when they are UTF-8.
    text: Option<&'a Text>,
    at: usize,
    line: usize,
    line_start: usize,
    /// The token read last, as messages about an early end name it.
    last_token: &'static str,
    /// Whether a string was begun and not ended.
    in_string: bool,
}

/// An array or object that is not finished, with where it began.
enum Open {
    Array { items: Vec<Node>, line: usize, column: usize },
    Object { fields: IndexMap<Text, Node>, key: Text, line: usize, column: usize },
}

impl Open {
    fn kind(&self) -> &'static str {
        match self {
            Self::Array { .. } => "Array",
            Self::Object { .. } => "Object",
        }
    }

    fn start(&self) -> String {
        match self {
            Self::Array { line, column, .. } | Self::Object { line, column, .. } => place(*line, *column),
        }
    }
}

/// A value, or the beginning of one that goes on.
enum Begun {
    Value(Node),
    Array,
    Object,
}

fn place(line: usize, column: usize) -> String {
    format!(
        "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
    )
}

impl Reader<'_> {
    fn read(mut self) -> Read<Node> {
        let mut stack: Vec<Open> = Vec::new();
        if self.skip_space()?.is_none() {
            return Ok(Node::Missing);
        }
        loop {
            let mut value = match self.begin(stack.last())? {
                Begun::Value(value) => value,
                begun => {
                    self.open(begun, &mut stack)?;
                    match self.first_inside(&mut stack)? {
                        true => continue,
                        false => close(&mut stack),
                    }
                }
            };
            // Hand the value to what it stands in, and close what ends after it.
            loop {
                match stack.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array { items, .. }) => items.push(value),
                    Some(Open::Object { fields, key, .. }) => {
                        fields.insert(std::mem::take(key), value);
                    }
                }
                if self.next_inside(&mut stack)? {
                    break;
                }
                value = close(&mut stack);
            }
        }
    }

    fn open(&mut self, begun: Begun, stack: &mut Vec<Open>) -> Read<()> {
        if stack.len() >= MAX_DEPTH {
            return Err(self.constraint(format!(
                "Document nesting depth ({}) exceeds the maximum allowed ({MAX_DEPTH}, from \
                 `StreamReadConstraints.getMaxNestingDepth()`)",
                stack.len() + 1
            )));
        }
        let (line, column) = (self.line, self.at - self.line_start + 1);
        self.at += 1;
        stack.push(match begun {
            Begun::Object => {
                self.last_token = "START_OBJECT";
                Open::Object { fields: IndexMap::new(), key: Text::default(), line, column }
            }
            _ => {
                self.last_token = "START_ARRAY";
                Open::Array { items: Vec::new(), line, column }
            }
        });
        Ok(())
    }

    /// Goes to the first value inside what was just opened; `false` when there is none.
    fn first_inside(&mut self, stack: &mut [Open]) -> Read<bool> {
        let Some(byte) = self.skip_space()? else { return Err(self.unclosed(stack)) };
        if byte == b']' || byte == b'}' {
            return self.check_close(byte, stack);
        }
        if let Some(Open::Object { key, .. }) = stack.last_mut() {
            self.field(key)?;
        }
        Ok(true)
    }

    /// Goes to the next value inside what is open; `false` when it ends here.
    fn next_inside(&mut self, stack: &mut [Open]) -> Read<bool> {
        let Some(byte) = self.skip_space()? else { return Err(self.unclosed(stack)) };
        if byte == b']' || byte == b'}' {
            return self.check_close(byte, stack);
        }
        let kind = stack.last().map_or("root", Open::kind);
        if byte != b',' {
            return Err(self.unexpected(self.at, &format!("was expecting comma to separate {kind} entries")));
        }
        self.at += 1;
        if self.skip_space()?.is_none() {
            let message = format!("Unexpected end-of-input within/between {kind} entries");
            return Err(self.error(PARSE_EXCEPTION, message, self.bytes.len()));
        }
        if let Some(Open::Object { key, .. }) = stack.last_mut() {
            self.field(key)?;
        }
        Ok(true)
    }

    fn check_close(&mut self, byte: u8, stack: &[Open]) -> Read<bool> {
        let (open, expected) = match (stack.last(), byte) {
            (Some(Open::Array { .. }), b']') | (Some(Open::Object { .. }), b'}') => {
                self.at += 1;
                self.last_token = if byte == b']' { "END_ARRAY" } else { "END_OBJECT" };
                return Ok(false);
            }
            (Some(open @ Open::Array { .. }), _) => (open, ']'),
            (Some(open), _) => (open, '}'),
            (None, _) => return Ok(true),
        };
        let message = format!(
            "Unexpected close marker '{}': expected '{expected}' (for {} starting at {})",
            byte as char,
            open.kind(),
            open.start()
        );
        Err(self.error(PARSE_EXCEPTION, message, self.at))
    }

    /// Reads a key and its colon, and goes to the value.
    fn field(&mut self, key: &mut Text) -> Read<()> {
        if self.bytes.get(self.at) != Some(&b'"') {
            let (char, _) = self.decode(self.at)?;
            let comment = "was expecting double-quote to start field name";
            let message = format!("Unexpected character ({}): {comment}", describe(char));
            return Err(self.error(PARSE_EXCEPTION, message, self.at));
        }
        let name = self.name()?;
        let length = name.encode_utf16().count();
        if length > MAX_NAME_LENGTH {
            return Err(self.constraint(format!(
                "Name length ({length}) exceeds the maximum allowed ({MAX_NAME_LENGTH}, from \
                 `StreamReadConstraints.getMaxNameLength()`)"
            )));
        }
        *key = name;
        self.last_token = "FIELD_NAME";
        let between = "Unexpected end-of-input within/between Object entries";
        match self.skip_space()? {
            Some(b':') => self.at += 1,
            Some(_) => {
                return Err(
                    self.unexpected(self.at, "was expecting a colon to separate field name and value")
                );
            }
            None => return Err(self.error(EOF_EXCEPTION, between.to_owned(), self.bytes.len())),
        }
        match self.skip_space()? {
            Some(_) => Ok(()),
            None => Err(self.error(EOF_EXCEPTION, between.to_owned(), self.bytes.len())),
        }
    }

    /// Reads the value that begins here; the reader stands on its first byte.
    fn begin(&mut self, inside: Option<&Open>) -> Read<Begun> {
        let Some(byte) = self.bytes.get(self.at).copied() else { return Ok(Begun::Value(Node::Missing)) };
        let in_root = inside.is_none();
        let value = match byte {
            b'{' => return Ok(Begun::Object),
            b'[' => return Ok(Begun::Array),
            b'"' => {
                let text = self.string()?;
                self.last_token = "VALUE_STRING";
                Node::Text(text)
            }
            b'-' | b'0'..=b'9' => self.number(in_root)?,
            b't' => self.literal("true", "VALUE_TRUE", Node::Boolean(true))?,
            b'f' => self.literal("false", "VALUE_FALSE", Node::Boolean(false))?,
            b'n' => self.literal("null", "VALUE_NULL", Node::Null)?,
            _ => return Err(self.unexpected_value(byte, inside)),
        };
        Ok(Begun::Value(value))
    }

    fn literal(&mut self, literal: &'static str, token: &'static str, node: Node) -> Read<Node> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let same = rest.iter().zip(literal.bytes()).take_while(|(a, b)| **a == *b).count();
        self.at = start + same;
        if same < literal.len() || self.identifier_goes_on(self.at) {
            return Err(self.unrecognized(literal[..same].to_owned(), start));
        }
        self.last_token = token;
        Ok(node)
    }

    fn identifier_goes_on(&self, at: usize) -> bool {
        let Some(byte) = self.bytes.get(at) else { return false };
        if *byte < b'0' || *byte == b']' || *byte == b'}' {
            return false;
        }
        self.decode(at).is_ok_and(|(char, _)| is_identifier_part(char))
    }

    /// The complaint about a word that is none of JSON's, of which a part was read already.
    fn unrecognized(&mut self, mut token: String, start: usize) -> Box<ReadError> {
        const MAX_TOKEN: usize = 256;
        let mut at = self.at;
        while at < self.bytes.len() {
            match self.decode(at) {
                Ok((char, length)) if is_identifier_part(char) => {
                    token.push(char);
                    at += length;
                }
                Ok(_) => break,
                Err(error) => return error,
            }
            if token.chars().count() >= MAX_TOKEN {
                token.push_str("...");
                break;
            }
        }
        let message = format!(
            "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' \
             or 'false')"
        );
        self.error(PARSE_EXCEPTION, message, start)
    }

    fn unexpected_value(&mut self, byte: u8, inside: Option<&Open>) -> Box<ReadError> {
        let start = self.at;
        match byte {
            b']' | b'}' if inside.is_none() => {
                let (kind, close) = if byte == b']' { ("Array", ']') } else { ("Object", '}') };
                let message = format!("Unexpected close marker '{close}': no open {kind} to close");
                self.error(PARSE_EXCEPTION, message, start)
            }
            b',' | b'}' => self.unexpected(start, "expected a value"),
            b']' if matches!(inside, Some(Open::Array { .. })) => self.unexpected(start, "expected a value"),
            b'N' => self.non_standard("NaN", start, 1),
            b'I' => self.non_standard("Infinity", start, 1),
            b'+' => self.plus(start),
            _ => {
                let char = char::from(byte);
                if !is_identifier_start(char) {
                    return self.unexpected(start, VALID_VALUE);
                }
                self.at += 1;
                self.unrecognized(char.to_string(), start)
            }
        }
    }

    /// The complaint about `NaN` and its like, or about a word that only begins so.
    fn non_standard(&mut self, word: &str, start: usize, matched: usize) -> Box<ReadError> {
        let rest = &self.bytes[start..];
        let same = rest.iter().zip(word.bytes()).take_while(|(a, b)| **a == *b).count().max(matched);
        self.at = start + same;
        if same < word.len() || self.identifier_goes_on(self.at) {
            return self.unrecognized(word[..same].to_owned(), start);
        }
        let message = format!(
            "Non-standard token '{word}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
        );
        self.error(PARSE_EXCEPTION, message, self.at)
    }

    /// The next byte that is not white space.
    fn skip_space(&mut self) -> Read<Option<u8>> {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            match byte {
                b' ' | b'\t' => {}
                b'\n' => self.new_line(self.at + 1),
                b'\r' => {
                    if self.bytes.get(self.at + 1) == Some(&b'\n') {
                        self.at += 1;
                    }
                    self.new_line(self.at + 1);
                }
                b'/' => {
                    return Err(self.unexpected(
                        self.at,
                        "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not \
                         enabled for parser)",
                    ));
                }
                0..=0x1f => {
                    let message = format!(
                        "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
                        describe(char::from(byte))
                    );
                    return Err(self.error(PARSE_EXCEPTION, message, self.at + 1));
                }
                _ => return Ok(Some(byte)),
            }
            self.at += 1;
        }
        Ok(None)
    }

    fn new_line(&mut self, start: usize) {
        self.line += 1;
        self.line_start = start;
    }

    fn unclosed(&self, stack: &[Open]) -> Box<ReadError> {
        let Some(open) = stack.last() else {
            return self.error(EOF_EXCEPTION, "Unexpected end-of-input".to_owned(), self.bytes.len());
        };
        let message = format!(
            "Unexpected end-of-input: expected close marker for {} (start marker at {})",
            open.kind(),
            open.start()
        );
        self.error(EOF_EXCEPTION, message, self.bytes.len())
    }

    /// A complaint about the byte at that place.
    fn unexpected(&self, at: usize, comment: &str) -> Box<ReadError> {
        let char = char::from(self.bytes.get(at).copied().unwrap_or(0));
        self.error(PARSE_EXCEPTION, format!("Unexpected character ({}): {comment}", describe(char)), at)
    }

    /// A complaint that shows the place after that many bytes.
    fn error(&self, class: &'static str, message: String, at: usize) -> Box<ReadError> {
        let column = at.saturating_sub(self.line_start) + 1;
        Box::new(ReadError { class, message: format!("{message}\n at {}", place(self.line, column)) })
    }

    fn constraint(&self, message: String) -> Box<ReadError> {
        Box::new(ReadError { class: CONSTRAINTS_EXCEPTION, message })
    }
}

/// Finishes what is open innermost.
fn close(stack: &mut Vec<Open>) -> Node {
    match stack.pop() {
        Some(Open::Array { items, .. }) => Node::Array(items),
        Some(Open::Object { fields, .. }) => Node::Object(fields),
        None => Node::Missing,
    }
}

/// A character as Jackson shows it.
fn describe(char: char) -> String {
    let code = char as u32;
    if char.is_control() && code < 0xa0 {
        format!("(CTRL-CHAR, code {code})")
    } else if code > 255 {
        format!("'{char}' (code {code} / 0x{code:x})")
    } else {
        format!("'{char}' (code {code})")
    }
}

fn is_identifier_start(char: char) -> bool {
    char.is_alphabetic() || matches!(char, '_' | '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20c0}')
}

fn is_identifier_part(char: char) -> bool {
    let ignorable = matches!(char, '\0'..='\u{8}' | '\u{e}'..='\u{1b}' | '\u{7f}'..='\u{9f}');
    is_identifier_start(char)
        || ignorable
        || char.is_numeric() && !matches!(char, '²' | '³' | '¹' | '¼' | '½' | '¾')
}
