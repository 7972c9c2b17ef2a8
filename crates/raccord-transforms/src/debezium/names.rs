//! Names that Avro allows, as Debezium makes them of others.

use tracing::warn;

/// What is done to the characters that Avro does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adjuster {
    replacement: Option<Replacement>,
    /// Whether dots may stay, as in the full names of schemas.
    dots: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    /// `_`
    Underscore,
    /// `_u` and the code of the character; the underscore itself is replaced as well.
    Unicode,
}

impl Adjuster {
    /// For names of schemas, by the value of `schema.name.adjustment.mode`.
    pub fn of_schemas(mode: &str) -> Self {
        Self { replacement: Replacement::of(mode), dots: true }
    }

    /// For names of fields, by the value of `field.name.adjustment.mode`.
    pub fn of_fields(mode: &str) -> Self {
        Self { replacement: Replacement::of(mode), dots: false }
    }

    /// The name as it may be. A replaced name is told to the log: call this once for each name.
    pub fn adjust(&self, name: &str) -> String {
        let Some(replacement) = self.replacement else { return name.to_owned() };
        let mut adjusted = String::with_capacity(name.len());
        // Java replaces each half of a surrogate pair.
        for (place, unit) in name.encode_utf16().enumerate() {
            let c = char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
            let is_first = c.is_ascii_alphabetic() || (c == '_' && replacement == Replacement::Underscore);
            let is_later = c.is_ascii_digit() || (c == '.' && self.dots);
            if is_first || (is_later && place > 0) {
                adjusted.push(c);
                continue;
            }
            match replacement {
                Replacement::Underscore => {
                    adjusted.push('_');
                    // So that names that differ in a digit at the beginning do so afterwards.
                    if place == 0 && c.is_numeric() {
                        adjusted.push(c);
                    }
                }
                Replacement::Unicode => {
                    let code = format!("{unit:x}");
                    let zeros = if code.len() <= 2 { "00" } else { "" };
                    adjusted.push_str(&format!("_u{zeros}{code}"));
                }
            }
        }
        if adjusted != name {
            warn!(name, adjusted, "the name is none for Avro and is replaced");
        }
        adjusted
    }
}

impl Replacement {
    fn of(mode: &str) -> Option<Self> {
        match super::field::trim(mode).to_ascii_lowercase().as_str() {
            "avro" => Some(Self::Underscore),
            "avro_unicode" => Some(Self::Unicode),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_avro_does_not_allow() {
        let schemas = |mode: &str, name: &str, expect: &str| {
            assert_eq!(Adjuster::of_schemas(mode).adjust(name), expect, "{mode} {name}");
        };
        schemas("none", "a-b", "a-b");
        schemas("avro", "a-b.c_d", "a_b.c_d");
        schemas(" AVRO ", "1a", "_1a");
        schemas("avro", "", "");
        schemas("avro_unicode", "a-b_c.d", "a_u002db_u005fc.d");
        schemas("avro_unicode", "é", "_u00e9");
        schemas("avro_unicode", "\u{20ac}", "_u20ac");
        assert_eq!(Adjuster::of_fields("avro").adjust("a.b-1"), "a_b_1");
    }
}
