//! Debezium's transforms that need no database.

pub mod condition;
