//! A dependency is a decision: it is written down, and it points the way the crates are layered.

use super::manifest::{self, Dependency};
use crate::{Finding, Rules, Tree};

const DECISIONS: &str = "docs/decisions.md";

/// Dependencies from outside that `docs/decisions.md` does not name in backticks.
pub fn decided(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let decisions = tree.text(DECISIONS).unwrap_or_default();
    let undecided = |one: &&Dependency| !one.ours && !decisions.contains(&format!("`{}`", one.name));
    let what =
        |one: &Dependency| format!("depends on {:?}, which {DECISIONS} does not give a reason for", one.name);
    let (manifests, mut findings) = manifest::all(tree);
    match manifest::of_workspace(tree) {
        Ok(shared) => {
            let new = shared.iter().filter(undecided);
            findings.extend(new.map(|one| Finding::file("Cargo.toml", what(one))));
        }
        Err(finding) => findings.push(finding),
    }
    for manifest in &manifests {
        let new = manifest.dependencies.iter().filter(undecided);
        findings.extend(new.map(|one| Finding::file(manifest.path.clone(), what(one))));
    }
    findings
}

/// Crates of the workspace that depend on what lies above them, and peers outside their one crate.
pub fn direction(tree: &Tree, rules: &Rules) -> Vec<Finding> {
    let (manifests, mut findings) = manifest::all(tree);
    for manifest in manifests.iter().filter(|manifest| manifest.path.starts_with("crates/")) {
        let Some((_, below)) = rules.directions.iter().find(|(name, _)| *name == manifest.name) else {
            let what = "has no row in the table of directions (crates/xtask/src/rules.rs); add it with what it may use";
            findings.push(Finding::file(manifest.path.clone(), what));
            continue;
        };
        for one in &manifest.dependencies {
            let wrong_way = one.ours && one.name != manifest.name && !below.contains(&one.name.as_str());
            let home = rules.confined.iter().find(|(home, starts)| {
                *home != manifest.name && starts.iter().any(|start| one.name.starts_with(start))
            });
            let what = match home {
                Some((home, _)) => format!("depends on {:?}, which only {home} may", one.name),
                None if wrong_way => format!("may not depend on {:?}: it is not below it", one.name),
                None => continue,
            };
            findings.push(Finding::file(manifest.path.clone(), what));
        }
    }
    findings
}
