//! raccord-data.
