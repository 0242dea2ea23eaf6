//! The section `[plan]`: where a run's predictions are kept beside what was measured.

use std::path::PathBuf;

use super::error::Wrong;
use super::node::{Entry, Node, Value, join};
use super::read::{find, unknown};

const KEY: &str = "plan";
const KEYS: [&str; 2] = ["name", "runs"];

/// What a plan says of its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsSettings {
    /// What the plan is called, so that its runs are told from others.
    pub name: String,
    /// The file to which each run adds a line: [`crate::runs`] says what is in it.
    pub file: PathBuf,
}

/// The section, if it is there and names a file.
pub(super) fn settings(entries: &[Entry]) -> Result<Option<RunsSettings>, Wrong> {
    let Some(section) = find(entries, KEY) else {
        return Ok(None);
    };
    let fields = section.node.table(KEY, "a table such as { runs = \"runs.jsonl\" }")?;
    if let Some(field) = fields.iter().find(|field| !KEYS.contains(&field.key.as_str())) {
        return Err(unknown(field, KEY, &KEYS, "`name` and `runs`"));
    }
    let text = |name: &str| find(fields, name).map(|field| text(&field.node, &join(KEY, name))).transpose();
    let (name, file) = (text("name")?.unwrap_or_default(), text("runs")?);
    Ok(file.map(|file| RunsSettings { name, file: file.into() }))
}

fn text(node: &Node, key: &str) -> Result<String, Wrong> {
    match &node.value {
        Value::Text(text) if !text.is_empty() => Ok(text.clone()),
        _ => Err(node.wrong_kind(key, "a text that is not empty")),
    }
}
