//! Reads a pattern as `java.util.regex.Pattern` of Java 17 does, quirks included, into a tree.
//!
//! Java's parser decides what is a mistake, where it is and how it is told, so this one walks the pattern the same way:
//! a cursor over code points, two zeros behind the end, errors at the cursor less one.

use regex_syntax::hir::ClassUnicode;

use super::PatternError;
use super::chars;
use super::escape::Escape;
use super::tree::{Anchor, Kind, Node};

/// Deeper nesting is refused: reading, translating and running recurse.
const DEPTH_MAX: usize = 150;

/// What `(?imsxduU)` and the flags of `Pattern.compile` say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) case_insensitive: bool,
    pub(super) multiline: bool,
    pub(super) dot_all: bool,
    pub(super) unicode_case: bool,
    pub(super) unicode_classes: bool,
    pub(super) comments: bool,
    pub(super) unix_lines: bool,
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    /// Groups with a number, the whole match (0) not counted.
    pub(super) groups: usize,
    /// Names of groups and their numbers.
    pub(super) names: Vec<(String, usize)>,
}

pub(super) fn parse(pattern: &str, flags: Flags) -> Result<Parsed, PatternError> {
    let mut codes = unquoted(pattern);
    let end = codes.len();
    codes.extend([0, 0]);
    let mut parser = Parser { pattern, codes, end, at: 0, flags, groups: 0, names: Vec::new(), depth: 0 };
    let root = parser.alternatives()?;
    if parser.at != parser.end {
        let what =
            if parser.peek() == ')' as u32 { "Unmatched closing ')'" } else { "Unexpected internal error" };
        return Err(parser.error(what));
    }
    Ok(Parsed { root, groups: parser.groups, names: parser.names })
}

/// Code points with `\Q..\E` turned into escapes, as Java does before it reads. A digit that opens a quotation becomes
/// `\x3n`, so that it does not continue a back reference.
fn unquoted(pattern: &str) -> Vec<u32> {
    let chars: Vec<char> = pattern.chars().collect();
    if !pattern.contains("\\Q") {
        return chars.into_iter().map(u32::from).collect();
    }
    let mut out = Vec::with_capacity(chars.len() * 2);
    let (mut quoting, mut opens, mut index) = (false, false, 0);
    while let Some(&c) = chars.get(index) {
        index += 1;
        let next = chars.get(index).copied();
        match c {
            '\\' if !quoting && next == Some('Q') => {
                index += 1;
                (quoting, opens) = (true, true);
                continue;
            }
            '\\' if quoting && next == Some('E') => {
                index += 1;
                quoting = false;
            }
            '\\' if quoting => out.extend(['\\', '\\']),
            '\\' => {
                out.push('\\');
                out.extend(next);
                index += 1;
            }
            '0'..='9' if opens => out.extend(['\\', 'x', '3', c]),
            c if quoting && c.is_ascii() && !c.is_ascii_alphanumeric() => out.extend(['\\', c]),
            c => out.push(c),
        }
        opens = false;
    }
    out.into_iter().map(u32::from).collect()
}

pub(super) struct Parser<'p> {
    pattern: &'p str,
    pub(super) codes: Vec<u32>,
    pub(super) end: usize,
    pub(super) at: usize,
    pub(super) flags: Flags,
    pub(super) groups: usize,
    pub(super) names: Vec<(String, usize)>,
    depth: usize,
}

type Result<T, E = PatternError> = std::result::Result<T, E>;

