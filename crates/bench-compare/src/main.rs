//! The bench-compare program.

fn main() {}
