//! Writes a tree in the syntax of the engines: the `regex` engine, which runs in time linear in the text, where the
//! pattern allows it, else `fancy-regex`, which backtracks.
//!
//! Sets are written as ranges of code points and flags are resolved, so nothing rests on how an engine reads a name.

use std::fmt::Write as _;

use regex_syntax::hir::ClassUnicode;

use super::tree::{Anchor, Kind, Node};

const NEVER: &str = "[^\\x{0}-\\x{10FFFF}]";
const WORD: &str = "[0-9A-Z_a-z]";
const LINE_END: &str = "[\\r\\x{85}\\x{2028}\\x{2029}]";

/// What is asked of a translation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The match must span the whole text.
    pub(super) whole: bool,
    /// The texts may hold characters that end lines; without them `$` is simply the end.
    pub(super) lines: bool,
}

/// The pattern of an engine.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// It needs an engine that backtracks.
    pub(super) backtracks: bool,
}

/// Whether texts with and without ends of lines need different translations.
pub(super) fn knows_lines(root: &Node) -> bool {
    root.any(&|node| matches!(node, Node::Anchor(Anchor::Dollar { .. } | Anchor::LineStart { .. })))
}

pub(super) fn translate(root: &Node, groups: usize, wanted: Wanted) -> Translated {
    let backtracks = root.any(&|node| needs_backtracking(node, wanted.lines));
    let mut writer = Writer { out: String::new(), backtracks, lines: wanted.lines, groups };
    if wanted.whole {
        writer.out.push_str("\\A(?:");
    }
    writer.node(root);
    if wanted.whole {
        writer.out.push_str(")\\z");
    }
    Translated { pattern: writer.out, backtracks }
}

fn needs_backtracking(node: &Node, lines: bool) -> bool {
    match node {
        Node::Atomic(_) | Node::Look { .. } | Node::BackReference { .. } => true,
        Node::Repeat { kind, .. } => *kind == Kind::Possessive,
        Node::Anchor(anchor) => match anchor {
            Anchor::Start | Anchor::End | Anchor::Word { .. } => false,
            Anchor::Dollar { .. } => lines,
            Anchor::LineStart { .. } | Anchor::NotWord { .. } | Anchor::LastMatch => true,
        },
        Node::Set(_) | Node::Sequence(_) | Node::Alternatives(_) | Node::Group(_) => false,
    }
}

struct Writer {
    out: String,
    backtracks: bool,
    lines: bool,
    groups: usize,
}

