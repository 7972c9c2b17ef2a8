//! The names that `\p{..}` knows: general categories, POSIX classes, `java..` methods, `Is..` properties and scripts,
//! `In..` blocks. Unicode's tables are those of the regex library, which may be newer than a Java's.

use regex_syntax::hir::ClassUnicode;

use super::chars::{not, of, unicode, union};
use super::parse::Flags;

/// Names of blocks as Java has them, first and last code point.
const BLOCKS: &str = include_str!("blocks.txt");

/// The set of a name between the braces.
///
/// # Errors
/// Java's text for a name that is none.
pub(super) fn lookup(name: &str, flags: Flags) -> Result<ClassUnicode, String> {
    let fold = flags.case_insensitive;
    if let Some((key, value)) = name.split_once('=') {
        let key = key.to_lowercase();
        let found = match key.as_str() {
            "sc" | "script" => script(value),
            "blk" | "block" => block(value),
            "gc" | "general_category" => category(value, fold),
            _ => None,
        };
        return found.ok_or_else(|| format!("Unknown Unicode property {{name=<{key}>, value=<{value}>}}"));
    }
    let found = if let Some(name) = name.strip_prefix("In") {
        block(name)
    } else if let Some(name) = name.strip_prefix("Is") {
        binary(name, fold).or_else(|| category(name, fold)).or_else(|| script(name))
    } else {
        let wide = if flags.unicode_classes { posix_unicode(name, fold) } else { None };
        wide.or_else(|| category(name, fold))
    };
    found.ok_or_else(|| format!("Unknown character property name {{{name}}}"))
}

fn script(name: &str) -> Option<ClassUnicode> {
    unicode(&format!("sc={name}"))
}

fn block(name: &str) -> Option<ClassUnicode> {
    let key = |name: &str| name.to_uppercase().replace([' ', '-', '_'], "");
    let name = key(name);
    BLOCKS.lines().find_map(|line| {
        let mut parts = line.split(' ');
        let (other, from, to) = (parts.next()?, parts.next()?, parts.next()?);
        if key(other) != name {
            return None;
        }
        let code = |text: &str| u32::from_str_radix(text, 16).ok();
        Some(super::chars::range(code(from)?, code(to)?))
    })
}

