//! What is done to the cells of single columns: masks, hashes, cuts, and the source type written into the schema.

use std::sync::Arc;

use digest::DynDigest;
use raccord_config::RawConfig;
use raccord_data::{Schema, Text, Value};

use crate::{Column, JdbcType, PatternError, Patterns, TableId};

/// How a hash takes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// As Java serialises a string (`column.mask.hash.…`).
    JavaSerialised,
    /// Its bytes in UTF-8 (`column.mask.hash.v2.…`).
    Plain,
}

#[derive(Clone, Debug)]
enum Rule {
    Truncate { length: i32 },
    Mask { text: Text },
    Hash { algorithm: String, salt: String, hashing: Hashing },
    Propagate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Column,
    DataType,
}

/// The rules of all `column.*` and `datatype.*` keys.
#[derive(Clone, Debug, Default)]
pub struct ColumnMappings(Vec<(Subject, Patterns, Rule)>);

/// What becomes of the cells of one column.
#[derive(Clone, Default)]
pub enum CellMapping {
    /// They stay.
    #[default]
    None,
    /// All, null as well, become this text.
    Mask(Text),
    /// Text is cut to so many UTF-16 units, bytes to so many bytes.
    Truncate(usize),
    /// Text becomes its hash in hexadecimal digits, cut to so many; everything else becomes null.
    Hash(Arc<HashMask>),
}

/// A salted hash.
pub struct HashMask {
    digest: Box<dyn DynDigest + Send + Sync>,
    salt: Vec<u8>,
    hashing: Hashing,
    digits_max: usize,
}

impl std::fmt::Debug for CellMapping {
    /// Says neither mask nor salt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Mask(_) => "Mask",
            Self::Truncate(_) => "Truncate",
            Self::Hash(_) => "Hash",
        })
    }
}

impl ColumnMappings {
    /// Reads the rules. The first one that concerns a column counts, in the order: cuts, masks, propagated types of
    /// columns, of data types, hashes.
    ///
    /// # Errors
    /// The first expression that is none, or an algorithm or a number that is not known.
    pub fn of(config: &RawConfig) -> Result<Self, PatternError> {
        let mut rules = Vec::new();
        let mut add = |subject, key: &str, list: &str, rule: Option<Rule>| {
            let rule = rule.ok_or_else(|| PatternError {
                pattern: key.to_owned(),
                message: "the key has no valid number or hash algorithm".to_owned(),
            })?;
            rules.push((subject, Patterns::list(list)?, rule));
            Ok(())
        };
        for (key, list) in between(config, "column.truncate.to.", ".chars") {
            let rule =
                middle(key, "column.truncate.to.", ".chars").parse().ok().filter(|length| *length >= 0);
            add(Subject::Column, key, list, rule.map(|length| Rule::Truncate { length }))?;
        }
        for (key, list) in between(config, "column.mask.with.", ".chars") {
            let rule = middle(key, "column.mask.with.", ".chars").parse::<u16>().ok();
            let rule = rule.map(|length| Rule::Mask { text: Text::from("*".repeat(length.into())) });
            add(Subject::Column, key, list, rule)?;
        }
        for (subject, key) in [
            (Subject::Column, "column.propagate.source.type"),
            (Subject::DataType, "datatype.propagate.source.type"),
        ] {
            if let Some(list) = config.get(key) {
                add(subject, key, list, Some(Rule::Propagate))?;
            }
        }
        for (prefix, hashing) in
            [("column.mask.hash.", Hashing::JavaSerialised), ("column.mask.hash.v2.", Hashing::Plain)]
        {
            for (key, list) in between(config, prefix, "") {
                let rest = middle(key, prefix, "");
                let Some((algorithm, salt)) = rest.split_once(".with.salt.") else { continue };
                // The first version has one dot less before its algorithm.
                if algorithm.contains('.') || salt.is_empty() {
                    continue;
                }
                let rule = digest_named(algorithm).map(|_| Rule::Hash {
                    algorithm: algorithm.to_owned(),
                    salt: salt.to_owned(),
                    hashing,
                });
                add(Subject::Column, key, list, rule)?;
            }
        }
        Ok(Self(rules))
    }

    fn rule(&self, id: &TableId, column: &Column) -> Option<&Rule> {
        if self.0.is_empty() {
            return None;
        }
        let short = id.schema_parts().collect::<Vec<_>>().join(".");
        let matches = |patterns: &Patterns, last: &str| {
            patterns.matches(&format!("{id}.{last}")) || patterns.matches(&format!("{short}.{last}"))
        };
        let found = self.0.iter().find(|(subject, patterns, _)| match subject {
            Subject::Column => matches(patterns, &column.name),
            Subject::DataType => matches(patterns, &column.type_name),
        });
        found.map(|(_, _, rule)| rule)
    }

