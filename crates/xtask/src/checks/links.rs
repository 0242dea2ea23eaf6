//! A link in a document leads somewhere.

use std::path::{Component, Path, PathBuf};

use crate::{Finding, Rules, Tree};

/// Links within the repository whose file or heading is not there.
pub fn find(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (at, line) in prose(text) {
            for target in targets(line) {
                if let Some(what) = broken(tree, path, text, target) {
                    findings.push(Finding::line(path, at, what));
                }
            }
        }
    }
    findings
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What `[…](target)` and `[…]: target` point to, with inline code passed over.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("](") {
        let in_code = rest[..at].matches('`').count() % 2 == 1;
        rest = &rest[at + 2..];
        let Some(end) = rest.find(')') else { break };
        if !in_code {
            found.push(rest[..end].split(" \"").next().unwrap_or_default());
        }
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(target.split_whitespace().next().unwrap_or_default());
    }
    found
}

fn broken(tree: &Tree, from: &str, text: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { resolve(from, file)? };
    if !tree.exists(&path) {
        return Some(format!("the link to {target:?} leads to {path:?}, which is not there"));
    }
    let text = if path == from { text } else { tree.text(&path).unwrap_or_default() };
    let known = |heading: &str| prose(text).any(|(_, line)| line.starts_with('#') && anchor(line) == heading);
    let document = Path::new(&path).extension().is_some_and(|end| end == "md");
    let missing = document && !heading.is_empty() && !known(heading);
    missing.then(|| format!("the link to {target:?} names a heading that {path:?} does not have"))
}

/// A target relative to the file it stands in, as a path from the root; above the root it is not ours to check.
fn resolve(from: &str, target: &str) -> Option<String> {
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir if !path.pop() => return None,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path.to_string_lossy().into_owned())
}

/// A heading as it is named in a link: small letters, spaces as hyphens, without punctuation.
fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let named = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    title.chars().filter_map(named).collect()
}
