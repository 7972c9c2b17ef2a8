//! raccord-console.
