//! What went wrong, as a fact. What to do about it is the runtime's decision.

use std::error::Error as StdError;
use std::fmt;

/// Short for a result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure that the runtime tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// May go away by itself: the call is repeated with back-off. Keep this narrow.
    Retriable,
    /// This record cannot be processed; others can. `errors.tolerance` decides.
    Record,
    /// The configuration is wrong; repeating does not help.
    Config,
    /// The task cannot go on.
    Fatal,
    /// The work was interrupted because the task is stopping. Never reported to users.
    Cancelled,
}

impl ErrorKind {
    /// The exception class that users of Kafka Connect see for this kind unless the error names a better one.
    fn java_class(self) -> &'static str {
        match self {
            Self::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            Self::Record => "org.apache.kafka.connect.errors.DataException",
            Self::Config => "org.apache.kafka.common.config.ConfigException",
            Self::Fatal | Self::Cancelled => "org.apache.kafka.connect.errors.ConnectException",
        }
    }
}

/// A failure with its kind, the Java class users know it by, a message, a hint at the remedy and the cause.
///
/// Neither message nor hint contains record values or secrets: both appear in logs, traces and REST answers.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: ErrorKind,
    class: &'static str,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            class: kind.java_class(),
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// A failure that may go away by itself.
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, message)
    }

    /// A record that cannot be processed.
    pub fn record(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Record, message)
    }

    /// A configuration that cannot work.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// A failure that ends the task.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, message)
    }

    /// The task is stopping.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the task is stopping")
    }

    /// Sets the full name of the Java exception class that the real plugin would throw.
    pub fn class(mut self, class: &'static str) -> Self {
        self.0.class = class;
        self
    }

    /// Adds what the operator can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// A fatal error that this one caused. It keeps the hint, which is still the remedy.
    pub fn causing(mut self, message: impl Into<String>) -> Self {
        let hint = self.0.hint.take();
        let mut error = Self::fatal(message).caused_by(self);
        error.0.hint = hint;
        error
    }

    /// The same failure where it means something else: another kind and message, the same class, cause and hint.
    pub fn becoming(mut self, kind: ErrorKind, message: impl Into<String>) -> Self {
        (self.0.kind, self.0.message) = (kind, message.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The full name of the Java exception class.
    pub fn java_class(&self) -> &'static str {
        self.0.class
    }

    /// The message without class, hint and cause.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the operator can do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// `class: message`, then a `Caused by:` line for each cause, as the head of a Java stack trace shows them, and
    /// the hint last.
    pub fn trace(&self) -> String {
        let mut trace = format!("{}: {}", self.0.class, self.0.message);
        let mut cause = self.source();
        while let Some(error) = cause {
            match error.downcast_ref::<Self>() {
                Some(error) => {
                    trace.push_str(&format!("\nCaused by: {}: {}", error.0.class, error.0.message))
                }
                None => trace.push_str(&format!("\nCaused by: {error}")),
            }
            cause = error.source();
        }
        if let Some(hint) = self.hint_text() {
            trace.push_str(&format!("\nHint: {hint}"));
        }
        trace
    }
}

impl fmt::Display for Error {
    /// The message only: the chain is printed by who handles the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_begins_with_the_java_class_and_lists_causes_and_hint() {
        let cause = Error::retriable("connection reset");
        let error = Error::fatal("cannot read /data/in.txt").caused_by(cause).hint("check the permissions");
        assert_eq!(
            error.trace(),
            "org.apache.kafka.connect.errors.ConnectException: cannot read /data/in.txt\n\
             Caused by: org.apache.kafka.connect.errors.RetriableException: connection reset\n\
             Hint: check the permissions"
        );
    }
}
