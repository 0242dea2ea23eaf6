//! How long passages are.

use serde::{Deserialize, Serialize};

/// The bounds of a passage.
const LEAST: usize = 16;
const MOST: usize = 256 << 10;

/// How long a passage may be, and how much of it the next one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chunking {
    /// Bytes of a passage at most: 1,600 unless said otherwise, some 400 tokens of English.
    pub most: usize,
    /// Bytes at the end of a passage that the next may repeat, from the beginning of a sentence on: 160 unless said
    /// otherwise. Only where a passage ends within a paragraph.
    pub overlap: usize,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { most: 1600, overlap: 160 }
    }
}

/// Bounds that passages cannot be cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkingError {
    /// Too short or too long.
    #[error("a passage of {0} bytes at most was asked for; it may have from {LEAST} to {MOST}")]
    Most(usize),
    /// More is repeated than half a passage.
    #[error("{overlap} of {most} bytes were to be repeated; repeat half of them at most")]
    Overlap {
        /// What was to be repeated.
        overlap: usize,
        /// The most of a passage.
        most: usize,
    },
}

impl Chunking {
    /// Whether passages can be cut so.
    pub fn check(self) -> Result<Self, ChunkingError> {
        let Self { most, overlap } = self;
        if !(LEAST..=MOST).contains(&most) {
            return Err(ChunkingError::Most(most));
        }
        if overlap > most / 2 {
            return Err(ChunkingError::Overlap { overlap, most });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(Chunking::default().check().is_ok());
        assert_eq!(Chunking { most: 4, overlap: 0 }.check(), Err(ChunkingError::Most(4)));
        let half = Chunking { most: 100, overlap: 51 };
        assert!(half.check().unwrap_err().to_string().contains("half of them"));
    }
}
