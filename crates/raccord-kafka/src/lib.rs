//! raccord-kafka.
