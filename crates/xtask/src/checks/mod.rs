//! The checks, one rule a file.

mod commands;
mod dependencies;
mod layout;
mod length;
mod licences;
mod links;
mod manifest;
mod papers;
mod unsafety;
mod words;

use crate::{Finding, Rules, Tree};

/// One rule.
#[derive(Clone, Copy)]
pub struct Check {
    /// What it is called in the results.
    pub name: &'static str,
    /// Lists what breaks it.
    pub find: fn(&Tree, &Rules) -> Vec<Finding>,
}

/// All of them.
pub const fn all() -> [Check; 11] {
    [
        Check { name: "length", find: length::find },
        Check { name: "layout", find: layout::crate_folders },
        Check { name: "contents", find: layout::contents },
        Check { name: "unsafe", find: unsafety::find },
        Check { name: "words", find: words::find },
        Check { name: "papers", find: papers::find },
        Check { name: "links", find: links::find },
        Check { name: "commands", find: commands::find },
        Check { name: "decided", find: dependencies::decided },
        Check { name: "direction", find: dependencies::direction },
        Check { name: "licences", find: licences::find },
    ]
}

/// Runs every check over a tree.
pub fn run(tree: &Tree, rules: &Rules) -> Vec<(Check, Vec<Finding>)> {
    all().into_iter().map(|check| (check, (check.find)(tree, rules))).collect()
}
