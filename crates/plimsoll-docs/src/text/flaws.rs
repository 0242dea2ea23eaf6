//! What was wrong with a document and did not end its reading.

use serde::{Deserialize, Serialize};

/// How many records that were skipped are told one by one.
const TOLD: usize = 8;

/// What was replaced or skipped so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaws {
    /// Bytes that are no text and were read as U+FFFD.
    pub replaced: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// The first of them.
    pub told: Vec<Skipped>,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its line, counted from 1.
    pub line: u64,
    /// Where the line begins.
    pub at: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Flaws {
    /// Whether nothing was wrong.
    pub fn is_clear(&self) -> bool {
        self.replaced == 0 && self.skipped == 0
    }

    pub(crate) fn skip(&mut self, record: Skipped) {
        self.skipped += 1;
        if self.told.len() < TOLD {
            self.told.push(record);
        }
    }
}