    /// Adds to the schema of a column's field what its rule says.
    pub fn annotate(&self, id: &TableId, column: &Column, schema: &mut Schema) {
        let mut add = |key: &str, value: String| schema.parameters.push((key.into(), value.into()));
        match self.rule(id, column) {
            None => {}
            Some(Rule::Truncate { length }) if can_cut(column, *length) => {
                add("truncateLength", length.to_string())
            }
            Some(Rule::Truncate { .. }) => {}
            Some(Rule::Mask { .. } | Rule::Hash { .. }) => add("masked", "true".to_owned()),
            Some(Rule::Propagate) => {
                add("__debezium.source.column.type", column.type_name.to_uppercase());
                if column.length != -1 {
                    add("__debezium.source.column.length", column.length.to_string());
                }
                if let Some(scale) = column.scale {
                    add("__debezium.source.column.scale", scale.to_string());
                }
                if let Some(comment) = column.comment.as_deref().filter(|comment| !comment.is_empty()) {
                    add("__debezium.source.column.comment", comment.to_owned());
                }
                add("__debezium.source.column.name", column.name.to_string());
            }
        }
    }

    /// What becomes of the cells of a column.
    pub fn mapping(&self, id: &TableId, column: &Column) -> CellMapping {
        match self.rule(id, column) {
            Some(Rule::Truncate { length }) if can_cut(column, *length) => {
                CellMapping::Truncate(*length as usize)
            }
            Some(Rule::Mask { text }) if column.jdbc_type == JdbcType::Character => {
                CellMapping::Mask(text.clone())
            }
            Some(Rule::Hash { algorithm, salt, hashing }) if column.jdbc_type == JdbcType::Character => {
                let Some(digest) = digest_named(algorithm) else { return CellMapping::None };
                let digits_max = usize::try_from(column.length).ok().filter(|length| *length > 0);
                CellMapping::Hash(Arc::new(HashMask {
                    digest,
                    salt: salt.clone().into_bytes(),
                    hashing: *hashing,
                    digits_max: digits_max.unwrap_or(usize::MAX),
                }))
            }
            _ => CellMapping::None,
        }
    }
}

/// The entries whose keys begin and end so.
fn between<'a>(
    config: &'a RawConfig,
    prefix: &'static str,
    suffix: &'static str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    config.iter().filter_map(move |(key, value)| {
        let found =
            key.len() > prefix.len() + suffix.len() && key.starts_with(prefix) && key.ends_with(suffix);
        Some((key, value.filter(|_| found)?))
    })
}

fn middle<'a>(key: &'a str, prefix: &str, suffix: &str) -> &'a str {
    &key[prefix.len()..key.len() - suffix.len()]
}

/// As Debezium: cuts where the column's length is not known, or is more than what is left.
fn can_cut(column: &Column, length: i32) -> bool {
    column.length < 0 || column.length > length
}

/// The algorithm with that name in Java's `MessageDigest`, in any case.
fn digest_named(name: &str) -> Option<Box<dyn DynDigest + Send + Sync>> {
    Some(match name.to_ascii_uppercase().as_str() {
        "MD5" => Box::new(md5::Md5::default()),
        "SHA" | "SHA1" | "SHA-1" => Box::new(sha1::Sha1::default()),
        "SHA-224" => Box::new(sha2::Sha224::default()),
        "SHA-256" => Box::new(sha2::Sha256::default()),
        "SHA-384" => Box::new(sha2::Sha384::default()),
        "SHA-512" => Box::new(sha2::Sha512::default()),
        "SHA-512/224" => Box::new(sha2::Sha512_224::default()),
        "SHA-512/256" => Box::new(sha2::Sha512_256::default()),
        _ => return None,
    })
}

impl CellMapping {
    /// Whether cells stay as they are.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The cell that goes into the record.
    pub fn apply(&self, cell: Value) -> Value {
        match (self, cell) {
            (Self::None, cell) => cell,
            (Self::Mask(text), _) => Value::String(text.clone()),
            (Self::Truncate(length), Value::String(text)) => Value::String(cut(text, *length)),
            (Self::Truncate(length), Value::Bytes(bytes)) => {
                Value::Bytes(bytes.slice(..bytes.len().min(*length)))
            }
            (Self::Truncate(_), cell) => cell,
            (Self::Hash(hash), Value::String(text)) => Value::from(hash.of(&text)),
            (Self::Hash(_), _) => Value::Null,
        }
    }
}

/// The first so many UTF-16 units, as Java's `substring` has them: half of a pair becomes `?` when it is written.
fn cut(text: Text, units: usize) -> Text {
    if text.len() <= units {
        return text;
    }
    let mut left = units;
    for (at, c) in text.char_indices() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None if left == 0 => return text.slice(0, at),
            None => return Text::from(format!("{}?", &text[..at])),
        }
    }
    text
}

