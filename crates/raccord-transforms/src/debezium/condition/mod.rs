//! Conditions: the part of Groovy and JavaScript that `Filter` and `ContentBasedRouter` are configured with.
//!
//! A condition is one expression over `value`, `key`, `valueSchema`, `keySchema`, `topic` and `header`. It is read once
//! into a tree (`parser`, `tree`) and evaluated for each record (`eval`) with the rules of its language for equality,
//! truth and arithmetic (`compare`, `item`, `number`). docs/conditions.md has the grammar. What is not in it is refused
//! when the connector starts, by name and place, so a condition that runs means what it means in Debezium.

mod compare;
mod eval;
mod item;
mod lexer;
mod methods;
mod number;
mod parser;
pub(super) mod script;
mod tree;

use std::fmt;

use raccord_config::RegexError;
use raccord_data::Record;

use eval::Evaluation;
use item::Item;
use tree::Node;

/// What a condition is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `jsr223.groovy`.
    Groovy,
    /// `jsr223.graal.js`.
    JavaScript,
}

/// A condition, read once.
#[derive(Debug)]
pub struct Condition {
    root: Node,
    language: Language,
}

/// What a condition has that is not supported, or no condition has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Where, in bytes from the start.
    at: usize,
    what: String,
}

/// Why a condition has no worth for a record: the Java exception. It names classes and fields, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The Java class of the exception.
    pub class: &'static str,
    /// Its message.
    pub message: String,
}

/// What a condition is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `null`.
    Null,
    /// Yes or no.
    Boolean(bool),
    /// A text.
    Text(String),
    /// Something else; its Java class.
    Other(&'static str),
}

impl Unsupported {
    fn at(at: usize, what: String) -> Self {
        Self { at, what }
    }

    fn moved(mut self, offset: usize) -> Self {
        self.at += offset;
        self
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "at position {}: not supported: {}", self.at + 1, self.what)
    }
}

impl std::error::Error for Unsupported {}

impl Failure {
    fn new(class: &'static str, message: String) -> Self {
        Self { class, message }
    }
}

impl From<RegexError> for Failure {
    fn from(error: RegexError) -> Self {
        Self { class: error.class, message: error.message }
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// The first thing that is not supported, and where it stands.
    pub fn new(text: &str, language: Language) -> Result<Self, Unsupported> {
        Ok(Self { root: parser::parse(text, language)?, language })
    }

    /// What it is worth for a record.
    ///
    /// # Errors
    /// The exception that the script would throw.
    pub fn evaluate(&self, record: &Record) -> Result<Outcome, Failure> {
        let item = Evaluation { record, language: self.language }.of(&self.root)?;
        Ok(match item {
            Item::Null | Item::Undefined => Outcome::Null,
            Item::Boolean(flag) => Outcome::Boolean(flag),
            Item::Text(text) => Outcome::Text(text.into_owned()),
            other => Outcome::Other(other.class()),
        })
    }
}

#[cfg(test)]
mod tests;
