//! A JSON tokenizer that reports mistakes where and how Jackson's parser for UTF-8 reports them.
//!
//! Two habits of that parser are visible in its texts and kept here: a field name is returned only after the first
//! bytes of its value were looked at, so a bad value is reported before anybody knows the field; and the content of a
//! text value is looked at only when it is asked for or skipped.

use super::{BodyError, Location};

/// `StreamReadConstraints` of Jackson.
const MAX_DEPTH: usize = 1000;
const MAX_NUMBER_LENGTH: usize = 1000;
const MAX_NAME_LENGTH: usize = 50_000;
/// How much of an unknown word is quoted.
const MAX_QUOTED_WORD: usize = 256;

const EXPECTED_VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// One token. Texts of strings are asked for with [`Tokens::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    Field(String),
    Text,
    Int(String),
    Float(String),
    True,
    False,
    Null,
}

impl Token {
    /// The constant of Jackson's `JsonToken`.
    pub(super) fn constant(&self) -> &'static str {
        match self {
            Self::StartObject => "START_OBJECT",
            Self::EndObject => "END_OBJECT",
            Self::StartArray => "START_ARRAY",
            Self::EndArray => "END_ARRAY",
            Self::Field(_) => "FIELD_NAME",
            Self::Text => "VALUE_STRING",
            Self::Int(_) => "VALUE_NUMBER_INT",
            Self::Float(_) => "VALUE_NUMBER_FLOAT",
            Self::True => "VALUE_TRUE",
            Self::False => "VALUE_FALSE",
            Self::Null => "VALUE_NULL",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Array,
    Object,
}

struct Open {
    scope: Scope,
    start: Location,
    entries: usize,
}

/// The state of reading.
pub(super) struct Tokens<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    line: usize,
    line_start: usize,
    open: Vec<Open>,
    /// The value that belongs to the field name which was returned last.
    pending: Option<(Token, Location)>,
    /// The opening quote of a text was read, its content was not.
    pub(super) unread_text: bool,
    token_start: Location,
}

