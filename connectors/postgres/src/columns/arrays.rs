//! Arrays in text form: `{1,NULL,"a \"b\""}`, dimensions within each other, lower bounds before them.

use bytes::Bytes;

/// An element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// `NULL`.
    Null,
    /// A value in its text form, without quotes.
    Value(Bytes),
    /// An array of a further dimension, in text form.
    Nested(Bytes),
}

/// Reads the elements of the outermost dimension. `None` for what is no array.
pub fn elements(text: &Bytes) -> Option<Vec<Element>> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_bounds()?;
    reader.expect(b'{')?;
    let mut elements = Vec::new();
    if reader.peek()? == b'}' {
        reader.at += 1;
        return reader.ended().then_some(elements);
    }
    loop {
        elements.push(reader.element()?);
        match reader.next()? {
            b',' => {}
            b'}' => return reader.ended().then_some(elements),
            _ => return None,
        }
    }
}

struct Reader<'a> {
    text: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn ended(&self) -> bool {
        self.at == self.text.len()
    }

    /// `[0:1]=` before an array whose numbers do not begin at 1.
    fn skip_bounds(&mut self) -> Option<()> {
        if self.peek()? == b'[' {
            let end = self.text.iter().position(|byte| *byte == b'=')?;
            self.at = end + 1;
        }
        Some(())
    }

    fn element(&mut self) -> Option<Element> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' => self.nested(),
            _ => {
                let start = self.at;
                let length = self.text[start..].iter().position(|byte| matches!(byte, b',' | b'}'))?;
                self.at += length;
                let value = &self.text[start..self.at];
                if value.is_empty() || value.contains(&b'"') || value.contains(&b'{') {
                    return None;
                }
                Some(if value.eq_ignore_ascii_case(b"NULL") {
                    Element::Null
                } else {
                    Element::Value(self.text.slice(start..self.at))
                })
            }
        }
    }

    fn quoted(&mut self) -> Option<Element> {
        self.at += 1;
        let start = self.at;
        let mut unescaped: Option<Vec<u8>> = None;
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => {
                    let so_far = &self.text[start..self.at - 1];
                    let out = unescaped.get_or_insert_with(|| so_far.to_vec());
                    let byte = self.text.get(self.at).copied()?;
                    out.push(byte);
                    self.at += 1;
                }
                byte => {
                    if let Some(out) = &mut unescaped {
                        out.push(byte);
                    }
                }
            }
        }
        Some(Element::Value(match unescaped {
            Some(out) => out.into(),
            None => self.text.slice(start..self.at - 1),
        }))
    }

    fn nested(&mut self) -> Option<Element> {
        let start = self.at;
        let (mut depth, mut in_quotes) = (0usize, false);
        loop {
            match self.next()? {
                b'\\' => {
                    self.next()?;
                }
                b'"' => in_quotes = !in_quotes,
                b'{' if !in_quotes => depth += 1,
                b'}' if !in_quotes => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(Element::Nested(self.text.slice(start..self.at)));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> Option<Vec<String>> {
        let elements = elements(&Bytes::from_static(text.as_bytes()))?;
        let shown = elements.into_iter().map(|element| match element {
            Element::Null => "NULL".to_owned(),
            Element::Value(value) => format!("<{}>", String::from_utf8_lossy(&value)),
            Element::Nested(value) => format!("nested {}", String::from_utf8_lossy(&value)),
        });
        Some(shown.collect())
    }

    #[test]
    fn reads_elements() {
        let check = |text, expect: &[&str]| assert_eq!(shown(text).unwrap(), expect, "{text}");
        check("{}", &[]);
        check("{1,NULL,-2}", &["<1>", "NULL", "<-2>"]);
        check(r#"{x,"y z","NULL","a\"b\\c",""}"#, &["<x>", "<y z>", "<NULL>", "<a\"b\\c>", "<>"]);
        check("[0:1]={7,8}", &["<7>", "<8>"]);
        check(r#"{{a,"}"},{c,NULL}}"#, &[r#"nested {a,"}"}"#, "nested {c,NULL}"]);
    }

    #[test]
    fn refuses_what_is_no_array() {
        for bad in ["", "{", "{1", "{1,", "{1,}", "1", "{1}2", "{\"a}", "[0:1]", "{{1}"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
