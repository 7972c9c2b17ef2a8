//! raccord-runtime.
