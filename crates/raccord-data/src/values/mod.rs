//! Values as text and back: Connect's `Values`, by which header converters and some transforms go.

mod merge;
mod parser;
mod temporal;
mod tokens;
mod write;

pub use parser::{bytes_schema, parse_string};
pub use tokens::decimal_digit;
pub use write::{append, append_date};
