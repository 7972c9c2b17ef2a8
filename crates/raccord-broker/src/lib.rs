//! raccord-broker.
