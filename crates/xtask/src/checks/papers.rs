//! The documents that a newcomer looks for are there and say something.

use crate::{Finding, Rules, Tree};

/// Missing or empty documents.
pub fn find(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let missing = |path: &&&str| tree.text(path).is_none_or(|text| text.trim().is_empty());
    let papers = rules.papers.iter().filter(missing);
    papers.map(|path| Finding::file(*path, "is missing or empty")).collect()
}
