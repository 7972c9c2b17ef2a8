//! Request bodies, read as Connect reads them.
//!
//! Connect's texts for bodies that are not what they should be come from Jackson, with the line and column of the
//! place and the chain of properties that led there. Tools show these texts and people search for them, so bodies are
//! read by a parser that finds the same mistakes in the same order ([`tokens`]) and by readers that know Connect's
//! three request types ([`read`]). Facts about texts and columns come from answers of a real worker, which
//! `tests/data/bodies.json` holds.

mod read;
mod text;
mod tokens;

pub use read::{Entry, read_create, read_map, read_offsets};

/// A body that cannot be read; Connect answers it with 500.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    text: String,
    at: Option<Location>,
    /// The properties that lead to the place, outermost first, each in Jackson's form `type["name"]` or `type[0]`.
    chain: Vec<String>,
    /// True for mistakes in the JSON itself, which a map's reader passes on without naming itself.
    syntax: bool,
}

/// A place in a body, both counted from 1; columns are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    line: usize,
    column: usize,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {}, column: {}]",
            self.line, self.column
        )
    }
}

impl BodyError {
    /// A mistake in the JSON.
    fn syntax(text: impl Into<String>, at: Location) -> Self {
        Self { text: text.into(), at: Some(at), chain: Vec::new(), syntax: true }
    }

    /// A bound of the parser that was exceeded; Jackson gives no place for these.
    fn bound(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None, chain: Vec::new(), syntax: true }
    }

    /// JSON that does not fit the type.
    fn mismatch(text: impl Into<String>, at: Location) -> Self {
        Self { text: text.into(), at: Some(at), chain: Vec::new(), syntax: false }
    }

    /// The same, inside a property or element.
    fn within(mut self, step: String) -> Self {
        self.chain.insert(0, step);
        self
    }
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        if let Some(at) = self.at {
            write!(f, "\n at {at}")?;
        }
        if !self.chain.is_empty() {
            write!(f, " (through reference chain: {})", self.chain.join("->"))?;
        }
        Ok(())
    }
}

impl std::error::Error for BodyError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies that were sent to a real worker (Kafka 4.3.1) and what it said about their form; null where it took them.
    #[test]
    fn says_what_the_real_worker_says() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/data/bodies.json")).unwrap();
        assert!(cases.len() > 150);
        let mut wrong = Vec::new();
        for case in &cases {
            let body: Vec<u8> = match case["sent"].as_str() {
                Some(text) => text.as_bytes().to_vec(),
                None => {
                    let hex = case["hex"].as_str().unwrap();
                    (0..hex.len())
                        .step_by(2)
                        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                        .collect()
                }
            };
            let got = match case["as"].as_str().unwrap() {
                "create" => read_create(&body).err(),
                "map" => read_map(&body).err(),
                _ => read_offsets(&body).err(),
            };
            let got = got.map(|error| error.to_string());
            if got.as_deref() != case["error"].as_str() {
                wrong.push(format!("{case}\n  got {got:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    #[test]
    fn takes_scalars_as_they_are_written() {
        let body = br#"{"a":1,"b":1.50,"c":true,"d":null,"e":"x","a":1E+2}"#;
        let config = read_map(body).unwrap().unwrap();
        let got: Vec<_> = config.iter().collect();
        assert_eq!(
            got,
            [("a", Some("1E+2")), ("b", Some("1.50")), ("c", Some("true")), ("d", None), ("e", Some("x"))]
        );
    }

    #[test]
    fn nothing_is_nothing() {
        for body in [&b""[..], b" \r\n", b"null"] {
            assert_eq!(read_map(body), Ok(None), "{body:?}");
        }
    }

    #[test]
    fn deep_offsets_fit_the_stack() {
        let depth = 990;
        let body = format!(
            "{{\"offsets\":[{{\"partition\":{{\"a\":{}1{}}}}}]}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        assert!(read_offsets(body.as_bytes()).is_ok());
    }
}
