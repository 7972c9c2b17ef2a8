//! Names of Java classes in configs.

use std::fmt;

/// The name of a Java class, as users have it in their configs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Class(String);

impl Class {
    /// A class of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Knows which classes exist: what a class loader is to Kafka.
pub trait Classes: Sync {
    /// The full name of the class with this name or alias, `None` when there is no such class.
    fn resolve(&self, name: &str) -> Option<String>;
}

/// Takes every name for that of a class.
pub struct AnyClass;

impl Classes for AnyClass {
    fn resolve(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }
}