impl<'a> Tokens<'a> {
    /// Starts at the first byte; a byte order mark is skipped.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self {
            bytes,
            at,
            line: 1,
            line_start: 0,
            open: Vec::new(),
            pending: None,
            unread_text: false,
            token_start: Location { line: 1, column: at + 1 },
        }
    }

    /// Where the token that was returned last begins.
    pub(super) fn token_start(&self) -> Location {
        self.token_start
    }

    /// Behind the last byte that was looked at.
    pub(super) fn here(&self) -> Location {
        self.location(self.at)
    }

    pub(super) fn location(&self, offset: usize) -> Location {
        Location { line: self.line, column: offset.saturating_sub(self.line_start) + 1 }
    }

    /// The next token; none at the end of the body.
    pub(super) fn next(&mut self) -> Result<Option<Token>, BodyError> {
        if let Some((token, start)) = self.pending.take() {
            self.token_start = start;
            return self.entered(token).map(Some);
        }
        if self.unread_text {
            self.text()?;
        }
        let Some(mut byte) = self.skip_space()? else {
            return match self.open.last() {
                None => Ok(None),
                Some(open) => Err(self.end_inside(open)),
            };
        };
        if matches!(byte, b']' | b'}') {
            return self.close(byte).map(Some);
        }
        if let Some(open) = self.open.last_mut() {
            open.entries += 1;
            if open.entries > 1 {
                let kind = if open.scope == Scope::Array { "Array" } else { "Object" };
                if byte != b',' {
                    let expected = format!("was expecting comma to separate {kind} entries");
                    return Err(self.unexpected(u32::from(byte), &expected, self.at));
                }
                self.at += 1;
                byte = self.skip_space_within()?;
            }
        }
        if self.scope() == Some(Scope::Object) {
            return self.field(byte).map(Some);
        }
        self.token_start = self.location(self.at);
        let token = self.value(byte)?;
        self.entered(token).map(Some)
    }

    fn scope(&self) -> Option<Scope> {
        self.open.last().map(|open| open.scope)
    }

    fn scope_name(&self) -> &'static str {
        match self.scope() {
            None => "root",
            Some(Scope::Array) => "Array",
            Some(Scope::Object) => "Object",
        }
    }

    /// Notes that a scope begins with this token, if one does.
    fn entered(&mut self, token: Token) -> Result<Token, BodyError> {
        let scope = match token {
            Token::StartArray => Scope::Array,
            Token::StartObject => Scope::Object,
            _ => return Ok(token),
        };
        self.open.push(Open { scope, start: self.token_start, entries: 0 });
        if self.open.len() > MAX_DEPTH {
            return Err(BodyError::bound(format!(
                "Document nesting depth ({}) exceeds the maximum allowed ({MAX_DEPTH}, from \
                 `StreamReadConstraints.getMaxNestingDepth()`)",
                self.open.len()
            )));
        }
        Ok(token)
    }

    fn close(&mut self, byte: u8) -> Result<Token, BodyError> {
        let (scope, kind, token) = match byte {
            b']' => (Scope::Array, "Array", Token::EndArray),
            _ => (Scope::Object, "Object", Token::EndObject),
        };
        let here = self.location(self.at);
        match self.open.last() {
            Some(open) if open.scope == scope => {}
            Some(open) => {
                let (expected, open_kind) = match open.scope {
                    Scope::Array => (']', "Array"),
                    Scope::Object => ('}', "Object"),
                };
                return Err(BodyError::syntax(
                    format!(
                        "Unexpected close marker '{}': expected '{expected}' (for {open_kind} starting at {})",
                        char::from(byte),
                        open.start
                    ),
                    here,
                ));
            }
            None => {
                let text = format!("Unexpected close marker '{}': no open {kind} to close", char::from(byte));
                return Err(BodyError::syntax(text, here));
            }
        }
        self.open.pop();
        self.token_start = here;
        self.at += 1;
        Ok(token)
    }

    /// A field name, its colon, and the first bytes of its value.
    fn field(&mut self, byte: u8) -> Result<Token, BodyError> {
        if byte != b'"' {
            let start = self.at;
            let found = self.decode_char(byte)?;
            let last = self.at.max(start + 1) - 1;
            return Err(self.unexpected(found, "was expecting double-quote to start field name", last));
        }
        let start = self.location(self.at);
        self.at += 1;
        let name = self.quoted("name", "field name")?;
        if name.len() > MAX_NAME_LENGTH {
            return Err(BodyError::bound(format!(
                "Name length ({}) exceeds the maximum allowed ({MAX_NAME_LENGTH}, from \
                 `StreamReadConstraints.getMaxNameLength()`)",
                name.len()
            )));
        }
        let byte = self.skip_space_within()?;
        if byte != b':' {
            let expected = "was expecting a colon to separate field name and value";
            return Err(self.unexpected(u32::from(byte), expected, self.at));
        }
        self.at += 1;
        let byte = self.skip_space_within()?;
        let value_start = self.location(self.at);
        let value = self.value(byte)?;
        self.pending = Some((value, value_start));
        self.token_start = start;
        Ok(Token::Field(name))
    }

    fn value(&mut self, byte: u8) -> Result<Token, BodyError> {
        match byte {
            b'"' => {
                self.at += 1;
                self.unread_text = true;
                Ok(Token::Text)
            }
            b'[' => self.single(Token::StartArray),
            b'{' => self.single(Token::StartObject),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Token::True),
            b'f' => self.word("false", Token::False),
            b'n' => self.word("null", Token::Null),
            other => Err(self.no_value(other)),
        }
    }

    fn single(&mut self, token: Token) -> Result<Token, BodyError> {
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self, word: &str, token: Token) -> Result<Token, BodyError> {
        let start = self.at;
        let end = start + word.len();
        if !self.bytes[start..].starts_with(word.as_bytes()) || self.word_goes_on(end) {
            return Err(self.unknown_word(start));
        }
        self.at = end;
        Ok(token)
    }

    fn word_goes_on(&self, end: usize) -> bool {
        match self.bytes.get(end) {
            None | Some(b']' | b'}') => false,
            Some(byte) if *byte < b'0' => false,
            Some(byte) if byte.is_ascii() => is_identifier_part(char::from(*byte)),
            Some(_) => char_at(self.bytes, end).is_some_and(is_identifier_part),
        }
    }

    /// A byte with which no value begins.
    fn no_value(&mut self, byte: u8) -> BodyError {
        let start = self.at;
        let expected = format!("expected a valid value {EXPECTED_VALUES}");
        match byte {
            b']' if self.scope() == Some(Scope::Array) => {
                self.unexpected(u32::from(byte), "expected a value", start)
            }
            b',' | b'}' => self.unexpected(u32::from(byte), "expected a value", start),
            b'N' if self.bytes[start..].starts_with(b"NaN") && !self.word_goes_on(start + 3) => {
                self.not_a_number("NaN", start + 3)
            }
            b'I' if self.bytes[start..].starts_with(b"Infinity") && !self.word_goes_on(start + 8) => {
                self.not_a_number("Infinity", start + 8)
            }
            b'+' => BodyError::syntax(
                format!(
                    "Unexpected character ({}) in numeric value: JSON spec does not allow numbers to have plus \
                     signs: enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow",
                    describe(u32::from(byte))
                ),
                self.location(start + 1),
            ),
            // Jackson takes the byte for a Latin-1 character here.
            other if is_identifier_start(char::from(other)) => match self.bad_continuation(start) {
                Some(error) => error,
                None => self.unknown_word(start),
            },
            other => self.unexpected(u32::from(other), &expected, start),
        }
    }

    fn not_a_number(&self, word: &str, end: usize) -> BodyError {
        BodyError::syntax(
            format!(
                "Non-standard token '{word}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
            ),
            self.location(end),
        )
    }

    /// A word that begins with a byte beyond ASCII: its next byte is then decoded on its own, which fails.
    fn bad_continuation(&self, start: usize) -> Option<BodyError> {
        let next = *self.bytes.get(start + 1)?;
        (!self.bytes[start].is_ascii() && (0x80..0xc0).contains(&next)).then(|| {
            BodyError::syntax(format!("Invalid UTF-8 start byte 0x{next:x}"), self.location(start + 2))
        })
    }

    fn unknown_word(&self, start: usize) -> BodyError {
        let mut word = String::new();
        let mut offset = start;
        while let Some(c) = char_at(self.bytes, offset)
            .or_else(|| self.bytes.get(offset).filter(|_| offset == start).map(|byte| char::from(*byte)))
        {
            if !is_identifier_part(c) {
                break;
            }
            word.push(c);
            offset += if offset == start && !self.bytes[offset].is_ascii() && c.len_utf8() == 2 {
                1
            } else {
                c.len_utf8()
            };
            if word.chars().count() >= MAX_QUOTED_WORD {
                word.push_str("...");
                break;
            }
        }
        let text = format!("Unrecognized token '{word}': was expecting {EXPECTED_VALUES}");
        BodyError::syntax(text, self.location(start))
    }

    fn number(&mut self) -> Result<Token, BodyError> {
        let start = self.at;
        let mut float = false;
        if self.peek() == Some(b'-') {
            self.at += 1;
            self.first_digit("expected digit (0-9) to follow minus sign, for valid numeric value")?;
        }
        if self.peek() == Some(b'0') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            return Err(BodyError::syntax(
                "Invalid numeric value: Leading zeroes not allowed",
                self.location(self.at + 1),
            ));
        }
        let mut length = self.digits();
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            self.first_digit("Decimal point not followed by a digit")?;
            length += self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.first_digit("Exponent indicator not followed by a digit")?;
            length += self.digits();
        }
        if length > MAX_NUMBER_LENGTH {
            return Err(BodyError::bound(format!(
                "Number value length ({length}) exceeds the maximum allowed ({MAX_NUMBER_LENGTH}, from \
                 `StreamReadConstraints.getMaxNumberLength()`)"
            )));
        }
        if self.open.is_empty()
            && let Some(next) = self.peek()
            && !matches!(next, b' ' | b'\t' | b'\r' | b'\n')
        {
            let expected = "Expected space separating root-level values";
            return Err(self.unexpected(u32::from(next), expected, self.at));
        }
        let text = self.bytes[start..self.at].iter().map(|byte| char::from(*byte)).collect();
        Ok(if float { Token::Float(text) } else { Token::Int(text) })
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn first_digit(&self, expected: &str) -> Result<(), BodyError> {
        match self.peek() {
            Some(byte) if byte.is_ascii_digit() => Ok(()),
            Some(byte) => Err(BodyError::syntax(
                format!("Unexpected character ({}) in numeric value: {expected}", describe(u32::from(byte))),
                self.location(self.at),
            )),
            None => Err(self.end("in null")),
        }
    }

    /// The next byte that is not white space, left unread.
    fn skip_space(&mut self) -> Result<Option<u8>, BodyError> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' => {
                    self.at +=
                        if byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n') { 2 } else { 1 };
                    self.line += 1;
                    self.line_start = self.at;
                }
                b'/' => {
                    let hint = "maybe a (non-standard) comment? (not recognized as one since Feature \
                                'ALLOW_COMMENTS' not enabled for parser)";
                    return Err(self.unexpected(u32::from(byte), hint, self.at));
                }
                0..=0x1f => {
                    return Err(BodyError::syntax(
                        format!(
                            "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between \
                             tokens",
                            describe(u32::from(byte))
                        ),
                        self.location(self.at + 1),
                    ));
                }
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }

    fn skip_space_within(&mut self) -> Result<u8, BodyError> {
        match self.skip_space()? {
            Some(byte) => Ok(byte),
            None => Err(self.end(&format!("within/between {} entries", self.scope_name()))),
        }
    }

    pub(super) fn end(&self, place: &str) -> BodyError {
        BodyError::syntax(format!("Unexpected end-of-input {place}"), self.location(self.bytes.len()))
    }

    fn end_inside(&self, open: &Open) -> BodyError {
        let kind = if open.scope == Scope::Array { "Array" } else { "Object" };
        BodyError::syntax(
            format!(
                "Unexpected end-of-input: expected close marker for {kind} (start marker at {})",
                open.start
            ),
            self.location(self.bytes.len()),
        )
    }

    pub(super) fn unexpected(&self, code: u32, expected: &str, offset: usize) -> BodyError {
        BodyError::syntax(
            format!("Unexpected character ({}): {expected}", describe(code)),
            self.location(offset),
        )
    }

    /// The character that begins with the byte, for a text; moves behind it.
    fn decode_char(&mut self, byte: u8) -> Result<u32, BodyError> {
        if byte.is_ascii() {
            return Ok(u32::from(byte));
        }
        let mut text = Vec::new();
        self.multi_byte(byte, &mut text)?;
        Ok(String::from_utf8_lossy(&text).chars().next().map_or(u32::from(byte), u32::from))
    }
}

/// The character at the offset, none when the bytes are not UTF-8 or over.
fn char_at(bytes: &[u8], offset: usize) -> Option<char> {
    let rest = bytes.get(offset..)?;
    let head = &rest[..rest.len().min(4)];
    match std::str::from_utf8(head) {
        Ok(text) => text.chars().next(),
        Err(error) => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok().and_then(|text| text.chars().next())
        }
    }
}

/// A character as Jackson names it: with its code.
pub(super) fn describe(code: u32) -> String {
    match char::from_u32(code) {
        Some(c) if c.is_control() => format!("(CTRL-CHAR, code {code})"),
        Some(c) if code > 255 => format!("'{c}' (code {code} / 0x{code:x})"),
        Some(c) => format!("'{c}' (code {code})"),
        None => format!("code {code}"),
    }
}

fn is_identifier_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '$' | '¢' | '£' | '¤' | '¥')
}

fn is_identifier_part(c: char) -> bool {
    is_identifier_start(c) || c.is_numeric() || (c.is_control() && !c.is_whitespace() && u32::from(c) < 0xa0)
}
