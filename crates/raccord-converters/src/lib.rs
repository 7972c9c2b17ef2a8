//! The converters that Kafka Connect brings: between values and the bytes in Kafka.
//!
//! Bytes, orders of keys and texts of errors are those of Connect 4.3, since connectors of the two kinds share
//! topics. What depends on a schema is compiled once per schema ([`json`]); the rest has nothing to compile.

mod charset;
mod config;
mod entries;
mod header;
mod java_text;
pub mod json;
mod plain;
pub mod plugins;
mod primitive;
mod string;

pub use charset::{ByteOrder, Charset};
pub use header::parse_string;
pub use java_text::{append_f32, append_f64, append_value};
pub use plugins::CONVERTERS;