impl Writer {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Set(set) => self.set(set),
            Node::Sequence(nodes) => {
                // In parentheses wherever it is repeated: see `repeat`.
                nodes.iter().for_each(|node| self.in_sequence(node));
            }
            Node::Alternatives(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        self.out.push('|');
                    }
                    self.node(node);
                }
            }
            Node::Group(node) => self.enclosed("(", node),
            Node::Atomic(node) => self.enclosed("(?>", node),
            Node::Look { node, behind, negative } => {
                let open = match (behind, negative) {
                    (false, false) => "(?=",
                    (false, true) => "(?!",
                    (true, false) => "(?<=",
                    (true, true) => "(?<!",
                };
                self.enclosed(open, node);
            }
            Node::Repeat { node, min, max, kind } => self.repeat(node, *min, *max, *kind),
            Node::BackReference { group, fold } => self.back_reference(*group, *fold),
            Node::Anchor(anchor) => self.anchor(*anchor),
        }
    }

    fn in_sequence(&mut self, node: &Node) {
        if matches!(node, Node::Alternatives(_)) {
            self.enclosed("(?:", node);
        } else {
            self.node(node);
        }
    }

    fn enclosed(&mut self, open: &str, node: &Node) {
        self.out.push_str(open);
        self.node(node);
        self.out.push(')');
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, kind: Kind) {
        // More than one round of what takes no character is as good as one, and the engines refuse some.
        let never = match node {
            Node::Set(set) => set.ranges().is_empty(),
            Node::BackReference { group, .. } => *group > self.groups,
            _ => false,
        };
        if never || node.length_max() == Some(0) {
            return self.maybe(node, min, max, kind);
        }
        let possessive = kind == Kind::Possessive;
        if possessive {
            self.out.push_str("(?>");
        }
        if matches!(node, Node::Set(_)) {
            self.node(node);
        } else {
            // Java takes each round of a possessive loop as it comes first.
            self.enclosed(if possessive { "(?>" } else { "(?:" }, node);
        }
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => self.write(format_args!("{{{min},}}")),
            (min, Some(max)) if min == max => self.write(format_args!("{{{min}}}")),
            (min, Some(max)) => self.write(format_args!("{{{min},{max}}}")),
        }
        match kind {
            Kind::Greedy => {}
            Kind::Lazy => self.out.push('?'),
            Kind::Possessive => self.out.push(')'),
        }
    }

    fn maybe(&mut self, node: &Node, min: u32, max: Option<u32>, kind: Kind) {
        let (open, close) = match (min, kind) {
            _ if max == Some(0) => ("(?:|", ")"),
            (0, Kind::Greedy) => ("(?:", "|)"),
            (0, Kind::Lazy) => ("(?:|", ")"),
            (0, Kind::Possessive) => ("(?>", "|)"),
            (_, Kind::Possessive) => ("(?>", ")"),
            _ => ("(?:", ")"),
        };
        self.out.push_str(open);
        self.in_sequence(node);
        self.out.push_str(close);
    }

    fn back_reference(&mut self, group: usize, fold: bool) {
        // Java lets a pattern name a group that it does not have; that never matches.
        if group > self.groups {
            self.out.push_str("(?!)");
        } else {
            let flag = if fold { "i" } else { "" };
            self.write(format_args!("(?{flag}:\\{group})"));
        }
    }

    fn anchor(&mut self, anchor: Anchor) {
        let text = match anchor {
            Anchor::Start => "\\A".to_owned(),
            Anchor::End => "\\z".to_owned(),
            Anchor::LastMatch => "\\G".to_owned(),
            Anchor::Word { unicode: true } => "\\b".to_owned(),
            Anchor::NotWord { unicode: true } => "\\B".to_owned(),
            Anchor::Word { unicode: false } if !self.backtracks => "(?-u:\\b)".to_owned(),
            Anchor::Word { unicode: false } => {
                format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))")
            }
            Anchor::NotWord { unicode: false } => {
                format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))")
            }
            // Java's `^` does not match at the end of the text.
            Anchor::LineStart { .. } if !self.lines => "\\A(?!\\z)".to_owned(),
            Anchor::LineStart { unix: true } => "(?:\\A|(?<=\\n))(?!\\z)".to_owned(),
            Anchor::LineStart { unix: false } => {
                "(?:\\A|(?<=[\\n\\x{85}\\x{2028}\\x{2029}])|(?<=\\r)(?!\\n))(?!\\z)".to_owned()
            }
            Anchor::Dollar { .. } if !self.lines => "\\z".to_owned(),
            Anchor::Dollar { multiline: false, unix: true } => "(?=\\n?\\z)".to_owned(),
            Anchor::Dollar { multiline: true, unix: true } => "(?:(?=\\n)|\\z)".to_owned(),
            Anchor::Dollar { multiline: false, unix: false } => {
                format!("(?:(?=(?:\\r\\n|{LINE_END})\\z)|(?<!\\r)(?=\\n\\z)|\\z)")
            }
            Anchor::Dollar { multiline: true, unix: false } => {
                format!("(?:(?={LINE_END})|(?<!\\r)(?=\\n)|\\z)")
            }
        };
        self.out.push_str(&text);
    }

    fn set(&mut self, set: &ClassUnicode) {
        match set.ranges() {
            [] => self.out.push_str(if self.backtracks { "(?!)" } else { NEVER }),
            [one] if one.start() == one.end() => self.code(one.start()),
            ranges => {
                self.out.push('[');
                for range in ranges {
                    self.code(range.start());
                    if range.start() != range.end() {
                        self.out.push('-');
                        self.code(range.end());
                    }
                }
                self.out.push(']');
            }
        }
    }

    fn code(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            self.write(format_args!("\\x{{{:X}}}", u32::from(c)));
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }
}
