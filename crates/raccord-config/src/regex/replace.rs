//! What `Matcher.replaceAll` takes as a replacement: `$1`, `${name}`, `\` before a character that is meant as it is.

use super::{Captures, JavaRegex, RegexError};

const ILLEGAL_ARGUMENT: &str = "java.lang.IllegalArgumentException";

/// A replacement, read once for one regex.
///
/// As in Java a mistake in it is told when something is replaced, not before.
#[derive(Clone, Debug)]
pub struct Replacement {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Group(usize),
    Mistake(RegexError),
}

impl Replacement {
    pub(super) fn new(regex: &JavaRegex, text: &str) -> Self {
        let mut reader = Reader { regex, chars: text.chars().collect(), at: 0, parts: Vec::new() };
        if let Err(mistake) = reader.read() {
            reader.parts.push(Part::Mistake(mistake));
        }
        Self { parts: reader.parts }
    }

    /// Appends what stands for a match.
    ///
    /// # Errors
    /// Java's exception for a mistake in the replacement.
    pub fn expand(&self, captures: &Captures<'_>, out: &mut String) -> Result<(), RegexError> {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(group) => out.push_str(captures.get(*group).unwrap_or_default()),
                Part::Mistake(error) => return Err(error.clone()),
            }
        }
        Ok(())
    }
}

struct Reader<'r> {
    regex: &'r JavaRegex,
    chars: Vec<char>,
    at: usize,
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), RegexError> {
        let mistake = |message: &str| RegexError::new(ILLEGAL_ARGUMENT, message);
        while let Some(c) = self.take() {
            match c {
                '\\' => match self.take() {
                    Some(c) => self.push(c),
                    None => return Err(mistake("character to be escaped is missing")),
                },
                '$' => {
                    let group = match self.take() {
                        None => return Err(mistake("Illegal group reference: group index is missing")),
                        Some('{') => self.name()?,
                        Some(c) => match c.to_digit(10) {
                            Some(digit) => self.number(digit as usize),
                            None => return Err(mistake("Illegal group reference")),
                        },
                    };
                    if group > self.regex.group_count() {
                        let message = format!("No group {group}");
                        return Err(RegexError::new("java.lang.IndexOutOfBoundsException", &message));
                    }
                    self.parts.push(Part::Group(group));
                }
                c => self.push(c),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    fn push(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            _ => self.parts.push(Part::Text(c.into())),
        }
    }

    /// As many digits as there are groups for.
    fn number(&mut self, mut group: usize) -> usize {
        while let Some(digit) = self.chars.get(self.at).and_then(|c| c.to_digit(10)) {
            let longer = group * 10 + digit as usize;
            if longer > self.regex.group_count() {
                break;
            }
            group = longer;
            self.at += 1;
        }
        group
    }

    fn name(&mut self) -> Result<usize, RegexError> {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(char::is_ascii_alphanumeric) {
            self.at += 1;
        }
        let name: String = self.chars[start..self.at].iter().collect();
        let message = if name.is_empty() {
            "named capturing group has 0 length name".to_owned()
        } else if self.take() != Some('}') {
            "named capturing group is missing trailing '}'".to_owned()
        } else if name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("capturing group name {{{name}}} starts with digit character")
        } else {
            match self.regex.group_named(&name) {
                Some(group) => return Ok(group),
                None => format!("No group with name {{{name}}}"),
            }
        };
        Err(RegexError::new(ILLEGAL_ARGUMENT, &message))
    }
}
