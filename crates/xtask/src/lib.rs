//! Repository style as code: each rule is a check that reads a tree and lists what breaks it.
//!
//! A check takes the root of a tree and its rules as values, so that a test can show it a small tree that breaks
//! the rule. The rules of this repository, with a reason for each exception, are in one place: [`rules`].

mod checks;
mod finding;
pub mod rules;
mod source;
mod tree;

pub use checks::{Check, all, run};
pub use finding::Finding;
pub use rules::Rules;
pub use tree::Tree;
