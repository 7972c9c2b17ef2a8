//! `hstore`: text by key.

use std::borrow::Cow;

use raccord_data::{Text, Value, java_order};

use super::settings::HstoreMode;

/// Reads `"key"=>"value", "other"=>NULL`; entries in the order of a Java `HashMap`, as Debezium holds them.
pub fn entries(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut entries: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        rest = after.strip_prefix("=>")?;
        let value = match rest.strip_prefix("NULL") {
            Some(after) => {
                rest = after;
                None
            }
            None => {
                let (value, after) = quoted(rest)?;
                rest = after;
                Some(value.into_owned())
            }
        };
        entries.push((key.into_owned(), value));
        rest = match rest.strip_prefix(", ") {
            Some(after) => after,
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    java_order::sort_by_key(&mut entries, |(key, _)| key);
    Some(entries)
}

/// A quoted text and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let end = text.find(['"', '\\'])?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(out), &text[at + 1..])),
            '\\' => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

/// The cell.
pub fn cell(mode: HstoreMode, text: &[u8]) -> Option<Value> {
    let entries = entries(std::str::from_utf8(text).ok()?)?;
    Some(match mode {
        HstoreMode::Map => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| (Value::from(key), value.map_or(Value::Null, Value::from)))
                .collect(),
        ),
        HstoreMode::Json => Value::from(json(&entries)),
    })
}

/// A JSON object as Jackson writes it.
pub fn json(entries: &[(String, Option<String>)]) -> String {
    let mut out = String::from("{");
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_json(key, &mut out);
        out.push(':');
        match value {
            Some(value) => push_json(value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out
}

fn push_json(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The placeholder for an unavailable value: itself by itself.
pub fn placeholder(mode: HstoreMode, text: &Text) -> Value {
    match mode {
        HstoreMode::Json => Value::from(json(&[(text.to_string(), Some(text.to_string()))])),
        HstoreMode::Map => Value::Map(vec![(Value::String(text.clone()), Value::String(text.clone()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debezium writes them.
    #[test]
    fn writes_json_in_javas_order() {
        let check = |text: &str, expect: &str| {
            assert_eq!(cell(HstoreMode::Json, text.as_bytes()), Some(Value::from(expect.to_owned())));
        };
        check(r#""a"=>"1", "d"=>"x\"y", "b c"=>NULL"#, r#"{"a":"1","d":"x\"y","b c":null}"#);
        check(
            r#""A"=>"B", "x"=>"24", "y"=>"25", "z"=>"26", "é"=>"ü", "k1"=>"v1", "k2"=>"v2", "long key here"=>"and value""#,
            r#"{"A":"B","k1":"v1","k2":"v2","x":"24","long key here":"and value","y":"25","é":"ü","z":"26"}"#,
        );
        check("", "{}");
        assert_eq!(cell(HstoreMode::Json, b"a=>1"), None);
        assert_eq!(cell(HstoreMode::Json, b"\"a\"=>\"1"), None);
    }
}
