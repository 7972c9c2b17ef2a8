//! Transforms and predicates: Kafka's and Debezium's, under the class names that users have in their configs.
//!
//! Each transform is compiled per schema and run per record: what it finds out about a schema (places of fields, the
//! schema that comes out) is kept by the schema's pointer, so a record costs no lookup by name.

mod building;
pub mod date_format;
pub mod debezium;
mod exception;
mod fit;
pub mod kafka;
mod part;
mod schema_cache;
