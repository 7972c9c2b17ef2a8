//! Words, numbers, texts and signs of a condition.

use super::{Language, Unsupported};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// Digits with the suffix that gives the type.
    Number(String),
    /// A text; parts that are conditions themselves stand between texts.
    Text(Vec<TextPart>),
    /// `/../` and its flags (JavaScript).
    Pattern(Vec<TextPart>, String),
    Sign(&'static str),
    End,
}

/// A piece of a text with `${..}` in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextPart {
    Plain(String),
    /// An expression and where it begins.
    Expression(String, usize),
}

/// Longer signs first.
const SIGNS: &[&str] = &[
    "===", "!==", "==~", "<=>", "**=", ">>>", "...", "==", "!=", "<=", ">=", "&&", "||", "?.", "?:", "??",
    "=~", "=>", "->", "++", "--", "+=", "-=", "<<", ">>", "**", "..", "*.", "::", "+", "-", "*", "/", "%",
    "<", ">", "!", "?", ":", "(", ")", "[", "]", "{", "}", ".", ",", ";", "=", "&", "|", "^", "~", "@",
];

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    language: Language,
    /// A value may begin here, so `/` opens a pattern.
    value_next: bool,
}

type Result<T> = std::result::Result<T, Unsupported>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, language: Language) -> Self {
        Self { text, at: 0, language, value_next: true }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, test: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !test(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The next token and where it begins, in bytes.
    pub(super) fn token(&mut self) -> Result<(Token, usize)> {
        self.skip_space()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok((Token::End, start)) };
        let token = if first.is_ascii_digit() {
            self.number()
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            Token::Name(self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '$').to_owned())
        } else {
            match (first, self.language) {
                ('\'' | '"', _) | ('`', Language::JavaScript) => Token::Text(self.quoted(first)?),
                ('/', _) if self.value_next => self.slashed()?,
                _ => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                    Some(sign) => {
                        self.at += sign.len();
                        Token::Sign(sign)
                    }
                    None => return Err(Unsupported::at(start, format!("the character {first:?}"))),
                },
            }
        };
        let operator = |name: &str| matches!(name, "in" | "instanceof" | "return" | "as" | "typeof");
        self.value_next = match &token {
            Token::Sign(sign) => !matches!(*sign, ")" | "]" | "}"),
            Token::Name(name) => operator(name),
            _ => false,
        };
        Ok((token, start))
    }

    fn skip_space(&mut self) -> Result<()> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") && !self.value_next || self.rest().starts_with("// ") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(length) = self.rest().find("*/") else {
                    return Err(Unsupported::at(self.at, "a comment without end".to_owned()));
                };
                self.at += length + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit() || c == '_');
        let mut rest = self.rest().chars();
        if rest.next() == Some('.') && rest.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit() || c == '_');
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|rest| rest.trim_start_matches(['+', '-']));
        if exponent.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit() || matches!(c, '+' | '-'));
        }
        self.take_while(|c| c.is_ascii_alphabetic());
        Token::Number(self.text[start..self.at].replace('_', ""))
    }

    fn quoted(&mut self, quote: char) -> Result<Vec<TextPart>> {
        let start = self.at;
        if self.rest().starts_with("'''") || self.rest().starts_with("\"\"\"") {
            return Err(Unsupported::at(start, "a text in triple quotes".to_owned()));
        }
        self.at += 1;
        let interpolates = match self.language {
            Language::Groovy => quote == '"',
            Language::JavaScript => quote == '`',
        };
        self.parts(start, quote, interpolates, false)
    }

    /// A text up to its closing quote. `raw`: only the quote itself can be escaped.
    fn parts(&mut self, start: usize, quote: char, interpolates: bool, raw: bool) -> Result<Vec<TextPart>> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        loop {
            let open = || Unsupported::at(start, "a text without end".to_owned());
            let c = self.rest().chars().next().ok_or_else(open)?;
            self.at += c.len_utf8();
            match c {
                c if c == quote => break,
                '\n' if !raw && quote != '`' => return Err(open()),
                '\\' if raw => match self.rest().chars().next() {
                    Some(c) if c == quote => {
                        self.at += 1;
                        plain.push(c);
                    }
                    _ => plain.push('\\'),
                },
                '\\' => plain.push(self.escape()?),
                '$' if interpolates && self.rest().starts_with('{') => {
                    parts.push(TextPart::Plain(std::mem::take(&mut plain)));
                    let inner = self.at + 1;
                    let length = self.text[inner..].find('}').ok_or_else(open)?;
                    parts.push(TextPart::Expression(self.text[inner..inner + length].to_owned(), inner));
                    self.at = inner + length + 1;
                }
                '$' if interpolates && self.language == Language::Groovy && self.names_follow() => {
                    parts.push(TextPart::Plain(std::mem::take(&mut plain)));
                    let inner = self.at;
                    let path = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '.');
                    let path = path.trim_end_matches('.');
                    self.at = inner + path.len();
                    parts.push(TextPart::Expression(path.to_owned(), inner));
                }
                c => plain.push(c),
            }
        }
        if !plain.is_empty() || parts.is_empty() {
            parts.push(TextPart::Plain(plain));
        }
        Ok(parts)
    }

    fn names_follow(&self) -> bool {
        self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at - 1;
        let unknown = || Unsupported::at(start, "an escape that is none".to_owned());
        let c = self.rest().chars().next().ok_or_else(unknown)?;
        self.at += c.len_utf8();
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let digits = self.rest().get(..4).ok_or_else(unknown)?;
                self.at += 4;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or_else(unknown)?
            }
            '\\' | '\'' | '"' | '$' | '`' | '/' => c,
            // JavaScript ignores the backslash, Groovy refuses it.
            c if self.language == Language::JavaScript && !c.is_ascii_digit() && c != 'x' => c,
            _ => return Err(unknown()),
        })
    }

    fn slashed(&mut self) -> Result<Token> {
        let start = self.at;
        self.at += 1;
        let parts = self.parts(start, '/', self.language == Language::Groovy, true)?;
        Ok(match self.language {
            Language::Groovy => Token::Text(parts),
            Language::JavaScript => {
                Token::Pattern(parts, self.take_while(|c| c.is_ascii_alphabetic()).to_owned())
            }
        })
    }
}
