//! raccord-plugins.
