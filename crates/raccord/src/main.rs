//! raccord.

fn main() {}
