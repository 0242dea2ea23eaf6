//! A configuration as a tree with positions, before anything is known about its meaning.

use super::error::{Position, Problem, Wrong};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// As it was written, or as the parser writes it again.
    Number(String),
    Truth(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Something that no setting is: a date, nothing.
    Other(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) node: Node,
}

impl Node {
    /// In words, for "found …".
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("the text {text:?}"),
            Value::Number(number) => format!("the number {number}"),
            Value::Truth(truth) => truth.to_string(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(what) => (*what).to_owned(),
        }
    }

    pub(super) fn wrong_kind(&self, key: &str, expected: &'static str) -> Wrong {
        let found = self.found();
        Wrong::new(self.at, key, Problem::WrongKind { expected, found })
    }

    pub(super) fn table(&self, key: &str, expected: &'static str) -> Result<&[Entry], Wrong> {
        match &self.value {
            Value::Table(entries) => Ok(entries),
            _ => Err(self.wrong_kind(key, expected)),
        }
    }
}

/// `accounts` + `models/qwen` → `accounts."models/qwen"`.
pub(super) fn join(parent: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}
