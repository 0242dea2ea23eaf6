//! A command in a document can be typed: its crate, program or script exists.

use std::collections::BTreeSet;

use super::manifest;
use crate::{Finding, Rules, Tree};

/// Commands in fenced blocks of documents that name a crate or a script which is not there.
pub fn find(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let (manifests, _) = manifest::all(tree);
    let crates: BTreeSet<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        let mut fenced = false;
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced && let Some(what) = wrong(tree, &crates, line) {
                findings.push(Finding::line(path, at, what));
            }
        }
    }
    findings
}

fn wrong(tree: &Tree, crates: &BTreeSet<&str>, line: &str) -> Option<String> {
    let line = line.trim();
    let words: Vec<&str> = line.strip_prefix("$ ").unwrap_or(line).split_whitespace().collect();
    let (first, rest) = words.split_first()?;
    if *first == "cargo" {
        let own = rest.split(|word| *word == "--").next().unwrap_or_default();
        let named = own.windows(2).filter(|pair| matches!(pair[0], "-p" | "--package")).map(|pair| pair[1]);
        let unknown = named.into_iter().find(|name| !crates.contains(name))?;
        return Some(format!("this command names crate {unknown:?}, which is not in this workspace"));
    }
    let script = first.strip_prefix("./").unwrap_or(first);
    let ours = first.starts_with("./") || first.starts_with(".ci/");
    let built = script.starts_with("target/");
    (ours && !built && !tree.exists(script))
        .then(|| format!("this command runs {script:?}, which is not there"))
}
