//! What is written is finished: no promises in comments, no paths of one person's machine.

use crate::source::has_word;
use crate::{Finding, Rules, Tree};

/// Words that promise work, as whole words.
const PROMISES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
/// The same as phrases and macros, in any case.
const PHRASES: [&str; 3] = ["for now", "todo!(", "unimplemented!("];
/// Folders that exist on one person's machine.
const HOMES: [&str; 3] = ["/home/", "/Users/", "/root/"];

/// The file that has to name what is looked for.
const SELF: &str = "crates/xtask/src/checks/words.rs";

/// Unfinished work and personal paths, in code, documents and scripts.
pub fn find(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let ours = |path: &str| {
        path != SELF
            && [".rs", ".md", ".toml", ".sh", ".yml", ".yaml", "/run"].iter().any(|end| path.ends_with(end))
    };
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| ours(path)) {
        for (at, line) in text.lines().enumerate() {
            let small = line.to_lowercase();
            let promise = PROMISES.into_iter().find(|word| has_word(line, word));
            let phrase = || PHRASES.into_iter().find(|phrase| small.contains(phrase));
            if let Some(word) = promise.or_else(phrase) {
                let what = format!("{word:?}: finish it, or describe what is missing where a user will look");
                findings.push(Finding::line(path, at, what));
            }
            if let Some(home) = HOMES.into_iter().find(|home| line.contains(home)) {
                findings.push(Finding::line(path, at, format!("{home:?}: a path that only one machine has")));
            }
        }
    }
    findings
}
