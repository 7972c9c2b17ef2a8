//! raccord-testkit.
