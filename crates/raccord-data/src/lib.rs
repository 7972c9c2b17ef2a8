//! What a record is: [`Schema`], [`Value`], [`Struct`], [`Record`].
//!
//! One representation serves every connector, transform and converter. It knows no IO, no Kafka and no
//! async runtime, so that everything else may depend on it.
//!
//! Speed comes from two decisions. A [`Schema`] is immutable behind an [`Arc`](std::sync::Arc), built once
//! and shared, so its pointer is a cache key. Text and bytes cells are slices of the ref-counted buffer they
//! were read into, so passing a value through copies nothing.

pub mod calendar;
mod decimal;
pub mod java_equals;
pub mod java_map;
pub mod java_order;
pub mod java_text;
mod record;
mod schema;
mod structure;
mod text;
mod value;
pub mod values;

pub use decimal::{Decimal, NotADecimal, low_bits};
pub use record::{Header, Headers, Position, Record, SchemaAndValue};
pub use schema::{Field, Schema, SchemaBuilder, Type, logical};
pub use structure::Struct;
pub use text::Text;
pub use value::Value;
