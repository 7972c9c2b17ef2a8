//! Text that must not be seen.

use std::fmt;

/// What is shown in the place of a secret, in JSON, logs and Debug output: Kafka's `Password.HIDDEN`.
pub const HIDDEN: &str = "[hidden]";

/// A password or key. It has no `Display`; `Debug` shows [`HIDDEN`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the one place that hands it to the other side, never for messages.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
