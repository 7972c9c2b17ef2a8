//! Values that cannot be converted: `event.converting.failure.handling.mode`.

use raccord_plugin::{Error, Result};
use tracing::warn;

use crate::classify::{debezium, with_cause};

/// What becomes of a value that cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionFailures {
    /// The task fails.
    Fail,
    /// It is said, and null stands for the value.
    Warn,
    /// Null stands for the value.
    Skip,
}

impl ConversionFailures {
    /// Reads the value of the key.
    pub fn of(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "fail" => Self::Fail,
            "skip" => Self::Skip,
            _ => Self::Warn,
        }
    }

    /// Judges a failure.
    ///
    /// # Errors
    /// The failure with the column's name, when the task is to fail.
    pub fn judge(self, table: &str, column: &str, type_name: &str, error: Error) -> Result<()> {
        let message =
            format!("Failed to properly convert data value for '{table}.{column}' of type {type_name}");
        match self {
            Self::Fail => Err(with_cause(debezium(message), error)),
            Self::Warn => {
                warn!(trace = error.trace(), "{message}: null stands for it");
                Ok(())
            }
            Self::Skip => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fail_fails() {
        let judge = |mode: &str| {
            ConversionFailures::of(mode).judge("public.t", "c", "int4", Error::fatal("no number"))
        };
        let trace = judge("Fail").unwrap_err().trace();
        assert!(trace.contains("'public.t.c' of type int4"), "{trace}");
        assert!(judge("warn").is_ok() && judge("skip").is_ok());
    }
}
