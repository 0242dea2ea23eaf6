//! A reader finds a crate by its folder, and what a module holds by its table of contents.

use super::manifest;
use crate::source::code_only;
use crate::{Finding, Rules, Tree};

/// Crates whose folder under `crates/` is not called what they are called.
pub fn crate_folders(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let (manifests, mut findings) = manifest::all(tree);
    for manifest in manifests {
        let Some(folder) =
            manifest.path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        if folder != manifest.name {
            let what = format!("is crate {:?} in folder {folder:?}; they have one name", manifest.name);
            findings.push(Finding::file(manifest.path, what));
        }
    }
    findings
}

/// `lib.rs` and `mod.rs` with more code than a table of contents has.
pub fn contents(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let most = rules.contents_lines;
    let tables = tree.files().filter(|(path, _)| {
        let in_src =
            path.split_once("/src/").is_some_and(|(crate_folder, _)| crate_folder.starts_with("crates/"));
        in_src && (path.ends_with("/lib.rs") || path.ends_with("/mod.rs"))
    });
    let mut findings = Vec::new();
    let mut needed = Vec::new();
    for (path, text) in tables {
        let code = code_only(text);
        let before_tests = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = before_tests.lines().filter(|line| !line.trim().is_empty()).count();
        if lines <= most {
            continue;
        }
        needed.push(path);
        if !rules.long_contents.iter().any(|(file, _)| *file == path) {
            let what = format!(
                "{lines} lines of code in a table of contents (most: {most}); move them to a file named after what they are"
            );
            findings.push(Finding::file(path, what));
        }
    }
    let stale = rules.long_contents.iter().filter(|(path, _)| !needed.contains(path));
    let what = "is excepted as a long table of contents and is none; drop the exception";
    findings.extend(stale.map(|(path, _)| Finding::file(*path, what)));
    findings
}
