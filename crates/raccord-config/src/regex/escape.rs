//! What a backslash begins: characters, sets, anchors, references to groups.

use regex_syntax::hir::ClassUnicode;

use super::PatternError;
use super::chars;
use super::parse::{Parser, is_digit};
use super::properties;
use super::tree::{Anchor, Node};

type Result<T, E = PatternError> = std::result::Result<T, E>;

/// What an escape stands for.
pub(super) enum Escape {
    Char(u32),
    Set(ClassUnicode),
    Node(Node),
}

impl Parser<'_> {
    /// Whether `\p` or `\P` stands here; the cursor is on the backslash and stays there.
    pub(super) fn is_property(&self) -> bool {
        matches!(char::from_u32(self.ahead()), Some('p' | 'P'))
    }

    /// `\p..`; the cursor is on the backslash.
    pub(super) fn property(&mut self) -> Result<ClassUnicode> {
        let complement = self.next_escaped() == 'P' as u32;
        let name = if self.next() == '{' as u32 {
            self.next();
            let start = self.at;
            let Some(length) =
                self.codes[start.min(self.end)..self.end].iter().position(|c| *c == '}' as u32)
            else {
                self.at = self.end + 1;
                return Err(self.error("Unclosed character family"));
            };
            self.at = start + length + 1;
            if length == 0 {
                return Err(self.error("Empty character family"));
            }
            self.codes[start..start + length].iter().filter_map(|code| char::from_u32(*code)).collect()
        } else {
            self.unread();
            self.next();
            let name = char::from_u32(self.code(self.at)).map(String::from).unwrap_or_default();
            self.read();
            name
        };
        let set = properties::lookup(&name, self.flags).map_err(|what| self.error(&what))?;
        Ok(if complement { chars::not(set) } else { set })
    }

    /// Reads an escape; the cursor is on the backslash.
    pub(super) fn escape(&mut self, in_class: bool, in_range: bool) -> Result<Escape> {
        let code = self.skip();
        let Some(c) = char::from_u32(code) else { return Ok(Escape::Char(code)) };
        let unicode = self.flags.unicode_classes;
        let anchor = |anchor| Ok(Escape::Node(Node::Anchor(anchor)));
        match c {
            '0' => self.octal(),
            'x' => self.hexadecimal(),
            'u' => self.unicode(),
            'c' => {
                if self.at_end() {
                    return Err(self.error("Illegal control escape sequence"));
                }
                Ok(Escape::Char(self.read() ^ 64))
            }
            'a' => Ok(Escape::Char(7)),
            'e' => Ok(Escape::Char(27)),
            'f' => Ok(Escape::Char(12)),
            'n' => Ok(Escape::Char(10)),
            'r' => Ok(Escape::Char(13)),
            't' => Ok(Escape::Char(9)),
            'v' if in_range => Ok(Escape::Char(11)),
            'd' => Ok(Escape::Set(chars::digits(unicode))),
            'D' => Ok(Escape::Set(chars::not(chars::digits(unicode)))),
            'w' => Ok(Escape::Set(chars::word(unicode))),
            'W' => Ok(Escape::Set(chars::not(chars::word(unicode)))),
            's' => Ok(Escape::Set(chars::space(unicode))),
            'S' => Ok(Escape::Set(chars::not(chars::space(unicode)))),
            'h' => Ok(Escape::Set(chars::horizontal_space())),
            'H' => Ok(Escape::Set(chars::not(chars::horizontal_space()))),
            'v' => Ok(Escape::Set(chars::vertical_space())),
            'V' => Ok(Escape::Set(chars::not(chars::vertical_space()))),
            'N' => Err(self.error("Names of characters (\\N{..}) are not supported")),
            'X' if !in_class => Err(self.error("Grapheme clusters (\\X) are not supported")),
            'b' if !in_class && self.peek() == '{' as u32 && self.ahead() == 'g' as u32 => {
                Err(self.error("Boundaries of grapheme clusters (\\b{g}) are not supported"))
            }
            'A' if !in_class => anchor(Anchor::Start),
            'z' if !in_class => anchor(Anchor::End),
            'Z' if !in_class => anchor(Anchor::Dollar { multiline: false, unix: self.flags.unix_lines }),
            'G' if !in_class => anchor(Anchor::LastMatch),
            'b' if !in_class => anchor(Anchor::Word { unicode }),
            'B' if !in_class => anchor(Anchor::NotWord { unicode }),
            'R' if !in_class => Ok(Escape::Node(Node::line_break())),
            '1'..='9' if !in_class => Ok(Escape::Node(self.reference(code - '0' as u32))),
            'k' if !in_class => self.named_reference(),
            c if c.is_ascii_alphanumeric() => Err(self.error("Illegal/unsupported escape sequence")),
            _ => Ok(Escape::Char(code)),
        }
    }

    /// As many digits as there are groups for.
    fn reference(&mut self, first: u32) -> Node {
        let mut group = first as usize;
        while is_digit(self.peek()) {
            let longer = group * 10 + (self.peek() - '0' as u32) as usize;
            if self.groups < longer {
                break;
            }
            group = longer;
            self.read();
        }
        self.back_reference(group)
    }

    fn named_reference(&mut self) -> Result<Escape> {
        if self.read() != '<' as u32 {
            return Err(self.error("\\k is not followed by '<' for named capturing group"));
        }
        let first = self.read();
        let name = self.group_name(first)?;
        match self.names.iter().find(|(other, _)| *other == name) {
            Some(&(_, group)) => Ok(Escape::Node(self.back_reference(group))),
            None => Err(self.error(&format!("named capturing group <{name}> does not exist"))),
        }
    }

    fn back_reference(&self, group: usize) -> Node {
        Node::BackReference { group, fold: self.flags.case_insensitive }
    }

    fn octal(&mut self) -> Result<Escape> {
        let octal = |code: u32| (code.wrapping_sub('0' as u32) < 8).then(|| code - '0' as u32);
        let Some(first) = octal(self.read()) else {
            return Err(self.error("Illegal octal escape sequence"));
        };
        let Some(second) = octal(self.read()) else {
            self.unread();
            return Ok(Escape::Char(first));
        };
        match octal(self.read()) {
            Some(third) if first <= 3 => Ok(Escape::Char(first * 64 + second * 8 + third)),
            _ => {
                self.unread();
                Ok(Escape::Char(first * 8 + second))
            }
        }
    }

    fn hexadecimal(&mut self) -> Result<Escape> {
        let first = self.read();
        if let Some(high) = hex(first) {
            if let Some(low) = hex(self.read()) {
                return Ok(Escape::Char(high * 16 + low));
            }
        } else if first == '{' as u32 && hex(self.peek()).is_some() {
            let mut value = 0;
            let mut code = self.read();
            while let Some(digit) = hex(code) {
                value = value * 16 + digit;
                if value > 0x10_FFFF {
                    return Err(self.error("Hexadecimal codepoint is too big"));
                }
                code = self.read();
            }
            if code != '}' as u32 {
                return Err(self.error("Unclosed hexadecimal escape sequence"));
            }
            return Ok(Escape::Char(value));
        }
        Err(self.error("Illegal hexadecimal escape sequence"))
    }

    /// `\uXXXX`, two of which may be halves of one character.
    fn unicode(&mut self) -> Result<Escape> {
        let high = self.utf16_unit()?;
        if (0xD800..0xDC00).contains(&high) && self.code(self.at) == '\\' as u32 && self.ahead() == 'u' as u32
        {
            let back = self.at;
            self.at += 2;
            let low = self.utf16_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                return Ok(Escape::Char(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)));
            }
            self.at = back;
        }
        Ok(Escape::Char(high))
    }

    fn utf16_unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            match hex(self.read()) {
                Some(digit) => unit = unit * 16 + digit,
                None => return Err(self.error("Illegal Unicode escape sequence")),
            }
        }
        Ok(unit)
    }
}

fn hex(code: u32) -> Option<u32> {
    char::from_u32(code).and_then(|c| c.to_digit(16))
}
