//! Debezium's transforms that need no database.
