//! Configuration, declared once.
//!
//! A definition ([`ConfigDef`]) gives parsing that reports all findings, the JSON of
//! `PUT /connector-plugins/{plugin}/config/validate`, and the Markdown reference.

mod raw;

pub use raw::RawConfig;

/// The keys of one plugin in order.
#[derive(Debug)]
pub struct ConfigDef {}
