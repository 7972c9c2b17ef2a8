//! raccord-config.
