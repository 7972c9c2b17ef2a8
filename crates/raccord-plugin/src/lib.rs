//! raccord-plugin.
