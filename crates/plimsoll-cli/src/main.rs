//! The plimsoll-cli program.

fn main() {}