/// Names without a prefix.
fn category(name: &str, fold: bool) -> Option<ClassUnicode> {
    let ascii = |ranges: &[(char, char)]| Some(of(ranges));
    match name {
        "Lu" | "Ll" | "Lt" if fold => Some(union(&["Lu", "Ll", "Lt"])),
        "LC" => Some(union(&["Lu", "Ll", "Lt"])),
        "LD" => Some(union(&["L", "Nd"])),
        "L1" => ascii(&[('\0', '\u{FF}')]),
        "all" => Some(super::chars::all()),
        "ASCII" => ascii(&[('\0', '\u{7F}')]),
        "Alnum" => ascii(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        "Alpha" => ascii(&[('A', 'Z'), ('a', 'z')]),
        "Lower" | "Upper" if fold => ascii(&[('A', 'Z'), ('a', 'z')]),
        "Lower" => ascii(&[('a', 'z')]),
        "Upper" => ascii(&[('A', 'Z')]),
        "Digit" => ascii(&[('0', '9')]),
        "XDigit" => ascii(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        "Blank" => ascii(&[('\t', '\t'), (' ', ' ')]),
        "Space" => ascii(&[('\t', '\r'), (' ', ' ')]),
        "Cntrl" => ascii(&[('\0', '\u{1F}'), ('\u{7F}', '\u{7F}')]),
        "Graph" => ascii(&[('!', '~')]),
        "Print" => ascii(&[(' ', '~')]),
        "Punct" => ascii(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        "Cs" => ascii(&[]),
        "C" => Some(union(&["Cc", "Cf", "Cn", "Co"])),
        "L" | "M" | "N" | "Z" | "P" | "S" | "Cn" | "Lu" | "Ll" | "Lt" | "Lm" | "Lo" | "Mn" | "Me" | "Mc"
        | "Nd" | "Nl" | "No" | "Zs" | "Zl" | "Zp" | "Cc" | "Cf" | "Co" | "Pd" | "Ps" | "Pe" | "Pc" | "Po"
        | "Sm" | "Sc" | "Sk" | "So" | "Pi" | "Pf" => unicode(name),
        _ => java(name.strip_prefix("java")?, fold),
    }
}

/// Methods of `java.lang.Character`.
fn java(name: &str, fold: bool) -> Option<ClassUnicode> {
    Some(match name {
        "LowerCase" | "UpperCase" | "TitleCase" if fold => union(&["Lowercase", "Uppercase", "Lt"]),
        "LowerCase" => union(&["Lowercase"]),
        "UpperCase" => union(&["Uppercase"]),
        "TitleCase" => union(&["Lt"]),
        "Alphabetic" => union(&["Alphabetic"]),
        "Ideographic" => union(&["Ideographic"]),
        "Digit" => union(&["Nd"]),
        "Defined" => not(union(&["Cn"])),
        "Letter" => union(&["L"]),
        "LetterOrDigit" => union(&["L", "Nd"]),
        "JavaIdentifierStart" => union(&["L", "Nl", "Sc", "Pc"]),
        "JavaIdentifierPart" => {
            let mut set = union(&["L", "Nl", "Sc", "Pc", "Nd", "Mc", "Mn"]);
            set.union(&identifier_ignorable());
            set
        }
        "UnicodeIdentifierStart" => {
            let mut set = union(&["L", "Nl", "Other_ID_Start"]);
            set.union(&of(&[
                ('\u{1885}', '\u{1886}'),
                ('\u{2118}', '\u{2118}'),
                ('\u{212E}', '\u{212E}'),
                ('\u{309B}', '\u{309C}'),
            ]));
            set
        }
        "UnicodeIdentifierPart" => {
            let mut set = union(&["L", "Nl", "Pc", "Nd", "Mc", "Mn", "XID_Continue"]);
            set.union(&identifier_ignorable());
            set
        }
        "IdentifierIgnorable" => identifier_ignorable(),
        "SpaceChar" => union(&["Z"]),
        "Whitespace" => {
            let mut set = union(&["Z"]);
            set.difference(&of(&[('\u{A0}', '\u{A0}'), ('\u{2007}', '\u{2007}'), ('\u{202F}', '\u{202F}')]));
            set.union(&of(&[('\t', '\r'), ('\u{1C}', '\u{1F}')]));
            set
        }
        "ISOControl" => union(&["Cc"]),
        "Mirrored" => union(&["Bidi_Mirrored"]),
        _ => return None,
    })
}

fn identifier_ignorable() -> ClassUnicode {
    let mut set = union(&["Cf"]);
    set.union(&of(&[('\0', '\u{8}'), ('\u{E}', '\u{1B}'), ('\u{7F}', '\u{9F}')]));
    set
}

/// Properties of Unicode behind `Is`.
fn binary(name: &str, fold: bool) -> Option<ClassUnicode> {
    Some(match name.to_uppercase().replace('_', "").as_str() {
        "ALPHABETIC" => union(&["Alphabetic"]),
        "LETTER" => union(&["L"]),
        "IDEOGRAPHIC" => union(&["Ideographic"]),
        "LOWERCASE" | "UPPERCASE" | "TITLECASE" if fold => union(&["Lowercase", "Uppercase", "Lt"]),
        "LOWERCASE" => union(&["Lowercase"]),
        "UPPERCASE" => union(&["Uppercase"]),
        "TITLECASE" => union(&["Lt"]),
        "WHITESPACE" => union(&["White_Space"]),
        "CONTROL" => union(&["Cc"]),
        "PUNCTUATION" => union(&["P"]),
        "HEXDIGIT" => union(&["Nd", "Hex_Digit"]),
        "ASSIGNED" => not(union(&["Cn"])),
        "NONCHARACTERCODEPOINT" => union(&["Noncharacter_Code_Point"]),
        "DIGIT" => union(&["Nd"]),
        "ALNUM" => union(&["Alphabetic", "Nd"]),
        "BLANK" => blank(),
        "GRAPH" => graph(),
        "PRINT" => print(),
        "WORD" => super::chars::word(true),
        "JOINCONTROL" => union(&["Join_Control"]),
        "EMOJI" => union(&["Emoji"]),
        _ => return None,
    })
}

/// POSIX names under the flag `U`.
fn posix_unicode(name: &str, fold: bool) -> Option<ClassUnicode> {
    let name = name.to_uppercase();
    match name.as_str() {
        "ALPHA" => binary("ALPHABETIC", fold),
        "LOWER" => binary("LOWERCASE", fold),
        "UPPER" => binary("UPPERCASE", fold),
        "SPACE" => binary("WHITESPACE", fold),
        "PUNCT" => binary("PUNCTUATION", fold),
        "XDIGIT" => binary("HEXDIGIT", fold),
        "CNTRL" => binary("CONTROL", fold),
        "ALNUM" | "DIGIT" | "BLANK" | "GRAPH" | "PRINT" => binary(&name, fold),
        _ => None,
    }
}

fn blank() -> ClassUnicode {
    let mut set = union(&["Zs"]);
    set.union(&of(&[('\t', '\t')]));
    set
}

fn graph() -> ClassUnicode {
    not(union(&["Z", "Cc", "Cn", "White_Space"]))
}

fn print() -> ClassUnicode {
    let mut set = graph();
    set.union(&blank());
    set.difference(&union(&["Cc"]));
    set
}
