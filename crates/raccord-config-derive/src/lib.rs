//! raccord-config-derive.
