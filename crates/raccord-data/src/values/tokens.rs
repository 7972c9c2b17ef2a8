//! Splitting a header's text at its delimiters, with one token of look-ahead.

use std::borrow::Cow;

/// The text and how far it was read. Positions are bytes; delimiters are ASCII.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// A token that was looked at but not taken.
    ahead: Option<(usize, usize)>,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, ahead: None }
    }

    /// All of the text.
    pub fn original(&self) -> &'a str {
        self.text
    }

    /// The place to come back to with [`rewind`](Self::rewind).
    pub fn mark(&self) -> usize {
        self.at - self.ahead.map_or(0, |(start, end)| end - start)
    }

    pub fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.ahead = None;
    }

    pub fn has_next(&self) -> bool {
        self.ahead.is_some() || self.at < self.text.len()
    }

    /// Takes a token; empty at the end.
    pub fn next(&mut self) -> &'a str {
        let (start, end) = self.ahead.take().unwrap_or_else(|| self.scan());
        &self.text[start..end]
    }

    /// Takes that many tokens and gives all of their text; takes none when there are not enough.
    pub fn next_many(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.next();
        }
        Some(&self.text[start..self.at])
    }

    /// Takes the next token if it is this one, blank tokens before it included.
    pub fn take(&mut self, expected: &str) -> bool {
        if self.ahead.is_none() {
            if !self.has_next() {
                return false;
            }
            self.ahead = Some(self.scan());
        }
        while let Some((start, end)) = self.ahead
            && is_blank(&self.text[start..end])
            && self.at < self.text.len()
        {
            self.ahead = Some(self.scan());
        }
        let found = self.ahead.is_some_and(|(start, end)| trim(&self.text[start..end]) == expected);
        if found {
            self.ahead = None;
        }
        found
    }

    /// Goes over a delimiter, or over all up to the next one that no backslash precedes.
    fn scan(&mut self) -> (usize, usize) {
        let start = self.at;
        let mut escaped = false;
        for byte in self.text.as_bytes()[start..].iter().copied() {
            match byte {
                b'\\' => escaped = !escaped,
                b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"' if !escaped => {
                    if start == self.at {
                        self.at += 1;
                    }
                    return (start, self.at);
                }
                _ => escaped = false,
            }
            self.at += 1;
        }
        (start, self.at)
    }
}

/// Java's `String.trim`: all up to the space goes, and only that.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|char| char <= ' ')
}

/// Whether nothing is left after [`trim`].
pub(super) fn is_blank(text: &str) -> bool {
    trim(text).is_empty()
}

/// The digit that a character of the basic plane is, of whatever script: Unicode's category Nd.
pub fn decimal_digit(char: char) -> Option<u32> {
    // The zeros of the blocks of ten.
    const ZEROS: &[u32] = &[
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
        0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
        0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    ];
    let code = char as u32;
    ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)).map(|zero| code - zero)
}

/// Digits of all scripts as ASCII digits, which Java reads alike.
pub(super) fn with_ascii_digits(token: &str) -> Cow<'_, str> {
    if token.is_ascii() {
        return Cow::Borrowed(token);
    }
    let to_ascii = |char: char| decimal_digit(char).map_or(char, |digit| char::from(b'0' + digit as u8));
    Cow::Owned(token.chars().map(to_ascii).collect())
}
