//! The names that events speak of by number.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Place};

/// Whose bytes, and where: an account at a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The account's path.
    pub account: String,
    /// The place.
    #[serde(with = "super::plain::place")]
    pub place: Place,
    /// What its pool rounds requests up to; 1 where bytes are charged without a pool.
    #[serde(with = "super::plain::bytes")]
    pub align: Bytes,
}

impl Source {
    /// What a lease of so many bytes takes here.
    pub const fn placed(&self, bytes: u64) -> u64 {
        match bytes.checked_next_multiple_of(self.align.get()) {
            Some(placed) => placed,
            None => bytes,
        }
    }
}

/// A line of code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The file, as the compiler was told of it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// Tables by number. Entry 0 of `tags` and of `sites` is "none"; a number beyond a table reads as "(other)".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Accounts at places.
    pub sources: Vec<Source>,
    /// Tags, scopes, caches and marks.
    pub tags: Vec<String>,
    /// Lines of code.
    pub sites: Vec<Site>,
    /// Threads.
    pub threads: Vec<String>,
}

impl Names {
    /// A tag's or scope's name.
    pub fn tag(&self, number: u16) -> &str {
        match (number, self.tags.get(usize::from(number))) {
            (0, _) => "(untagged)",
            (_, Some(name)) => name,
            (_, None) => "(other)",
        }
    }

    /// A line of code; `None` where it is not known.
    pub fn site(&self, number: u16) -> Option<&Site> {
        self.sites.get(usize::from(number)).filter(|_| number > 0)
    }

    /// An account at a place.
    pub fn source(&self, number: u16) -> Option<&Source> {
        self.sources.get(usize::from(number))
    }

    /// A thread's name.
    pub fn thread(&self, number: u16) -> &str {
        self.threads.get(usize::from(number)).map_or("(other)", String::as_str)
    }
}
