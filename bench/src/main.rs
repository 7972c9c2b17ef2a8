//! raccord-bench.

fn main() {}
