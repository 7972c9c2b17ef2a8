//! Answers before they become HTTP: a status, a body in Jackson's form of JSON, a location.

use std::io;

use raccord_runtime::herder::HerderError;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use crate::json::BodyError;

/// What a handler answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// In the form that the route gives; none for answers without a body.
    pub body: Option<Vec<u8>>,
    /// Path of what was created.
    pub location: Option<String>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, body: None, location: None }
    }

    /// An answer with a body.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self { status, body: Some(to_json(body)), location: None }
    }

    /// 200 with a body.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(200, body)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status, and `error_code` of the body.
    pub status: u16,
    /// The `message`.
    pub message: String,
}

impl Failure {
    /// A failure with that status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What Connect's framework answers by itself: `HTTP 404 Not Found` and the like.
    pub fn framework(status: u16) -> Self {
        Self::new(status, format!("HTTP {status} {}", reason(status)))
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error_code: u16,
            message: &'a str,
        }
        to_json(&Body { error_code: self.status, message: &self.message })
    }
}

impl From<HerderError> for Failure {
    fn from(error: HerderError) -> Self {
        Self { status: error.status, message: error.message }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::new(500, error.to_string())
    }
}

/// Names of statuses as Connect's framework writes them.
pub fn reason(status: u16) -> &'static str {
    match status {
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        _ => http::StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason())
            .unwrap_or("Error"),
    }
}

/// JSON as Jackson writes it: compact, escapes with upper-case digits.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    struct Jackson;
    impl Formatter for Jackson {
        fn write_char_escape<W: ?Sized + io::Write>(
            &mut self,
            writer: &mut W,
            escape: CharEscape,
        ) -> io::Result<()> {
            match escape {
                CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04X}"),
                other => CompactFormatter.write_char_escape(writer, other),
            }
        }
    }
    let mut json = Vec::new();
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Jackson));
    debug_assert!(written.is_ok(), "the types of answers have text keys only");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_connects_body() {
        assert_eq!(Failure::framework(404).body(), br#"{"error_code":404,"message":"HTTP 404 Not Found"}"#);
        assert_eq!(
            Failure::new(500, "a\n\"b\"\u{1f}é").body(),
            "{\"error_code\":500,\"message\":\"a\\n\\\"b\\\"\\u001Fé\"}".as_bytes()
        );
    }
}