impl HashMask {
    fn of(&self, text: &str) -> String {
        let mut digest = self.digest.box_clone();
        digest.update(&self.salt);
        match self.hashing {
            Hashing::Plain => digest.update(text.as_bytes()),
            Hashing::JavaSerialised => digest.update(&java_serialised(text)),
        }
        let mut out = String::new();
        for byte in digest.finalize() {
            out.push_str(&format!("{byte:02x}"));
        }
        out.truncate(self.digits_max);
        out
    }
}

/// What `ObjectOutputStream.writeObject` writes for a string: the stream's header, the tag and length, and the text in
/// Java's modified UTF-8 (Java Object Serialization Specification, section 6.4).
fn java_serialised(text: &str) -> Vec<u8> {
    let mut modified = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match unit {
            1..=0x7f => modified.push(unit as u8),
            0 | 0x80..=0x7ff => modified.extend([0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]),
            _ => modified.extend([
                0xe0 | (unit >> 12) as u8,
                0x80 | (unit >> 6 & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ]),
        }
    }
    let mut out = vec![0xac, 0xed, 0x00, 0x05];
    match u16::try_from(modified.len()) {
        Ok(length) => {
            out.push(0x74);
            out.extend(length.to_be_bytes());
        }
        Err(_) => {
            out.push(0x7c);
            out.extend((modified.len() as u64).to_be_bytes());
        }
    }
    out.extend(modified);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(length: i32) -> Column {
        Column {
            name: "name".into(),
            type_name: "varchar".into(),
            jdbc_type: JdbcType::Character,
            length,
            scale: Some(0),
            optional: true,
            comment: None,
            default_expression: None,
        }
    }

    fn mappings(entries: &[(&str, &str)]) -> ColumnMappings {
        let config = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ColumnMappings::of(&config).unwrap()
    }

    fn check(key: &str, length: i32, cell: &str, expect: &str) {
        let id = TableId::in_schema("s", "t");
        let mapping = mappings(&[(key, "s.t.name")]).mapping(&id, &column(length));
        assert_eq!(mapping.apply(Value::from(cell.to_owned())), Value::from(expect.to_owned()), "{key}");
    }

    #[test]
    fn maps_cells() {
        check("column.truncate.to.3.chars", 20, "abcdef", "abc");
        check("column.truncate.to.3.chars", 3, "abcdef", "abcdef");
        check("column.truncate.to.2.chars", 20, "a😀b", "a?");
        check("column.truncate.to.3.chars", 20, "a😀b", "a😀");
        check("column.mask.with.4.chars", 20, "abcdef", "****");
        check("column.mask.with.0.chars", 20, "abcdef", "");
        // echo -n 'saltabc' | sha256sum
        check(
            "column.mask.hash.v2.SHA-256.with.salt.salt",
            2_147_483_647,
            "abc",
            "3681099918be28c95b81e27e7e5c2e4c6a6dea566d2d10e7f49139ebb779eb6f",
        );
        check("column.mask.hash.v2.SHA-256.with.salt.salt", 8, "abc", "36810999");
        // As Debezium wrote them.
        check("column.mask.hash.SHA-256.with.salt.pepper", 20, "hash me", "b0065c3f028509b98542");
        check("column.mask.hash.v2.MD5.with.salt.a", 10, "abcdefgh", "1938f75ef0");
        check("column.mask.hash.v2.MD5.with.salt.", 8, "abc", "abc");
    }

    #[test]
    fn serialises_as_java_does() {
        assert_eq!(java_serialised("aé€"), b"\xac\xed\0\x05t\0\x06a\xc3\xa9\xe2\x82\xac");
        assert_eq!(java_serialised("\0😀")[4..], *b"t\0\x08\xc0\x80\xed\xa0\xbd\xed\xb8\x80");
        assert_eq!(java_serialised(&"x".repeat(65_536))[4..13], *b"|\0\0\0\0\0\x01\0\0");
    }

    #[test]
    fn annotates_schemas() {
        let id = TableId::in_schema("s", "t");
        let annotated = |key: &str, list: &str, length: i32| {
            let mut schema = (*Schema::of(raccord_data::Type::String).build()).clone();
            mappings(&[(key, list)]).annotate(&id, &column(length), &mut schema);
            schema.parameters.iter().map(|(key, value)| format!("{key}={value};")).collect::<String>()
        };
        assert_eq!(annotated("column.truncate.to.3.chars", ".*", 20), "truncateLength=3;");
        assert_eq!(annotated("column.mask.with.3.chars", ".*", 20), "masked=true;");
        assert_eq!(
            annotated("column.propagate.source.type", "s.t.NAME", 20),
            "__debezium.source.column.type=VARCHAR;__debezium.source.column.length=20;\
             __debezium.source.column.scale=0;__debezium.source.column.name=name;"
        );
        assert_eq!(annotated("datatype.propagate.source.type", ".*[.]int4", 20), "");
        assert!(
            annotated("datatype.propagate.source.type", ".*[.]varchar", -1)
                .contains("type=VARCHAR;__debezium.source.column.scale")
        );
    }
}
