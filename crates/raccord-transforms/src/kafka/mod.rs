//! Apache Kafka's transforms and predicates.
