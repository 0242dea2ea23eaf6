//! What encloses text that stays together.

use serde::{Deserialize, Serialize};

/// How a fence that is open ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fence {
    /// A line of at least so many of these.
    Code(char, usize),
    /// The settings at the beginning of a file, between lines of three hyphens.
    Front,
    /// Where the markup says so.
    Element,
}

impl Fence {
    /// The fence that a line begins; `first` says that it is the document's first.
    pub fn begins(line: &str, first: bool) -> Option<Self> {
        if first && line == "---" {
            return Some(Self::Front);
        }
        let mark = line.chars().next().filter(|char| matches!(char, '`' | '~'))?;
        let rest = line.trim_start_matches(mark);
        let count = line.len() - rest.len();
        (count >= 3 && !(mark == '`' && rest.contains('`'))).then_some(Self::Code(mark, count))
    }

    /// Whether it ends with this line.
    pub fn ends(self, line: &str) -> bool {
        match self {
            Self::Code(mark, count) => line.len() >= count && line.chars().all(|char| char == mark),
            Self::Front => matches!(line, "---" | "..."),
            Self::Element => false,
        }
    }
}
