//! raccord-converters.
