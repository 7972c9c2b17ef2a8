//! Names of schemas and fields that other systems can read.

/// `schema.name.adjustment.mode` and `field.name.adjustment.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameAdjustment {
    /// Names stay as they are.
    #[default]
    None,
    /// Characters that Avro does not know become `_`.
    Avro,
    /// They become `_u` and the number of the character in hexadecimal, and so does `_`.
    AvroUnicode,
}

impl NameAdjustment {
    /// Reads the mode, in any case; unknown ones are the validator's business and count as none.
    pub fn of(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "avro" => Self::Avro,
            "avro_unicode" => Self::AvroUnicode,
            _ => Self::None,
        }
    }

    /// The name of a schema, in which dots separate namespaces.
    pub fn schema_name(self, name: &str) -> String {
        self.adjust(name, true)
    }

    /// The name of a field, in which a dot is a character like others.
    pub fn field_name(self, name: &str) -> String {
        self.adjust(name, false)
    }

    fn adjust(self, name: &str, dots: bool) -> String {
        if self == Self::None {
            return name.to_owned();
        }
        let mut out = String::with_capacity(name.len() + 1);
        // Java counts UTF-16 units, and each of them is replaced by itself.
        for (index, unit) in name.encode_utf16().enumerate() {
            let c = u8::try_from(unit).ok().map(char::from).filter(char::is_ascii);
            let first = c.is_some_and(|c| c.is_ascii_alphabetic() || (c == '_' && self == Self::Avro));
            let rest = c.is_some_and(|c| c.is_ascii_digit() || (c == '.' && dots));
            match c {
                Some(c) if first || (rest && index > 0) => out.push(c),
                _ => {
                    self.replace(unit, &mut out);
                    // Keeps names apart that differ in their first digit only.
                    if let Some(c) = c.filter(|c| self == Self::Avro && index == 0 && c.is_ascii_digit()) {
                        out.push(c);
                    }
                }
            }
        }
        out
    }

    fn replace(self, unit: u16, out: &mut String) {
        match self {
            Self::AvroUnicode => push_unicode(unit, out),
            Self::None | Self::Avro => out.push('_'),
        }
    }
}

/// `_u` and the unit in hexadecimal, as Debezium pads it: two more zeros for up to two digits, else none.
pub(crate) fn push_unicode(unit: u16, out: &mut String) {
    let zeros = if unit <= 0xff { "00" } else { "" };
    out.push_str(&format!("_u{zeros}{unit:x}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusts_as_debezium_does() {
        let check = |mode: NameAdjustment, name: &str, schema: &str, field: &str| {
            assert_eq!(mode.schema_name(name), schema);
            assert_eq!(mode.field_name(name), field);
        };
        check(NameAdjustment::None, "a-b.1", "a-b.1", "a-b.1");
        check(NameAdjustment::Avro, "a-b.1", "a_b.1", "a_b_1");
        check(NameAdjustment::Avro, "1a", "_1a", "_1a");
        check(NameAdjustment::Avro, "-a", "_a", "_a");
        check(NameAdjustment::Avro, "ä€😀", "____", "____");
        check(NameAdjustment::AvroUnicode, "a-b_c.1", "a_u002db_u005fc.1", "a_u002db_u005fc_u002e1");
        check(NameAdjustment::AvroUnicode, "1€", "_u0031_u20ac", "_u0031_u20ac");
        check(NameAdjustment::Avro, "", "", "");
    }
}