impl Parser<'_> {
    pub(super) fn error(&self, what: &str) -> PatternError {
        PatternError::new(what, self.at.checked_sub(1), self.pattern)
    }

    pub(super) fn code(&self, index: usize) -> u32 {
        self.codes.get(index).copied().unwrap_or(0)
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn peek(&mut self) -> u32 {
        let code = self.code(self.at);
        if self.flags.comments { self.peek_past_space(code) } else { code }
    }

    pub(super) fn next(&mut self) -> u32 {
        self.at += 1;
        let code = self.code(self.at);
        if self.flags.comments { self.peek_past_space(code) } else { code }
    }

    pub(super) fn read(&mut self) -> u32 {
        let code = self.code(self.at);
        self.at += 1;
        if self.flags.comments { self.read_past_space(code) } else { code }
    }

    /// The code after the current one, and steps over both.
    pub(super) fn skip(&mut self) -> u32 {
        let code = self.code(self.at + 1);
        self.at += 2;
        code
    }

    pub(super) fn next_escaped(&mut self) -> u32 {
        self.at += 1;
        self.code(self.at)
    }

    pub(super) fn unread(&mut self) {
        self.at -= 1;
    }

    pub(super) fn ahead(&self) -> u32 {
        self.code(self.at + 1)
    }

    pub(super) fn behind(&self) -> u32 {
        self.at.checked_sub(1).map_or(0, |before| self.code(before))
    }

    fn peek_past_space(&mut self, mut code: u32) -> u32 {
        loop {
            while is_space(code) {
                self.at += 1;
                code = self.code(self.at);
            }
            if code != '#' as u32 {
                return code;
            }
            while !self.at_end() && !chars::is_line_terminator(code) {
                self.at += 1;
                code = self.code(self.at);
            }
        }
    }

    fn read_past_space(&mut self, mut code: u32) -> u32 {
        loop {
            while is_space(code) {
                code = self.code(self.at);
                self.at += 1;
            }
            if code != '#' as u32 {
                return code;
            }
            while self.at <= self.end && !chars::is_line_terminator(code) {
                code = self.code(self.at);
                self.at += 1;
            }
        }
    }

    fn accept(&mut self, expected: char, what: &str) -> Result<()> {
        if self.read() == expected as u32 { Ok(()) } else { Err(self.error(what)) }
    }

    pub(super) fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(&format!("Groups or classes nested more than {DEPTH_MAX} deep")));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    fn alternatives(&mut self) -> Result<Node> {
        let mut branches = vec![self.sequence()?];
        while self.peek() == '|' as u32 {
            self.next();
            branches.push(self.sequence()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alternatives(branches) })
    }

    fn sequence(&mut self) -> Result<Node> {
        let mut nodes = Vec::new();
        loop {
            let code = self.peek();
            let node = match char::from_u32(code).unwrap_or('a') {
                '(' => {
                    // Nothing is left of a group that only sets flags.
                    nodes.extend(self.group()?);
                    continue;
                }
                '[' => Node::Set(self.class(true)?),
                '\\' => {
                    if self.is_property() {
                        Node::Set(self.property()?)
                    } else {
                        self.atom()?
                    }
                }
                '^' => {
                    self.next();
                    Node::Anchor(match self.flags {
                        Flags { multiline: false, .. } => Anchor::Start,
                        Flags { unix_lines, .. } => Anchor::LineStart { unix: unix_lines },
                    })
                }
                '$' => {
                    self.next();
                    Node::Anchor(Anchor::Dollar {
                        multiline: self.flags.multiline,
                        unix: self.flags.unix_lines,
                    })
                }
                '.' => {
                    self.next();
                    Node::Set(self.dot())
                }
                '|' | ')' => break,
                '?' | '*' | '+' => {
                    self.next();
                    let c = char::from_u32(code).unwrap_or_default();
                    return Err(self.error(&format!("Dangling meta character '{c}'")));
                }
                '\0' if self.at_end() => break,
                _ => self.atom()?,
            };
            nodes.push(self.repeated(node)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Sequence(nodes) })
    }

    fn dot(&self) -> ClassUnicode {
        match self.flags {
            Flags { dot_all: true, .. } => chars::all(),
            Flags { unix_lines: true, .. } => chars::not(chars::of(&[('\n', '\n')])),
            _ => chars::not(chars::line_terminators()),
        }
    }

    /// Characters up to the next thing that is none. A quantifier takes the last of them only.
    fn atom(&mut self) -> Result<Node> {
        let mut literal: Vec<Node> = Vec::new();
        let mut before = self.at;
        let mut code = self.peek();
        loop {
            match char::from_u32(code).unwrap_or('a') {
                '*' | '+' | '?' | '{' => {
                    if literal.len() > 1 {
                        self.at = before;
                        literal.pop();
                    }
                    break;
                }
                '$' | '.' | '^' | '(' | '[' | '|' | ')' => break,
                '\\' => {
                    if self.is_property() {
                        if literal.is_empty() {
                            return Ok(Node::Set(self.property()?));
                        }
                        break;
                    }
                    before = self.at;
                    match self.escape(false, false)? {
                        Escape::Char(code) => literal.push(self.single(code)),
                        Escape::Set(set) if literal.is_empty() => return Ok(Node::Set(set)),
                        Escape::Node(node) if literal.is_empty() => return Ok(node),
                        // It begins the next atom.
                        Escape::Set(_) | Escape::Node(_) => {
                            self.at = before;
                            break;
                        }
                    }
                    code = self.peek();
                }
                '\0' if self.at_end() => break,
                _ => {
                    before = self.at;
                    literal.push(self.single(code));
                    code = self.next();
                }
            }
        }
        Ok(if literal.len() == 1 { literal.remove(0) } else { Node::Sequence(literal) })
    }

    fn single(&self, code: u32) -> Node {
        Node::Set(self.folded(code, code))
    }

    /// A range, with the other cases when case does not count.
    pub(super) fn folded(&self, from: u32, to: u32) -> ClassUnicode {
        let mut set = chars::range(from, to);
        if self.flags.case_insensitive {
            if self.flags.unicode_case {
                chars::fold_unicode(&mut set);
            } else {
                chars::fold_ascii(&mut set);
            }
        }
        set
    }

    fn repeated(&mut self, node: Node) -> Result<Node> {
        let (min, max) = match char::from_u32(self.peek()).unwrap_or_default() {
            '?' => (0, Some(1)),
            '*' => (0, None),
            '+' => (1, None),
            '{' => return self.counted(node),
            _ => return Ok(node),
        };
        self.next();
        Ok(self.quantified(node, min, max))
    }

    fn quantified(&mut self, node: Node, min: u32, max: Option<u32>) -> Node {
        let kind = match char::from_u32(self.peek()).unwrap_or_default() {
            '?' => Kind::Lazy,
            '+' => Kind::Possessive,
            _ => Kind::Greedy,
        };
        if kind != Kind::Greedy {
            self.next();
        }
        Node::Repeat { node: Box::new(node), min, max, kind }
    }

    fn counted(&mut self, node: Node) -> Result<Node> {
        let mut code = self.skip();
        if !is_digit(code) {
            return Err(self.error("Illegal repetition"));
        }
        let min = self.count(&mut code)?;
        let mut max = Some(min);
        if code == ',' as u32 {
            code = self.read();
            max = None;
            if code != '}' as u32 {
                let mut count = 0;
                if is_digit(code) {
                    count = self.count(&mut code)?;
                }
                max = Some(count);
            }
        }
        if code != '}' as u32 {
            return Err(self.error("Unclosed counted closure"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.error("Illegal repetition range"));
        }
        Ok(self.quantified(node, min, max))
    }

    fn count(&mut self, code: &mut u32) -> Result<u32> {
        let mut count = 0u32;
        while is_digit(*code) {
            let longer = count.checked_mul(10).and_then(|count| count.checked_add(*code - '0' as u32));
            count = match longer {
                Some(longer) if longer <= i32::MAX as u32 => longer,
                _ => return Err(self.error("Illegal repetition range")),
            };
            *code = self.read();
        }
        Ok(count)
    }

    /// A group with what repeats it; none when it only sets flags.
    fn group(&mut self) -> Result<Option<Node>> {
        self.enter()?;
        let saved = self.flags;
        let node = if self.next() == '?' as u32 {
            match char::from_u32(self.skip()).unwrap_or_default() {
                ':' => self.alternatives()?,
                '=' => Node::look(self.alternatives()?, false, false),
                '!' => Node::look(self.alternatives()?, false, true),
                '>' => Node::Atomic(Box::new(self.alternatives()?)),
                '<' => self.named_or_behind()?,
                '$' | '@' => return Err(self.error("Unknown group type")),
                _ => {
                    self.unread();
                    self.inline_flags()?;
                    match char::from_u32(self.read()).unwrap_or_default() {
                        ')' => {
                            self.leave();
                            return Ok(None);
                        }
                        ':' => self.alternatives()?,
                        _ => return Err(self.error("Unknown inline modifier")),
                    }
                }
            }
        } else {
            self.groups += 1;
            Node::Group(Box::new(self.alternatives()?))
        };
        self.accept(')', "Unclosed group")?;
        self.leave();
        self.flags = saved;
        // A group is one thing for the quantifier after it.
        self.repeated(node).map(Some)
    }

    fn named_or_behind(&mut self) -> Result<Node> {
        let code = self.read();
        if code == '=' as u32 || code == '!' as u32 {
            let node = self.alternatives()?;
            if node.length_max().is_none() {
                return Err(self.error("Look-behind group does not have an obvious maximum length"));
            }
            return Ok(Node::look(node, true, code == '!' as u32));
        }
        let name = self.group_name(code)?;
        if self.names.iter().any(|(other, _)| *other == name) {
            return Err(self.error(&format!("Named capturing group <{name}> is already defined")));
        }
        self.groups += 1;
        self.names.push((name, self.groups));
        Ok(Node::Group(Box::new(self.alternatives()?)))
    }

    pub(super) fn group_name(&mut self, first: u32) -> Result<String> {
        let letter = |code: u32| char::from_u32(code).filter(char::is_ascii_alphanumeric);
        let mut name = String::new();
        let mut c = letter(first).filter(char::is_ascii_alphabetic);
        if c.is_none() {
            return Err(self.error("capturing group name does not start with a Latin letter"));
        }
        let mut code = first;
        while let Some(part) = c {
            name.push(part);
            code = self.read();
            c = letter(code);
        }
        if code != '>' as u32 {
            return Err(self.error("named capturing group is missing trailing '>'"));
        }
        Ok(name)
    }

    fn inline_flags(&mut self) -> Result<()> {
        let mut on = true;
        loop {
            match char::from_u32(self.peek()).unwrap_or_default() {
                'i' => self.flags.case_insensitive = on,
                'm' => self.flags.multiline = on,
                's' => self.flags.dot_all = on,
                'd' => self.flags.unix_lines = on,
                'u' => self.flags.unicode_case = on,
                'x' => self.flags.comments = on,
                'U' => (self.flags.unicode_classes, self.flags.unicode_case) = (on, on),
                'c' => return Err(self.error("Canonical equivalence (?c) is not supported")),
                '-' if on => on = false,
                _ => return Ok(()),
            }
            self.next();
        }
    }
}

pub(super) fn is_digit(code: u32) -> bool {
    code.wrapping_sub('0' as u32) < 10
}

/// What the flag `x` lets a pattern hold without meaning.
fn is_space(code: u32) -> bool {
    matches!(code, 9..=13 | 32)
}
