//! What is said, and by whom.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::{Deserialize, Serialize};

/// One message of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: `system`, `user`, `assistant`, `tool`, or what else the model's template knows.
    pub role: String,
    /// What is said, if anything.
    #[serde(default)]
    pub content: Option<String>,
    /// What else the template may look at: calls of tools, thoughts.
    #[serde(flatten)]
    pub more: BTreeMap<String, Given>,
}

impl Message {
    /// Says something.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(content.into()), more: BTreeMap::new() }
    }

    /// What the model is to be.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What somebody asks.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// A value that a template may look at: anything that JSON can say, with its keys in the order in which they were given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Given(pub(super) Value);

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<bool> for Given {
    fn from(flag: bool) -> Self {
        Self(flag.into())
    }
}

impl From<i64> for Given {
    fn from(number: i64) -> Self {
        Self(number.into())
    }
}
