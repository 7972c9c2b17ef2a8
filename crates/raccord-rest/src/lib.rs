//! raccord-rest.
