//! A file is about one thing; a long one usually is about two.

use crate::{Finding, Rules, Tree};

/// Rust files with too many lines, and exceptions that are not needed.
pub fn find(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let most = rules.file_lines;
    let excepted = |path: &str| rules.long_files.iter().any(|(file, _)| *file == path);
    let long = tree.ending(".rs").filter_map(|(path, text)| {
        let lines = text.lines().count();
        let what =
            format!("{lines} lines; split it, or give a reason in crates/xtask/src/rules.rs (most: {most})");
        (lines > most && !excepted(path)).then(|| Finding::file(path, what))
    });
    let stale = rules.long_files.iter().filter_map(|(path, _)| {
        let lines = tree.text(path).map_or(0, |text| text.lines().count());
        (lines <= most)
            .then(|| Finding::file(*path, "is excepted as a long file and is none; drop the exception"))
    });
    long.chain(stale).collect()
}
