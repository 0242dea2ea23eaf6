//! `unsafe` lives in few small files, each listed with what it is for.

use crate::source::{code_only, has_word};
use crate::{Finding, Rules, Tree};

/// `unsafe` outside the listed files, and listed files that have none.
pub fn find(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let listed = rules.unsafe_files.iter().any(|(file, _)| *file == path);
        if listed || !text.contains("unsafe") {
            continue;
        }
        let code = code_only(text);
        let mut lines = code.lines().enumerate().filter(|(_, line)| has_word(line, "unsafe"));
        if let Some((first, _)) = lines.next() {
            let more = lines.count();
            let what = format!(
                "unsafe, here and on {more} more lines, outside the files listed in crates/xtask/src/rules.rs"
            );
            findings.push(Finding::line(path, first, what));
        }
    }
    for (path, _) in rules.unsafe_files {
        let needed = tree.text(path).is_some_and(|text| has_word(&code_only(text), "unsafe"));
        if !needed {
            findings
                .push(Finding::file(*path, "is listed for unsafe code and has none; drop it from the list"));
        }
    }
    findings
}
