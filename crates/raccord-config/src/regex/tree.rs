//! What a pattern means, free of syntax: flags and escapes are resolved, every single character is a set.

use regex_syntax::hir::ClassUnicode;

use super::chars;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One character out of a set; nothing when the set is empty.
    Set(ClassUnicode),
    Sequence(Vec<Node>),
    /// The first that lets the rest match.
    Alternatives(Vec<Node>),
    /// A group with a number; they are numbered as they open.
    Group(Box<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        kind: Kind,
    },
    /// Once matched, it is not tried another way.
    Atomic(Box<Node>),
    Look {
        node: Box<Node>,
        behind: bool,
        negative: bool,
    },
    BackReference {
        group: usize,
        fold: bool,
    },
    Anchor(Anchor),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Greedy,
    Lazy,
    Possessive,
}

/// Places that are matched without a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// `\A`, and `^` without the flag `m`.
    Start,
    /// `^` with the flag `m`; `unix` says that only `\n` ends a line.
    LineStart {
        unix: bool,
    },
    /// `$` and `\Z`.
    Dollar {
        multiline: bool,
        unix: bool,
    },
    /// `\z`.
    End,
    Word {
        unicode: bool,
    },
    NotWord {
        unicode: bool,
    },
    /// `\G`.
    LastMatch,
}

impl Node {
    pub(super) fn look(node: Node, behind: bool, negative: bool) -> Self {
        Self::Look { node: Box::new(node), behind, negative }
    }

    /// `\R`.
    pub(super) fn line_break() -> Self {
        let both = [('\r', '\r'), ('\n', '\n')].map(|range| Self::Set(chars::of(&[range])));
        Self::Alternatives(vec![Self::Sequence(both.into()), Self::Set(chars::vertical_space())])
    }

    /// How many characters it matches at most; none when nothing bounds them.
    pub(super) fn length_max(&self) -> Option<usize> {
        match self {
            Self::Set(_) => Some(1),
            Self::Sequence(nodes) => {
                nodes.iter().try_fold(0usize, |sum, node| sum.checked_add(node.length_max()?))
            }
            Self::Alternatives(nodes) => {
                nodes.iter().try_fold(0usize, |max, node| Some(max.max(node.length_max()?)))
            }
            Self::Group(node) | Self::Atomic(node) => node.length_max(),
            // Java takes a repeated character for bounded by its largest count.
            Self::Repeat { node, max: None, .. } if matches!(**node, Self::Set(_)) => Some(i32::MAX as usize),
            Self::Repeat { node, max, .. } => match node.length_max()? {
                0 => Some(0),
                length => length.checked_mul((*max)? as usize),
            },
            Self::BackReference { .. } => None,
            Self::Look { .. } | Self::Anchor(_) => Some(0),
        }
    }

    /// Whether some node is such.
    pub(super) fn any(&self, test: &impl Fn(&Node) -> bool) -> bool {
        test(self)
            || match self {
                Self::Sequence(nodes) | Self::Alternatives(nodes) => nodes.iter().any(|node| node.any(test)),
                Self::Group(node)
                | Self::Atomic(node)
                | Self::Repeat { node, .. }
                | Self::Look { node, .. } => node.any(test),
                Self::Set(_) | Self::BackReference { .. } | Self::Anchor(_) => false,
            }
    }
}
