//! raccord-connector-file.
