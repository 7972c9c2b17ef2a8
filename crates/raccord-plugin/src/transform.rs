//! Transforms and predicates: what happens to a record between connector and converter.

use raccord_data::Record;

use crate::Result;

/// A configured transform of one task. Called for one record after the other.
pub trait Transform: Send {
    /// Changes the record, or drops it with `None`.
    ///
    /// # Errors
    /// Every error counts as the stage TRANSFORMATION, which `errors.tolerance` covers.
    fn apply(&mut self, record: Record) -> Result<Option<Record>>;
}

/// A configured predicate, which decides whether a transform is applied.
pub trait Predicate: Send {
    /// Whether the record matches.
    ///
    /// # Errors
    /// Counts as the stage TRANSFORMATION.
    fn test(&mut self, record: &Record) -> Result<bool>;
}
