//! raccord-parity.

fn main() {}
