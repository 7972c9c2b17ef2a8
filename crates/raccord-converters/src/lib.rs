//! The converters that Kafka Connect brings: between values and the bytes in Kafka.
//!
//! Bytes, orders of keys and texts of errors are those of Connect 4.3, since connectors of the two kinds share
//! topics. What depends on a schema is compiled once per schema ([`json`]); the rest has nothing to compile.
//!
//! What differs, because it has to:
//! - Text is Unicode proper: a surrogate without its half, which Java strings can hold, becomes U+FFFD.
//! - Numbers are written as Java 19 and later write them; Java 17 spends a digit too many on some floats.
//! - `byte[]` as text and as the key of a map follows from its contents, in Java from its address.
//! - Dates as text are in UTC, in Java in the time zone of the worker.
//! - Header text nested more than 500 levels deep is taken for bytes; Java gets there by a stack overflow, later.

mod charset;
mod config;
mod delegate;
mod header;
pub mod json;
mod plain;
pub mod plugins;
mod primitive;
mod string;

pub use charset::{ByteOrder, Charset};
pub use plugins::{CONVERTERS, DEBEZIUM_CONVERTERS};
