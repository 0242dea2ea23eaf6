//! The first line of a conversation: who speaks, and how.

use serde::{Deserialize, Serialize};

use crate::monitor::Sample;

/// What a publisher says first. A reader ignores fields that it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::monitor) struct Greeting {
    /// Always [`Greeting::WORD`]: whoever does not say it is something else.
    pub(in crate::monitor) plimsoll: String,
    /// [`Sample::SCHEMA`] of the samples that follow.
    pub(in crate::monitor) schema: u32,
    /// The version of the library.
    pub(in crate::monitor) version: String,
    /// The program's name.
    pub(in crate::monitor) program: String,
    /// Its process.
    pub(in crate::monitor) pid: u32,
    /// Why no samples will follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::monitor) refused: Option<String>,
}

impl Greeting {
    pub(in crate::monitor) const WORD: &str = "samples";

    /// What this process says.
    #[cfg(unix)]
    pub(super) fn of(program: &str) -> Self {
        Self {
            plimsoll: Self::WORD.to_owned(),
            schema: Sample::SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program: program.to_owned(),
            pid: std::process::id(),
            refused: None,
        }
    }

    /// As a line.
    #[cfg(unix)]
    pub(super) fn line(&self) -> std::io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Whether what follows means what it means here.
    pub(in crate::monitor) const fn is_ours(&self) -> bool {
        self.schema == Sample::SCHEMA
    }
}
