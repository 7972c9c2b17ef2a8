//! Configuration, declared once.
//!
//! A definition ([`ConfigDef`]) gives parsing that reports all findings, the JSON of
//! `PUT /connector-plugins/{plugin}/config/validate`, and the Markdown reference.

mod raw;
mod secret;

pub use raccord_config_derive::Config;
pub use raw::RawConfig;
pub use secret::{HIDDEN, Secret};

/// The keys of one plugin in order.
#[derive(Debug)]
pub struct ConfigDef {}

/// The name of a Java class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// A check of a parsed value.
#[derive(Debug)]
pub struct Validator {}
