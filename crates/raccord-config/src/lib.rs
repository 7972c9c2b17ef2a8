//! Configuration, declared once.
//!
//! A struct with `#[derive(Config)]` declares the keys of a plugin or of the worker. From that one declaration come
//! parsing that reports all findings ([`Config::parse`]), the JSON of `GET /connector-plugins/{plugin}/config` and
//! `PUT /connector-plugins/{plugin}/config/validate`, and the Markdown reference. Rules and texts are those of Kafka's
//! `ConfigDef`, because users and tools know them.
//!
//! ```
//! use raccord_config::{Config, RawConfig, Validator};
//!
//! /// The keys of a source that reads lines.
//! #[derive(Debug, Config)]
//! struct Lines {
//!     /// The file to read. Not set: standard input.
//!     #[config(importance = High)]
//!     file: Option<String>,
//!     /// How many records to read at once.
//!     #[config(default = 2000, validator = Validator::at_least(1), importance = Low)]
//!     batch_size: i32,
//! }
//!
//! let lines = Lines::parse(&RawConfig::from([("batch.size", " 10 ")])).unwrap();
//! assert_eq!((lines.file, lines.batch_size), (None, 10));
//! let findings = Lines::parse(&RawConfig::from([("batch.size", "x")])).unwrap_err();
//! assert_eq!(findings.first(), "Invalid value x for configuration batch.size: Not a number of type INT");
//! ```

// The derive names this crate by its full path, in here too.
extern crate self as raccord_config;

mod class;
mod def;
mod field;
mod findings;
pub mod jaas;
mod key;
mod markdown;
pub mod properties;
mod raw;
mod recommender;
mod regex;
mod secret;
mod validate;
mod validator;
mod value;

pub use class::{AnyClass, Class, Classes};
pub use def::ConfigDef;
pub use field::Field;
pub use findings::{Finding, Findings};
pub use key::{ConfigKey, Importance, Width};
pub use markdown::{markdown, rewrite_page};
pub use raccord_config_derive::Config;
pub use raw::RawConfig;
pub use recommender::{ParsedConfig, Recommender};
pub use regex::{Captures, JavaRegex, PatternError, RegexError, Replacement, check_regex};
pub use secret::{HIDDEN, Secret};
pub use validate::ConfigValue;
pub use validator::{Validator, invalid_value};
pub use value::{Type, Value};

/// A struct that declares a config. Implemented by `#[derive(Config)]`.
///
/// # Attributes
/// On a field, `#[config(…)]` with
/// - `default = expression`: the value when the key is missing. Without it the key is required, unless the field is an
///   `Option`, whose default is null. Lists are written `&["a", "b"]`.
/// - `key = "…"`: the key, when it is not the field's name with dots for underscores.
/// - `importance = High | Medium | Low` (default: the struct's, else Medium), `width = Short | Medium | Long`,
///   `display = "…"`, `group = "…"`, `order = n`. Without `order`, keys of a group are numbered from 1.
/// - `validator = expression` giving a [`Validator`], `recommender = expression` giving a [`Recommender`].
/// - `dependents = ["…"]`: keys whose visibility and recommended values depend on this one.
/// - `aliases = ["…"]`: old names, read when the key itself is missing, with a warning.
/// - `internal`: parsed, but shown nowhere.
/// - `flatten`: the field is another such struct, whose keys are added here.
/// - `raw`: the field, a [`RawConfig`], receives the whole config as it was read.
///
/// On the struct, `#[config(group = "…", importance = …, width = …)]` sets what fields do not.
///
/// The doc comment of a field is the key's documentation, lines joined, paragraphs kept apart. Types: `String`, `i16`,
/// `i32`, `i64`, `f64`, `bool`, `Vec<String>`, [`Class`], [`Secret`], and `Option` of these.
pub trait Config: Sized {
    /// The definition, built once.
    fn def() -> &'static ConfigDef;

    /// Takes the fields out of values that were parsed with a definition that has (at least) these keys. Values that
    /// are not there are the field's default, or empty.
    fn from_values(values: &mut ParsedConfig, raw: &RawConfig) -> Self;

    /// Parses with the struct's own definition. Names of classes are not looked up.
    ///
    /// # Errors
    /// All that is wrong, in the order of the definition, in Kafka's words.
    fn parse(raw: &RawConfig) -> Result<Self, Findings> {
        Self::parse_with(Self::def(), raw, &AnyClass)
    }

    /// Parses with a definition derived from the struct's own, looking classes up.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    fn parse_with(def: &ConfigDef, raw: &RawConfig, classes: &dyn Classes) -> Result<Self, Findings> {
        let mut values = def.parse(raw, classes)?;
        Ok(Self::from_values(&mut values, raw))
    }
}
