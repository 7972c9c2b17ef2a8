//! Sets of characters that Java's escapes stand for.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Hir, HirKind};

pub(super) fn of(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(from, to)| ClassUnicodeRange::new(from, to)))
}

/// The characters between two code points; halves of surrogate pairs are none.
pub(super) fn range(from: u32, to: u32) -> ClassUnicode {
    let mut set = of(&[]);
    for (low, high) in [(from, to.min(0xD7FF)), (from.max(0xE000), to)] {
        if let (true, Some(low), Some(high)) = (low <= high, char::from_u32(low), char::from_u32(high)) {
            set.push(ClassUnicodeRange::new(low, high));
        }
    }
    set
}

pub(super) fn not(mut set: ClassUnicode) -> ClassUnicode {
    set.negate();
    set
}

pub(super) fn all() -> ClassUnicode {
    of(&[('\0', char::MAX)])
}

/// A class of Unicode that the library knows by this name (`Lu`, `sc=Greek`).
pub(super) fn unicode(name: &str) -> Option<ClassUnicode> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let hir: Hir = regex_syntax::parse(&format!("\\p{{{name}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(set)) => Some(set),
        HirKind::Class(regex_syntax::hir::Class::Bytes(set)) => set.to_unicode_class(),
        // A class of one character is a literal.
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(of(&[(c, c)]))
        }
        _ => None,
    }
}

/// The union of classes that the library is known to have.
pub(super) fn union(names: &[&str]) -> ClassUnicode {
    let mut set = of(&[]);
    for name in names {
        if let Some(other) = unicode(name) {
            set.union(&other);
        }
    }
    set
}

/// Adds the other case of letters of ASCII.
pub(super) fn fold_ascii(set: &mut ClassUnicode) {
    let mut ascii = set.clone();
    ascii.intersect(&of(&[('A', 'Z'), ('a', 'z')]));
    for range in ascii.ranges() {
        let flip = |c: char| char::from(c as u8 ^ 0x20);
        set.push(ClassUnicodeRange::new(flip(range.start()), flip(range.end())));
    }
}

/// Adds the other cases of all characters.
pub(super) fn fold_unicode(set: &mut ClassUnicode) {
    // It fails only where the library was built without its tables.
    let _ = set.try_case_fold_simple();
}

pub(super) fn digits(unicode: bool) -> ClassUnicode {
    if unicode { union(&["Nd"]) } else { of(&[('0', '9')]) }
}

pub(super) fn word(unicode: bool) -> ClassUnicode {
    if unicode {
        union(&["Alphabetic", "M", "Nd", "Pc", "Join_Control"])
    } else {
        of(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')])
    }
}

pub(super) fn space(unicode: bool) -> ClassUnicode {
    if unicode { union(&["White_Space"]) } else { of(&[('\t', '\r'), (' ', ' ')]) }
}

pub(super) fn horizontal_space() -> ClassUnicode {
    of(&[
        ('\t', '\t'),
        (' ', ' '),
        ('\u{A0}', '\u{A0}'),
        ('\u{1680}', '\u{1680}'),
        ('\u{180E}', '\u{180E}'),
        ('\u{2000}', '\u{200A}'),
        ('\u{202F}', '\u{202F}'),
        ('\u{205F}', '\u{205F}'),
        ('\u{3000}', '\u{3000}'),
    ])
}

pub(super) fn vertical_space() -> ClassUnicode {
    of(&[('\n', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')])
}

pub(super) fn line_terminators() -> ClassUnicode {
    of(&[('\n', '\n'), ('\r', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')])
}

pub(super) fn is_line_terminator(code: u32) -> bool {
    matches!(code, 0xA | 0xD | 0x85 | 0x2028 | 0x2029)
}

/// Whether a text has a character that ends a line.
pub(super) fn has_line_terminator(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2))
        && text.chars().any(|c| is_line_terminator(c.into()))
}
